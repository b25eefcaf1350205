//! Values of a program that is being written, and what is bound to parameters.

use crate::graph::{ElementType, Name, TensorType};

/// What a translation gives: what the operation gives, in order.
pub(super) type Values = Result<Vec<Value>, String>;

/// One value.
pub(super) type One = Result<Value, String>;

/// A value of the program.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    /// Its name.
    pub(super) name: Name,
    /// Its type.
    pub(super) ty: TensorType,
}

impl Value {
    pub(super) fn element(&self) -> ElementType {
        self.ty.element
    }

    /// The number of dimensions; types in the program have one always.
    pub(super) fn rank(&self) -> usize {
        self.ty.shape.len()
    }

    /// The size of a dimension, where it is fixed.
    pub(super) fn size(&self, axis: usize) -> Option<i64> {
        i64::try_from(self.ty.shape.get(axis)?.known()?).ok()
    }

    /// The sizes, all of which must be fixed.
    pub(super) fn sizes(&self) -> Result<Vec<i64>, String> {
        let sizes = (0..self.rank()).map(|axis| self.size(axis)).collect::<Option<_>>();
        sizes.ok_or_else(|| "it needs sizes that are known only when the program runs".to_owned())
    }

    /// An axis counted from the front, of one that may be counted from the back.
    pub(super) fn axis(&self, axis: i64) -> Result<usize, String> {
        axis_of(axis, self.rank())
    }
}

/// An axis counted from the front. A scalar has one axis, as PyTorch counts.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize, String> {
    let length = i64::try_from(rank.max(1)).unwrap_or(i64::MAX);
    let counted = if axis < 0 { axis.saturating_add(length) } else { axis };
    match usize::try_from(counted) {
        Ok(counted) if counted < rank.max(1) => Ok(counted),
        _ => Err(format!("it has no dimension {axis}")),
    }
}

/// What is bound to a parameter.
#[derive(Debug, Clone)]
pub(super) enum Param<'v> {
    Value(&'v Value),
    Values(&'v [Value]),
    Int(i64),
    Ints(Vec<i64>),
    Float(f64),
    Bool(bool),
    Bools(Vec<bool>),
    Text(&'static str),
}

/// A name as programs have them: letters, digits and underscores, no digit in front.
pub(super) fn identifier(wish: &str) -> String {
    let name: String = wish.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { format!("_{name}") } else { name }
}

pub(super) fn narrow(value: i64) -> Result<i32, String> {
    i32::try_from(value).map_err(|_| format!("the number {value} does not fit 32 bits"))
}

/// A number as int32.
pub(super) fn int32(value: f64) -> Result<i32, String> {
    let fits = value.fract() == 0.0 && value >= f64::from(i32::MIN) && value <= f64::from(i32::MAX);
    if fits { Ok(value as i32) } else { Err(format!("the number {value} is no integer of 32 bits")) }
}
