//! What changed between two models, weight by weight and in the program around them.

mod names;
mod program;

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::dtype::DType;
use crate::inspect::program::ProgramSummary;
use crate::model::{Compressed, Model, ModelData, ModelError, Weight};
use crate::quant::power::Power;
use crate::run;
pub use program::{Change, FeatureChange, ProgramChange};

/// Two models compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Weights that both have, those that changed most first.
    pub pairs: Vec<Pair>,
    /// Weights that only the first model has, by index.
    pub only_before: Vec<usize>,
    /// Weights that only the second model has, by index.
    pub only_after: Vec<usize>,
    /// What changed in the program, where both models have one.
    pub program: Option<ProgramChange>,
}

/// A weight of both models.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Its index in the first model.
    pub before: usize,
    /// Its index in the second model.
    pub after: usize,
    /// How it is stored in the first model.
    pub was: StoredAs,
    /// How it is stored in the second model.
    pub is: StoredAs,
    /// What became of its values.
    pub values: ValueChange,
}

/// How a weight is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoredAs {
    /// Its element type.
    pub dtype: DType,
    /// How it is compressed.
    pub compressed: Option<Compressed>,
}

/// What became of the values of a weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueChange {
    /// Nothing: every value is the same number, though its type may be another.
    Same,
    /// They differ.
    Error {
        /// The squared error and signal, and the largest error, over what is finite in the first model.
        power: Power,
        /// Values that are NaN or infinite in the first model and something else in the second.
        not_finite: u64,
    },
    /// The shapes differ, so there is nothing to compare.
    Shape,
    /// They are of types that are not read as numbers, and the bytes differ.
    Bytes,
}

impl ValueChange {
    /// The signal to quantization noise ratio in dB: infinite where nothing is lost, NaN where a value that was not
    /// finite has changed or there is nothing to compare.
    pub fn sqnr(&self) -> f64 {
        match self {
            ValueChange::Same => f64::INFINITY,
            ValueChange::Error { power, not_finite: 0 } => power.sqnr(),
            _ => f64::NAN,
        }
    }
}

impl StoredAs {
    fn of(model: &Model, weight: &Weight) -> StoredAs {
        StoredAs { dtype: weight.dtype, compressed: model.compressed(weight) }
    }
}

impl std::fmt::Display for StoredAs {
    /// `int4 per-group(32)`, or the element type of what is plain.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.compressed {
            Some(compressed) => compressed.fmt(f),
            None => self.dtype.fmt(f),
        }
    }
}

impl Pair {
    /// Whether nothing is told apart: the same values, stored in the same way.
    pub fn is_same(&self) -> bool {
        self.values == ValueChange::Same && self.was == self.is
    }

    /// How bad it is, the worst first: what cannot be compared, then by the ratio, then what is only stored otherwise.
    fn rank(&self) -> (u8, f64) {
        match self.values {
            ValueChange::Shape => (0, 0.0),
            ValueChange::Bytes => (1, 0.0),
            ValueChange::Error { .. } if self.values.sqnr().is_nan() => (2, 0.0),
            ValueChange::Error { .. } => (3, self.values.sqnr()),
            ValueChange::Same if !self.is_same() => (4, 0.0),
            ValueChange::Same => (5, 0.0),
        }
    }
}

impl Comparison {
    /// Whether nothing is told apart.
    pub fn is_same(&self) -> bool {
        self.pairs.iter().all(Pair::is_same)
            && self.only_before.is_empty()
            && self.only_after.is_empty()
            && self.program.as_ref().is_none_or(ProgramChange::is_same)
    }

    /// Sums over pairs that were stored in one way and are stored in another, or in the same, in words.
    pub fn by_storage(&self, before: &Model, after: &Model) -> BTreeMap<(String, String), Sum> {
        let mut sums: BTreeMap<(String, String), Sum> = BTreeMap::new();
        for pair in &self.pairs {
            sums.entry((pair.was.to_string(), pair.is.to_string())).or_default().add(pair, before, after);
        }
        sums
    }

    /// Sums over all pairs.
    pub fn total(&self, before: &Model, after: &Model) -> Sum {
        let mut sum = Sum::default();
        self.pairs.iter().for_each(|pair| sum.add(pair, before, after));
        sum
    }
}

