//! What the inputs and outputs of a program are.

use super::ValueId;
use crate::graph::Name;

/// An input of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The value; `None` for an argument that was fixed when the program was exported.
    pub value: Option<ValueId>,
    /// What it is.
    pub role: InputRole,
}

/// What an input is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputRole {
    /// What the user gives.
    User,
    /// The parameter of this dotted name.
    Parameter(Name),
    /// The buffer of this dotted name.
    Buffer {
        /// Its name.
        name: Name,
        /// Whether it is part of the state dict.
        persistent: bool,
    },
    /// The tensor of this name that stood in the code.
    Constant(Name),
    /// An object.
    Object,
    /// What keeps effects in order.
    Token,
    /// An argument of this name that was fixed when the program was exported.
    Fixed(Name),
}

impl InputRole {
    /// The dotted name of the tensor that the archive holds for it.
    pub const fn stored(&self) -> Option<&Name> {
        match self {
            InputRole::Parameter(name) | InputRole::Buffer { name, .. } | InputRole::Constant(name) => Some(name),
            _ => None,
        }
    }
}

/// An output of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The value; `None` for a constant.
    pub value: Option<ValueId>,
    /// What it is.
    pub role: OutputRole,
}

/// What an output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputRole {
    /// What the user gets.
    User,
    /// What the buffer of this name becomes: state, such as a cache of keys and values.
    BufferMutation(Name),
    /// What the parameter of this name becomes.
    ParameterMutation(Name),
    /// What the input of this name becomes.
    InputMutation(Name),
    /// A loss or a gradient, of a program for training.
    Training,
    /// What keeps effects in order.
    Token,
}
