//! The values of a packed weight.

use std::borrow::Cow;

use half::{bf16, f16};

use super::parts::{groups, packed_bytes};
use super::values::Values;
use crate::dtype::DType;
use crate::model::packed::{Encoding, PackedWeight};
use crate::model::{ModelData, ModelError};
use crate::quant::pack;

/// Decodes a weight of a packed checkpoint. Each value is computed in binary32 and rounded to the type the
/// weight had.
///
/// # Errors
/// If its tensors are missing, or their types and lengths are not what the index says.
pub fn unpack<'d>(data: &ModelData, weight: &PackedWeight) -> Result<Values<'d>, ModelError> {
    let reader = Reader { data, weight };
    let values = match &weight.encoding {
        Encoding::Affine { bits, signed, block, zero_point, survivors } => {
            reader.affine(*bits, *signed, block, *zero_point, *survivors)?
        }
        Encoding::Palette { bits, block, vector, axis, int8_entries, scaled, survivors } => {
            let palette =
                Palette { bits: *bits, block, vector: *vector, axis: *axis, int8: *int8_entries, scaled: *scaled };
            reader.palette(&palette, *survivors)?
        }
        Encoding::Sparse { survivors } => {
            let values = reader.scatter(reader.floats("values", *survivors)?, true)?;
            values.into_iter().map(|value| value.unwrap_or(0.0)).collect()
        }
    };
    match weight.dtype() {
        Some(DType::F32) => Ok(Values::F32(Cow::Owned(values))),
        Some(DType::F16) => Ok(Values::F16(values.into_iter().map(f16::from_f32).collect())),
        Some(DType::BF16) => Ok(Values::Bf16(values.into_iter().map(bf16::from_f32).collect())),
        _ => Err(reader.broken("its type is none that packed weights have")),
    }
}

/// The parts of a palette's encoding.
struct Palette<'a> {
    bits: u8,
    block: &'a [usize],
    vector: usize,
    axis: usize,
    int8: bool,
    scaled: bool,
}

struct Reader<'a> {
    data: &'a ModelData,
    weight: &'a PackedWeight,
}

