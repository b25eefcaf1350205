//! A scheme made concrete for one weight, or the reason why it cannot be.

use crate::dtype::DType;
use crate::model::Weight;
use crate::scheme::{
    Affine, Arithmetic, FloatType, Granularity, Mapping, Palette, PaletteFit, ScaleSearch, Scheme, Sparsity,
    WeightScheme,
};

/// What a kernel needs to know, every default filled in. Blocks have one extent per axis, each a divisor of
/// that axis.
#[derive(Debug, Clone, PartialEq)]
pub enum Fitted {
    /// Affine integers.
    Affine {
        /// Elements that share a scale, per axis.
        block: Vec<usize>,
        /// Width of a code.
        bits: u8,
        /// Whether codes are signed.
        signed: bool,
        /// How values map to codes.
        mapping: Mapping,
        /// Whose formulas hold.
        arithmetic: Arithmetic,
        /// Type of the scales.
        scale: FloatType,
        /// How scales are chosen.
        by: ScaleSearch,
        /// Pruned first.
        sparse: Option<Sparsity>,
    },
    /// Palettes.
    Palette {
        /// Elements that share a table, per axis.
        block: Vec<usize>,
        /// Width of an index as asked for; see [`storage_bits`].
        bits: u8,
        /// Elements per entry.
        vector: u32,
        /// The axis along which the elements of a vector lie, and the scale per channel runs.
        axis: usize,
        /// Whether entries are int8 with a scale.
        int8_entries: bool,
        /// Whether output channels are scaled.
        scaled: bool,
        /// How entries are found.
        fit: PaletteFit,
        /// Type of float entries.
        entry: FloatType,
        /// Pruned first.
        sparse: Option<Sparsity>,
    },
    /// Another float type.
    Float(FloatType),
    /// Pruned only.
    Sparse(Sparsity),
}

impl Fitted {
    /// How the weight is pruned first, if it is.
    pub fn sparse(&self) -> Option<Sparsity> {
        match self {
            Fitted::Affine { sparse, .. } | Fitted::Palette { sparse, .. } => *sparse,
            Fitted::Sparse(sparse) => Some(*sparse),
            Fitted::Float(_) => None,
        }
    }
}

/// Why a scheme cannot be applied to a weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// `block[…]` has another number of extents than the weight has axes.
    Rank {
        /// Extents given.
        given: usize,
        /// Axes of the weight.
        rank: usize,
    },
    /// `per-channel(AXIS)` names an axis that the weight does not have.
    Axis {
        /// As given.
        axis: usize,
        /// Axes of the weight.
        rank: usize,
    },
    /// The weight has no axis of input or output channels that the granularity could divide.
    NoChannels,
    /// The extent of a block does not divide its axis.
    Divides {
        /// The axis.
        axis: usize,
        /// Its length.
        length: usize,
        /// The extent.
        extent: usize,
    },
    /// The values of a vector do not divide the channels of a table.
    Vector {
        /// Channels of a table, or of the weight.
        length: usize,
        /// Values of a vector.
        vector: usize,
    },
    /// The group of `sparse n:m` does not divide the input channels.
    Ratio {
        /// The length of the axis.
        length: usize,
        /// The group.
        m: usize,
    },
}

/// The float type in which a weight is worked on and given back: its own, or bf16 for 8-bit floats, which
/// holds each of their values exactly.
pub fn working_type(dtype: DType) -> FloatType {
    match dtype {
        DType::F32 | DType::F64 => FloatType::Fp32,
        DType::F16 => FloatType::Fp16,
        _ => FloatType::Bf16,
    }
}

/// Bits that an index takes in a file: Core ML has none of 5 and 7.
pub const fn storage_bits(bits: u8) -> u8 {
    match bits {
        5 => 6,
        7 => 8,
        other => other,
    }
}

/// Makes a scheme concrete for a weight that can be quantized.
///
/// # Errors
/// Why it cannot be.
pub fn fit(weight: &Weight, scheme: &Scheme, arithmetic: Arithmetic) -> Result<Fitted, Misfit> {
    if let Some(Sparsity::Ratio { m, .. }) = scheme.sparse {
        let axis = weight.input_axis().ok_or(Misfit::NoChannels)?;
        let length = weight.shape[axis];
        if m == 0 || !length.is_multiple_of(m) {
            return Err(Misfit::Ratio { length, m });
        }
    }
    match &scheme.weights {
        WeightScheme::Affine(affine) => fit_affine(weight, affine, scheme.sparse, arithmetic),
        WeightScheme::Palette(palette) => fit_palette(weight, palette, scheme.sparse),
        WeightScheme::Float(float) => Ok(Fitted::Float(*float)),
        WeightScheme::Sparse => Ok(Fitted::Sparse(scheme.sparse.unwrap_or(Sparsity::Share(0.0)))),
        WeightScheme::Keep => Ok(Fitted::Float(working_type(weight.dtype))),
    }
}

