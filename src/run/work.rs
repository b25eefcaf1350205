//! One weight through its kernel: what is stored, and how far it is from what was there.

use std::borrow::Cow;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};

use half::{bf16, f16};
use rayon::prelude::*;

use super::RunError;
use super::parts::{self, OutputFormat, Part};
use crate::check::Fact;
use crate::dtype::DType;
use crate::element::ElementType;
use crate::formats::fp8;
use crate::lower::{Data, Holds, precision};
use crate::model::Weight;
use crate::plan::fit::{Fitted, storage_bits};
use crate::quant::affine::{self, AffineSpec, Quantized};
use crate::quant::element::{self, Element};
use crate::quant::palette::{self, EntryType, PaletteError, PaletteSpec, PaletteVector, Palettized};
use crate::quant::power::{self, Power};
use crate::quant::{QuantError, pack, prune};
use crate::scheme::{Arithmetic, FloatType, ScaleSearch, Sparsity};
use crate::values::{Values, with_values};

/// What was made of a weight.
#[derive(Debug)]
pub struct Made {
    kind: Kind,
    /// The values that come of it, in the type they are worked on, where these are what is written.
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
    /// The run ends.
    Error(RunError),
}

impl From<RunError> for Stop {
    fn from(error: RunError) -> Self {
        Stop::Error(error)
    }
}

/// One weight and what is asked of its kernel.
struct Task<'a, T> {
    weight: &'a Weight,
    values: &'a [T],
    /// The least scale of integers, where another one holds than that of the weight's type.
    least: Option<f32>,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// What a kernel made.
struct Worked<T> {
    kind: Kind,
    values: Decoded<T>,
    facts: Vec<Fact>,
}

/// The values that come of a weight: only where they are written is more than their distance needed.
enum Decoded<T> {
    All(Vec<T>),
    Distance(Power),
}

/// Elements that pruning leaves, counted from the values.
///
/// # Errors
/// If cancelled, or the kernel refuses.
pub fn survivors(weight: &Weight, values: &Values, sparse: Sparsity, cancel: &AtomicBool) -> Result<usize, RunError> {
    let cancelled = &|| cancel.load(Ordering::Relaxed);
    let mask = with_values!(values, |values| Task { weight, values, least: None, cancelled }.mask(sparse))?;
    Ok(mask.present())
}

/// Quantizes a weight.
///
/// # Errors
/// Why nothing was made.
pub fn make(
    weight: &Weight,
    values: &Values,
    fitted: &Fitted,
    format: OutputFormat,
    cancel: &AtomicBool,
) -> Result<Made, Stop> {
    let cancelled = &|| cancel.load(Ordering::Relaxed);
    with_values!(values, |values| Task { weight, values, least: None, cancelled }.make(fitted, format))
}

/// Quantizes a weight as PyTorch's tools do it before a program becomes one of fp16: codes of integers are those of the
/// values as they are with scales of binary32, which are rounded to the type that is written after that, and no scale is
/// below the machine epsilon. Everything that is not plain integers in torchao's arithmetic is made as by [`make`], in
/// the precision of the weight.
///
/// # Errors
/// Why nothing was made.
pub fn make_exact(
    weight: &Weight,
    values: &Values,
    fitted: &Fitted,
    format: OutputFormat,
    cancel: &AtomicBool,
) -> Result<Made, Stop> {
    let cancelled = &|| cancel.load(Ordering::Relaxed);
    match (values, fitted) {
        (
            Values::F32(values),
            Fitted::Affine { arithmetic: Arithmetic::Torchao, by: ScaleSearch::MinMax, sparse: None, scale, .. },
        ) => {
            let mut wide = fitted.clone();
            if let Fitted::Affine { scale, .. } = &mut wide {
                *scale = FloatType::Fp32;
            }
            let task = Task { weight, values: &values[..], least: Some(f32::EPSILON), cancelled };
            let mut made = task.make(&wide, format)?;
            if let (Kind::Affine(quantized), FloatType::Fp16, true) =
                (&mut made.kind, *scale, format != OutputFormat::Dequantized)
            {
                quantized.scale_type = FloatType::Fp16;
                quantized.scales.iter_mut().for_each(|scale| *scale = cast(*scale, FloatType::Fp16));
                made.error = quantized.power(&values[..]).map_err(|error| task.refused(error))?;
            }
            Ok(made)
        }
        (Values::F32(wide), _) if weight.dtype == DType::F16 => {
            let narrow: Vec<f16> = wide.par_iter().map(|value| precision::halved(*value)).collect();
            make(weight, &Values::F16(narrow.into()), fitted, format, cancel)
        }
        _ => make(weight, values, fitted, format, cancel),
    }
}

