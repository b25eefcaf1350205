//! bitmill: a small language for quantization recipes, and the tools that check and run them.
//!
//! The rooms and the one direction in which they look are described in `ARCHITECTURE.md`.

pub mod check;
pub mod cli;
pub mod convert;
pub mod coreml;
pub mod diff;
pub mod draw;
pub mod dtype;
pub mod element;
pub mod eval;
pub mod exec;
pub mod experiment;
pub mod formats;
pub mod glossary;
pub mod graph;
pub mod ide;
pub mod inspect;
pub mod json;
pub mod kind;
pub mod lower;
pub mod lsp;
pub mod model;
pub mod nearest;
pub mod plan;
pub mod project;
pub mod pt2e;
pub mod quant;
pub mod recipe;
pub mod repl;
pub mod run;
pub mod scheme;
pub mod session;
pub mod syntax;
pub mod translation;
pub mod tune;
pub mod values;
pub mod words;
