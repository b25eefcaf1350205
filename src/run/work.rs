//! One weight through its kernel: what is stored, and how far it is from what was there.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use half::{bf16, f16};
use rayon::prelude::*;

use super::RunError;
use super::parts::{Content, Part};
use super::values::{Values, with_values};
use crate::check::Fact;
use crate::dtype::DType;
use crate::formats::fp8;
use crate::model::Weight;
use crate::plan::fit::Fitted;
use crate::plan::size;
use crate::quant::affine::{self, AffineSpec, Quantized};
use crate::quant::element::Element;
use crate::quant::palette::{
    self, EntryType, PaletteError, PaletteGranularity, PaletteSpec, PaletteVector, Palettized,
};
use crate::quant::power::Power;
use crate::quant::{QuantError, pack, prune};
use crate::scheme::{FloatType, Sparsity};

/// What was made of a weight.
#[derive(Debug)]
pub struct Made {
    kind: Kind,
    /// The values that come of it, in the type they are worked on.
    decoded: Vec<u8>,
    /// Which elements pruning left, where it was pruned.
    mask: Option<prune::Mask>,
    /// Elements that pruning left, or indices.
    pub survivors: Option<u64>,
    /// How far it is from the input.
    pub error: Power,
    /// What the values show.
    pub facts: Vec<Fact>,
}

#[derive(Debug)]
enum Kind {
    Affine(Quantized),
    Palette(Box<Palettized>),
    /// Values in whatever type they are stored in, as bytes of a file.
    Dense(Vec<u8>),
}

/// Why nothing was made.
#[derive(Debug)]
pub enum Stop {
    /// The weight must stay as it is.
    Keep(Fact),
    /// Asked to.
    Cancelled,
    /// The kernel refuses.
    Kernel(QuantError),
    /// The kernel of palettes refuses.
    Palette(PaletteError),
}

impl Stop {
    /// As the error of a run. A weight that must be kept is no error; where nothing else can be done, it ends as
    /// if it were stopped.
    pub fn into_error(self, weight: &Weight) -> RunError {
        let weight = weight.name.clone();
        match self {
            Stop::Keep(_) | Stop::Cancelled => RunError::Cancelled,
            Stop::Kernel(source) => RunError::Kernel { weight, source },
            Stop::Palette(source) => RunError::Palette { weight, source },
        }
    }
}

impl From<QuantError> for Stop {
    fn from(error: QuantError) -> Self {
        match error {
            QuantError::Cancelled => Stop::Cancelled,
            other => Stop::Kernel(other),
        }
    }
}

/// Elements that pruning leaves, counted from the values.
///
/// # Errors
/// If cancelled, or the values cannot be ranked.
pub fn survivors(weight: &Weight, values: &Values, sparse: Sparsity, cancel: &AtomicBool) -> Result<usize, Stop> {
    let cancelled = || cancel.load(Ordering::Relaxed);
    let mask = with_values!(values, |slice| mask(weight, slice, sparse, &cancelled))?;
    Ok(mask.present())
}

