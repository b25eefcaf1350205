//! The index of bitmill's packed checkpoints: how the stored tensors make up the weights. It stands as JSON in
//! the safetensors metadata under [`KEY`].

use serde::{Deserialize, Serialize};

use crate::dtype::DType;

/// The metadata key of the index.
pub const KEY: &str = "bitmill.packed";

/// The version that is written. Readers refuse newer ones.
pub const VERSION: u32 = 1;

/// The whole index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// Every weight that is not stored plainly under its own name.
    pub weights: Vec<PackedWeight>,
}

/// One weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedWeight {
    /// Its full name. Its tensors are `NAME:codes` and so on.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// The float type it had: `F32`, `F16` or `BF16`.
    pub dtype: String,
    /// The scheme, in its canonical spelling.
    pub scheme: String,
    /// How it is stored.
    pub encoding: Encoding,
}

/// How a weight is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Encoding {
    /// `codes`, `scale`, perhaps `zero_point` and `mask`.
    Affine {
        /// Width of a code.
        bits: u8,
        /// Whether codes are signed.
        signed: bool,
        /// Elements that share a scale, per axis.
        block: Vec<usize>,
        /// Whether there are zero points.
        zero_point: bool,
        /// Codes stored; fewer than elements with a `mask`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        survivors: Option<usize>,
    },
    /// `codes`, `table`, perhaps `table_scale`, `channel_scale` and `mask`.
    Palette {
        /// Width of a stored index.
        bits: u8,
        /// Elements that share a table, per axis.
        block: Vec<usize>,
        /// Values of an entry.
        vector: usize,
        /// The axis of vectors and of scales per channel.
        axis: usize,
        /// Whether entries are int8 with one scale.
        int8_entries: bool,
        /// Whether output channels are scaled.
        scaled: bool,
        /// Indices stored; fewer than elements with a `mask`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        survivors: Option<usize>,
    },
    /// `values` and `mask`.
    Sparse {
        /// Values stored.
        survivors: usize,
    },
}

impl PackedWeight {
    /// The float type it had; `None` for a type that no packed weight has.
    pub fn dtype(&self) -> Option<DType> {
        match self.dtype.as_str() {
            "F32" => Some(DType::F32),
            "F16" => Some(DType::F16),
            "BF16" => Some(DType::BF16),
            _ => None,
        }
    }

    /// The name of one of its stored tensors: `codes`, `scale`, …
    pub fn tensor(&self, suffix: &str) -> String {
        format!("{}:{suffix}", self.name)
    }
}
