//! `bitmill plan`

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::args::PlanArgs;
use super::check::draw_errors;
use super::failure::Failure;
use super::table::{Cell, Column, Table};
use super::terminal::{Painter, Style, Terminal, clean};
use super::{Exit, edit, heading, json, open};
use crate::check::targets::{ForTarget, for_every_target};
use crate::check::{FixKind, Severity, report::Texts};
use crate::model::{Model, Weight, layers, total};
use crate::plan::lock::{self, Change, Difference, Lock};
use crate::plan::words::{self, shape};
use crate::plan::{Decision, Outcome, Plan, Reason};
use crate::project::{Project, ProjectModel};
use crate::recipe::Recipe;
use crate::words::{count, counted, percent, size, thousands};

pub fn run(args: &PlanArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let project = open(&args.recipe, &args.project)?;
    if args.targets {
        return targets(args, &project, terminal);
    }
    let (model, plan) = planned(&project)?;
    if let Some(path) = &args.lock {
        return write_lock(path, &project, model, plan, terminal);
    }
    if let Some(path) = &args.check {
        return check_lock(path, &project, model, plan, terminal);
    }
    if args.json {
        let errors = project.findings().iter().filter(|finding| finding.severity == Severity::Error).count();
        let shape = json::PlanShape::new(&project.path, project.recipe(), model, plan, errors);
        terminal.text(&json::text(&shape))?;
        return Ok(if errors > 0 { Exit::Findings } else { Exit::Fine });
    }
    let has_errors = draw_errors(&project, terminal);
    show(args, &project, model, plan, terminal)?;
    Ok(if has_errors { Exit::Findings } else { Exit::Fine })
}

/// The model of a project and its plan, for commands that are nothing without.
pub fn planned(project: &Project) -> Result<(&Model, &Plan), Failure> {
    match (&project.model, project.planned()) {
        (_, Some(planned)) => Ok(planned),
        (ProjectModel::Unreadable { why, .. }, _) => {
            let help = "correct the path in the recipe, or name the model with --model".to_string();
            Err(Failure::Broken { message: why.clone(), help: Some(help) })
        }
        _ => Err(Failure::usage(
            format!("{}: the recipe names no model", project.path.display()),
            "add `model \"PATH\"` to the recipe, or name the model with --model",
        )),
    }
}

fn show(
    args: &PlanArgs,
    project: &Project,
    model: &Model,
    plan: &Plan,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let recipe = project.recipe();
    let texts = Texts::new(recipe);
    let head = format!("{} for {}", project.path.display(), model.path.display());
    heading(terminal, &clean(&head))?;
    terminal.line("")?;
    let listed: Vec<usize> =
        (0..model.weights.len()).filter(|&i| args.all || plan.decisions[i].is_telling(&model.weights[i])).collect();
    let table = weights_table(args, recipe, &texts, model, plan, &listed);
    if !table.is_empty() {
        terminal.text(&table.draw(terminal.width, terminal.paint))?;
        terminal.line("")?;
    }
    if listed.len() < model.weights.len() {
        let rest = (0..model.weights.len()).filter(|i| listed.binary_search(i).is_err());
        show_rest(rest.map(|i| (&model.weights[i], &plan.decisions[i])), terminal)?;
    }
    show_rules(recipe, &texts, plan, terminal)?;
    show_totals(recipe, model, plan, terminal)
}

fn weights_table(
    args: &PlanArgs,
    recipe: &Recipe,
    texts: &Texts,
    model: &Model,
    plan: &Plan,
    listed: &[usize],
) -> Table {
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
    let rows = if args.all {
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
fn show_rest<'a>(
    rest: impl Iterator<Item = (&'a Weight, &'a Decision)>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
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
        terminal.line(line)?;
    }
    Ok(terminal.line("")?)
}

fn show_rules(recipe: &Recipe, texts: &Texts, plan: &Plan, terminal: &mut Terminal) -> Result<(), Failure> {
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
            terminal.line(format!("  and {} more", count(recipe.rules.len() - MOST, "rule")))?;
        }
        terminal.line("")?;
    }
    Ok(())
}

