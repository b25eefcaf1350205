//! Palettization: weights as codes into small tables of values (lookup tables, codebooks).
//!
//! [`quantize`] divides a weight into blocks, finds a table for each and gives every weight the code of its
//! entry. With [`PaletteFit::Kmeans`](crate::scheme::PaletteFit::Kmeans) and entries of one weight the tables
//! are the *optimum*: no other table of that size has a smaller squared error, but for the widest of ranges, see
//! the module `optimum`. (torchao's and coremltools' are 4 to 23 % above it.) The clustering is optimal in
//! binary64; entries are then rounded to their type, and codes stay those of the optimal clustering: clusters are
//! runs of neighbouring values, equal values share a code, and of several optima always the same is taken.
//!
//! - [`PaletteFit::Uniform`](crate::scheme::PaletteFit::Uniform) is coremltools': evenly spaced entries from
//!   the smallest to the greatest weight, the nearest entry, half-way the one of even index. coremltools gives
//!   up when entries are less than 10⁻⁶ apart; this does not.
//! - [`PaletteFit::Unique`](crate::scheme::PaletteFit::Unique) takes the distinct values themselves.
//! - Entries of several weights ([`PaletteVector`]) have no exact algorithm: see the module `vector`.
//! - int8 tables: one symmetric scale for all tables, the greatest magnitude / 127, rounded to the type of entries
//!   (up, where that type is coarse beside it); every weight then has the
//!   nearest of the *quantized* entries, half-way the lower.
//!
//! Results depend on the input alone, not on the machine or the number of threads.

mod codes;
mod decode;
mod fit;
mod layout;
mod optimum;
mod result;
mod spec;
mod tables;
mod tally;
#[cfg(test)]
mod tests;
mod vector;

pub(crate) use decode::Coded;
pub use result::{ChannelScale, Int8Tables, Palettized};
pub use spec::{EntryType, PaletteError, PaletteSpec, PaletteVector};

use rayon::prelude::*;

use self::fit::round_entry;
use self::layout::Layout;
use self::result::Spread;
use self::spec::Cancelled;
use self::tables::Job;
use crate::quant::element::Element;

/// Palettizes a weight.
///
/// `weights` are row-major in `shape`. With a `mask`, only weights whose mask is `true` are clustered, coded
/// and counted in errors; the others are pruned: their code is 0 and they dequantize to zero. `cancel` is
/// asked every few milliseconds, from several threads.
///
/// # Errors
///
/// [`PaletteError`]: lengths, blocks or axes that do not fit the shape, values that are NaN or infinite (pruned
/// ones do not matter), more distinct values than [`PaletteFit::Unique`](crate::scheme::PaletteFit::Unique) has
/// entries, entries beyond the range of their type, or cancellation.
pub fn quantize<T: Element>(
    weights: &[T],
    shape: &[usize],
    spec: &PaletteSpec,
    mask: Option<&[bool]>,
    cancel: &(dyn Fn() -> bool + Sync),
) -> Result<Palettized, PaletteError> {
    let (layout, vector) = check(weights.len(), shape, spec, mask)?;
    if let Some(at) = first_not_finite(weights, mask, cancel)? {
        return Err(PaletteError::NotFinite { value: weights[at].to_f32(), index: layout.index(at) });
    }
    let layout = match vector {
        Some(v) => layout.shortened(v.axis, v.size)?,
        None => layout,
    };
    let task = Task { shape, layout, vector, spec, mask, cancel };
    match spec.scaled {
        None => task.run::<T, T>(weights, weights, None),
        Some(axis) => {
            let scale = channel_scale(weights, shape, axis, spec.entries, mask)?;
            let scaled = divided(weights, &scale);
            task.run::<T, f32>(weights, &scaled, Some(scale))
        }
    }
}

/// A checked call of [`quantize`].
struct Task<'a> {
    shape: &'a [usize],
    layout: Layout,
    vector: Option<PaletteVector>,
    spec: &'a PaletteSpec,
    mask: Option<&'a [bool]>,
    cancel: &'a (dyn Fn() -> bool + Sync),
}

