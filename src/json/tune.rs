//! Searches for recipes.

use std::path::Path;

use serde::Serialize;

use super::run::{RunExpectationShape, RunFindingShape, expectations, findings, ratio};
use crate::check::report::json::VERSION;
use crate::project::AfterRun;
use crate::recipe::Recipe;
use crate::tune::{Budget, Tuned, decibels};

/// What `tune --json` writes.
#[derive(Debug, Serialize)]
pub struct TuneShape {
    /// The version of the shapes.
    pub version: u32,
    /// Where the recipe was written; `-` for nowhere.
    pub output: String,
    /// Its text.
    pub recipe: String,
    /// What it keeps to.
    pub budget: TuneBudgetShape,
    /// Bytes of all tensors before.
    pub before: u64,
    /// Bytes of all tensors after, as planned.
    pub after: u64,
    /// Bits per element over all weights that may change.
    pub bits: f64,
    /// What is lost.
    pub error: TuneErrorShape,
    /// Weights that may change, in the order of the model.
    pub weights: Vec<TuneWeightShape>,
    /// What the next smaller scheme of a weight would do, the most sensitive first.
    pub sensitive: Vec<TuneSensitiveShape>,
    /// Weights that could be quantized and stay.
    pub stays: Vec<TuneStaysShape>,
    /// Schemes that were no candidates for some weights.
    pub refused: Vec<TuneRefusedShape>,
    /// Expectations of the recipe that do not hold any more.
    pub dropped: Vec<String>,
    /// Measurements, and how many of them were known before.
    pub results: usize,
    /// Those that were known before.
    pub known: usize,
    /// What is known of each expectation of the written recipe, where it was evaluated.
    pub expectations: Vec<RunExpectationShape>,
    /// What only the evaluation could find.
    pub findings: Vec<RunFindingShape>,
}

/// A budget: one of these.
#[derive(Debug, Serialize, Default)]
pub struct TuneBudgetShape {
    /// Bits per weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<f64>,
    /// A share of the size, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// A ratio in dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqnr: Option<f64>,
}

/// What is lost, as ratios of signal to noise in dB: absent where nothing is, null where all is.
#[derive(Debug, Serialize)]
pub struct TuneErrorShape {
    /// `outputs` or `weights`.
    pub of: &'static str,
    /// Samples, of outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// From what each weight loses alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Option<f64>>,
    /// No choice within the budget is predicted better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<Option<f64>>,
    /// Whether it is proven that no choice is predicted better.
    pub optimal: bool,
    /// With all weights quantized together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together: Option<Option<f64>>,
    /// As the package of the recipe gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<Option<f64>>,
}

/// What was chosen for a weight.
#[derive(Debug, Serialize)]
pub struct TuneWeightShape {
    /// Its name.
    pub name: String,
    /// The scheme.
    pub scheme: String,
    /// Its elements.
    pub elements: u64,
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
    /// Noise by signal of the whole, with this weight quantized alone.
    pub error: f64,
}

/// What the next smaller scheme of a weight would do.
#[derive(Debug, Serialize)]
pub struct TuneSensitiveShape {
    /// The weight.
    pub name: String,
    /// What it has.
    pub scheme: String,
    /// The next smaller one.
    pub next: String,
    /// Bytes that it would save.
    pub saves: u64,
    /// By which factor the whole error would grow; null where there is none yet.
    pub grows: Option<f64>,
}

/// Weights that stay.
#[derive(Debug, Serialize)]
pub struct TuneStaysShape {
    /// Their names.
    pub weights: Vec<String>,
    /// Why.
    pub why: String,
}

/// A scheme that was no candidate.
#[derive(Debug, Serialize)]
pub struct TuneRefusedShape {
    /// The scheme.
    pub scheme: String,
    /// For how many weights.
    pub weights: usize,
    /// Why, of the first.
    pub why: String,
}

impl TuneShape {
    /// The shape of a search whose recipe is written somewhere.
    pub fn new(output: &Path, recipe: &Recipe, tuned: &Tuned, after: &AfterRun) -> Self {
        let none = TuneBudgetShape::default();
        let error = &tuned.error;
        let in_db = |relative: f64| ratio(decibels(relative));
        TuneShape {
            version: VERSION,
            output: output.display().to_string(),
            recipe: tuned.text.clone(),
            budget: match tuned.budget {
                Budget::Bits(bits) => TuneBudgetShape { bits: Some(bits), ..none },
                Budget::Share(share) => TuneBudgetShape { share: Some(share), ..none },
                Budget::Bytes(bytes) => TuneBudgetShape { bytes: Some(bytes), ..none },
                Budget::Sqnr(sqnr) => TuneBudgetShape { sqnr: Some(sqnr), ..none },
            },
            before: tuned.before,
            after: tuned.after,
            bits: tuned.bits(),
            error: TuneErrorShape {
                of: if error.samples.is_some() { "outputs" } else { "weights" },
                samples: error.samples,
                predicted: in_db(error.predicted),
                bound: error.bound.and_then(in_db),
                optimal: error.is_optimal,
                together: in_db(error.together),
                written: error.written.and_then(in_db),
            },
            weights: tuned
                .weights
                .iter()
                .map(|chosen| TuneWeightShape {
                    name: chosen.name.clone(),
                    scheme: chosen.scheme.clone(),
                    elements: chosen.elements,
                    before: chosen.before,
                    after: chosen.after,
                    error: chosen.error,
                })
                .collect(),
            sensitive: tuned
                .sensitive
                .iter()
                .map(|one| TuneSensitiveShape {
                    name: one.name.clone(),
                    scheme: one.scheme.clone(),
                    next: one.next.clone(),
                    saves: one.saves,
                    grows: one.grows.is_finite().then_some(one.grows),
                })
                .collect(),
            stays: tuned
                .stays
                .iter()
                .map(|(weights, why)| TuneStaysShape { weights: weights.clone(), why: why.clone() })
                .collect(),
            refused: tuned
                .refused
                .iter()
                .map(|one| TuneRefusedShape { scheme: one.scheme.clone(), weights: one.weights, why: one.why.clone() })
                .collect(),
            dropped: tuned.dropped.clone(),
            results: tuned.results.1,
            known: tuned.results.0,
            expectations: expectations(recipe, after),
            findings: findings(after),
        }
    }
}
