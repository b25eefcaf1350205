//! What `bitmill inspect` shows of an export beside its weights.

use super::failure::Failure;
use crate::check::words::list;
use crate::draw::heading;
use crate::draw::table::{Cell, Column, Table};
use crate::draw::terminal::{Style, Terminal, clean};
use crate::inspect::export::ExportSummary;
use crate::words::{count, thousands};

/// Names of a program's interface that are shown, and classes of an operator's modules; the JSON has all.
const SHOWN: usize = 40;
const SHOWN_CLASSES: usize = 3;

/// The lines behind the head.
pub fn head(summary: &ExportSummary, terminal: &mut Terminal) -> Result<(), Failure> {
    if let Some(version) = &summary.torch_version {
        terminal.line(format!("  exported by PyTorch {}", clean(version)))?;
    }
    if !summary.pickles.is_empty() {
        let pickles = list(&summary.pickles, 2);
        terminal.line(format!("  pickles that are never read: {}", clean(&pickles)))?;
    }
    Ok(())
}

/// What the programs take, give and keep.
pub fn interface(summary: &ExportSummary, terminal: &mut Terminal) -> Result<(), Failure> {
    for program in &summary.programs {
        heading(terminal, &clean(&format!("program {}", program.name)))?;
        let form = if program.decomposed { ", decomposed" } else { "" };
        terminal.line(format!("  {}{form}", count(program.operations, "operation")))?;
        let mut table = Table::new(&[Column::text("", 0), Column::text("", 0), Column::text("", 0)]);
        let sides = [
            ("input", &program.inputs),
            ("output", &program.outputs),
            ("state", &program.states),
            ("where", &program.ranges),
        ];
        for (side, names) in sides {
            for (name, ty) in names.iter().take(SHOWN) {
                table.row([
                    Cell::styled(Style::Dim, format!("  {side}")),
                    Cell::from(name.clone()),
                    Cell::from(ty.clone()),
                ]);
            }
        }
        terminal.text(&table.draw(terminal.width, terminal.paint))?;
        terminal.line("")?;
    }
    Ok(())
}

/// Operators with their numbers and the classes of the modules that they ran in.
pub fn operators(summary: &ExportSummary, terminal: &mut Terminal) -> Result<(), Failure> {
    terminal.line("")?;
    let mut table =
        Table::new(&[Column::text("operator", 0), Column::number("operations", 0), Column::text("in modules", 1)]);
    for used in &summary.operators {
        // Classes of PyTorch by their own names; where they lie is known.
        let short = |class: &String| match class.strip_prefix("torch.nn.modules.") {
            Some(rest) => rest.rsplit('.').next().unwrap_or(rest).to_owned(),
            None => class.clone(),
        };
        let mut classes: Vec<String> = used.classes.iter().map(short).take(SHOWN_CLASSES).collect();
        let more = used.classes.len() - classes.len();
        classes.extend((more > 0).then(|| format!("and {more} more")));
        table.row([
            Cell::from(used.operator.clone()),
            Cell::from(thousands(used.count as u64)),
            Cell::styled(Style::Dim, classes.join(", ")),
        ]);
    }
    terminal.text(&table.draw(terminal.width, terminal.paint))?;
    unconverted(summary, terminal)
}

/// What Core ML cannot say of it.
fn unconverted(summary: &ExportSummary, terminal: &mut Terminal) -> Result<(), Failure> {
    if summary.unconverted.is_empty() {
        return Ok(());
    }
    terminal.line("")?;
    let mut table = Table::new(&[
        Column::text("not converted to Core ML", 0),
        Column::number("operations", 0),
        Column::text("the first, and why", 1),
    ]);
    for one in summary.unconverted.iter().take(SHOWN) {
        table.row([
            Cell::from(clean(&one.operator).into_owned()),
            Cell::from(thousands(one.count as u64)),
            Cell::styled(Style::Dim, &*clean(&format!("{}: {}", one.first, one.why))),
        ]);
    }
    terminal.text(&table.draw(terminal.width, terminal.paint))?;
    match summary.unconverted.len().checked_sub(SHOWN) {
        Some(more @ 1..) => Ok(terminal.line(format!("  and {more} more"))?),
        _ => Ok(()),
    }
}
