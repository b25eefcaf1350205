//! Decompressed models.

use super::model::CompressionShape;
use crate::check::report::json::VERSION;
use crate::run::decompress::Decompressed;
use serde::Serialize;

/// What `decompress --json` writes.
#[derive(Debug, Serialize)]
pub struct DecompressShape {
    /// The version of the shapes.
    pub version: u32,
    /// What was written; null where nothing was compressed, and nothing was written.
    pub output: Option<String>,
    /// Bytes of all tensors before.
    pub before: u64,
    /// Bytes of all tensors after.
    pub after: u64,
    /// Tensors that were copied as they are.
    pub copied: usize,
    /// Seconds it took.
    pub seconds: f64,
    /// Every weight that was compressed.
    pub weights: Vec<PlainShape>,
}

/// A weight that was compressed.
#[derive(Debug, Serialize)]
pub struct PlainShape {
    /// Its name.
    pub name: String,
    /// How it was compressed.
    pub compression: CompressionShape,
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
}

impl DecompressShape {
    /// The shape for a model without compressed weights.
    pub fn nothing() -> Self {
        let (before, after, copied, seconds) = (0, 0, 0, 0.0);
        DecompressShape { version: VERSION, output: None, before, after, copied, seconds, weights: Vec::new() }
    }

    /// The shape of what was written.
    pub fn new(done: &Decompressed) -> Self {
        let weight = |weight: &crate::run::decompress::Plain| PlainShape {
            name: weight.name.clone(),
            compression: CompressionShape::new(&weight.was),
            before: weight.before,
            after: weight.after,
        };
        DecompressShape {
            version: VERSION,
            output: Some(done.output.display().to_string()),
            before: done.before,
            after: done.after,
            copied: done.copied,
            seconds: done.elapsed.as_secs_f64(),
            weights: done.weights.iter().map(weight).collect(),
        }
    }
}
