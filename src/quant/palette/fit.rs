//! From the values of a table to its entries.

use super::optimum::{optimum, run_moments};
use super::spec::{EntryType, PaletteError};
use super::tally::Tally;
use crate::dtype::DType;
use crate::quant::element::Element;
use crate::scheme::PaletteFit;
use half::f16;

/// A table before its entries are rounded, and which weights have which entry.
#[derive(Debug, Clone, Default)]
pub(super) struct Fit {
    /// The entries, ascending; at most 2^bits of them.
    pub entries: Vec<f64>,
    /// The smallest weights that have the second, third, … entry: a weight's code is the number of
    /// thresholds that are not above it. Where an entry has no weights, two are equal.
    pub thresholds: Vec<f32>,
    /// Per entry, the number of its weights, their mean and the sum of their squared distances from it.
    pub runs: Vec<Moments>,
}

/// The moments of the weights that share an entry.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    pub weight: f64,
    pub mean: f64,
    pub moment: f64,
}

impl Fit {
    /// The squared error with other entries and the same codes.
    pub(super) fn error(&self, entries: impl Iterator<Item = f64>) -> f64 {
        self.runs
            .iter()
            .zip(entries)
            .filter(|(run, _)| run.weight > 0.0)
            .map(|(run, entry)| run.moment + run.weight * (run.mean - entry).powi(2))
            .sum()
    }

    fn of_runs(tally: &Tally, starts: &[usize], entries: Option<Vec<f64>>) -> Self {
        let distinct = tally.values.len();
        let mut from = 0;
        let runs: Vec<Moments> = starts
            .iter()
            .copied()
            .chain([distinct])
            .map(|to| run_moments(tally, std::mem::replace(&mut from, to), to))
            .collect();
        Fit {
            entries: entries.unwrap_or_else(|| runs.iter().map(|r| r.mean).collect()),
            // Nothing is at or above a threshold that no value reaches.
            thresholds: starts.iter().map(|&s| tally.values.get(s).copied().unwrap_or(f32::INFINITY)).collect(),
            runs,
        }
    }
}

/// The entries for a tally. `table` is named in errors.
pub(super) fn fit(
    tally: &Tally,
    kind: PaletteFit,
    capacity: usize,
    table: usize,
    cancel: &(dyn Fn() -> bool + Sync),
) -> Result<Fit, PaletteError> {
    let distinct = tally.values.len();
    let (Some(&low), Some(&high)) = (tally.values.first(), tally.values.last()) else {
        return Ok(Fit::default());
    };
    match kind {
        PaletteFit::Kmeans => {
            let starts = optimum(tally, capacity, cancel)?;
            Ok(Fit::of_runs(tally, &starts, None))
        }
        PaletteFit::Unique if distinct > capacity => Err(PaletteError::TooManyValues { table, distinct, capacity }),
        PaletteFit::Unique => {
            let starts: Vec<usize> = (1..distinct).collect();
            Ok(Fit::of_runs(tally, &starts, None))
        }
        PaletteFit::Uniform => {
            let (low, high) = (f64::from(low), f64::from(high));
            let scale = (high - low) / (capacity - 1) as f64;
            let entries = (0..capacity).map(|i| i as f64 * scale + low).collect();
            let code = |v: f32| {
                // All values alike: code 0.
                let steps = (f64::from(v) - low) / scale;
                if scale > 0.0 { steps.round_ties_even() as usize } else { 0 }
            };
            let starts: Vec<usize> = (1..capacity).map(|i| tally.values.partition_point(|&v| code(v) < i)).collect();
            Ok(Fit::of_runs(tally, &starts, Some(entries)))
        }
    }
}

/// Thresholds that give every weight the nearest of ascending entries; half-way, the lower one. Of equal
/// entries the first is used.
pub(super) fn nearest_thresholds(entries: &[f32]) -> Vec<f32> {
    let mut thresholds = vec![f32::INFINITY; entries.len().saturating_sub(1)];
    let mut above = f32::INFINITY;
    for i in (1..entries.len()).rev() {
        let (a, b) = (f64::from(entries[i - 1]), f64::from(entries[i]));
        if a < b {
            let middle = a + (b - a) / 2.0;
            let rounded = middle as f32;
            above = if f64::from(rounded) > middle { rounded } else { rounded.next_up() };
        }
        thresholds[i - 1] = above;
    }
    thresholds
}

/// A value rounded to the type of entries, or an error if it is beyond its range.
pub(super) fn round_entry<T: Element>(value: f64, entries: EntryType) -> Result<f32, PaletteError> {
    let (rounded, dtype) = match entries {
        EntryType::Weight => (round_once::<T>(value), T::DTYPE),
        EntryType::Fp16 => (round_once::<f16>(value), DType::F16),
        EntryType::Fp32 => (value as f32, DType::F32),
    };
    if rounded.is_finite() { Ok(rounded) } else { Err(PaletteError::TooLarge { value, dtype }) }
}

