//! `bitmill eval`

use std::sync::atomic::AtomicBool;

use super::args::EvalArgs;
use super::failure::Failure;
use super::plan::planned;
use super::run::refused;
use super::{Exit, open};
use crate::check::Severity;
use crate::draw;
use crate::draw::progress::watched;
use crate::draw::terminal::Terminal;
use crate::eval::{EvalError, Task, evaluate};
use crate::json;

pub fn run(args: &EvalArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let project = open(&args.recipe, &args.project)?;
    let (model, plan) = planned(&project)?;
    if refused(&project, args.json, terminal)? {
        return Ok(Exit::Findings);
    }
    let task = Task {
        recipe: project.recipe(),
        model,
        plan,
        data: &args.data,
        label: args.label.as_deref(),
        next_token: args.next_token,
        output: args.output.as_deref(),
        samples: args.samples,
        layers: args.layers.is_some(),
    };
    // A signal ends the process, and what was written aside goes with it.
    let cancel = AtomicBool::new(false);
    let evaluation = watched(terminal, args.json, |progress| evaluate(&task, progress, &cancel))?;
    let after = project.after_run(&evaluation.facts());
    if args.json {
        let shape = json::EvalShape::new(project.recipe(), &args.data, &evaluation, &after);
        terminal.text(&json::text(&shape))?;
    } else {
        draw::eval::show(project.recipe(), &evaluation, &after, (args.layers.unwrap_or(0), true), terminal)?;
    }
    let failed = after.findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if failed { Exit::Findings } else { Exit::Fine })
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Failure {
        match error {
            EvalError::Run(error) => error.into(),
            // What is asked for does not go together; no input is broken.
            EvalError::NoProgram | EvalError::Asked(_) => Failure::Usage { message: error.to_string(), help: None },
            other => Failure::broken(other.to_string()),
        }
    }
}
