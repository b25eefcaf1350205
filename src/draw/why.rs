//! One weight: which rule decided, what it becomes, what other schemes would make of it.

use std::io;

use super::heading;
use super::table::{Cell, Column, Table};
use super::terminal::{Style, Terminal, clean};
use crate::check::report::Texts;
use crate::check::why::{Alternative, Verdict, alternatives};
use crate::check::words;
use crate::coreml::target::Platform;
use crate::model::{Model, Weight};
use crate::plan::words::shape;
use crate::plan::{Decision, Outcome, Plan};
use crate::recipe::Recipe;
use crate::words::size;

/// Draws what is known of a weight of a model, by its index.
///
/// # Errors
/// As [`Terminal::line`].
pub fn show(recipe: &Recipe, (model, plan): (&Model, &Plan), index: usize, terminal: &mut Terminal) -> io::Result<()> {
    let (Some(weight), Some(decision)) = (model.weights.get(index), plan.decisions.get(index)) else { return Ok(()) };
    show_weight(weight, terminal)?;
    show_rules(recipe, &Texts::new(recipe), decision, terminal)?;
    show_outcome(recipe, weight, decision, terminal)?;
    if weight.never_quantized().is_none() {
        show_alternatives(recipe, (model, index), decision, terminal)?;
    }
    Ok(())
}

fn show_weight(weight: &Weight, terminal: &mut Terminal) -> io::Result<()> {
    heading(terminal, &clean(&weight.name))?;
    let known = terminal.paint.put(Style::Dim, format!("({})", weight.known_by.phrase()));
    let facts = format!("{}, {}, {}", shape(&weight.shape), weight.dtype, size(weight.bytes));
    terminal.prose(format!("  {} {known}, {facts}", weight.kind))?;
    if !weight.tied.is_empty() {
        terminal.prose(clean(&format!("  the same tensor as {}", words::list(&weight.tied, 5))))?;
    }
    terminal.prose("")
}

fn show_rules(recipe: &Recipe, texts: &Texts, decision: &Decision, terminal: &mut Terminal) -> io::Result<()> {
    let mut table = Table::new(&[Column::text("", 0), Column::text("", 0), Column::text("", 1)]);
    for (nth, rule) in decision.matched().filter_map(|index| recipe.rules.get(index)).enumerate() {
        let text: Vec<&str> = recipe.text(rule.place).split_whitespace().collect();
        let (style, says) = if nth == 0 {
            (Style::Good, "decides: the last rule that matches")
        } else {
            (Style::Dim, "matches too, but comes earlier")
        };
        table.row([
            Cell::styled(style, texts.location(rule.place)),
            Cell::from(text.join(" ")),
            Cell::styled(style, says),
        ]);
    }
    if !table.is_empty() {
        terminal.text(&table.draw(terminal.width, terminal.paint))?;
        terminal.prose("")?;
    }
    Ok(())
}

fn show_outcome(recipe: &Recipe, weight: &Weight, decision: &Decision, terminal: &mut Terminal) -> io::Result<()> {
    let scheme = decision.rule.and_then(|rule| recipe.rules.get(rule)?.scheme.as_ref());
    let scheme = scheme.map_or("it".to_string(), ToString::to_string);
    let paint = terminal.paint;
    let line = match &decision.outcome {
        Outcome::Change(_) => {
            let bits = decision.after as f64 * 8.0 / weight.elements().max(1) as f64;
            let sizes = format!("{} → {}, {bits:.2} bits per weight", size(decision.before), size(decision.after));
            format!("{}: {sizes}", paint.put(Style::Good, format!("becomes {scheme}")))
        }
        Outcome::Keep(reason) => format!("{}: {reason}", paint.put(Style::Warning, "stays as it is")),
        Outcome::Misfit(misfit) => format!("{}: {misfit}", paint.put(Style::Error, format!("{scheme} does not fit"))),
    };
    terminal.prose(format!("  {line}"))
}

fn show_alternatives(
    recipe: &Recipe,
    (model, index): (&Model, usize),
    decision: &Decision,
    terminal: &mut Terminal,
) -> io::Result<()> {
    let weight = &model.weights[index];
    let chosen = decision.rule.and_then(|rule| recipe.rules.get(rule)?.scheme.as_ref());
    let mut table = Table::new(&[
        Column::text("", 0),
        Column::text("scheme", 0),
        Column::number("bits", 1),
        Column::number("size", 2),
        Column::text("runs from, or why not", 0),
    ]);
    for one in alternatives(recipe, model, index, chosen) {
        let bits = one.bits(weight).map_or(String::new(), |bits| format!("{bits:.2}"));
        let (style, bytes, says) = says(&one);
        let mark = if one.chosen { "*" } else { "" };
        table.row([
            Cell::styled(Style::Good, mark),
            Cell::from(one.scheme.to_string()),
            Cell::from(bits),
            Cell::from(bytes),
            Cell::styled(style, says),
        ]);
    }
    terminal.prose("")?;
    terminal.text(&table.draw(terminal.width, terminal.paint))
}

fn says(one: &Alternative) -> (Style, String, String) {
    match &one.verdict {
        Verdict::Refused(why) => (Style::Error, String::new(), why.clone()),
        Verdict::Fits { bytes, set, too_new } => {
            let system = set.on(Platform::Ios).unwrap_or_else(|| set.name.to_string());
            let (style, more) = if *too_new { (Style::Warning, ", newer than the target") } else { (Style::Plain, "") };
            (style, size(*bytes), format!("{system}{more}"))
        }
    }
}