impl Reader<'_> {
    fn broken(&self, why: &str) -> ModelError {
        ModelError::broken_packed(&self.weight.name, why)
    }

    fn elements(&self) -> usize {
        self.weight.shape.iter().product()
    }

    fn bytes(&self, suffix: &str, dtype: DType, count: usize) -> Result<&[u8], ModelError> {
        let name = self.weight.tensor(suffix);
        let (found, bytes) = self.data.tensor(&name)?;
        if found != dtype || Some(bytes.len()) != count.checked_mul(dtype.bits() / 8) {
            return Err(self.broken(&format!("its tensor `{name}` has another type or length than the index says")));
        }
        Ok(bytes)
    }

    /// Floats of whatever type is stored, as binary32.
    fn floats(&self, suffix: &str, count: usize) -> Result<Vec<f32>, ModelError> {
        let name = self.weight.tensor(suffix);
        let (dtype, _) = self.data.tensor(&name)?;
        let bytes = self.bytes(suffix, dtype, count)?;
        Ok(match dtype {
            DType::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            DType::F16 => bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            DType::BF16 => bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            _ => return Err(self.broken(&format!("its tensor `{name}` holds no floats"))),
        })
    }

    fn codes(&self, suffix: &str, count: usize, bits: u8) -> Result<Vec<u8>, ModelError> {
        let bytes = self.bytes(suffix, DType::U8, packed_bytes(count, bits))?;
        pack::unpack::<u8>(bytes, count, bits).map_err(|error| self.broken(&error.to_string()))
    }

    fn mask(&self) -> Result<Vec<bool>, ModelError> {
        let bits = self.codes("mask", self.elements(), 1)?;
        Ok(bits.into_iter().map(|bit| bit != 0).collect())
    }

    /// One entry per element: stored ones where the mask says so, `None` elsewhere.
    fn scatter<T: Copy>(&self, stored: Vec<T>, masked: bool) -> Result<Vec<Option<T>>, ModelError> {
        if !masked {
            return Ok(stored.into_iter().map(Some).collect());
        }
        let mask = self.mask()?;
        if mask.iter().filter(|stays| **stays).count() != stored.len() {
            return Err(self.broken("its mask counts other elements than are stored"));
        }
        let mut stored = stored.into_iter();
        Ok(mask.into_iter().map(|stays| if stays { stored.next() } else { None }).collect())
    }

    fn affine(
        &self,
        bits: u8,
        signed: bool,
        block: &[usize],
        zero_point: bool,
        survivors: Option<usize>,
    ) -> Result<Vec<f32>, ModelError> {
        let groups = groups(&self.weight.shape, block);
        let count: usize = groups.iter().product();
        let scales = self.floats("scale", count)?;
        let number = |code: u8| -> f32 {
            // Codes are stored in their low bits; signed ones are two's complement there.
            let half = 1i16 << (bits - 1);
            let code = i16::from(code);
            f32::from(if signed && code >= half { code - 2 * half } else { code })
        };
        let zero_points: Vec<f32> = match zero_point {
            true => self.codes("zero_point", count, bits)?.into_iter().map(number).collect(),
            false => vec![0.0; count],
        };
        let codes = self.codes("codes", survivors.unwrap_or(self.elements()), bits)?;
        let codes = self.scatter(codes, survivors.is_some())?;
        let owner = Owner::new(&self.weight.shape, block);
        let value = |(index, code): (usize, Option<u8>)| {
            let group = owner.of(index);
            code.map_or(0.0, |code| (number(code) - zero_points[group]) * scales[group])
        };
        Ok(codes.into_iter().enumerate().map(value).collect())
    }

    fn palette(&self, palette: &Palette, survivors: Option<usize>) -> Result<Vec<f32>, ModelError> {
        let shape = &self.weight.shape;
        let tables: usize = groups(shape, palette.block).iter().product();
        let entries = 1usize << palette.bits;
        // The index promises elements, which no tensor has shown to be there yet.
        let stored =
            tables.checked_mul(entries * palette.vector).ok_or_else(|| self.broken("its tables are too many"))?;
        let table: Vec<f32> = if palette.int8 {
            let scale = self.floats("table_scale", 1)?[0];
            let codes = self.bytes("table", DType::I8, stored)?;
            codes.iter().map(|&code| f32::from(code.cast_signed()) * scale).collect()
        } else {
            self.floats("table", stored)?
        };
        let channels = shape[palette.axis];
        let scales = if palette.scaled { self.floats("channel_scale", channels)? } else { vec![1.0; channels] };
        let mut index_shape = shape.clone();
        index_shape[palette.axis] /= palette.vector;
        let indices: usize = index_shape.iter().product();
        let codes = self.codes("codes", survivors.unwrap_or(indices), palette.bits)?;
        let codes = self.scatter(codes, survivors.is_some())?;
        let owner = Owner::new(shape, palette.block);
        let inner: usize = shape[palette.axis + 1..].iter().product();
        let value = |index: usize| {
            let channel = index / inner % channels;
            // The index that covers this element: its own position with the axis divided by the vector.
            let outer = index / (inner * channels);
            let slot = (outer * (channels / palette.vector) + channel / palette.vector) * inner + index % inner;
            let Some(code) = codes[slot] else { return 0.0 };
            let entry = (owner.of(index) * entries + usize::from(code)) * palette.vector + channel % palette.vector;
            table[entry] * scales[channel]
        };
        Ok((0..self.elements()).map(value).collect())
    }
}

/// Which block an element belongs to.
struct Owner {
    /// Per axis: elements of the axis, elements of a block, and the stride of a block in the grid.
    axes: Vec<(usize, usize, usize)>,
}

impl Owner {
    fn new(shape: &[usize], block: &[usize]) -> Owner {
        let mut axes = Vec::with_capacity(shape.len());
        let mut stride = 1;
        for (&length, &extent) in shape.iter().zip(block).rev() {
            axes.push((length, extent, stride));
            stride *= length / extent.max(1);
        }
        Owner { axes }
    }

    fn of(&self, mut index: usize) -> usize {
        let mut group = 0;
        for &(length, extent, stride) in &self.axes {
            group += index % length / extent * stride;
            index /= length;
        }
        group
    }
}
