//! Values that programs compute with.
//!
//! Half-precision floats are held as binary32 that a binary16 can hold: every operation computes in binary32 and rounds
//! its result once. Integers of every width are held as `i32` within the range of the declared type.

use std::fmt;
use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use crate::element::ElementType;
use crate::graph::TensorType;
use crate::quant::simd::multiversion;

/// The elements of a tensor, row by row. Cheap to copy: copies share them.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Of fp16 and fp32.
    Floats(Arc<Vec<f32>>),
    /// Of integers.
    Ints(Arc<Vec<i32>>),
    /// Of truth values.
    Bools(Arc<Vec<bool>>),
}

/// How the elements of a type are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As `f32`.
    Float,
    /// As `i32`.
    Int,
    /// As `bool`.
    Bool,
}

/// A dense tensor. Cheap to copy.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    element: ElementType,
    shape: Vec<usize>,
    data: Data,
}

/// Why elements do not make a tensor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// Values of this type cannot be computed with.
    #[error("values of {0} cannot be computed with")]
    Element(ElementType),
    /// The shape asks for another number of elements.
    #[error("{found} elements do not make a tensor of shape {shape:?}")]
    Count {
        /// As many as there are.
        found: usize,
        /// The shape.
        shape: Vec<usize>,
    },
    /// An integer beyond 32 bits.
    #[error("the integer {0} does not fit 32 bits")]
    Range(i64),
}

impl From<Vec<f32>> for Data {
    fn from(values: Vec<f32>) -> Self {
        Data::Floats(Arc::new(values))
    }
}

impl From<Vec<i32>> for Data {
    fn from(values: Vec<i32>) -> Self {
        Data::Ints(Arc::new(values))
    }
}

impl From<Vec<bool>> for Data {
    fn from(values: Vec<bool>) -> Self {
        Data::Bools(Arc::new(values))
    }
}

/// Moves elements whatever their kind: the body is compiled for each, and its vector becomes data again.
macro_rules! moved {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            $crate::exec::tensor::Data::Floats($values) => $crate::exec::tensor::Data::from($body),
            $crate::exec::tensor::Data::Ints($values) => $crate::exec::tensor::Data::from($body),
            $crate::exec::tensor::Data::Bools($values) => $crate::exec::tensor::Data::from($body),
        }
    };
}
pub(super) use moved;

impl Kind {
    /// How a type's elements are held; `None` for those that cannot be computed with.
    pub fn of(element: ElementType) -> Option<Kind> {
        match element {
            ElementType::Fp16 | ElementType::Fp32 => Some(Kind::Float),
            ElementType::Bool => Some(Kind::Bool),
            other if other.is_integer() && other.bits() >= 8 => Some(Kind::Int),
            _ => None,
        }
    }
}

impl Data {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::Floats(values) => values.len(),
            Data::Ints(values) => values.len(),
            Data::Bools(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How the elements are held.
    pub fn kind(&self) -> Kind {
        match self {
            Data::Floats(_) => Kind::Float,
            Data::Ints(_) => Kind::Int,
            Data::Bools(_) => Kind::Bool,
        }
    }

    /// The bytes that the elements take in memory.
    pub fn bytes(&self) -> u64 {
        let width = if self.kind() == Kind::Bool { 1 } else { 4 };
        self.len() as u64 * width
    }
}

/// The number of elements of a shape. `None` where sizes are so large that those of a part of the dimensions could not be
/// counted: a size of 0 beside them does not make them better.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    const MOST: usize = 1 << 48;
    let all = shape.iter().try_fold(1usize, |count, size| count.checked_mul((*size).max(1)));
    all.filter(|all| *all <= MOST)?;
    Some(shape.iter().product())
}

/// How many elements are worked on as one piece where threads share the work.
pub(super) const CHUNK: usize = 1 << 14;

multiversion! {
    /// Rounds to the nearest binary16, ties to even, and holds it as binary32.
    fn round_slice<>(values: &mut [f32]) {
        for value in values {
            *value = round_half(*value);
        }
    }
}

/// The nearest binary16, ties to even, without branches.
#[inline(always)]
pub(super) fn round_half(value: f32) -> f32 {
    const LARGEST: f32 = 65520.0;
    let bits = value.to_bits();
    let magnitude = f32::from_bits(bits & 0x7fff_ffff);
    // Normal numbers keep 10 bits of their fraction.
    let normal = f32::from_bits(((bits & 0x7fff_ffff) + 0xfff + ((bits >> 13) & 1)) & !0x1fff);
    // Subnormal ones are multiples of 2^-24, which is the last place of numbers from 0.5 to 1.
    let small = (magnitude + 0.5) - 0.5;
    let rounded = if magnitude < 6.103_515_6e-5 { small } else { normal };
    let rounded = if magnitude >= LARGEST { f32::INFINITY } else { rounded };
    let rounded = if magnitude.is_nan() { f32::NAN } else { rounded };
    f32::from_bits(rounded.to_bits() | (bits & 0x8000_0000))
}

