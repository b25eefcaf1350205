//! The prompt in a terminal: lines are edited, answers drawn, computations stopped by Ctrl-C.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{ColorMode, CompletionType, Config, Editor};

use super::helper::Prompt;
use super::plain::PROMPT;
use super::worker::work;
use super::{Ended, draw, history, json, pager};
use crate::draw::terminal::{Style, Terminal};
use crate::session::{Answer, Failure, Outcome, State, evaluate, look};

/// Lines that the history keeps.
const HISTORY: usize = 10_000;

/// Runs the prompt until somebody leaves.
///
/// # Errors
/// When the terminal takes no more.
pub fn run(state: State, terminal: &mut Terminal) -> io::Result<Ended> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let quiet = Quiet::new();
    stop_on_interrupt(&interrupted, &quiet)?;
    let state = Arc::new(Mutex::new(state));
    let mut editor = editor(&state, terminal)?;
    let place = history::place();
    if let Some(place) = &place {
        load_history(&mut editor, place, terminal)?;
    }
    greet(&lock(&state).clone(), terminal)?;
    let ended = session(&state, &mut editor, place.as_deref(), &interrupted, terminal);
    terminal.flush()?;
    ended
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

type LineEditor = Editor<Prompt, FileHistory>;

fn editor(state: &Arc<Mutex<State>>, terminal: &Terminal) -> io::Result<LineEditor> {
    let config = Config::builder()
        .max_history_size(HISTORY)
        .and_then(|config| config.history_ignore_dups(true))
        .map_err(other)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .completion_prompt_limit(100)
        .bracketed_paste(true)
        .color_mode(if terminal.paint.is_on() { ColorMode::Forced } else { ColorMode::Disabled })
        .build();
    let mut editor: LineEditor = Editor::with_config(config).map_err(other)?;
    editor.set_helper(Some(Prompt::new(Arc::clone(state), terminal.paint)));
    Ok(editor)
}

fn other(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        error => io::Error::other(error.to_string()),
    }
}

/// A broken history is no reason not to begin.
fn load_history(editor: &mut LineEditor, place: &Path, terminal: &mut Terminal) -> io::Result<()> {
    let said = match history::prepare(place) {
        Ok(None) => editor.load_history(place).err().map(|error| error.to_string()),
        Ok(Some(aside)) => Some(format!("it is no text, and was put aside as {}", aside.display())),
        Err(error) => Some(error.to_string()),
    };
    match said {
        Some(why) => draw::failed(&Failure::new(format!("the history {}: {why}", place.display())), terminal),
        None => Ok(()),
    }
}

fn greet(state: &State, terminal: &mut Terminal) -> io::Result<()> {
    let name = format!("bitmill {}", env!("CARGO_PKG_VERSION"));
    let name = terminal.paint.put(Style::Bold, name);
    terminal.prose(format!("{name}: `:help` lists the commands, Tab completes, Ctrl-D leaves"))?;
    if let Ok(open) = state.open_model() {
        draw::outcome(&Outcome::Model(crate::session::ModelSummary::of(&open.model)), state.display, terminal)?;
    }
    terminal.flush()
}

fn session(
    state: &Mutex<State>,
    editor: &mut LineEditor,
    place: Option<&Path>,
    interrupted: &AtomicBool,
    terminal: &mut Terminal,
) -> io::Result<Ended> {
    loop {
        terminal.flush()?;
        let line = match editor.readline(PROMPT) {
            Ok(line) => line,
            // The line is given up; the session goes on.
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(Ended::Fine),
            Err(ReadlineError::Signal(_)) => continue,
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                draw::failed(&Failure::new("what was typed is no UTF-8 text, and is not read"), terminal)?;
                continue;
            }
            Err(error) => return Err(other(error)),
        };
        terminal.measure();
        interrupted.store(false, Ordering::Relaxed);
        remember(editor, place, &line);
        let current = lock(state).clone();
        let seen = |state: &State, _: &str, work: crate::session::Work| {
            look(state, work).unwrap_or(Answer { state: None, outcome: Outcome::Nothing })
        };
        let notice = work(&current, "", seen, interrupted, terminal.unicode);
        show(state, notice, terminal)?;
        let current = lock(state).clone();
        let answer = work(&current, &line, evaluate, interrupted, terminal.unicode);
        let is_end = matches!(answer.outcome, Outcome::Quit);
        show(state, answer, terminal)?;
        if is_end || terminal.is_closed() {
            return Ok(Ended::Fine);
        }
    }
}

/// Keeps a line, at once: what ends the process later does not lose it.
fn remember(editor: &mut LineEditor, place: Option<&Path>, line: &str) {
    /// What is longer was pasted, and nobody looks for it again.
    const LONGEST: usize = 64 << 10;
    if line.trim().is_empty() || line.len() > LONGEST {
        return;
    }
    // A history that cannot be written was told when it could not be read.
    if editor.add_history_entry(line).is_ok_and(|is_new| is_new)
        && let Some(place) = place
    {
        let _ = editor.append_history(place);
        let _ = history::only_owner(place);
    }
}

fn show(state: &Mutex<State>, answer: Answer, terminal: &mut Terminal) -> io::Result<()> {
    let display = answer.state.as_ref().map_or_else(|| lock(state).display, |state| state.display);
    let mut kept = terminal.kept();
    match display.json {
        true => {
            if let Some(value) = json::value(&answer.outcome, display) {
                kept.line(value)?;
            }
        }
        false => draw::outcome(&answer.outcome, display, &mut kept)?,
    }
    let text = kept.into_kept();
    terminal.flush()?;
    if !pager::show(&text) {
        terminal.text(&text)?;
    }
    if let Some(next) = answer.state {
        *lock(state) = next;
    }
    terminal.flush()
}

/// As long as it lives, the terminal does not echo Ctrl-C as `^C`: behind a bar that fills its line, that would be the
/// beginning of another line, and the bar would stay.
struct Quiet {
    #[cfg(unix)]
    before: Option<nix::sys::termios::Termios>,
}

#[cfg(unix)]
impl Quiet {
    fn new() -> Quiet {
        use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_flags.remove(LocalFlags::ECHOCTL);
            // A terminal that refuses looks less well.
            tcsetattr(io::stdin(), SetArg::TCSANOW, &quiet).ok();
        }
        Quiet { before }
    }

    fn copy(&self) -> Quiet {
        Quiet { before: self.before.clone() }
    }
}

#[cfg(unix)]
impl Drop for Quiet {
    fn drop(&mut self) {
        use nix::sys::termios::{SetArg, tcsetattr};
        if let Some(before) = &self.before {
            tcsetattr(io::stdin(), SetArg::TCSANOW, before).ok();
        }
    }
}

#[cfg(not(unix))]
impl Quiet {
    fn new() -> Quiet {
        Quiet {}
    }
}

/// Lets Ctrl-C set a flag instead of ending the process. What else ends it leaves nothing half written behind.
fn stop_on_interrupt(interrupted: &Arc<AtomicBool>, quiet: &Quiet) -> io::Result<()> {
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        signal_hook::flag::register(SIGINT, Arc::clone(interrupted))?;
        let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGTERM])?;
        let quiet = quiet.copy();
        std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                drop(quiet);
                crate::formats::output::remove_partials();
                std::process::exit(130);
            }
        });
        Ok(())
    }
    #[cfg(not(unix))]
    {
        let _ = quiet;
        let flag = Arc::clone(interrupted);
        ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).map_err(io::Error::other)
    }
}
