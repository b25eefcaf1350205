//! `bitmill explain`

use super::args::ExplainArgs;
use super::failure::Failure;
use super::{Exit, unknown};
use crate::draw::markdown;
use crate::draw::terminal::Terminal;
use crate::glossary;

pub fn run(args: &ExplainArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let Some(page) = glossary::page(&args.code) else {
        let nearest = glossary::nearest_word(&args.code);
        let help = "`bitmill rules` lists the codes, `bitmill presets` the presets";
        return Err(unknown("code or word", &args.code, nearest.as_deref(), help));
    };
    let text = markdown::render(&page, terminal);
    terminal.text(&text)?;
    Ok(Exit::Fine)
}
