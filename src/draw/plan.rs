//! Plans: what becomes of every weight, what every rule does, what every target demands.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

use super::heading;
use super::table::{Cell, Column, Table};
use super::terminal::{Painter, Style, Terminal, clean};
use crate::check::FixKind;
use crate::check::report::Texts;
use crate::check::targets::ForTarget;
use crate::model::{Model, Weight, layers, total};
use crate::plan::lock::{Change, Difference};
use crate::plan::words::{self, shape};
use crate::plan::{Decision, Outcome, Plan, Reason};
use crate::recipe::Recipe;
use crate::run::activations::PlannedActivations;
use crate::scheme::Mapping;
use crate::words::{count, percent, size, thousands};

/// Draws a plan: a row for each weight, with repeated layers in one unless `all` is asked for, then rules and sums.
///
/// # Errors
/// As [`Terminal::line`].
pub fn show(
    path: &Path,
    recipe: &Recipe,
    (model, plan): (&Model, &Plan),
    all: bool,
    terminal: &mut Terminal,
) -> io::Result<()> {
    let texts = Texts::new(recipe);
    let head = format!("{} for {}", path.display(), model.path.display());
    heading(terminal, &clean(&head))?;
    terminal.prose("")?;
    let listed: Vec<usize> =
        (0..model.weights.len()).filter(|&i| all || plan.decisions[i].is_telling(&model.weights[i])).collect();
    let table = weights_table(all, recipe, &texts, model, plan, &listed);
    if !table.is_empty() {
        terminal.text(&table.draw(terminal.width, terminal.paint))?;
        terminal.prose("")?;
    }
    if listed.len() < model.weights.len() {
        let rest = (0..model.weights.len()).filter(|i| listed.binary_search(i).is_err());
        show_rest(rest.map(|i| (&model.weights[i], &plan.decisions[i])), terminal)?;
    }
    let activations = PlannedActivations::new(recipe, model, plan);
    if let Some(activations) = activations.as_ref().filter(|activations| all && !activations.values.is_empty()) {
        show_activations(activations, terminal)?;
    }
    show_rules(recipe, &texts, plan, terminal)?;
    show_totals(recipe, model, plan, activations.as_ref(), terminal)
}

/// Draws a row for each place where a value becomes codes.
fn show_activations(activations: &PlannedActivations, terminal: &mut Terminal) -> io::Result<()> {
    let mut table = Table::new(&[
        Column::text("value", 0),
        Column::text("is", 5),
        Column::text("of", 4),
        Column::text("becomes codes", 0),
        Column::text("range", 1),
        Column::text("for", 3),
    ]);
    for (index, value) in activations.values.iter().enumerate() {
        let spec = activations.ranges[value.range];
        let mapping = if spec.symmetric { Mapping::Symmetric } else { Mapping::Asymmetric };
        let shared = activations.shares_with(index).map(|other| format!("as {}", other.name));
        let users = value.users.as_ref().map(|users| users.iter().map(|name| &**name).collect::<Vec<_>>().join(", "));
        table.row([
            Cell::from(clean(&value.name)),
            Cell::from(clean(value.source.word())),
            Cell::from(clean(value.source.path())),
            Cell::styled(Style::Good, format!("{} {}", spec.dtype(), mapping.word())),
            shared.map_or_else(|| Cell::from("own"), |shared| Cell::styled(Style::Dim, clean(&shared))),
            Cell::styled(Style::Dim, users.map_or_else(|| "all".to_string(), |users| clean(&users).to_string())),
        ]);
    }
    terminal.text(&table.draw(terminal.width, terminal.paint))?;
    terminal.prose("")
}

/// Draws a row for each of some weights of a model, by their indices, with repeated layers in one unless `all` is asked
/// for.
///
/// # Errors
/// As [`Terminal::line`].
pub fn weights(
    recipe: &Recipe,
    (model, plan): (&Model, &Plan),
    listed: &[usize],
    all: bool,
    terminal: &mut Terminal,
) -> io::Result<()> {
    let table = weights_table(all, recipe, &Texts::new(recipe), model, plan, listed);
    terminal.text(&table.draw(terminal.width, terminal.paint))
}

