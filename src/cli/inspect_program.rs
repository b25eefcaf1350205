//! What `bitmill inspect` shows of a package beside its weights.

use super::failure::Failure;
use crate::draw::heading;
use crate::draw::table::{Cell, Column, Table};
use crate::draw::terminal::{Style, Terminal, clean};
use crate::inspect::program::ProgramSummary;
use crate::words::{count, size, thousands};

/// Entries of the metadata, and features of a function, that are shown; the JSON has all.
const SHOWN: usize = 40;

/// The lines behind the head: versions, systems, where the bytes are.
pub fn head(summary: &ProgramSummary, terminal: &mut Terminal) -> Result<(), Failure> {
    let sets = summary.opsets().join(", ");
    terminal.line(format!("  specification version {}, operator set {}", summary.specification, clean(&sets)))?;
    if let Some(set) = summary.set {
        terminal.line(format!("  runs from {}", set.systems()))?;
    }
    let (program, weights) = (size(summary.program_bytes()), size(summary.weight_bytes()));
    let files = summary.files.len().saturating_sub(1);
    let line = match files {
        0 => format!("  program {program}, no file of weights"),
        1 => format!("  program {program}, file of weights {weights}"),
        _ => format!("  program {program}, {} of weights {weights}", count(files, "file")),
    };
    Ok(terminal.line(line)?)
}

/// Functions with what they take and give, and the metadata.
pub fn interface(summary: &ProgramSummary, terminal: &mut Terminal) -> Result<(), Failure> {
    for function in &summary.functions {
        heading(terminal, &format!("function {}", clean(&function.name)))?;
        let mut table = Table::new(&[Column::text("", 0), Column::text("", 0), Column::text("", 0)]);
        for feature in function.features.iter().take(SHOWN) {
            table.row([
                Cell::styled(Style::Dim, feature.side.word()),
                Cell::from(&feature.name),
                Cell::from(&feature.ty),
            ]);
        }
        terminal.text(&table.draw(terminal.width, terminal.paint))?;
        if let Some(more) = function.features.len().checked_sub(SHOWN + 1) {
            terminal.line(format!("  and {} more", more + 1))?;
        }
        terminal.line("")?;
    }
    if summary.metadata.is_empty() {
        return Ok(());
    }
    heading(terminal, "metadata")?;
    let mut table = Table::new(&[Column::text("", 0), Column::text("", 0)]);
    for (key, value) in summary.metadata.iter().take(SHOWN) {
        table.row([Cell::styled(Style::Dim, key), Cell::from(value)]);
    }
    terminal.text(&table.draw(terminal.width, terminal.paint))?;
    Ok(terminal.line("")?)
}

/// Operators with their numbers.
pub fn operators(summary: &ProgramSummary, terminal: &mut Terminal) -> Result<(), Failure> {
    terminal.line("")?;
    let mut table = Table::new(&[Column::text("operator", 0), Column::number("operations", 0)]);
    for (operator, count) in &summary.operators {
        table.row([operator.clone(), thousands(*count as u64)].map(Cell::from));
    }
    Ok(terminal.text(&table.draw(terminal.width, terminal.paint))?)
}
