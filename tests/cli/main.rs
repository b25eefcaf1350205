//! The real binary in directories of its own: what it prints, where, and its exit status.

// A test that cannot make its world has failed.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod check;
mod eval;
mod explain;
mod formats;
mod models;
mod plan;
mod prompt;
mod repl;
mod run;
mod screen;
mod streams;
mod tune;
mod watch;
mod world;
mod writing;
