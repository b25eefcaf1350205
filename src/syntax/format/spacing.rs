//! What stands between the tokens of one statement.

use std::ops::Range;

use super::layout::{Gap, Layout, RowKind, Visible, is_header};
use crate::syntax::token::TokenKind;
use crate::syntax::tree::{OptionEntry, StatementKind};

/// Blanks that a level of brackets indents by.
const INDENT: usize = 2;

/// The words before a bracket that does not belong to them.
const BEFORE_GROUPS: [&str; 7] = ["and", "or", "not", "where", "expect", "every", "no"];

/// Adds the tokens of a statement without mistakes. The gap before the first is left to the caller.
pub(super) fn statement(layout: &mut Layout<'_>, range: Range<usize>, kind: &StatementKind) -> RowKind {
    let mut spacing = Spacing {
        entries: match kind {
            StatementKind::Calibrate { options: Some(options), .. }
            | StatementKind::Extend { options: Some(options), .. }
            | StatementKind::Shapes(Some(options)) => &options.entries,
            _ => &[],
        },
        open: Vec::new(),
        several_lines: false,
    };
    let first = layout.visible.len();
    let mut arrow = None;
    for index in range.clone() {
        let token = layout.tokens[index];
        let removed = token.kind == TokenKind::Comma && spacing.in_options();
        if token.kind.is_blank() || removed {
            continue;
        }
        let gap = spacing.before(layout, index, first);
        let doubled = token.kind == TokenKind::Assign && !matches!(kind, StatementKind::Scheme { .. });
        if token.kind == TokenKind::Arrow {
            arrow = Some(layout.visible.len());
        }
        layout.visible.push(Visible { token: index, gap, doubled });
        if token.kind.closer().is_some() {
            let block = token.kind == TokenKind::OpenBrace && breaks_before_end(layout, index, range.end);
            spacing.open.push(Open { kind: token.kind, block });
        }
    }
    match (kind, arrow) {
        _ if spacing.several_lines => RowKind::Fixed,
        (StatementKind::Rule { .. }, Some(arrow)) => RowKind::Rule { arrow },
        _ if is_header(kind) => RowKind::Header,
        _ => RowKind::Other,
    }
}

/// Whether a block of options goes over several lines. It is the last thing in its statement.
fn breaks_before_end(layout: &Layout<'_>, open: usize, end: usize) -> bool {
    layout.tokens[open..end].iter().any(|token| token.kind == TokenKind::Newline)
}

struct Open {
    kind: TokenKind,
    /// A block of options with its braces on lines of their own.
    block: bool,
}

struct Spacing<'a> {
    /// The options that are still to come.
    entries: &'a [OptionEntry],
    open: Vec<Open>,
    several_lines: bool,
}

impl Spacing<'_> {
    /// Whether commas here stand between options.
    fn in_options(&self) -> bool {
        self.open.last().is_some_and(|open| open.kind == TokenKind::OpenBrace)
    }

    /// What stands before a token, which is the statement's first if nothing is visible from `first` on.
    fn before(&mut self, layout: &Layout<'_>, index: usize, first: usize) -> Gap {
        let token = layout.tokens[index];
        let closed = token.kind.is_closer().then(|| self.open.pop()).flatten();
        let begins_entry = self.entries.first().is_some_and(|entry| entry.key.span == token.span);
        if begins_entry {
            self.entries = &self.entries[1..];
        }
        let Some(before) = layout.visible[first..].last() else {
            return Gap::Blanks(0);
        };
        let previous = layout.tokens[before.token];
        let ends = layout.line_ends_between(before.token, index);
        if token.kind == TokenKind::Comment && ends == 0 {
            return Gap::Blanks(2);
        }
        if token.kind == TokenKind::Comma && previous.kind != TokenKind::Comment {
            return Gap::Blanks(0);
        }
        let opens_block = previous.kind == TokenKind::OpenBrace && self.open.last().is_some_and(|open| open.block);
        let closes_block = closed.as_ref().is_some_and(|open| open.block);
        if ends > 0 || opens_block || closes_block {
            self.several_lines = true;
            let empty_line = ends > 1 && previous.kind.closer().is_none() && closed.is_none();
            // Behind `=>` at the end of a line, nothing is open.
            let levels = if closed.is_some() { self.open.len() } else { self.open.len().max(1) };
            return Gap::Lines { count: 1 + usize::from(empty_line), indent: INDENT * levels };
        }
        let two = begins_entry && previous.kind != TokenKind::OpenBrace;
        let written = &layout.text[previous.span.range()];
        Gap::Blanks(if two { 2 } else { usize::from(self.apart(previous.kind, written, token.kind)) })
    }

    /// Whether a blank stands between two tokens on a line.
    fn apart(&self, previous: TokenKind, written: &str, next: TokenKind) -> bool {
        use TokenKind::*;
        match (previous, next) {
            (OpenBrace, CloseBrace) => false,
            (OpenParen | OpenBracket | Colon, _) | (_, CloseParen | CloseBracket | Comma | Colon) => false,
            (Word, OpenParen) => BEFORE_GROUPS.contains(&written),
            (Word, OpenBracket) => self.in_options(),
            _ => true,
        }
    }
}
