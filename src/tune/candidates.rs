//! Which schemes each weight may become, and what stays as it is: judged by the checker's own rules.

use std::collections::{BTreeMap, HashMap};

use crate::check::divides::SMALLEST_GROUP;
use crate::check::programs;
use crate::check::why::{Trial, Verdict};
use crate::model::{Model, Weight};
use crate::plan::fit::better_extents;
use crate::plan::{self, Fitted, Outcome, Plan, Reason, size};
use crate::recipe::{Recipe, fragment};
use crate::scheme::{ActivationScheme, Scheme, WeightScheme};

/// What is tried where the recipe and the command line do not say, from most bits to fewest. Those that a target has no
/// operators for, or that do not fit a weight, are left out.
pub const USUAL: &[&str] = &[
    "fp16",
    "int8 per-channel",
    "lut8 per-tensor",
    "lut6 per-grouped-channel(16)",
    "lut6 per-tensor",
    "int4 per-group(16) by mse",
    "int4 per-group(32) by mse",
    "int4 per-group(32)",
    "int4 per-channel by mse",
    "lut4 per-grouped-channel(16)",
    "lut4 per-tensor",
    "lut3 per-grouped-channel(16)",
    "lut2 per-grouped-channel(16)",
];

/// What a weight may become.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The scheme.
    pub scheme: Scheme,
    /// As recipes write it, without parts that are defaults.
    pub text: String,
    /// Made concrete; `None` for `keep`.
    pub fitted: Option<Fitted>,
    /// Bytes after, as the plan counts them.
    pub bytes: u64,
}

/// A weight that may change.
#[derive(Debug, Clone, PartialEq)]
pub struct Tunable {
    /// Its index in the model.
    pub index: usize,
    /// What it may become, `keep` first where that is allowed.
    pub candidates: Vec<Candidate>,
}

/// Weights that stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stays {
    /// Their indices in the model.
    pub weights: Vec<usize>,
    /// Why, to stand behind "because".
    pub why: String,
}

/// A scheme that is no candidate for some weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The scheme.
    pub scheme: String,
    /// For how many weights.
    pub weights: usize,
    /// Why not, of the first of them.
    pub why: String,
}

/// Everything that can be chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choices {
    /// The weights that may change, in the order of the model.
    pub tunable: Vec<Tunable>,
    /// Those that could be quantized and stay.
    pub stays: Vec<Stays>,
    /// Schemes that are left out.
    pub refused: Vec<Refused>,
}

/// A scheme as it is shortest to write.
pub fn spelled(scheme: &Scheme) -> String {
    let full = scheme.to_string();
    let short = full.replacen(" symmetric", "", 1);
    if fragment::scheme(&short).is_ok_and(|read| read == *scheme) { short } else { full }
}

