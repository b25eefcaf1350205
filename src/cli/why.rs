//! `bitmill why`

use super::args::WhyArgs;
use super::check::draw_errors;
use super::failure::Failure;
use super::plan::planned;
use super::{Exit, open, unknown};
use crate::check::why::named;
use crate::check::words;
use crate::draw;
use crate::draw::terminal::Terminal;
use crate::model::nearest_names;

pub fn run(args: &WhyArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let project = open(&args.recipe, &args.project)?;
    let (model, plan) = planned(&project)?;
    let found = named(model, &args.name);
    if found.is_empty() {
        let near = nearest_names(model, &args.name, 3);
        let help = words::nearest_help(&near, format!("`bitmill inspect {}` lists the names", model.path.display()));
        return Err(unknown("weight or module", &args.name, None, &help));
    }
    let has_errors = draw_errors(&project, terminal);
    let recipe = project.recipe();
    for (nth, &index) in found.iter().enumerate() {
        if nth > 0 {
            terminal.line("")?;
        }
        draw::why::show(recipe, (model, plan), index, terminal)?;
    }
    Ok(if has_errors { Exit::Findings } else { Exit::Fine })
}
