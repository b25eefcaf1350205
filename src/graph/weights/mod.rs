//! The constants of a program that quantization is about: where they are, who uses them as what, how they are
//! stored, which of them are the same.
//!
//! Constants are found as Core ML's own tools find them (CT:optimize/coreml/_quantization_passes.py): not by layer
//! but by size and type, whatever they feed.

mod compression;
mod names;
mod role;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Name;
use super::function::Program;
use super::index::{Consumer, Index, OpId, Path, ValueId};
use super::op::Operation;
use super::types::TensorType;
use super::value::{BlobRef, Blobs, Content, Literal};

pub use compression::{Affine, Compression, Granularity, MAX_CHAIN, Palette};
pub use names::{dotted, is_module_like, stem};
pub use role::{Axes, Role};

use compression::{Chain, Stored};

/// Constants of fewer elements stand in the program itself and are not looked at. CT:backend/mil/load.py:59-72.
pub const MIN_ELEMENTS: u64 = 10;

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// The value's name.
    pub name: Name,
    /// The function.
    pub function: Name,
    /// The `const`, or the last `constexpr_*`, that defines it.
    pub path: Path,
    /// That operation's own name, by which coremltools' configurations name it.
    pub operation: Name,
    /// Its type as it is used, after decompression.
    pub ty: TensorType,
    /// How it is compressed; `None` for a plain constant.
    pub compression: Option<Compression>,
    /// The constant itself, where it is plain.
    pub literal: Option<Literal>,
    /// Bytes it takes as stored, with scales and tables. `None` where a size is unknown.
    pub bytes: Option<u64>,
    /// As `bytes`, once what is fp32 of it is fp16.
    pub halved: Option<u64>,
    /// The blobs that it is made of, each with the type as which the program declares it.
    pub blobs: Vec<(BlobRef, TensorType)>,
    /// Who uses it, in the order of the text.
    pub uses: Vec<Use>,
    /// Whether a block hands it out.
    pub is_output: bool,
    /// The number of the group of constants that are the same one in the file; see [`Weights::groups`].
    pub group: Option<usize>,
}

/// A use of a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// The operation.
    pub path: Path,
    /// Its operator.
    pub kind: Name,
    /// Its name.
    pub operation: Name,
    /// The parameter it is bound to.
    pub parameter: Name,
    /// As what.
    pub role: Role,
    /// The name of the constant bound to the operation's `bias`, if there is one: it may tell the module where the
    /// weight's own name does not.
    pub bias: Option<Name>,
}

/// All constants of a program.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    /// In the order of functions and of the text.
    pub all: Vec<Weight>,
    /// Numbers of constants that are one and the same in the files: tied weights, weights of several functions.
    pub groups: Vec<Vec<usize>>,
}

impl Weight {
    /// Its axes of channels. `None` where the uses disagree or do not tell; 0 and 1 where there is no use.
    pub fn axes(&self) -> Option<Axes> {
        axes_of(&self.uses, self.ty.shape.len())
    }

    /// Guesses at the name of its parameter, best first: from its own name, from the bias beside it, and from its
    /// name as it stands. Compare names of modules that are known, written with
    /// underscores, with [`stem`]s.
    pub fn candidates(&self) -> Vec<String> {
        let mut candidates = Vec::new();
        if is_module_like(&self.name) {
            candidates.push(dotted(&self.name));
        }
        for bias in self.uses.iter().filter_map(|used| used.bias.as_ref()).filter(|bias| is_module_like(bias)) {
            let bias = dotted(bias);
            let Some(module) = bias.strip_suffix(".bias") else { continue };
            // Folding a batch normalization names the new bias after the weight: `conv1_weight_bias`.
            let module = module.strip_suffix(".weight").unwrap_or(module);
            candidates.push(format!("{module}.weight"));
        }
        candidates.push(dotted(&self.name));
        let mut seen = HashSet::new();
        candidates.retain(|candidate| seen.insert(candidate.clone()));
        candidates
    }
}

/// The axes of channels of a constant of some rank. `None` where its uses disagree or do not tell; 0 and 1 where there
/// is no use.
pub fn axes_of(uses: &[Use], rank: usize) -> Option<Axes> {
    let mut found = uses.iter().map(|used| used.role.axes(rank));
    let first = found.next().unwrap_or_else(|| Role::Other.axes(rank))?;
    found.all(|axes| axes == Some(first)).then_some(first)
}

/// Finds the constants of a program.
///
/// Those that only `constexpr_*` use are parts of others and not listed, nor are those of fewer than
/// [`MIN_ELEMENTS`] elements, of text, truth values or wide integers.
pub fn weights(program: &Program, blobs: &dyn Blobs) -> Weights {
    weights_of(&program.functions.iter().map(Index::new).collect::<Vec<_>>(), blobs)
}

