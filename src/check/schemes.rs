//! Schemes and plans as several rules look at them: part by part, and rule by rule.

use std::collections::{BTreeMap, HashMap};

use super::Context;
use super::finding::{Edit, Finding};
pub use super::needs::compression_lacks as lacks;
use super::needs::told_by_preset;
use super::places;
use super::words::{count, list, remove_part};
use crate::model::Weight;
use crate::plan::{Decision, Misfit, Outcome, RuleShare};
use crate::recipe::{Field, Origins, Place, Recipe, Rule, selector::Selector};
use crate::scheme::{Affine, Granularity, Palette, Scheme, WeightScheme};
use crate::syntax::Span;

/// A part of a scheme at the place where it is written, with the rules that use it.
#[derive(Debug)]
pub struct PartUse<'a> {
    /// Where the part is written.
    pub place: Place,
    /// The scheme of the first rule that uses it.
    pub scheme: &'a Scheme,
    /// Where that scheme's parts are written.
    pub origins: &'a Origins,
    /// The rules, in order.
    pub rules: Vec<&'a Rule>,
}

/// The schemes for which `asks` holds, once for each place where the part is written: a named scheme that many
/// rules use is one mistake.
pub fn asked<'a>(recipe: &'a Recipe, field: Field, asks: impl Fn(&Rule, &Scheme) -> bool) -> Vec<PartUse<'a>> {
    let mut found: Vec<PartUse> = Vec::new();
    let mut known: HashMap<Place, usize> = HashMap::new();
    for rule in &recipe.rules {
        let Some(scheme) = rule.scheme.as_ref().filter(|scheme| asks(rule, scheme)) else { continue };
        let place = places::part(rule, field);
        let at = *known.entry(place).or_insert(found.len());
        match found.get_mut(at) {
            Some(part) => part.rules.push(rule),
            None => found.push(PartUse { place, scheme, origins: &rule.origins, rules: vec![rule] }),
        }
    }
    found
}

/// As [`asked`], without what `preset-target-too-low` tells of a preset's rules.
pub fn parts<'a>(recipe: &'a Recipe, field: Field, wanted: impl Fn(&Scheme) -> bool) -> Vec<PartUse<'a>> {
    asked(recipe, field, |rule, scheme| wanted(scheme) && !told_by_preset(recipe, rule))
}

/// The affine schemes for which `wanted` holds, as [`parts`].
pub fn affine_parts<'a>(
    recipe: &'a Recipe,
    field: Field,
    wanted: impl Fn(&Affine) -> bool,
) -> Vec<(PartUse<'a>, &'a Affine)> {
    let all = parts(recipe, field, |scheme| matches!(&scheme.weights, WeightScheme::Affine(affine) if wanted(affine)));
    all.into_iter()
        .filter_map(|part| match &part.scheme.weights {
            WeightScheme::Affine(affine) => Some((part, affine)),
            _ => None,
        })
        .collect()
}

/// The palettes for which `wanted` holds, as [`parts`].
pub fn palette_parts<'a>(
    recipe: &'a Recipe,
    field: Field,
    wanted: impl Fn(&Palette) -> bool,
) -> Vec<(PartUse<'a>, &'a Palette)> {
    let is_wanted = |scheme: &Scheme| matches!(&scheme.weights, WeightScheme::Palette(palette) if wanted(palette));
    parts(recipe, field, is_wanted)
        .into_iter()
        .filter_map(|part| match &part.scheme.weights {
            WeightScheme::Palette(palette) => Some((part, palette)),
            _ => None,
        })
        .collect()
}

impl PartUse<'_> {
    /// Labels the first few rules that use a scheme written elsewhere.
    pub fn label_uses(&self, finding: &mut Finding) {
        for rule in self.rules.iter().take(3) {
            let at = rule.scheme_place;
            let is_inside = at.file == self.place.file
                && at.span.start <= self.place.span.start
                && self.place.span.end <= at.span.end;
            if !is_inside {
                finding.label(at, "used here");
            }
        }
    }

    /// Offers other words for parts of the scheme: each replaces what is written of it, an empty one removes it.
    /// A granularity that is not written stands behind the base.
    pub fn suggest(&self, recipe: &Recipe, finding: &mut Finding, title: impl Into<String>, with: &[(Field, &str)]) {
        finding.fix_with(title, false, self.edits(recipe, with));
    }

    /// The edits of [`PartUse::suggest`].
    pub fn edits(&self, recipe: &Recipe, with: &[(Field, &str)]) -> Vec<Edit> {
        let base_is_replaced = with.iter().any(|(field, _)| *field == Field::Base);
        let mut edits = Vec::new();
        for (field, text) in with {
            match (self.origins.get(*field), self.origins.get(Field::Base)) {
                (Some(place), _) if text.is_empty() => edits.push(remove_part(recipe, place)),
                (Some(place), _) => edits.push(Edit { place, text: text.to_string() }),
                (None, Some(base)) if *field == Field::Granularity && !base_is_replaced && !text.is_empty() => {
                    let end = Span::new(base.span.end, base.span.end);
                    edits.push(Edit { place: Place::new(base.file, end), text: format!(" {text}") });
                }
                _ => {}
            }
        }
        edits
    }

    /// The parts of an affine scheme that a palette of so many bits, one table per tensor, has no use for.
    pub fn edits_to_palette(&self, recipe: &Recipe, bits: u8) -> Vec<Edit> {
        let base = format!("lut{bits}");
        let unused = [Field::Granularity, Field::Mapping, Field::Scale, Field::By].map(|field| (field, ""));
        let mut with = vec![(Field::Base, base.as_str())];
        with.extend(unused);
        self.edits(recipe, &with)
    }
}

