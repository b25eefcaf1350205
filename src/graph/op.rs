//! Operations and the blocks they stand in.

use super::Name;
use super::types::NamedType;
use super::value::Literal;

/// How deeply blocks may nest; deeper ones are refused when a program is read.
pub const MAX_BLOCK_DEPTH: usize = 32;

/// What is bound to a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Binding {
    /// A value that an operation, the function or an enclosing block defines.
    Value(Name),
    /// A constant written where it is used.
    Literal(Literal),
}

/// A parameter with what is bound to it: one value, or several for a parameter that takes a tuple.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// Of the parameter: `weight`.
    pub parameter: Name,
    /// In order.
    pub bindings: Vec<Binding>,
}

/// A constant that belongs to an operation and not to its inputs: `const.val`, and before CoreML8 everything of
/// a `constexpr_*`.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: Literal,
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The operator: `linear`, `constexpr_lut_to_dense`.
    pub kind: Name,
    /// Its own name: the attribute `name`, else the name of its first output, else empty.
    pub name: Name,
    /// Sorted by parameter.
    pub inputs: Vec<Argument>,
    /// Sorted by name, without `name`.
    pub attributes: Vec<Attribute>,
    /// What it defines, with declared types.
    pub outputs: Vec<NamedType>,
    /// Nested programs: the branches of `cond`, condition and body of `while_loop`.
    pub blocks: Vec<Block>,
}

impl Operation {
    /// What is bound to a parameter; nothing where it is absent.
    pub fn input(&self, parameter: &str) -> &[Binding] {
        self.inputs.iter().find(|input| &*input.parameter == parameter).map_or(&[], |input| &input.bindings)
    }

    /// An attribute's constant.
    pub fn attribute(&self, name: &str) -> Option<&Literal> {
        self.attributes.iter().find(|attribute| &*attribute.name == name).map(|attribute| &attribute.value)
    }

    /// Whether its outputs are constants stored in compressed form.
    pub fn is_constexpr(&self) -> bool {
        self.kind.starts_with("constexpr_")
    }

    /// Whether it is a plain constant.
    pub fn is_const(&self) -> bool {
        &*self.kind == "const"
    }
}

/// A sequence of operations with its own scope.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block {
    /// What the surrounding operation hands in; a function's own inputs stand in [`super::Function::inputs`].
    pub inputs: Vec<NamedType>,
    /// In the order in which they run.
    pub operations: Vec<Operation>,
    /// Names of the values it hands out.
    pub outputs: Vec<Name>,
}
