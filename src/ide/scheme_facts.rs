//! What a scheme is, costs, needs, and is called elsewhere.

use super::Analysis;
use super::prospects::{ANY, Prospects};
use crate::coreml::feature::{Feature, lowest_set};
use crate::coreml::target::OperatorSet;
use crate::model::Weight;
use crate::plan::words::arithmetic;
use crate::plan::{self, Outcome};
use crate::recipe::Recipe;
use crate::scheme::{ActivationScheme, Mapping, Scheme, WeightScheme};
use crate::translation::{Translation, translations};

/// What is known of a scheme.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemeFacts {
    /// The scheme.
    pub scheme: Scheme,
    /// Why it does not fit the weights that it is for, or the target.
    pub unfit: Option<String>,
    /// Bytes before and after, and bits per weight, of weights of the model.
    pub sizes: Option<(u64, u64, f64)>,
    /// Of a scheme on its own without a model: bits per weight of a large linear layer.
    pub bits: Option<f64>,
    /// Of a scheme on its own: how far it fits the model.
    pub fits: Option<Fits>,
    /// The operators of Core ML that it becomes.
    pub operators: Vec<&'static str>,
    /// The oldest operator set that has all it asks.
    pub set: &'static OperatorSet,
    /// Whose formulas hold, where that makes a difference.
    pub arithmetic: Option<String>,
    /// What torchao, coremltools and ExecuTorch call it.
    pub translations: Vec<Translation>,
}

/// How far a scheme fits a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fits {
    /// Weights that can be quantized so.
    pub weights: usize,
    /// Weights that can be quantized, but not so.
    pub others: usize,
    /// Why not, of the first of them.
    pub why: Option<String>,
}

/// Of the scheme of a statement that begins at an offset, for the weights that the statement is about. `None` for a
/// scheme that changes nothing.
pub fn of_statement(analysis: &Analysis, statement: u32, scheme: &Scheme) -> Option<SchemeFacts> {
    facts(analysis, Prospects::of(analysis, statement), scheme)
}

/// Of a scheme on its own, for all weights of the model that can be quantized. `None` for a scheme that changes
/// nothing.
pub fn of_scheme(analysis: &Analysis, scheme: &Scheme) -> Option<SchemeFacts> {
    let mut facts = facts(analysis, Prospects::of_any(analysis), scheme)?;
    let recipe = analysis.recipe();
    let Some((model, _)) = analysis.planned() else {
        let weight = ANY.as_ref().and_then(|model| model.weights.first());
        facts.bits = weight.and_then(|weight| Some(bits(bytes_after(recipe, weight, scheme).ok()?, weight.elements())));
        return Some(facts);
    };
    let mut fits = Fits::default();
    let (mut before, mut after, mut elements) = (0u64, 0u64, 0u64);
    for weight in model.weights.iter().filter(|weight| weight.never_quantized().is_none()) {
        match bytes_after(recipe, weight, scheme) {
            Ok(bytes) => {
                fits.weights += 1;
                before = before.saturating_add(weight.bytes);
                after = after.saturating_add(bytes);
                elements = elements.saturating_add(weight.elements());
            }
            Err(why) => {
                fits.others += 1;
                fits.why.get_or_insert_with(|| format!("{}: {why}", weight.short_name()));
            }
        }
    }
    facts.sizes = (fits.weights > 0).then(|| (before, after, bits(after, elements)));
    facts.fits = Some(fits);
    Some(facts)
}

fn bits(bytes: u64, elements: u64) -> f64 {
    bytes as f64 * 8.0 / elements.max(1) as f64
}

/// Bytes of a weight under a scheme, or why it stays as it is.
fn bytes_after(recipe: &Recipe, weight: &Weight, scheme: &Scheme) -> Result<u64, String> {
    let held = plan::in_precision(recipe, weight);
    match plan::outcome(recipe, &held, scheme) {
        Outcome::Change(fitted) => Ok(plan::size::bytes(&held, &fitted)),
        Outcome::Keep(reason) => Err(reason.to_string()),
        Outcome::Misfit(misfit) => Err(misfit.to_string()),
    }
}

fn facts(analysis: &Analysis, mut prospects: Prospects, scheme: &Scheme) -> Option<SchemeFacts> {
    if scheme.weights == WeightScheme::Keep && scheme.sparse.is_none() {
        return None;
    }
    let prospect = prospects.judge(scheme);
    let mut operators = prospects.operators(scheme);
    if scheme.activations.is_some() {
        operators.extend(Feature::Activations.need().operators.split(", "));
    }
    Some(SchemeFacts {
        scheme: scheme.clone(),
        unfit: prospect.unfit,
        sizes: prospect.sizes,
        bits: None,
        fits: None,
        operators,
        set: lowest_set(scheme),
        arithmetic: is_symmetric(scheme).then(|| arithmetic(analysis.recipe())),
        translations: translations(scheme),
    })
}

/// Whether the arithmetic makes a difference.
fn is_symmetric(scheme: &Scheme) -> bool {
    let of_weights = matches!(&scheme.weights, WeightScheme::Affine(affine) if affine.mapping == Mapping::Symmetric);
    of_weights || matches!(scheme.activations, Some(ActivationScheme::Static { .. }))
}