/// Rounds to what an element type holds.
pub(super) fn round_floats(element: ElementType, values: &mut [f32]) {
    if element == ElementType::Fp16 {
        values.par_chunks_mut(CHUNK).for_each(round_slice);
    }
}

/// An integer within the range of a type, as two's complement wraps it.
pub(super) fn wrap(element: ElementType, value: i32) -> i32 {
    match element {
        ElementType::Int8 => i32::from(value as i8),
        ElementType::Uint8 => i32::from(value as u8),
        ElementType::Int16 => i32::from(value as i16),
        ElementType::Uint16 => i32::from(value as u16),
        _ => value,
    }
}

impl Tensor {
    /// A tensor of these elements. Floats are rounded and integers wrapped to the element type.
    ///
    /// # Errors
    /// If the elements are of another kind than the type, or not as many as the shape says.
    pub fn new(element: ElementType, shape: Vec<usize>, data: impl Into<Data>) -> Result<Self, TensorError> {
        let mut data = data.into();
        match &mut data {
            Data::Floats(values) if element == ElementType::Fp16 => {
                round_floats(element, Arc::make_mut(values).as_mut_slice());
            }
            Data::Ints(values) if element.bits() < 32 => {
                Arc::make_mut(values).iter_mut().for_each(|value| *value = wrap(element, *value));
            }
            _ => {}
        }
        Self::moved(element, shape, data)
    }

    /// A tensor of elements that are known to be of the type: those of another tensor in another order.
    pub(super) fn moved(element: ElementType, shape: Vec<usize>, data: Data) -> Result<Self, TensorError> {
        if Kind::of(element) != Some(data.kind()) {
            return Err(TensorError::Element(element));
        }
        if count(&shape) != Some(data.len()) {
            return Err(TensorError::Count { found: data.len(), shape });
        }
        Ok(Self { element, shape, data })
    }

    /// Reads packed little-endian elements, row by row.
    ///
    /// # Errors
    /// If the type cannot be computed with, the bytes are not as many as it takes, or an integer exceeds 32 bits.
    pub fn from_bytes(element: ElementType, shape: Vec<usize>, bytes: &[u8]) -> Result<Self, TensorError> {
        let kind = Kind::of(element).ok_or(TensorError::Element(element))?;
        let width = element.bits() as usize / 8;
        if count(&shape).and_then(|count| count.checked_mul(width)) != Some(bytes.len()) {
            return Err(TensorError::Count { found: bytes.len() / width.max(1), shape });
        }
        let data: Data = match (kind, element) {
            (Kind::Bool, _) => bytes.iter().map(|byte| *byte != 0).collect::<Vec<bool>>().into(),
            (Kind::Float, ElementType::Fp16) => {
                let halves: Vec<f16> = bytes.as_chunks().0.iter().map(|raw| f16::from_le_bytes(*raw)).collect();
                let mut values = vec![0f32; halves.len()];
                let pairs = values.par_chunks_mut(CHUNK).zip(halves.par_chunks(CHUNK));
                pairs.for_each(|(values, halves)| halves.convert_to_f32_slice(values));
                values.into()
            }
            (Kind::Float, _) => {
                bytes.as_chunks().0.par_iter().map(|raw| f32::from_le_bytes(*raw)).collect::<Vec<f32>>().into()
            }
            (Kind::Int, _) => {
                let ints = bytes.chunks_exact(width.max(1)).map(|raw| narrow(element, raw));
                ints.collect::<Result<Vec<i32>, _>>()?.into()
            }
        };
        Ok(Self { element, shape, data })
    }

    /// A tensor of fp32.
    ///
    /// # Errors
    /// If the elements are not as many as the shape says.
    pub fn floats(shape: &[usize], values: Vec<f32>) -> Result<Self, TensorError> {
        Self::new(ElementType::Fp32, shape.to_vec(), values)
    }

    /// A tensor of int32.
    ///
    /// # Errors
    /// If the elements are not as many as the shape says.
    pub fn ints(shape: &[usize], values: Vec<i32>) -> Result<Self, TensorError> {
        Self::new(ElementType::Int32, shape.to_vec(), values)
    }

