//! A Core ML package as a model: its constants as weights.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::program::{self, ProgramFault};
use super::{Compressed, Halved, KnownBy, Location, Model, ModelError, ModelFormat, Role, Weight, share_kinds};
use crate::dtype::DType;
use crate::element::ElementType;
use crate::exec::constexpr::{self, Constant as Values, ConstexprError};
use crate::formats::coreml::Package;
use crate::formats::coreml::proto::{BlobFileValue, ModelKind};
use crate::formats::natural::natural_order;
use crate::graph::function::{Opset, Program};
use crate::graph::half::{self, Halving};
use crate::graph::index::{Index, Path as GraphPath, Producer};
use crate::graph::mil;
use crate::graph::value::{BlobRef, Blobs, Content, Literal};
use crate::graph::weights::{self, Compression, MAX_CHAIN, Use};
use crate::graph::{Binding, Name, Operation};
use crate::kind::Kind;

/// A constant of a program, once for all functions and names that share its blobs.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// The first of those that are the same.
    pub first: weights::Weight,
    /// The operations that define it, each the last of its chain.
    pub places: Vec<GraphPath>,
    /// Everything that takes it.
    pub uses: Vec<Use>,
    /// Whether a block hands it out.
    pub is_output: bool,
}

impl Constant {
    /// The axes of channels; `None` where its users disagree or do not tell.
    pub fn axes(&self) -> Option<weights::Axes> {
        weights::axes_of(&self.uses, self.first.ty.shape.len())
    }

    /// How it is compressed, if it is.
    pub fn compression(&self) -> Option<&Compression> {
        self.first.compression.as_ref()
    }

    fn blob(&self) -> Option<&BlobRef> {
        match &self.first.literal.as_ref()?.content {
            Content::Blob(blob) => Some(blob),
            _ => None,
        }
    }
}

