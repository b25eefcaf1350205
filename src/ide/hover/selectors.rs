//! What selectors match, and who takes it.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::word;
use crate::ide::Analysis;
use crate::ide::symbols::one_line;
use crate::ide::walk::{Leaf, Role};
use crate::model::Weight;
use crate::plan::words::shape;
use crate::recipe::selector::Selector;
use crate::recipe::{FileId, fragment};
use crate::run::statics::Operation;
use crate::words::{count, size};

/// Weights that are named.
const FIRST: usize = 5;

/// Rules that are named.
const TAKERS: usize = 5;

/// What a kind or name matches, and what becomes of its rule.
pub(super) fn page(analysis: &Analysis, offset: usize, leaf: Leaf<'_>) -> Option<String> {
    let written = analysis.text_at(leaf.span);
    let mut page = String::new();
    let alone = fragment::selector(written).ok();
    let open = analysis.model_state().open();
    if let (Some(selector), Some(open)) = (&alone, open) {
        let what = format!("`{written}`");
        list(&mut page, &what, &open.matching(analysis.recipe(), selector), &open.operations(selector));
    }
    if leaf.role == Role::Kind
        && let Some(meaning) = word(leaf.text)
    {
        let blank = if page.is_empty() { "" } else { "\n" };
        _ = writeln!(page, "{blank}{meaning}");
    }
    if let Some((rule, whole)) = rule_at(analysis, offset) {
        if !matches!(whole, Selector::Kind(..) | Selector::Name(..)) {
            let text = one_line(analysis.recipe().text(analysis.recipe().rules[rule].selector_place));
            if let Some(open) = open {
                page.push('\n');
                let what = format!("`{text}`");
                list(&mut page, &what, &open.matching(analysis.recipe(), whole), &open.operations(whole));
            }
        }
        if let Some(share) = takers(analysis, rule) {
            _ = write!(page, "\n{share}");
        }
    }
    (!page.is_empty()).then_some(page)
}

/// How many weights there are, their bytes, and the names of the first; of an export the operations without weights too,
/// whose activations a rule may be about.
fn list(page: &mut String, what: &str, matched: &[&Weight], operations: &[&Operation]) {
    let many = matched.len();
    let bytes = matched.iter().fold(0u64, |sum, weight| sum.saturating_add(weight.bytes));
    let without = count(operations.len(), "operation") + " without weights";
    _ = match (many, operations.len()) {
        (0, 0) => writeln!(page, "{what} matches nothing in the model"),
        (0, _) => writeln!(page, "{what} matches {without}\n"),
        (_, 0) => writeln!(page, "{what} matches {}, {}\n", count(many, "weight"), size(bytes)),
        _ => writeln!(page, "{what} matches {}, {}, and {without}\n", count(many, "weight"), size(bytes)),
    };
    for weight in matched.iter().take(FIRST) {
        let (name, shape) = (weight.short_name(), shape(&weight.shape));
        _ = writeln!(page, "- `{name}` {shape} {}, {}", weight.dtype, size(weight.bytes));
    }
    if many > FIRST {
        _ = writeln!(page, "- and {} more", many - FIRST);
    }
    // Weights say enough where there are some.
    for one in operations.iter().take(FIRST).filter(|_| many == 0) {
        let module = if one.module.is_empty() { String::new() } else { format!(" in `{}`", one.module) };
        _ = writeln!(page, "- `{}` {}{module}", one.name, one.kind.word());
    }
    if many == 0 && operations.len() > FIRST {
        _ = writeln!(page, "- and {} more", operations.len() - FIRST);
    }
}

/// The rule of the recipe itself at an offset, and its selector.
pub(super) fn rule_at(analysis: &Analysis, offset: usize) -> Option<(usize, &Selector)> {
    let (_, statement) = analysis.statement_at(offset)?;
    let place = analysis.place(statement.span);
    let index = analysis.recipe().rules.iter().position(|rule| rule.place == place)?;
    Some((index, &analysis.recipe().rules[index].selector))
}

/// What the rule at an offset does to the model.
pub(super) fn share(analysis: &Analysis, offset: usize) -> Option<String> {
    let (rule, _) = rule_at(analysis, offset)?;
    let (_, plan) = analysis.planned()?;
    let mut page = format!("{}\n", plan.rules[rule]);
    if let Some(takers) = takers(analysis, rule) {
        _ = write!(page, "\n{takers}");
    }
    Some(page)
}

/// Which later rules take how many of the weights that a rule matches.
fn takers(analysis: &Analysis, rule: usize) -> Option<String> {
    let (_, plan) = analysis.planned()?;
    let share = plan.rules[rule];
    if share.decides == share.matches {
        return None;
    }
    let mut takers: BTreeMap<usize, usize> = BTreeMap::new();
    for decision in plan.decisions.iter().filter(|decision| decision.beaten.contains(&rule)) {
        *takers.entry(decision.rule?).or_default() += 1;
    }
    let recipe = analysis.recipe();
    let mut page = match share.decides {
        0 => format!(
            "This rule decides nothing: later rules take all {} that it matches.\n\n",
            count(share.matches, "weight")
        ),
        decides => format!("This rule decides {decides} of them; later rules take the others.\n\n"),
    };
    let mut most: Vec<(usize, usize)> = takers.into_iter().collect();
    most.sort_by_key(|(_, taken)| std::cmp::Reverse(*taken));
    for (taker, taken) in most.iter().take(TAKERS) {
        let place = recipe.visible(recipe.rules[*taker].place);
        let line = analysis.lines_of(place.file).line(place.span.start) + 1;
        let file =
            if place.file == FileId(0) { String::new() } else { format!("{}, ", analysis.shown_path(place.file)) };
        _ = writeln!(page, "- {file}line {line} takes {taken}: `{}`", one_line(recipe.text(place)));
    }
    if most.len() > TAKERS {
        _ = writeln!(page, "- and {} more rules", most.len() - TAKERS);
    }
    Some(page)
}
