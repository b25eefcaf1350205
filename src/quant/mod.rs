//! Kernels: pure functions over slices. The same input gives the same bits on every machine and thread count.

pub mod affine;
pub mod element;
pub mod error;
pub mod pack;
pub mod palette;
pub mod per_tensor;
pub mod power;
pub mod prune;
pub(crate) mod simd;

pub use error::QuantError;
