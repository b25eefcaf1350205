//! `bitmill run`

use std::sync::atomic::AtomicBool;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::args::RunArgs;
use super::check::draw_errors;
use super::failure::Failure;
use super::plan::planned;
use super::{Exit, open};
use crate::check::Severity;
use crate::check::report::{Checked, Document};
use crate::draw;
use crate::draw::progress::watched;
use crate::draw::terminal::Terminal;
use crate::json;
use crate::project::Project;
use crate::run::{self, Job, OutputFormat, RunError, outcome};

pub fn run(args: &RunArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let project = open(&args.recipe, &args.project)?;
    let (model, plan) = planned(&project)?;
    if refused(&project, args.json, terminal)? {
        return Ok(Exit::Findings);
    }
    let (format, output) = outcome::output(project.recipe(), model, (args.output.clone(), args.format));
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
        let most = args.worst.unwrap_or(draw::run::WORST);
        draw::run::show(project.recipe(), &report, &after, (most, true), terminal)?;
    }
    let failed = after.findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if failed { Exit::Findings } else { Exit::Fine })
}

/// Tells the errors of a recipe, which forbid to run it: for programs as a document.
pub fn refused(project: &Project, json: bool, terminal: &mut Terminal) -> Result<bool, Failure> {
    if !draw_errors(project, terminal) {
        return Ok(false);
    }
    if json {
        let findings = project.findings().iter().collect();
        let checked = [Checked { path: &project.path, recipe: project.recipe(), findings }];
        terminal.text(&json::text(&Document::new(&checked, &[])))?;
    }
    Ok(true)
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

/// Reads the word of a format, and tells a shell what there is to complete.
pub fn formats() -> impl TypedValueParser<Value = OutputFormat> {
    let words = OutputFormat::ALL.iter().map(|(_, word, meaning)| PossibleValue::new(*word).help(meaning.trim()));
    PossibleValuesParser::new(words)
        .try_map(|word| OutputFormat::from_word(&word).ok_or_else(|| format!("there is no format {word}")))
}
