//! `bitmill run`

use std::sync::atomic::AtomicBool;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::args::RunArgs;
use super::check::draw_errors;
use super::draw::Artist;
use super::failure::Failure;
use super::plan::planned;
use super::progress::watched;
use super::table::{Cell, Column, Table};
use super::terminal::{Style, Terminal, clean};
use super::{Exit, heading, json, open};
use crate::check::report::Texts;
use crate::check::{Severity, expectation};
use crate::project::{AfterRun, Project};
use crate::run::{self, Job, OutputFormat, Report, RunError, outcome};
use crate::words::{size, thousands};

/// Weights of the lowest quality that the report lists.
const WORST: usize = 5;

pub fn run(args: &RunArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let project = open(&args.recipe, &args.project)?;
    let (model, plan) = planned(&project)?;
    if draw_errors(&project, terminal) {
        return Ok(Exit::Findings);
    }
    let named =
        args.output.clone().or_else(|| project.recipe().output.as_ref().map(|path| project.recipe().path(path)));
    let format = args.format.unwrap_or_else(|| OutputFormat::for_output(model, named.as_deref()));
    let output = match &args.output {
        Some(path) => path.clone(),
        None => outcome::default_output(project.recipe(), model, format),
    };
    let job = Job {
        recipe: project.recipe(),
        model,
        plan,
        format,
        output: &output,
        overwrite: args.force,
        inputs: &project.files(),
    };
    // A signal ends the process, and what is half written goes with it: nobody has to ask in between.
    let cancel = AtomicBool::new(false);
    let report = watched(terminal, args.json, |progress| run::run(&job, progress, &cancel));
    let report = report?;
    let after = project.after_run(&report.facts());
    if args.json {
        let shape = json::RunShape::new(project.recipe(), &report, &after);
        terminal.text(&json::text(&shape))?;
    } else {
        show(args, &project, &report, &after, terminal)?;
    }
    let failed = after.findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if failed { Exit::Findings } else { Exit::Fine })
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        match error {
            RunError::Model(error) => error.into(),
            RunError::Output(error) => error.into(),
            RunError::Package(error) => {
                Failure::Broken { message: error.to_string(), help: error.help().map(str::to_string) }
            }
            // What is asked for does not go together; no input is broken.
            RunError::Convert(error) => Failure::Broken {
                message: error.to_string(),
                help: Some(
                    "bitmill converts the common operators of inference: write what the model does with those".into(),
                ),
            },
            RunError::Format(why) => Failure::Usage { message: why.to_string(), help: None },
            other => Failure::broken(other.to_string()),
        }
    }
}

fn show(
    args: &RunArgs,
    project: &Project,
    report: &Report,
    after: &AfterRun,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let (recipe, paint) = (project.recipe(), terminal.paint);
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
    worst(args, report, terminal)?;
    terminal.line(format!("\n{}", outcome::summary(report)))?;
    for finding in &after.findings {
        let artist = Artist::new(recipe, terminal, paint);
        terminal.text(&artist.draw(finding))?;
    }
    if let Some(line) = expectation::summary(recipe, &after.verdicts) {
        terminal.line(clean(&line))?;
    }
    // A recipe may say where, and a stranger may have written it.
    terminal.line(clean(&outcome::written(report)))?;
    Ok(())
}

fn worst(args: &RunArgs, report: &Report, terminal: &mut Terminal) -> Result<(), Failure> {
    let many = args.worst.unwrap_or(WORST);
    if many == 0 || report.weights.is_empty() {
        return Ok(());
    }
    terminal.line("")?;
    heading(terminal, "worst weights")?;
    let mut table = Table::new(&[
        Column::text("weight", 0),
        Column::text("scheme", 1),
        Column::number("bits/weight", 2),
        Column::number("SQNR", 0),
        Column::number("largest error", 3),
    ]);
    for weight in report.worst().into_iter().take(many) {
        table.row([
            Cell::styled(Style::Plain, &weight.name),
            Cell::styled(Style::Plain, &weight.scheme),
            Cell::styled(Style::Plain, format!("{:.2}", weight.bits())),
            Cell::styled(Style::Plain, outcome::decibels(weight.error.sqnr())),
            Cell::styled(Style::Plain, format!("{:.3e}", weight.max_error)),
        ]);
    }
    let text = table.draw(terminal.width, terminal.paint);
    terminal.text(&text)?;
    Ok(())
}

/// Reads the word of a format, and tells a shell what there is to complete.
pub fn formats() -> impl TypedValueParser<Value = OutputFormat> {
    let words = OutputFormat::ALL.iter().map(|(_, word, meaning)| PossibleValue::new(*word).help(meaning.trim()));
    PossibleValuesParser::new(words)
        .try_map(|word| OutputFormat::from_word(&word).ok_or_else(|| format!("there is no format {word}")))
}
