//! What a model holds: its tensors summed up, and the values of its weights.

pub mod export;
pub mod program;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use crate::model::{Model, ModelError, Weight};
use crate::values;

/// Tensors that have something in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// How many.
    pub tensors: usize,
    /// Their elements.
    pub elements: u64,
    /// Their bytes in the file.
    pub bytes: u64,
}

impl Sum {
    /// Adds a tensor.
    pub fn add(&mut self, weight: &Weight) {
        self.tensors += 1;
        self.elements = self.elements.saturating_add(weight.elements());
        self.bytes = self.bytes.saturating_add(weight.bytes);
    }

    /// The sum of some tensors.
    pub fn of<'a>(weights: impl IntoIterator<Item = &'a Weight>) -> Sum {
        let mut sum = Sum::default();
        weights.into_iter().for_each(|weight| sum.add(weight));
        sum
    }

    /// The sums of tensors that have the same key, in the order of the keys.
    pub fn by<'a, K: Ord>(
        weights: impl IntoIterator<Item = &'a Weight>,
        key: impl Fn(&Weight) -> K,
    ) -> BTreeMap<K, Sum> {
        let mut sums: BTreeMap<K, Sum> = BTreeMap::new();
        for weight in weights {
            sums.entry(key(weight)).or_default().add(weight);
        }
        sums
    }
}

/// Bars of a histogram.
pub const BARS: usize = 24;

/// What the values of a tensor are like. NaN and infinities are counted and left out of everything else.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Values {
    /// The smallest finite value; 0 when there is none.
    pub min: f64,
    /// The largest finite value; 0 when there is none.
    pub max: f64,
    /// The mean of the finite values; 0 when there is none.
    pub mean: f64,
    /// Their standard deviation (of the values themselves, not of a sample); 0 when there is none.
    pub std: f64,
    /// Values that are zero.
    pub zeros: u64,
    /// Values that are NaN.
    pub nan: u64,
    /// Values that are infinite.
    pub infinite: u64,
    /// How many finite values lie in each of [`BARS`] equal parts of the range from `min` to `max`; all zero
    /// when there is none.
    pub histogram: [u64; BARS],
}

/// Reads the values of some weights and sums up those of each, in their order. `None` for types that are not read
/// as numbers. Weights are read side by side: every thread of the pool holds one whole weight, as `f32`, and what
/// it was read from.
///
/// # Errors
/// If the file cannot be read or has changed.
pub fn values(model: &Model, weights: &[&Weight]) -> Result<Vec<Option<Values>>, ModelError> {
    let data = model.open_data()?;
    let one = |weight: &&Weight| {
        if !weight.dtype.is_quantizable() {
            return Ok(None);
        }
        values::read(&data, model, weight).map(|values| Some(summarize(&values.to_f32())))
    };
    weights.par_iter().map(one).collect()
}

/// Sums up values.
pub fn summarize(values: &[f32]) -> Values {
    let mut sum = Values::default();
    let (mut min, mut max, mut total, mut finite) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0u64);
    for &value in values {
        if value.is_nan() {
            sum.nan += 1;
        } else if value.is_infinite() {
            sum.infinite += 1;
        } else {
            let value = f64::from(value);
            finite += 1;
            total += value;
            (min, max) = (min.min(value), max.max(value));
            sum.zeros += u64::from(value == 0.0);
        }
    }
    if finite == 0 {
        return sum;
    }
    (sum.min, sum.max, sum.mean) = (min, max, total / finite as f64);
    let width = (max - min) / BARS as f64;
    let mut squares = 0.0;
    for value in values.iter().filter(|value| value.is_finite()) {
        let value = f64::from(*value);
        squares += (value - sum.mean) * (value - sum.mean);
        // A range of nothing has all its values in the first bar.
        let bar = if width > 0.0 { ((value - min) / width) as usize } else { 0 };
        sum.histogram[bar.min(BARS - 1)] += 1;
    }
    sum.std = (squares / finite as f64).sqrt();
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_summed_up() {
        let sum = summarize(&[-1.0, 0.0, 0.0, 3.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        assert_eq!((sum.min, sum.max, sum.mean), (-1.0, 3.0, 0.5));
        assert_eq!((sum.zeros, sum.nan, sum.infinite), (2, 1, 2));
        assert!((sum.std - 1.5).abs() < 1e-12);
        assert_eq!((sum.histogram[0], sum.histogram[6], sum.histogram[BARS - 1]), (1, 2, 1));
    }

    #[test]
    fn values_without_a_range() {
        assert_eq!(summarize(&[]), Values::default());
        assert_eq!(summarize(&[f32::NAN]), Values { nan: 1, ..Values::default() });
        let same = summarize(&[2.0; 5]);
        assert_eq!((same.min, same.max, same.std, same.histogram[0]), (2.0, 2.0, 0.0, 5));
    }
}
