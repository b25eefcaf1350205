//! Evaluations: how near the outputs stay, how often labels are met, where the error enters.

use std::io;

use super::heading;
use super::run::found;
use super::table::{Cell, Column, Table};
use super::terminal::{Terminal, clean};
use crate::check::Measured;
use crate::eval::{Evaluation, Labelled, LayerReport, Share};
use crate::project::AfterRun;
use crate::recipe::Recipe;
use crate::run::outcome::{self, decibels};
use crate::words::{count, counted, percent, thousands};

/// Draws what an evaluation has shown, with so many of the values with which most error enters, and perhaps how long it
/// took.
///
/// # Errors
/// As [`Terminal::line`].
pub fn show(
    recipe: &Recipe,
    evaluation: &Evaluation,
    after: &AfterRun,
    (layers, time): (usize, bool),
    terminal: &mut Terminal,
) -> io::Result<()> {
    if let Some(labelled) = &evaluation.labelled {
        labels(labelled, terminal)?;
    }
    outputs(evaluation, terminal)?;
    if let Some(all) = evaluation.layers.as_deref().filter(|_| layers > 0) {
        entering(all, layers, terminal)?;
    }
    terminal.prose(format!("\n{}", outcome::summary(&evaluation.run)))?;
    if let Some(line) = outcome::activations(&evaluation.run) {
        terminal.prose(line)?;
    }
    found(recipe, after, terminal)?;
    let samples = count(usize::try_from(evaluation.samples).unwrap_or(usize::MAX), "sample");
    let left_out = match evaluation.left_out {
        0 => String::new(),
        left_out => format!(", {} that fill no batch left out", thousands(left_out)),
    };
    let batches = match evaluation.batches as u64 == evaluation.samples {
        true => String::new(),
        false => format!(" in {}", counted(evaluation.batches, "batch", "batches")),
    };
    let took = if time { format!(" in {:.2} s", evaluation.elapsed.as_secs_f64()) } else { String::new() };
    terminal.prose(format!("evaluated on {samples}{batches}{left_out}{took}"))
}

/// What the labels told.
///
/// # Errors
/// As [`Terminal::line`].
pub fn labels(labelled: &Labelled, terminal: &mut Terminal) -> io::Result<()> {
    let mut table = Table::new(&[
        Column::text("", 0),
        Column::number("in float", 0),
        Column::number("quantized", 0),
        Column::number("change", 0),
    ]);
    let Measured { float, quantized } = labelled.accuracy();
    let change = format!("{:+.2} %", (quantized - float) * 100.0);
    table.row(["accuracy".to_owned(), percent(float), percent(quantized), change].map(Cell::from));
    let (of, top1) = (thousands(labelled.top1.of), labelled.top1);
    let change = i128::from(top1.quantized) - i128::from(top1.float);
    let right = [format!("right of {of}"), thousands(top1.float), thousands(top1.quantized), format!("{change:+}")];
    table.row(right.map(Cell::from));
    if let Some(measured) = labelled.perplexity {
        let Measured { float, quantized } = measured;
        let change = format!("{:+.2} %", measured.rise() * 100.0);
        table.row(["perplexity".to_owned(), format!("{float:.3}"), format!("{quantized:.3}"), change].map(Cell::from));
    }
    let text = table.draw(terminal.width, terminal.paint);
    terminal.text(&text)?;
    terminal.line("")
}

fn outputs(evaluation: &Evaluation, terminal: &mut Terminal) -> io::Result<()> {
    let mut table = Table::new(&[
        Column::text("output", 0),
        Column::text("type", 1),
        Column::number("SQNR", 0),
        Column::number("largest error", 1),
        Column::number("agreement", 0),
    ]);
    for output in &evaluation.outputs {
        let power = output.power;
        let agreement = output.agreement.map(Share::share);
        table.row([
            Cell::from(&output.name),
            Cell::from(output.ty.to_string()),
            Cell::from(power.map(|power| decibels(power.sqnr())).unwrap_or_default()),
            Cell::from(power.map(|power| format!("{:.3e}", power.largest)).unwrap_or_default()),
            Cell::from(agreement.map(percent).unwrap_or_default()),
        ]);
    }
    let text = table.draw(terminal.width, terminal.paint);
    terminal.text(&text)
}

/// The values with which most error enters, the worst first.
fn entering(all: &[LayerReport], most: usize, terminal: &mut Terminal) -> io::Result<()> {
    terminal.prose("")?;
    heading(terminal, "where the error enters")?;
    // NaN is worse than any number.
    let rank = |layer: &LayerReport| {
        let sqnr = layer.alone.sqnr();
        if sqnr.is_nan() { f64::NEG_INFINITY } else { sqnr }
    };
    let mut worst: Vec<&LayerReport> = all.iter().collect();
    worst.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
    let mut table = Table::new(&[
        Column::text("value", 0),
        Column::text("operator", 1),
        Column::text("module", 2),
        Column::number("alone", 0),
        Column::number("end to end", 0),
    ]);
    for layer in worst.iter().take(most) {
        table.row([
            Cell::from(&layer.name),
            Cell::from(&layer.operator),
            Cell::from(layer.module.as_deref().unwrap_or_default()),
            Cell::from(decibels(layer.alone.sqnr())),
            Cell::from(decibels(layer.end_to_end.sqnr())),
        ]);
    }
    let text = table.draw(terminal.width, terminal.paint);
    terminal.text(&text)?;
    match worst.len().checked_sub(most).filter(|more| *more > 0) {
        Some(more) => terminal.prose(clean(&format!("  and {} with less", count(more, "value")))),
        None => Ok(()),
    }
}
