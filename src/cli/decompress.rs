//! `bitmill decompress`

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::Exit;
use super::args::DecompressArgs;
use super::failure::Failure;
use crate::draw::progress::watched;
use crate::draw::table::{Cell, Column, Table};
use crate::draw::terminal::{Terminal, clean};
use crate::json;
use crate::model::Model;
use crate::run::decompress::{Decompress, Decompressed, decompress};
use crate::run::outcome;
use crate::words::{count, percent, size, thousands};

pub fn run(args: &DecompressArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let model = Model::open(&args.model)?;
    let output = args.output.clone().unwrap_or_else(|| outcome::named_after(&model, "decompressed"));
    let job = Decompress { model: &model, output: &output, overwrite: args.force };
    // A signal ends the process, and what is half written goes with it.
    let cancel = AtomicBool::new(false);
    let done = watched(terminal, args.json, |progress| decompress(&job, progress, &cancel))?;
    match done {
        Some(done) if args.json => terminal.text(&json::text(&json::DecompressShape::new(&done)))?,
        Some(done) => show(&done, terminal)?,
        None if args.json => terminal.text(&json::text(&json::DecompressShape::nothing()))?,
        None => {
            let path = args.model.display().to_string();
            terminal.line(format!("{}: no weight is compressed; nothing was written", clean(&path)))?;
        }
    }
    Ok(Exit::Fine)
}

fn show(done: &Decompressed, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut kinds: BTreeMap<String, (usize, u64, u64)> = BTreeMap::new();
    for weight in &done.weights {
        let sum = kinds.entry(weight.was.to_string()).or_default();
        *sum = (sum.0 + 1, sum.1 + weight.before, sum.2 + weight.after);
    }
    let mut table = Table::new(&[
        Column::text("was", 0),
        Column::number("weights", 0),
        Column::number("before", 1),
        Column::number("after", 0),
    ]);
    for (was, (weights, before, after)) in kinds {
        table.row([was, thousands(weights as u64), size(before), size(after)].map(Cell::from));
    }
    terminal.text(&table.draw(terminal.width, terminal.paint))?;
    terminal.line(format!(
        "\n{} decompressed, {} copied: {} to {}, {}",
        count(done.weights.len(), "weight"),
        count(done.copied, "tensor"),
        size(done.before),
        size(done.after),
        percent(done.after as f64 / done.before.max(1) as f64)
    ))?;
    let written = clean(&done.output.display().to_string()).into_owned();
    terminal.line(format!("wrote {written} in {:.2} s", done.elapsed.as_secs_f64()))?;
    Ok(())
}
