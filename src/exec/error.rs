//! Why a program cannot be run, or did not run to its end.

use std::fmt;

use crate::formats::shown;
use crate::graph::check::Place;
use crate::graph::index::NameError;
use crate::graph::ops::OpError;
use crate::graph::types::ShapeText;
use crate::graph::{ElementType, Name, Type};

use super::constexpr::ConstexprError;
use super::tensor::TensorError;

/// Why a program cannot be run, or did not run to its end.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExecError {
    /// The program has no function of this name.
    #[error("the program has no function `{}`", shown(.0))]
    Function(String),
    /// Names of the program that mean nothing, or two things.
    #[error("{}", NameFaults(.0))]
    Names(Vec<NameError>),
    /// Operators that cannot be run, each with its operations.
    #[error("{}", UnknownOperators(.0))]
    Operators(Vec<Unknown>),
    /// An input that the program does not have.
    #[error("the program has no input `{}`; it has {}", shown(.found), Listed(.known))]
    NoInput {
        /// As given.
        found: String,
        /// Those it has.
        known: Vec<Name>,
    },
    /// An input that was not given.
    #[error("the input `{}` ({ty}) is not given", shown(.name))]
    InputMissing {
        /// Its name.
        name: Name,
        /// Its type.
        ty: Type,
    },
    /// An input of another type or shape.
    #[error("the input `{}` must be {wanted}, not {found}", shown(.name))]
    InputType {
        /// Its name.
        name: Name,
        /// As declared.
        wanted: Type,
        /// As given.
        found: Type,
    },
    /// A state whose size is not known.
    #[error("the state `{}` is {ty}, which cannot be set up", shown(.name))]
    State {
        /// Its name.
        name: Name,
        /// Its type.
        ty: Type,
    },
    /// A replaced constant that the program does not have, or of another type.
    #[error("the program has no constant `{}` of {ty}", shown(.name))]
    NoConstant {
        /// Its name.
        name: String,
        /// The type of what should replace it.
        ty: Type,
    },
    /// An operation could not be computed.
    #[error("{place}{inputs}: {fault}", place = At(.place), inputs = Inputs(.inputs))]
    Operation {
        /// Which.
        place: Box<Place>,
        /// The types of what went in.
        inputs: Vec<(Name, Type)>,
        /// What is wrong.
        fault: Fault,
    },
    /// Whoever asked does not want it any more.
    #[error("cancelled")]
    Cancelled,
}

/// An operator that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Its name.
    pub kind: Name,
    /// The operations that use it, in the order of the text.
    pub operations: Vec<Name>,
}

/// What can be wrong with one operation when it runs.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A rule of its operator, or a value beyond what it can take.
    #[error("{0}")]
    Operator(#[from] OpError),
    /// A tensor that could not be made.
    #[error("{0}")]
    Tensor(#[from] TensorError),
    /// A compressed constant that has no values.
    #[error("{0}")]
    Constant(#[from] ConstexprError),
    /// A constant whose bytes are missing or of another length.
    #[error("its value cannot be read")]
    Unreadable,
    /// A result of another type than the program declares.
    #[error("output `{}` is declared as {declared}, but is {found}", shown(.output))]
    Declared {
        /// The output's name.
        output: Name,
        /// As declared.
        declared: Type,
        /// As computed.
        found: Type,
    },
    /// More memory than is allowed.
    #[error("needs {needed} bytes for {element}{}; at most {limit} are allowed", ShapeText(.shape))]
    Memory {
        /// For the value and all that must stay beside it.
        needed: u64,
        /// The most there may be.
        limit: u64,
        /// Of the value.
        element: ElementType,
        /// Of the value.
        shape: Vec<crate::graph::Dim>,
    },
    /// A loop that does not end.
    #[error("its loop goes on after {0} rounds")]
    Endless(u64),
    /// A value of a kind that cannot be used here.
    #[error("`{}` is not bound to a value that can be computed with", shown(.0))]
    Unbound(Name),
    /// An observer gave back a value of another type.
    #[error("`{}` was replaced by {found}, but is {wanted}", shown(.name))]
    Replaced {
        /// The value's name.
        name: Name,
        /// Its type.
        wanted: Type,
        /// That of the replacement.
        found: Type,
    },
    /// What an observer says.
    #[error("{0}")]
    Observer(String),
}

/// How many names a message lists.
const LISTED: usize = 8;

struct Listed<'a>(&'a [Name]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, name) in self.0.iter().take(LISTED).enumerate() {
            write!(f, "{}`{}`", if i == 0 { "" } else { ", " }, shown(name))?;
        }
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

struct At<'a>(&'a Place);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", shown(&self.0.kind), shown(&self.0.name))
    }
}

struct Inputs<'a>(&'a [(Name, Type)]);

impl fmt::Display for Inputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        f.write_str(" (")?;
        for (i, (name, ty)) in self.0.iter().take(LISTED).enumerate() {
            write!(f, "{}{} {ty}", if i == 0 { "" } else { ", " }, shown(name))?;
        }
        f.write_str(")")
    }
}

struct NameFaults<'a>(&'a [NameError]);

impl fmt::Display for NameFaults<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().take(LISTED).enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { "; " }, error.fault)?;
        }
        Ok(())
    }
}

struct UnknownOperators<'a>(&'a [Unknown]);

impl fmt::Display for UnknownOperators<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("operators that bitmill cannot run: ")?;
        for (i, unknown) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{} in {}", shown(&unknown.kind), Listed(&unknown.operations))?;
        }
        Ok(())
    }
}
