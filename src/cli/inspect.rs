//! `bitmill inspect`

use std::path::Path;

use super::args::InspectArgs;
use super::failure::Failure;
use super::{Exit, inspect_export, inspect_program};
use crate::check::words;
use crate::draw::heading;
use crate::draw::table::{Cell, Column, Table};
use crate::draw::terminal::{Style, Terminal, clean};
use crate::draw::values::{bars, number};
use crate::inspect::export::ExportSummary;
use crate::inspect::program::ProgramSummary;
use crate::inspect::{Sum, Values, values};
use crate::json::{self, ModelShape};
use crate::model::nearest_names;
use crate::model::{Model, Weight, layers};
use crate::plan::words::shape;
use crate::recipe::fragment::{Pattern, PatternError};
use crate::words::{count, percent, size, thousands};

pub fn run(args: &InspectArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let model = Model::open(&args.model)?;
    let weights: Vec<&Weight> = match &args.pattern {
        Some(pattern) => chosen(&model, pattern)?,
        None => model.weights.iter().collect(),
    };
    let values = if args.values { values(&model, &weights)? } else { Vec::new() };
    let summary = model.program.as_ref().map(|program| ProgramSummary::of(&model, program));
    let export = model.export.as_ref().map(|export| ExportSummary::of(&model, export));
    if args.json {
        terminal.text(&json::text(&ModelShape::new(&model, summary.as_ref(), export.as_ref(), &weights, &values)))?;
        return Ok(Exit::Fine);
    }
    show_head(&args.model, &model, &weights, terminal)?;
    // Who asks for some tensors, or for values, does not ask for the program.
    let summary = summary.filter(|_| args.pattern.is_none() && !args.values);
    let export = export.filter(|_| args.pattern.is_none() && !args.values);
    if let Some(summary) = &summary {
        inspect_program::head(summary, terminal)?;
    }
    if let Some(export) = &export {
        inspect_export::head(export, terminal)?;
    }
    terminal.line("")?;
    if let Some(summary) = &summary {
        inspect_program::interface(summary, terminal)?;
    }
    if let Some(export) = &export {
        inspect_export::interface(export, terminal)?;
    }
    if args.values {
        let table = values_table(&weights, &values, terminal.unicode);
        terminal.text(&table.draw(terminal.width, terminal.paint))?;
    } else {
        let table = tree_table(&model, &weights, terminal.unicode);
        terminal.text(&table.draw(terminal.width, terminal.paint))?;
        show_totals(&model, &weights, terminal)?;
    }
    if let Some(summary) = &summary {
        inspect_program::operators(summary, terminal)?;
    }
    if let Some(export) = &export {
        inspect_export::operators(export, terminal)?;
    }
    Ok(Exit::Fine)
}

/// The tensors that a pattern means.
fn chosen<'m>(model: &'m Model, text: &str) -> Result<Vec<&'m Weight>, Failure> {
    let pattern = Pattern::read(text).map_err(|why| {
        let help = "write a selector as in recipes, such as `linear where rank == 2`, or a glob such as *.q_proj";
        match why {
            PatternError::Selector => Failure::usage(format!("`{}` is no selector", clean(text)), help),
            PatternError::Glob(why) => Failure::usage(format!("`{}` is no pattern: {why}", clean(text)), help),
        }
    })?;
    let found: Vec<&Weight> = model.weights.iter().filter(|weight| pattern.matches(weight)).collect();
    if found.is_empty() {
        let near = nearest_names(model, text.trim_matches('"'), 3);
        let help = words::nearest_help(&near, "without a pattern, every tensor is listed".to_string());
        return Err(Failure::usage(format!("`{}` matches no tensor of the model", clean(text)), help));
    }
    Ok(found)
}

fn show_head(path: &Path, model: &Model, weights: &[&Weight], terminal: &mut Terminal) -> Result<(), Failure> {
    heading(terminal, &clean(&path.display().to_string()))?;
    let sum = Sum::of(weights.iter().copied());
    let mut facts = vec![model.format.word().to_string()];
    facts.extend(model.architecture.as_ref().map(|name| clean(name).into_owned()));
    if model.files.len() > 1 {
        facts.push(count(model.files.len(), "file"));
    }
    let part = if weights.len() < model.weights.len() { format!(" of {}", model.weights.len()) } else { String::new() };
    facts.push(format!("{}{part} tensors", thousands(sum.tensors as u64)));
    facts.push(format!("{} elements", thousands(sum.elements)));
    facts.push(size(sum.bytes));
    Ok(terminal.line(format!("  {}", facts.join(", ")))?)
}

