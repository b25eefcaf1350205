//! Runs.

use crate::check::expectation::{Verdict, claim};
use crate::check::report::Texts;
use crate::check::report::json::{RegionShape, VERSION};
use crate::project::AfterRun;
use crate::recipe::Recipe;
use serde::Serialize;

/// What `run --json` writes.
#[derive(Debug, Serialize)]
pub struct RunShape {
    /// The version of the shapes.
    pub version: u32,
    /// What was written.
    pub output: String,
    /// In which format.
    pub format: &'static str,
    /// Bytes of all tensors before.
    pub before: u64,
    /// Bytes of all tensors after, packed.
    pub after: u64,
    /// Bytes written.
    pub written: u64,
    /// Tensors copied: byte for byte, but for those below.
    pub copied: usize,
    /// Of those that were copied, such as hold fp16 where they held fp32.
    pub copied_as_fp16: usize,
    /// Seconds it took.
    pub seconds: f64,
    /// Everything that was changed.
    pub total: RunSumShape,
    /// By rule and scheme, in the order of the recipe.
    pub rules: Vec<RunRuleShape>,
    /// Every weight that was changed, in the model's order.
    pub weights: Vec<RunWeightShape>,
    /// What was done to activations; absent where they are not quantized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activations: Option<RunActivationsShape>,
    /// Weights that stay because of their values.
    pub kept: Vec<String>,
    /// Tensors of types that the format has no name for, which are not written; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// What is known of each expectation of the recipe.
    pub expectations: Vec<RunExpectationShape>,
    /// What only the run could find.
    pub findings: Vec<RunFindingShape>,
}

/// What was done to activations.
#[derive(Debug, Serialize)]
pub struct RunActivationsShape {
    /// Places in the program where values become codes.
    pub places: usize,
    /// Ranges that were observed.
    pub ranges: usize,
    /// Samples that were run.
    pub samples: u64,
    /// Batches that these made.
    pub batches: usize,
}

