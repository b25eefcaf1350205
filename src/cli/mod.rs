//! The command line: arguments, drawing, exit statuses. What it shows is told by the rooms below.

mod args;
mod check;
mod decompress;
mod diff;
mod edit;
mod eval;
mod explain;
mod failure;
mod fmt;
mod inspect;
mod inspect_export;
mod inspect_program;
mod lsp;
mod new;
mod plan;
mod presets;
mod repl;
mod rules;
mod run;
mod shell;
mod tune;
mod watch;
mod why;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ColorChoice, FromArgMatches};

use crate::draw::terminal;
use crate::draw::terminal::Terminal;
use crate::formats::output;
use crate::project::{self, Disk, Project, ProjectError};
use crate::scheme::Arithmetic;
use args::{Cli, Command, ProjectArgs};
use failure::Failure;

/// How a command ended, as its exit status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: all is well.
    Fine,
    /// 1: findings, failed expectations, differences.
    Findings,
    /// 3: an input is broken, or something could not be written.
    Broken,
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> u8 {
        match exit {
            Exit::Fine => 0,
            Exit::Findings => 1,
            Exit::Broken => 3,
        }
    }
}

/// Exit status of wrong usage.
const USAGE: u8 = 2;
/// Exit status when a signal ends the process.
const INTERRUPTED: i32 = 130;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let choice = match wanted_color(&arguments) {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    };
    let parsed = args::command().color(choice).try_get_matches_from(arguments);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // A help text that nobody reads to its end is no failure.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    survive_size_limits();
    match &cli.command {
        // A prompt has handlers of its own.
        Command::Repl(args) if repl::is_interactive(args) => {}
        Command::Tune(_) => stoppable(),
        _ => interruptible(),
    }
    let mut terminal = Terminal::new(cli.color);
    let ended = run(&cli.command, &mut terminal).and_then(|exit| {
        terminal.flush()?;
        Ok(exit)
    });
    // What a signal takes away is missing here, too: that is no failure to tell, and the signal ends the process.
    while ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
    match ended {
        Ok(exit) => ExitCode::from(u8::from(exit)),
        Err(failure) => ExitCode::from(failure.tell(&mut terminal)),
    }
}

/// What `--color` says, before the arguments are read: their own error messages depend on it.
fn wanted_color(arguments: &[OsString]) -> Option<&str> {
    let mut words = arguments.iter().filter_map(|argument| argument.to_str()).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word == "--color" {
            return words.next();
        }
        if let Some(value) = word.strip_prefix("--color=") {
            return Some(value);
        }
    }
    None
}

/// Makes a write beyond `ulimit -f` fail as other writes do, with a message and nothing left behind. Left to
/// itself the system kills the process. Threads started later inherit it.
fn survive_size_limits() {
    #[cfg(unix)]
    {
        use nix::sys::signal::{SigSet, Signal};
        // Where it cannot be blocked, the process dies of it, as it would have.
        let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
    }
}

/// Whether a signal is about to end the process.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Ends the process with nothing half written behind.
fn end() -> ! {
    ENDING.store(true, Ordering::SeqCst);
    output::remove_partials();
    std::process::exit(INTERRUPTED);
}

/// Makes a signal leave nothing half written behind.
fn interruptible() {
    // Without a handler the signal ends the process all the same.
    let _ = ctrlc::set_handler(|| end());
}

/// Set by the first signal where a command ends itself, and keeps what it has.
static STOP: AtomicBool = AtomicBool::new(false);

/// Makes the first signal stop a command, which then ends itself, and the second end the process.
fn stoppable() {
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            end();
        }
    });
}

fn run(command: &Command, terminal: &mut Terminal) -> Result<Exit, Failure> {
    match command {
        Command::Check(args) => check::run(args, terminal),
        Command::Fmt(args) => fmt::run(args, terminal),
        Command::Plan(args) => plan::run(args, terminal),
        Command::Why(args) => why::run(args, terminal),
        Command::Run(args) => run::run(args, terminal),
        Command::Eval(args) => eval::run(args, terminal),
        Command::Tune(args) => tune::run(args, terminal),
        Command::Decompress(args) => decompress::run(args, terminal),
        Command::Diff(args) => diff::run(args, terminal),
        Command::Inspect(args) => inspect::run(args, terminal),
        Command::Explain(args) => explain::run(args, terminal),
        Command::Rules(args) => rules::run(args, terminal),
        Command::Presets(args) => presets::run(args, terminal),
        Command::New(args) => new::run(args, terminal),
        Command::Repl(args) => repl::run(args, terminal),
        Command::Lsp(args) => lsp::run(args, terminal),
        Command::Completions(args) => shell::completions(args, terminal),
        Command::Man(args) => shell::man(args, terminal),
    }
}

/// How messages call standard input.
const STDIN: &str = "<stdin>";

/// Whether an argument means standard input.
fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Reads a recipe that the command line names: its path as messages call it, and its text.
fn read(path: &Path) -> Result<(PathBuf, String), ProjectError> {
    if is_stdin(path) {
        let path = PathBuf::from(STDIN);
        let text = project::read_from(&path, std::io::stdin().lock())?;
        return Ok((path, text));
    }
    Ok((path.to_path_buf(), project::read_text(path)?))
}

/// Opens a recipe that the command line names, with its model.
fn open(path: &Path, args: &ProjectArgs) -> Result<Project, ProjectError> {
    let (path, text) = read(path)?;
    Project::with_text(&path, &text, &Disk, &args.given())
}

/// Reads the word of a tool, and tells a shell what there is to complete.
fn arithmetics() -> impl TypedValueParser<Value = Arithmetic> {
    PossibleValuesParser::new(Arithmetic::ALL.iter().map(|(_, word, _)| *word))
        .try_map(|word| Arithmetic::from_word(&word).ok_or_else(|| format!("there is no {word}")))
}

/// The recipes that a command is about: those named, or those of the current directory.
fn recipes(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    match project::recipes_in(Path::new("")) {
        found if found.is_empty() => Err(Failure::usage(
            "no recipe is named, and the current directory holds none",
            "name a recipe, or `-` for standard input",
        )),
        found => Ok(found),
    }
}

/// Why a word is not known, with the nearest one: for usage messages.
fn unknown(what: &str, word: &str, nearest: Option<&str>, else_help: &str) -> Failure {
    let message = format!("there is no {what} `{}`", terminal::clean(word));
    match nearest {
        Some(near) => Failure::usage(message, format!("did you mean `{near}`?")),
        None => Failure::usage(message, else_help),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        args::command().debug_assert();
    }

    #[test]
    fn color_is_known_before_arguments_are_read() {
        let of = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            wanted_color(&words).map(str::to_string)
        };
        assert_eq!(of(&["bitmill", "--color", "never"]).as_deref(), Some("never"));
        assert_eq!(of(&["bitmill", "check", "--color=always"]).as_deref(), Some("always"));
        assert_eq!(of(&["bitmill", "check", "--", "--color=always"]), None);
    }
}