/// The weights that a rule decides, with what was decided.
#[derive(Debug)]
pub struct Share<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// Its scheme.
    pub scheme: &'a Scheme,
    /// The weights, in the model's order.
    pub weights: Vec<(&'a Weight, &'a Decision)>,
}

impl<'a> Share<'a> {
    /// The weights' names.
    pub fn names(&self) -> Vec<&'a str> {
        self.weights.iter().map(|(weight, _)| weight.name.as_str()).collect()
    }
}

/// The weights for which `wanted` holds, by the rule that decides them: one pass over the plan.
pub fn shares<'a>(context: &Context<'a>, wanted: impl Fn(&Rule, &Weight, &Decision) -> bool) -> Vec<Share<'a>> {
    shares_of(context, |_, _| true, wanted)
}

/// As [`shares`], of the rules for which `which` holds. Where it holds for none, the weights are not looked at.
pub fn shares_of<'a>(
    context: &Context<'a>,
    which: impl Fn(&Rule, &RuleShare) -> bool,
    wanted: impl Fn(&Rule, &Weight, &Decision) -> bool,
) -> Vec<Share<'a>> {
    let Some((model, plan)) = context.model else { return Vec::new() };
    let is_asked: Vec<bool> =
        context.recipe.rules.iter().zip(&plan.rules).map(|(rule, did)| did.decides > 0 && which(rule, did)).collect();
    let mut by_rule: BTreeMap<usize, Share> = BTreeMap::new();
    if !is_asked.contains(&true) {
        return Vec::new();
    }
    for (weight, decision) in model.weights.iter().zip(&plan.decisions) {
        let Some(index) = decision.rule.filter(|index| is_asked[*index]) else { continue };
        let rule = &context.recipe.rules[index];
        let Some(scheme) = &rule.scheme else { continue };
        if wanted(rule, weight, decision) {
            let share = by_rule.entry(index).or_insert_with(|| Share { rule, scheme, weights: Vec::new() });
            share.weights.push((weight, decision));
        }
    }
    by_rule.into_values().collect()
}

/// The weights that a rule cannot do as it says, and why, by rule.
pub fn misfits<'a>(context: &Context<'a>, wanted: impl Fn(&Scheme, &Misfit) -> bool) -> Vec<Share<'a>> {
    let is_misfit = |rule: &Rule, _: &Weight, decision: &Decision| match (&rule.scheme, &decision.outcome) {
        (Some(scheme), Outcome::Misfit(misfit)) => wanted(scheme, misfit),
        _ => false,
    };
    shares_of(context, |_, did| did.misfits > 0, is_misfit)
}

/// Granularities written at one place, with every weight of every rule that uses it, so that a change of it can be
/// tried on all.
pub fn users_of<'a>(context: &Context<'a>, place: Place) -> Vec<&'a Weight> {
    let all = shares(context, |rule, _, decision| {
        places::part(rule, Field::Granularity) == place
            && matches!(decision.outcome, Outcome::Change(_) | Outcome::Misfit(_))
    });
    all.iter().flat_map(|share| share.weights.iter().map(|(weight, _)| *weight)).collect()
}

/// A granularity with another extent where the old one does not divide.
pub fn with_extent(granularity: &Granularity, axis: usize, extent: usize) -> Option<Granularity> {
    match granularity {
        Granularity::PerGroup(_) => Some(Granularity::PerGroup(extent)),
        Granularity::PerGroupedChannel(_) => Some(Granularity::PerGroupedChannel(extent)),
        Granularity::Block(extents) => {
            let mut changed = extents.clone();
            *changed.get_mut(axis)? = Some(extent);
            Some(Granularity::Block(changed))
        }
        Granularity::PerTensor | Granularity::PerChannel(_) => None,
    }
}

/// The greatest number that divides all lengths; 0 for none.
pub fn common_divisor(lengths: impl Iterator<Item = usize>) -> usize {
    lengths.fold(0, |mut a, mut b| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    })
}

/// The text of a selector with a condition more.
pub fn selector_where(recipe: &Recipe, rule: &Rule, condition: &str) -> String {
    let text = recipe.text(rule.selector_place);
    if matches!(rule.selector, Selector::Kind(..) | Selector::Name(..)) {
        format!("{text} where {condition}")
    } else {
        format!("({text}) where {condition}")
    }
}

/// `3 weights, such as `a`, `b` and 1 more`.
pub fn weights_named(names: &[&str]) -> String {
    if names.len() == 1 { list(names, 1) } else { format!("{} ({})", count(names.len(), "weight"), list(names, 2)) }
}
