//! Why a command ends before its time, and how that is told.

use std::io;
use std::path::Path;

use super::{Exit, INTERRUPTED, USAGE};
use crate::draw::terminal::{Style, Terminal, clean};
use crate::formats::output::OutputError;
use crate::model::ModelError;
use crate::project::ProjectError;

/// Why a command ended.
#[derive(Debug)]
pub enum Failure {
    /// It was called wrongly.
    Usage {
        /// How.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// An input is broken or something could not be written.
    Broken {
        /// What, place included.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// What was asked for cannot be had.
    Unmet {
        /// What.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// A signal has stopped it.
    Stopped(String),
    /// Standard output takes no more.
    Output(io::Error),
}

impl Failure {
    /// Wrong usage.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), help: Some(help.into()) }
    }

    /// A broken input, or a failed write.
    pub fn broken(message: impl Into<String>) -> Failure {
        Failure::Broken { message: message.into(), help: None }
    }

    /// A file that cannot be read.
    pub fn unreadable(path: &Path, error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::NotFound => Failure::broken(format!("{}: there is no such file", path.display())),
            _ => Failure::broken(format!("{}: cannot be read: {error}", path.display())),
        }
    }

    /// Tells it, and gives the exit status that it means.
    pub fn tell(self, terminal: &mut Terminal) -> u8 {
        let (message, help, status) = match self {
            Failure::Usage { message, help } => (message, help, USAGE),
            Failure::Broken { message, help } => (message, help, Exit::Broken.into()),
            Failure::Unmet { message, help } => (message, help, Exit::Findings.into()),
            Failure::Stopped(message) => (message, None, INTERRUPTED as u8),
            Failure::Output(error) => (format!("standard output: {error}"), None, Exit::Broken.into()),
        };
        error(terminal, &message, help.as_deref());
        status
    }
}

/// Writes an error message.
pub fn error(terminal: &mut Terminal, message: &str, help: Option<&str>) {
    let paint = terminal.paint_err;
    terminal.note(format!("{} {}", paint.put(Style::Error, "error:"), clean(message)));
    if let Some(help) = help {
        terminal.note(format!("  {} {}", paint.put(Style::Hint, "help:"), clean(help)));
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Failure {
        match error {
            ProjectError::Model(error) => error.into(),
            error => Failure::Broken { message: error.to_string(), help: error.help() },
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Failure {
        Failure::Broken { message: error.to_string(), help: error.help() }
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Failure {
        Failure::Broken { message: error.to_string(), help: error.help().map(str::to_string) }
    }
}
