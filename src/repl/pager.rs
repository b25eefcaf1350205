//! Long answers, a page at a time.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};

/// Shows a text with a pager where it has more lines than the terminal: `BITMILL_PAGER` or `PAGER`, else `less`. False
/// where it does not, or there is no pager: then it is still to be written.
pub fn show(text: &str) -> bool {
    let Some((_, rows)) = terminal_size::terminal_size() else { return false };
    if text.lines().count() < usize::from(rows.0) {
        return false;
    }
    let said = |name: &str| env::var(name).ok();
    let default = if cfg!(windows) { "more" } else { "less" };
    let pager = said("BITMILL_PAGER").or_else(|| said("PAGER")).unwrap_or_else(|| default.to_string());
    // Empty, or `cat`: nobody wants one.
    let mut words = pager.split_whitespace();
    let Some(program) = words.next().filter(|program| *program != "cat") else { return false };
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        // Colours, no pages for what fits, and the text stays on the screen.
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut input) = child.stdin.take() {
        // Who leaves the pager early has seen enough.
        let _ = input.write_all(text.as_bytes());
    }
    child.wait().is_ok_and(|status| status.code() != Some(127))
}
