//! What is asked of palettization, and what can be wrong with it.

use crate::dtype::DType;
use crate::scheme::PaletteFit;

/// How a weight is to be palettized.
#[derive(Debug, Clone, PartialEq)]
pub struct PaletteSpec {
    /// Width of a code, 1 to 8; a table has 2^bits entries.
    pub bits: u8,
    /// Which weights share a table: the size of a block along every axis, which it must divide; `None` for one
    /// table for all.
    pub block: Option<Vec<usize>>,
    /// How the entries are found.
    pub fit: PaletteFit,
    /// Entries of several weights each, where wanted.
    pub vector: Option<PaletteVector>,
    /// The type that entries (and scales) are rounded to.
    pub entries: EntryType,
    /// Whether the tables are themselves quantized to int8, symmetrically, with one scale for all.
    pub int8_entries: bool,
    /// The output-channel axis, if every channel is to be divided by its greatest magnitude before clustering.
    ///
    /// All scaled weights then count alike, so that channels of small weights are served as well as others:
    /// the clustering is optimal for the scaled weights, not for the original ones.
    pub scaled: Option<usize>,
}

impl PaletteSpec {
    /// Exact k-means with one table for the whole weight and entries of the weight's type.
    pub fn per_tensor(bits: u8) -> Self {
        PaletteSpec {
            bits,
            block: None,
            fit: PaletteFit::Kmeans,
            vector: None,
            entries: EntryType::Weight,
            int8_entries: false,
            scaled: None,
        }
    }
}

/// Vector palettization: `size` consecutive weights along `axis` share one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaletteVector {
    /// Weights per entry, at least 1; must divide the block along `axis`.
    pub size: usize,
    /// The axis along which they lie.
    pub axis: usize,
}

/// The type of a table's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryType {
    /// The weight's own type.
    Weight,
    /// binary16.
    Fp16,
    /// binary32.
    Fp32,
}

/// The work was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

/// Why a weight cannot be palettized.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PaletteError {
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A width other than 1 to 8.
    #[error("palettes have codes of 1 to 8 bits, not {bits}")]
    Bits {
        /// The width asked for.
        bits: u8,
    },
    /// The number of elements is not the product of the shape.
    #[error("{found} elements for shape {shape:?}")]
    Length {
        /// The shape.
        shape: Vec<usize>,
        /// The number of elements.
        found: usize,
    },
    /// The mask's length is not the weight's.
    #[error("a mask of {found} elements for a weight of {expected}")]
    MaskLength {
        /// Elements of the weight.
        expected: usize,
        /// Elements of the mask.
        found: usize,
    },
    /// A weight without elements.
    #[error("a weight of shape {shape:?} has no elements")]
    Empty {
        /// The shape.
        shape: Vec<usize>,
    },
    /// An axis that the weight does not have.
    #[error("a weight of rank {rank} has no axis {axis}")]
    Axis {
        /// The axis.
        axis: usize,
        /// The weight's rank.
        rank: usize,
    },
    /// A block with more or fewer sizes than the weight has axes.
    #[error("a block of {found} sizes for a weight of rank {rank}")]
    BlockRank {
        /// The weight's rank.
        rank: usize,
        /// The number of sizes.
        found: usize,
    },
    /// A block, group or vector size that does not divide what it divides.
    #[error("{size} along axis {axis} is not divisible by {divisor}")]
    Divides {
        /// The axis.
        axis: usize,
        /// What is to be divided.
        size: usize,
        /// What does not divide it.
        divisor: usize,
    },
    /// NaN or an infinity.
    #[error("{value} at {index:?}")]
    NotFinite {
        /// The value.
        value: f32,
        /// Its position, one number per axis; the first in row-major order.
        index: Vec<usize>,
    },
    /// More distinct values than entries, where each value was to be an entry.
    #[error("table {table} would need {distinct} entries and has {capacity}")]
    TooManyValues {
        /// The first such table, in row-major order.
        table: usize,
        /// The number of distinct values or vectors.
        distinct: usize,
        /// 2^bits.
        capacity: usize,
    },
    /// An entry or scale beyond the range of its type.
    #[error("{value} does not fit in {dtype}")]
    TooLarge {
        /// The value.
        value: f64,
        /// The type.
        dtype: DType,
    },
    /// A fit that exists for single weights only.
    #[error("fit {fit} has no entries of several weights")]
    VectorFit {
        /// The fit.
        fit: PaletteFit,
    },
    /// A mask with entries of several weights: they would be partly pruned.
    #[error("a mask cannot be combined with entries of several weights")]
    VectorMask,
    /// A table over more weights than are counted.
    #[error("{found} weights share a table; at most 2^32 - 1 may")]
    TooManyWeights {
        /// How many share it.
        found: usize,
    },
}

impl From<Cancelled> for PaletteError {
    fn from(_: Cancelled) -> Self {
        PaletteError::Cancelled
    }
}
