//! Names resolved to values: who defines each, who uses it, and what is wrong with the names of a function.

use std::fmt;
use std::ops::Range;

use crate::words::shown;

use super::Name;
use super::function::Function;
use super::op::{Binding, Block, Operation};
use super::types::Type;

/// An operation of an indexed function. Numbered in the order of the text: an operation comes before those of
/// its nested blocks, and these before the next operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId(pub u32);

/// A block of an indexed function; number 0 is the function's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub u32);

/// A value of an indexed function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// Where an operation stands in its function, outermost first: the way to it in the messages of a package too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    /// The function's name.
    pub function: Name,
    /// For each enclosing operation its number in its block, and the number of the nested block to go into.
    pub through: Vec<(u32, u32)>,
    /// The operation's number in the innermost block.
    pub index: u32,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.function)?;
        for (operation, block) in &self.through {
            write!(f, "/{operation}:{block}")?;
        }
        write!(f, "/{}", self.index)
    }
}

/// Who defines a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Producer {
    /// An input of the function (block 0) or of a nested block.
    Input {
        /// Whose input.
        block: BlockId,
        /// Which.
        position: u32,
    },
    /// An output of an operation.
    Operation {
        /// Whose output.
        operation: OpId,
        /// Which.
        output: u32,
    },
}

/// Who uses a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumer {
    /// An operation.
    Operation {
        /// Which.
        operation: OpId,
        /// The number of the parameter in [`Operation::inputs`].
        parameter: u32,
        /// The number of the binding there.
        position: u32,
    },
    /// A block that hands it out.
    Output {
        /// Which block.
        block: BlockId,
        /// The number of its output.
        position: u32,
    },
}

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Two definitions in one scope.
    #[error("`{}` is defined twice in the same block", shown(.0))]
    Duplicate(Name),
    /// Used before its definition.
    #[error("`{}` is used before the operation that defines it", shown(.0))]
    BeforeDefinition(Name),
    /// Used before its definition, which itself needs what uses it.
    #[error("`{}` is needed for its own definition", shown(.0))]
    Cycle(Name),
    /// Not defined anywhere the use could see.
    #[error("`{}` is not defined", shown(.0))]
    Undefined(Name),
}

/// A fault of a name, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError {
    /// The operation, unless it is the function's own inputs or outputs.
    pub operation: Option<OpId>,
    /// The parameter, if it is about one; `None` for outputs.
    pub parameter: Option<Name>,
    /// What is wrong.
    pub fault: NameFault,
}

/// A value's entry.
#[derive(Debug, Clone)]
struct Value<'f> {
    name: &'f Name,
    ty: &'f Type,
    producer: Producer,
}

/// An operation's entry.
#[derive(Debug, Clone)]
struct Entry<'f> {
    operation: &'f Operation,
    block: BlockId,
    position: u32,
    first_output: u32,
    /// Into `Index::uses`: one per binding, in order.
    uses: Range<u32>,
}

/// A block's entry.
#[derive(Debug, Clone)]
struct BlockEntry<'f> {
    block: &'f Block,
    /// The operation it is nested in, and its number there; `None` for the function's own.
    owner: Option<(OpId, u32)>,
    outputs: Vec<Option<ValueId>>,
}

/// The names of one function, resolved. Built in time linear in the function's size.
#[derive(Debug, Clone)]
pub struct Index<'f> {
    function: &'f Function,
    operations: Vec<Entry<'f>>,
    blocks: Vec<BlockEntry<'f>>,
    values: Vec<Value<'f>>,
    uses: Vec<Option<ValueId>>,
    /// Consumers of value `v`: `consumers[starts[v]..starts[v + 1]]`.
    starts: Vec<u32>,
    consumers: Vec<Consumer>,
    errors: Vec<NameError>,
}

impl<'f> Index<'f> {
    /// Resolves every name. What cannot be resolved is in [`Index::errors`].
    pub fn new(function: &'f Function) -> Self {
        let mut builder = super::scope::Builder::new(function);
        builder.run();
        builder.finish()
    }

    /// Puts the parts together and sorts uses by value.
    pub(super) fn assemble(function: &'f Function, parts: Parts<'f>, errors: Vec<NameError>) -> Self {
        let Parts { operations, blocks, values, uses } = parts;
        let mut index =
            Self { function, operations, blocks, values, uses, starts: Vec::new(), consumers: Vec::new(), errors };
        index.sort_consumers();
        index
    }