fn weights_table(all: bool, recipe: &Recipe, texts: &Texts, model: &Model, plan: &Plan, listed: &[usize]) -> Table {
    let mut table = Table::new(&[
        Column::text("weight", 0),
        Column::number("", 5),
        Column::text("kind", 6),
        Column::number("shape", 7),
        Column::text("becomes", 0),
        Column::number("bits", 3),
        Column::number("before", 4),
        Column::number("after", 2),
        Column::text("by", 1),
    ]);
    let rows = if all {
        listed.iter().enumerate().map(|(at, &i)| (model.weights[i].name.clone(), vec![at])).collect()
    } else {
        let likeness = |weight: &Weight, decision: &Decision| {
            (weight.kind, weight.shape.clone(), weight.dtype, decision.rule, format!("{:?}", decision.outcome))
        };
        let items = listed.iter().map(|&i| {
            let (weight, decision) = (&model.weights[i], &plan.decisions[i]);
            (weight.short_name(), likeness(weight, decision))
        });
        let rows = layers::collapse(items).into_iter();
        rows.map(|row| (row.name, row.members)).collect::<Vec<_>>()
    };
    for (name, members) in rows {
        let first = listed[members[0]];
        let (weight, decision) = (&model.weights[first], &plan.decisions[first]);
        let sum = |of: fn(&Decision) -> u64| total(members.iter().map(|&at| of(&plan.decisions[listed[at]])));
        let (before, after) = (sum(|d| d.before), sum(|d| d.after));
        let changes = decision.outcome.is_change();
        let bits = after as f64 * 8.0 / (weight.elements().max(1) * members.len() as u64) as f64;
        table.row([
            Cell::from(name),
            if members.len() > 1 { Cell::styled(Style::Dim, format!("×{}", members.len())) } else { Cell::default() },
            Cell::from(weight.kind.word()),
            Cell::from(shape(&weight.shape)),
            becomes(recipe, decision),
            if changes { Cell::from(format!("{bits:.2}")) } else { Cell::default() },
            Cell::from(size(before)),
            if changes { Cell::from(size(after)) } else { Cell::default() },
            match decision.rule {
                Some(rule) => Cell::styled(Style::Dim, texts.location(recipe.rules[rule].place)),
                None => Cell::default(),
            },
        ]);
    }
    table
}

/// What becomes of a weight, in a cell.
fn becomes(recipe: &Recipe, decision: &Decision) -> Cell {
    let style = match &decision.outcome {
        Outcome::Change(_) => Style::Good,
        Outcome::Misfit(_) => Style::Error,
        Outcome::Keep(Reason::Kept) => Style::Dim,
        Outcome::Keep(_) => Style::Warning,
    };
    Cell::styled(style, words::becomes(recipe, decision))
}

/// Tensors that stay as a matter of course, summed up by the reason.
fn show_rest<'a>(rest: impl Iterator<Item = (&'a Weight, &'a Decision)>, terminal: &mut Terminal) -> io::Result<()> {
    let mut sums: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for (weight, decision) in rest {
        if let Outcome::Keep(reason) = &decision.outcome {
            let sum = sums.entry(reason.to_string()).or_default();
            *sum = (sum.0 + 1, sum.1 + weight.bytes);
        }
    }
    for (reason, (tensors, bytes)) in sums {
        let line = format!("  and {} ({}): {reason}", count(tensors, "tensor"), size(bytes));
        let line = terminal.paint.put(Style::Dim, line);
        terminal.prose(line)?;
    }
    terminal.prose("")
}

fn show_rules(recipe: &Recipe, texts: &Texts, plan: &Plan, terminal: &mut Terminal) -> io::Result<()> {
    /// More rules than anyone reads are only counted.
    const MOST: usize = 100;
    let mut table = Table::new(&[
        Column::text("rule", 1),
        Column::text("", 0),
        Column::number("matches", 4),
        Column::number("decides", 2),
        Column::number("before", 3),
        Column::number("after", 2),
    ]);
    for (rule, share) in recipe.rules.iter().zip(&plan.rules).take(MOST) {
        let text: Vec<&str> = recipe.text(rule.place).split_whitespace().collect();
        let style = if share.decides == 0 { Style::Warning } else { Style::Plain };
        table.row([
            Cell::styled(Style::Dim, texts.location(rule.place)),
            Cell::from(text.join(" ")),
            Cell::from(thousands(share.matches as u64)),
            Cell::styled(style, thousands(share.decides as u64)),
            Cell::from(size(share.before)),
            Cell::from(size(share.after)),
        ]);
    }
    if !table.is_empty() {
        terminal.text(&table.draw(terminal.width, terminal.paint))?;
        if recipe.rules.len() > MOST {
            terminal.prose(format!("  and {} more", count(recipe.rules.len() - MOST, "rule")))?;
        }
        terminal.prose("")?;
    }
    Ok(())
}

