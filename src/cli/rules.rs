//! `bitmill rules`

use super::Exit;
use super::args::JsonArgs;
use super::failure::Failure;
use crate::check::Severity;
use crate::check::rules::RULES;
use crate::draw::table::{Cell, Column, Table};
use crate::draw::terminal::{Style, Terminal};
use crate::json;
use crate::words::count;

pub fn run(args: &JsonArgs, terminal: &mut Terminal) -> Result<Exit, Failure> {
    if args.json {
        terminal.text(&json::text(&json::RulesShape::new(RULES)))?;
        return Ok(Exit::Fine);
    }
    let columns = [
        Column::text("code", 0),
        Column::text("severity", 1),
        Column::text("needs", 2),
        Column::text("what it finds", 0),
    ];
    let mut table = Table::new(&columns);
    for rule in RULES {
        let style = match rule.severity {
            Severity::Error => Style::Error,
            Severity::Warning => Style::Warning,
            Severity::Hint => Style::Hint,
        };
        table.row([
            Cell::styled(Style::Plain, rule.code),
            Cell::styled(style, rule.severity.word()),
            Cell::styled(Style::Plain, rule.needs.word()),
            Cell::styled(Style::Plain, rule.title),
        ]);
    }
    let width = terminal.width;
    let text = table.draw(width, terminal.paint);
    terminal.text(&text)?;
    terminal.line(format!("\n{}; `bitmill explain CODE` prints the page of one", count(RULES.len(), "rule")))?;
    Ok(Exit::Fine)
}
