//! The values of a weight, and the levels that quantization leaves of them.

use std::sync::atomic::AtomicBool;

use super::fact;
use crate::inspect::{Values, summarize};
use crate::plan::{self, Outcome};
use crate::quant::power::Power;
use crate::run::RunError;
use crate::run::measure::Subject;
use crate::scheme::Scheme;

/// How the values of a weight are distributed.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The weight's index in the model.
    pub index: usize,
    /// Its full name.
    pub name: String,
    /// The values summed up. Bars go from `min` to `max`.
    pub values: Values,
    /// How many values lie in each of equal parts of the range.
    pub bars: Vec<u64>,
    /// What quantization leaves; `None` without a scheme.
    pub levels: Option<Result<Levels, String>>,
}

/// The values that quantization leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Levels {
    /// The scheme, in its canonical spelling.
    pub scheme: String,
    /// Different values, over all blocks.
    pub distinct: usize,
    /// Different values in each part of the range; those beyond it count in the outermost parts.
    pub bars: Vec<u64>,
    /// Bytes after.
    pub bytes: u64,
    /// How far the weight is from what it was.
    pub error: Power,
}

/// Counts the values of a weight, by its index, in `parts` equal parts of their range, and the levels that a scheme
/// leaves. The inner error of the levels is why it leaves the weight as it is.
///
/// # Errors
/// If cancelled, if the file cannot be read, or a kernel refuses.
pub fn histogram(
    subject: Subject,
    index: usize,
    scheme: Option<&Scheme>,
    parts: usize,
    cancel: &AtomicBool,
) -> Result<Histogram, RunError> {
    let weight = &subject.model.weights[index];
    let values = subject.values(index)?;
    let sum = summarize(&values);
    let range = Range { min: sum.min, width: (sum.max - sum.min) / parts.max(1) as f64, parts: parts.max(1) };
    let mut bars = vec![0; range.parts];
    for value in values.iter().filter(|value| value.is_finite()) {
        bars[range.part(*value)] += 1;
    }
    let levels = scheme.map(|scheme| levels(subject, index, scheme, range, cancel)).transpose()?;
    Ok(Histogram { index, name: weight.name.clone(), values: sum, bars, levels })
}

fn levels(
    subject: Subject,
    index: usize,
    scheme: &Scheme,
    range: Range,
    cancel: &AtomicBool,
) -> Result<Result<Levels, String>, RunError> {
    let weight = plan::in_precision(subject.recipe, &subject.model.weights[index]);
    let fitted = match plan::outcome(subject.recipe, &weight, scheme) {
        Outcome::Change(fitted) => fitted,
        Outcome::Keep(reason) => return Ok(Err(reason.to_string())),
        Outcome::Misfit(misfit) => return Ok(Err(misfit.to_string())),
    };
    let (mut values, measured) = match subject.decoded(index, &fitted, cancel)? {
        Ok(made) => made,
        Err(why) => return Ok(Err(fact(&why))),
    };
    values.retain(|value| value.is_finite());
    // Minus zero is the level that zero is.
    values.iter_mut().for_each(|value| *value += 0.0);
    values.sort_unstable_by(f32::total_cmp);
    values.dedup();
    let mut bars = vec![0; range.parts];
    for value in &values {
        bars[range.part(*value)] += 1;
    }
    let scheme = scheme.to_string();
    Ok(Ok(Levels { scheme, distinct: values.len(), bars, bytes: measured.bytes, error: measured.error }))
}

/// A range of values in equal parts.
#[derive(Debug, Clone, Copy)]
struct Range {
    min: f64,
    width: f64,
    parts: usize,
}

impl Range {
    fn part(self, value: f32) -> usize {
        // A range of nothing has all its values in the first part; what lies beyond saturates.
        let part = if self.width > 0.0 { ((f64::from(value) - self.min) / self.width) as usize } else { 0 };
        part.min(self.parts - 1)
    }
}
