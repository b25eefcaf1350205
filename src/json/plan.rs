//! Plans.

use super::model::{ModelHead, Tensor};
use crate::check::report::Texts;
use crate::check::report::json::{FindingShape, RegionShape, VERSION};
use crate::check::targets::ForTarget;
use crate::model::{Model, Weight};
use crate::plan::{Decision, Outcome, Plan};
use crate::pt2e::Spec;
use crate::recipe::Recipe;
use crate::run::activations::{PlannedActivations, PlannedValue, Source};
use crate::scheme::Mapping;
use serde::Serialize;

/// What `plan --json` writes.
#[derive(Debug, Serialize)]
pub struct PlanShape<'a> {
    /// The version of the shapes.
    pub version: u32,
    /// The recipe, as it was given.
    pub recipe: String,
    /// The model.
    pub model: ModelHead<'a>,
    /// Settings that the decisions depend on.
    pub settings: Settings,
    /// One for each tensor, in the order of the model.
    pub weights: Vec<PlannedWeight<'a>>,
    /// One for each rule, in the order in which they are read.
    pub rules: Vec<PlannedRule<'a>>,
    /// What becomes codes of what flows between operators, where the recipe quantizes activations of an export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activations: Option<ActivationsShape>,
    /// Sums over the whole model.
    pub totals: TotalsShape,
    /// Errors of the recipe; with some there will be no run.
    pub errors: usize,
}

/// Settings that the decisions depend on, defaults filled in.
#[derive(Debug, Serialize)]
pub struct Settings {
    /// The targets as they are written; empty without one.
    pub target: Vec<String>,
    /// Whose formulas hold: `torchao` or `coremltools`.
    pub arithmetic: &'static str,
    /// Weights with no more elements stay as they are.
    pub threshold: u64,
}

/// What is decided for a weight.
#[derive(Debug, Serialize)]
pub struct PlannedWeight<'a> {
    /// The tensor.
    #[serde(flatten)]
    pub tensor: Tensor<'a>,
    /// `change`, `keep` or `misfit`.
    pub outcome: &'static str,
    /// Why it is kept, or why it does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The scheme that its rule asks for, in its canonical spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The rule that decides: an index into `rules`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// The rules that match too but come earlier, latest first.
    pub beaten: &'a [usize],
    /// Average bits per element afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<f64>,
    /// Bytes afterwards.
    pub bytes_after: u64,
}

/// What a rule does in a plan.
#[derive(Debug, Serialize)]
pub struct PlannedRule<'a> {
    /// Where it is written.
    #[serde(flatten)]
    pub region: RegionShape,
    /// The rule as it is written.
    pub text: &'a str,
    /// Weights that it matches.
    pub matches: usize,
    /// Of those, weights that it decides.
    pub decides: usize,
    /// Of those, weights that it changes.
    pub changes: usize,
    /// Bytes of the weights it decides, before.
    pub bytes: u64,
    /// The same, after.
    pub bytes_after: u64,
}

/// What becomes codes of what flows between operators.
#[derive(Debug, Serialize)]
pub struct ActivationsShape {
    /// Places where values become codes, in the order of the program.
    pub values: Vec<ValueShape>,
    /// Ranges that are to be observed; values of the same one share scale and zero point.
    pub ranges: Vec<RangeShape>,
}

/// A place where a value becomes codes.
#[derive(Debug, Serialize)]
pub struct ValueShape {
    /// Its name in the export.
    pub name: String,
    /// `input`, `constant` or `operation`.
    pub source: &'static str,
    /// What gives it, where it is computed: `relu`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The dotted path of the module that runs that operator, empty for the outermost; of a constant, the name of the
    /// tensor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The operations that take it as codes. Without it, all that take it and callers do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
    /// Its range: an index into `ranges`.
    pub range: usize,
}

/// What the codes of a range are like.
#[derive(Debug, Serialize)]
pub struct RangeShape {
    /// `uint8` or `int8`.
    pub dtype: &'static str,
    /// `symmetric` (zero in the middle of the codes) or `asymmetric`.
    pub mapping: &'static str,
    /// How many of `values` have it.
    pub values: usize,
}

impl ActivationsShape {
    fn new(planned: &PlannedActivations) -> Self {
        let value = |value: &PlannedValue| {
            let (source, operator) = match &value.source {
                Source::Input => ("input", None),
                Source::Constant(_) => ("constant", None),
                Source::Operation { operator, .. } => ("operation", Some(operator.to_string())),
            };
            let path = (source != "input").then(|| value.source.path().to_string());
            let users = value.users.as_ref().map(|users| users.iter().map(ToString::to_string).collect());
            ValueShape { name: value.name.to_string(), source, operator, path, users, range: value.range }
        };
        let range = |(index, spec): (usize, &Spec)| RangeShape {
            dtype: spec.dtype(),
            mapping: if spec.symmetric { Mapping::Symmetric.word() } else { Mapping::Asymmetric.word() },
            values: planned.values.iter().filter(|value| value.range == index).count(),
        };
        ActivationsShape {
            values: planned.values.iter().map(value).collect(),
            ranges: planned.ranges.iter().enumerate().map(range).collect(),
        }
    }
}

