//! Text to tree: tokens, the grammar, the tree with spans, the formatter. Knows no files and no models.

pub mod allow;
pub mod error;
pub mod keywords;
pub mod lines;
pub mod nearest;
pub mod tree;

pub use error::{Fix, SyntaxError, SyntaxErrorKind};

use std::ops::Range;

/// What reading a text gives: always a tree, and what is wrong with the text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parse {
    /// The statements, broken ones too.
    pub file: tree::File,
    /// Mistakes, in the order of the text.
    pub errors: Vec<SyntaxError>,
}

/// Reads a recipe.
pub fn parse(_text: &str) -> Parse {
    Parse::default()
}

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
