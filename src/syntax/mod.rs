//! Text to tree: tokens, the grammar, the tree with spans, the formatter. Knows no files and no models.
//!
//! The way of a text: `lexer` makes [tokens](token) of it, `outline` finds which of them are which statement, the
//! `grammar` reads one statement at a time, and [`parse`] puts the [tree] and the [errors](error) together.

mod allow;
mod complete;
pub mod error;
mod flaws;
pub mod format;
mod grammar;
pub mod keywords;
pub mod lexer;
pub mod line_index;
mod outline;
mod parse;
pub mod token;
pub mod tree;

pub use allow::Allow;
pub use complete::is_complete;
pub use error::{Fix, SyntaxError, SyntaxErrorKind};
pub use format::{TextEdit, format, format_edits, format_range};
pub use lexer::{MAX_TOKENS, lex};
pub use line_index::{LineColumn, LineIndex, Unit};
pub use outline::{MAX_JOINED, MAX_NESTING};
pub use parse::{MAX_ERRORS, Parse, parse, parse_scheme, parse_selector};

use std::ops::Range;

/// A range of bytes in one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span from `start` up to, not including, `end`.
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        Span::new(self.start.min(other.start), self.end.max(other.end))
    }

    /// As a range of indices into the text.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Whether a byte offset lies inside or directly behind the span, as a cursor would.
    pub fn touches(self, offset: u32) -> bool {
        self.start <= offset && offset <= self.end
    }
}
