//! The syntax layer from outside: laws that hold for every text, the words of the findings, the formatter, and
//! the written grammar.

#![allow(clippy::unwrap_used)]

mod formatter;
mod generate;
mod grammar;
mod laws;
mod limits;
mod mistakes;
mod trees;
