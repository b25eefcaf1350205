//! Constants: held in the program, or named by a place in a file of blobs and fetched when somebody asks.

use std::sync::Arc;

use bytes::Bytes;
use half::{bf16, f16};

use super::Name;
use super::types::{TensorType, Type};
use crate::element::ElementType;

/// How deeply lists, tuples and dictionaries of constants may nest.
pub const MAX_VALUE_DEPTH: usize = 16;

/// Most elements that [`Literal::ints`] and its like read: parameters are short, weights are not parameters.
pub const MAX_PARAMETER_ELEMENTS: u64 = 1 << 14;

/// Where a constant's bytes lie: the file as the program names it, and the offset of the record there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobRef {
    /// As written: `@model_path/weights/weight.bin`.
    pub file: Name,
    /// Of the record that describes the data, not of the data.
    pub offset: u64,
}

/// Gives the bytes of blobs: whoever owns the package.
pub trait Blobs {
    /// The packed little-endian elements of a constant of this type; `None` where the blob is missing, damaged
    /// or of another type or length.
    fn bytes(&self, blob: &BlobRef, ty: &TensorType) -> Option<Bytes>;
}

/// A program without its files: every blob is unknown.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBlobs;

impl Blobs for NoBlobs {
    fn bytes(&self, _: &BlobRef, _: &TensorType) -> Option<Bytes> {
        None
    }
}

/// A constant with its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Literal {
    /// Its type as declared.
    pub ty: Type,
    /// What it holds.
    pub content: Content,
}

/// What a constant holds. Cheap to copy.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Elements of a tensor, little-endian, row by row, narrow ones packed from the lowest bit on.
    Bytes(Bytes),
    /// Elements of a tensor of text.
    Strings(Arc<[Name]>),
    /// Elements of a list.
    List(Arc<[Literal]>),
    /// Members of a tuple.
    Tuple(Arc<[Literal]>),
    /// Entries of a dictionary.
    Dictionary(Arc<[(Literal, Literal)]>),
    /// Elements of a tensor that lie in a file.
    Blob(BlobRef),
}

impl Literal {
    /// A tensor of packed little-endian bytes.
    pub fn bytes(ty: TensorType, bytes: impl Into<Bytes>) -> Self {
        Self { ty: ty.into(), content: Content::Bytes(bytes.into()) }
    }

    /// A scalar of text.
    pub fn string(text: impl Into<Name>) -> Self {
        Self { ty: Type::scalar(ElementType::String), content: Content::Strings(Arc::from([text.into()])) }
    }

    /// A scalar int32.
    pub fn int32(value: i32) -> Self {
        Self::bytes(TensorType::new(ElementType::Int32, [] as [u64; 0]), value.to_le_bytes().to_vec())
    }

    /// A vector of int32.
    pub fn int32s(values: &[i32]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::bytes(TensorType::new(ElementType::Int32, [values.len() as u64]), bytes)
    }

    /// A scalar truth value.
    pub fn bool(value: bool) -> Self {
        Self::bytes(TensorType::new(ElementType::Bool, [] as [u64; 0]), vec![u8::from(value)])
    }

    /// Why its content cannot be of its type: `None` where it can. Blobs are not opened.
    pub fn misfit(&self) -> Option<&'static str> {
        match (&self.ty, &self.content) {
            (Type::Tensor(_), Content::Blob(_)) => None,
            (Type::Tensor(tensor), Content::Bytes(bytes)) if tensor.element != ElementType::String => {
                match tensor.bytes() {
                    None => Some("the shape of a constant must be known"),
                    Some(needed) if needed != bytes.len() as u64 => {
                        Some("the number of values is not that of the shape")
                    }
                    Some(_) => None,
                }
            }
            (Type::Tensor(tensor), Content::Strings(strings)) if tensor.element == ElementType::String => {
                (tensor.count() != Some(strings.len() as u64))
                    .then_some("the number of values is not that of the shape")
            }
            (Type::List { element, length }, Content::List(values)) => {
                let fits = length.known().is_none_or(|length| length == values.len() as u64)
                    && values.iter().all(|value| value.ty.agrees(element) && value.misfit().is_none());
                (!fits).then_some("the elements are not those of the list's type")
            }
            (Type::Tuple(types), Content::Tuple(values)) => {
                let fits = types.len() == values.len()
                    && values.iter().zip(types).all(|(value, ty)| value.ty.agrees(ty) && value.misfit().is_none());
                (!fits).then_some("the members are not those of the tuple's type")
            }
            (Type::Dictionary { .. }, Content::Dictionary(_)) => None,
            _ => Some("the value is not of the declared kind"),
        }
    }

    /// The packed elements of a tensor, fetched from its blob if need be. `None` for text, for other kinds and
    /// for what cannot be read.
    pub fn tensor_bytes(&self, blobs: &dyn Blobs) -> Option<Bytes> {
        let tensor = self.ty.as_tensor()?;
        let bytes = match &self.content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Blob(blob) => blobs.bytes(blob, tensor)?,
            _ => return None,
        };
        (tensor.bytes()? == bytes.len() as u64).then_some(bytes)
    }

    /// The values of a short tensor of integers or truth values. `None` for other types, for more than
    /// [`MAX_PARAMETER_ELEMENTS`], and for values beyond `i64`.
    pub fn ints(&self, blobs: &dyn Blobs) -> Option<Vec<i64>> {
        let tensor = self.ty.as_tensor()?;
        let element = tensor.element;
        let count = tensor.count().filter(|count| *count <= MAX_PARAMETER_ELEMENTS)?;
        if !element.is_integer() && element != ElementType::Bool {
            return None;
        }
        let bytes = self.tensor_bytes(blobs)?;
        (0..count).map(|i| int_at(&bytes, element, i)).collect()
    }

    /// The values of a short tensor of floats. `None` for other types and for more than
    /// [`MAX_PARAMETER_ELEMENTS`].
    pub fn floats(&self, blobs: &dyn Blobs) -> Option<Vec<f64>> {
        let tensor = self.ty.as_tensor()?;
        tensor.count().filter(|count| *count <= MAX_PARAMETER_ELEMENTS)?;
        let bytes = self.tensor_bytes(blobs)?;
        let halves = || bytes.as_chunks::<2>().0.iter();
        let words = || bytes.as_chunks::<4>().0.iter();
        let doubles = || bytes.as_chunks::<8>().0.iter();
        Some(match tensor.element {
            ElementType::Fp16 => halves().map(|raw| f16::from_le_bytes(*raw).to_f64()).collect(),
            ElementType::Bf16 => halves().map(|raw| bf16::from_le_bytes(*raw).to_f64()).collect(),
            ElementType::Fp32 => words().map(|raw| f64::from(f32::from_le_bytes(*raw))).collect(),
            ElementType::Fp64 => doubles().map(|raw| f64::from_le_bytes(*raw)).collect(),
            _ => return None,
        })
    }

    /// The one text of a scalar or of a tensor with one element.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Strings(strings) => match &**strings {
                [only] => Some(only),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The integer number `index` of packed elements, if it lies within the bytes and fits.
