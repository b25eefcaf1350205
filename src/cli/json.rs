//! The JSON that commands write. The shapes are promises: within one `version` fields are added, never renamed
//! or removed. Sizes are bytes, counts are whole numbers, shares go from 0 to 1.
//!
//! - `check --format json`: [`Document`](crate::check::report::Document), all recipes in one.
//! - `plan --json`: [`PlanShape`]; with `--targets` [`TargetsShape`].
//! - `run --json`: [`RunShape`].
//! - `inspect --json`: [`ModelShape`].
//! - `rules --json`: [`RulesShape`]; `presets --json`: [`PresetsShape`], `presets NAME --json`: [`PresetShape`].

use serde::Serialize;

use crate::check::Rule;
use crate::check::report::Texts;
use crate::check::report::json::{FindingShape, RegionShape, VERSION};
use crate::check::rule::Needs;
use crate::check::targets::ForTarget;
use crate::inspect::{Sum, Values};
use crate::model::{KnownBy, Model, ModelFormat, Role, Weight};
use crate::plan::{Decision, Outcome, Plan};
use crate::recipe::Recipe;
use crate::recipe::preset::{Parameter, Preset};
use crate::recipe::starter;

/// A document as text with a line end. Every shape here can be written.
pub fn text(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

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

/// The head of a model.
#[derive(Debug, Serialize)]
pub struct ModelHead<'a> {
    /// Its path.
    pub path: String,
    /// `safetensors`, `shards`, `hugging-face` or `packed`.
    pub format: &'static str,
    /// The architecture that its `config.json` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<&'a str>,
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

/// A tensor of a model.
#[derive(Debug, Serialize)]
pub struct Tensor<'a> {
    /// Its full name.
    pub name: &'a str,
    /// Other names of the same tensor.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub tied: &'a [String],
    /// The name of its module.
    pub module: &'a str,
    /// The kind of the module.
    pub kind: &'static str,
    /// How the kind is known: `architecture`, `program`, `name` or `shape`.
    pub known_by: &'static str,
    /// `weight`, `bias` or `buffer`.
    pub role: &'static str,
    /// Its dimensions.
    pub shape: &'a [usize],
    /// Its type, as recipes write it.
    pub dtype: &'static str,
    /// Its elements.
    pub elements: u64,
    /// Its bytes in the file.
    pub bytes: u64,
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

/// The word for a format of a model.
pub fn format_word(format: ModelFormat) -> &'static str {
    match format {
        ModelFormat::Safetensors => "safetensors",
        ModelFormat::Shards => "shards",
        ModelFormat::HuggingFace => "hugging-face",
        ModelFormat::Packed => "packed",
        ModelFormat::Listing => "listing",
    }
}

/// The word for how a kind is known.
pub fn known_by_word(known_by: KnownBy) -> &'static str {
    match known_by {
        KnownBy::Architecture => "architecture",
        KnownBy::Program => "program",
        KnownBy::Name => "name",
        KnownBy::Shape => "shape",
    }
}

impl<'a> ModelHead<'a> {
    fn new(model: &'a Model) -> Self {
        ModelHead {
            path: model.path.to_string_lossy().into_owned(),
            format: format_word(model.format),
            architecture: model.architecture.as_deref(),
        }
    }
}

impl<'a> Tensor<'a> {
    fn new(weight: &'a Weight) -> Self {
        Tensor {
            name: &weight.name,
            tied: &weight.tied,
            module: weight.module(),
            kind: weight.kind.word(),
            known_by: known_by_word(weight.known_by),
            role: match weight.role {
                Role::Weight => "weight",
                Role::Bias => "bias",
                Role::Buffer => "buffer",
            },
            shape: &weight.shape,
            dtype: weight.dtype.name(),
            elements: weight.elements(),
            bytes: weight.bytes,
        }
    }
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

/// What `inspect --json` writes.
#[derive(Debug, Serialize)]
pub struct ModelShape<'a> {
    /// The version of the shapes.
    pub version: u32,
    /// The model.
    #[serde(flatten)]
    pub head: ModelHead<'a>,
    /// Its tensors, or those that were asked for.
    pub tensors: Vec<InspectedTensor<'a>>,
    /// Sums over them.
    pub totals: SumShape,
}

/// A tensor, with its values where they were asked for.
#[derive(Debug, Serialize)]
pub struct InspectedTensor<'a> {
    /// The tensor.
    #[serde(flatten)]
    pub tensor: Tensor<'a>,
    /// What its values are like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<ValuesShape>,
}

/// What the values of a tensor are like; NaN and infinities count only as such.
#[derive(Debug, Serialize)]
pub struct ValuesShape {
    /// The smallest finite value.
    pub min: f64,
    /// The largest finite value.
    pub max: f64,
    /// The mean of the finite values.
    pub mean: f64,
    /// Their standard deviation.
    pub std: f64,
    /// Values that are zero.
    pub zeros: u64,
    /// Values that are NaN.
    pub nan: u64,
    /// Values that are infinite.
    pub infinite: u64,
    /// How many finite values lie in each of equal parts of the range from `min` to `max`.
    pub histogram: Vec<u64>,
}

