//! `bitmill diff`

use super::Exit;
use super::args::DiffArgs;
use super::failure::Failure;
use crate::check::words::list;
use crate::diff::{Comparison, Pair, ProgramChange, ValueChange, compare};
use crate::draw::heading;
use crate::draw::table::{Cell, Column, Table};
use crate::draw::terminal::{Style, Terminal, clean};
use crate::inspect::Sum;
use crate::json;
use crate::model::Model;
use crate::plan::words::shape;
use crate::run::outcome::decibels;
use crate::words::{count, percent, size, thousands};

/// Weights that changed and are listed unless all are asked for.
const LISTED: usize = 20;

pub fn run(args: &DiffArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let (before, after) = (Model::open(&args.before)?, Model::open(&args.after)?);
    let found = compare(&before, &after)?;
    if args.json {
        terminal.text(&json::text(&json::DiffShape::new(&found, &before, &after, args.all)))?;
    } else {
        Show { found: &found, before: &before, after: &after }.all(args, terminal)?;
    }
    Ok(if found.is_same() { Exit::Fine } else { Exit::Findings })
}

struct Show<'a> {
    found: &'a Comparison,
    before: &'a Model,
    after: &'a Model,
}

impl Show<'_> {
    fn all(&self, args: &DiffArgs, terminal: &mut Terminal) -> Result<(), Failure> {
        for (sign, path, model) in [("-", &args.before, self.before), ("+", &args.after, self.after)] {
            let sum = Sum::of(&model.weights);
            let path = clean(&path.display().to_string()).into_owned();
            let facts = [model.format.word().to_string(), count(sum.tensors, "tensor"), size(sum.bytes)];
            terminal.line(format!("{sign} {path}  {}", terminal.paint.put(Style::Dim, facts.join(", "))))?;
        }
        if let Some(program) = self.found.program.as_ref().filter(|program| !program.is_same()) {
            show_program(program, terminal)?;
        }
        self.weights(args.all, terminal)?;
        self.sums(terminal)?;
        self.alone(args.all, terminal)?;
        terminal.line("")?;
        Ok(terminal.line(self.summary())?)
    }

    fn weights(&self, all: bool, terminal: &mut Terminal) -> Result<(), Failure> {
        let shown: Vec<&Pair> = self.found.pairs.iter().filter(|pair| all || !pair.is_same()).collect();
        let listed = if all { shown.len() } else { shown.len().min(LISTED) };
        if listed == 0 {
            return Ok(());
        }
        terminal.line("")?;
        let mut table = Table::new(&[
            Column::text("weight", 0),
            Column::number("shape", 3),
            Column::text("stored as", 2),
            Column::text("now", 1),
            Column::number("size", 5),
            Column::number("now", 4),
            Column::number("SQNR", 0),
            Column::number("largest error", 6),
        ]);
        for pair in &shown[..listed] {
            let (before, after) = (&self.before.weights[pair.before], &self.after.weights[pair.after]);
            let dimensions = match before.shape == after.shape {
                true => shape(&before.shape),
                false => format!("{} → {}", shape(&before.shape), shape(&after.shape)),
            };
            let largest = match &pair.values {
                ValueChange::Error { power, .. } => format!("{:.3e}", power.largest),
                _ => String::new(),
            };
            table.row([
                Cell::from(&before.name),
                Cell::from(dimensions),
                Cell::from(pair.was.to_string()),
                Cell::from(if pair.is == pair.was { String::new() } else { pair.is.to_string() }),
                Cell::from(size(before.bytes)),
                Cell::from(size(after.bytes)),
                Cell::from(quality(&pair.values)),
                Cell::from(largest),
            ]);
        }
        terminal.text(&table.draw(terminal.width, terminal.paint))?;
        if listed < shown.len() {
            let more = format!("  and {} more; --all lists them", thousands((shown.len() - listed) as u64));
            terminal.line(terminal.paint.put(Style::Dim, more))?;
        }
        Ok(())
    }

    fn sums(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        let sums = self.found.by_storage(self.before, self.after);
        if sums.is_empty() {
            return Ok(());
        }
        terminal.line("")?;
        let mut table = Table::new(&[
            Column::text("stored as", 0),
            Column::number("weights", 0),
            Column::number("same values", 2),
            Column::number("before", 1),
            Column::number("after", 1),
            Column::number("SQNR", 0),
        ]);
        for ((was, is), sum) in sums {
            let quality = if sum.incomparable == sum.weights { String::new() } else { quality(&sum.values()) };
            table.row([
                Cell::from(stored(&was, &is)),
                Cell::from(thousands(sum.weights as u64)),
                Cell::from(thousands(sum.same as u64)),
                Cell::from(size(sum.before)),
                Cell::from(size(sum.after)),
                Cell::from(quality),
            ]);
        }
        Ok(terminal.text(&table.draw(terminal.width, terminal.paint))?)
    }

    /// Weights that only one of the models has.
    fn alone(&self, all: bool, terminal: &mut Terminal) -> Result<(), Failure> {
        let sides = [("-", self.before, &self.found.only_before), ("+", self.after, &self.found.only_after)];
        for (sign, model, indices) in sides {
            if indices.is_empty() {
                continue;
            }
            terminal.line("")?;
            let names: Vec<&str> = indices.iter().map(|index| model.weights[*index].name.as_str()).collect();
            let bytes = Sum::of(indices.iter().map(|index| &model.weights[*index])).bytes;
            let which = if sign == "-" { "first" } else { "second" };
            let head = format!("{sign} only in the {which}: {}, {}", count(names.len(), "tensor"), size(bytes));
            terminal.line(head)?;
            match all {
                true => names.iter().try_for_each(|name| terminal.line(format!("  {}", clean(name))))?,
                false => terminal.line(format!("  {}", clean(&list(&names, 5))))?,
            }
        }
        Ok(())
    }

    fn summary(&self) -> String {
        let sum = self.found.total(self.before, self.after);
        let same = self.found.pairs.iter().filter(|pair| pair.is_same()).count();
        if self.found.is_same() {
            return format!("the same: {}, every value equal", count(same, "weight"));
        }
        let mut parts = vec![format!(
            "{} in both: {same} the same, {} with the same values stored otherwise, {} changed",
            count(sum.weights, "weight"),
            sum.same - same,
            sum.weights - sum.same
        )];
        let share = sum.after as f64 / sum.before.max(1) as f64;
        parts.push(format!("{} to {}, {}", size(sum.before), size(sum.after), percent(share)));
        if sum.same + sum.incomparable < sum.weights {
            parts.push(quality(&sum.values()));
        }
        parts.join("; ")
    }
}

