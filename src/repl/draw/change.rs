//! What a line has changed.

use std::io;

use super::{IN_RECIPE, findings, model};
use crate::draw::sentence;
use crate::draw::table::{Cell, Column, Table};
use crate::draw::terminal::{Style, Terminal, clean};
use crate::plan::words::change as sizes;
use crate::session::{Cause, Change, UNNAMED};
use crate::words::{count, percent, size, thousands};

/// Rows of weights that changed alike.
const MOST_MOVES: usize = 12;

pub fn draw(change: &Change, terminal: &mut Terminal) -> io::Result<()> {
    let paint = terminal.paint;
    let dim = |text: &str| paint.put(Style::Dim, clean(text));
    match &change.cause {
        Cause::Typed { replaced } => {
            for gone in replaced {
                let line = dim(&format!("in place of: {}", one_line(gone)));
                terminal.prose(line)?;
            }
        }
        Cause::Undone => terminal.prose(dim("taken back"))?,
        Cause::Redone => terminal.prose(dim("made again"))?,
        Cause::Reset => terminal.prose(dim("the recipe begins anew; `:undo` brings the old one back"))?,
        Cause::Loaded(path) => terminal.prose(dim(&format!("loaded {}", path.display())))?,
        Cause::TakenOver(path) if path.as_os_str() == UNNAMED => terminal.prose(dim("the model has changed"))?,
        Cause::TakenOver(path) => terminal.prose(dim(&format!("{} or its model has changed", path.display())))?,
        Cause::Fixed(titles, unfinished) => {
            for title in titles {
                terminal.prose(format!("fixed: {}", paint.put(Style::Good, clean(title))))?;
            }
            if let Some(why) = unfinished {
                terminal.prose(why.words())?;
            }
        }
        Cause::Model => {}
    }
    if let Some(summary) = &change.model {
        model(summary, terminal)?;
    }
    let is_bare = change.totals.is_none() && change.findings.findings.is_empty() && change.expectations.is_empty();
    if is_bare && matches!(change.cause, Cause::Typed { .. }) {
        terminal.prose(dim("taken; without a model no weights can be counted"))?;
    }
    moves(change, terminal)?;
    totals(change, terminal)?;
    for (claim, verdict) in &change.expectations {
        let style = match *verdict {
            "met" => Style::Good,
            "failed" => Style::Error,
            _ => Style::Dim,
        };
        terminal.prose(format!("{}: {}", clean(claim), paint.put(style, verdict)))?;
    }
    if !change.findings.findings.is_empty() {
        terminal.prose("")?;
        findings(&change.findings, IN_RECIPE, terminal)?;
    }
    if !change.mended.is_empty() {
        let codes: Vec<String> = change.mended.iter().take(5).map(ToString::to_string).collect();
        let more = change.mended.len().saturating_sub(5);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        terminal.prose(format!("{}: {}{more}", paint.put(Style::Good, "gone"), codes.join(", ")))?;
    }
    for (code, message) in &change.lacks {
        sentence(terminal, Style::Dim, &clean(&format!("still missing: {message} [{code}]")))?;
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn moves(change: &Change, terminal: &mut Terminal) -> io::Result<()> {
    if change.moves.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        Column::number("weights", 0),
        Column::text("were", 1),
        Column::text("become", 0),
        Column::number("before", 2),
        Column::number("after", 0),
    ]);
    for one in change.moves.iter().take(MOST_MOVES) {
        table.row([
            Cell::from(thousands(one.weights as u64)),
            Cell::styled(Style::Dim, &one.was),
            Cell::styled(Style::Good, &one.now),
            Cell::from(size(one.before)),
            Cell::from(size(one.after)),
        ]);
    }
    terminal.text(&table.draw(terminal.width, terminal.paint))?;
    match change.moves.len().saturating_sub(MOST_MOVES) {
        0 => Ok(()),
        more => terminal.prose(format!("  and {} more; `:plan` has them all", count(more, "row"))),
    }
}

fn totals(change: &Change, terminal: &mut Terminal) -> io::Result<()> {
    let Some((now, was)) = &change.totals else { return Ok(()) };
    if change.model.is_some() && now.changed == 0 {
        return Ok(());
    }
    if was.as_ref() == Some(now) {
        return match change.cause {
            // Whoever types a rule wants to know that it does nothing; a setting need not say so.
            Cause::Typed { .. } if change.moves.is_empty() => {
                let line = terminal.paint.put(Style::Dim, "no weight changes");
                terminal.prose(line)
            }
            _ => Ok(()),
        };
    }
    let bits = now.bits().map_or(String::new(), |bits| format!(", {bits:.2} bits per weight"));
    let was = was.filter(|was| was.after != now.after && was.after != was.before);
    let was = was.map_or(String::new(), |was| format!("; it was {} ({})", size(was.after), percent(was.share())));
    let whole = sizes(now.before, now.after);
    sentence(terminal, Style::Bold, &format!("the model: {whole} ({}){bits}{was}", percent(now.share())))
}
