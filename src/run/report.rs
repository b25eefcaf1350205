//! What a run did: weight by weight, then by rule and by scheme.

use std::path::PathBuf;
use std::time::Duration;

use super::parts::OutputFormat;
use super::statics::Activations;
use crate::check::{Fact, Facts, rule::WeightError};
use crate::graph::function::Opset;

/// What a run did.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was written: a file, or a directory for a model in several files.
    pub output: PathBuf,
    /// In which format.
    pub format: OutputFormat,
    /// Every weight that was changed, in the model's order.
    pub weights: Vec<WeightReport>,
    /// Weights that their rule would have changed and that stay as they are, because of their values.
    pub kept: Vec<(String, Fact)>,
    /// Bytes after of each weight that stays, by full name, in the model's order.
    pub unchanged: Vec<(String, u64)>,
    /// Tensors that were copied: byte for byte, but for those below.
    pub copied: usize,
    /// Of those that were copied, such as hold fp16 where they held fp32: values, or the scales and tables of what was
    /// compressed already.
    pub as_fp16: usize,
    /// Bytes of all tensors before.
    pub before: u64,
    /// Bytes of all tensors after, as Core ML and the packed format store them.
    pub after: u64,
    /// Bytes that were written.
    pub written: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// The operator set that an export was written in, where the recipe names no target.
    pub chosen: Option<Opset>,
    /// Tensors that the format has no name for the type of, and that are not written: full names and types.
    pub left_out: Vec<(String, String)>,
    /// What was done to activations, where they are quantized.
    pub activations: Option<Activations>,
}

/// What was done with one weight.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightReport {
    /// Its full name.
    pub name: String,
    /// The rule that decided, an index into `Recipe::rules`.
    pub rule: usize,
    /// The scheme in its canonical spelling.
    pub scheme: String,
    /// Elements.
    pub elements: u64,
    /// Bytes before.
    pub before: u64,
    /// Bytes after, as Core ML and the packed format store it.
    pub after: u64,
    /// Squared error and signal.
    pub error: WeightError,
    /// The largest absolute error of an element.
    pub max_error: f64,
    /// What its values show.
    pub facts: Vec<Fact>,
    /// How long its kernel ran.
    pub elapsed: Duration,
}

impl WeightReport {
    /// Average bits per element, everything included.
    pub fn bits(&self) -> f64 {
        self.after as f64 * 8.0 / (self.elements.max(1)) as f64
    }
}

/// Sums over several weights.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sum {
    /// Weights.
    pub weights: usize,
    /// Their elements.
    pub elements: u64,
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
    /// Squared error and signal.
    pub error: WeightError,
}

impl Sum {
    /// Average bits per element.
    pub fn bits(&self) -> f64 {
        self.after as f64 * 8.0 / (self.elements.max(1)) as f64
    }

    fn add(&mut self, weight: &WeightReport) {
        self.weights += 1;
        self.elements = self.elements.saturating_add(weight.elements);
        self.before = self.before.saturating_add(weight.before);
        self.after = self.after.saturating_add(weight.after);
        self.error.noise += weight.error.noise;
        self.error.signal += weight.error.signal;
    }
}

impl Report {
    /// Everything that was changed.
    pub fn total(&self) -> Sum {
        let mut sum = Sum::default();
        self.weights.iter().for_each(|weight| sum.add(weight));
        sum
    }

    /// Sums by rule and scheme, in the order of the rules.
    pub fn by_rule(&self) -> Vec<((usize, String), Sum)> {
        let mut groups: Vec<((usize, String), Sum)> = Vec::new();
        for weight in &self.weights {
            let is = |group: &&mut ((usize, String), Sum)| group.0.0 == weight.rule && group.0.1 == weight.scheme;
            match groups.iter_mut().find(is) {
                Some((_, sum)) => sum.add(weight),
                None => {
                    let mut sum = Sum::default();
                    sum.add(weight);
                    groups.push(((weight.rule, weight.scheme.clone()), sum));
                }
            }
        }
        groups.sort_by_key(|((rule, _), _)| *rule);
        groups
    }

    /// The weights with the lowest signal to noise ratio, worst first.
    pub fn worst(&self) -> Vec<&WeightReport> {
        let mut all: Vec<&WeightReport> = self.weights.iter().collect();
        // NaN is worse than any number.
        let rank = |weight: &WeightReport| {
            let sqnr = weight.error.sqnr();
            if sqnr.is_nan() { f64::NEG_INFINITY } else { sqnr }
        };
        all.sort_by(|a, b| rank(a).total_cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
        all
    }

    /// What the checker's rules for runs look at.
    pub fn facts(&self) -> Facts {
        let of_weight =
            |weight: &WeightReport| weight.facts.iter().map(|fact| (weight.name.clone(), *fact)).collect::<Vec<_>>();
        Facts {
            weights: self.kept.iter().cloned().chain(self.weights.iter().flat_map(of_weight)).collect(),
            errors: self.weights.iter().map(|w| (w.name.clone(), w.error)).collect(),
            size: Some(self.after),
            sizes: self.weights.iter().map(|w| (w.name.clone(), w.after)).collect(),
            unchanged: self.unchanged.clone(),
            evaluated: None,
        }
    }
}
