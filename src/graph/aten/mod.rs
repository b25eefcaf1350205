//! An exported program of PyTorch as typed operations over values: what ATen operators it runs, in which modules,
//! on which parameters.
//!
//! As with the form of Core ML programs, this is a view without a disk: [`import()`] makes it from the messages of an
//! archive, and whoever owns the archive hands out the tensors. Every value is defined once and before it is used,
//! so programs have no cycles.

mod expr;
mod import;
mod module;
mod operator;
mod refusal;
pub mod shapes;
mod signature;
mod types;
pub mod weights;

use std::sync::Arc;

pub use expr::{Expr, Range};
pub use import::{ImportError, import};
pub use module::{Module, ModuleId, Source};
pub use operator::{OWN, Operator};
pub use refusal::{Refusal, RefusedKind};
pub use signature::{Input, InputRole, Output, OutputRole};
pub use types::{Dim, TensorType, ValueType};

use super::Name;
pub use crate::formats::pt2::{MemoryFormat, ScalarType};

/// An exported program.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Its name in the archive.
    pub name: Name,
    /// What it does.
    pub graph: Graph,
    /// What each of the graph's inputs is.
    pub inputs: Vec<Input>,
    /// What each of the graph's outputs is.
    pub outputs: Vec<Output>,
    /// The modules that its operations ran in; [`ModuleId`] indexes them.
    pub modules: Vec<Module>,
    /// What sizes each symbol may have, in the order of the file.
    pub ranges: Vec<(Name, Range)>,
    /// Shapes that were chosen for inputs whose sizes are open: the program takes these only ([`shapes`]).
    pub shapes: Vec<(Name, Vec<Vec<u64>>)>,
    /// The version of each operator set.
    pub opsets: Vec<(Name, u64)>,
    /// Who has found it valid: `TRAINING` before decomposition, `ATEN` and `EDGE` after.
    pub verifiers: Vec<Name>,
    /// The PyTorch that wrote it, where it says so.
    pub torch_version: Option<Name>,
    /// Names of the arguments of `forward`, where they were kept.
    pub arguments: Vec<Name>,
    /// The form of its arguments and of what it returns, as JSON (pytrees), where they were kept.
    pub forms: Option<(Name, Name)>,
}

/// A graph: of the program, or one that an operator takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Every value; [`ValueId`] indexes them.
    pub values: Vec<Value>,
    /// What it takes.
    pub inputs: Vec<Argument>,
    /// What it does: each operation after those whose values it takes.
    pub nodes: Vec<Node>,
    /// What it gives.
    pub outputs: Vec<Argument>,
}

/// A value of a graph, by its index in [`Graph::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Its name, of which no other value of the graph has.
    pub name: Name,
    /// What it is.
    pub ty: ValueType,
    /// Where it comes from.
    pub definition: Definition,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Definition {
    /// The input of this index.
    Input(u32),
    /// The operation of this index.
    Node(u32),
}

/// An operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: Name,
    /// What it does.
    pub operator: Operator,
    /// Its arguments by the names of the operator's schema. Those that have their default are left out.
    pub arguments: Vec<(Name, Argument)>,
    /// What it gives, in order; a list of values is one of them.
    pub outputs: Vec<Argument>,
    /// The modules that it ran in, from outermost to innermost.
    pub modules: Arc<[ModuleId]>,
    /// The line of code that it comes from, where that was kept.
    pub source: Option<Source>,
}

/// What an operation takes or gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// None.
    None,
    /// A value: a tensor, a symbolic number, an object, a token.
    Value(ValueId),
    /// Values.
    Values(Vec<ValueId>),
    /// Values, some of them missing.
    OptionalValues(Vec<Option<ValueId>>),
    /// Lists of values.
    NestedValues(Vec<Vec<ValueId>>),
    /// An integer.
    Int(i64),
    /// Integers.
    Ints(Vec<i64>),
    /// Integers, some of them values.
    Sizes(Vec<Size>),
    /// Lists of integers.
    IntLists(Vec<Vec<i64>>),
    /// A float.
    Float(f64),
    /// Floats.
    Floats(Vec<f64>),
    /// A truth value.
    Bool(bool),
    /// Truth values.
    Bools(Vec<bool>),
    /// A text.
    String(Name),
    /// Texts.
    Strings(Vec<Name>),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
    /// An element type.
    ScalarType(ScalarType),
    /// An order of dimensions in memory.
    MemoryFormat(MemoryFormat),
    /// A layout, by its number.
    Layout(u64),
    /// A device: `cpu`, `cuda:1`.
    Device(Name),
    /// A graph that the operator runs.
    Graph(Box<Graph>),
    /// An operator, by its name.
    Operator(Name),
    /// Arguments by name.
    Map(Vec<(Name, Argument)>),
    /// Something that this program does not know, by its key in the file.
    Unknown(Name),
}

