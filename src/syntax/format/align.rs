//! Columns: arrows of rules, values of headers, comments behind statements.
//!
//! A paragraph ends at an empty line and at a statement of another kind. Comments on lines of their own are part
//! of it.

use std::ops::Range;

use super::layout::{Gap, Layout, Row, RowKind};

/// Selectors longer than this do not push the arrows of others.
const LONGEST_SELECTOR: usize = 60;

/// Statements longer than this do not push the comments of others.
const LONGEST_STATEMENT: usize = 80;

/// Comments that stand further right are brought back.
const LAST_COLUMN: usize = 100;

/// Sets the gaps that make columns.
pub(super) fn align(layout: &mut Layout<'_>) {
    let is_rule = |kind| matches!(kind, RowKind::Rule { .. });
    for paragraph in paragraphs(&layout.rows, is_rule) {
        align_arrows(layout, paragraph);
    }
    for paragraph in paragraphs(&layout.rows, |kind| kind == RowKind::Header) {
        align_headers(layout, paragraph);
    }
    let on_one_line = |kind| !matches!(kind, RowKind::Fixed | RowKind::Comment);
    for paragraph in paragraphs(&layout.rows, on_one_line) {
        align_comments(layout, paragraph);
    }
}

/// Runs of rows that belong together, with the comments between them.
fn paragraphs(rows: &[Row], belongs: impl Fn(RowKind) -> bool) -> Vec<Range<usize>> {
    let mut paragraphs: Vec<Range<usize>> = Vec::new();
    let mut together = false;
    for (index, row) in rows.iter().enumerate() {
        together &= !row.after_blank;
        if belongs(row.kind) {
            match paragraphs.last_mut() {
                Some(last) if together => last.end = index + 1,
                _ => paragraphs.push(index..index + 1),
            }
            together = true;
        } else if row.kind != RowKind::Comment {
            together = false;
        }
    }
    paragraphs
}

/// The width of visible tokens on one line, with the gaps between them.
fn width(layout: &Layout<'_>, range: Range<usize>) -> usize {
    let mut width = 0;
    for (index, visible) in layout.visible[range].iter().enumerate() {
        if let (Gap::Blanks(blanks), true) = (visible.gap, index > 0) {
            width += blanks;
        }
        width += layout.width(visible);
    }
    width
}

fn align_arrows(layout: &mut Layout<'_>, paragraph: Range<usize>) {
    let mut arrows = Vec::new();
    for row in &layout.rows[paragraph] {
        if let RowKind::Rule { arrow } = row.kind {
            arrows.push((arrow, width(layout, row.first..arrow)));
        }
    }
    align_gaps(layout, &arrows, LONGEST_SELECTOR);
}

fn align_headers(layout: &mut Layout<'_>, paragraph: Range<usize>) {
    let mut values = Vec::new();
    for row in layout.rows[paragraph].iter().filter(|row| row.kind == RowKind::Header) {
        if row.end > row.first + 1 {
            values.push((row.first + 1, width(layout, row.first..row.first + 1)));
        }
    }
    align_gaps(layout, &values, usize::MAX);
}

/// Puts tokens into one column: each is given with the width of what stands before it.
fn align_gaps(layout: &mut Layout<'_>, tokens: &[(usize, usize)], longest: usize) {
    let widths = tokens.iter().map(|(_, width)| *width);
    let column = widths.filter(|width| *width <= longest).max().unwrap_or(0);
    for (token, width) in tokens {
        layout.visible[*token].gap = Gap::Blanks(column.saturating_sub(*width) + 1);
    }
}

fn align_comments(layout: &mut Layout<'_>, paragraph: Range<usize>) {
    let mut comments = Vec::new();
    for row in &layout.rows[paragraph] {
        let width = width(layout, row.first..row.end);
        if let Some(comment) = row.comment.filter(|_| width <= LONGEST_STATEMENT) {
            comments.push((comment, width));
        }
    }
    let Some(widest) = comments.iter().map(|(_, width)| *width).max() else {
        return;
    };
    let mut written = comments.iter().map(|(comment, _)| written_column(layout, *comment));
    let first = written.next().unwrap_or(0);
    let keep = (widest + 2..=LAST_COLUMN).contains(&first) && written.all(|column| column == first);
    let column = if keep { first } else { widest + 2 };
    for (comment, width) in comments {
        layout.visible[comment].gap = Gap::Blanks(column - width);
    }
}

/// How many characters stand before a token on its line, as the text is written.
fn written_column(layout: &Layout<'_>, visible: usize) -> usize {
    let start = layout.tokens[layout.visible[visible].token].span.start as usize;
    let before = &layout.text[..start];
    let line = before.rfind(['\n', '\r']).map_or(before, |at| &before[at + 1..]);
    line.trim_start_matches('\u{feff}').chars().count()
}
