//! bitmill recipes for [tree-sitter](https://tree-sitter.github.io).

use tree_sitter_language::LanguageFn;

unsafe extern "C" {
    fn tree_sitter_bitmill() -> *const ();
}

/// The language, for `tree_sitter::Parser::set_language`.
// SAFETY: src/parser.c defines this function, and it returns a static description of the language.
pub const LANGUAGE: LanguageFn = unsafe { LanguageFn::from_raw(tree_sitter_bitmill) };

/// What to highlight.
pub const HIGHLIGHTS_QUERY: &str = include_str!("../../queries/highlights.scm");

/// What to fold.
pub const FOLDS_QUERY: &str = include_str!("../../queries/folds.scm");

/// What to indent.
pub const INDENTS_QUERY: &str = include_str!("../../queries/indents.scm");

/// What other languages stand in it.
pub const INJECTIONS_QUERY: &str = include_str!("../../queries/injections.scm");

/// The outline.
pub const OUTLINE_QUERY: &str = include_str!("../../queries/outline.scm");

/// Definitions and references.
pub const TAGS_QUERY: &str = include_str!("../../queries/tags.scm");
