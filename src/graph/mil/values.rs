//! Constants, from their messages.

use bytes::Bytes;

use crate::element::ElementType::{self, *};
use crate::formats::coreml::proto::{self, ImmediateKind, Kept, TensorElements, ValueKind};
use crate::graph::types::{TensorType, Type};
use crate::graph::value::{BlobRef, Content, Literal, MAX_VALUE_DEPTH};

use super::Interner;
use super::fault::Fault;
use super::types::required;

impl Interner {
    /// A constant.
    pub(super) fn literal(&mut self, value: &proto::Value, depth: usize) -> Result<Literal, Fault> {
        if depth >= MAX_VALUE_DEPTH {
            return Err(Fault::ValueTooDeep);
        }
        let ty = required(value.r#type.as_deref(), 0)?;
        let content = match value.value.as_ref().ok_or(Fault::NoValue)? {
            ValueKind::BlobFile(blob) => {
                Content::Blob(BlobRef { file: self.name(&blob.file_name), offset: blob.offset })
            }
            ValueKind::Immediate(immediate) => match (immediate.value.as_ref().ok_or(Fault::NoValue)?, &ty) {
                (ImmediateKind::Tensor(tensor), Type::Tensor(ty)) => self.elements(tensor, ty)?,
                (ImmediateKind::List(list), _) => Content::List(self.literals(&list.values, depth)?.into()),
                (ImmediateKind::Tuple(tuple), _) => Content::Tuple(self.literals(&tuple.values, depth)?.into()),
                (ImmediateKind::Dictionary(dictionary), _) => {
                    let mut pairs = Vec::with_capacity(dictionary.values.len());
                    for pair in &dictionary.values {
                        let (Some(key), Some(value)) = (&pair.key, &pair.value) else { return Err(Fault::NoValue) };
                        pairs.push((self.literal(key, depth + 1)?, self.literal(value, depth + 1)?));
                    }
                    Content::Dictionary(pairs.into())
                }
                (ImmediateKind::Tensor(_), _) => return Err(Fault::ValueKind { ty: ty.to_string() }),
            },
        };
        let literal = Literal { ty, content };
        match literal.misfit() {
            Some(reason) => Err(Fault::Misfit { ty: literal.ty.to_string(), reason }),
            None => Ok(literal),
        }
    }

    fn literals(&mut self, values: &[Kept<proto::Value>], depth: usize) -> Result<Vec<Literal>, Fault> {
        values.iter().map(|value| self.literal(value, depth + 1)).collect()
    }

    /// The elements of a tensor as packed little-endian bytes, or its texts.
    fn elements(&mut self, tensor: &proto::TensorValue, ty: &TensorType) -> Result<Content, Fault> {
        let kind = || Fault::ValueKind { ty: ty.to_string() };
        let bytes = match (tensor.value.as_ref(), ty.element) {
            (None, String) => return Ok(Content::Strings([].into())),
            (None, _) => Bytes::new(),
            (Some(TensorElements::Strings(strings)), String) => {
                return Ok(Content::Strings(strings.values.iter().map(|text| self.name(text)).collect()));
            }
            (Some(TensorElements::Floats(floats)), Fp32) => {
                floats.values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }
            (Some(TensorElements::Doubles(doubles)), Fp64) => {
                doubles.values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }
            (Some(TensorElements::Bools(bools)), Bool) => bools.values.iter().map(|value| u8::from(*value)).collect(),
            (Some(TensorElements::LongInts(ints)), Int64 | Uint64) => {
                ints.values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }
            (Some(TensorElements::Ints(ints)), element) => integers(&ints.values, element, ty)?,
            (Some(TensorElements::Bytes(bytes)), element) if element != String => bytes.values.clone(),
            _ => return Err(kind()),
        };
        Ok(Content::Bytes(bytes))
    }
}

/// Whole-byte integers of up to 32 bits, which the format writes as int32.
fn integers(values: &[i32], element: ElementType, ty: &TensorType) -> Result<Bytes, Fault> {
    let width = match element {
        Int8 | Uint8 | Int16 | Uint16 | Int32 | Uint32 => element.bits() as usize / 8,
        _ => return Err(Fault::ValueKind { ty: ty.to_string() }),
    };
    let (low, high) = match element {
        Int32 | Uint32 => (i32::MIN, i32::MAX),
        _ if element.is_signed() => (-(1 << (8 * width - 1)), (1 << (8 * width - 1)) - 1),
        _ => (0, (1 << (8 * width)) - 1),
    };
    let mut bytes = Vec::with_capacity(values.len() * width);
    for value in values {
        if !(low..=high).contains(value) {
            return Err(Fault::Range { ty: ty.to_string(), value: i64::from(*value) });
        }
        bytes.extend(&value.to_le_bytes()[..width]);
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::value::NoBlobs;

    fn literal(element: ElementType, count: u64, elements: Option<TensorElements>) -> Result<Literal, Fault> {
        let size = proto::ConstantDimension { size: count };
        let dimension = proto::Dimension { dimension: Some(proto::DimensionKind::Constant(size.into())) };
        let tensor = proto::TensorType {
            data_type: element.number(),
            rank: 1,
            dimensions: vec![dimension.into()],
            attributes: Vec::new(),
        };
        let ty = proto::ValueType { kind: Some(proto::ValueTypeKind::Tensor(tensor.into())) };
        let immediate =
            proto::ImmediateValue { value: Some(ImmediateKind::Tensor(proto::TensorValue { value: elements }.into())) };
        let value = proto::Value {
            doc_string: std::string::String::new(),
            r#type: Some(ty.into()),
            value: Some(ValueKind::Immediate(immediate.into())),
        };
        Interner::default().literal(&value, 0)
    }

    fn ints(values: &[i32]) -> Option<TensorElements> {
        Some(TensorElements::Ints(proto::RepeatedInts { values: values.to_vec() }.into()))
    }

    #[test]
    fn every_list_of_elements() {
        let long = proto::RepeatedLongInts { values: vec![-1, 1 << 40] };
        let read = literal(Int64, 2, Some(TensorElements::LongInts(long.into()))).unwrap();
        assert_eq!(read.ints(&NoBlobs).unwrap(), [-1, 1 << 40]);
        let bools = proto::RepeatedBools { values: vec![true, false] };
        let read = literal(Bool, 2, Some(TensorElements::Bools(bools.into()))).unwrap();
        assert_eq!(read.ints(&NoBlobs).unwrap(), [1, 0]);
        let doubles = proto::RepeatedDoubles { values: vec![0.25] };
        let read = literal(Fp64, 1, Some(TensorElements::Doubles(doubles.into()))).unwrap();
        assert_eq!(read.floats(&NoBlobs).unwrap(), [0.25]);
        let bytes = proto::RepeatedBytes { values: vec![0xe1, 0x83, 0x07, 0xf5, 0x02].into() };
        let read = literal(Int4, 9, Some(TensorElements::Bytes(bytes.into()))).unwrap();
        assert_eq!(read.ints(&NoBlobs).unwrap(), [1, -2, 3, -8, 7, 0, 5, -1, 2]);
        assert_eq!(literal(Uint16, 2, ints(&[0, 65_535])).unwrap().ints(&NoBlobs).unwrap(), [0, 65_535]);
        assert_eq!(literal(Int16, 1, ints(&[-32_768])).unwrap().ints(&NoBlobs).unwrap(), [-32_768]);
        assert_eq!(literal(Fp32, 0, None).unwrap().floats(&NoBlobs).unwrap(), [0.0; 0]);
    }

    #[test]
    fn values_that_are_not_of_their_type() {
        let error = |result: Result<Literal, Fault>| result.unwrap_err().to_string();
        assert_eq!(error(literal(Uint8, 1, ints(&[256]))), "a constant of uint8[1] holds 256, which is out of range");
        assert_eq!(error(literal(Int8, 1, ints(&[-129]))), "a constant of int8[1] holds -129, which is out of range");
        assert_eq!(error(literal(Fp16, 1, ints(&[1]))), "a constant of fp16[1] holds values of another kind");
        let wanted = "a constant of int32[3]: the number of values is not that of the shape";
        assert_eq!(error(literal(Int32, 3, ints(&[1, 2]))), wanted);
        let bytes = proto::RepeatedBytes { values: vec![1].into() };
        let text = literal(String, 1, Some(TensorElements::Bytes(bytes.into())));
        assert_eq!(error(text), "a constant of string[1] holds values of another kind");
    }
}