impl<T: Element> Task<'_, T> {
    /// What the kernel of integers and masks refuses, as the error of a run.
    fn refused(&self, error: QuantError) -> RunError {
        match error {
            QuantError::Cancelled => RunError::Cancelled,
            source => RunError::Kernel { weight: self.weight.name.clone(), source },
        }
    }

    fn mask(&self, sparse: Sparsity) -> Result<prune::Mask, RunError> {
        let (weight, values) = (self.weight, self.values);
        let axis = weight.input_axis().unwrap_or(weight.shape.len().saturating_sub(1));
        let mask = match sparse {
            Sparsity::Share(share) => prune::by_magnitude(values, share),
            Sparsity::Ratio { n, m } => prune::n_of_m(values, &weight.shape, axis, n, m),
            Sparsity::Below(bound) => prune::by_threshold(values, bound as f32),
        };
        if (self.cancelled)() { Err(RunError::Cancelled) } else { mask.map_err(|error| self.refused(error)) }
    }

    fn make(&self, fitted: &Fitted, format: OutputFormat) -> Result<Made, Stop> {
        let not_finite = power::not_finite(self.values);
        if not_finite > 0 && !matches!(fitted, Fitted::Float(_)) {
            return Err(Stop::Keep(Fact::NotFinite(not_finite)));
        }
        let refused = |error| self.refused(error);
        let mask = fitted.sparse().map(|sparse| self.mask(sparse)).transpose()?;
        let mut pruned = Cow::Borrowed(self.values);
        if let Some(mask) = &mask {
            mask.apply(pruned.to_mut()).map_err(refused)?;
        }
        let Worked { kind, values, mut facts } = match fitted {
            Fitted::Affine { block, bits, signed, mapping, arithmetic, scale, by, .. } => {
                let spec = AffineSpec {
                    bits: *bits,
                    signed: *signed,
                    mapping: *mapping,
                    arithmetic: *arithmetic,
                    scale: Some(*scale),
                    search: *by,
                };
                self.affine(&pruned, block, &spec, mask.as_ref(), format).map_err(refused)?
            }
            Fitted::Palette { block, bits, vector, axis, int8_entries, scaled, fit, entry, .. } => {
                let spec = PaletteSpec {
                    bits: *bits,
                    block: Some(block.clone()),
                    fit: *fit,
                    vector: (*vector > 1).then_some(PaletteVector { size: *vector as usize, axis: *axis }),
                    entries: if *entry == FloatType::Fp32 { EntryType::Fp32 } else { EntryType::Fp16 },
                    int8_entries: *int8_entries,
                    scaled: scaled.then_some(*axis),
                };
                self.palette(&pruned, &spec, mask.as_ref().filter(|_| parts::is_masked(fitted)))?
            }
            Fitted::Sparse { float, .. } => self.float(&pruned, *float),
            Fitted::Float(float) => self.float(self.values, *float),
        };
        let (error, decoded) = match values {
            Decoded::Distance(error) => (error, Vec::new()),
            Decoded::All(values) => {
                let error = Power::between(self.values, &values).map_err(refused)?;
                // Only where values are stored plainly are they written.
                let is_written = format == OutputFormat::Dequantized || matches!(fitted, Fitted::Float(_));
                (error, if is_written { encode(&values, T::FLOAT) } else { Vec::new() })
            }
        };
        let survivors = mask.as_ref().map(|mask| mask.present() as u64);
        if let (Some(Sparsity::Below(_)), Some(left)) = (fitted.sparse(), survivors) {
            let of = self.values.len() as u64;
            facts.push(Fact::Zeros { zeros: of.saturating_sub(left), of });
        }
        Ok(Made { kind, decoded, mask, survivors, error, facts })
    }

    fn affine(
        &self,
        pruned: &[T],
        block: &[usize],
        spec: &AffineSpec,
        mask: Option<&prune::Mask>,
        format: OutputFormat,
    ) -> Result<Worked<T>, QuantError> {
        let mut quantized =
            affine::quantize_above(pruned, &self.weight.shape, block, (spec, self.least), self.cancelled)?;
        if format == OutputFormat::Torchao {
            // Whatever made the codes: who loads this layout multiplies as torchao does, and the report is about
            // the values that come of it.
            quantized.arithmetic = Arithmetic::Torchao;
        }
        let mut facts = Vec::new();
        if quantized.dead_blocks > 0 {
            facts.push(Fact::DeadBlocks(quantized.dead_blocks as u64));
        }
        if is_narrow(&quantized) {
            facts.push(Fact::Narrow);
        }
        let values = match mask {
            None if format != OutputFormat::Dequantized => Decoded::Distance(quantized.power(self.values)?),
            mask => {
                let mut decoded = quantized.dequantize::<T>()?;
                if let Some(mask) = mask {
                    mask.apply(&mut decoded)?;
                }
                Decoded::All(decoded)
            }
        };
        Ok(Worked { kind: Kind::Affine(quantized), values, facts })
    }

    fn palette(&self, pruned: &[T], spec: &PaletteSpec, mask: Option<&prune::Mask>) -> Result<Worked<T>, Stop> {
        let stays: Option<Vec<bool>> = mask.map(|mask| (0..mask.len()).map(|at| mask.contains(at)).collect());
        let palettized = palette::quantize(pruned, &self.weight.shape, spec, stays.as_deref(), self.cancelled)
            .map_err(|error| match error {
                PaletteError::Cancelled => Stop::Error(RunError::Cancelled),
                PaletteError::TooManyValues { distinct, .. } => Stop::Keep(Fact::Distinct(distinct as u64)),
                // An entry or scale may be too large where no single value is.
                PaletteError::TooLarge { .. } => Stop::Keep(Fact::BeyondFp16(beyond_fp16(pruned).max(1))),
                PaletteError::NotFinite { .. } => Stop::Keep(Fact::NotFinite(power::not_finite(pruned))),
                source => Stop::Error(RunError::Palette { weight: self.weight.name.clone(), source }),
            })?;
        let values = Decoded::All(palettized.dequantize::<T>());
        Ok(Worked { kind: Kind::Palette(Box::new(palettized)), values, facts: Vec::new() })
    }

    fn float(&self, values: &[T], float: FloatType) -> Worked<T> {
        let mut facts = Vec::new();
        if float == FloatType::Fp16 {
            let beyond = beyond_fp16(values);
            if beyond > 0 {
                facts.push(Fact::BeyondFp16(beyond));
            }
        }
        let decoded = values.par_iter().map(|v| T::from_f32(cast(v.to_f32(), float))).collect();
        Worked { kind: Kind::Dense(encode(values, float)), values: Decoded::All(decoded), facts }
    }
}

