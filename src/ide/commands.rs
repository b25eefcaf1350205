//! What the commands of an editor do: the plan of a recipe and a new recipe as documents, a run.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::Analysis;
use super::symbols::one_line;
use crate::check::{Severity, expectation};
use crate::model::{Model, Weight, layers, total};
use crate::nearest::nearest;
use crate::plan::words::{arithmetic, becomes, coverage, misfits, shape};
use crate::plan::{Decision, Outcome, Plan};
use crate::project::AfterRun;
use crate::recipe::FileId;
use crate::recipe::preset::{PRESETS, Preset};
use crate::recipe::starter::{Form, starter};
use crate::run::activations::PlannedActivations;
use crate::run::{self, Job, Progress, RunError, outcome};
use crate::words::{count, percent, size};

/// The plan of a recipe as plain text: what becomes of each weight, what each rule does, the sums. `None` without a
/// model.
pub fn plan_text(analysis: &Analysis) -> Option<String> {
    let (model, plan) = analysis.planned()?;
    let mut text = format!("{} for {}\n\n", analysis.path().display(), model.path.display());
    text.push_str(&weights_table(analysis, model, plan));
    rest(&mut text, model, plan);
    text.push_str(&rules_table(analysis, plan));
    if let Some(totals) = analysis.totals() {
        let sizes = format!("{} → {} ({})", size(totals.before), size(totals.after), percent(totals.share()));
        _ = write!(text, "{}\n{sizes}\n", coverage(totals));
    }
    if let Some(line) = misfits(plan) {
        _ = writeln!(text, "{line}");
    }
    if let Some(activations) = PlannedActivations::new(analysis.recipe(), model, plan) {
        _ = writeln!(text, "{}", activations.words());
    }
    _ = writeln!(text, "{}", arithmetic(analysis.recipe()));
    _ = writeln!(text, "kinds are known {}", model.kinds_known());
    Some(text)
}

/// The text of a recipe that extends a preset, or spells it out.
///
/// # Errors
/// For a name that no preset has: the nearest that one has, if any.
pub fn new_recipe(preset: &str, model: Option<&str>, spelled_out: bool) -> Result<String, Option<&'static str>> {
    let found = Preset::by_name(preset).ok_or_else(|| nearest(preset, PRESETS.iter().map(|preset| preset.name)))?;
    Ok(starter(found, model, if spelled_out { Form::Statements } else { Form::Extend }))
}

/// Runs a recipe as it stands in the editor, and tells in a few lines what came of it. Where it says nothing of an
/// output, that stands beside the recipe: an editor has no current directory that its user knows.
///
/// # Errors
/// See [`RunError`]: without a model, and where something is to be mended first, [`RunError::NotChecked`].
pub fn run(
    analysis: &Analysis,
    progress: &dyn Progress,
    cancel: &AtomicBool,
    overwrite: bool,
) -> Result<String, RunError> {
    let (model, plan) = analysis.planned().ok_or(RunError::NotChecked)?;
    let (recipe, known) = (analysis.recipe(), analysis.findings());
    if known.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(RunError::NotChecked);
    }
    let (format, output) = outcome::output(recipe, model, (None, None));
    let directory = analysis.path().parent().unwrap_or(Path::new(""));
    let output = directory.join(output);
    let inputs = analysis.files();
    let job = Job { recipe, model, plan, format, output: &output, overwrite, inputs: &inputs };
    let report = run::run(&job, progress, cancel)?;
    let after = AfterRun::new(recipe, model, known, &report.facts());
    let mut lines = vec![outcome::summary(&report)];
    lines.extend(outcome::activations(&report));
    lines.extend(outcome::left_out(&report));
    lines.extend(after.findings.iter().map(|finding| format!("{}: {}", finding.severity.word(), finding.message)));
    lines.extend(expectation::summary(recipe, &after.verdicts));
    lines.push(outcome::written(&report));
    Ok(lines.join("\n"))
}

/// Weights that are treated alike in one row each.
fn weights_table(analysis: &Analysis, model: &Model, plan: &Plan) -> String {
    let listed: Vec<(&Weight, &Decision)> =
        model.weights.iter().zip(&plan.decisions).filter(|(weight, decision)| decision.is_telling(weight)).collect();
    let likeness = |weight: &Weight, decision: &Decision| {
        (weight.kind, weight.shape.clone(), weight.dtype, decision.rule, format!("{:?}", decision.outcome))
    };
    let items = listed.iter().map(|(weight, decision)| (weight.short_name(), likeness(weight, decision)));
    let mut rows = vec![["weight", "", "kind", "shape", "becomes", "bits", "before", "after", "by"].map(String::from)];
    for row in layers::collapse(items) {
        let (weight, decision) = listed[row.members[0]];
        let sum = |of: fn(&Decision) -> u64| total(row.members.iter().map(|&at| of(listed[at].1)));
        let (before, after) = (sum(|decision| decision.before), sum(|decision| decision.after));
        let many = row.members.len();
        let bits = after as f64 * 8.0 / (weight.elements().max(1) * many as u64) as f64;
        let changed = |text: String| if decision.outcome.is_change() { text } else { String::new() };
        rows.push([
            row.name,
            if many > 1 { format!("×{many}") } else { String::new() },
            weight.kind.word().to_string(),
            shape(&weight.shape),
            becomes(analysis.recipe(), decision),
            changed(format!("{bits:.2}")),
            size(before),
            changed(size(after)),
            decision.rule.map_or(String::new(), |rule| location(analysis, rule)),
        ]);
    }
    if rows.len() == 1 { String::new() } else { table(&rows) + "\n" }
}

/// Tensors that stay as a matter of course, summed up by the reason.
fn rest(text: &mut String, model: &Model, plan: &Plan) {
    let mut sums: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for (weight, decision) in model.weights.iter().zip(&plan.decisions) {
        if let (false, Outcome::Keep(reason)) = (decision.is_telling(weight), &decision.outcome) {
            let sum = sums.entry(reason.to_string()).or_default();
            *sum = (sum.0 + 1, sum.1.saturating_add(weight.bytes));
        }
    }
    for (reason, (tensors, bytes)) in &sums {
        _ = writeln!(text, "and {} ({}): {reason}", crate::words::count(*tensors, "tensor"), size(*bytes));
    }
    if !sums.is_empty() {
        text.push('\n');
    }
}

fn rules_table(analysis: &Analysis, plan: &Plan) -> String {
    let mut rows = vec![["rule", "", "does"].map(String::from)];
    for (index, (rule, share)) in analysis.recipe().rules.iter().zip(&plan.rules).enumerate() {
        let lost = share.matches.saturating_sub(share.decides);
        let lost = if lost > 0 { format!(", {} overtaken", count(lost, "weight")) } else { String::new() };
        let text = one_line(analysis.recipe().text(rule.place));
        rows.push([location(analysis, index), text, format!("{share}{lost}")]);
    }
    if rows.len() == 1 { String::new() } else { table(&rows) + "\n" }
}

/// Where a rule is written: `line 7`, or `base.bitmill:7` in another file.
fn location(analysis: &Analysis, rule: usize) -> String {
    let recipe = analysis.recipe();
    let Some(rule) = recipe.rules.get(rule) else { return String::new() };
    let place = recipe.visible(rule.place);
    let line = analysis.lines_of(place.file).line(place.span.start) + 1;
    if place.file == FileId(0) { format!("line {line}") } else { format!("{}:{line}", analysis.shown_path(place.file)) }
}

/// Rows with their columns under each other, two blanks between them.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            _ = write!(line, "{cell:width$}  ");
        }
        _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