fn stored(was: &str, is: &str) -> String {
    if was == is { was.to_string() } else { format!("{was} → {is}") }
}

/// What became of values, in a word or two.
fn quality(values: &ValueChange) -> String {
    match values {
        ValueChange::Same => "same values".into(),
        ValueChange::Shape => "other shape".into(),
        ValueChange::Bytes => "other bytes".into(),
        ValueChange::Error { not_finite: 0, .. } => decibels(values.sqnr()),
        ValueChange::Error { not_finite, .. } => format!("{not_finite} NaN or infinite changed"),
    }
}

fn show_program(program: &ProgramChange, terminal: &mut Terminal) -> Result<(), Failure> {
    terminal.line("")?;
    heading(terminal, "program")?;
    let mut table = Table::new(&[Column::text("", 0), Column::text("before", 0), Column::text("after", 0)]);
    if program.specification.is_change() {
        let (before, after) = (program.specification.before, program.specification.after);
        table.row([Cell::from("specification version"), Cell::from(before.to_string()), Cell::from(after.to_string())]);
    }
    if program.operator_sets.is_change() {
        let sets = &program.operator_sets;
        table.row([Cell::from("operator set"), Cell::from(&sets.before), Cell::from(&sets.after)]);
    }
    for (operator, change) in &program.operators {
        let many = |count: usize| Cell::from(if count == 0 { "none".into() } else { thousands(count as u64) });
        table.row([Cell::from(operator), many(change.before), many(change.after)]);
    }
    for feature in &program.features {
        let ty = |ty: &Option<String>| Cell::from(ty.as_deref().unwrap_or("none"));
        let name = format!("{} {} of {}", feature.side.word(), feature.name, feature.function);
        table.row([Cell::from(name), ty(&feature.ty.before), ty(&feature.ty.after)]);
    }
    Ok(terminal.text(&table.draw(terminal.width, terminal.paint))?)
}
