//! `bitmill completions` and `bitmill man`

use std::io::Write;

use super::args::{CompletionsArgs, ManArgs, command};
use super::failure::Failure;
use super::{Exit, unknown};
use crate::draw::terminal::Terminal;
use crate::nearest::nearest;

pub fn completions(args: &CompletionsArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    // Into memory first: the generator panics when its writer fails, as a closed pipe does.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "bitmill", &mut script);
    terminal.out().write_all(&script)?;
    Ok(Exit::Fine)
}

pub fn man(args: &ManArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let mut command = command();
    command.build();
    let page = match &args.command {
        None => command,
        Some(name) => {
            let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_string()).collect();
            let near = nearest(name, names.iter().map(String::as_str));
            let found = command.find_subcommand(name).cloned();
            found.ok_or_else(|| unknown("command", name, near, "`bitmill --help` lists them"))?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text)?;
    terminal.out().write_all(&text)?;
    Ok(Exit::Fine)
}
