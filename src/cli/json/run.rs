//! Runs.

use crate::check::report::json::VERSION;
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
    /// Tensors copied byte for byte.
    pub copied: usize,
    /// Seconds it took.
    pub seconds: f64,
    /// Everything that was changed.
    pub total: RunSumShape,
    /// By rule and scheme, in the order of the recipe.
    pub rules: Vec<RunRuleShape>,
    /// Every weight that was changed, in the model's order.
    pub weights: Vec<RunWeightShape>,
    /// Weights that stay because of their values.
    pub kept: Vec<String>,
    /// What only the run could find.
    pub findings: Vec<RunFindingShape>,
}

/// Sums of a run.
#[derive(Debug, Serialize)]
pub struct RunSumShape {
    /// Weights.
    pub weights: usize,
    /// Elements.
    pub elements: u64,
    /// Average bits per element.
    pub bits: f64,
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
    /// Signal to noise ratio in dB; absent where nothing is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqnr: Option<f64>,
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
    /// Elements.
    pub elements: u64,
    /// Bits per element.
    pub bits: f64,
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
    /// Signal to noise ratio in dB; absent where nothing is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqnr: Option<f64>,
    /// The largest absolute error.
    pub max_error: f64,
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

/// JSON has no infinity: what is exact has no ratio.
fn ratio(sqnr: f64) -> Option<f64> {
    sqnr.is_finite().then_some(sqnr)
}

impl RunSumShape {
    fn new(sum: &crate::run::Sum) -> Self {
        RunSumShape {
            weights: sum.weights,
            elements: sum.elements,
            bits: sum.bits(),
            before: sum.before,
            after: sum.after,
            sqnr: ratio(sum.error.sqnr()),
        }
    }
}

impl RunShape {
    /// The shape of a run.
    pub fn new(recipe: &Recipe, report: &crate::run::Report, findings: &[&crate::check::Finding]) -> Self {
        let selector = |rule: usize| recipe.rules.get(rule).map_or("", |rule| recipe.text(rule.selector_place));
        let weight = |weight: &crate::run::WeightReport| RunWeightShape {
            name: weight.name.clone(),
            scheme: weight.scheme.clone(),
            elements: weight.elements,
            bits: weight.bits(),
            before: weight.before,
            after: weight.after,
            sqnr: ratio(weight.error.sqnr()),
            max_error: weight.max_error,
        };
        let finding = |finding: &&crate::check::Finding| RunFindingShape {
            code: finding.code,
            severity: finding.severity.word(),
            message: finding.message.clone(),
            weights: finding.weights.clone(),
        };
        RunShape {
            version: VERSION,
            output: report.output.display().to_string(),
            format: report.format.word(),
            before: report.before,
            after: report.after,
            written: report.written,
            copied: report.copied,
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
            kept: report.kept.iter().map(|(name, _)| name.clone()).collect(),
            findings: findings.iter().map(finding).collect(),
        }
    }
}