fn show_totals(recipe: &Recipe, model: &Model, plan: &Plan, terminal: &mut Terminal) -> Result<(), Failure> {
    let totals = plan.totals(model, |_| true);
    let paint = terminal.paint;
    terminal.line(words::coverage(&totals))?;
    let sizes = format!("{} → {}", size(totals.before), size(totals.after));
    terminal.line(format!("{} ({})", paint.put(Style::Bold, sizes), percent(totals.share())))?;
    if let Some(line) = words::misfits(plan) {
        terminal.line(paint.put(Style::Error, line))?;
    }
    terminal.line(paint.put(Style::Dim, words::arithmetic(recipe)))?;
    terminal.line(paint.put(Style::Dim, format!("kinds are known {}", model.kinds_known())))?;
    Ok(())
}

fn write_lock(
    path: &Path,
    project: &Project,
    model: &Model,
    plan: &Plan,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    if draw_errors(project, terminal) {
        terminal.note("nothing is written: a recipe with errors decides nothing for good");
        return Ok(Exit::Findings);
    }
    let text = lock::text(project.recipe(), model, plan);
    // Another file that the path names by mistake is not lost.
    match std::fs::read(path) {
        Ok(old) if lock::is_lock(&old) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Ok(_) => {
            let help = "name another file, or remove this one yourself".to_string();
            let message = format!("{}: is no lock file of this version and is not overwritten", path.display());
            return Err(Failure::Broken { message, help: Some(help) });
        }
        Err(error) => return Err(Failure::unreadable(path, &error)),
    }
    edit::create(path, &text, true, &project.files())?;
    terminal.note(format!("{}: {} written", path.display(), count(plan.decisions.len(), "decision")));
    Ok(Exit::Fine)
}

fn check_lock(
    path: &Path,
    project: &Project,
    model: &Model,
    plan: &Plan,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let has_errors = draw_errors(project, terminal);
    let text = std::fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    let was = Lock::parse(&text).map_err(|error| Failure::broken(format!("{}: {error}", path.display())))?;
    let differences = lock::compare(&was, &lock::lock(project.recipe(), model, plan));
    for difference in &differences {
        let line = difference_text(difference, terminal.paint);
        terminal.line(line)?;
    }
    let tensors: usize = differences.iter().map(|difference| difference.count).sum();
    if differences.is_empty() {
        terminal.line(format!("as in {}: {}", path.display(), count(plan.decisions.len(), "decision")))?;
    } else {
        let differ = counted(tensors, "tensor differs", "tensors differ");
        terminal.line(format!("{differ} from {}", path.display()))?;
    }
    Ok(if has_errors || !differences.is_empty() { Exit::Findings } else { Exit::Fine })
}

fn difference_text(difference: &Difference, paint: Painter) -> String {
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

fn targets(args: &PlanArgs, project: &Project, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let recipe = project.recipe();
    let all = for_every_target(recipe, project.planned());
    if args.json {
        terminal.text(&json::text(&json::TargetsShape::new(recipe, &all)))?;
        return Ok(Exit::Fine);
    }
    let texts = Texts::new(recipe);
    let mut rest = all.as_slice();
    while let [first, ..] = rest {
        // Neighbours that demand the same are told together.
        let says = |target: &ForTarget| target.errors.iter().map(|e| (e.place, e.code)).collect::<Vec<_>>();
        let alike = rest.iter().take_while(|target| says(target) == says(first)).count();
        show_target(&rest[..alike], &texts, terminal)?;
        rest = &rest[alike..];
    }
    Ok(Exit::Fine)
}

fn show_target(alike: &[ForTarget], texts: &Texts, terminal: &mut Terminal) -> Result<(), Failure> {
    let paint = terminal.paint;
    for target in alike {
        let here = if target.current { paint.put(Style::Hint, "  <- the recipe's target") } else { String::new() };
        let systems = paint.put(Style::Bold, target.set.systems());
        terminal.line(format!("{systems} ({}){here}", target.set.name))?;
    }
    let errors = &alike[0].errors;
    if errors.is_empty() {
        terminal.line(format!("  {}", paint.put(Style::Good, "as it is")))?;
    }
    for finding in errors {
        let place = texts.location(finding.place);
        let code = paint.put(Style::Dim, format!("[{}]", finding.code));
        let line = format!("{}: {} {code}", paint.put(Style::Error, place), clean(&finding.message));
        terminal.line(format!("  {line}"))?;
        let fixes = finding.fixes.iter().filter(|fix| fix.kind != FixKind::Target);
        for title in fixes.map(|fix| &fix.title).chain(&finding.help).take(1) {
            terminal.line(format!("    {}", paint.put(Style::Dim, clean(title))))?;
        }
    }
    Ok(terminal.line("")?)
}