fn mask<T: Element>(
    weight: &Weight,
    values: &[T],
    sparse: Sparsity,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<prune::Mask, Stop> {
    let axis = weight.input_axis().unwrap_or(weight.shape.len().saturating_sub(1));
    let mask = match sparse {
        Sparsity::Share(share) => prune::by_magnitude(values, share),
        Sparsity::Ratio { n, m } => prune::n_of_m(values, &weight.shape, axis, n, m),
        Sparsity::Below(bound) => prune::by_threshold(values, bound as f32),
    }?;
    if cancelled() { Err(Stop::Cancelled) } else { Ok(mask) }
}

/// Quantizes a weight.
///
/// # Errors
/// Why nothing was made.
pub fn make(weight: &Weight, values: &Values, fitted: &Fitted, cancel: &AtomicBool) -> Result<Made, Stop> {
    let cancelled = || cancel.load(Ordering::Relaxed);
    with_values!(values, |slice| make_of(weight, slice, fitted, &cancelled))
}

fn make_of<T: Element>(
    weight: &Weight,
    values: &[T],
    fitted: &Fitted,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Made, Stop> {
    let not_finite = count(values, |v| !v.is_finite());
    if not_finite > 0 && !matches!(fitted, Fitted::Float(_)) {
        return Err(Stop::Keep(Fact::NotFinite(not_finite)));
    }
    let mask = fitted.sparse().map(|sparse| mask(weight, values, sparse, cancelled)).transpose()?;
    let pruned: Cow<[T]> = match &mask {
        Some(mask) => Cow::Owned(pruned_by(mask, values)?),
        None => Cow::Borrowed(values),
    };
    let mut facts = Vec::new();
    let (kind, decoded): (Kind, Cow<[T]>) =
        match fitted {
            Fitted::Affine { block, bits, signed, mapping, arithmetic, scale, by, .. } => {
                let spec = AffineSpec {
                    bits: *bits,
                    signed: *signed,
                    mapping: *mapping,
                    arithmetic: *arithmetic,
                    scale: Some(*scale),
                    search: *by,
                };
                let quantized = affine::quantize_unless(&pruned, &weight.shape, block, &spec, cancelled)?;
                if quantized.dead_blocks > 0 {
                    facts.push(Fact::DeadBlocks(quantized.dead_blocks as u64));
                }
                let mut decoded = quantized.dequantize::<T>()?;
                if let Some(mask) = &mask {
                    mask.apply(&mut decoded)?;
                }
                (Kind::Affine(quantized), Cow::Owned(decoded))
            }
            Fitted::Palette { block, bits, vector, axis, int8_entries, scaled, fit, entry, .. } => {
                let spec = PaletteSpec {
                    bits: *bits,
                    granularity: PaletteGranularity::Block(block.iter().map(|extent| Some(*extent)).collect()),
                    fit: *fit,
                    vector: (*vector > 1).then_some(PaletteVector { size: *vector as usize, axis: *axis }),
                    entries: if *entry == FloatType::Fp32 { EntryType::Fp32 } else { EntryType::Fp16 },
                    int8_entries: *int8_entries,
                    scaled: scaled.then_some(*axis),
                };
                // Vectors cannot be pruned in part: with them, zeros are values like others.
                let stays: Option<Vec<bool>> = match (&mask, vector) {
                    (Some(mask), 1) => Some((0..mask.len()).map(|at| mask.contains(at)).collect()),
                    _ => None,
                };
                let palettized = palette::quantize(&pruned, &weight.shape, &spec, stays.as_deref(), cancelled)
                    .map_err(|error| match error {
                        PaletteError::Cancelled => Stop::Cancelled,
                        PaletteError::TooManyValues { distinct, .. } => Stop::Keep(Fact::Distinct(distinct as u64)),
                        PaletteError::TooLarge { .. } => Stop::Keep(Fact::BeyondFp16(1)),
                        PaletteError::NotFinite { .. } => Stop::Keep(Fact::NotFinite(1)),
                        other => Stop::Palette(other),
                    })?;
                let decoded = palettized.dequantize::<T>();
                (Kind::Palette(Box::new(palettized)), Cow::Owned(decoded))
            }
            Fitted::Sparse { float, .. } if *float == T::FLOAT => (Kind::Dense(encode(&pruned, T::FLOAT)), pruned),
            Fitted::Float(float) | Fitted::Sparse { float, .. } => {
                if *float == FloatType::Fp16 {
                    let beyond = count(values, |v| v.is_finite() && v.abs() > f32::from(f16::MAX));
                    if beyond > 0 {
                        facts.push(Fact::BeyondFp16(beyond));
                    }
                }
                let bytes = encode(&pruned, *float);
                let decoded: Vec<T> = pruned.par_iter().map(|v| T::from_f32(cast(v.to_f32(), *float))).collect();
                (Kind::Dense(bytes), Cow::Owned(decoded))
            }
        };
    let error = Power::between(values, &decoded)?;
    let survivors = mask.as_ref().map(|mask| mask.present() as u64);
    Ok(Made { kind, decoded: to_bytes(&decoded), mask, survivors, error, facts })
}

/// Values with zeros where a mask has none.
fn pruned_by<T: Element>(mask: &prune::Mask, values: &[T]) -> Result<Vec<T>, QuantError> {
    let mut pruned = values.to_vec();
    mask.apply(&mut pruned)?;
    Ok(pruned)
}

/// How many values fit a description.
fn count<T: Element>(values: &[T], is: impl Fn(f32) -> bool + Sync) -> u64 {
    let of_piece = |piece: &[T]| piece.iter().filter(|v| is(v.to_f32())).count() as u64;
    values.par_chunks(PIECE).map(of_piece).sum()
}

/// Elements that one thread takes at a time.
const PIECE: usize = 1 << 16;

/// The bytes of elements, little-endian.
fn to_bytes<T: Element>(values: &[T]) -> Vec<u8> {
    encode(values, T::FLOAT)
}

/// Values in a float type, as bytes of a file.
fn encode<T: Element>(values: &[T], float: FloatType) -> Vec<u8> {
    let mut bytes = vec![0u8; values.len() * size::float_bytes(float) as usize];
    encode_into(values.par_iter().map(|v| v.to_f32()), float, &mut bytes);
    bytes
}

fn encode_into(values: impl IndexedParallelIterator<Item = f32>, float: FloatType, bytes: &mut [u8]) {
    let width = size::float_bytes(float) as usize;
    let put = |(out, value): (&mut [u8], f32)| match float {
        FloatType::Fp32 => out.copy_from_slice(&value.to_le_bytes()),
        FloatType::Fp16 => out.copy_from_slice(&<f16 as Element>::from_f32(value).to_le_bytes()),
        FloatType::Bf16 => out.copy_from_slice(&<bf16 as Element>::from_f32(value).to_le_bytes()),
        FloatType::Fp8E4m3 => out[0] = fp8::e4m3fn_from_f32(value),
        FloatType::Fp8E5m2 => out[0] = fp8::e5m2_from_f32(value),
    };
    bytes.par_chunks_mut(width).with_min_len(PIECE).zip(values).for_each(put);
}

/// A value rounded to a float type.
fn cast(value: f32, float: FloatType) -> f32 {
    match float {
        FloatType::Fp32 => value,
        FloatType::Fp16 => <f16 as Element>::round(value),
        FloatType::Bf16 => <bf16 as Element>::round(value),
        FloatType::Fp8E4m3 => fp8::e4m3fn_to_f32(fp8::e4m3fn_from_f32(value)),
        FloatType::Fp8E5m2 => fp8::e5m2_to_f32(fp8::e5m2_from_f32(value)),
    }
}

impl Made {
    /// Whether it holds codes, and not plain values.
    pub fn is_quantized(&self) -> bool {
        !matches!(self.kind, Kind::Dense(_))
    }

    /// The values that come of it, in the type they are worked on, as bytes of a file.
    pub fn decoded(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.decoded)
    }

    /// The bytes of one of the stored tensors that the weight turns into.
    ///
    /// # Errors
    /// If a code does not fit its width, which no kernel makes.
    pub fn bytes(&self, part: &Part) -> Result<Cow<'_, [u8]>, QuantError> {
        if let (Content::Mask, Some(mask)) = (part.content, &self.mask) {
            return Ok(Cow::Borrowed(mask.bytes()));
        }
        match &self.kind {
            Kind::Dense(bytes) => match &self.mask {
                Some(mask) if mask.len() != elements(part) => {
                    let width = bytes.len() / mask.len().max(1);
                    let chunks: Vec<&[u8]> = bytes.chunks(width.max(1)).collect();
                    Ok(Cow::Owned(mask.select(&chunks)?.concat()))
                }
                _ => Ok(Cow::Borrowed(bytes)),
            },
            Kind::Affine(quantized) => self.affine(quantized, part),
            Kind::Palette(palettized) => self.palette(palettized, part),
        }
    }

    /// Codes that are stored: all, or those of the elements that pruning left.
    fn stored<'c, C: Copy>(&self, codes: &'c [C]) -> Result<Cow<'c, [C]>, QuantError> {
        match &self.mask {
            Some(mask) => Ok(Cow::Owned(mask.select(codes)?)),
            None => Ok(Cow::Borrowed(codes)),
        }
    }

    fn affine(&self, quantized: &Quantized, part: &Part) -> Result<Cow<'_, [u8]>, QuantError> {
        let bits = quantized.bits;
        // torchao's tensors are signed: unsigned codes and zero points move down together, and the values stay.
        let half = if quantized.signed { 0 } else { 1u8 << (bits - 1) };
        let signed = |codes: &[i8]| codes.iter().map(|c| c.cast_unsigned().wrapping_sub(half)).collect::<Vec<u8>>();
        let packed = |codes: &[i8]| match quantized.signed {
            true => pack::pack(codes, bits),
            false => pack::pack::<u8>(bytemuck::cast_slice(codes), bits),
        };
        Ok(Cow::Owned(match part.content {
            Content::Codes => signed(&quantized.codes),
            Content::ZeroPoints => signed(&quantized.zero_points),
            Content::PackedCodes => packed(&self.stored(&quantized.codes)?)?,
            Content::PackedZeroPoints => packed(&quantized.zero_points)?,
            Content::Scales => encode(&quantized.scales, quantized.scale_type),
            _ => return Ok(Cow::Borrowed(&self.decoded)),
        }))
    }

    fn palette(&self, palettized: &Palettized, part: &Part) -> Result<Cow<'_, [u8]>, QuantError> {
        let stored = palettized.storage_bits();
        let table = palettized.entries() * palettized.vector_size();
        // Tables have as many entries as the stored indices can name; those beyond are never used.
        let wide = if elements(part) == palettized.tables.len() { table } else { palettized.vector_size() << stored };
        let entry = match part.dtype.dtype() {
            DType::F32 => FloatType::Fp32,
            _ => FloatType::Fp16,
        };
        Ok(Cow::Owned(match part.content {
            Content::Codes => palettized.codes.clone(),
            Content::PackedCodes if palettized.vector.is_some() => pack::pack(&palettized.codes, stored)?,
            Content::PackedCodes => pack::pack::<u8>(&self.stored(&palettized.codes)?, stored)?,
            Content::Tables => {
                let tables = palettized.tables.chunks(table).flat_map(|entries| fill(entries, 0.0, wide));
                encode(&tables.collect::<Vec<f32>>(), entry)
            }
            Content::Int8Tables => {
                let values = palettized.int8_tables.as_ref().map_or(&[][..], |tables| &tables.values);
                values.chunks(table).flat_map(|entries| fill(entries, 0, wide)).map(i8::cast_unsigned).collect()
            }
            Content::TableScale => encode(&[palettized.int8_tables.as_ref().map_or(1.0, |tables| tables.scale)], entry),
            Content::ChannelScales => {
                encode(palettized.channel_scale.as_ref().map_or(&[][..], |scale| &scale.scales), entry)
            }
            _ => return Ok(Cow::Borrowed(&self.decoded)),
        }))
    }
}

/// Items and as many of another as are missing to a length.
fn fill<T: Copy>(items: &[T], with: T, length: usize) -> impl Iterator<Item = T> {
    items.iter().copied().chain(std::iter::repeat_n(with, length.saturating_sub(items.len())))
}

/// Elements of a stored tensor.
fn elements(part: &Part) -> usize {
    part.shape.iter().product()
}