    /// Puts the uses of each value together, in the order of the text.
    fn sort_consumers(&mut self) {
        let mut starts = vec![0; self.values.len() + 1];
        self.each_use(|value, _| starts[value.0 as usize + 1] += 1);
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let placeholder = Consumer::Output { block: BlockId(0), position: 0 };
        let mut consumers = vec![placeholder; starts.last().copied().unwrap_or(0) as usize];
        let mut next = starts.clone();
        self.each_use(|value, consumer| {
            let at = &mut next[value.0 as usize];
            consumers[*at as usize] = consumer;
            *at += 1;
        });
        self.starts = starts;
        self.consumers = consumers;
    }

    /// Calls for every use of a value: operations in the order of the text, then outputs of blocks.
    fn each_use(&self, mut visit: impl FnMut(ValueId, Consumer)) {
        for (i, entry) in self.operations.iter().enumerate() {
            let mut uses = entry.uses.clone();
            for (parameter, input) in entry.operation.inputs.iter().enumerate() {
                for position in 0..input.bindings.len() {
                    let Some(at) = uses.next() else { break };
                    if let Some(value) = self.uses[at as usize] {
                        let (parameter, position) = (parameter as u32, position as u32);
                        visit(value, Consumer::Operation { operation: OpId(i as u32), parameter, position });
                    }
                }
            }
        }
        for (i, entry) in self.blocks.iter().enumerate() {
            for (position, value) in entry.outputs.iter().enumerate() {
                if let Some(value) = value {
                    visit(*value, Consumer::Output { block: BlockId(i as u32), position: position as u32 });
                }
            }
        }
    }

    /// The function it was made of.
    pub fn function(&self) -> &'f Function {
        self.function
    }

    /// What is wrong with the names, in the order of the text.
    pub fn errors(&self) -> &[NameError] {
        &self.errors
    }

    /// Every operation, nested ones included, in the order of the text.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = (OpId, &'f Operation)> + '_ {
        self.operations.iter().enumerate().map(|(i, entry)| (OpId(i as u32), entry.operation))
    }

    /// Every block; the function's own first.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = (BlockId, &'f Block)> + '_ {
        self.blocks.iter().enumerate().map(|(i, entry)| (BlockId(i as u32), entry.block))
    }

    /// Every value.
    pub fn values(&self) -> impl ExactSizeIterator<Item = ValueId> + use<> {
        (0..self.values.len() as u32).map(ValueId)
    }

    /// The operation of a number.
    pub fn operation(&self, id: OpId) -> &'f Operation {
        self.operations[id.0 as usize].operation
    }

    /// The block of a number.
    pub fn block(&self, id: BlockId) -> &'f Block {
        self.blocks[id.0 as usize].block
    }

    /// The block an operation stands in.
    pub fn block_of(&self, id: OpId) -> BlockId {
        self.operations[id.0 as usize].block
    }

    /// The operation a block is nested in, and the block's number there; `None` for the function's own.
    pub fn owner(&self, block: BlockId) -> Option<(OpId, u32)> {
        self.blocks[block.0 as usize].owner
    }

    /// The values a block hands out; `None` for names that are not defined.
    pub fn block_outputs(&self, block: BlockId) -> &[Option<ValueId>] {
        &self.blocks[block.0 as usize].outputs
    }

    /// Where an operation stands.
    pub fn path(&self, id: OpId) -> Path {
        let entry = &self.operations[id.0 as usize];
        let mut through = Vec::new();
        let mut block = entry.block;
        while let Some((owner, which)) = self.owner(block) {
            let outer = &self.operations[owner.0 as usize];
            through.push((outer.position, which));
            block = outer.block;
        }
        through.reverse();
        Path { function: self.function.name.clone(), through, index: entry.position }
    }

    /// A value's name.
    pub fn name(&self, value: ValueId) -> &'f Name {
        self.values[value.0 as usize].name
    }

    /// A value's declared type.
    pub fn ty(&self, value: ValueId) -> &'f Type {
        self.values[value.0 as usize].ty
    }

    /// Who defines a value.
    pub fn producer(&self, value: ValueId) -> Producer {
        self.values[value.0 as usize].producer
    }

    /// The operation that defines a value, unless it is an input.
    pub fn producing(&self, value: ValueId) -> Option<(OpId, &'f Operation)> {
        match self.producer(value) {
            Producer::Operation { operation, .. } => Some((operation, self.operation(operation))),
            Producer::Input { .. } => None,
        }
    }

    /// Who uses a value: operations in the order of the text, then blocks that hand it out.
    pub fn consumers(&self, value: ValueId) -> &[Consumer] {
        let i = value.0 as usize;
        &self.consumers[self.starts[i] as usize..self.starts[i + 1] as usize]
    }

    /// The output number `output` of an operation.
    pub fn output(&self, id: OpId, output: usize) -> Option<ValueId> {
        let entry = &self.operations[id.0 as usize];
        (output < entry.operation.outputs.len()).then(|| ValueId(entry.first_output + output as u32))
    }

    /// The values bound to the parameters of an operation, parameter by parameter as in [`Operation::inputs`].
    /// `None` stands for literals and for names that are not defined.
    pub fn bound(&self, id: OpId) -> &[Option<ValueId>] {
        let uses = &self.operations[id.0 as usize].uses;
        &self.uses[uses.start as usize..uses.end as usize]
    }

    /// The value bound to a parameter that takes one.
    pub fn bound_to(&self, id: OpId, parameter: &str) -> Option<ValueId> {
        let mut at = 0;
        for input in &self.operation(id).inputs {
            if &*input.parameter == parameter {
                return self.bound(id).get(at).copied().flatten();
            }
            at += input.bindings.len();
        }
        None
    }

    /// The constant bound to a parameter: a literal, or what a `const` holds; an attribute of that name, too.
    pub fn constant(&self, id: OpId, parameter: &str) -> Option<&'f super::Literal> {
        let operation = self.operation(id);
        match operation.input(parameter).first() {
            Some(Binding::Literal(literal)) => Some(literal),
            Some(Binding::Value(_)) => {
                let (_, producer) = self.producing(self.bound_to(id, parameter)?)?;
                producer.attribute("val").filter(|_| producer.is_const())
            }
            None => operation.attribute(parameter),
        }
    }
}

