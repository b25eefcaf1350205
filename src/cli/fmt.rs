//! `bitmill fmt`

use std::path::Path;

use super::args::FmtArgs;
use super::failure::{Failure, error};
use super::{Exit, edit, is_stdin, read, recipes};
use crate::draw::difference;
use crate::draw::terminal::Terminal;
use crate::syntax::format;
use crate::words::count;

pub fn run(args: &FmtArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let files = recipes(&args.files)?;
    if files.iter().filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::usage("standard input can be read only once", "name `-` once"));
    }
    let (mut changed, mut exit) = (0, Exit::Fine);
    for path in &files {
        match file(args, path, terminal) {
            Ok(changes) => changed += usize::from(changes),
            Err(failure @ (Failure::Output(_) | Failure::Stopped(_))) => return Err(failure),
            // The other files can be formatted all the same.
            Err(
                Failure::Usage { message, help } | Failure::Broken { message, help } | Failure::Unmet { message, help },
            ) => {
                error(terminal, &message, help.as_deref());
                exit = Exit::Broken;
            }
        }
    }
    let shows = args.check || args.diff;
    if shows && changed > 0 {
        let verb = if changed == 1 { "is" } else { "are" };
        terminal.note(format!("{} {verb} not formatted", count(changed, "file")));
    } else if changed > 0 && !files.iter().any(|path| is_stdin(path)) {
        terminal.note(format!("{} formatted", count(changed, "file")));
    }
    Ok(if exit == Exit::Fine && shows && changed > 0 { Exit::Findings } else { exit })
}

/// Formats one file, or says what would change. Whether something does.
fn file(args: &FmtArgs, path: &Path, terminal: &mut Terminal) -> Result<bool, Failure> {
    let (shown, text) = read(path)?;
    let formatted = format(&text);
    let changes = formatted != text;
    if args.check && changes {
        terminal.line(shown.display())?;
    }
    if args.diff && changes {
        terminal.text(&difference::unified(&shown, &text, &formatted, terminal.paint))?;
    }
    if args.check || args.diff {
        return Ok(changes);
    }
    if is_stdin(path) {
        terminal.text(&formatted)?;
    } else if changes {
        edit::replace(path, &text, &formatted)?;
    }
    Ok(changes)
}
