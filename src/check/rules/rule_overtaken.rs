//! Rules that decide nothing, because later ones take all that they match.

use std::collections::HashMap;

use crate::check::words::{count, insert_after, remove_lines};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::kind::KindWord;
use crate::model::Model;
use crate::plan::{Plan, RuleShare};
use crate::recipe::selector::Selector;
use crate::recipe::{FileId, Recipe, Rule as RecipeRule};

/// The rule.
pub const RULE: Rule = Rule {
    code: "rule-overtaken",
    severity: Severity::Warning,
    title: "later rules take everything that a rule matches",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
The last rule that matches a weight decides, as in `.gitignore` and CSS: general rules come first, exceptions behind
them. A rule that comes before a more general one decides nothing.

From the recipe alone this is told of rules whose selector is repeated further down, and of everything above a rule
for `all`. With a model it is told of every rule: those that match weights, and lose each of them to later rules.

Nothing is said of rules in imported files and built-in recipes that the importing recipe overrides, since that is
what one imports them for.
",
    examples: &[
        Example::recipe(
            "target iOS18\n\"lm_head\" => keep\nall => int4 per-group(32)\n",
            "target iOS18\nall => int4 per-group(32)\n\"lm_head\" => keep\n",
        ),
        Example::recipe(
            "target iOS18\nlinear => lut4 per-grouped-channel(16)\nlinear => int4 per-group(32)\n",
            "target iOS18\nlinear => int4 per-group(32)\n",
        ),
        Example::with_model(
            "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            "target iOS18\n\"*.q_proj\" => lut4 per-grouped-channel(16)\nlinear => int4 per-group(32)\n",
            "target iOS18\nlinear => int4 per-group(32)\n",
        ),
    ],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on rules"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let mut told = vec![false; context.recipe.rules.len()];
    by_text(context, report, &mut told);
    if let Some((model, plan)) = context.model {
        by_model(context.recipe, model, plan, report, &told);
    }
}

/// What the recipe alone tells, reading from its end.
fn by_text(context: &Context, report: &mut Report, told: &mut [bool]) {
    let recipe = context.recipe;
    let mut later: HashMap<String, usize> = HashMap::new();
    let mut later_all: Option<usize> = None;
    for (index, rule) in recipe.rules.iter().enumerate().rev() {
        if !rule.selector.is_readable() {
            continue;
        }
        // A rule that is still being written will take something, but may not stay as it is.
        let is_complete = rule.scheme.is_some();
        let key = key(recipe, &rule.selector);
        let same = later.get(&key).copied();
        // What matches nothing in the model is told as that.
        let matches = context.model.is_none_or(|(_, plan)| plan.rules[index].matches > 0);
        if let Some(winner) = same.or(later_all)
            && matches
            && is_unexpected(rule, &[&recipe.rules[winner]])
        {
            told[index] = true;
            tell_by_text(recipe, rule, &recipe.rules[winner], same.is_some(), report);
        }
        if is_complete && takes_all(&rule.selector) {
            later_all = Some(index);
        }
        if is_complete {
            later.insert(key, index);
        }
    }
}

fn tell_by_text(recipe: &Recipe, rule: &RecipeRule, winner: &RecipeRule, same: bool, report: &mut Report) {
    let selector = recipe.text(winner.selector_place);
    let finding = report.add(
        rule.selector_place,
        if same {
            format!("this rule decides nothing: another for `{selector}` comes later")
        } else {
            format!("this rule decides nothing: `{selector}` comes later and takes every weight")
        },
    );
    finding.label(winner.selector_place, "this one decides: the last rule that matches does");
    finding.help("put general rules first and exceptions behind them");
    if !same && rule.place.file == winner.place.file {
        let moved = insert_after(recipe, winner.place, recipe.text(rule.place));
        finding.fix_with("move it behind", false, vec![remove_lines(recipe, rule.place), moved]);
    }
    let is_repeated = same && rule.scheme.is_some() && rule.scheme == winner.scheme;
    finding.fix_with("remove it", is_repeated, vec![remove_lines(recipe, rule.place)]);
}

/// How many weights a rule matches, and which rules take how many of them.
#[derive(Default, Clone)]
struct Losses {
    decides: bool,
    lost: usize,
    takers: Vec<(usize, usize)>,
}

/// More takers than are worth naming; the others are counted together.
const MOST_TAKERS: usize = 3;

