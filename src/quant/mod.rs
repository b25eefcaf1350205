//! Kernels: pure functions over slices. The same input gives the same bits on every machine and thread count.

pub mod element;
pub mod palette;
mod simd;
