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
    /// Pruned only, or pruned in another float type.
    Sparse {
        /// What is pruned.
        sparse: Sparsity,
        /// Type of the values that stay.
        float: FloatType,
    },
}

impl Fitted {
    /// How the weight is pruned first, if it is.
    pub fn sparse(&self) -> Option<Sparsity> {
        match self {
            Fitted::Affine { sparse, .. } | Fitted::Palette { sparse, .. } => *sparse,
            Fitted::Sparse { sparse, .. } => Some(*sparse),
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
    /// `sparse n:m` asks for more zeros than a group has elements.
    Ratio {
        /// Zeros of a group.
        n: usize,
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

/// The settings of a recipe that decide how a scheme is made concrete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whose formulas hold.
    pub arithmetic: Arithmetic,
    /// Whether a Core ML file is to come of it, whose scales are fp16 or fp32.
    pub is_deployed: bool,
}

/// Makes a scheme concrete for a weight that can be quantized.
///
/// # Errors
/// Why it cannot be.
pub fn fit(weight: &Weight, scheme: &Scheme, settings: Settings) -> Result<Fitted, Misfit> {
    if let Some(Sparsity::Ratio { n, m }) = scheme.sparse {
        weight.input_axis().ok_or(Misfit::NoChannels)?;
        if n > m || m == 0 {
            return Err(Misfit::Ratio { n, m });
        }
    }
    match &scheme.weights {
        WeightScheme::Affine(affine) => fit_affine(weight, affine, scheme.sparse, settings),
        WeightScheme::Palette(palette) => fit_palette(weight, palette, scheme.sparse),
        WeightScheme::Float(float) => Ok(match scheme.sparse {
            Some(sparse) => Fitted::Sparse { sparse, float: *float },
            None => Fitted::Float(*float),
        }),
        WeightScheme::Sparse => {
            let sparse = scheme.sparse.unwrap_or(Sparsity::Share(0.0));
            Ok(Fitted::Sparse { sparse, float: working_type(weight.dtype) })
        }
        WeightScheme::Keep => Ok(Fitted::Float(working_type(weight.dtype))),
    }
}

/// The type of scales where a recipe names none: that of the weight, as torchao has it. Core ML has no bfloat16, so
/// scales of such weights are fp16 in what is made for it, like those of fp16 weights.
fn default_scale(weight: &Weight, settings: Settings) -> FloatType {
    match working_type(weight.dtype) {
        FloatType::Bf16 if settings.is_deployed => FloatType::Fp16,
        other => other,
    }
}

fn fit_affine(
    weight: &Weight,
    affine: &Affine,
    sparse: Option<Sparsity>,
    settings: Settings,
) -> Result<Fitted, Misfit> {
    Ok(Fitted::Affine {
        block: block(weight, &affine.granularity)?,
        bits: affine.bits,
        signed: affine.signed,
        mapping: affine.mapping,
        arithmetic: settings.arithmetic,
        scale: affine.scale.unwrap_or_else(|| default_scale(weight, settings)),
        by: affine.by,
        sparse,
    })
}

fn fit_palette(weight: &Weight, palette: &Palette, sparse: Option<Sparsity>) -> Result<Fitted, Misfit> {
    let block = block(weight, &palette.granularity)?;
    let axis = weight.channel_axis().unwrap_or(0);
    let vector = palette.vector as usize;
    let length = *block.get(axis).ok_or(Misfit::NoChannels)?;
    if vector > 1 && !length.is_multiple_of(vector) {
        return Err(Misfit::Vector { length, vector });
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
/// multiples of 16 before others, none below `least`.
pub fn better_extents(length: usize, wish: usize, least: usize) -> Vec<usize> {
    let mut divisors = Vec::new();
    let mut d = 1;
    while d * d <= length && d <= 1 << 20 {
        if length.is_multiple_of(d) {
            divisors.push(d);
            divisors.push(length / d);
        }
        d += 1;
    }
    divisors.retain(|&d| d >= least);
    divisors.sort_by_key(|&d| (!d.is_multiple_of(16), d.abs_diff(wish), d));
    divisors.dedup();
    divisors
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kind::Kind;
    use crate::model::{KnownBy, Location, Role};
    use crate::plan::size;

    fn weight(kind: Kind, shape: &[usize]) -> Weight {
        Weight {
            name: "layer.weight".into(),
            tied: Vec::new(),
            module_len: 5,
            kind,
            known_by: KnownBy::Program,
            role: Role::Weight,
            transposed: false,
            groups: None,
            shape: shape.to_vec(),
            dtype: DType::F16,
            bytes: 2 * shape.iter().product::<usize>() as u64,
            compressed: None,
            location: Location::default(),
        }
    }

    /// Blocks of: linear, its transpose, embedding, convolution, depthwise, transposed convolution, matmul.
    fn blocks(granularity: &Granularity) -> [Result<Vec<usize>, Misfit>; 7] {
        let mut transposed = weight(Kind::Linear, &[48, 64]);
        transposed.transposed = true;
        [
            weight(Kind::Linear, &[64, 48]),
            transposed,
            weight(Kind::Embedding, &[100, 64]),
            weight(Kind::Conv2d, &[32, 16, 3, 3]),
            weight(Kind::Conv2d, &[32, 1, 3, 3]),
            weight(Kind::ConvTranspose, &[16, 32, 2, 2]),
            weight(Kind::Matmul, &[48, 64]),
        ]
        .map(|weight| block(&weight, granularity))
    }

    #[test]
    fn one_for_all() {
        let shapes: [&[usize]; 7] =
            [&[64, 48], &[48, 64], &[100, 64], &[32, 16, 3, 3], &[32, 1, 3, 3], &[16, 32, 2, 2], &[48, 64]];
        assert_eq!(blocks(&Granularity::PerTensor), shapes.map(|shape| Ok(shape.to_vec())));
    }

    #[test]
    fn channels() {
        let expected: [&[usize]; 7] =
            [&[1, 48], &[48, 1], &[1, 64], &[1, 16, 3, 3], &[1, 1, 3, 3], &[16, 1, 2, 2], &[48, 1]];
        assert_eq!(blocks(&Granularity::PerChannel(None)), expected.map(|shape| Ok(shape.to_vec())));
        let expected: [&[usize]; 7] =
            [&[64, 1], &[48, 1], &[100, 1], &[32, 1, 3, 3], &[32, 1, 3, 3], &[16, 1, 2, 2], &[48, 1]];
        assert_eq!(blocks(&Granularity::PerChannel(Some(1))), expected.map(|shape| Ok(shape.to_vec())));
        let matrix = Err(Misfit::Axis { axis: 2, rank: 2 });
        let found = blocks(&Granularity::PerChannel(Some(2)));
        assert_eq!((&found[0], &found[3]), (&matrix, &Ok(vec![32, 16, 1, 3])));
    }

    #[test]
    fn groups_of_inputs() {
        let depthwise = Misfit::Divides { axis: 1, length: 1, extent: 16 };
        let expected = [
            Ok(vec![1, 16]),
            Ok(vec![16, 1]),
            Ok(vec![1, 16]),
            Ok(vec![1, 16, 1, 1]),
            Err(depthwise),
            Ok(vec![16, 1, 1, 1]),
            Ok(vec![16, 1]),
        ];
        assert_eq!(blocks(&Granularity::PerGroup(16)), expected);
    }

    #[test]
    fn groups_of_outputs() {
        let expected = [
            Ok(vec![16, 48]),
            Ok(vec![48, 16]),
            Err(Misfit::Divides { axis: 0, length: 100, extent: 16 }),
            Ok(vec![16, 16, 3, 3]),
            Ok(vec![16, 1, 3, 3]),
            Ok(vec![16, 16, 2, 2]),
            Ok(vec![48, 16]),
        ];
        assert_eq!(blocks(&Granularity::PerGroupedChannel(16)), expected);
    }

    #[test]
    fn blocks_of_any_extent() {
        let rank = Err(Misfit::Rank { given: 2, rank: 4 });
        let expected =
            [Ok(vec![4, 48]), Ok(vec![4, 64]), Ok(vec![4, 64]), rank.clone(), rank.clone(), rank, Ok(vec![4, 64])];
        assert_eq!(blocks(&Granularity::Block(vec![Some(4), None])), expected);
    }

    #[test]
    fn extents_that_divide_are_near_and_round() {
        assert_eq!(better_extents(96, 36, 16)[..3], [32, 48, 16]);
        assert_eq!(better_extents(1000, 64, 8)[..2], [50, 40]);
        assert_eq!(better_extents(50, 32, 16), [25, 50]);
        assert!(better_extents(7, 32, 16).is_empty());
        assert!(better_extents(1, 32, 8).is_empty());
        assert!(better_extents(0, 32, 8).is_empty());
    }

    fn granularities() -> impl Strategy<Value = Granularity> {
        prop_oneof![
            Just(Granularity::PerTensor),
            prop::option::of(0usize..5).prop_map(Granularity::PerChannel),
            (1usize..40).prop_map(Granularity::PerGroup),
            (1usize..40).prop_map(Granularity::PerGroupedChannel),
            prop::collection::vec(prop::option::of(1usize..9), 1..5).prop_map(Granularity::Block),
        ]
    }

    fn schemes() -> impl Strategy<Value = Scheme> {
        let sparsities = prop_oneof![
            Just(None),
            (0.0..=1.0f64).prop_map(|share| Some(Sparsity::Share(share))),
            (0usize..5, 1usize..5).prop_map(|(n, m)| Some(Sparsity::Ratio { n, m })),
        ];
        let mappings = prop::sample::select(Mapping::ALL).prop_map(|(mapping, ..)| mapping);
        (any::<bool>(), 1u8..=8, any::<[bool; 3]>(), granularities(), 1u32..5, sparsities, mappings).prop_map(
            |(is_palette, bits, [signed, int8_entries, scaled], granularity, vector, sparse, mapping)| Scheme {
                weights: if is_palette {
                    let fit = PaletteFit::Kmeans;
                    WeightScheme::Palette(Palette { bits, granularity, vector, int8_entries, scaled, fit })
                } else {
                    let by = ScaleSearch::MinMax;
                    WeightScheme::Affine(Affine { bits, signed, granularity, mapping, scale: None, by })
                },
                sparse,
                activations: None,
            },
        )
    }

    proptest! {
        #[test]
        fn what_fits_divides_everywhere(
            kind in prop::sample::select(Kind::ALL),
            shape in prop::collection::vec(1usize..65, 2..5),
            transposed: bool,
            scheme in schemes(),
        ) {
            let mut weight = weight(kind.0, &shape);
            weight.transposed = transposed;
            let settings = Settings { arithmetic: Arithmetic::Torchao, is_deployed: true };
            let Ok(fitted) = fit(&weight, &scheme, settings) else { return Ok(()) };
            if let Fitted::Affine { block, .. } | Fitted::Palette { block, .. } = &fitted {
                prop_assert_eq!(block.len(), shape.len());
                for (extent, length) in block.iter().zip(&shape) {
                    prop_assert!(*extent > 0 && length % extent == 0, "{:?} in {:?}", block, shape);
                }
            }
            if let Fitted::Palette { block, axis, vector, .. } = &fitted {
                prop_assert!(block[*axis] % *vector as usize == 0);
            }
            prop_assert!(size::bytes(&weight, &fitted) > 0);
        }
    }
}
