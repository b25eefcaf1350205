//! The language server, driven by a client in the same process.

#![allow(clippy::unwrap_used)]

mod client;
mod commands;
mod edits;
mod hostile;
mod order;
mod schema;
mod session;
mod sweep;
