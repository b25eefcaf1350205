//! Lines of a script or of the command line, answered plainly one after the other.

use std::io::{self, BufRead, Read};

use super::{Ended, Options, draw, json};
use crate::draw::terminal::{Terminal, clean};
use crate::ide::Cancel;
use crate::run::Quiet;
use crate::session::{Answer, LONGEST_LINE, LONGEST_OPEN, Outcome, State, Work, evaluate, is_whole, look};

/// What a first line is shown behind, and what those behind that go on.
pub const PROMPT: &str = "bitmill> ";
/// As [`PROMPT`], for lines that go on.
pub const CONTINUED: &str = "     ... ";

/// Answers every line.
///
/// # Errors
/// When standard input or output fails.
pub fn run(state: State, options: &Options, terminal: &mut Terminal) -> io::Result<Ended> {
    let mut script = Script { state, ended: Ended::Fine };
    if options.lines.is_empty() {
        let mut input = io::stdin().lock();
        let mut pending = String::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            // What no recipe could hold is not read into memory whole; the answer says so.
            let read = (&mut input).take(LONGEST_LINE as u64 + 2).read_until(b'\n', &mut line)?;
            let is_end = read == 0;
            if !is_end {
                // Bytes that are no text are a mistake in the line, which the answer shows.
                pending.push_str(&String::from_utf8_lossy(&line));
                if !is_whole(&pending) && pending.len() <= LONGEST_OPEN {
                    continue;
                }
            }
            let text = std::mem::take(&mut pending);
            if !script.goes_on(&text, options, terminal)? || is_end {
                break;
            }
        }
    } else {
        for text in &options.lines {
            if !script.goes_on(text, options, terminal)? {
                break;
            }
        }
    }
    terminal.flush()?;
    Ok(script.ended)
}

struct Script {
    state: State,
    ended: Ended,
}

impl Script {
    /// Answers a line; whether another one is to follow.
    fn goes_on(&mut self, text: &str, options: &Options, terminal: &mut Terminal) -> io::Result<bool> {
        let cancel = Cancel::default();
        let work = Work { cancel: &cancel, progress: &Quiet };
        if let Some(notice) = look(&self.state, work) {
            self.show(notice, terminal)?;
        }
        if options.echo {
            echo(text, terminal)?;
        }
        let answer = evaluate(&self.state, text, work);
        let is_failure = answer.outcome.is_failure();
        let is_end = matches!(answer.outcome, Outcome::Quit);
        self.show(answer, terminal)?;
        // Somebody may be waiting for the answer before the next line.
        terminal.flush()?;
        if is_failure {
            self.ended = Ended::Failed;
        }
        Ok(!is_end && !terminal.is_closed() && (!is_failure || options.keep_going))
    }

    fn show(&mut self, answer: Answer, terminal: &mut Terminal) -> io::Result<()> {
        let display = answer.state.as_ref().unwrap_or(&self.state).display;
        match display.json {
            true => {
                if let Some(value) = json::value(&answer.outcome, display) {
                    terminal.line(value)?;
                }
            }
            false => draw::outcome(&answer.outcome, display, terminal)?,
        }
        if let Some(state) = answer.state {
            self.state = state;
        }
        Ok(())
    }
}

/// A line as a terminal would show it.
fn echo(text: &str, terminal: &mut Terminal) -> io::Result<()> {
    for (nth, line) in text.trim_end_matches('\n').split('\n').enumerate() {
        let prompt = if nth == 0 { PROMPT } else { CONTINUED };
        if nth > 0 || !line.trim().is_empty() {
            terminal.line(format!("{prompt}{}", clean(line)))?;
        }
    }
    Ok(())
}
