//! One scalar table from the tally of its values.

use super::optimum::optimum;
use super::tally::Tally;
use super::{PaletteSpec, rounded, stopped};
use crate::quant::QuantError;
use crate::scheme::PaletteFit;

/// A table and how values find their entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// `2^bits` entries, ascending, rounded to their type.
    pub entries: Vec<f32>,
    /// The smallest value of the second, third, … entry: an index is the number of these that are at most the
    /// value. Fewer than entries when not all are used.
    pub bounds: Vec<f32>,
    /// The squared error before rounding.
    pub error: f64,
}

impl Table {
    /// Replaces the entries by others that ascend too; values then go to the nearest.
    pub fn move_to(&mut self, entries: &[f32]) {
        self.entries = entries.to_vec();
        self.bounds = midpoints(&self.entries);
    }
}

/// Between neighbours the first value that goes up: ties stay down.
fn midpoints(entries: &[f32]) -> Vec<f32> {
    let middle = |pair: &[f32]| ((f64::from(pair[0]) + f64::from(pair[1])) / 2.0) as f32;
    entries.windows(2).map(|pair| middle(pair).next_up()).collect()
}

/// Fits a table.
pub(super) fn table(
    tally: &Tally,
    spec: &PaletteSpec,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Table, QuantError> {
    let size = 1usize << spec.bits;
    let (Some(&first), Some(&last)) = (tally.values.first(), tally.values.last()) else {
        return Ok(Table { entries: vec![0.0; size], bounds: Vec::new(), error: 0.0 });
    };
    if spec.fit == PaletteFit::Uniform {
        let (first, last) = (f64::from(first), f64::from(last));
        let step = (last - first) / (size - 1) as f64;
        let exact: Vec<f64> = (0..size).map(|i| first + step * i as f64).collect();
        let entries: Vec<f32> = exact.iter().map(|&entry| rounded(entry, spec.entry)).collect();
        let bounds = midpoints(&exact.iter().map(|&entry| entry as f32).collect::<Vec<_>>());
        let near = |value: &f32| exact[bounds.partition_point(|bound| bound <= value)];
        let squares = tally.values.iter().zip(&tally.counts);
        let error = squares.map(|(v, &n)| (f64::from(*v) - near(v)).powi(2) * f64::from(n)).sum();
        return Ok(Table { entries, bounds, error });
    }
    if spec.fit == PaletteFit::Unique && tally.values.len() > size {
        return Err(QuantError::Distinct(tally.values.len() as u64));
    }
    let starts = optimum(tally, size, cancelled).map_err(stopped)?;
    let ends = starts.iter().copied().chain([tally.values.len()]);
    let (mut entries, mut error) = (Vec::with_capacity(size), 0.0);
    for (from, to) in [0].into_iter().chain(starts.iter().copied()).zip(ends) {
        let (mean, squares) = moments(&tally.values[from..to], &tally.counts[from..to]);
        entries.push(rounded(mean, spec.entry));
        error += squares;
    }
    let unused = entries.last().copied().unwrap_or(0.0);
    entries.resize(size, unused);
    let bounds = starts.iter().map(|&start| tally.values[start]).collect();
    Ok(Table { entries, bounds, error })
}

/// The mean of values with multiplicities, and their squared distance from it. Relative to the first value, so
/// that a cluster far from zero loses nothing.
fn moments(values: &[f32], counts: &[u32]) -> (f64, f64) {
    let Some(&origin) = values.first() else { return (0.0, 0.0) };
    let origin = f64::from(origin);
    let (mut n, mut sum) = (0.0, 0.0);
    for (value, &count) in values.iter().zip(counts) {
        n += f64::from(count);
        sum += (f64::from(*value) - origin) * f64::from(count);
    }
    let mean = sum / n;
    let distance = |(value, &count): (&f32, &u32)| (f64::from(*value) - origin - mean).powi(2) * f64::from(count);
    (origin + mean, values.iter().zip(counts).map(distance).sum())
}
