//! A plan made after another one, from what has changed between the two.
//!
//! While someone types, a keystroke changes one rule of thousands and so the decisions for a few weights of a hundred
//! thousand. The others keep theirs: not equal ones, the same.

use std::sync::Arc;

use rayon::prelude::*;

use super::decisions::PIECE;
use super::{Decision, Decisions, Matches, Plan, RuleShare, decision};
use crate::model::Model;
use crate::recipe::Recipe;
use crate::scheme::{Arithmetic, Scheme};

/// A plan, and what it was made from.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    settings: Settings,
    rules: Vec<Made>,
}

/// What a rule's part in a plan follows from.
#[derive(Debug, Clone)]
struct Made {
    matches: Arc<Matches>,
    scheme: Option<Scheme>,
}

/// What decisions follow from, beside the rules.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Settings {
    halves: bool,
    threshold: u64,
    arithmetic: Arithmetic,
    is_experiment: bool,
}

impl Settings {
    fn of(recipe: &Recipe) -> Settings {
        Settings {
            halves: recipe.halves(),
            threshold: recipe.threshold_or_default(),
            arithmetic: recipe.arithmetic_or_default(),
            is_experiment: recipe.is_experiment(),
        }
    }
}

/// Decides for every weight of a model, where it is known what each of `Recipe::rules` matches. `before` is an earlier
/// plan of the same model, by any recipe: the more it has in common with this one, the less there is to do.
pub fn plan_after(before: Option<&Planned>, recipe: &Recipe, model: &Model, matched: &[Arc<Matches>]) -> Planned {
    let settings = Settings::of(recipe);
    let rules: Vec<Made> = recipe
        .rules
        .iter()
        .zip(matched)
        .map(|(rule, matches)| Made { matches: Arc::clone(matches), scheme: rule.scheme.clone() })
        .collect();
    let is_of_use = |before: &&Planned| {
        let is_exact = |share: &RuleShare| share.before.max(share.after) < u64::MAX;
        before.settings == settings
            && before.plan.decisions.len() == model.weights.len()
            && before.plan.rules.iter().all(is_exact)
    };
    let plan = match before.filter(is_of_use) {
        Some(before) => changed(before, recipe, model, &rules),
        None => {
            let everything = Concerned::all(model.weights.len());
            let nothing = Plan { decisions: Decisions::default(), rules: Vec::new() };
            decide_for(&everything, &nothing, &[], recipe, model, &rules)
        }
    };
    Planned { plan, settings, rules }
}

fn changed(before: &Planned, recipe: &Recipe, model: &Model, rules: &[Made]) -> Plan {
    let is_same = |(old, new): (&Made, &Made)| {
        (Arc::ptr_eq(&old.matches, &new.matches) || old.matches == new.matches) && old.scheme == new.scheme
    };
    let mut kept: Vec<bool> = before.rules.iter().zip(rules).map(is_same).collect();
    if before.rules.len() != rules.len() {
        // Behind a rule that has come or gone, rules have other numbers.
        let first = kept.iter().position(|kept| !kept).unwrap_or(kept.len());
        kept.truncate(first);
    }
    let is_kept = |index: usize| kept.get(index).copied().unwrap_or(false);
    let mut concerned = Concerned::none(model.weights.len());
    for rules in [&before.rules[..], rules] {
        for (_, rule) in rules.iter().enumerate().filter(|(index, _)| !is_kept(*index)) {
            rule.matches.for_each(|weight| concerned.add(weight));
        }
    }
    decide_for(&concerned, &before.plan, &kept, recipe, model, rules)
}

/// Some weights of a model, numbered as they were added.
struct Concerned {
    /// For each weight its number, from 1 on; 0 for those that are not among them.
    numbers: Vec<u32>,
    many: usize,
}

impl Concerned {
    fn none(weights: usize) -> Concerned {
        Concerned { numbers: vec![0; weights], many: 0 }
    }

    fn all(weights: usize) -> Concerned {
        Concerned { numbers: (1..).take(weights).collect(), many: weights }
    }

    fn add(&mut self, weight: usize) {
        if let Some(number) = self.numbers.get_mut(weight).filter(|number| **number == 0) {
            self.many += 1;
            *number = self.many as u32;
        }
    }

    fn number(&self, weight: usize) -> Option<usize> {
        self.numbers.get(weight).and_then(|number| number.checked_sub(1)).map(|number| number as usize)
    }
}

/// The plan `before` with other decisions for the weights that are concerned. The rules in `kept` are as they were;
/// every weight that another one matches, or did, is concerned.
fn decide_for(
    concerned: &Concerned,
    before: &Plan,
    kept: &[bool],
    recipe: &Recipe,
    model: &Model,
    rules: &[Made],
) -> Plan {
    // Latest rule first, as it decides.
    let mut takers: Vec<(Option<usize>, Vec<usize>)> = vec![(None, Vec::new()); concerned.many];
    for (index, rule) in rules.iter().enumerate().rev() {
        rule.matches.for_each(|weight| {
            let Some((decides, beaten)) = concerned.number(weight).and_then(|number| takers.get_mut(number)) else {
                return;
            };
            match decides {
                None => *decides = Some(index),
                Some(_) => beaten.push(index),
            }
        });
    }
    let decide = |at: usize| match concerned.number(at).and_then(|number| takers.get(number)) {
        Some((rule, beaten)) => decision(recipe, &model.weights[at], *rule, beaten.clone()),
        None => before.decisions[at].clone(),
    };
    let piece = |number: usize| {
        let weights = number * PIECE..((number + 1) * PIECE).min(model.weights.len());
        match before.decisions.pieces().get(number) {
            Some(piece) if concerned.numbers[weights.clone()].iter().all(|number| *number == 0) => Arc::clone(piece),
            _ => weights.map(decide).collect(),
        }
    };
    let pieces = (0..model.weights.len().div_ceil(PIECE)).into_par_iter().map(piece).collect();
    let decisions = Decisions::of_pieces(pieces);
    let rules = shares(concerned, before, kept, &decisions, rules.len());
    Plan { decisions, rules }
}

/// What each rule has done: a rule that is kept as before, but for the weights that are concerned.
fn shares(concerned: &Concerned, before: &Plan, kept: &[bool], decisions: &Decisions, rules: usize) -> Vec<RuleShare> {
    let is_kept = |index: usize| kept.get(index).copied().unwrap_or(false);
    let old = |index: usize| before.rules.get(index).filter(|_| is_kept(index)).copied().unwrap_or_default();
    let mut shares: Vec<RuleShare> = (0..rules).map(old).collect();
    let numbers = concerned.numbers.chunks(PIECE).enumerate();
    for (piece, numbers) in numbers.filter(|(_, numbers)| numbers.iter().any(|number| *number > 0)) {
        for (at, _) in numbers.iter().enumerate().filter(|(_, number)| **number > 0) {
            let at = piece * PIECE + at;
            if let Some(old) = before.decisions.get(at) {
                parts(old)
                    .filter(|(rule, _)| is_kept(*rule))
                    .for_each(|(rule, part)| shares[rule] = shares[rule].minus(part));
            }
            parts(&decisions[at]).for_each(|(rule, part)| shares[rule] = shares[rule].plus(part));
        }
    }
    shares
}

/// The part of each rule that matches in a decision.
fn parts(decision: &Decision) -> impl Iterator<Item = (usize, RuleShare)> {
    let decides = decision.rule.map(|rule| (rule, RuleShare::of(decision)));
    let beaten = decision.beaten.iter().map(|rule| (*rule, RuleShare { matches: 1, ..RuleShare::default() }));
    decides.into_iter().chain(beaten)
}
