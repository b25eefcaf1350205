//! Programs and their functions.

use std::fmt;

use super::Name;
use super::op::Block;
use super::types::{NamedType, Type};

/// An operator set that ML Programs can be of.
///
/// What a set brought besides, and the systems that have it, stands in [`crate::coreml::target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Opset {
    /// iOS 15.
    CoreML5,
    /// iOS 16.
    CoreML6,
    /// iOS 17.
    CoreML7,
    /// iOS 18.
    CoreML8,
    /// iOS 26.
    CoreML9,
}

impl Opset {
    /// All, oldest first.
    pub const ALL: [Opset; 5] = [Opset::CoreML5, Opset::CoreML6, Opset::CoreML7, Opset::CoreML8, Opset::CoreML9];

    /// As written in a function: `CoreML8`.
    pub const fn name(self) -> &'static str {
        match self {
            Opset::CoreML5 => "CoreML5",
            Opset::CoreML6 => "CoreML6",
            Opset::CoreML7 => "CoreML7",
            Opset::CoreML8 => "CoreML8",
            Opset::CoreML9 => "CoreML9",
        }
    }

    /// The set of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name() == name)
    }

    /// The model's `specificationVersion` that goes with it.
    pub const fn specification(self) -> i32 {
        self as i32 + 6
    }

    /// The set that goes with a `specificationVersion`.
    pub fn by_specification(version: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.specification() == version)
    }
}

impl fmt::Display for Opset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A program: its functions, sorted by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program {
    /// Most programs have one, `main`.
    pub functions: Vec<Function>,
}

impl Program {
    /// The newest operator set of its functions; `None` where none of them is known.
    pub fn opset(&self) -> Option<Opset> {
        self.functions.iter().filter_map(Function::set).max()
    }

    /// The function of a name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| &*function.name == name)
    }
}

/// One function.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: Name,
    /// The operator set as written; [`Function::set`] tells whether it is a known one.
    pub opset: Name,
    /// Inputs and states as declared; their order has no meaning.
    pub inputs: Vec<NamedType>,
    /// The operations for [`Function::opset`]. Its `inputs` are empty.
    pub block: Block,
    /// Operator sets for which the function holds other operations, which this form does not show.
    pub other_opsets: Vec<Name>,
}

impl Function {
    /// Its operator set, if it is a known one.
    pub fn set(&self) -> Option<Opset> {
        Opset::by_name(&self.opset)
    }

    /// The inputs that are states.
    pub fn states(&self) -> impl Iterator<Item = &NamedType> {
        self.inputs.iter().filter(|input| matches!(input.ty, Type::State(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coreml::target::OperatorSet;

    #[test]
    fn sets_are_those_of_the_targets() {
        for set in Opset::ALL {
            assert_eq!(OperatorSet::by_spec(set.specification()).map(|row| row.name), Some(set.name()));
            assert_eq!(Opset::by_name(set.name()), Some(set));
            assert_eq!(Opset::by_specification(set.specification()), Some(set));
        }
        assert_eq!(Opset::by_specification(5), None);
    }
}
