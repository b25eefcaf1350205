//! `bitmill repl`

use super::Exit;
use super::args::ReplArgs;
use super::failure::Failure;
use crate::draw::terminal::Terminal;
use crate::repl::{self, Ended, Options, Stopped};
use crate::session::Display;

pub fn run(args: &ReplArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    match repl::run(&options(args), terminal) {
        Ok(Ended::Fine) => Ok(Exit::Fine),
        Ok(Ended::Failed) => Ok(Exit::Findings),
        Err(Stopped::Unreadable(failure)) => Err(Failure::Broken { message: failure.message, help: failure.help }),
        Err(Stopped::Io(error)) => Err(Failure::Output(error)),
    }
}

/// Whether a person types: then Ctrl-C stops a computation and not the process.
pub fn is_interactive(args: &ReplArgs) -> bool {
    repl::is_interactive(&options(args))
}

fn options(args: &ReplArgs) -> Options {
    Options {
        recipe: args.recipe.clone(),
        model: args.model.clone(),
        lines: args.lines.clone(),
        keep_going: args.keep_going,
        echo: args.echo,
        display: Display { time: args.time, json: args.json },
    }
}
