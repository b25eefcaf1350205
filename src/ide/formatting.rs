//! The formatter, as editors ask for it.

use super::Analysis;
use crate::syntax::{Span, TextEdit, format_edits, format_range};

/// Behind these characters, what was typed is formatted.
pub const TRIGGERS: &[char] = &['\n', '}'];

/// What has to change to make the whole text as it should be written.
pub fn document(analysis: &Analysis) -> Vec<TextEdit> {
    format_edits(analysis.text())
}

/// As [`document`], for the lines that a range touches.
pub fn range(analysis: &Analysis, range: Span) -> Vec<TextEdit> {
    format_range(analysis.text(), range)
}

/// What has to change behind a character that was just typed before `offset`. A line end formats the line that it
/// ended, and leaves the new one alone; a brace formats the lines of its block.
pub fn on_type(analysis: &Analysis, offset: usize, typed: char) -> Vec<TextEdit> {
    let at = u32::try_from(offset).unwrap_or(u32::MAX);
    let lines = analysis.lines();
    let lines_typed = match typed {
        '\n' => {
            let Some(line) = lines.line(at).checked_sub(1) else { return Vec::new() };
            lines.span(line)
        }
        '}' => match analysis.statement_at(offset) {
            Some((_, statement)) => statement.span,
            None => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    let line_start = lines.span(lines.line(at)).start;
    let edits = format_range(analysis.text(), lines_typed).into_iter();
    // Where the cursor stands, nothing moves under it; an edit that begins at the line's end would take the new
    // line away.
    let end = if typed == '\n' { line_start.saturating_sub(1) } else { at };
    edits.filter(|edit| edit.span.end <= end && !edit.replacement.contains('\n')).collect()
}
