//! Text to tree: tokens, the grammar, the tree with spans, the formatter. Knows no files and no models.

pub mod allow;
pub mod error;
mod flaws;
mod grammar;
pub mod keywords;
pub mod lexer;
pub mod lines;
pub mod nearest;
mod outline;
pub mod token;
pub mod tree;

pub use error::{Fix, SyntaxError, SyntaxErrorKind};

pub use token::{Token, TokenKind};

use std::ops::Range;

/// How many mistakes of a text are told one by one.
pub const MAX_ERRORS: usize = 1000;

/// What reading a text gives: always a tree, and what is wrong with the text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parse {
    /// The statements, broken ones too.
    pub file: tree::File,
    /// Every token, blanks and comments too; they tile the text.
    pub tokens: Vec<Token>,
    /// Mistakes, in the order of the text.
    pub errors: Vec<SyntaxError>,
}

/// Reads a recipe.
pub fn parse(text: &str) -> Parse {
    let tokens = lexer::lex(text);
    let outline = outline::outline(text, &tokens);
    let mut errors = flaws::flaws(text, &tokens, &outline);
    let mut statements = Vec::with_capacity(outline.pieces.len());
    let mut more = 0;
    for piece in &outline.pieces {
        let kind = match piece.too_deep {
            Some(span) => {
                errors.push(SyntaxError { span, kind: SyntaxErrorKind::TooDeep, fix: None, help: None });
                tree::StatementKind::Error
            }
            None => {
                let significant = &outline.significant[piece.significant.clone()];
                let context = grammar::Context::new(text, piece);
                let kind = grammar::statement(grammar::Tokens::new(significant, &context));
                let (found, beyond) = context.into_errors(significant);
                errors.extend(found);
                more += beyond;
                kind
            }
        };
        statements.push(tree::Statement { span: piece.span, kind });
    }
    errors.sort_by_key(|error| error.span);
    more += errors.len().saturating_sub(MAX_ERRORS);
    errors.truncate(MAX_ERRORS);
    if more > 0 {
        let end = text.len() as u32;
        errors.push(SyntaxError {
            span: Span::new(end, end),
            kind: SyntaxErrorKind::TooMany { more },
            fix: None,
            help: None,
        });
    }
    Parse { file: tree::File { statements }, tokens, errors }
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
