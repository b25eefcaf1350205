//! `bitmill new`

use std::path::{Path, PathBuf};

use super::args::NewArgs;
use super::failure::Failure;
use super::presets::by_name;
use super::{Exit, edit};
use crate::draw::terminal::Terminal;
use crate::model::Model;
use crate::project::relative;
use crate::recipe::starter::{Form, starter};

pub fn run(args: &NewArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let preset = by_name(&args.preset)?;
    let model = match &args.model {
        Some(path) => {
            // A recipe for a model that cannot be read is no good beginning.
            Model::open(path)?;
            let directory = args.output.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
            Some(relative(path, directory).to_string_lossy().into_owned())
        }
        None => None,
    };
    let form = if args.spell_out { Form::Statements } else { Form::Extend };
    let text = starter(preset, model.as_deref(), form);
    match &args.output {
        Some(path) => {
            let inputs: Vec<PathBuf> = args.model.iter().cloned().collect();
            edit::create(path, &text, args.force, &inputs)?;
            terminal.note(format!("{} written", path.display()));
        }
        None => terminal.text(&text)?,
    }
    Ok(Exit::Fine)
}
