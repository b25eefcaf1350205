//! `bitmill new`

use super::args::NewArgs;
use super::failure::Failure;
use super::terminal::{Terminal, clean};
use super::{Exit, diff, presets};
use crate::recipe::starter::{Form, starter};

pub fn run(args: &NewArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let preset = presets::by_name(&args.preset)?;
    let model = args.model.as_ref().map(|path| path.to_string_lossy());
    let form = if args.spell_out { Form::Statements } else { Form::Extend };
    let text = starter(preset, model.as_deref(), form);
    match &args.output {
        None => terminal.text(&text)?,
        Some(path) => {
            diff::create(path, &text, args.force, &[])?;
            let shown = path.display().to_string();
            terminal.note(format!("wrote {}", clean(&shown)));
        }
    }
    Ok(Exit::Fine)
}
