//! Where findings belong: at a part of a scheme, or at the rule that decided about what a run measured. And edits
//! that take such parts away.

use std::collections::{BTreeMap, HashMap};

use super::Context;
use super::finding::{Edit, Finding, Severity};
use super::rule::Fact;
use super::words;
use crate::recipe::{ComputeUnits, Field, Place, Recipe, Rule, TargetChoice};
use crate::scheme::{ActivationScheme, Arithmetic, Scheme};
use crate::syntax::Span;

/// The place of a part of a rule's scheme; where a default holds, that of what the weights become.
pub fn part(rule: &Rule, field: Field) -> Place {
    rule.origins.get(field).or_else(|| rule.origins.get(Field::Base)).unwrap_or(rule.scheme_place)
}

/// Where to tell what the Neural Engine does not take, and how much it matters; `None` where it is left out, or nothing
/// is deployed. A recipe that does not say `compute` may use it, so that there it is a hint at the target.
pub fn neural_engine(context: &Context) -> Option<(Place, Severity)> {
    let recipe = context.recipe;
    match recipe.compute {
        _ if recipe.is_experiment() => None,
        Some(compute) if matches!(compute.value, ComputeUnits::Cpu | ComputeUnits::CpuAndGpu) => None,
        Some(compute) => Some((compute.place, Severity::Warning)),
        None => {
            let target = recipe.target.as_ref().and_then(TargetChoice::place);
            let place = target.or_else(|| recipe.rules.first().map(|rule| rule.place))?;
            Some((place, Severity::Hint))
        }
    }
}

/// Where a recipe says that the Neural Engine may be used, as [`neural_engine`].
pub fn asks_neural_engine(context: &Context) -> Option<Place> {
    neural_engine(context).filter(|(_, severity)| *severity == Severity::Warning).map(|(place, _)| place)
}

/// Where the recipe asks by name for the arithmetic of a tool: such a recipe is usually meant to be compared with it, or
/// to go through it.
pub fn asks_for(context: &Context, tool: Arithmetic) -> Option<Place> {
    context.recipe.arithmetic.filter(|written| written.value == tool).map(|written| written.place)
}

/// Static activations of a scheme.
pub fn is_static(scheme: &Scheme) -> bool {
    matches!(scheme.activations, Some(ActivationScheme::Static { .. }))
}

/// What a run measured of the weights that one rule decides about.
#[derive(Debug)]
pub struct Measured<'a> {
    /// The rule; `None` for weights that none matches, or when the model is not known.
    pub rule: Option<&'a Rule>,
    /// The weights, by name.
    pub names: Vec<&'a str>,
    /// Sum of what was counted.
    pub total: u64,
}

/// The facts that `count` picks, by the rule that decides about the weight.
pub fn measured<'a>(context: &Context<'a>, count: impl Fn(&Fact) -> Option<u64>) -> Vec<Measured<'a>> {
    let Some(run) = context.run else { return Vec::new() };
    let picked: Vec<(&str, u64)> =
        run.weights.iter().filter_map(|(name, fact)| Some((name.as_str(), count(fact)?))).collect();
    if picked.is_empty() {
        return Vec::new();
    }
    let mut deciding: HashMap<&str, usize> = HashMap::new();
    if let Some((model, plan)) = context.model {
        let decided = model.weights.iter().zip(&plan.decisions);
        deciding.extend(decided.filter_map(|(weight, decision)| Some((weight.name.as_str(), decision.rule?))));
    }
    let mut groups: BTreeMap<Option<usize>, Measured> = BTreeMap::new();
    for (name, n) in picked {
        let index = deciding.get(name).copied();
        let rule = index.map(|index| &context.recipe.rules[index]);
        let group = groups.entry(index).or_insert(Measured { rule, names: Vec::new(), total: 0 });
        group.names.push(name);
        group.total = group.total.saturating_add(n);
    }
    groups.into_values().collect()
}

impl Measured<'_> {
    /// Where to tell it: at the rule's scheme, or at the recipe's target when no rule is to blame.
    pub fn place(&self, context: &Context) -> Place {
        let target = || context.recipe.target.as_ref().and_then(TargetChoice::place);
        self.rule.map(|rule| rule.scheme_place).or_else(target).unwrap_or_default()
    }
}

/// Offers to keep some weights of a rule as they are, where they are few and have plain names.
pub fn offer_keep(finding: &mut Finding, recipe: &Recipe, rule: &Rule, names: &[&str]) {
    let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/".contains(&b));
    if names.len() <= 3 && names.iter().all(plain) {
        let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let keep = words::insert_after(recipe, recipe.visible(rule.place), &format!("{} => keep", names.join(" or ")));
        finding.fix_with("leave them as they are", false, vec![keep]);
    }
}

/// Takes away a part, as [`words::remove_part`]; `None` when nothing of the scheme would be left.
pub fn without(recipe: &Recipe, place: Place) -> Option<Edit> {
    let edit = words::remove_part(recipe, place);
    let text = words::text_of(recipe, place.file);
    let before = text.get(..edit.place.span.start as usize)?.trim_end_matches([' ', '\t']);
    let rest = text.get(edit.place.span.end as usize..)?;
    let is_last = rest.is_empty() || rest.starts_with(['\n', '\r', '#']);
    (!is_last || !before.ends_with(['=', '>'])).then_some(edit)
}

/// Offers to take a part away, as [`without`], where that leaves a scheme.
pub fn offer_without(finding: &mut Finding, recipe: &Recipe, title: &str, place: Place) {
    if let Some(edit) = without(recipe, place) {
        finding.fix_with(title, false, vec![edit]);
    }
}

/// Takes away an option of a block, key and value; `place` is the value's.
pub fn without_option(recipe: &Recipe, key: &str, place: Place) -> Option<Edit> {
    let before = words::text_of(recipe, place.file).get(..place.span.start as usize).unwrap_or("");
    let start = before.rfind(key).unwrap_or(before.len()) as u32;
    without(recipe, Place::new(place.file, Span::new(start, place.span.end)))
}