/// Sums over a plan.
#[derive(Debug, Serialize)]
pub struct TotalsShape {
    /// Tensors of the model.
    pub tensors: usize,
    /// Weights that could be quantized.
    pub candidates: usize,
    /// Weights that are changed.
    pub changed: usize,
    /// Average bits per element of what is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<f64>,
    /// Bytes of all tensors before.
    pub bytes: u64,
    /// Bytes of all tensors after.
    pub bytes_after: u64,
    /// Bytes after as a share of those before.
    pub share: f64,
}

impl<'a> PlanShape<'a> {
    /// The shape of a plan.
    pub fn new(path: &std::path::Path, recipe: &'a Recipe, model: &'a Model, plan: &'a Plan, errors: usize) -> Self {
        let texts = Texts::new(recipe);
        let weight = |(weight, decision): (&'a Weight, &'a Decision)| planned(recipe, weight, decision);
        let rule = |(rule, share): (&'a crate::recipe::Rule, &crate::plan::RuleShare)| PlannedRule {
            region: RegionShape::new(rule.place, &texts),
            text: recipe.text(rule.place),
            matches: share.matches,
            decides: share.decides,
            changes: share.changes,
            bytes: share.before,
            bytes_after: share.after,
        };
        let totals = plan.totals(model, |_| true);
        let target = match &recipe.target {
            None => Vec::new(),
            Some(crate::recipe::TargetChoice::None(_)) => vec!["none".to_string()],
            Some(crate::recipe::TargetChoice::Systems(all)) => all.iter().map(|t| t.value.to_string()).collect(),
        };
        PlanShape {
            version: VERSION,
            recipe: path.to_string_lossy().into_owned(),
            model: ModelHead::new(model),
            settings: Settings {
                target,
                arithmetic: recipe.arithmetic_or_default().word(),
                threshold: recipe.threshold_or_default(),
            },
            weights: model.weights.iter().zip(&plan.decisions).map(weight).collect(),
            rules: recipe.rules.iter().zip(&plan.rules).map(rule).collect(),
            activations: PlannedActivations::new(recipe, model, plan).as_ref().map(ActivationsShape::new),
            totals: TotalsShape {
                tensors: totals.tensors,
                candidates: totals.candidates,
                changed: totals.changed,
                bits: totals.bits(),
                bytes: totals.before,
                bytes_after: totals.after,
                share: totals.share(),
            },
            errors,
        }
    }
}

fn planned<'a>(recipe: &Recipe, weight: &'a Weight, decision: &'a Decision) -> PlannedWeight<'a> {
    let scheme = decision.rule.and_then(|rule| recipe.rules.get(rule)?.scheme.as_ref());
    PlannedWeight {
        tensor: Tensor::new(weight),
        outcome: decision.outcome.word(),
        reason: match &decision.outcome {
            Outcome::Change(_) => None,
            Outcome::Keep(reason) => Some(reason.to_string()),
            Outcome::Misfit(misfit) => Some(misfit.to_string()),
        },
        scheme: scheme.map(ToString::to_string),
        rule: decision.rule,
        beaten: &decision.beaten,
        bits: (decision.outcome.is_change() && weight.elements() > 0)
            .then(|| decision.after as f64 * 8.0 / weight.elements() as f64),
        bytes_after: decision.after,
    }
}

/// What `plan --targets --json` writes.
#[derive(Debug, Serialize)]
pub struct TargetsShape {
    /// The version of the shapes.
    pub version: u32,
    /// One for each operator set, oldest first.
    pub targets: Vec<TargetShape>,
}

/// What would have to change for one operator set.
#[derive(Debug, Serialize)]
pub struct TargetShape {
    /// Its name in Core ML: `CoreML8`.
    pub operators: &'static str,
    /// The first systems that have it.
    pub systems: String,
    /// Whether the recipe's target is among them.
    pub current: bool,
    /// The errors that the recipe would have.
    pub errors: Vec<FindingShape>,
}

impl TargetsShape {
    /// The shape of answers for every target.
    pub fn new(recipe: &Recipe, targets: &[ForTarget]) -> Self {
        let texts = Texts::new(recipe);
        let one = |target: &ForTarget| TargetShape {
            operators: target.set.name,
            systems: target.set.systems(),
            current: target.current,
            errors: target.errors.iter().map(|finding| FindingShape::new(finding, &texts)).collect(),
        };
        TargetsShape { version: VERSION, targets: targets.iter().map(one).collect() }
    }
}