/// Whether the codes are 8-bit ones that would all fit into 4 bits.
fn is_narrow(quantized: &Quantized) -> bool {
    let range = if quantized.signed { -8..=7 } else { 0..=15 };
    quantized.bits == 8 && quantized.codes.par_iter().all(|code| range.contains(code))
}

/// How many values fit a description.
fn count<T: Element>(values: &[T], is: impl Fn(f32) -> bool + Sync) -> u64 {
    let of_piece = |piece: &[T]| piece.iter().filter(|v| is(v.to_f32())).count() as u64;
    values.par_chunks(PIECE).map(of_piece).sum()
}

/// How many values are finite and beyond fp16.
fn beyond_fp16<T: Element>(values: &[T]) -> u64 {
    count(values, |v| v.is_finite() && v.abs() > f32::from(f16::MAX))
}

/// Elements that one thread takes at a time.
const PIECE: usize = 1 << 16;

/// Values in a float type, as bytes of a file.
fn encode<T: Element>(values: &[T], float: FloatType) -> Vec<u8> {
    let bytes = |fp8: fn(f32) -> u8| values.par_iter().map(|value| fp8(value.to_f32())).collect();
    match float {
        FloatType::Fp32 => element::to_bytes::<T, f32>(values),
        FloatType::Fp16 => element::to_bytes::<T, f16>(values),
        FloatType::Bf16 => element::to_bytes::<T, bf16>(values),
        FloatType::Fp8E4m3 => bytes(fp8::e4m3fn_from_f32),
        FloatType::Fp8E5m2 => bytes(fp8::e5m2_from_f32),
    }
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

    /// The values that come of it, in the type they are worked on, as bytes of a file: once, as [`Made::bytes`]. Only
    /// floats, and what is made for [`OutputFormat::Dequantized`], have them.
    pub fn decoded(&mut self) -> Vec<u8> {
        mem::take(&mut self.decoded)
    }

    /// The bytes of one of the tensors of a chain of Core ML's operators.
    ///
    /// # Errors
    /// As [`Made::bytes`].
    pub fn data(&mut self, data: &Data) -> Result<Vec<u8>, QuantError> {
        let entry = if data.element == ElementType::Fp32 { FloatType::Fp32 } else { FloatType::Fp16 };
        self.bytes(Wanted { holds: data.holds, entry, elements: data.shape.iter().product() })
    }

    /// The bytes of one of the stored tensors of a checkpoint.
    ///
    /// # Errors
    /// As [`Made::bytes`].
    pub fn part(&mut self, part: &Part) -> Result<Vec<u8>, QuantError> {
        let entry = if part.dtype.dtype() == DType::F32 { FloatType::Fp32 } else { FloatType::Fp16 };
        self.bytes(Wanted { holds: part.holds, entry, elements: part.shape.iter().product() })
    }

    /// The bytes of one of the stored tensors that the weight turns into. What is stored as it was made is handed over
    /// and not copied, so each tensor is to be had once.
    ///
    /// # Errors
    /// If a code does not fit its width, which no kernel makes, or there is no such tensor.
    fn bytes(&mut self, wanted: Wanted) -> Result<Vec<u8>, QuantError> {
        match (wanted.holds, &self.mask) {
            (Holds::Plain, _) => return Ok(self.decoded()),
            (Holds::Mask, Some(mask)) => return Ok(mask.bytes().to_vec()),
            (Holds::ByteMask, Some(mask)) => return pack::unpack(mask.bytes(), mask.len(), 1),
            (Holds::Values, _) if !self.decoded.is_empty() && self.is_quantized() => return Ok(self.decoded()),
            _ => {}
        }
        let mask = self.mask.as_ref();
        match &mut self.kind {
            Kind::Dense(bytes) => match mask {
                Some(mask) if mask.len() != wanted.elements => {
                    let width = bytes.len() / mask.len().max(1);
                    let chunks: Vec<&[u8]> = bytes.chunks(width.max(1)).collect();
                    Ok(mask.select(&chunks)?.concat())
                }
                _ => Ok(mem::take(bytes)),
            },
            Kind::Affine(quantized) => integers(quantized, mask, wanted.holds),
            Kind::Palette(palettized) => palette(palettized, mask, wanted),
        }
    }
}

