//! Types of values: tensors with known and unknown dimensions, lists, tuples, dictionaries, state.

use std::fmt;

use crate::element::ElementType;

/// How deeply types may nest; deeper ones are refused when a program is read.
pub const MAX_TYPE_DEPTH: usize = 16;

/// Most dimensions of a tensor; what has more is refused when a program is read. Core ML itself has five.
pub const MAX_DIMENSIONS: usize = 64;

/// One dimension of a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dim {
    /// Always this size.
    Known(u64),
    /// Known only when the program runs.
    Unknown,
    /// Any number of unknown dimensions.
    Variadic,
}

impl Dim {
    /// The size, where it is known.
    pub const fn known(self) -> Option<u64> {
        match self {
            Dim::Known(size) => Some(size),
            Dim::Unknown | Dim::Variadic => None,
        }
    }

    /// Whether the two may be the same size.
    pub fn agrees(self, other: Dim) -> bool {
        match (self, other) {
            (Dim::Known(a), Dim::Known(b)) => a == b,
            _ => true,
        }
    }
}

impl From<u64> for Dim {
    fn from(size: u64) -> Self {
        Dim::Known(size)
    }
}

impl From<Option<u64>> for Dim {
    fn from(size: Option<u64>) -> Self {
        size.map_or(Dim::Unknown, Dim::Known)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Known(size) => write!(f, "{size}"),
            Dim::Unknown => f.write_str("?"),
            Dim::Variadic => f.write_str("*"),
        }
    }
}

/// The type of a tensor. A scalar has an empty shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Of each element.
    pub element: ElementType,
    /// Outermost dimension first.
    pub shape: Vec<Dim>,
}

impl TensorType {
    /// A tensor type of this element type and shape.
    pub fn new(element: ElementType, shape: impl IntoIterator<Item = impl Into<Dim>>) -> Self {
        Self { element, shape: shape.into_iter().map(Into::into).collect() }
    }

    /// A tensor of which not even the number of dimensions is known.
    pub fn unranked(element: ElementType) -> Self {
        Self { element, shape: vec![Dim::Variadic] }
    }

    /// The number of dimensions, unless it is open.
    pub fn rank(&self) -> Option<usize> {
        (!self.shape.contains(&Dim::Variadic)).then_some(self.shape.len())
    }

    /// The number of elements, where every dimension is known and the product fits 64 bits.
    pub fn count(&self) -> Option<u64> {
        if self.shape.contains(&Dim::Known(0)) && self.rank().is_some() {
            return Some(0);
        }
        self.shape.iter().try_fold(1u64, |count, dim| count.checked_mul(dim.known()?))
    }

    /// The sizes, where all are known.
    pub fn sizes(&self) -> Option<Vec<u64>> {
        self.shape.iter().map(|dim| dim.known()).collect()
    }

    /// Bytes of its packed elements, where the number of elements is known.
    pub fn bytes(&self) -> Option<u64> {
        self.element.bytes_for(self.count()?)
    }

    /// As [`TensorType::bytes`], where fp32 has become fp16.
    pub fn bytes_halved(&self) -> Option<u64> {
        let element = if self.element == ElementType::Fp32 { ElementType::Fp16 } else { self.element };
        element.bytes_for(self.count()?)
    }

    /// Whether a value could be of both types: unknown dimensions fit any.
    pub fn agrees(&self, other: &TensorType) -> bool {
        if self.element != other.element {
            return false;
        }
        if self.rank().is_none() || other.rank().is_none() {
            return true;
        }
        self.shape.len() == other.shape.len() && self.shape.iter().zip(&other.shape).all(|(a, b)| a.agrees(*b))
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.element, ShapeText(&self.shape))
    }
}

/// How many dimensions or members a text names before it breaks off: files may hold very many.
const SHOWN: usize = 12;

/// A shape as text: `[1, ?, 32]`.
pub struct ShapeText<'a>(pub &'a [Dim]);

impl fmt::Display for ShapeText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        listed(f, self.0)?;
        f.write_str("]")
    }
}

