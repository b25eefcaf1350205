//! Programs from the messages of a Core ML package, and the way back from an operation to its message.
//!
//! The messages stay what they are: whoever edits a package edits them, at the place that
//! [`Index::path`](super::index::Index::path) names, so everything that no pass touches goes out as it came in.
//! Comments, attributes of blocks and functions, and operations for other operator sets are therefore not in the
//! program form.

mod fault;
mod interface;
mod types;
mod values;

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use crate::formats::coreml::Package;
use crate::formats::coreml::proto::{self, BindingKind, Kept};

use super::Name;
use super::function::{Function, Program};
use super::index::Path;
use super::op::{Argument, Attribute, Binding, Block, MAX_BLOCK_DEPTH, Operation};
use super::types::{NamedType, TensorType};
use super::value::{BlobRef, Blobs};

pub use fault::{Fault, ImportError};
pub use interface::{InterfaceError, Side, check_interface};

/// A blob of another type or length than the constant's counts as missing; [`Package::blob`] tells what is wrong.
impl Blobs for Package {
    fn bytes(&self, blob: &BlobRef, ty: &TensorType) -> Option<Bytes> {
        let stored = self.weight_file(&blob.file).ok()?.read(blob.offset).ok()?;
        // Elements and not bytes: nine of four bits take as many bytes as ten.
        (stored.element == ty.element && ty.count() == Some(stored.elements())).then_some(stored.bytes)
    }
}

/// Gives equal names one place in memory.
#[derive(Default)]
struct Interner {
    names: HashSet<Name>,
    /// Operations, values and uses so far; they are numbered with 32 bits.
    size: u64,
}

/// An error of an operation, before the function is known.
type OpFault = (Option<Name>, Fault);

/// Makes the program of a package's messages.
///
/// # Errors
///
/// Where the messages make no program, with the place. Whether the program is a valid one,
/// [`check`](super::check) tells.
pub fn import(program: &proto::Program) -> Result<Program, ImportError> {
    let mut interner = Interner::default();
    let mut functions = Vec::new();
    let by_name: BTreeMap<&str, _> = program.functions.iter().map(|entry| (&*entry.key, &entry.value)).collect();
    for (name, function) in by_name {
        let name = interner.name(name);
        interner.size = 0;
        let empty = Kept::<proto::Function>::default();
        let function = interner.function(name.clone(), function.as_ref().unwrap_or(&empty));
        let place = |(operation, fault)| ImportError { function: Some(name), operation, fault };
        functions.push(function.map_err(place)?);
    }
    Ok(Program { functions })
}

/// The message of the block an operation stands in, and the operation's number there.
pub fn block_mut<'m>(program: &'m mut proto::Program, path: &Path) -> Option<(&'m mut Kept<proto::Block>, usize)> {
    // Of entries with the same key the last one counts.
    let function = program.functions.iter_mut().rev().find(|entry| *entry.key == *path.function)?.value.as_mut()?;
    let opset = function.opset.clone();
    let mut block = function.block_specializations.iter_mut().rev().find(|entry| entry.key == opset)?.value.as_mut()?;
    for (operation, nested) in &path.through {
        let operation = block.operations.get_mut(usize::try_from(*operation).ok()?)?;
        block = operation.blocks.get_mut(usize::try_from(*nested).ok()?)?;
    }
    Some((block, usize::try_from(path.index).ok()?))
}

impl Interner {
    fn name(&mut self, text: &str) -> Name {
        if let Some(known) = self.names.get(text) {
            return known.clone();
        }
        let name = Name::from(text);
        self.names.insert(name.clone());
        name
    }

    /// Counts what will be numbered.
    fn count(&mut self, more: usize) -> Result<(), Fault> {
        self.size += more as u64;
        if self.size < u64::from(u32::MAX) { Ok(()) } else { Err(Fault::TooLarge) }
    }