/// Finds what each weight may become: `over`, or the schemes that the recipe's rules name and the [`USUAL`] ones.
pub fn choices(recipe: &Recipe, model: &Model, plan: &Plan, over: Option<&[Scheme]>) -> Choices {
    let mut found = Choices { tunable: Vec::new(), stays: Vec::new(), refused: Vec::new() };
    let mut stays: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut refused: Vec<Refused> = Vec::new();
    let mut judged: HashMap<_, HashMap<String, Result<(), String>>> = HashMap::new();
    for (index, weight) in model.weights.iter().enumerate() {
        if weight.never_quantized().is_some() {
            continue;
        }
        if let Some(why) = staying(recipe, plan, weight, index) {
            stays.entry(why).or_default().push(index);
            continue;
        }
        let rule = plan.decisions[index].rule.and_then(|rule| recipe.rules.get(rule)?.scheme.as_ref());
        let activations = rule.and_then(|scheme| scheme.activations);
        let alike = (weight.kind, &weight.shape, weight.dtype, programs::uses(model, index), spec(activations));
        let known = judged.entry(alike).or_default();
        let mut trial = None;
        let mut candidates = Vec::new();
        // Without their codes the activations of an operator would be what nobody has asked for.
        if activations.is_none() {
            let bytes = plan::in_precision(recipe, weight).bytes;
            let scheme = Scheme { weights: WeightScheme::Keep, sparse: None, activations: None };
            candidates.push(Candidate { scheme, text: "keep".to_owned(), fitted: None, bytes });
        }
        for (scheme, is_asked) in schemes(recipe, weight, activations, over) {
            let text = spelled(&scheme);
            if candidates.iter().any(|candidate| candidate.scheme == scheme) {
                continue;
            }
            let verdict = known.entry(text.clone()).or_insert_with(|| {
                let trial = trial.get_or_insert_with(|| Trial::new(recipe, model, index));
                judge(trial, &scheme, is_asked)
            });
            let held = plan::in_precision(recipe, weight);
            let fitted = match (&*verdict, plan::outcome(recipe, &held, &scheme)) {
                (Ok(()), Outcome::Change(fitted)) => Ok(fitted),
                (Ok(()), Outcome::Keep(reason)) => Err(reason.to_string()),
                (Ok(()), Outcome::Misfit(misfit)) => Err(misfit.to_string()),
                (Err(why), _) => Err(why.clone()),
            };
            match fitted {
                Ok(fitted) => {
                    let bytes = size::bytes(&held, &fitted).saturating_add(plan::beside(recipe, &held));
                    candidates.push(Candidate { scheme, text, fitted: Some(fitted), bytes });
                }
                Err(why) => match refused.iter_mut().find(|refused| refused.scheme == text) {
                    Some(refused) => refused.weights += 1,
                    None => refused.push(Refused { scheme: text, weights: 1, why }),
                },
            }
        }
        if candidates.iter().any(|candidate| candidate.fitted.is_some()) {
            found.tunable.push(Tunable { index, candidates });
        } else {
            stays.entry("no candidate fits it".to_owned()).or_default().push(index);
        }
    }
    found.stays = stays.into_iter().map(|(why, weights)| Stays { weights, why }).collect();
    found.stays.sort_by_key(|stays| stays.weights.first().copied());
    found.refused = refused;
    found
}

/// Why a weight stays as it is, to stand behind "because", if it does.
fn staying(recipe: &Recipe, plan: &Plan, weight: &Weight, index: usize) -> Option<String> {
    if weight.elements() <= recipe.threshold_or_default() {
        return Some(Reason::BelowThreshold.to_string());
    }
    match plan.decisions[index].outcome {
        Outcome::Keep(Reason::Kept) => Some("the recipe keeps it".to_owned()),
        // A recipe without any rule is about all weights.
        Outcome::Keep(Reason::NoRule) if !recipe.rules.is_empty() => Some("no rule is about it".to_owned()),
        _ => None,
    }
}

/// What schemes with and without quantized activations differ in.
fn spec(activations: Option<ActivationScheme>) -> Option<String> {
    activations.map(|activations| format!("{activations:?}"))
}

/// Whether a scheme may be chosen; one that nobody has named must give no warning either.
fn judge(trial: &mut Trial, scheme: &Scheme, is_asked: bool) -> Result<(), String> {
    match trial.verdict(scheme) {
        Verdict::Refused(why) => Err(why),
        Verdict::Fits { set, too_new: true, .. } => Err(format!("it needs {}", set.systems())),
        Verdict::Fits { .. } if is_asked => Ok(()),
        Verdict::Fits { .. } => trial.warning(scheme).map_or(Ok(()), Err),
    }
}

/// The schemes to be tried on a weight, and whether somebody has named them. Those of the recipe are about all weights:
/// it is a choice of schemes, and the rules say which weights it is about.
fn schemes(
    recipe: &Recipe,
    weight: &Weight,
    activations: Option<ActivationScheme>,
    over: Option<&[Scheme]>,
) -> Vec<(Scheme, bool)> {
    if let Some(over) = over {
        // Activations are settled by the recipe.
        return over.iter().map(|scheme| (Scheme { activations, ..scheme.clone() }, true)).collect();
    }
    let own = recipe.rules.iter().filter_map(|rule| rule.scheme.as_ref());
    let own = own.filter(|scheme| scheme.weights != WeightScheme::Keep && scheme.activations == activations);
    let mut all: Vec<(Scheme, bool)> = Vec::new();
    for scheme in own {
        if !all.iter().any(|(known, _)| known == scheme) {
            all.push((scheme.clone(), true));
        }
    }
    for usual in USUAL {
        let adapted = adapted(usual, weight);
        if let Ok(scheme) = fragment::scheme(&adapted) {
            let scheme = Scheme { activations, ..scheme };
            if !all.iter().any(|(known, _)| *known == scheme) {
                all.push((scheme, false));
            }
        }
    }
    all
}

