//! Where findings belong: at the part of a scheme that asks for something, once, however many rules use it; or
//! at the rule that decided about a weight. And edits that take such parts away.

use std::collections::{BTreeMap, HashMap};

use super::Context;
use super::finding::{Edit, Finding};
use super::rule::Fact;
use crate::model::Weight;
use crate::plan::Decision;
use crate::recipe::{Field, Place, Recipe, Rule, TargetChoice};
use crate::scheme::{ActivationScheme, Scheme};
use crate::syntax::Span;

/// A part of a scheme and the rules that ask for it.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Where the part is written: in a rule, or in a named scheme that several rules use.
    pub place: Place,
    /// The rules, in order; at least one.
    pub rules: Vec<(&'a Rule, &'a Scheme)>,
}

/// The place of a part of a rule's scheme; where a default holds, that of what the weights become.
pub fn part(rule: &Rule, field: Field) -> Place {
    rule.origins.get(field).or_else(|| rule.origins.get(Field::Base)).unwrap_or(rule.scheme_place)
}

/// The distinct places of a part among the rules for which `asks` holds.
pub fn asked<'a>(recipe: &'a Recipe, field: Field, asks: impl Fn(&Rule, &Scheme) -> bool) -> Vec<Asked<'a>> {
    let mut index: HashMap<Place, usize> = HashMap::new();
    let mut all: Vec<Asked> = Vec::new();
    for rule in &recipe.rules {
        let Some(scheme) = rule.scheme.as_ref().filter(|scheme| asks(rule, scheme)) else { continue };
        let place = part(rule, field);
        let at = *index.entry(place).or_insert(all.len());
        match all.get_mut(at) {
            Some(known) => known.rules.push((rule, scheme)),
            None => all.push(Asked { place, rules: vec![(rule, scheme)] }),
        }
    }
    all
}

impl<'a> Asked<'a> {
    /// The first rule that asks, and its scheme.
    pub fn first(&self) -> (&'a Rule, &'a Scheme) {
        self.rules[0]
    }

    /// Names the rules that use a scheme which is defined elsewhere.
    pub fn label_rules(&self, finding: &mut Finding) {
        let inside = |place: Place| place.file == self.place.file && place.span.to(self.place.span) == place.span;
        for (rule, _) in self.rules.iter().filter(|(rule, _)| !inside(rule.place)).take(3) {
            finding.label(rule.scheme_place, "used here");
        }
    }
}

/// Static activations of a scheme.
pub fn is_static(scheme: &Scheme) -> bool {
    matches!(scheme.activations, Some(ActivationScheme::Static { .. }))
}

/// The weights of which `is` holds, by the rule that decides about them, an index into `Recipe::rules`.
pub fn by_rule<'a>(
    context: &Context<'a>,
    is: impl Fn(&Rule, &Weight, &Decision) -> bool,
) -> BTreeMap<usize, Vec<&'a Weight>> {
    let mut all: BTreeMap<usize, Vec<&Weight>> = BTreeMap::new();
    let Some((model, plan)) = context.model else { return all };
    for (weight, decision) in model.weights.iter().zip(&plan.decisions) {
        if let Some(index) = decision.rule
            && is(&context.recipe.rules[index], weight, decision)
        {
            all.entry(index).or_default().push(weight);
        }
    }
    all
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

    /// Offers to keep the weights as they are, where they are few and have plain names.
    pub fn offer_keep(&self, finding: &mut Finding, recipe: &Recipe) {
        let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/".contains(&b));
        if let Some(rule) = self.rule
            && self.names.len() <= 3
            && self.names.iter().all(plain)
        {
            let names: Vec<String> = self.names.iter().map(|name| format!("\"{name}\"")).collect();
            let keep = super::words::insert_after(recipe, rule.place, &format!("{} => keep", names.join(" or ")));
            finding.fix_with("leave them as they are", false, vec![keep]);
        }
    }
}

fn source(recipe: &Recipe, place: Place) -> &str {
    recipe.sources.get(place.file.0 as usize).map_or("", |source| source.text.as_str())
}

/// Takes away a part with the blanks before it, and the comma before those; `None` when nothing of the scheme would
/// be left.
pub fn without(recipe: &Recipe, place: Place) -> Option<Edit> {
    let text = source(recipe, place);
    let blanks = [' ', '\t'];
    let before = text.get(..place.span.start as usize)?.trim_end_matches(blanks);
    let before = before.strip_suffix(',').unwrap_or(before).trim_end_matches(blanks);
    let rest = text.get(place.span.end as usize..)?.trim_start_matches(blanks);
    let is_last = rest.is_empty() || rest.starts_with(['\n', '\r', '#']);
    if is_last && before.ends_with(['=', '>']) {
        return None;
    }
    let start = before.len() as u32;
    Some(Edit { place: Place::new(place.file, Span::new(start, place.span.end)), text: String::new() })
}

/// Offers to take a part away, as [`without`], where that leaves a scheme.
pub fn offer_without(finding: &mut Finding, recipe: &Recipe, title: &str, place: Place) {
    if let Some(edit) = without(recipe, place) {
        finding.fix_with(title, false, vec![edit]);
    }
}

/// Takes away an option of a block, key and value; `place` is the value's.
pub fn without_option(recipe: &Recipe, key: &str, place: Place) -> Option<Edit> {
    let before = source(recipe, place).get(..place.span.start as usize).unwrap_or("");
    let start = before.rfind(key).unwrap_or(before.len()) as u32;
    without(recipe, Place::new(place.file, Span::new(start, place.span.end)))
}
