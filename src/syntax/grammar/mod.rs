//! The grammar: tokens of one statement to its tree, in nom over a slice of tokens.
//!
//! What belongs to which statement was decided before, in `outline`; so a mistake stays in its statement. Within
//! one, a function either says "not here" and has reported nothing, or has committed, and then reports what is
//! missing, at most once per place, and goes on. `grammar/bitmill.ebnf` describes the same without mistakes.

mod basics;
mod condition;
mod expectation;
mod input;
mod scheme;
mod selector;
mod statement;
mod value;

pub(super) use basics::excerpt;
pub(super) use input::{Context, Tokens};
pub(super) use scheme::scheme;
pub(super) use selector::selector;
pub(super) use statement::statement;
