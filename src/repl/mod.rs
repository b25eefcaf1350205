//! The prompt: lines in, answers out, in a terminal or from a script. What a line means is told by
//! [`session`](crate::session); here it is read, drawn and stopped.

mod draw;
mod editor;
mod helper;
mod history;
mod json;
mod pager;
mod plain;
mod worker;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use crate::draw::terminal::Terminal;
use crate::session::{Display, Failure, State};

/// What a prompt is started with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The recipe to go on with.
    pub recipe: Option<PathBuf>,
    /// The model in place of the recipe's own.
    pub model: Option<PathBuf>,
    /// Lines to evaluate instead of those of standard input.
    pub lines: Vec<String>,
    /// Go on after an error.
    pub keep_going: bool,
    /// Show each line before its answer, as a terminal would.
    pub echo: bool,
    /// How answers are shown.
    pub display: Display,
}

/// How a prompt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// At the end of what there was to do.
    Fine,
    /// Some line had errors.
    Failed,
}

/// Why it could not begin or go on.
#[derive(Debug)]
pub enum Stopped {
    /// The recipe or the model cannot be read.
    Unreadable(Failure),
    /// Standard input or output takes no more.
    Io(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Io(error)
    }
}

/// Runs a prompt to its end: an editor where both ends are terminals and no lines are given, else plainly.
///
/// # Errors
/// When the recipe or the model cannot be read, or standard input or output fails.
pub fn run(options: &Options, terminal: &mut Terminal) -> Result<Ended, Stopped> {
    let (recipe, model) = (options.recipe.as_deref(), options.model.as_deref());
    let begin = || State::begin(recipe, model, options.display).map_err(Stopped::Unreadable);
    if is_interactive(options) {
        return Ok(editor::run(begin()?, terminal)?);
    }
    Ok(plain::run(begin()?, options, terminal)?)
}

/// Whether somebody types.
pub fn is_interactive(options: &Options) -> bool {
    options.lines.is_empty() && io::stdin().is_terminal() && io::stdout().is_terminal()
}
