//! `bitmill plan`

use std::path::Path;

use super::args::PlanArgs;
use super::check::draw_errors;
use super::failure::Failure;
use super::{Exit, edit, open};
use crate::check::Severity;
use crate::check::targets::for_every_target;
use crate::draw;
use crate::draw::terminal::Terminal;
use crate::json;
use crate::model::Model;
use crate::plan::Plan;
use crate::plan::lock::{self, Lock};
use crate::project::{Project, ProjectModel};
use crate::words::{count, counted};

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
    draw::plan::show(&project.path, project.recipe(), (model, plan), args.all, terminal)?;
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
        let line = draw::plan::difference(difference, terminal.paint);
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

fn targets(args: &PlanArgs, project: &Project, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let recipe = project.recipe();
    let all = for_every_target(recipe, project.planned());
    if args.json {
        terminal.text(&json::text(&json::TargetsShape::new(recipe, &all)))?;
        return Ok(Exit::Fine);
    }
    draw::plan::targets(recipe, &all, terminal)?;
    Ok(Exit::Fine)
}