/// A usual scheme with the size of its groups that divides the weight and is nearest.
fn adapted(usual: &str, weight: &Weight) -> String {
    let parts = [("per-group(", weight.in_features()), ("per-grouped-channel(", weight.out_features())];
    for (part, length) in parts {
        let Some((before, rest)) = usual.split_once(part) else { continue };
        let Some((number, behind)) = rest.split_once(')') else { continue };
        let (Some(length), Ok(wish)) = (length, number.parse::<usize>()) else { continue };
        if length > 0 && !length.is_multiple_of(wish) {
            let least = if part == "per-group(" { SMALLEST_GROUP } else { 8 };
            if let Some(near) = better_extents(length, wish, least.min(wish)).first() {
                return format!("{before}{part}{near}){behind}");
            }
        }
    }
    usual.to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::check::{Known, with_defaults};
    use crate::recipe::{NoImports, resolve};

    const MODEL: &str = "\
        layers.{0..2}.up.weight  linear  64x96  fp16\n\
        odd.weight  linear  64x100  fp16\n\
        head.weight  linear  10x64  fp16\n\
        norm.weight  norm  64  fp16\n";

    fn found(text: &str, over: Option<&[&str]>) -> (Model, Choices) {
        let model = Model::listing(MODEL).unwrap();
        let recipe = with_defaults(resolve(Path::new("a.bitmill"), text, &NoImports), Known::Model(&model));
        let plan = plan::plan(&recipe, &model);
        let over: Option<Vec<Scheme>> =
            over.map(|over| over.iter().map(|text| fragment::scheme(text).unwrap()).collect());
        let choices = choices(&recipe, &model, &plan, over.as_deref());
        (model, choices)
    }

    fn texts(choices: &Choices, at: usize) -> Vec<&str> {
        choices.tunable[at].candidates.iter().map(|candidate| candidate.text.as_str()).collect()
    }

    #[test]
    fn what_the_recipe_keeps_or_does_not_name_stays() {
        let (model, choices) = found("target iOS18\nlinear => int8 per-channel\n\"head\" => keep\n", None);
        let names = |stays: &Stays| -> Vec<&str> {
            stays.weights.iter().map(|index| model.weights[*index].name.as_str()).collect()
        };
        assert_eq!(choices.tunable.len(), 4);
        assert_eq!(choices.stays.iter().map(names).collect::<Vec<_>>(), [["head.weight"]]);
        assert_eq!(choices.stays[0].why, "the recipe keeps it");
        let (_, choices) = found("target iOS18\n\"odd\" => int8 per-channel\n", None);
        assert_eq!((choices.tunable.len(), choices.stays[0].why.as_str()), (1, "no rule is about it"));
        let (_, choices) = found("target iOS18\n", None);
        assert_eq!(choices.tunable.len(), 5);
    }

    #[test]
    fn candidates_fit_the_target_and_the_weight() {
        let (model, choices) = found("target iOS18\nall => int8 per-channel\n", None);
        let even = texts(&choices, 0);
        assert!(even.contains(&"keep") && even.contains(&"int4 per-group(32)"), "{even:?}");
        let is_odd = |one: &Tunable| model.weights[one.index].name == "odd.weight";
        let odd = texts(&choices, choices.tunable.iter().position(is_odd).unwrap());
        assert!(odd.iter().any(|text| text.starts_with("int4 per-group(") && !text.contains("(32)")), "{odd:?}");
        let (_, choices) = found("target iOS16\nall => int8 per-channel\n", None);
        assert!(texts(&choices, 0).iter().all(|text| !text.contains("int4") && !text.contains("grouped")));
        let refused = choices.refused.iter().find(|refused| refused.scheme.contains("int4 per-group(32)")).unwrap();
        assert!(refused.why.contains("iOS18"), "{refused:?}");
    }

    #[test]
    fn over_is_all_that_is_tried() {
        let (_, choices) = found("target iOS18\nall => int8 per-channel\n", Some(&["int4 per-group(32)", "lut4"]));
        assert_eq!(texts(&choices, 0), ["keep", "int4 per-group(32)", "lut4 per-tensor"]);
        let (_, choices) = found("target iOS16\nall => int8 per-channel\n", Some(&["int4 per-group(32)"]));
        assert_eq!((choices.tunable.len(), choices.stays[0].why.as_str()), (0, "no candidate fits it"));
    }
}
