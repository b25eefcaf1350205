//! Editing a program: chains in place of constants, a newer operator set, blobs at new places. What is not touched
//! goes through as it was, fields that bitmill does not know included.

use std::collections::{HashMap, HashSet};

use thiserror::Error;

use super::chain::{Chain, Data};
use super::layout::{Layout, Source};
use super::operation::operations;
use super::{message, upgrade};
use crate::element::ElementType;
use crate::formats::coreml::proto::{
    BindingKind, Block, Function, ImmediateKind, Kept, Model, ModelKind, Operation, Value, ValueKind,
};
use crate::graph::function::Opset;
use crate::graph::index::Path;

/// A change of a program: whose constants become what.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    /// The operator set to write; `None` leaves it as it is.
    pub set: Option<Opset>,
    /// The operations that are replaced: the number of the weight whose chain takes their place.
    pub replace: HashMap<Path, usize>,
    /// The chains, by number of weight.
    pub chains: HashMap<usize, Chain>,
    /// The operations that go: what only replaced ones took.
    pub drop: HashSet<Path>,
}

/// Why a program cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RewriteError {
    /// There is no ML Program in the model.
    #[error("the model is no ML Program")]
    NoProgram,
    /// A blob's type is missing or none that blobs have.
    #[error("a constant of the program has no type that files of weights hold")]
    Type,
    /// More bytes than 64 bits count.
    #[error("the file of weights would be too large")]
    TooLarge,
    /// A compressed constant that a newer operator set writes differently, and that is not as it should be.
    #[error("`{operation}` is a `{operator}` that cannot be written for {set}: {why}")]
    Upgrade {
        /// The operation.
        operation: String,
        /// Its operator.
        operator: String,
        /// The set asked for.
        set: Opset,
        /// What is wrong.
        why: &'static str,
    },
}

/// Small tensors that stand in the program, by number of weight and of the tensor in its chain.
pub type Immediates = HashMap<(usize, usize), Vec<u8>>;

/// Edits a model. Gives the layout of its new file of weights, which is the same whatever `immediates` holds:
/// a first call without them says which blobs there will be, a second with them gives the model to write.
///
/// # Errors
/// See [`RewriteError`].
pub fn rewrite(model: &mut Kept<Model>, edits: &Edits, immediates: &Immediates) -> Result<Layout, RewriteError> {
    drop_hidden(model);
    let Some(ModelKind::MlProgram(program)) = &mut model.kind else { return Err(RewriteError::NoProgram) };
    let mut editor = Editor { edits, immediates, layout: Layout::default(), names: HashSet::new() };
    for entry in &mut program.functions {
        let name = entry.key.clone();
        if let Some(function) = &mut entry.value {
            editor.function(&name, function)?;
        }
    }
    for value in program.attributes.iter_mut().filter_map(|entry| entry.value.as_mut()) {
        editor.value(value)?;
    }
    let layout = editor.layout;
    if let Some(set) = edits.set {
        model.specification_version = set.specification();
    }
    Ok(layout)
}

/// Takes away functions and blocks behind which there is another one under the same key: protobuf lets the last count,
/// and paths lead into that one.
pub(super) fn drop_hidden(model: &mut Kept<Model>) {
    fn keep_last<E>(entries: &mut Vec<E>, key: impl Fn(&E) -> &String) {
        let mut last: HashMap<String, usize> = HashMap::new();
        last.extend(entries.iter().enumerate().map(|(index, entry)| (key(entry).clone(), index)));
        if last.len() < entries.len() {
            let mut index = 0..;
            entries.retain(|entry| index.next() == last.get(key(entry)).copied());
        }
    }
    let Some(ModelKind::MlProgram(program)) = &mut model.kind else { return };
    keep_last(&mut program.functions, |entry| &entry.key);
    for function in program.functions.iter_mut().filter_map(|entry| entry.value.as_mut()) {
        keep_last(&mut function.block_specializations, |entry| &entry.key);
    }
}

