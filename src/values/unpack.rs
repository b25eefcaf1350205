//! The values of a packed weight.

use std::borrow::Cow;

use half::{bf16, f16};

use super::Values;
use crate::dtype::DType;
use crate::model::packed::{Encoding, PackedWeight, groups};
use crate::model::{ModelData, ModelError};
use crate::quant::affine::Quantized;
use crate::quant::element::Element;
use crate::quant::pack;
use crate::quant::palette::{Coded, EntryType, Int8Tables, PaletteVector};
use crate::quant::prune::Mask;
use crate::scheme::{Arithmetic, FloatType};

/// Decodes a weight of a packed checkpoint, with the kernels that told the run what it would be.
///
/// # Errors
/// If its tensors are missing, or their types and lengths are not what the index says.
pub fn unpack<'d>(data: &ModelData, weight: &PackedWeight) -> Result<Values<'d>, ModelError> {
    let reader = Reader { data, weight };
    match weight.dtype() {
        Some(DType::F32) => Ok(Values::F32(Cow::Owned(reader.values()?))),
        Some(DType::F16) => Ok(Values::F16(Cow::Owned(reader.values()?))),
        Some(DType::BF16) => Ok(Values::Bf16(Cow::Owned(reader.values()?))),
        _ => Err(reader.broken("its type is none that packed weights have")),
    }
}

struct Reader<'a> {
    data: &'a ModelData,
    weight: &'a PackedWeight,
}

/// How integers are stored.
struct Integers<'a> {
    bits: u8,
    signed: bool,
    block: &'a [usize],
    zero_point: bool,
    arithmetic: Arithmetic,
}

/// How a palette is stored.
struct Palette<'a> {
    bits: u8,
    block: &'a [usize],
    vector: usize,
    axis: usize,
    int8: bool,
    scaled: bool,
}

