//! One weight through its kernel: what is stored, and how far it is from what was there.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use half::{bf16, f16};
use rayon::prelude::*;

use super::parts::{Content, Part};
use super::values::{Values, with_values};
use crate::check::{Fact, rule::WeightError};
use crate::dtype::DType;
use crate::model::Weight;
use crate::plan::fit::{Fitted, storage_bits, working_type};
use crate::quant::affine::{self, AffineSpec, Quantized};
use crate::quant::element::Element;
use crate::quant::palette::{self, PaletteSpec, Palettized};
use crate::quant::{QuantError, pack, prune};
use crate::scheme::{FloatType, Sparsity};

/// What was made of a weight.
#[derive(Debug)]
pub struct Made {
    kind: Kind,
    /// Which elements pruning left, where it was pruned.
    mask: Option<prune::Mask>,
    /// Elements that pruning left, or indices.
    pub survivors: Option<u64>,
    /// Squared error against the input, and the input's power.
    pub error: WeightError,
    /// The largest absolute error.
    pub max_error: f64,
    /// What the values show.
    pub facts: Vec<Fact>,
}

#[derive(Debug)]
enum Kind {
    Affine(Quantized),
    Palette(Palettized),
    /// Pruned values, or values in another type.
    Dense,
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
    Ok(mask.count())
}

fn mask<T: Element>(
    weight: &Weight,
    values: &[T],
    sparse: Sparsity,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<prune::Mask, Stop> {
    let axis = weight.input_axis().unwrap_or(weight.shape.len().saturating_sub(1));
    Ok(prune::prune(values, &weight.shape, axis, sparse, cancelled)?)
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
        Some(mask) => Cow::Owned(mask.apply(values)),
        None => Cow::Borrowed(values),
    };
    let mut facts = Vec::new();
    let (kind, decoded): (Kind, Cow<[T]>) = match fitted {
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
                decoded = mask.apply(&decoded);
            }
            (Kind::Affine(quantized), Cow::Owned(decoded))
        }
        Fitted::Palette { block, bits, vector, axis, int8_entries, scaled, fit, entry, .. } => {
            let spec = PaletteSpec {
                bits: *bits,
                block: block.clone(),
                fit: *fit,
                vector: *vector as usize,
                axis: *axis,
                int8_entries: *int8_entries,
                scaled: *scaled,
                entry: *entry,
            };
            let made = palette::quantize(&pruned, &weight.shape, &spec, mask.as_ref(), cancelled);
            let palettized = made.map_err(|error| match error {
                QuantError::Distinct(distinct) => Stop::Keep(Fact::Distinct(distinct)),
                other => Stop::from(other),
            })?;
            let mut decoded = palettized.dequantize::<T>()?;
            if let Some(mask) = &mask {
                decoded = mask.apply(&decoded);
            }
            (Kind::Palette(palettized), Cow::Owned(decoded))
        }
        Fitted::Sparse(_) => (Kind::Dense(encode(&pruned, working_type(weight.dtype))), pruned),
        Fitted::Float(float) => {
            if *float == FloatType::Fp16 {
                let beyond = count(values, |v| v.is_finite() && v.abs() > f32::from(f16::MAX));
                if beyond > 0 {
                    facts.push(Fact::BeyondFp16(beyond));
                }
            }
            let bytes = encode(values, *float);
            let decoded: Vec<T> = values.par_iter().map(|v| T::from_f32(cast(v.to_f32(), *float))).collect();
            (Kind::Dense(bytes), Cow::Owned(decoded))
        }
    };
    let (error, max_error) = compare(values, &decoded);
    let survivors = mask.as_ref().map(|mask| mask.count() as u64);
    let dense = if matches!(kind, Kind::Dense(_)) { Vec::new() } else { Vec::new() };
    let _: Vec<u8> = dense;
    Ok(Made { kind, mask, survivors, error, max_error, facts })
}

/// How many values fit a description.
fn count<T: Element>(values: &[T], is: impl Fn(f32) -> bool + Sync) -> u64 {
    let of_piece = |piece: &[T]| piece.iter().filter(|v| is(v.to_f32())).count() as u64;
    values.par_chunks(PIECE).map(of_piece).sum()
}

/// Elements in one piece of a sum. Sums run piece by piece in order, so that they do not depend on threads.
const PIECE: usize = 1 << 16;

/// Squared error, power of the input, and the largest absolute error.
fn compare<T: Element>(values: &[T], decoded: &[T]) -> (WeightError, f64) {
    let of_piece = |(a, b): (&[T], &[T])| {
        a.iter().zip(b).fold((0.0f64, 0.0f64, 0.0f64), |(noise, signal, most), (a, b)| {
            let (a, b) = (f64::from(a.to_f32()), f64::from(b.to_f32()));
            let difference = a - b;
            (noise + difference * difference, signal + a * a, most.max(difference.abs()))
        })
    };
    let pieces: Vec<(f64, f64, f64)> =
        values.par_chunks(PIECE).zip(decoded.par_chunks(PIECE)).map(of_piece).collect();
    let (noise, signal, most) = pieces
        .into_iter()
        .fold((0.0, 0.0, 0.0f64), |(n, s, m), (noise, signal, most)| (n + noise, s + signal, m.max(most)));
    (WeightError { noise, signal }, most)
}
