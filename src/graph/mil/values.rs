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