    /// The packed little-endian elements, row by row.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.data {
            Data::Floats(values) if self.element == ElementType::Fp16 => {
                values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect()
            }
            Data::Floats(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Data::Bools(values) => values.iter().map(|value| u8::from(*value)).collect(),
            Data::Ints(values) => {
                let width = self.element.bits() as usize / 8;
                values.iter().flat_map(|value| i64::from(*value).to_le_bytes().into_iter().take(width)).collect()
            }
        }
    }

    /// Its element type.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Its sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Its elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The number of its elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Its type.
    pub fn ty(&self) -> TensorType {
        TensorType::new(self.element, self.shape.iter().map(|size| *size as u64))
    }

    /// Its elements, if they are floats.
    pub fn as_floats(&self) -> Option<&[f32]> {
        match &self.data {
            Data::Floats(values) => Some(values),
            _ => None,
        }
    }

    /// Its elements, if they are integers.
    pub fn as_ints(&self) -> Option<&[i32]> {
        match &self.data {
            Data::Ints(values) => Some(values),
            _ => None,
        }
    }

    /// Its elements, if they are truth values.
    pub fn as_bools(&self) -> Option<&[bool]> {
        match &self.data {
            Data::Bools(values) => Some(values),
            _ => None,
        }
    }

    /// Its elements as floats, whatever their kind: truth values are 0 and 1.
    pub fn to_floats(&self) -> Vec<f32> {
        match &self.data {
            Data::Floats(values) => values.to_vec(),
            Data::Ints(values) => values.iter().map(|value| *value as f32).collect(),
            Data::Bools(values) => values.iter().map(|value| f32::from(u8::from(*value))).collect(),
        }
    }

    /// The same elements in another shape.
    ///
    /// # Errors
    /// If the shape asks for another number of elements.
    pub fn reshaped(self, shape: Vec<usize>) -> Result<Self, TensorError> {
        Self::moved(self.element, shape, self.data)
    }

    /// Its parts.
    pub(super) fn into_parts(self) -> (ElementType, Vec<usize>, Data) {
        (self.element, self.shape, self.data)
    }
}

/// One stored integer.
fn narrow(element: ElementType, raw: &[u8]) -> Result<i32, TensorError> {
    let mut bytes = [0u8; 8];
    bytes.iter_mut().zip(raw).for_each(|(to, from)| *to = *from);
    let unused = 64 - 8 * raw.len().min(8) as u32;
    let value = u64::from_le_bytes(bytes);
    let value = if element.is_signed() {
        (value << unused).cast_signed() >> unused
    } else {
        i64::try_from(value).map_err(|_| TensorError::Range(i64::MAX))?
    };
    i32::try_from(value).map_err(|_| TensorError::Range(value))
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ty().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_and_what_lies_between_rounds_as_half_does() {
        for bits in 0..=u16::MAX {
            let value = f16::from_bits(bits).to_f32();
            for near in [value, value * 1.0003, value * 0.9998, value + 2.5e-8, value - 3.1e-8, value * 1.000_488_3] {
                let expected = f16::from_f32(near).to_f32();
                let found = round_half(near);
                assert!(found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()), "{near}");
            }
        }
        for value in [65519.99, 65520.0, 65536.0, f32::MAX, f32::INFINITY, -65520.0, f32::MIN_POSITIVE, -0.0] {
            assert_eq!(round_half(value).to_bits(), f16::from_f32(value).to_f32().to_bits(), "{value}");
        }
    }

    #[test]
    fn bytes_there_and_back() {
        for (element, bytes) in [
            (ElementType::Fp16, vec![0x00, 0x3c, 0x00, 0xc0]),
            (ElementType::Int8, vec![0xff, 0x7f]),
            (ElementType::Uint16, vec![0xff, 0xff, 1, 0]),
            (ElementType::Bool, vec![1, 0]),
            (ElementType::Int64, [(-7i64).to_le_bytes(), 9i64.to_le_bytes()].concat()),
        ] {
            let tensor = Tensor::from_bytes(element, vec![2], &bytes).unwrap();
            assert_eq!(tensor.to_bytes(), bytes, "{element}");
        }
        assert!(Tensor::from_bytes(ElementType::Int64, vec![1], &i64::MAX.to_le_bytes()).is_err());
        assert!(Tensor::from_bytes(ElementType::Uint4, vec![1], &[0]).is_err());
        assert!(Tensor::from_bytes(ElementType::Fp32, vec![usize::MAX, 2], &[0]).is_err());
        assert_eq!(Tensor::new(ElementType::Uint8, vec![1], vec![300]).unwrap().as_ints(), Some(&[44][..]));
    }
}