/// What [`super::scope::Builder`] hands over.
#[derive(Debug, Default)]
pub(super) struct Parts<'f> {
    operations: Vec<Entry<'f>>,
    blocks: Vec<BlockEntry<'f>>,
    values: Vec<Value<'f>>,
    uses: Vec<Option<ValueId>>,
}

impl<'f> Parts<'f> {
    /// A new block, inside an operation or the function's own.
    pub(super) fn open_block(&mut self, block: &'f Block, owner: Option<(OpId, u32)>) -> BlockId {
        self.blocks.push(BlockEntry { block, owner, outputs: Vec::new() });
        BlockId(self.blocks.len() as u32 - 1)
    }

    /// The values that a block hands out.
    pub(super) fn close_block(&mut self, block: BlockId, outputs: Vec<Option<ValueId>>) {
        self.blocks[block.0 as usize].outputs = outputs;
    }

    /// A new operation, with its uses resolved.
    pub(super) fn operation(
        &mut self,
        operation: &'f Operation,
        block: BlockId,
        position: u32,
        uses: impl Iterator<Item = Option<ValueId>>,
    ) -> OpId {
        let start = self.uses.len() as u32;
        self.uses.extend(uses);
        let end = self.uses.len() as u32;
        self.operations.push(Entry { operation, block, position, first_output: 0, uses: start..end });
        OpId(self.operations.len() as u32 - 1)
    }

    /// Says where the outputs of an operation begin; they follow one another.
    pub(super) fn outputs_begin(&mut self, id: OpId) {
        self.operations[id.0 as usize].first_output = self.values.len() as u32;
    }

    /// A new value.
    pub(super) fn value(&mut self, name: &'f Name, ty: &'f Type, producer: Producer) -> ValueId {
        self.values.push(Value { name, ty, producer });
        ValueId(self.values.len() as u32 - 1)
    }

    /// A value's name and who defines it.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'f Name, Producer)> + '_ {
        self.values.iter().map(|value| (value.name, value.producer))
    }

    /// The operation a block is nested in.
    pub(super) fn owner(&self, block: BlockId) -> Option<OpId> {
        self.blocks[block.0 as usize].owner.map(|(operation, _)| operation)
    }

    /// The block an operation stands in.
    pub(super) fn block_of(&self, id: OpId) -> BlockId {
        self.operations[id.0 as usize].block
    }

    /// The values an operation uses.
    pub(super) fn uses_of(&self, id: OpId) -> impl Iterator<Item = ValueId> + '_ {
        let uses = &self.operations[id.0 as usize].uses;
        self.uses[uses.start as usize..uses.end as usize].iter().flatten().copied()
    }

    /// Who defines a value.
    pub(super) fn producer(&self, value: ValueId) -> Producer {
        self.values[value.0 as usize].producer
    }

    /// How many operations there are.
    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }
}

#[cfg(test)]
mod tests;