/// One of several integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    /// This one.
    Int(i64),
    /// A value.
    Value(ValueId),
}

impl Graph {
    /// A value by its id.
    pub fn value(&self, id: ValueId) -> Option<&Value> {
        self.values.get(id.0 as usize)
    }

    /// The type of a value that is a tensor.
    pub fn tensor(&self, id: ValueId) -> Option<&TensorType> {
        match &self.value(id)?.ty {
            ValueType::Tensor(ty) => Some(ty),
            _ => None,
        }
    }

    /// The operation that defines a value, unless it is an input.
    pub fn producer(&self, id: ValueId) -> Option<&Node> {
        match self.value(id)?.definition {
            Definition::Node(index) => self.nodes.get(index as usize),
            Definition::Input(_) => None,
        }
    }

    /// Calls a function for every operation, those of the graphs that operators run too.
    pub fn visit<'g>(&'g self, each: &mut dyn FnMut(&'g Node)) {
        for node in &self.nodes {
            each(node);
            for (_, argument) in &node.arguments {
                argument.visit_graphs(&mut |graph| graph.visit(each));
            }
        }
    }
}

impl Node {
    /// The argument of a name, unless it has its default.
    pub fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|(known, _)| &**known == name).map(|(_, argument)| argument)
    }

    /// The innermost module that it ran in.
    pub fn module(&self) -> Option<ModuleId> {
        self.modules.last().copied()
    }
}

impl Argument {
    /// The values that it names, those of graphs that it holds left out.
    pub fn values(&self) -> Vec<ValueId> {
        match self {
            Argument::Value(id) => vec![*id],
            Argument::Values(ids) => ids.clone(),
            Argument::OptionalValues(ids) => ids.iter().flatten().copied().collect(),
            Argument::NestedValues(lists) => lists.iter().flatten().copied().collect(),
            Argument::Sizes(sizes) => {
                let value = |size: &Size| match size {
                    Size::Value(id) => Some(*id),
                    Size::Int(_) => None,
                };
                sizes.iter().filter_map(value).collect()
            }
            Argument::Map(entries) => entries.iter().flat_map(|(_, argument)| argument.values()).collect(),
            _ => Vec::new(),
        }
    }

    /// The one value that it is.
    pub fn value(&self) -> Option<ValueId> {
        match self {
            Argument::Value(id) => Some(*id),
            _ => None,
        }
    }

    /// Puts other values in the place of those that it names, those of graphs that it holds left out.
    pub fn map_values(&mut self, map: &dyn Fn(ValueId) -> ValueId) {
        match self {
            Argument::Value(id) => *id = map(*id),
            Argument::Values(ids) => ids.iter_mut().for_each(|id| *id = map(*id)),
            Argument::OptionalValues(ids) => ids.iter_mut().flatten().for_each(|id| *id = map(*id)),
            Argument::NestedValues(lists) => lists.iter_mut().flatten().for_each(|id| *id = map(*id)),
            Argument::Sizes(sizes) => sizes.iter_mut().for_each(|size| {
                if let Size::Value(id) = size {
                    *id = map(*id);
                }
            }),
            Argument::Map(entries) => entries.iter_mut().for_each(|(_, argument)| argument.map_values(map)),
            _ => {}
        }
    }

    fn visit_graphs<'g>(&'g self, each: &mut dyn FnMut(&'g Graph)) {
        match self {
            Argument::Graph(graph) => each(graph),
            Argument::Map(entries) => entries.iter().for_each(|(_, argument)| argument.visit_graphs(each)),
            _ => {}
        }
    }
}