fn listed(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    for (i, item) in items.iter().take(SHOWN).enumerate() {
        write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
    }
    if items.len() > SHOWN { write!(f, ", … {} in all", items.len()) } else { Ok(()) }
}

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// A tensor or a scalar.
    Tensor(TensorType),
    /// Elements of one type.
    List {
        /// Of each element.
        element: Box<Type>,
        /// How many.
        length: Dim,
    },
    /// Several values of their own types.
    Tuple(Vec<Type>),
    /// Keys with values.
    Dictionary {
        /// Of each key.
        key: Box<Type>,
        /// Of each value.
        value: Box<Type>,
    },
    /// What `read_state` and `write_state` share between runs.
    State(Box<Type>),
}

impl Type {
    /// A tensor type; see [`TensorType::new`].
    pub fn tensor(element: ElementType, shape: impl IntoIterator<Item = impl Into<Dim>>) -> Self {
        Type::Tensor(TensorType::new(element, shape))
    }

    /// A scalar: a tensor without dimensions.
    pub fn scalar(element: ElementType) -> Self {
        Type::Tensor(TensorType { element, shape: Vec::new() })
    }

    /// The tensor type, if it is one.
    pub fn as_tensor(&self) -> Option<&TensorType> {
        match self {
            Type::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// Whether a value could be of both types: unknown dimensions fit any.
    pub fn agrees(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Tensor(a), Type::Tensor(b)) => a.agrees(b),
            (Type::List { element: a, length: n }, Type::List { element: b, length: m }) => n.agrees(*m) && a.agrees(b),
            (Type::Tuple(a), Type::Tuple(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.agrees(b)),
            (Type::Dictionary { key: k, value: v }, Type::Dictionary { key: l, value: w }) => {
                k.agrees(l) && v.agrees(w)
            }
            (Type::State(a), Type::State(b)) => a.agrees(b),
            _ => false,
        }
    }
}

impl From<TensorType> for Type {
    fn from(tensor: TensorType) -> Self {
        Type::Tensor(tensor)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Tensor(tensor) => tensor.fmt(f),
            Type::List { element, length } => write!(f, "list<{element}, {length}>"),
            Type::Tuple(types) => {
                f.write_str("tuple<")?;
                listed(f, types)?;
                f.write_str(">")
            }
            Type::Dictionary { key, value } => write!(f, "dictionary<{key}, {value}>"),
            Type::State(inner) => write!(f, "state<{inner}>"),
        }
    }
}

/// A name with its type: an input or an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedType {
    /// Unique in its scope.
    pub name: super::Name,
    /// Its declared type.
    pub ty: Type,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ElementType::*;

    #[test]
    fn unknown_dimensions_agree_with_any() {
        let open = Type::tensor(Fp16, [Dim::Unknown, Dim::Known(3)]);
        assert!(open.agrees(&Type::tensor(Fp16, [7u64, 3])));
        assert!(!open.agrees(&Type::tensor(Fp16, [7u64, 4])));
        assert!(!open.agrees(&Type::tensor(Fp16, [3u64])));
        assert!(!open.agrees(&Type::tensor(Fp32, [7u64, 3])));
        assert!(Type::Tensor(TensorType::unranked(Fp16)).agrees(&open));
    }

    #[test]
    fn counts_do_not_overflow() {
        assert_eq!(TensorType::new(Fp16, [u64::MAX, 2]).count(), None);
        assert_eq!(TensorType::new(Fp16, [u64::MAX, 2, 0]).count(), Some(0));
        assert_eq!(TensorType::new(Fp16, [] as [u64; 0]).count(), Some(1));
        assert_eq!(TensorType::new(Uint3, [5u64, 2]).bytes(), Some(4));
    }

    #[test]
    fn types_as_text() {
        let ty = Type::List { element: Box::new(Type::tensor(Fp32, [Dim::Known(2), Dim::Unknown])), length: 4.into() };
        assert_eq!(ty.to_string(), "list<fp32[2, ?], 4>");
        assert_eq!(Type::State(Box::new(Type::scalar(Fp16))).to_string(), "state<fp16[]>");
    }
}
