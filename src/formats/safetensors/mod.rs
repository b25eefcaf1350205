//! Safetensors files: an 8-byte little-endian header length, a JSON header, then the bytes of the tensors.
//!
//! The `safetensors` crate knows the element types; headers are read here, because its errors name neither file
//! nor place, it takes the last of two tensors with one name, and it refuses element types newer than itself.
//! Like the crate, the reader takes no file with overlapping tensors or with bytes that belong to none.

mod dtype;
mod error;
mod header;
mod json;
mod reader;
mod writer;

pub use dtype::DtypeName;
pub use error::{Fault, SafetensorsError};
pub use header::{Header, TensorInfo};
pub use reader::Reader;
pub use writer::{TensorSpec, Writer};

/// The longest header that the format allows, in bytes.
pub const MAX_HEADER: u64 = 100_000_000;

/// The most dimensions of a tensor (NumPy's limit, the largest of the libraries that write safetensors).
pub const MAX_RANK: usize = 64;
