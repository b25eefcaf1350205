//! What terminals show, for every face that has one: colours, widths, tables, findings, plans, runs.

pub mod difference;
pub mod eval;
pub mod findings;
pub mod markdown;
pub mod plan;
pub mod progress;
pub mod run;
pub mod table;
pub mod terminal;
pub mod tune;
pub mod values;
pub mod why;

use std::io;

use clap::ValueEnum;

use terminal::{Style, Terminal};

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set; elsewhere only if CLICOLOR_FORCE is
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// A heading of a part of an output.
///
/// # Errors
/// As [`Terminal::line`].
pub fn heading(terminal: &mut Terminal, text: &str) -> io::Result<()> {
    let text = terminal.paint.put(Style::Bold, text);
    terminal.prose(text)
}

/// A sentence, wrapped to the terminal where that has a width.
///
/// # Errors
/// As [`Terminal::line`].
pub fn sentence(terminal: &mut Terminal, style: Style, text: &str) -> io::Result<()> {
    let text = terminal.paint.put(style, text);
    terminal.prose(text)
}
