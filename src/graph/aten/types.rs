//! Types of values: tensors with fixed and symbolic dimensions, symbolic numbers, objects.

use std::fmt;

use super::{Expr, ScalarType};
use crate::graph::Name;

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueType {
    /// A tensor.
    Tensor(TensorType),
    /// An integer that is known only when the program runs, or one that turned out fixed.
    Int(Dim),
    /// A truth value.
    Bool,
    /// A float.
    Float,
    /// An object of this class.
    Object(Name),
    /// What keeps effects in order.
    Token,
    /// An argument that was fixed when the program was exported, and is not used.
    Constant,
}

/// The type of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorType {
    /// Its element type.
    pub dtype: ScalarType,
    /// Its dimensions, outermost first.
    pub shape: Vec<Dim>,
    /// Elements between neighbours along each dimension, as it lay in memory when it was exported.
    pub strides: Vec<Dim>,
}

/// A dimension.
#[derive(Debug, Clone, PartialEq)]
pub enum Dim {
    /// Always this.
    Known(u64),
    /// Known only when the program runs.
    Symbolic {
        /// What it is.
        expr: Expr,
        /// What it was when the program was exported.
        hint: Option<u64>,
    },
}

impl Dim {
    /// The size, where it is fixed.
    pub const fn known(&self) -> Option<u64> {
        match self {
            Dim::Known(size) => Some(*size),
            Dim::Symbolic { .. } => None,
        }
    }
}

impl TensorType {
    /// The dimensions, where all are fixed.
    pub fn sizes(&self) -> Option<Vec<u64>> {
        self.shape.iter().map(Dim::known).collect()
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Known(size) => write!(f, "{size}"),
            Dim::Symbolic { expr, .. } => write!(f, "{expr}"),
        }
    }
}

impl fmt::Display for TensorType {
    /// As `fp32[s0, 3, 224, 224]`; a scalar as `fp32[]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (index, dim) in self.shape.iter().enumerate() {
            write!(f, "{}{dim}", if index == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueType::Tensor(ty) => write!(f, "{ty}"),
            ValueType::Int(dim) => write!(f, "int {dim}"),
            ValueType::Bool => f.write_str("bool"),
            ValueType::Float => f.write_str("float"),
            ValueType::Object(class) => write!(f, "object of {class}"),
            ValueType::Token => f.write_str("token"),
            ValueType::Constant => f.write_str("constant"),
        }
    }
}