fn fit_affine(
    weight: &Weight,
    affine: &Affine,
    sparse: Option<Sparsity>,
    arithmetic: Arithmetic,
) -> Result<Fitted, Misfit> {
    Ok(Fitted::Affine {
        block: block(weight, &affine.granularity)?,
        bits: affine.bits,
        signed: affine.signed,
        mapping: affine.mapping,
        arithmetic,
        scale: affine.scale.unwrap_or(working_type(weight.dtype)),
        by: affine.by,
        sparse,
    })
}

fn fit_palette(weight: &Weight, palette: &Palette, sparse: Option<Sparsity>) -> Result<Fitted, Misfit> {
    let block = block(weight, &palette.granularity)?;
    let axis = weight.channel_axis().unwrap_or(0);
    let vector = palette.vector as usize;
    if vector > 1 && !block[axis].is_multiple_of(vector) {
        return Err(Misfit::Vector { length: block[axis], vector });
    }
    Ok(Fitted::Palette {
        block,
        bits: palette.bits,
        vector: palette.vector,
        axis,
        int8_entries: palette.int8_entries,
        scaled: palette.scaled,
        fit: palette.fit,
        entry: match working_type(weight.dtype) {
            // Core ML has no bf16: its tables are fp16 like those of fp16 weights.
            FloatType::Fp32 => FloatType::Fp32,
            _ => FloatType::Fp16,
        },
        sparse,
    })
}

/// The extents of a block for a weight, checked to divide its axes.
pub fn block(weight: &Weight, granularity: &Granularity) -> Result<Vec<usize>, Misfit> {
    let shape = &weight.shape;
    let whole = || shape.clone();
    let with = |axis: Option<usize>, extent: usize| {
        let mut block = whole();
        *block.get_mut(axis.ok_or(Misfit::NoChannels)?).ok_or(Misfit::NoChannels)? = extent;
        Ok(block)
    };
    let block = match granularity {
        Granularity::PerTensor => whole(),
        Granularity::PerChannel(None) => with(weight.channel_axis(), 1)?,
        Granularity::PerChannel(Some(axis)) if *axis < shape.len() => with(Some(*axis), 1)?,
        Granularity::PerChannel(Some(axis)) => {
            return Err(Misfit::Axis { axis: *axis, rank: shape.len() });
        }
        Granularity::PerGroup(size) => {
            let axis = weight.input_axis().filter(|axis| *axis < shape.len()).ok_or(Misfit::NoChannels)?;
            let mut block = vec![1; shape.len()];
            block[axis] = *size;
            block
        }
        Granularity::PerGroupedChannel(size) => with(weight.channel_axis(), *size)?,
        Granularity::Block(extents) if extents.len() == shape.len() => {
            extents.iter().zip(shape).map(|(extent, length)| extent.unwrap_or(*length)).collect()
        }
        Granularity::Block(extents) => {
            return Err(Misfit::Rank { given: extents.len(), rank: shape.len() });
        }
    };
    for (axis, (&extent, &length)) in block.iter().zip(shape).enumerate() {
        if extent == 0 || !length.is_multiple_of(extent) {
            return Err(Misfit::Divides { axis, length, extent });
        }
    }
    Ok(block)
}

/// Divisors of a length that could stand for an extent that does not divide it, best first: the nearest,
/// multiples of 16 before others.
pub fn better_extents(length: usize, wish: usize) -> Vec<usize> {
    let mut divisors = Vec::new();
    let mut d = 1;
    while d * d <= length && d <= 1 << 20 {
        if length.is_multiple_of(d) {
            divisors.push(d);
            divisors.push(length / d);
        }
        d += 1;
    }
    divisors.retain(|&d| d > 1 || length == 1);
    divisors.sort_by_key(|&d| (!d.is_multiple_of(16), d.abs_diff(wish), d));
    divisors.dedup();
    divisors
}
