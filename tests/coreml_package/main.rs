//! Core ML packages: those of coremltools byte for byte, unknown fields, and what strangers' packages may hold.
#![allow(clippy::unwrap_used)]

mod golden;
mod hostile;
mod unknown;
mod upstream;
