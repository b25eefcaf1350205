//! Searches for recipes: what was chosen, what that loses, which weights are sensitive.

use std::io;

use super::table::{Cell, Column, Table};
use super::terminal::{Terminal, clean};
use super::{eval, heading, run};
use crate::model::total;
use crate::project::AfterRun;
use crate::recipe::Recipe;
use crate::tune::{Chosen, Refused, Tuned, error_in_words, stay_in_words};
use crate::words::{count, counted, percent, size, thousands};

/// Sensitive weights that are listed.
const SENSITIVE: usize = 5;

/// Draws what a search has found.
///
/// # Errors
/// As [`Terminal::line`].
pub fn show(recipe: &Recipe, tuned: &Tuned, after: &AfterRun, terminal: &mut Terminal) -> io::Result<()> {
    rows(tuned, terminal)?;
    sensitive(tuned, terminal)?;
    terminal.prose("")?;
    let changed = tuned.weights.iter().filter(|chosen| chosen.scheme != "keep").count();
    let (before, bits) = (size(tuned.before), tuned.bits());
    terminal.prose(format!(
        "{} of {} changed: {before} to {}, {} of the size; {bits:.3} bits/weight, for {}",
        thousands(changed as u64),
        count(tuned.weights.len(), "weight"),
        size(tuned.after),
        percent(tuned.share()),
        tuned.budget
    ))?;
    terminal.prose(error_in_words(tuned))?;
    for (names, why) in &tuned.stays {
        terminal.prose(clean(&format!("{} as before, because {why}", stay_in_words(names))))?;
    }
    left_out(&tuned.refused, terminal)?;
    for dropped in &tuned.dropped {
        terminal.prose(clean(&format!("`{dropped}` does not hold any more and is left out")))?;
    }
    if let Some(labelled) = tuned.evaluation.as_ref().and_then(|evaluation| evaluation.labelled.as_ref()) {
        terminal.prose("")?;
        eval::labels(labelled, terminal)?;
    }
    run::found(recipe, after, terminal)?;
    let (known, all) = tuned.results;
    match &tuned.kept_in {
        Some(path) => {
            let results = counted(all, "result", "results");
            let known = thousands(known as u64);
            terminal.prose(clean(&format!("{results}, {known} of them known before; kept in {}", path.display())))
        }
        None => Ok(()),
    }
}

fn rows(tuned: &Tuned, terminal: &mut Terminal) -> io::Result<()> {
    let mut table = Table::new(&[
        Column::text("weights", 0),
        Column::text("scheme", 0),
        Column::number("bits/weight", 1),
        Column::number("after", 0),
        Column::number("of the error", 0),
    ]);
    for row in &tuned.rows {
        let chosen = || row.weights.iter().filter_map(|at| tuned.weights.get(*at));
        let sum = |of: fn(&Chosen) -> u64| total(chosen().map(of));
        let (after, elements) = (sum(|chosen| chosen.after), sum(|chosen| chosen.elements));
        let part = chosen().map(|chosen| chosen.error).sum::<f64>() / tuned.error.predicted;
        table.row([
            Cell::from(row.selector.trim_matches('"')),
            Cell::from(&row.scheme),
            Cell::from(format!("{:.2}", after as f64 * 8.0 / elements.max(1) as f64)),
            Cell::from(size(after)),
            Cell::from(if part.is_finite() { percent(part) } else { String::new() }),
        ]);
    }
    if table.is_empty() {
        return Ok(());
    }
    let text = table.draw(terminal.width, terminal.paint);
    terminal.text(&text)
}

fn sensitive(tuned: &Tuned, terminal: &mut Terminal) -> io::Result<()> {
    if tuned.sensitive.is_empty() {
        return Ok(());
    }
    terminal.prose("")?;
    heading(terminal, "most sensitive: what the next smaller scheme would do")?;
    let mut table = Table::new(&[
        Column::text("weight", 0),
        Column::text("has", 1),
        Column::text("next", 0),
        Column::number("saves", 0),
        Column::number("error", 0),
    ]);
    for one in tuned.sensitive.iter().take(SENSITIVE) {
        let grows = if one.grows.is_finite() { format!("× {:.2}", one.grows) } else { "from none".to_owned() };
        table.row([
            Cell::from(&one.name),
            Cell::from(&one.scheme),
            Cell::from(&one.next),
            Cell::from(size(one.saves)),
            Cell::from(if terminal.unicode { grows } else { grows.replace('×', "x") }),
        ]);
    }
    let text = table.draw(terminal.width, terminal.paint);
    terminal.text(&text)
}

/// Schemes that were no candidates, those with the same reason together.
fn left_out(refused: &[Refused], terminal: &mut Terminal) -> io::Result<()> {
    let mut told: Vec<(&str, Vec<String>)> = Vec::new();
    for one in refused {
        let scheme = format!("`{}` ({})", one.scheme, count(one.weights, "weight"));
        match told.iter_mut().find(|(why, _)| *why == one.why) {
            Some((_, schemes)) => schemes.push(scheme),
            None => told.push((&one.why, vec![scheme])),
        }
    }
    for (why, schemes) in told {
        terminal.prose(clean(&format!("no candidate: {}, because {why}", schemes.join(", "))))?;
    }
    Ok(())
}