struct Editor<'a> {
    edits: &'a Edits,
    immediates: &'a Immediates,
    layout: Layout,
    /// Every name of the function at hand.
    names: HashSet<String>,
}

impl Editor<'_> {
    fn function(&mut self, name: &str, function: &mut Kept<Function>) -> Result<(), RewriteError> {
        let old = Opset::by_name(&function.opset);
        let set = self.edits.set.or(old);
        let inputs: Vec<String> = function.inputs.iter().map(|input| input.name.clone()).collect();
        let opset = function.opset.clone();
        if let Some(set) = self.edits.set.map(Opset::name).filter(|set| *set != opset) {
            // What is written for the new set takes the place of what was there for it: one key, one block.
            function.block_specializations.retain(|entry| entry.key != set);
        }
        for entry in &mut function.block_specializations {
            let active = entry.key == opset;
            let Some(block) = &mut entry.value else { continue };
            if !active {
                // Operations for another operator set: not ours to change, but their blobs move.
                self.block_values(block)?;
                continue;
            }
            self.names.clear();
            collect_names(block, &mut self.names);
            self.names.extend(inputs.iter().cloned());
            let mut path = Path { function: name.into(), through: Vec::new(), index: 0 };
            let (from, to) = (old.unwrap_or(Opset::CoreML5), set.unwrap_or(Opset::CoreML5));
            self.block(block, &mut path, (from, to))?;
            if let Some(set) = self.edits.set {
                entry.key = set.name().to_string();
            }
        }
        if let Some(set) = self.edits.set {
            function.opset = set.name().to_string();
        }
        for value in function.attributes.iter_mut().filter_map(|entry| entry.value.as_mut()) {
            self.value(value)?;
        }
        Ok(())
    }

    fn block(&mut self, block: &mut Kept<Block>, path: &mut Path, sets: (Opset, Opset)) -> Result<(), RewriteError> {
        let old = std::mem::take(&mut block.operations);
        block.operations.reserve(old.len());
        for (index, mut operation) in old.into_iter().enumerate() {
            path.index = index as u32;
            if self.edits.drop.contains(path) {
                continue;
            }
            if let Some(&weight) = self.edits.replace.get(path)
                && let Some(chain) = self.edits.chains.get(&weight)
            {
                block.operations.extend(self.chain(weight, chain, &operation, sets.1)?);
                continue;
            }
            for (nested, inner) in operation.blocks.iter_mut().enumerate() {
                let mut inside = path.clone();
                inside.through.push((index as u32, nested as u32));
                self.block(inner, &mut inside, sets)?;
            }
            if sets.0 < Opset::CoreML8 && sets.1 >= Opset::CoreML8 {
                self.upgrade(&mut operation, sets.1)?;
            }
            self.operation(&mut operation)?;
            block.operations.push(operation);
        }
        for value in block.attributes.iter_mut().filter_map(|entry| entry.value.as_mut()) {
            self.value(value)?;
        }
        Ok(())
    }

    /// A block's blobs, without any other change.
    fn block_values(&mut self, block: &mut Kept<Block>) -> Result<(), RewriteError> {
        for operation in &mut block.operations {
            for inner in &mut operation.blocks {
                self.block_values(inner)?;
            }
            self.operation(operation)?;
        }
        for value in block.attributes.iter_mut().filter_map(|entry| entry.value.as_mut()) {
            self.value(value)?;
        }
        Ok(())
    }

    fn chain(
        &mut self,
        weight: usize,
        chain: &Chain,
        replaced: &Kept<Operation>,
        set: Opset,
    ) -> Result<Vec<Kept<Operation>>, RewriteError> {
        let result = replaced.outputs.first().map_or("", |output| output.name.as_str());
        let (names, layout, immediates) = (&mut self.names, &mut self.layout, self.immediates);
        let mut fresh = |wish: &str| message::fresh(names, wish);
        let mut failed = None;
        let mut number = 0;
        let made = operations(chain, result, set, &mut fresh, |data| {
            let at = (weight, number);
            number += 1;
            if let Some(value) = small(data, immediates.get(&at)) {
                return value;
            }
            let count = data.shape.iter().map(|&size| size as u64).product();
            match layout.place(Source::Made { weight: at.0, data: at.1 }, data.element, count) {
                Some(offset) => message::blob(data.element, &data.shape, offset),
                None => {
                    failed = Some(RewriteError::TooLarge);
                    message::blob(data.element, &data.shape, 0)
                }
            }
        });
        failed.map_or(Ok(made), Err)
    }

    fn upgrade(&mut self, operation: &mut Kept<Operation>, set: Opset) -> Result<(), RewriteError> {
        let wrong = |operation: &Operation, why| RewriteError::Upgrade {
            operation: operation.outputs.first().map_or(String::new(), |output| output.name.clone()),
            operator: operation.r#type.clone(),
            set,
            why,
        };
        upgrade::upgrade(operation).map_err(|why| wrong(operation, why))
    }

    fn operation(&mut self, operation: &mut Kept<Operation>) -> Result<(), RewriteError> {
        for value in operation.attributes.iter_mut().filter_map(|entry| entry.value.as_mut()) {
            self.value(value)?;
        }
        let inputs = operation.inputs.iter_mut().filter_map(|entry| entry.value.as_mut());
        for binding in inputs.flat_map(|argument| &mut argument.arguments) {
            if let Some(BindingKind::Value(value)) = &mut binding.binding {
                self.value(value)?;
            }
        }
        Ok(())
    }

    /// Gives a constant's blobs their new places.
    fn value(&mut self, value: &mut Kept<Value>) -> Result<(), RewriteError> {
        let declared = blob_type(value);
        match &mut value.value {
            Some(ValueKind::BlobFile(blob)) => {
                let (element, count) = declared.ok_or(RewriteError::Type)?;
                let source = Source::Copy { file: blob.file_name.clone(), offset: blob.offset };
                let offset = self.layout.place(source, element, count).ok_or(RewriteError::TooLarge)?;
                blob.file_name = message::WEIGHTS.to_string();
                blob.offset = offset;
                Ok(())
            }
            Some(ValueKind::Immediate(immediate)) => match &mut immediate.value {
                Some(ImmediateKind::Tuple(tuple)) => tuple.values.iter_mut().try_for_each(|value| self.value(value)),
                Some(ImmediateKind::List(list)) => list.values.iter_mut().try_for_each(|value| self.value(value)),
                Some(ImmediateKind::Dictionary(dictionary)) => {
                    let pairs = dictionary.values.iter_mut();
                    pairs
                        .flat_map(|pair| {
                            let pair = &mut **pair;
                            pair.key.iter_mut().chain(pair.value.iter_mut())
                        })
                        .try_for_each(|value| self.value(value))
                }
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }
}

/// The element type and number of elements that a constant's declared type has.
fn blob_type(value: &Value) -> Option<(ElementType, u64)> {
    let dimensions = &message::tensor(value.r#type.as_ref())?.dimensions;
    let count = dimensions.iter().try_fold(1u64, |count, dimension| count.checked_mul(message::size(dimension)?))?;
    Some((message::element(value.r#type.as_ref())?, count))
}

/// A tensor as a constant in the program, where it is small. Without its bytes it is one of zeros, to be replaced.
fn small(data: &Data, bytes: Option<&Vec<u8>>) -> Option<Kept<Value>> {
    if !data.is_immediate() {
        return None;
    }
    let bytes = match bytes {
        Some(bytes) => bytes.clone(),
        None => vec![0; data.bytes()? as usize],
    };
    Some(message::elements(data.element, &data.shape, bytes))
}

fn collect_names(block: &Block, names: &mut HashSet<String>) {
    names.extend(block.inputs.iter().map(|input| input.name.clone()));
    for operation in &block.operations {
        names.extend(operation.outputs.iter().map(|output| output.name.clone()));
        for inner in &operation.blocks {
            collect_names(inner, names);
        }
    }
}
