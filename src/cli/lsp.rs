//! `bitmill lsp`

use std::io::Write;

use super::Exit;
use super::args::LspArgs;
use super::failure::Failure;
use crate::draw::terminal::Terminal;
use crate::lsp::{self, Ended};

pub fn run(args: &LspArgs, _: &mut Terminal) -> Result<Exit, Failure> {
    let log = args.log.as_deref();
    let ended = match args.listen {
        // Standard output is for whoever started the server and must know its port.
        Some(address) => lsp::on_tcp(address, log, |address| {
            // It serves all the same where nobody reads that.
            _ = writeln!(std::io::stdout(), "listening on {address}");
        }),
        None => lsp::on_stdio(log),
    };
    match ended {
        Ok(Ended::Orderly) => Ok(Exit::Fine),
        // As the protocol has it: 1 for an exit without a shutdown.
        Ok(Ended::Abrupt) => Ok(Exit::Findings),
        Err(why) => Err(Failure::broken(format!("the language server cannot serve: {why}"))),
    }
}