    fn function(&mut self, name: Name, function: &proto::Function) -> Result<Function, OpFault> {
        let whole = |fault| (None, fault);
        let opset = self.name(&function.opset);
        let blocks: BTreeMap<&str, _> =
            function.block_specializations.iter().map(|entry| (&*entry.key, &entry.value)).collect();
        let block = blocks.get(&*opset).ok_or_else(|| whole(Fault::NoBlock(opset.clone())))?;
        let empty = Kept::<proto::Block>::default();
        let block = block.as_ref().unwrap_or(&empty);
        let other_opsets = blocks.keys().filter(|key| **key != &*opset).map(|key| self.name(key)).collect();
        let inputs = self.named(&function.inputs).map_err(whole)?;
        Ok(Function { name, opset, inputs, block: self.block(block, 0)?, other_opsets })
    }

    fn named(&mut self, values: &[Kept<proto::NamedValueType>]) -> Result<Vec<NamedType>, Fault> {
        self.count(values.len())?;
        values
            .iter()
            .map(|value| {
                let ty = types::required(value.r#type.as_deref(), 0)?;
                Ok(NamedType { name: self.name(&value.name), ty })
            })
            .collect()
    }

    fn block(&mut self, block: &proto::Block, depth: usize) -> Result<Block, OpFault> {
        let whole = |fault| (None, fault);
        if depth > MAX_BLOCK_DEPTH {
            return Err(whole(Fault::BlockTooDeep));
        }
        self.count(block.operations.len() + block.outputs.len() + 1).map_err(whole)?;
        let inputs = self.named(&block.inputs).map_err(whole)?;
        let mut operations = Vec::with_capacity(block.operations.len());
        for operation in &block.operations {
            operations.push(self.operation(operation, depth)?);
        }
        let outputs = block.outputs.iter().map(|name| self.name(name)).collect();
        Ok(Block { inputs, operations, outputs })
    }

    fn operation(&mut self, operation: &proto::Operation, depth: usize) -> Result<Operation, OpFault> {
        let name = self.operation_name(operation);
        let place = |fault| (Some(name.clone()), fault);
        let inputs = self.arguments(operation).map_err(place)?;
        let attributes = self.attributes(operation).map_err(place)?;
        let outputs = self.named(&operation.outputs).map_err(place)?;
        let blocks = operation.blocks.iter().map(|block| self.block(block, depth + 1)).collect::<Result<_, _>>()?;
        Ok(Operation { kind: self.name(&operation.r#type), name, inputs, attributes, outputs, blocks })
    }

    /// The attribute `name`, else the name of the first output.
    fn operation_name(&mut self, operation: &proto::Operation) -> Name {
        let attribute = proto::find(&operation.attributes, "name").and_then(|value| self.literal(value, 0).ok());
        let text = attribute.as_ref().and_then(|literal| literal.text());
        match (text, operation.outputs.first()) {
            (Some(text), _) => self.name(text),
            (None, Some(output)) => self.name(&output.name),
            (None, None) => self.name(""),
        }
    }

    fn arguments(&mut self, operation: &proto::Operation) -> Result<Vec<Argument>, Fault> {
        let by_name: BTreeMap<&str, _> = operation.inputs.iter().map(|entry| (&*entry.key, &entry.value)).collect();
        let mut arguments = Vec::with_capacity(by_name.len());
        for (parameter, argument) in by_name {
            let parameter = self.name(parameter);
            let given = argument.as_ref().map_or(&[][..], |argument| &argument.arguments);
            self.count(given.len())?;
            let mut bindings = Vec::with_capacity(given.len());
            for binding in given {
                bindings.push(match &binding.binding {
                    Some(BindingKind::Name(name)) => Binding::Value(self.name(name)),
                    Some(BindingKind::Value(value)) => Binding::Literal(self.literal(value, 0)?),
                    None => return Err(Fault::Unbound(parameter)),
                });
            }
            arguments.push(Argument { parameter, bindings });
        }
        Ok(arguments)
    }

    fn attributes(&mut self, operation: &proto::Operation) -> Result<Vec<Attribute>, Fault> {
        let by_name: BTreeMap<&str, _> = operation.attributes.iter().map(|entry| (&*entry.key, &entry.value)).collect();
        let mut attributes = Vec::with_capacity(by_name.len());
        for (name, value) in by_name {
            // It is `Operation::name`.
            if name == "name" {
                continue;
            }
            let value = value.as_ref().ok_or(Fault::NoValue)?;
            attributes.push(Attribute { name: self.name(name), value: self.literal(value, 0)? });
        }
        Ok(attributes)
    }
}