/// `value` rounded to `T` once. By way of binary32 it would be rounded twice, so that first rounding is to odd:
/// it keeps on which side of a tie the value is.
fn round_once<T: Element>(value: f64) -> f32 {
    if T::DTYPE == DType::F32 {
        return value as f32;
    }
    let near = value as f32;
    let exact = f64::from(near) == value;
    let odd = near.to_bits() & 1 == 1;
    if exact || odd || !near.is_finite() {
        return T::round(near);
    }
    // `near` is even and inexact: its neighbour on the other side of the value is odd.
    let other = if f64::from(near) < value { near.next_up() } else { near.next_down() };
    T::round(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::palette::tally::Scratch;
    use half::bf16;
    use proptest::prelude::*;

    fn fitted(values: &[f32], kind: PaletteFit, capacity: usize) -> Result<Fit, PaletteError> {
        let tally = Tally::of(&[values], &mut Scratch::default(), &|| false).unwrap();
        fit(&tally, kind, capacity, 0, &|| false)
    }

    fn code(thresholds: &[f32], value: f32) -> usize {
        thresholds.iter().filter(|&&t| value >= t).count()
    }

    #[test]
    fn uniform_entries_are_evenly_spaced_and_ties_go_to_even_codes() {
        let fit = fitted(&[-1.0, 0.5, 1.5, 2.0], PaletteFit::Uniform, 4).unwrap();
        assert_eq!(fit.entries, [-1.0, 0.0, 1.0, 2.0]);
        // 0.5 is 1.5 steps up, 1.5 is 2.5 steps up.
        let codes: Vec<_> = [-1.0, 0.5, 1.5, 2.0].iter().map(|&v| code(&fit.thresholds, v)).collect();
        assert_eq!(codes, [0, 2, 2, 3]);
        assert_eq!(fit.error(fit.entries.iter().copied()), 0.5);
    }

    #[test]
    fn uniform_of_one_value() {
        let fit = fitted(&[3.0; 5], PaletteFit::Uniform, 4).unwrap();
        assert_eq!(fit.entries, [3.0; 4]);
        assert_eq!(code(&fit.thresholds, 3.0), 0);
    }

    #[test]
    fn unique_counts_what_does_not_fit() {
        let fit = fitted(&[2.0, -0.0, 0.0, 2.0], PaletteFit::Unique, 2).unwrap();
        assert_eq!(fit.entries, [0.0, 2.0]);
        assert_eq!(
            fitted(&[1.0, 2.0, 3.0], PaletteFit::Unique, 2).unwrap_err(),
            PaletteError::TooManyValues { table: 0, distinct: 3, capacity: 2 }
        );
    }

    #[test]
    fn entries_beyond_binary16_are_refused() {
        assert_eq!(round_entry::<f32>(65519.0, EntryType::Fp16), Ok(65504.0));
        assert!(round_entry::<f32>(65520.0, EntryType::Fp16).is_err());
        assert!(round_entry::<f32>(65520.0, EntryType::Weight).is_ok());
    }

    proptest! {
        #[test]
        fn the_nearest_entry_is_taken(
            mut entries in prop::collection::vec(-8i8..8, 1..17),
            values in prop::collection::vec(-10.0f32..10.0, 0..50),
        ) {
            entries.sort_unstable();
            let entries: Vec<f32> = entries.into_iter().map(f32::from).collect();
            let thresholds = nearest_thresholds(&entries);
            let halves = entries.iter().map(|e| e + 0.5);
            for value in values.iter().copied().chain(halves) {
                let found = code(&thresholds, value);
                let best = entries.iter().map(|e| (e - value).abs()).fold(f32::INFINITY, f32::min);
                let first = entries.iter().position(|e| (e - value).abs() == best).unwrap();
                prop_assert_eq!(found, first);
            }
        }

        #[test]
        fn rounding_is_done_once(bits in 0u16..0x7bff, nudge in -2i64..3) {
            let (low, high) = (f16::from_bits(bits), f16::from_bits(bits + 1));
            let even = if bits.is_multiple_of(2) { low } else { high };
            check_tie::<f16>(low.to_f64(), high.to_f64(), even.to_f64(), nudge);
            let (low, high) = (bf16::from_bits(bits), bf16::from_bits(bits + 1));
            let even = if bits.is_multiple_of(2) { low } else { high };
            check_tie::<bf16>(low.to_f64(), high.to_f64(), even.to_f64(), nudge);
        }
    }

    /// Half-way between neighbours, or a few units in the last place of binary64 from there.
    fn check_tie<T: Element>(low: f64, high: f64, even: f64, nudge: i64) {
        let tie = low + (high - low) / 2.0;
        let value = f64::from_bits(tie.to_bits().wrapping_add_signed(nudge));
        let expected = match nudge {
            0 => even,
            1.. => high,
            _ => low,
        };
        assert_eq!(f64::from(round_once::<T>(value)), expected);
    }
}
