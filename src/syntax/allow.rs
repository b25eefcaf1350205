//! Comments that silence findings.

use super::tree::Word;
use super::{Parse, Span};

/// A comment `# bitmill: allow(CODE, …)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Allow {
    /// The codes it silences, each with its place.
    pub codes: Vec<Word>,
    /// The bytes of the lines it applies to.
    pub applies_to: Span,
    /// The comment.
    pub span: Span,
}

/// The comments of a text that silence findings.
pub fn allows(_text: &str, _parsed: &Parse) -> Vec<Allow> {
    Vec::new()
}
