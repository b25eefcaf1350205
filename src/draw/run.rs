//! Runs: what was done to the weights, by rule, and the worst of them.

use std::io;

use super::findings::Artist;
use super::heading;
use super::table::{Cell, Column, Table};
use super::terminal::{Style, Terminal, clean};
use crate::check::expectation;
use crate::check::report::Texts;
use crate::project::AfterRun;
use crate::recipe::Recipe;
use crate::run::{Report, outcome};
use crate::words::{size, thousands};

/// Weights of the lowest quality that a report lists when nobody says how many.
pub const WORST: usize = 5;

/// Draws what a run did, with so many of the worst weights, and perhaps how long it took.
///
/// # Errors
/// As [`Terminal::line`].
pub fn show(
    recipe: &Recipe,
    report: &Report,
    after: &AfterRun,
    (most, time): (usize, bool),
    terminal: &mut Terminal,
) -> io::Result<()> {
    let paint = terminal.paint;
    let texts = Texts::new(recipe);
    let mut table = Table::new(&[
        Column::text("rule", 0),
        Column::text("scheme", 0),
        Column::number("weights", 0),
        Column::number("bits/weight", 2),
        Column::number("before", 1),
        Column::number("after", 0),
        Column::number("SQNR", 0),
    ]);
    for ((rule, scheme), sum) in report.by_rule() {
        let place = recipe.rules.get(rule).map_or_else(String::new, |rule| texts.location(rule.place));
        table.row([
            Cell::styled(Style::Plain, place),
            Cell::styled(Style::Plain, scheme),
            Cell::styled(Style::Plain, thousands(sum.weights as u64)),
            Cell::styled(Style::Plain, format!("{:.2}", sum.bits())),
            Cell::styled(Style::Plain, size(sum.before)),
            Cell::styled(Style::Plain, size(sum.after)),
            Cell::styled(Style::Plain, outcome::decibels(sum.error.sqnr())),
        ]);
    }
    if !table.is_empty() {
        terminal.text(&table.draw(terminal.width, paint))?;
    }
    worst(most, report, terminal)?;
    terminal.prose(format!("\n{}", outcome::summary(report)))?;
    if let Some(line) = outcome::activations(report) {
        terminal.prose(line)?;
    }
    if let Some(line) = outcome::left_out(report) {
        terminal.prose(paint.put(Style::Warning, line))?;
    }
    found(recipe, after, terminal)?;
    // A recipe may say where, and a stranger may have written it.
    let wrote = if time { outcome::written(report) } else { outcome::wrote(report) };
    terminal.prose(clean(&wrote))
}

/// What was found after a run, and what is known now of what the recipe expects.
///
/// # Errors
/// As [`Terminal::line`].
pub fn found(recipe: &Recipe, after: &AfterRun, terminal: &mut Terminal) -> io::Result<()> {
    for finding in &after.findings {
        let artist = Artist::new(&recipe.sources, terminal, terminal.paint);
        terminal.text(&artist.draw(finding))?;
    }
    match expectation::summary(recipe, &after.verdicts) {
        Some(line) => terminal.prose(clean(&line)),
        None => Ok(()),
    }
}

fn worst(most: usize, report: &Report, terminal: &mut Terminal) -> io::Result<()> {
    if most == 0 || report.weights.is_empty() {
        return Ok(());
    }
    terminal.prose("")?;
    heading(terminal, "worst weights")?;
    let mut table = Table::new(&[
        Column::text("weight", 0),
        Column::text("scheme", 1),
        Column::number("bits/weight", 2),
        Column::number("SQNR", 0),
        Column::number("largest error", 3),
    ]);
    for weight in report.worst().into_iter().take(most) {
        table.row([
            Cell::styled(Style::Plain, &weight.name),
            Cell::styled(Style::Plain, &weight.scheme),
            Cell::styled(Style::Plain, format!("{:.2}", weight.bits())),
            Cell::styled(Style::Plain, outcome::decibels(weight.error.sqnr())),
            Cell::styled(Style::Plain, format!("{:.3e}", weight.max_error)),
        ]);
    }
    let text = table.draw(terminal.width, terminal.paint);
    terminal.text(&text)
}