fn show_totals(
    recipe: &Recipe,
    model: &Model,
    plan: &Plan,
    activations: Option<&PlannedActivations>,
    terminal: &mut Terminal,
) -> io::Result<()> {
    let totals = plan.totals(model, |_| true);
    let paint = terminal.paint;
    terminal.prose(words::coverage(&totals))?;
    let sizes = format!("{} → {}", size(totals.before), size(totals.after));
    terminal.prose(format!("{} ({})", paint.put(Style::Bold, sizes), percent(totals.share())))?;
    if let Some(activations) = activations {
        terminal.prose(activations.words())?;
    }
    if let Some(line) = words::misfits(plan) {
        terminal.prose(paint.put(Style::Error, line))?;
    }
    terminal.prose(paint.put(Style::Dim, words::arithmetic(recipe)))?;
    terminal.prose(paint.put(Style::Dim, format!("kinds are known {}", model.kinds_known())))
}

/// A difference of two plans: what it was, what it is now.
pub fn difference(difference: &Difference, paint: Painter) -> String {
    let many = if difference.count > 1 { format!(" ×{}", difference.count) } else { String::new() };
    let mut out = format!("{}{}\n", paint.put(Style::Bold, clean(&difference.name)), paint.put(Style::Dim, many));
    let mut side = |style, sign: &str, text: &str| {
        _ = writeln!(out, "  {}", paint.put(style, format!("{sign} {}", clean(text))));
    };
    match &difference.change {
        Change::Decision { was, now } | Change::Tensor { was, now } => {
            side(Style::Error, "-", was);
            side(Style::Good, "+", now);
        }
        Change::Gone { was } => side(Style::Error, "- gone:", was),
        Change::New { now } => side(Style::Good, "+ new:", now),
        Change::Renamed { from, to } => {
            side(Style::Error, "- renamed from:", from);
            side(Style::Good, "+ to:", to);
        }
    }
    out.pop();
    out
}

/// Draws what every target demands; neighbours that demand the same are told together.
///
/// # Errors
/// As [`Terminal::line`].
pub fn targets(recipe: &Recipe, all: &[ForTarget], terminal: &mut Terminal) -> io::Result<()> {
    let texts = Texts::new(recipe);
    let mut rest = all;
    while let [first, ..] = rest {
        let says = |target: &ForTarget| target.errors.iter().map(|e| (e.place, e.code)).collect::<Vec<_>>();
        let alike = rest.iter().take_while(|target| says(target) == says(first)).count();
        show_target(&rest[..alike], &texts, terminal)?;
        rest = &rest[alike..];
    }
    Ok(())
}

/// Draws what neighbouring targets demand that demand the same.
///
/// # Errors
/// As [`Terminal::line`].
fn show_target(alike: &[ForTarget], texts: &Texts, terminal: &mut Terminal) -> io::Result<()> {
    let paint = terminal.paint;
    for target in alike {
        let here = if target.current { paint.put(Style::Hint, "  <- the recipe's target") } else { String::new() };
        let systems = paint.put(Style::Bold, target.set.systems());
        terminal.prose(format!("{systems} ({}){here}", target.set.name))?;
    }
    let errors = &alike[0].errors;
    if errors.is_empty() {
        terminal.prose(format!("  {}", paint.put(Style::Good, "as it is")))?;
    }
    for finding in errors {
        let place = texts.location(finding.place);
        let code = paint.put(Style::Dim, format!("[{}]", finding.code));
        let line = format!("{}: {} {code}", paint.put(Style::Error, place), clean(&finding.message));
        terminal.prose(format!("  {line}"))?;
        let fixes = finding.fixes.iter().filter(|fix| fix.kind != FixKind::Target);
        for title in fixes.map(|fix| &fix.title).chain(&finding.help).take(1) {
            terminal.prose(format!("    {}", paint.put(Style::Dim, clean(title))))?;
        }
    }
    terminal.prose("")
}
