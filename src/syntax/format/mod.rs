//! The formatter: one way to write a recipe.
//!
//! It decides what stands *between* tokens and otherwise keeps the text, so it cannot lose a comment or change a
//! meaning. Two exceptions: `=` in a condition becomes `==`, and commas between options go. Statements with
//! mistakes stay as they are, byte for byte, with their indentation.
//!
//! - One statement a line, without indentation; line breaks inside brackets stay, and indent by two.
//! - At most one empty line; none at the beginning. The text ends with one line end.
//! - Line ends are `\r\n` if all of them are, else `\n`. A byte order mark goes.
//! - The arrows of rules that follow each other stand in one column, and so does what follows `model`, `target`,
//!   `compute`, `precision`, `arithmetic`, `threshold` and `output`.
//! - Comments behind statements that follow each other stand in one column. It is the one they have, if they have
//!   one and there is room for it.

mod align;
mod layout;
mod spacing;

use layout::{Gap, Layout};

use super::line_index::LineIndex;
use super::{Span, parse};

/// A piece of text and what stands there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEdit {
    /// What is replaced; empty for an insertion.
    pub span: Span,
    /// By what.
    pub replacement: String,
}

/// The text as it should be written.
pub fn format(text: &str) -> String {
    let mut formatted = String::with_capacity(text.len() + text.len() / 8);
    let mut at = 0;
    for edit in format_edits(text) {
        formatted.push_str(&text[at..edit.span.start as usize]);
        formatted.push_str(&edit.replacement);
        at = edit.span.end as usize;
    }
    formatted.push_str(&text[at..]);
    formatted
}

/// What has to change to make the text as it should be written: small edits, in order, none overlapping.
/// There are none if the text is as it should be.
pub fn format_edits(text: &str) -> Vec<TextEdit> {
    let parse = parse(text);
    let mut layout = Layout::new(text, &parse);
    align::align(&mut layout);
    edits(&layout)
}

/// The edits that touch a range, extended to whole lines. What is aligned is aligned with the lines around the
/// range too.
pub fn format_range(text: &str, range: Span) -> Vec<TextEdit> {
    let index = LineIndex::new(text);
    let lines = index.lines_of(range);
    let whole = Span::new(index.span(lines.start).start, index.span(lines.end - 1).end);
    // What stands before a line belongs to it, even if it begins in the line above.
    let inside = |edit: &TextEdit| whole.start <= edit.span.end && edit.span.end <= whole.end;
    format_edits(text).into_iter().filter(inside).collect()
}

fn edits(layout: &Layout<'_>) -> Vec<TextEdit> {
    let newline = layout.newline();
    let mut edits = Vec::new();
    let mut end = 0;
    let mut change = |span: Span, wanted: &str| {
        if &layout.text[span.range()] != wanted {
            edits.push(TextEdit { span, replacement: wanted.to_owned() });
        }
    };
    let mut wanted = String::new();
    for visible in &layout.visible {
        let token = layout.tokens[visible.token];
        let span = Span::new(end, token.span.start);
        end = token.span.end;
        if visible.gap != Gap::Keep {
            wanted.clear();
            write_gap(visible.gap, newline, &layout.text[span.range()], &mut wanted);
            change(span, &wanted);
        }
        if visible.doubled {
            change(token.span, "==");
        }
    }
    let last = layout.tokens.last().map_or(0, |token| token.span.end);
    change(Span::new(end, last), if layout.visible.is_empty() { "" } else { newline });
    edits
}

/// The text of a gap; `written` is what stands there.
fn write_gap(gap: Gap, newline: &str, written: &str, to: &mut String) {
    match gap {
        Gap::Keep => {}
        Gap::Blanks(count) => to.extend(std::iter::repeat_n(' ', count)),
        Gap::Lines { count, indent } => {
            to.extend(std::iter::repeat_n(newline, count));
            to.extend(std::iter::repeat_n(' ', indent));
        }
        Gap::LinesIndented { count } => {
            to.extend(std::iter::repeat_n(newline, count));
            let line = written.rfind(['\n', '\r']).map_or(written, |at| &written[at + 1..]);
            to.push_str(line.trim_start_matches('\u{feff}'));
        }
    }
}