fn int_at(bytes: &[u8], element: ElementType, index: u64) -> Option<i64> {
    let bits = element.bits();
    let start = index.checked_mul(bits)?;
    let mut raw = 0u64;
    // At most 8 whole bytes, or two bytes that a narrow element straddles.
    let first = usize::try_from(start / 8).ok()?;
    let last = usize::try_from((start + bits).div_ceil(8)).ok()?;
    for (i, byte) in bytes.get(first..last)?.iter().enumerate() {
        raw |= u64::from(*byte) << (8 * i);
    }
    raw >>= start % 8;
    if bits < 64 {
        raw &= (1 << bits) - 1;
    }
    if element.is_signed() {
        let unused = 64 - bits;
        Some((raw << unused).cast_signed() >> unused)
    } else {
        i64::try_from(raw).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ElementType::*;

    /// The bytes and values that coremltools writes (MIL blob storage, "Packing").
    #[test]
    fn narrow_integers_are_unpacked() {
        let read = |element, bytes: &[u8], count: u64| {
            Literal::bytes(TensorType::new(element, [count]), bytes.to_vec()).ints(&NoBlobs).unwrap()
        };
        assert_eq!(read(Uint1, &[0x8d, 0x03], 10), [1, 0, 1, 1, 0, 0, 0, 1, 1, 1]);
        assert_eq!(read(Uint2, &[0x6c, 0x03], 5), [0, 3, 2, 1, 3]);
        assert_eq!(read(Uint3, &[0xd1, 0x58, 0x1f, 0x2f], 10), [1, 2, 3, 4, 5, 6, 7, 0, 7, 5]);
        assert_eq!(read(Uint4, &[0x21, 0x03], 3), [1, 2, 3]);
        assert_eq!(read(Uint6, &[0x81, 0x30, 0xfc, 0x21], 5), [1, 2, 3, 63, 33]);
        assert_eq!(read(Int4, &[0x78, 0x0f, 0x03], 5), [-8, 7, -1, 0, 3]);
        assert_eq!(read(Int8, &[0x80], 1), [-128]);
        assert_eq!(read(Uint64, &7u64.to_le_bytes(), 1), [7]);
        assert_eq!(read(Int64, &(-7i64).to_le_bytes(), 1), [-7]);
    }

    #[test]
    fn what_does_not_fit_is_unknown() {
        let short = Literal::bytes(TensorType::new(Int32, [2u64]), vec![0u8; 4]);
        assert_eq!(short.ints(&NoBlobs), None);
        assert!(short.misfit().is_some());
        let long = Literal::bytes(TensorType::new(Int8, [MAX_PARAMETER_ELEMENTS + 1]), vec![0u8; 1]);
        assert_eq!(long.ints(&NoBlobs), None);
        let beyond = Literal::bytes(TensorType::new(Uint64, [1u64]), vec![0xff; 8]);
        assert_eq!(beyond.ints(&NoBlobs), None);
        assert_eq!(Literal::string("fp16").ints(&NoBlobs), None);
        assert_eq!(Literal::string("fp16").text(), Some("fp16"));
    }

    #[test]
    fn floats_of_every_width() {
        let half = Literal::bytes(TensorType::new(Fp16, [2u64]), vec![0x00, 0x3c, 0x00, 0xc0]);
        assert_eq!(half.floats(&NoBlobs).unwrap(), [1.0, -2.0]);
        let word = Literal::bytes(TensorType::new(Fp32, [1u64]), 0.5f32.to_le_bytes().to_vec());
        assert_eq!(word.floats(&NoBlobs).unwrap(), [0.5]);
    }
}