/// Sums over tensors.
#[derive(Debug, Serialize)]
pub struct SumShape {
    /// How many.
    pub tensors: usize,
    /// Their elements.
    pub elements: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl<'a> ModelShape<'a> {
    /// The shape of some tensors of a model, with their values where they were read.
    pub fn new(model: &'a Model, weights: &[&'a Weight], values: &[Option<Values>]) -> Self {
        let tensor = |(index, weight): (usize, &&'a Weight)| InspectedTensor {
            tensor: Tensor::new(weight),
            values: values.get(index).and_then(Option::as_ref).map(|values| ValuesShape {
                min: values.min,
                max: values.max,
                mean: values.mean,
                std: values.std,
                zeros: values.zeros,
                nan: values.nan,
                infinite: values.infinite,
                histogram: values.histogram.to_vec(),
            }),
        };
        let sum = Sum::of(weights.iter().copied());
        ModelShape {
            version: VERSION,
            head: ModelHead::new(model),
            tensors: weights.iter().enumerate().map(tensor).collect(),
            totals: SumShape { tensors: sum.tensors, elements: sum.elements, bytes: sum.bytes },
        }
    }
}

/// What `rules --json` writes.
#[derive(Debug, Serialize)]
pub struct RulesShape {
    /// The version of the shapes.
    pub version: u32,
    /// Every rule.
    pub rules: Vec<RuleShape>,
}

/// A rule of the checker.
#[derive(Debug, Serialize)]
pub struct RuleShape {
    /// Its code.
    pub code: &'static str,
    /// `error`, `warning` or `hint`, as a rule.
    pub severity: &'static str,
    /// What it finds.
    pub title: &'static str,
    /// Who demands it.
    pub demanded_by: &'static str,
    /// What it must know: `recipe`, `model` or `run`.
    pub needs: &'static str,
    /// Its page, as Markdown.
    pub page: &'static str,
    /// A recipe that it finds something in.
    pub failing: &'static str,
    /// The same recipe mended.
    pub mended: &'static str,
    /// The model of the example, written down; empty for none.
    pub model: &'static str,
    /// Where the facts come from.
    pub sources: &'static [&'static str],
}

/// The word for what a rule must know.
pub fn needs_word(needs: Needs) -> &'static str {
    match needs {
        Needs::Recipe => "recipe",
        Needs::Model => "model",
        Needs::Run => "run",
    }
}

impl RulesShape {
    /// The shape of rules.
    pub fn new(rules: &[&'static Rule]) -> Self {
        let one = |rule: &&'static Rule| {
            let example = rule.examples.first();
            RuleShape {
                code: rule.code,
                severity: rule.severity.word(),
                title: rule.title,
                demanded_by: rule.binds.name(),
                needs: needs_word(rule.needs),
                page: rule.page.trim(),
                failing: example.map_or("", |example| example.bad),
                mended: example.map_or("", |example| example.good),
                model: example.map_or("", |example| example.model),
                sources: rule.sources,
            }
        };
        RulesShape { version: VERSION, rules: rules.iter().map(one).collect() }
    }
}

/// What `presets --json` writes.
#[derive(Debug, Serialize)]
pub struct PresetsShape {
    /// The version of the shapes.
    pub version: u32,
    /// Every preset.
    pub presets: Vec<PresetShape>,
}

/// A preset; what `presets NAME --json` writes.
#[derive(Debug, Serialize)]
pub struct PresetShape {
    /// Its name, as ExecuTorch has it.
    pub name: &'static str,
    /// What it does.
    pub title: &'static str,
    /// The target that it sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<&'static str>,
    /// Its parameters, its own first.
    pub parameters: Vec<ParameterShape>,
    /// How a recipe extends it.
    pub statement: String,
    /// The statements that this stands for.
    pub statements: String,
    /// What a recipe must say besides.
    pub beside: &'static str,
}

/// A parameter of a preset.
#[derive(Debug, Serialize)]
pub struct ParameterShape {
    /// ExecuTorch's name.
    pub name: &'static str,
    /// A shorter name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
    /// What it must be.
    pub must: &'static str,
    /// What it is for.
    pub meaning: &'static str,
}

impl PresetShape {
    /// The shape of a preset.
    pub fn new(preset: &'static Preset) -> Self {
        let parameter = |parameter: &'static Parameter| ParameterShape {
            name: parameter.name,
            short: parameter.short,
            required: parameter.required,
            must: parameter.kind.must(),
            meaning: parameter.doc,
        };
        PresetShape {
            name: preset.name,
            title: preset.title,
            target: preset.target,
            parameters: preset.all_parameters().map(parameter).collect(),
            statement: starter::statement(preset),
            statements: starter::statements(preset),
            beside: preset.beside,
        }
    }
}

impl PresetsShape {
    /// The shape of presets.
    pub fn new(presets: &'static [Preset]) -> Self {
        PresetsShape { version: VERSION, presets: presets.iter().map(PresetShape::new).collect() }
    }
}

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