/// What is known of an expectation after a run.
#[derive(Debug, Serialize)]
pub struct RunExpectationShape {
    /// Where it is written.
    #[serde(flatten)]
    pub region: RegionShape,
    /// What it claims, as written.
    pub claim: String,
    /// `met`, `failed` or `not-measured`.
    pub verdict: &'static str,
    /// Why nothing has measured it, where nothing has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a weight, or several, had and have.
#[derive(Debug, Serialize)]
pub struct RunFiguresShape {
    /// Elements.
    pub elements: u64,
    /// Average bits per element.
    pub bits: f64,
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
    /// Signal to noise ratio in dB; absent where nothing is lost, null where values are destroyed: where the error
    /// is no number, or there was no signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqnr: Option<Option<f64>>,
}

/// Sums of a run.
#[derive(Debug, Serialize)]
pub struct RunSumShape {
    /// Weights.
    pub weights: usize,
    /// Sizes and loss.
    #[serde(flatten)]
    pub figures: RunFiguresShape,
}

/// What one rule did.
#[derive(Debug, Serialize)]
pub struct RunRuleShape {
    /// Its selector as written.
    pub selector: String,
    /// The scheme.
    pub scheme: String,
    /// The sums.
    #[serde(flatten)]
    pub sum: RunSumShape,
}

/// What was done with one weight.
#[derive(Debug, Serialize)]
pub struct RunWeightShape {
    /// Its name.
    pub name: String,
    /// The scheme.
    pub scheme: String,
    /// Sizes and loss.
    #[serde(flatten)]
    pub figures: RunFiguresShape,
    /// The largest absolute error; null where it is infinite or no number.
    pub max_error: Option<f64>,
}

/// What the run found.
#[derive(Debug, Serialize)]
pub struct RunFindingShape {
    /// The code of the rule.
    pub code: &'static str,
    /// Its severity.
    pub severity: &'static str,
    /// What it says.
    pub message: String,
    /// The weights concerned.
    pub weights: Vec<String>,
}

/// The signal to noise ratio for JSON, which has no numbers that are infinite or none: nothing where nothing is
/// lost, null where the values are destroyed.
pub(super) fn ratio(sqnr: f64) -> Option<Option<f64>> {
    (sqnr != f64::INFINITY).then(|| sqnr.is_finite().then_some(sqnr))
}

/// What is known of each expectation of a recipe.
pub(super) fn expectations(recipe: &Recipe, after: &AfterRun) -> Vec<RunExpectationShape> {
    let texts = Texts::new(recipe);
    let expectation = |(expect, verdict): (&crate::recipe::Expect, &Verdict)| RunExpectationShape {
        region: RegionShape::new(expect.place, &texts),
        claim: claim(recipe, expect).to_string(),
        verdict: verdict.word(),
        why: match verdict {
            Verdict::NotMeasured(why) => Some(why.to_string()),
            Verdict::Met | Verdict::Failed => None,
        },
    };
    recipe.expects.iter().zip(&after.verdicts).map(expectation).collect()
}

/// What was found after a run.
pub(super) fn findings(after: &AfterRun) -> Vec<RunFindingShape> {
    let finding = |finding: &crate::check::Finding| RunFindingShape {
        code: finding.code,
        severity: finding.severity.word(),
        message: finding.message.clone(),
        weights: finding.weights.clone(),
    };
    after.findings.iter().map(finding).collect()
}

impl RunSumShape {
    fn new(sum: &crate::run::Sum) -> Self {
        RunSumShape {
            weights: sum.weights,
            figures: RunFiguresShape {
                elements: sum.elements,
                bits: sum.bits(),
                before: sum.before,
                after: sum.after,
                sqnr: ratio(sum.error.sqnr()),
            },
        }
    }
}

impl RunShape {
    /// The shape of a run.
    pub fn new(recipe: &Recipe, report: &crate::run::Report, after: &AfterRun) -> Self {
        let selector = |rule: usize| recipe.rules.get(rule).map_or("", |rule| recipe.text(rule.selector_place));
        let weight = |weight: &crate::run::WeightReport| RunWeightShape {
            name: weight.name.clone(),
            scheme: weight.scheme.clone(),
            figures: RunFiguresShape {
                elements: weight.elements,
                bits: weight.bits(),
                before: weight.before,
                after: weight.after,
                sqnr: ratio(weight.error.sqnr()),
            },
            max_error: weight.max_error.is_finite().then_some(weight.max_error),
        };
        RunShape {
            version: VERSION,
            output: report.output.display().to_string(),
            format: report.format.word(),
            before: report.before,
            after: report.after,
            written: report.written,
            copied: report.copied,
            copied_as_fp16: report.as_fp16,
            seconds: report.elapsed.as_secs_f64(),
            total: RunSumShape::new(&report.total()),
            rules: report
                .by_rule()
                .into_iter()
                .map(|((rule, scheme), sum)| RunRuleShape {
                    selector: selector(rule).to_string(),
                    scheme,
                    sum: RunSumShape::new(&sum),
                })
                .collect(),
            weights: report.weights.iter().map(weight).collect(),
            activations: report.activations.map(|found| RunActivationsShape {
                places: found.places,
                ranges: found.ranges,
                samples: found.samples,
                batches: found.batches,
            }),
            kept: report.kept.iter().map(|(name, _)| name.clone()).collect(),
            left_out: report.left_out.iter().map(|(name, _)| name.clone()).collect(),
            expectations: expectations(recipe, after),
            findings: findings(after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ratio;

    #[test]
    fn what_is_destroyed_is_not_shown_as_lossless() {
        let shown = [f64::INFINITY, f64::NAN, f64::NEG_INFINITY, 30.0].map(ratio);
        assert_eq!(shown, [None, Some(None), Some(None), Some(Some(30.0))]);
    }
}