/// As [`weights`], of functions whose names are resolved.
pub fn weights_of(functions: &[Index<'_>], blobs: &dyn Blobs) -> Weights {
    let mut finder = Finder { blobs, all: Vec::new(), keys: BTreeMap::new() };
    for function in functions {
        finder.function(function);
    }
    let mut groups = Vec::new();
    for members in finder.keys.into_values().filter(|members| members.len() > 1) {
        for member in &members {
            finder.all[*member].group = Some(groups.len());
        }
        groups.push(members);
    }
    Weights { all: finder.all, groups }
}

/// What is stored for a constant, operation by operation: equal for constants that are the same.
type Key = Vec<(String, Stored)>;

struct Finder<'b> {
    blobs: &'b dyn Blobs,
    all: Vec<Weight>,
    keys: BTreeMap<Key, Vec<usize>>,
}

impl Finder<'_> {
    fn function(&mut self, index: &Index<'_>) {
        let mut biases = HashMap::new();
        for (id, operation) in index.operations() {
            if !operation.is_const() && !operation.is_constexpr() {
                continue;
            }
            for output in 0..operation.outputs.len() {
                if let Some(value) = index.output(id, output) {
                    self.value(index, id, operation, value, &mut biases);
                }
            }
        }
    }

    fn value(
        &mut self,
        index: &Index<'_>,
        id: OpId,
        operation: &Operation,
        value: ValueId,
        biases: &mut HashMap<OpId, Option<Name>>,
    ) {
        let Some(ty) = index.ty(value).as_tensor() else { return };
        let literal = operation.attribute("val").filter(|_| operation.is_const());
        if literal.is_some() && !is_weight_like(ty) {
            return;
        }
        let consumers = index.consumers(value);
        let mut uses = Vec::new();
        let mut is_output = false;
        for consumer in consumers {
            match consumer {
                Consumer::Output { .. } => is_output = true,
                Consumer::Operation { operation, parameter, position } => {
                    if !index.operation(*operation).is_constexpr() {
                        uses.push(self.used(index, *operation, *parameter, *position, biases));
                    }
                }
            }
        }
        // A part of another constant.
        if uses.is_empty() && !is_output && !consumers.is_empty() {
            return;
        }
        let sizes = || (ty.bytes(), ty.bytes_halved());
        let (compression, key, (bytes, halved), blobs) = match literal {
            Some(Literal { content: Content::Blob(blob), .. }) => {
                let blobs = vec![(blob.clone(), ty.clone())];
                (None, vec![("const".to_owned(), Stored::Blob(blob.clone()))], sizes(), blobs)
            }
            Some(_) => (None, Vec::new(), sizes(), Vec::new()),
            None => {
                let chain = Chain::of(index, id, self.blobs);
                // What stands in the program is equal by chance, not one constant in two places.
                let is_shared = |(_, stored): &(String, Stored)| matches!(stored, Stored::Blob(_));
                let key = match chain.all_in_files && chain.stored.iter().any(is_shared) {
                    true => chain.stored,
                    false => Vec::new(),
                };
                (Some(chain.compression), key, (chain.bytes, chain.halved), chain.blobs_declared)
            }
        };
        if !key.is_empty() {
            self.keys.entry(key).or_default().push(self.all.len());
        }
        self.all.push(Weight {
            name: index.name(value).clone(),
            function: index.function().name.clone(),
            path: index.path(id),
            operation: operation.name.clone(),
            ty: ty.clone(),
            compression,
            literal: literal.cloned(),
            bytes,
            halved,
            blobs,
            uses,
            is_output,
            group: None,
        });
    }

    fn used(
        &self,
        index: &Index<'_>,
        id: OpId,
        parameter: u32,
        position: u32,
        biases: &mut HashMap<OpId, Option<Name>>,
    ) -> Use {
        let operation = index.operation(id);
        let parameter = operation.inputs[parameter as usize].parameter.clone();
        let bias = || index.bound_to(id, "bias").map(|value| index.name(value).clone());
        Use {
            path: index.path(id),
            kind: operation.kind.clone(),
            operation: operation.name.clone(),
            role: Role::of(index, id, &parameter, position, self.blobs),
            bias: biases.entry(id).or_insert_with(bias).clone().filter(|_| &*parameter == "weight"),
            parameter,
        }
    }
}

/// Whether a plain constant is large enough and of a type that can be a weight.
fn is_weight_like(ty: &TensorType) -> bool {
    use super::ElementType::{Bf16, Int8, Uint8};
    let element = ty.element;
    (element.is_float() || matches!(element, Bf16 | Int8 | Uint8)) && ty.count().is_some_and(|n| n >= MIN_ELEMENTS)
}

#[cfg(test)]
mod tests;
