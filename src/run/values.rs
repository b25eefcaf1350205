//! The values of a weight, read from whatever the model stores.

use std::borrow::Cow;

use half::{bf16, f16};

use crate::dtype::DType;
use crate::formats::fp8;
use crate::model::{Model, ModelData, ModelError, Weight};

/// The elements of a weight, row-major, in the type in which kernels work on them.
#[derive(Debug, Clone, PartialEq)]
pub enum Values<'a> {
    /// binary32
    F32(Cow<'a, [f32]>),
    /// binary16
    F16(Cow<'a, [f16]>),
    /// bfloat16, and 8-bit floats, whose values it holds exactly
    Bf16(Cow<'a, [bf16]>),
}

/// Calls a generic function with the elements of [`Values`].
macro_rules! with_values {
    ($values:expr, |$slice:ident| $body:expr) => {
        match $values {
            $crate::run::values::Values::F32(slice) => {
                let $slice: &[f32] = slice;
                $body
            }
            $crate::run::values::Values::F16(slice) => {
                let $slice: &[half::f16] = slice;
                $body
            }
            $crate::run::values::Values::Bf16(slice) => {
                let $slice: &[half::bf16] = slice;
                $body
            }
        }
    };
}
pub(crate) use with_values;

impl Values<'_> {
    /// Little-endian bytes, as files hold them. Bit for bit, where the kernels' conversion makes every NaN the same.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Values::F32(values) => bytes_of(values, f32::to_le_bytes),
            Values::F16(values) => bytes_of(values, f16::to_le_bytes),
            Values::Bf16(values) => bytes_of(values, bf16::to_le_bytes),
        }
    }

    /// The values without what they were read from.
    pub fn into_owned(self) -> Values<'static> {
        match self {
            Values::F32(values) => Values::F32(values.into_owned().into()),
            Values::F16(values) => Values::F16(values.into_owned().into()),
            Values::Bf16(values) => Values::Bf16(values.into_owned().into()),
        }
    }

    /// Each value as binary32, exactly.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Values::F32(values) => values.to_vec(),
            Values::F16(values) => values.iter().map(|v| v.to_f32()).collect(),
            Values::Bf16(values) => values.iter().map(|v| v.to_f32()).collect(),
        }
    }
}

/// Reads a weight: mapped where the file's bytes lie as the machine wants them, else copied.
///
/// # Errors
/// If the file has changed or cannot be read, or the weight's type is not one that kernels read.
pub fn read<'d>(data: &'d ModelData, model: &Model, weight: &Weight) -> Result<Values<'d>, ModelError> {
    if let Some(packed) = model.packed_weight(&weight.name) {
        return super::unpack::unpack(data, packed);
    }
    if let Some(constant) = data.decompressed(weight)? {
        return Ok(typed(weight, &constant.bytes)?.into_owned());
    }
    match data.bytes(weight)? {
        Cow::Borrowed(bytes) => typed(weight, bytes),
        Cow::Owned(bytes) => Ok(typed(weight, &bytes)?.into_owned()),
    }
}

/// The bytes of a weight as elements of its type.
fn typed<'d>(weight: &Weight, bytes: &'d [u8]) -> Result<Values<'d>, ModelError> {
    Ok(match weight.dtype {
        DType::F32 => Values::F32(elements(bytes, f32::from_le_bytes)),
        DType::F16 => Values::F16(elements(bytes, f16::from_le_bytes)),
        DType::BF16 => Values::Bf16(elements(bytes, bf16::from_le_bytes)),
        DType::F8E4M3 => Values::Bf16(bytes.iter().map(|&b| bf16::from_f32(fp8::e4m3fn_to_f32(b))).collect()),
        DType::F8E5M2 => Values::Bf16(bytes.iter().map(|&b| bf16::from_f32(fp8::e5m2_to_f32(b))).collect()),
        other => return Err(ModelError::not_readable(weight, other)),
    })
}

/// Elements as bytes of a file: one copy on little-endian machines.
fn bytes_of<const N: usize, T: bytemuck::Pod>(values: &[T], write: fn(T) -> [u8; N]) -> Vec<u8> {
    if cfg!(target_endian = "little") {
        return bytemuck::cast_slice(values).to_vec();
    }
    values.iter().flat_map(|value| write(*value)).collect()
}

/// Bytes of a file as elements: without a copy on little-endian machines where the alignment allows it.
fn elements<const N: usize, T: bytemuck::Pod>(bytes: &[u8], read: fn([u8; N]) -> T) -> Cow<'_, [T]> {
    if cfg!(target_endian = "little")
        && let Ok(slice) = bytemuck::try_cast_slice(bytes)
    {
        return Cow::Borrowed(slice);
    }
    Cow::Owned(bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect())
}
