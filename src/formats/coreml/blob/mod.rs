//! Files of weights (`weight.bin`): MIL blob storage, version 2. CT:mlmodel/src/MILBlob/Blob/StorageFormat.hpp.
//!
//! A header of 64 bytes, then blobs, each a record of 64 bytes at a multiple of 64 and its data. Everything is
//! little-endian.
//!
//! ```text
//! header   0  u32 number of blobs      record   0  u32 0xDEADBEEF
//!          4  u32 2, the version                4  u32 element type
//!                                               8  u64 bytes of data
//!                                              16  u64 where the data begins in the file
//!                                              24  u64 unused high bits of the last byte
//! ```
//!
//! Elements narrower than a byte are one stream of bits, the lowest first.

mod error;
mod reader;
mod writer;

pub use error::{BlobError, BlobFault, BlobWriteError};
pub use reader::{Blob, BlobReader};
pub use writer::BlobWriter;

/// Records lie at multiples of this, and data behind them; the header and each record are as long.
pub const ALIGNMENT: u64 = 64;

/// The first bytes of a record.
const SENTINEL: u32 = 0xDEAD_BEEF;

/// The only version that ML Programs use; 1 is that of neural networks.
const VERSION: u32 = 2;

#[cfg(test)]
mod tests;
