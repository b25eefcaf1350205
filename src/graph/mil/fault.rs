//! What can be wrong with the messages of a program.

use std::fmt;

use crate::graph::Name;
use crate::graph::op::MAX_BLOCK_DEPTH;
use crate::graph::types::{MAX_DIMENSIONS, MAX_TYPE_DEPTH};
use crate::graph::value::MAX_VALUE_DEPTH;
use crate::words::shown;

/// Why a program's messages make no program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportError {
    /// The function, if it is about one.
    pub function: Option<Name>,
    /// The operation's name, if it is about one.
    pub operation: Option<Name>,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(function) = &self.function {
            write!(f, "function `{}`: ", shown(function))?;
        }
        if let Some(operation) = &self.operation {
            write!(f, "operation `{}`: ", shown(operation))?;
        }
        self.fault.fmt(f)
    }
}

impl std::error::Error for ImportError {}

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There are no operations for the function's own operator set.
    #[error("there are no operations for its operator set `{}`", shown(.0))]
    NoBlock(Name),
    /// A value without a type.
    #[error("a value has no type")]
    NoType,
    /// An element type of a later version of the format.
    #[error("the data type {0} is not known")]
    DataType(i32),
    /// A rank that is not that of the dimensions.
    #[error("a tensor of rank {rank} has {dimensions} dimensions")]
    Rank {
        /// The declared rank.
        rank: i64,
        /// The dimensions that are there.
        dimensions: usize,
    },
    /// A tensor with more dimensions than anything has.
    #[error("a tensor has {0} dimensions; at most {MAX_DIMENSIONS} can be read")]
    TooManyDimensions(usize),
    /// A constant without a value.
    #[error("a constant has no value")]
    NoValue,
    /// The values are of another kind than the type.
    #[error("a constant of {ty} holds values of another kind")]
    ValueKind {
        /// The declared type.
        ty: std::string::String,
    },
    /// A number that its type cannot hold.
    #[error("a constant of {ty} holds {value}, which is out of range")]
    Range {
        /// The declared type.
        ty: std::string::String,
        /// The number.
        value: i64,
    },
    /// The values are fewer or more than the type says, or their types are others.
    #[error("a constant of {ty}: {reason}")]
    Misfit {
        /// The declared type.
        ty: std::string::String,
        /// What does not fit.
        reason: &'static str,
    },
    /// A parameter that is bound to nothing.
    #[error("`{}` is bound to nothing", shown(.0))]
    Unbound(Name),
    /// Blocks nested too deeply.
    #[error("blocks are nested more than {MAX_BLOCK_DEPTH} deep")]
    BlockTooDeep,
    /// Types nested too deeply.
    #[error("types are nested more than {MAX_TYPE_DEPTH} deep")]
    TypeTooDeep,
    /// Constants nested too deeply.
    #[error("constants are nested more than {MAX_VALUE_DEPTH} deep")]
    ValueTooDeep,
    /// More operations, values or uses than can be numbered.
    #[error("the function is too large")]
    TooLarge,
}