/// A stored tensor that is asked for.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    holds: Holds,
    /// The type of the entries and scales of palettes.
    entry: FloatType,
    elements: usize,
}

/// Codes that are stored: all, or those of the elements that pruning left.
fn stored<'c, C: Copy>(codes: &'c [C], mask: Option<&prune::Mask>) -> Result<Cow<'c, [C]>, QuantError> {
    match mask {
        Some(mask) => Ok(Cow::Owned(mask.select(codes)?)),
        None => Ok(Cow::Borrowed(codes)),
    }
}

/// Codes of 8 bits moved up or down by so much, in place.
fn moved(mut codes: Vec<u8>, by: u8) -> Vec<u8> {
    if by != 0 {
        codes.par_iter_mut().for_each(|code| *code = code.wrapping_add(by));
    }
    codes
}

fn integers(quantized: &mut Quantized, mask: Option<&prune::Mask>, holds: Holds) -> Result<Vec<u8>, QuantError> {
    let (bits, is_signed) = (quantized.bits, quantized.signed);
    // torchao's tensors are signed: unsigned codes and zero points move down together, and the values stay.
    let down = if is_signed { 0 } else { (1u8 << (bits - 1)).wrapping_neg() };
    let packed = |codes: &[i8]| match is_signed {
        true => pack::pack(codes, bits),
        false => pack::pack::<u8>(bytemuck::cast_slice(codes), bits),
    };
    Ok(match holds {
        Holds::ByteCodes => moved(bytemuck::allocation::cast_vec(mem::take(&mut quantized.codes)), down),
        Holds::ByteZeroPoints => moved(bytemuck::allocation::cast_vec(mem::take(&mut quantized.zero_points)), down),
        // Codes of 8 bits are their own bytes.
        Holds::Codes if bits == 8 && mask.is_none() => bytemuck::allocation::cast_vec(mem::take(&mut quantized.codes)),
        Holds::Codes => packed(&stored(&quantized.codes, mask)?)?,
        Holds::RaisedCodes => moved(integers(quantized, mask, Holds::Codes)?, 128),
        Holds::ZeroPoints => packed(&quantized.zero_points)?,
        Holds::RaisedZeroPoints => moved(packed(&quantized.zero_points)?, 128),
        Holds::Scales => encode(&quantized.scales, quantized.scale_type),
        Holds::Copy
        | Holds::Plain
        | Holds::Values
        | Holds::Tables
        | Holds::Int8Tables
        | Holds::TableScale
        | Holds::ChannelScales
        | Holds::Mask
        | Holds::ByteMask => return Err(QuantError::NotMade),
    })
}

