//! The decision for every weight: which rule won, what the weight becomes, how many bytes that takes.
//! Made from a recipe and headers alone; no weights are read. Knows no kernels.

mod anew;
mod decisions;
pub mod fit;
pub mod lock;
pub mod matching;
pub mod size;
pub mod words;

use std::borrow::Cow;
use std::sync::Arc;

use rayon::prelude::*;

use crate::dtype::DType;
use crate::model::{Model, Role, Weight};
use crate::recipe::{Recipe, Rule};
use crate::scheme::{Scheme, WeightScheme};
pub use anew::{Planned, plan_after};
pub use decisions::Decisions;
pub use fit::{Fitted, Misfit};
pub use matching::{Matches, NameIndex};

/// What becomes of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// One for each of `Model::weights`, in their order.
    pub decisions: Decisions,
    /// One for each of `Recipe::rules`, in their order.
    pub rules: Vec<RuleShare>,
}

/// What was decided for one weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The rule that decides, an index into `Recipe::rules`; `None` when none matches.
    pub rule: Option<usize>,
    /// The rules that match but come earlier, latest first.
    pub beaten: Vec<usize>,
    /// What becomes of the weight.
    pub outcome: Outcome,
    /// Bytes before.
    pub before: u64,
    /// Bytes after, as Core ML and the packed format store it.
    pub after: u64,
}

/// What becomes of a weight.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is quantized, pruned or converted so.
    Change(Fitted),
    /// It stays byte for byte.
    Keep(Reason),
    /// The rule asks for what cannot be: a finding, and no run.
    Misfit(Misfit),
}

/// Why a weight stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No rule matches it.
    NoRule,
    /// A rule says `keep`.
    Kept,
    /// It has no more elements than the threshold.
    BelowThreshold,
    /// It is no weight that could be quantized; the text says why.
    Never(&'static str),
    /// The rule has no scheme that could be told.
    Unreadable,
}

/// What a rule did in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleShare {
    /// Weights that could be quantized, or that its selector names, and that it matches.
    pub matches: usize,
    /// Of those, weights that it decides.
    pub decides: usize,
    /// Of those, weights that it changes.
    pub changes: usize,
    /// Of those, weights that its scheme does not fit.
    pub misfits: usize,
    /// Of those it changes, weights that do not become smaller.
    pub grows: usize,
    /// Of those it decides, weights that stay because they are no larger than the threshold.
    pub small: usize,
    /// Of those it decides, weights that no scheme could change.
    pub never: usize,
    /// Bytes before, of the weights it decides.
    pub before: u64,
    /// Bytes after, of the weights it decides.
    pub after: u64,
}

impl RuleShare {
    /// What the deciding rule does in a decision.
    fn of(decision: &Decision) -> RuleShare {
        let is = |happens: bool| usize::from(happens);
        let outcome = &decision.outcome;
        RuleShare {
            matches: 1,
            decides: 1,
            changes: is(outcome.is_change()),
            misfits: is(matches!(outcome, Outcome::Misfit(_))),
            grows: is(outcome.is_change() && decision.after >= decision.before),
            small: is(matches!(outcome, Outcome::Keep(Reason::BelowThreshold))),
            never: is(matches!(outcome, Outcome::Keep(Reason::Never(_)))),
            before: decision.before,
            after: decision.after,
        }
    }

    /// What is left without a part that is in it.
    fn minus(self, part: RuleShare) -> RuleShare {
        RuleShare {
            matches: self.matches.saturating_sub(part.matches),
            decides: self.decides.saturating_sub(part.decides),
            changes: self.changes.saturating_sub(part.changes),
            misfits: self.misfits.saturating_sub(part.misfits),
            grows: self.grows.saturating_sub(part.grows),
            small: self.small.saturating_sub(part.small),
            never: self.never.saturating_sub(part.never),
            before: self.before.saturating_sub(part.before),
            after: self.after.saturating_sub(part.after),
        }
    }

    /// Both together.
    pub fn plus(self, other: RuleShare) -> RuleShare {
        RuleShare {
            matches: self.matches + other.matches,
            decides: self.decides + other.decides,
            changes: self.changes + other.changes,
            misfits: self.misfits + other.misfits,
            grows: self.grows + other.grows,
            small: self.small + other.small,
            never: self.never + other.never,
            before: self.before.saturating_add(other.before),
            after: self.after.saturating_add(other.after),
        }
    }
}

impl Outcome {
    /// Whether the weight is changed.
    pub fn is_change(&self) -> bool {
        matches!(self, Outcome::Change(_))
    }
}

impl Decision {
    /// Every rule that matches the weight, the deciding one first.
    pub fn matched(&self) -> impl Iterator<Item = usize> + '_ {
        self.rule.into_iter().chain(self.beaten.iter().copied())
    }

    /// Whether what is decided is no matter of course: a rule has a say, or the weight could be quantized.
    pub fn is_telling(&self, weight: &Weight) -> bool {
        self.outcome.is_change() || self.rule.is_some() || weight.never_quantized().is_none()
    }
}

/// Rules from which on it pays to sort the names of a model first.
pub const MANY_RULES: usize = 64;

/// Decides for every weight of a model.
pub fn plan(recipe: &Recipe, model: &Model) -> Plan {
    let many = recipe.rules.len() >= MANY_RULES;
    let index = many.then(|| NameIndex::new(model));
    let matches = |rule: &Rule| match &index {
        Some(index) => Arc::new(index.matches(recipe, model, &rule.selector)),
        None => Arc::new(Matches::tried(recipe, model, &rule.selector)),
    };
    let matched: Vec<Arc<Matches>> = recipe.rules.par_iter().map(matches).collect();
    plan_after(None, recipe, model, &matched).plan
}