/// Levels of the tree; what lies deeper stands in one line.
const DEEPEST: usize = 32;

/// A module of the tree: what it is called within its parent, and what it holds.
#[derive(Default)]
struct Node<'m> {
    label: String,
    /// The tensors that end here, as a first one and their number.
    leaf: Option<(&'m Weight, usize)>,
    sum: Sum,
    children: Vec<Node<'m>>,
}

impl<'m> Node<'m> {
    fn add(&mut self, path: &[&str], members: &[&'m Weight]) {
        members.iter().for_each(|weight| self.sum.add(weight));
        let [first, rest @ ..] = path else {
            self.leaf = members.first().map(|weight| (*weight, members.len()));
            return;
        };
        // Rows come in the order of names: what belongs together follows each other.
        let is_last = self.children.last().is_some_and(|child| child.label == *first && child.leaf.is_none());
        if !is_last || rest.is_empty() {
            self.children.push(Node { label: first.to_string(), ..Node::default() });
        }
        if let Some(child) = self.children.last_mut() {
            child.add(rest, members);
        }
    }

    /// Joins a module that holds one thing with that thing.
    fn compress(&mut self) {
        self.children.iter_mut().for_each(Node::compress);
        if self.leaf.is_none() && !self.label.is_empty() && self.children.len() == 1 {
            let child = self.children.remove(0);
            let label = format!("{}.{}", self.label, child.label);
            *self = Node { label, ..child };
        }
    }
}

fn tree_table(model: &Model, weights: &[&Weight], unicode: bool) -> Table {
    let items = weights.iter().map(|weight| {
        let likeness = (weight.kind, weight.role, weight.shape.clone(), weight.dtype, weight.known_by);
        let stored = model.compressed(weight).map(|compressed| compressed.to_string());
        (weight.name.as_str(), (likeness, stored, weight.transposed, weight.tied.is_empty()))
    });
    let mut root = Node::default();
    for row in layers::collapse(items) {
        let members: Vec<&Weight> = row.members.iter().map(|&index| weights[index]).collect();
        // A name of a stranger may have any number of dots, and the tree is walked by recursion.
        let (first, rest) = row.components.split_at(row.components.len().min(DEEPEST));
        let rest = rest.join(".");
        let path: Vec<&str> =
            first.iter().map(String::as_str).chain(Some(rest.as_str()).filter(|r| !r.is_empty())).collect();
        root.add(&path, &members);
    }
    root.children.iter_mut().for_each(Node::compress);
    let mut table = Table::new(&[
        Column::text("tensor", 0),
        Column::number("", 4),
        Column::text("kind", 2),
        Column::number("shape", 1),
        Column::text("type", 3),
        Column::text("compressed", 2),
        Column::number("size", 1),
        Column::text("kind is known", 5),
        Column::text("", 6),
    ]);
    for child in &root.children {
        add_rows(&mut table, model, child, "", "", unicode);
    }
    table
}

/// Adds a node and what is under it: `first` stands before its own line, `rest` before the others.
fn add_rows(table: &mut Table, model: &Model, node: &Node, first: &str, rest: &str, unicode: bool) {
    let label = format!("{first}{}", node.label);
    match node.leaf {
        Some((weight, many)) => table.row([
            Cell::from(label),
            if many > 1 { Cell::styled(Style::Dim, format!("×{many}")) } else { Cell::default() },
            Cell::from(weight.kind.word()),
            Cell::from(shape(&weight.shape)),
            Cell::from(weight.dtype.name()),
            Cell::from(model.compressed(weight).map(|compressed| compressed.to_string()).unwrap_or_default()),
            Cell::from(size(node.sum.bytes)),
            Cell::styled(Style::Dim, format!("by {}", weight.known_by.word())),
            Cell::styled(Style::Dim, notes(weight)),
        ]),
        None => table.row([
            Cell::styled(Style::Bold, label),
            Cell::default(),
            Cell::default(),
            Cell::default(),
            Cell::default(),
            Cell::default(),
            Cell::styled(Style::Dim, size(node.sum.bytes)),
            Cell::default(),
            Cell::default(),
        ]),
    }
    let [branch, last, line] = if unicode { ["├ ", "└ ", "│ "] } else { ["|-", "`-", "| "] };
    for (index, child) in node.children.iter().enumerate() {
        let is_last = index + 1 == node.children.len();
        let (own, under) = if is_last { (last, "  ") } else { (branch, line) };
        add_rows(table, model, child, &format!("{rest}{own}"), &format!("{rest}{under}"), unicode);
    }
}

fn notes(weight: &Weight) -> String {
    let tied = (!weight.tied.is_empty()).then(|| format!("tied to {}", words::list(&weight.tied, 2)));
    let transposed = weight.transposed.then(|| "stored as [in, out]".to_string());
    tied.into_iter().chain(transposed).collect::<Vec<_>>().join("; ")
}

fn show_totals(model: &Model, weights: &[&Weight], terminal: &mut Terminal) -> Result<(), Failure> {
    let columns = |title| {
        [Column::text(title, 0), Column::number("tensors", 1), Column::number("elements", 2), Column::number("size", 0)]
    };
    let row = |table: &mut Table, word: &str, sum: Sum| {
        let numbers = [thousands(sum.tensors as u64), thousands(sum.elements), size(sum.bytes)];
        let [tensors, elements, bytes] = numbers.map(Cell::from);
        table.row([Cell::from(word), tensors, elements, bytes]);
    };
    let mut kinds = Table::new(&columns("kind"));
    for (kind, sum) in Sum::by(weights.iter().copied(), |weight| weight.kind) {
        row(&mut kinds, kind.word(), sum);
    }
    let mut types = Table::new(&columns("type"));
    for (dtype, sum) in Sum::by(weights.iter().copied(), |weight| weight.dtype) {
        row(&mut types, dtype.name(), sum);
    }
    let mut compressions = Table::new(&columns("compressed"));
    let sums = Sum::by(weights.iter().copied(), |weight| model.compressed(weight).map(|found| found.to_string()));
    if sums.keys().any(Option::is_some) {
        for (compressed, sum) in sums {
            row(&mut compressions, compressed.as_deref().unwrap_or("not"), sum);
        }
    }
    for table in [kinds, types, compressions].into_iter().filter(|table| !table.is_empty()) {
        terminal.line("")?;
        terminal.text(&table.draw(terminal.width, terminal.paint))?;
    }
    Ok(())
}

fn values_table(weights: &[&Weight], values: &[Option<Values>], unicode: bool) -> Table {
    let mut table = Table::new(&[
        Column::text("tensor", 0),
        Column::number("shape", 4),
        Column::text("type", 6),
        Column::number("min", 1),
        Column::number("max", 1),
        Column::number("mean", 3),
        Column::number("std", 2),
        Column::number("zeros", 4),
        Column::text("", 1),
        Column::text("values from min to max", 0),
    ]);
    for (weight, values) in weights.iter().zip(values) {
        let head = [weight.name.clone(), shape(&weight.shape), weight.dtype.name().to_string()].map(Cell::from);
        let [name, dimensions, dtype] = head;
        let Some(values) = values else {
            let [a, b, c, d, e] = std::array::from_fn(|_| Cell::default());
            let says = Cell::styled(Style::Dim, "not read as numbers");
            table.row([name, dimensions, dtype, a, b, c, d, e, Cell::default(), says]);
            continue;
        };
        let [min, max, mean, std] = [values.min, values.max, values.mean, values.std].map(|n| Cell::from(number(n)));
        let zeros = percent(values.zeros as f64 / weight.elements().max(1) as f64);
        let broken = [(values.nan, "NaN"), (values.infinite, "infinite")];
        let broken: Vec<String> =
            broken.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{} {word}", thousands(*n))).collect();
        table.row([
            name,
            dimensions,
            dtype,
            min,
            max,
            mean,
            std,
            Cell::from(zeros),
            Cell::styled(Style::Error, broken.join(", ")),
            Cell::styled(Style::Code, bars(&values.histogram, unicode)),
        ]);
    }
    table
}
