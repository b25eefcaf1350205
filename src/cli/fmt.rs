//! `bitmill fmt`

use super::args::FmtArgs;
use super::failure::{Failure, error};
use super::terminal::Terminal;
use super::{Exit, diff, is_stdin, read, recipes};
use crate::syntax;

pub fn run(args: &FmtArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let mut exit = Exit::Fine;
    for path in recipes(&args.files)? {
        let (shown, text) = match read(&path) {
            Ok(read) => read,
            Err(failed) => {
                error(terminal, &failed.to_string(), failed.help().as_deref());
                exit = Exit::Broken;
                continue;
            }
        };
        let formatted = syntax::format(&text);
        let changed = formatted != text;
        if args.check || args.diff {
            if changed && args.diff {
                terminal.text(&diff::unified(&shown, &text, &formatted, terminal.paint))?;
            } else if changed {
                terminal.line(shown.display())?;
            }
            if changed && exit == Exit::Fine {
                exit = Exit::Findings;
            }
        } else if is_stdin(&path) {
            terminal.text(&formatted)?;
        } else if changed {
            diff::replace(&path, &text, &formatted)?;
        }
    }
    Ok(exit)
}
