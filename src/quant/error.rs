//! What can go wrong in a kernel.

use thiserror::Error;

use crate::scheme::FloatType;

/// Why a tensor could not be quantized, packed or pruned.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum QuantError {
    /// The data has another number of elements than its shape says.
    #[error("the shape {shape:?} does not describe {len} elements")]
    Length {
        /// Elements given.
        len: usize,
        /// The shape given.
        shape: Vec<usize>,
    },
    /// A block has another number of axes than its tensor.
    #[error("a block of {block} axes cannot divide a tensor of {tensor} axes")]
    BlockRank {
        /// Axes of the block.
        block: usize,
        /// Axes of the tensor.
        tensor: usize,
    },
    /// A block does not divide its axis.
    #[error("axis {axis} has {size} elements, which blocks of {block} do not divide")]
    BlockSize {
        /// The axis, counted from 0.
        axis: usize,
        /// Elements of the tensor along the axis.
        size: usize,
        /// Elements of the block along the axis.
        block: usize,
    },
    /// The axis does not exist.
    #[error("a tensor of {rank} axes has no axis {axis}")]
    Axis {
        /// The axis, counted from 0.
        axis: usize,
        /// Axes of the tensor.
        rank: usize,
    },
    /// Codes have from 1 to 8 bits.
    #[error("{0} bits: a code has from 1 to 8 bits")]
    Bits(u8),
    /// The scheme has one code only, so it can represent nothing but zero.
    #[error("symmetric codes of 1 bit leave only zero in coremltools' arithmetic")]
    SingleCode,
    /// Scales of this type are not supported.
    #[error("scales cannot be {0}: fp16, bf16 or fp32")]
    ScaleType(FloatType),
    /// A stored tensor that the scheme does not have.
    #[error("it has no such tensor: this is a defect of bitmill, please report it")]
    NotMade,
    /// NaN or infinity where the arithmetic has no meaning for them.
    #[error("the weight holds NaN or infinity")]
    NonFinite,
    /// A code that its width cannot hold.
    #[error("code {code} at position {index} does not fit {bits} bits")]
    Code {
        /// The code as stored.
        code: i16,
        /// Its position.
        index: usize,
        /// Bits per code.
        bits: u8,
    },
    /// The packed bytes have another length than the codes need.
    #[error("{count} codes of {bits} bits take {expected} bytes, not {found}")]
    PackedLength {
        /// Codes expected.
        count: usize,
        /// Bits per code.
        bits: u8,
        /// Bytes they take.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The bits after the last code are not zero.
    #[error("the unused bits after the last code are not zero")]
    Padding,
    /// A sparsity outside 0…1, or n:m with n > m or m = 0.
    #[error("{0} is not a sparsity")]
    Sparsity(String),
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}