impl Reader<'_> {
    fn values<T: Element>(&self) -> Result<Vec<T>, ModelError> {
        match &self.weight.encoding {
            Encoding::Affine { bits, signed, block, zero_point, arithmetic, survivors } => {
                let integers =
                    Integers { bits: *bits, signed: *signed, block, zero_point: *zero_point, arithmetic: *arithmetic };
                self.affine(&integers, *survivors)
            }
            Encoding::Palette { bits, block, vector, axis, int8_entries, scaled, survivors } => {
                let palette =
                    Palette { bits: *bits, block, vector: *vector, axis: *axis, int8: *int8_entries, scaled: *scaled };
                self.palette(&palette, *survivors)
            }
            Encoding::Sparse { survivors } => {
                let (_, stored) = self.floats("values", *survivors)?;
                let values = self.scatter(&stored, &self.mask()?)?;
                Ok(values.into_iter().map(T::from_f32).collect())
            }
        }
    }

    fn broken(&self, why: &str) -> ModelError {
        ModelError::broken_packed(self.data.path(), &self.weight.name, why)
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

    /// Floats of whatever type is stored, as binary32, and the type.
    fn floats(&self, suffix: &str, count: usize) -> Result<(FloatType, Vec<f32>), ModelError> {
        let name = self.weight.tensor(suffix);
        let (dtype, _) = self.data.tensor(&name)?;
        let bytes = self.bytes(suffix, dtype, count)?;
        Ok(match dtype {
            DType::F32 => (FloatType::Fp32, bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
            DType::F16 => {
                (FloatType::Fp16, bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect())
            }
            DType::BF16 => {
                (FloatType::Bf16, bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect())
            }
            _ => return Err(self.broken(&format!("its tensor `{name}` holds no floats"))),
        })
    }

    fn codes<C: pack::Code>(&self, suffix: &str, count: usize, bits: u8) -> Result<Vec<C>, ModelError> {
        let length = pack::packed_len(count, bits).ok_or_else(|| self.broken("its codes are too many"))?;
        let bytes = self.bytes(suffix, DType::U8, length)?;
        pack::unpack::<C>(bytes, count, bits).map_err(|error| self.broken(&error.to_string()))
    }

    /// Codes of integers, unsigned ones as the same eight bits.
    fn integers(&self, suffix: &str, count: usize, integers: &Integers) -> Result<Vec<i8>, ModelError> {
        match integers.signed {
            true => self.codes::<i8>(suffix, count, integers.bits),
            false => Ok(bytemuck::allocation::cast_vec(self.codes::<u8>(suffix, count, integers.bits)?)),
        }
    }

    fn mask(&self) -> Result<Mask, ModelError> {
        let elements = self.elements();
        let bytes = self.bytes("mask", DType::U8, elements.div_ceil(8))?.to_vec();
        Mask::from_bytes(bytes, elements).map_err(|error| self.broken(&error.to_string()))
    }

    /// One entry per element: stored ones where the mask says so, zeros elsewhere.
    fn scatter<C: Copy + Default>(&self, stored: &[C], mask: &Mask) -> Result<Vec<C>, ModelError> {
        if mask.present() != stored.len() {
            return Err(self.broken("its mask counts other elements than are stored"));
        }
        let mut stored = stored.iter().copied();
        let next = |at| if mask.contains(at) { stored.next().unwrap_or_default() } else { C::default() };
        Ok((0..mask.len()).map(next).collect())
    }

    // What the index promises is there only once the codes have been found: nothing is allocated before.
    fn affine<T: Element>(&self, integers: &Integers, survivors: Option<usize>) -> Result<Vec<T>, ModelError> {
        let mut codes = self.integers("codes", survivors.unwrap_or(self.elements()), integers)?;
        let mask = survivors.map(|_| self.mask()).transpose()?;
        if let Some(mask) = &mask {
            codes = self.scatter(&codes, mask)?;
        }
        let count: usize = groups(&self.weight.shape, integers.block).iter().product();
        let (scale_type, scales) = self.floats("scale", count)?;
        let zero_points = match integers.zero_point {
            true => self.integers("zero_point", count, integers)?,
            false => vec![0; count],
        };
        let quantized = Quantized {
            shape: self.weight.shape.clone(),
            block: integers.block.to_vec(),
            bits: integers.bits,
            signed: integers.signed,
            arithmetic: integers.arithmetic,
            scale_type,
            codes,
            scales,
            zero_points,
            dead_blocks: 0,
        };
        let broken = |error: crate::quant::QuantError| self.broken(&error.to_string());
        let mut values = quantized.dequantize().map_err(broken)?;
        if let Some(mask) = &mask {
            mask.apply(&mut values).map_err(broken)?;
        }
        Ok(values)
    }

    fn palette<T: Element>(&self, palette: &Palette, survivors: Option<usize>) -> Result<Vec<T>, ModelError> {
        let shape = &self.weight.shape;
        let indices = self.elements() / palette.vector;
        let mut codes = self.codes::<u8>("codes", survivors.unwrap_or(indices), palette.bits)?;
        let mask = survivors.map(|_| self.mask()).transpose()?;
        if let Some(mask) = &mask {
            codes = self.scatter(&codes, mask)?;
        }
        let kept: Option<Vec<bool>> = mask.map(|mask| (0..mask.len()).map(|at| mask.contains(at)).collect());
        let tables: usize = groups(shape, palette.block).iter().product();
        let stored = tables.checked_mul(palette.vector << palette.bits);
        let tables = self.tables(palette, stored.ok_or_else(|| self.broken("its tables are too many"))?)?;
        let scales = match palette.scaled {
            true => Some(self.floats("channel_scale", shape[palette.axis])?.1),
            false => None,
        };
        let coded = Coded {
            shape,
            block: palette.block,
            bits: palette.bits,
            vector: (palette.vector > 1).then_some(PaletteVector { size: palette.vector, axis: palette.axis }),
            codes: &codes,
            tables: &tables,
            channel_scale: scales.as_deref().map(|scales| (palette.axis, scales)),
            kept: kept.as_deref(),
        };
        coded.dequantize().map_err(|error| self.broken(&error.to_string()))
    }

    /// All entries of all tables.
    fn tables(&self, palette: &Palette, count: usize) -> Result<Vec<f32>, ModelError> {
        if !palette.int8 {
            return Ok(self.floats("table", count)?.1);
        }
        let values = self.bytes("table", DType::I8, count)?.iter().map(|code| code.cast_signed()).collect();
        let (entries, scale) = self.floats("table_scale", 1)?;
        let tables = Int8Tables { values, scale: scale[0] };
        let entries = match entries {
            FloatType::Fp32 => tables.entries::<f32>(EntryType::Fp32),
            FloatType::Fp16 => tables.entries::<f16>(EntryType::Fp16),
            _ => tables.entries::<bf16>(EntryType::Weight),
        };
        entries.map_err(|error| self.broken(&error.to_string()))
    }
}