impl Task<'_> {
    /// `clustered` are the weights, divided by `scale` if there is one.
    fn run<T: Element, C: Element>(
        self,
        weights: &[T],
        clustered: &[C],
        scale: Option<ChannelScale>,
    ) -> Result<Palettized, PaletteError> {
        let job = Job {
            weights: clustered,
            layout: &self.layout,
            spread: Spread::new(self.shape, self.vector),
            spec: self.spec,
            mask: self.mask,
            cancel: self.cancel,
        };
        // Entries of the weight's type have that type even where what is clustered has not.
        let tables = job.tables::<T>()?;
        let codes = job.codes(&tables)?;
        let sse = job.errors(&tables, &codes, weights, scale.as_ref())?;
        Ok(Palettized {
            bits: self.spec.bits,
            shape: self.shape.to_vec(),
            grid: self.layout.grid.clone(),
            vector: self.vector,
            codes,
            sse,
            exact_sse: tables.fit_errors(),
            entries_used: tables.used(),
            tables: tables.rounded,
            exact_tables: tables.exact,
            int8_tables: tables.int8,
            channel_scale: scale,
            kept: self.mask.map(<[bool]>::to_vec),
            layout: self.layout,
        })
    }
}

fn check(
    length: usize,
    shape: &[usize],
    spec: &PaletteSpec,
    mask: Option<&[bool]>,
) -> Result<(Layout, Option<PaletteVector>), PaletteError> {
    let product = shape.iter().try_fold(1usize, |p, &s| p.checked_mul(s));
    if product != Some(length) {
        return Err(PaletteError::Length { shape: shape.to_vec(), found: length });
    }
    if length == 0 {
        return Err(PaletteError::Empty { shape: shape.to_vec() });
    }
    if !(1..=8).contains(&spec.bits) {
        return Err(PaletteError::Bits { bits: spec.bits });
    }
    let vector = spec.vector.filter(|v| v.size != 1);
    if let Some(mask) = mask {
        if mask.len() != length {
            return Err(PaletteError::MaskLength { expected: length, found: mask.len() });
        }
        if vector.is_some() {
            return Err(PaletteError::VectorMask);
        }
    }
    let rank = shape.len();
    for axis in [vector.map(|v| v.axis), spec.scaled].into_iter().flatten() {
        if axis >= rank {
            return Err(PaletteError::Axis { axis, rank });
        }
    }
    let layout = Layout::new(shape, spec.block.as_deref())?;
    if u32::try_from(layout.table_len()).is_err() {
        return Err(PaletteError::TooManyWeights { found: layout.table_len() });
    }
    Ok((layout, vector))
}

/// Weights looked at between two looks at the cancel flag.
const PIECE: usize = 1 << 16;

fn first_not_finite<T: Element>(
    weights: &[T],
    mask: Option<&[bool]>,
    cancel: &(dyn Fn() -> bool + Sync),
) -> Result<Option<usize>, Cancelled> {
    let wrong = |(i, piece): (usize, &[T])| {
        if cancel() {
            return Some(Err(Cancelled));
        }
        if piece.iter().all(|w| w.to_f32().is_finite()) {
            return None;
        }
        let kept = |at: usize| mask.is_none_or(|m| m[at]);
        (0..piece.len()).find(|&j| !piece[j].to_f32().is_finite() && kept(i * PIECE + j)).map(|j| Ok(i * PIECE + j))
    };
    weights.par_chunks(PIECE).enumerate().find_map_first(wrong).transpose()
}

/// The greatest magnitude of every output channel, rounded to the type of entries; 1 for a channel of zeros.
fn channel_scale<T: Element>(
    weights: &[T],
    shape: &[usize],
    axis: usize,
    entries: EntryType,
    mask: Option<&[bool]>,
) -> Result<ChannelScale, PaletteError> {
    let mut scale = ChannelScale::new(shape, axis, vec![0.0; shape[axis]]);
    let channels = scale.scales.len();
    for (i, piece) in weights.chunks(scale.stride).enumerate() {
        let greatest = &mut scale.scales[i % channels];
        for (j, weight) in piece.iter().enumerate() {
            let kept = mask.is_none_or(|m| m[i * piece.len() + j]);
            *greatest = greatest.max(if kept { weight.to_f32().abs() } else { 0.0 });
        }
    }
    for scale in &mut scale.scales {
        let rounded = round_entry::<T>(f64::from(*scale), entries)?;
        *scale = if rounded > 0.0 { rounded } else { 1.0 };
    }
    Ok(scale)
}

fn divided<T: Element>(weights: &[T], scale: &ChannelScale) -> Vec<f32> {
    let mut scaled: Vec<f32> = weights.iter().map(|w| w.to_f32()).collect();
    let length = scaled.len();
    scale.pieces(0, length, |range, scale| {
        for weight in &mut scaled[range] {
            *weight /= scale;
        }
    });
    scaled
}