fn palette(
    palettized: &mut Palettized,
    mask: Option<&prune::Mask>,
    Wanted { holds, entry, elements }: Wanted,
) -> Result<Vec<u8>, QuantError> {
    let width = storage_bits(palettized.bits);
    let table = palettized.entries() * palettized.vector_size();
    // Tables have as many entries as the stored indices can name; those beyond are never used.
    let wide = if elements == palettized.tables.len() { table } else { palettized.vector_size() << width };
    // Vectors are not pruned in part: their indices are all stored.
    let mask = mask.filter(|_| palettized.vector.is_none());
    Ok(match holds {
        Holds::ByteCodes => mem::take(&mut palettized.codes),
        Holds::Codes if width == 8 && mask.is_none() => mem::take(&mut palettized.codes),
        Holds::Codes => pack::pack::<u8>(&stored(&palettized.codes, mask)?, width)?,
        Holds::Tables => {
            let tables = palettized.tables.chunks(table).flat_map(|entries| fill(entries, 0.0, wide));
            encode(&tables.collect::<Vec<f32>>(), entry)
        }
        Holds::Int8Tables => {
            let values = palettized.int8_tables.as_ref().map_or(&[][..], |tables| &tables.values);
            values.chunks(table).flat_map(|entries| fill(entries, 0, wide)).map(i8::cast_unsigned).collect()
        }
        Holds::TableScale => encode(&[palettized.int8_tables.as_ref().map_or(1.0, |tables| tables.scale)], entry),
        Holds::ChannelScales => encode(palettized.channel_scale.as_ref().map_or(&[][..], |scale| &scale.scales), entry),
        Holds::Copy
        | Holds::Plain
        | Holds::Values
        | Holds::Scales
        | Holds::RaisedCodes
        | Holds::ZeroPoints
        | Holds::ByteZeroPoints
        | Holds::RaisedZeroPoints
        | Holds::Mask
        | Holds::ByteMask => return Err(QuantError::NotMade),
    })
}

/// Items and as many of another as are missing to a length.
fn fill<T: Copy>(items: &[T], with: T, length: usize) -> impl Iterator<Item = T> {
    items.iter().copied().chain(std::iter::repeat_n(with, length.saturating_sub(items.len())))
}

#[cfg(test)]
#[path = "work_tests.rs"]
mod tests;