/// Sums over weights of both models.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sum {
    /// How many.
    pub weights: usize,
    /// Those of them whose values are the same.
    pub same: usize,
    /// Those of them whose values cannot be compared.
    pub incomparable: usize,
    /// Bytes in the first model.
    pub before: u64,
    /// Bytes in the second model.
    pub after: u64,
    /// Values of them that are NaN or infinite in the first model and something else in the second.
    pub not_finite: u64,
    /// Errors, over those that can be compared.
    pub power: Power,
}

impl Sum {
    fn add(&mut self, pair: &Pair, before: &Model, after: &Model) {
        self.weights += 1;
        self.before = self.before.saturating_add(before.weights[pair.before].bytes);
        self.after = self.after.saturating_add(after.weights[pair.after].bytes);
        match &pair.values {
            ValueChange::Same => self.same += 1,
            ValueChange::Error { power, not_finite } => {
                self.power = self.power.and(power);
                self.not_finite = self.not_finite.saturating_add(*not_finite);
            }
            ValueChange::Shape | ValueChange::Bytes => self.incomparable += 1,
        }
    }

    /// What became of the values of those that can be compared, taken as one tensor.
    pub fn values(&self) -> ValueChange {
        ValueChange::Error { power: self.power, not_finite: self.not_finite }
    }
}

/// Compares two models. Memory is bounded by the largest weight of both, and by several small ones.
///
/// # Errors
/// If a file cannot be read, has changed or is broken.
pub fn compare(before: &Model, after: &Model) -> Result<Comparison, ModelError> {
    let matched = names::matched(before, after);
    let data = (before.open_data()?, after.open_data()?);
    let pair = |&(a, b): &(usize, usize)| -> Result<Pair, ModelError> {
        let (first, second) = (&before.weights[a], &after.weights[b]);
        let values = values(
            &Side { model: before, data: &data.0, weight: first },
            &Side { model: after, data: &data.1, weight: second },
        )?;
        Ok(Pair { before: a, after: b, was: StoredAs::of(before, first), is: StoredAs::of(after, second), values })
    };
    let (small, large): (Vec<_>, Vec<_>) =
        matched.pairs.iter().partition(|(a, _)| before.weights[*a].elements() <= run::BATCH);
    let mut pairs: Vec<Pair> = small.into_par_iter().map(pair).collect::<Result<_, _>>()?;
    for one in large {
        pairs.push(pair(one)?);
    }
    // Of what is equally bad, in the order of the first model.
    pairs.sort_by_key(|pair| pair.before);
    pairs.sort_by(|a, b| {
        let (a, b) = (a.rank(), b.rank());
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    let program = match (&before.program, &after.program) {
        (Some(first), Some(second)) => {
            let summaries = (ProgramSummary::of(before, first), ProgramSummary::of(after, second));
            Some(ProgramChange::between(&summaries.0, &summaries.1))
        }
        _ => None,
    };
    Ok(Comparison { pairs, only_before: matched.only_before, only_after: matched.only_after, program })
}

/// A weight of one of the models.
struct Side<'a> {
    model: &'a Model,
    data: &'a ModelData,
    weight: &'a Weight,
}

impl Side<'_> {
    fn values(&self) -> Result<Vec<f32>, ModelError> {
        Ok(run::read(self.data, self.model, self.weight)?.to_f32())
    }
}

fn values(a: &Side, b: &Side) -> Result<ValueChange, ModelError> {
    if a.weight.shape != b.weight.shape {
        return Ok(ValueChange::Shape);
    }
    if !a.weight.dtype.is_quantizable() || !b.weight.dtype.is_quantizable() {
        let same = a.weight.dtype == b.weight.dtype && a.bytes()? == b.bytes()?;
        return Ok(if same { ValueChange::Same } else { ValueChange::Bytes });
    }
    let (first, second) = (a.values()?, b.values()?);
    let same = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
    if first.par_iter().zip(&second).all(same) {
        return Ok(ValueChange::Same);
    }
    let is_lost = |(a, b): &(&f32, &f32)| !a.is_finite() && !same((a, b));
    let not_finite = first.par_iter().zip(&second).filter(is_lost).count() as u64;
    // Of one shape, so of one length.
    Ok(match Power::between(&first, &second) {
        Ok(power) => ValueChange::Error { power, not_finite },
        Err(_) => ValueChange::Shape,
    })
}

impl Side<'_> {
    fn bytes(&self) -> Result<Vec<u8>, ModelError> {
        match self.data.decompressed(self.weight)? {
            Some(constant) => Ok(constant.bytes.to_vec()),
            None => Ok(self.data.bytes(self.weight)?.into_owned()),
        }
    }
}