/// What the plan tells, in one pass over its decisions and one over those of dead rules.
fn by_model(recipe: &Recipe, model: &Model, plan: &Plan, report: &mut Report, told: &[bool]) {
    // What changes weights, or loses none, is not dead.
    let may_be_dead = |(index, did): (usize, &RuleShare)| {
        !told[index] && did.changes == 0 && did.misfits == 0 && did.matches > did.decides
    };
    if !plan.rules.iter().enumerate().any(may_be_dead) {
        return;
    }
    let mut losses = vec![Losses::default(); recipe.rules.len()];
    let quantizable = || model.weights.iter().zip(&plan.decisions).filter(|(w, _)| w.never_quantized().is_none());
    for (_, decision) in quantizable() {
        let Some(winner) = decision.rule else {
            continue;
        };
        losses[winner].decides = true;
        for &beaten in &decision.beaten {
            losses[beaten].lost += 1;
            let takers = &mut losses[beaten].takers;
            if let Some((_, taken)) = takers.iter_mut().find(|(taker, _)| *taker == winner) {
                *taken += 1;
            } else if takers.len() < MOST_TAKERS {
                takers.push((winner, 1));
            }
        }
    }
    let is_dead = |index: usize| !told[index] && !losses[index].decides && losses[index].lost > 0;
    let mut weights: HashMap<usize, Vec<&str>> = HashMap::new();
    if (0..losses.len()).any(is_dead) {
        for (weight, decision) in quantizable() {
            for &beaten in decision.beaten.iter().filter(|beaten| is_dead(**beaten)) {
                weights.entry(beaten).or_default().push(&weight.name);
            }
        }
    }
    for (index, rule) in recipe.rules.iter().enumerate().filter(|(index, _)| is_dead(*index)) {
        let Losses { lost, takers, .. } = &losses[index];
        let winners: Vec<&RecipeRule> = takers.iter().map(|(taker, _)| &recipe.rules[*taker]).collect();
        if is_unexpected(rule, &winners) && winners.iter().all(|winner| winner.scheme.is_some()) {
            let all = if *lost == 1 { "the one weight".to_string() } else { format!("all {}", count(*lost, "weight")) };
            let message = format!("this rule decides nothing: later rules take {all} that it matches");
            let finding = report.add(rule.selector_place, message);
            for (winner, (_, taken)) in winners.iter().zip(takers) {
                let share = if taken == lost { "takes them all".into() } else { format!("takes {taken} of them") };
                finding.label(winner.selector_place, share);
            }
            finding.help("put general rules first and exceptions behind them");
            finding.weights(weights.remove(&index).unwrap_or_default());
            let removed = remove_lines(recipe, rule.place);
            // Behind a rule that decides more than this one takes, both decide something.
            if let ([winner], [(taker, _)]) = (winners.as_slice(), takers.as_slice())
                && winner.place.file == rule.place.file
                && plan.rules[*taker].decides > *lost
            {
                let moved = insert_after(recipe, winner.place, recipe.text(rule.place));
                finding.fix_with("move it behind", false, vec![removed.clone(), moved]);
            }
            finding.fix_with("remove it", false, vec![removed]);
        }
    }
}

/// Overriding what is imported is what imports are for.
fn is_unexpected(rule: &RecipeRule, winners: &[&RecipeRule]) -> bool {
    let file = rule.place.file;
    file == FileId(0) || winners.iter().all(|winner| winner.place.file == file)
}

/// Whether a selector takes every weight that could be quantized.
fn takes_all(selector: &Selector) -> bool {
    match selector {
        Selector::Kind(word, _) => *word == KindWord::All,
        Selector::Name(_, text, _) => text == "*",
        Selector::Or(a, b) => takes_all(a) || takes_all(b),
        Selector::And(a, b) => takes_all(a) && takes_all(b),
        Selector::Not(_) | Selector::Where(..) | Selector::Unreadable => false,
    }
}

/// The same text for selectors that are written differently but read the same.
fn key(recipe: &Recipe, selector: &Selector) -> String {
    let joined = |word: &str, a: &Selector, b: &Selector| {
        let (mut a, mut b) = (key(recipe, a), key(recipe, b));
        if b < a {
            std::mem::swap(&mut a, &mut b);
        }
        format!("({a} {word} {b})")
    };
    match selector {
        Selector::Or(a, b) => joined("or", a, b),
        Selector::And(a, b) => joined("and", a, b),
        Selector::Not(inner) => format!("not {}", key(recipe, inner)),
        Selector::Where(inner, condition) => {
            format!("({} where {condition:?})", key(recipe, inner))
        }
        Selector::Kind(word, _) => word.word().to_string(),
        // With its quotes or slashes, which tell patterns from regular expressions.
        Selector::Name(_, _, place) => recipe.text(*place).to_string(),
        Selector::Unreadable => String::new(),
    }
}