/// Decides for one weight. A rule whose scheme could not be told still takes what it matches: the mistake is
/// reported, and an earlier rule must not seem to decide instead.
pub fn decide(recipe: &Recipe, weight: &Weight) -> Decision {
    let as_held = &*in_precision(recipe, weight);
    let rules = recipe.rules.iter().enumerate().rev();
    let mut matched = rules.filter(|(_, rule)| rule.selector.matches(as_held)).map(|(index, _)| index);
    let rule = matched.next();
    decision(recipe, weight, rule, matched.collect())
}

/// The decision for a weight, given the rules that match it.
fn decision(recipe: &Recipe, weight: &Weight, rule: Option<usize>, beaten: Vec<usize>) -> Decision {
    let before = weight.bytes;
    let weight = &*in_precision(recipe, weight);
    let outcome = match rule.and_then(|index| recipe.rules.get(index)) {
        None => Outcome::Keep(match weight.never_quantized() {
            Some(why) => Reason::Never(why),
            None => Reason::NoRule,
        }),
        Some(rule) => match &rule.scheme {
            None => Outcome::Keep(Reason::Unreadable),
            Some(scheme) => outcome(recipe, weight, scheme),
        },
    };
    let after = match &outcome {
        Outcome::Change(fitted) => size::bytes(weight, fitted).saturating_add(beside(recipe, weight)),
        Outcome::Keep(_) | Outcome::Misfit(_) => weight.bytes,
    };
    Decision { rule, beaten, outcome, before, after }
}

/// A weight as the program will hold it: in fp16 where the recipe asks for that precision and the package has fp32.
pub fn in_precision<'w>(recipe: &Recipe, weight: &'w Weight) -> Cow<'w, Weight> {
    if recipe.halves() && weight.dtype == DType::F32 {
        return Cow::Owned(Weight {
            dtype: DType::F16,
            bytes: weight.halved.map_or(weight.bytes / 2, |halved| halved.bytes),
            ..weight.clone()
        });
    }
    Cow::Borrowed(weight)
}

/// Bytes that stay in fp32 beside what a weight is changed to: where the program becomes one of fp16, but not whoever
/// takes the weight.
pub fn beside(recipe: &Recipe, weight: &Weight) -> u64 {
    weight.halved.filter(|_| recipe.halves()).map_or(0, |halved| halved.beside)
}

/// What a scheme would make of a weight, under the settings of a recipe.
pub fn outcome(recipe: &Recipe, weight: &Weight, scheme: &Scheme) -> Outcome {
    if scheme.weights == WeightScheme::Keep {
        return Outcome::Keep(Reason::Kept);
    }
    if let Some(why) = weight.never_quantized() {
        return Outcome::Keep(Reason::Never(why));
    }
    if weight.elements() <= recipe.threshold_or_default() {
        return Outcome::Keep(Reason::BelowThreshold);
    }
    let settings = fit::Settings { arithmetic: recipe.arithmetic_or_default(), is_deployed: !recipe.is_experiment() };
    match fit::fit(weight, scheme, settings) {
        Ok(fitted) => Outcome::Change(fitted),
        Err(misfit) => Outcome::Misfit(misfit),
    }
}

/// Sizes and counts of a whole plan.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    /// Tensors in the model.
    pub tensors: usize,
    /// Weights that could be quantized.
    pub candidates: usize,
    /// Weights that are changed.
    pub changed: usize,
    /// Bytes before of the weights that could be quantized, and of the others that are changed.
    pub could_change: u64,
    /// Bytes before of the weights that are changed.
    pub do_change: u64,
    /// Elements of the changed weights.
    pub changed_elements: u64,
    /// Bytes of the changed weights after.
    pub changed_bytes: u64,
    /// Bytes of all tensors before.
    pub before: u64,
    /// Bytes of all tensors after.
    pub after: u64,
}

impl Totals {
    /// Average bits per element of what is changed; `None` when nothing is.
    pub fn bits(&self) -> Option<f64> {
        (self.changed_elements > 0).then(|| self.changed_bytes as f64 * 8.0 / self.changed_elements as f64)
    }

    /// Bytes of what is changed as a share of the bytes of what could be; 0 where nothing could.
    pub fn coverage(&self) -> f64 {
        if self.could_change == 0 { 0.0 } else { self.do_change as f64 / self.could_change as f64 }
    }

    /// Bytes after as a share of those before; 1 for an empty model.
    pub fn share(&self) -> f64 {
        if self.before == 0 { 1.0 } else { self.after as f64 / self.before as f64 }
    }
}

impl Plan {
    /// Sums over the weights for which `which` holds.
    pub fn totals(&self, model: &Model, which: impl Fn(&Weight) -> bool) -> Totals {
        let mut totals = Totals::default();
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        for (weight, decision) in model.weights.iter().zip(&self.decisions).filter(|(w, _)| which(w)) {
            totals.tensors += 1;
            let is_candidate = weight.role == Role::Weight && weight.never_quantized().is_none();
            totals.candidates += usize::from(is_candidate);
            if is_candidate || decision.outcome.is_change() {
                add(&mut totals.could_change, decision.before);
            }
            add(&mut totals.before, decision.before);
            add(&mut totals.after, decision.after);
            if decision.outcome.is_change() {
                totals.changed += 1;
                add(&mut totals.do_change, decision.before);
                add(&mut totals.changed_elements, weight.elements());
                add(&mut totals.changed_bytes, decision.after);
            }
        }
        totals
    }
}