/// Joins constants that are the same in the files.
fn joined(functions: &[Index<'_>], blobs: &dyn Blobs) -> Vec<Constant> {
    let found = weights::weights_of(functions, blobs);
    let mut all: Vec<Constant> = Vec::new();
    let mut group_at: HashMap<usize, usize> = HashMap::new();
    for weight in found.all {
        let known = weight.group.and_then(|group| group_at.get(&group).copied());
        match known {
            // Only what has the same type can be written once for all.
            Some(at) if all[at].first.ty == weight.ty => {
                all[at].places.push(weight.path);
                all[at].uses.extend(weight.uses);
                all[at].is_output |= weight.is_output;
            }
            _ => {
                group_at.extend(weight.group.map(|group| (group, all.len())));
                let (places, uses) = (vec![weight.path.clone()], weight.uses.clone());
                all.push(Constant { is_output: weight.is_output, places, uses, first: weight });
            }
        }
    }
    all
}

/// What a model has beside its weights when it is a package.
#[derive(Debug)]
pub struct PackageModel {
    /// The package.
    pub package: Package,
    /// Its program.
    pub program: Program,
    /// Where each of [`Model::weights`] stands in the program, in their order.
    pub constants: Vec<Constant>,
    /// Where the parts of compressed constants are defined.
    links: Links,
    /// Faults by operator set, once they were asked for.
    faults: [OnceLock<Vec<ProgramFault>>; Opset::ALL.len()],
}

/// Two openings of one package are the same model.
impl PartialEq for PackageModel {
    fn eq(&self, other: &Self) -> bool {
        self.package.path() == other.package.path() && self.program == other.program
    }
}

/// Opens a package.
///
/// # Errors
/// If it is none, is damaged, or its program makes no sense.
pub fn open(path: &Path) -> Result<Model, ModelError> {
    let package = Package::open(path)?;
    let Some(ModelKind::MlProgram(message)) = &package.model().kind else {
        return Err(ModelError::NoTensors(path.to_owned()));
    };
    let program = mil::import(message).map_err(|source| ModelError::Program { path: path.to_owned(), source })?;
    let functions: Vec<Index> = program.functions.iter().map(Index::new).collect();
    let constants = joined(&functions, &package);
    let mut names = Names::default();
    let halving = Halving::of(package.model().specification_version);
    let staying: HashSet<GraphPath> =
        functions.iter().flat_map(|index| half::staying(index).into_iter().map(|id| index.path(id))).collect();
    let mut all: Vec<(Weight, Constant)> = Vec::new();
    for constant in constants {
        if let Some(mut weight) = weight(&package, &constant, &mut names)? {
            weight.halved = halved(&constant, halving, &staying);
            all.push((weight, constant));
        }
    }
    all.sort_by(|a, b| natural_order(&a.0.name, &b.0.name));
    let (mut weights, constants): (Vec<Weight>, Vec<Constant>) = all.into_iter().unzip();
    share_kinds(&mut weights);
    let files = files(&package, &functions)?;
    let links = links(&functions);
    let facts = program::facts(package.model(), &functions, &constants);
    drop(functions);
    let program = PackageModel { package, program, constants, links, faults: Default::default() };
    Ok(Model {
        path: path.to_owned(),
        format: ModelFormat::MlPackage,
        files,
        architecture: None,
        weights,
        packed: HashMap::new(),
        program: Some(Arc::new(program)),
        export: None,
        facts: Some(facts),
        refused: Default::default(),
        takes: None,
        counted: Default::default(),
    })
}

/// The file of the model, and every file of weights that its program names.
fn files(package: &Package, functions: &[Index<'_>]) -> Result<Vec<PathBuf>, ModelError> {
    let mut files = vec![package.model_path().to_owned()];
    let mut seen = HashSet::new();
    for function in functions {
        for (_, operation) in function.operations() {
            let bound = operation.inputs.iter().flat_map(|input| &input.bindings).filter_map(|binding| match binding {
                Binding::Literal(literal) => Some(literal),
                Binding::Value(_) => None,
            });
            for literal in operation.attributes.iter().map(|attribute| &attribute.value).chain(bound) {
                let Content::Blob(blob) = &literal.content else { continue };
                if seen.insert(&blob.file) {
                    let path = package.weight_file(&blob.file)?.path().to_owned();
                    if !files.contains(&path) {
                        files.push(path);
                    }
                }
            }
        }
    }
    Ok(files)
}

fn dtype(element: ElementType) -> DType {
    match element {
        ElementType::Fp16 => DType::F16,
        ElementType::Fp32 => DType::F32,
        ElementType::Fp64 => DType::F64,
        ElementType::Bf16 => DType::BF16,
        ElementType::Fp8E4M3 => DType::F8E4M3,
        ElementType::Fp8E5M2 => DType::F8E5M2,
        ElementType::Int8 => DType::I8,
        ElementType::Int16 => DType::I16,
        ElementType::Int32 => DType::I32,
        ElementType::Int64 => DType::I64,
        ElementType::Uint8 => DType::U8,
        ElementType::Uint16 => DType::U16,
        ElementType::Uint32 => DType::U32,
        ElementType::Uint64 => DType::U64,
        ElementType::Bool => DType::Bool,
        _ => DType::Opaque,
    }
}

/// A constant as a weight; `None` for one whose shape is not fixed.
fn weight(package: &Package, constant: &Constant, names: &mut Names) -> Result<Option<Weight>, ModelError> {
    let Some(shape) = constant.first.ty.sizes() else { return Ok(None) };
    let shape: Vec<usize> = shape.iter().map(|&size| usize::try_from(size).unwrap_or(usize::MAX)).collect();
    let damaged = || ModelError::Blob { path: package.path().to_owned(), value: constant.first.name.to_string() };
    let bytes = match constant.first.ty.bytes() {
        Some(bytes) => bytes,
        // Text has no size of its own; everything else is too large for any file.
        None if constant.first.ty.element.bits() == 0 => return Ok(None),
        None => return Err(damaged()),
    };
    // What a program declares is only a claim: sizes and sums are those of the files.
    for (blob, declared) in &constant.first.blobs {
        let reference = BlobFileValue { file_name: blob.file.to_string(), offset: blob.offset };
        let stored = package.blob(&reference)?;
        if stored.element != declared.element || declared.count() != Some(stored.elements()) {
            return Err(damaged());
        }
    }
    let full = unique(name(constant), names);
    let module_len = full.rfind('.').unwrap_or(0);
    let (kind, role) = kind(constant, shape.len());
    let transposed = kind == Kind::Matmul && constant.axes().is_some_and(|axes| axes.output < axes.input);
    let compressed = constant.compression().map(|found| Compressed::of_constant(&shape, found));
    Ok(Some(Weight {
        name: full,
        tied: Vec::new(),
        module_len,
        kind,
        known_by: KnownBy::Program,
        role,
        transposed,
        groups: None,
        shape,
        dtype: dtype(constant.first.ty.element),
        bytes: constant.first.bytes.unwrap_or(bytes),
        halved: None,
        compressed,
        location: Location::default(),
    }))
}

/// What a constant takes where the program becomes one of fp16, told by who takes it. Some of them stay in fp32 because
/// of values, which headers do not tell.
fn halved(constant: &Constant, halving: Halving, staying: &HashSet<GraphPath>) -> Option<Halved> {
    let first = &constant.first;
    let (bytes, halved) = (first.bytes?, first.halved?);
    if first.ty.element != ElementType::Fp32 || constant.compression().is_some() {
        let stays = constant.places.iter().any(|place| staying.contains(place));
        return Some(Halved { bytes: if stays { bytes } else { halved }, beside: 0 });
    }
    let is_half = |one: &Use| {
        halving.converts(&one.kind) && !halving.keeps(&one.kind, &one.parameter) && !staying.contains(&one.path)
    };
    let (half, full) = (constant.uses.iter().any(is_half), !constant.uses.iter().all(is_half));
    let stays = if full || constant.is_output { bytes } else { 0 };
    let becomes = if half || stays == 0 { halved } else { 0 };
    Some(Halved { bytes: stays.saturating_add(becomes), beside: if full { bytes } else { 0 } })
}

/// The dotted name of a constant: its own, else one made of the operation that takes it.
fn name(constant: &Constant) -> String {
    let own = &constant.first.name;
    match constant.uses.first() {
        _ if weights::is_module_like(own) => weights::dotted(own),
        Some(one) if one.bias.as_ref().is_some_and(|bias| weights::is_module_like(bias)) => {
            constant.first.candidates().into_iter().next().unwrap_or_else(|| own.to_string())
        }
        Some(one) => format!("{}.{}", one.operation, one.parameter),
        None => own.to_string(),
    }
}

/// The names that are taken, and by which number the search for a free one goes on: a program may give one name to
/// very many constants.
#[derive(Default)]
struct Names {
    taken: HashSet<String>,
    next: HashMap<String, usize>,
}

fn unique(name: String, names: &mut Names) -> String {
    if names.taken.insert(name.clone()) {
        return name;
    }
    let number = names.next.entry(name.clone()).or_insert(1);
    loop {
        let free = format!("{name}_{number}");
        *number += 1;
        if names.taken.insert(free.clone()) {
            return free;
        }
    }
}

fn kind(constant: &Constant, rank: usize) -> (Kind, Role) {
    use weights::Role as As;
    let rank_of = |one: &&Use| match one.role {
        As::Bias | As::Normalization => 1,
        As::Other => 2,
        _ => 0,
    };
    let Some(one) = constant.uses.iter().min_by_key(rank_of) else { return (Kind::Other, Role::Buffer) };
    let role = match one.role {
        As::Bias => Role::Bias,
        _ if !constant.first.ty.element.is_float() => Role::Buffer,
        _ => Role::Weight,
    };
    (kind_of(one, rank), role)
}

/// The kind of module that an operation is to a constant of some rank that it takes.
pub(super) fn kind_of(one: &Use, rank: usize) -> Kind {
    use weights::Role as As;
    match (one.role, &*one.kind) {
        (As::Linear, _) | (_, "linear") => Kind::Linear,
        (As::Conv { .. }, _) => match rank {
            3 => Kind::Conv1d,
            5 => Kind::Conv3d,
            _ => Kind::Conv2d,
        },
        (As::ConvTranspose { .. }, _) | (_, "conv_transpose") => Kind::ConvTranspose,
        (As::MatmulX { .. } | As::MatmulY { .. } | As::Einsum { .. }, _) => Kind::Matmul,
        (As::Embedding, _) => Kind::Embedding,
        (As::Normalization, _) => Kind::Norm,
        (_, "lstm") => Kind::Lstm,
        (_, "gru") => Kind::Gru,
        (_, "rnn") => Kind::Rnn,
        _ => Kind::Other,
    }
}

/// What the operations of chains are bound to: by the operation that takes a value and the value's name, which blocks
/// beside each other may give to different ones.
type Links = HashMap<(GraphPath, Name), (GraphPath, usize)>;

/// Every operation that gives what a compressed constant is made of: the place, and the number of its output.
fn links(functions: &[Index<'_>]) -> Links {
    let mut all = HashMap::new();
    for index in functions {
        for (id, _) in index.operations().filter(|(_, operation)| operation.is_constexpr()) {
            for value in index.bound(id).iter().flatten() {
                let Producer::Operation { operation: producer, output } = index.producer(*value) else { continue };
                let inner = index.operation(producer);
                if inner.is_constexpr() || inner.is_const() {
                    let taken = (index.path(id), index.name(*value).clone());
                    all.insert(taken, (index.path(producer), output as usize));
                }
            }
        }
    }
    all
}

/// The outputs of operations, by place. Tensors are shared, not copied.
type Known = HashMap<GraphPath, Vec<Values>>;

impl PackageModel {
    /// The bytes of the constants that are not compressed, by full name.
    pub(super) fn plain(&self, model: &Model) -> Result<HashMap<String, Bytes>, ModelError> {
        let mut all = HashMap::new();
        for (weight, constant) in model.weights.iter().zip(&self.constants) {
            let Some(literal) = &constant.first.literal else { continue };
            let bytes = match &literal.content {
                Content::Blob(blob) => {
                    let reference = BlobFileValue { file_name: blob.file.to_string(), offset: blob.offset };
                    self.package.blob(&reference)?.bytes
                }
                Content::Bytes(bytes) => bytes.clone(),
                _ => continue,
            };
            all.insert(weight.name.clone(), bytes);
        }
        Ok(all)
    }

    /// Looks whether the file that holds a constant is still as it was when it was opened.
    ///
    /// # Errors
    /// If it was changed.
    pub fn check_unchanged(&self, index: usize) -> Result<(), ModelError> {
        if let Some(blob) = self.constants.get(index).and_then(Constant::blob) {
            self.package.weight_file(&blob.file)?.reader()?;
        }
        Ok(())
    }

    /// An operation of the program.
    pub fn operation(&self, path: &GraphPath) -> Option<&Operation> {
        let mut block = &self.program.function(&path.function)?.block;
        for (operation, nested) in &path.through {
            block = block.operations.get(*operation as usize)?.blocks.get(*nested as usize)?;
        }
        block.operations.get(path.index as usize)
    }

    /// The values of a compressed constant; `None` for one that is plain.
    ///
    /// # Errors
    /// If its operators do not fit each other, or a blob is missing.
    pub fn decompress(&self, index: usize) -> Result<Option<Values>, ConstexprError> {
        let Some(constant) = self.constants.get(index) else { return Ok(None) };
        let (Some(_), Some(place)) = (constant.compression(), constant.places.first()) else { return Ok(None) };
        let outputs = self.evaluate(place, 0, &mut HashMap::new())?;
        let operation = self.operation(place).ok_or_else(|| ConstexprError::Operator(place.to_string()))?;
        let at = operation.outputs.iter().position(|output| output.name == constant.first.name);
        let values = at.and_then(|at| outputs.get(at)).cloned().ok_or(ConstexprError::Declared)?;
        let declared = &constant.first.ty;
        let same = |(size, found): (&u64, &usize)| *size == *found as u64;
        let fits = declared
            .sizes()
            .is_some_and(|sizes| sizes.len() == values.shape.len() && sizes.iter().zip(&values.shape).all(same));
        if fits && declared.element == values.element { Ok(Some(values)) } else { Err(ConstexprError::Declared) }
    }

    /// The outputs of an operation of a chain; `known` are those of the operations before, each evaluated once.
    fn evaluate(&self, place: &GraphPath, depth: usize, known: &mut Known) -> Result<Vec<Values>, ConstexprError> {
        if let Some(outputs) = known.get(place) {
            return Ok(outputs.clone());
        }
        let operation = self.operation(place).filter(|_| depth < MAX_CHAIN);
        let operation = operation.ok_or_else(|| ConstexprError::Operator(place.to_string()))?;
        let blobs = &self.package;
        let (failed, inside) = (RefCell::new(None), RefCell::new(known));
        let literal = |literal: &Literal| -> Option<Values> {
            let ty = literal.ty.as_tensor()?;
            let shape = ty.sizes()?.into_iter().map(|size| usize::try_from(size).ok()).collect::<Option<_>>()?;
            let bytes = match &literal.content {
                // Text: the one parameter of the kind says what is known anyway.
                Content::Strings(_) => return None,
                _ => literal.tensor_bytes(blobs)?,
            };
            Some(Values { element: ty.element, shape, bytes })
        };
        let bound = |name: &str| match operation.attribute(name) {
            Some(value) => literal(value),
            None => match operation.input(name).first()? {
                Binding::Literal(value) => literal(value),
                Binding::Value(value) => {
                    let (inner, at) = self.links.get(&(place.clone(), value.clone()))?;
                    let producer = self.operation(inner)?;
                    if producer.is_const() {
                        return literal(producer.attribute("val")?);
                    }
                    match self.evaluate(inner, depth + 1, &mut inside.borrow_mut()) {
                        Ok(outputs) => outputs.into_iter().nth(*at),
                        Err(error) => {
                            failed.borrow_mut().get_or_insert(error);
                            None
                        }
                    }
                }
            },
        };
        let outputs = constexpr::evaluate(&operation.kind, &bound);
        if let Some(error) = failed.into_inner() {
            return Err(error);
        }
        let outputs = outputs?;
        inside.into_inner().insert(place.clone(), outputs.clone());
        Ok(outputs)
    }

    /// What is wrong with the program as it would be in an operator set, its own or a newer one; for its own, with
    /// what is described otherwise than it is.
    pub fn faults(&self, set: Opset) -> &[ProgramFault] {
        self.faults[set as usize].get_or_init(|| {
            let mut faults = program::faults(&self.program, set, &self.package);
            if self.opset() == Some(set) {
                faults.extend(program::interface_faults(self.package.model(), &self.program));
            }
            faults
        })
    }

    /// The operator set of its functions; `None` for one that is not known.
    pub fn opset(&self) -> Option<Opset> {
        self.program.opset()
    }

    /// The elements of an fp32 blob, if that is what it is.
    pub fn floats(&self, file: &str, offset: u64) -> Option<Vec<f32>> {
        let stored = self.package.blob(&BlobFileValue { file_name: file.to_string(), offset }).ok()?;
        let floats = stored.bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        (stored.element == ElementType::Fp32).then(|| floats.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_for_very_many_constants_takes_no_longer_than_many_names() {
        let mut names = Names::default();
        let given = ["a", "a_1", "a", "a"].map(|name| unique(name.to_owned(), &mut names));
        assert_eq!(given, ["a", "a_1", "a_2", "a_3"]);
        let last = (0..200_000).map(|_| unique("a".to_owned(), &mut names)).last();
        assert_eq!(last.as_deref(), Some("a_200003"));
    }
}
