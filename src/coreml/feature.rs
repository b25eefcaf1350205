//! What each feature of a scheme needs: one table from features to operators and operator sets.

use super::target::OperatorSet;
use crate::scheme::{ActivationScheme, Affine, Granularity, Palette, Scheme, Sparsity, WeightScheme};

/// Something a scheme asks of Core ML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Integers of 8 bits with one scale per tensor or per channel.
    Int8,
    /// A palette of 1, 2, 4, 6 or 8 bits, one table per tensor.
    Palette,
    /// Pruned weights that stay in float or int8.
    Sparse,
    /// Quantized activations.
    Activations,
    /// Integers of 4 bits.
    Int4,
    /// Scales per block.
    Blocks,
    /// A palette of 3 bits.
    Palette3,
    /// More than one table.
    PaletteGroups,
    /// Palettes of vectors.
    PaletteVectors,
    /// int8 entries with a scale.
    PaletteInt8,
    /// A scale per channel beside the palette.
    PaletteScaled,
    /// Pruning joined to quantization or palettes.
    Joint,
}

/// What a feature needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Need {
    /// The feature.
    pub feature: Feature,
    /// As a sentence names it.
    pub name: &'static str,
    /// MIL operators that carry it.
    pub operators: &'static str,
    /// The first specification version that has them.
    pub spec: i32,
}

/// Every feature. CT:converters/mil/mil/ops/defs/{iOS16/constexpr_ops,iOS17/quantization_ops,iOS18/compression}.py.
pub const NEEDS: &[Need] = &[
    Need { feature: Feature::Int8, name: "int8 weights", operators: "constexpr_affine_dequantize", spec: 7 },
    Need { feature: Feature::Palette, name: "palettized weights", operators: "constexpr_lut_to_dense", spec: 7 },
    Need { feature: Feature::Sparse, name: "sparse weights", operators: "constexpr_sparse_to_dense", spec: 7 },
    Need { feature: Feature::Activations, name: "quantized activations", operators: "quantize, dequantize", spec: 8 },
    Need {
        feature: Feature::Int4,
        name: "4-bit integer weights",
        operators: "constexpr_blockwise_shift_scale",
        spec: 9,
    },
    Need {
        feature: Feature::Blocks,
        name: "scales per group or block",
        operators: "constexpr_blockwise_shift_scale",
        spec: 9,
    },
    Need {
        feature: Feature::Palette3,
        name: "3-bit palettes",
        operators: "constexpr_lut_to_dense of CoreML8",
        spec: 9,
    },
    Need {
        feature: Feature::PaletteGroups,
        name: "more than one table per weight",
        operators: "constexpr_lut_to_dense of CoreML8",
        spec: 9,
    },
    Need {
        feature: Feature::PaletteVectors,
        name: "palettes of vectors",
        operators: "constexpr_lut_to_dense of CoreML8",
        spec: 9,
    },
    Need {
        feature: Feature::PaletteInt8,
        name: "int8 palette entries",
        operators: "constexpr_lut_to_dense with constexpr_blockwise_shift_scale",
        spec: 9,
    },
    Need {
        feature: Feature::PaletteScaled,
        name: "palettes with a scale per channel",
        operators: "constexpr_lut_to_dense with constexpr_blockwise_shift_scale",
        spec: 9,
    },
    Need {
        feature: Feature::Joint,
        name: "pruning joined to quantization",
        operators: "constexpr_lut_to_sparse, constexpr_sparse_blockwise_shift_scale",
        spec: 9,
    },
];

impl Feature {
    /// What it needs.
    pub fn need(self) -> &'static Need {
        NEEDS.iter().find(|need| need.feature == self).unwrap_or(&NEEDS[0])
    }

    /// The first operator set that has it.
    pub fn set(self) -> &'static OperatorSet {
        OperatorSet::by_spec(self.need().spec).unwrap_or(&super::target::OPERATOR_SETS[3])
    }
}

/// Everything a scheme asks of Core ML, whether or not Core ML has it at all.
pub fn features(scheme: &Scheme) -> Vec<Feature> {
    let mut all = match &scheme.weights {
        WeightScheme::Keep | WeightScheme::Float(_) | WeightScheme::Sparse => Vec::new(),
        WeightScheme::Affine(affine) => affine_features(affine),
        WeightScheme::Palette(palette) => palette_features(palette),
    };
    if let Some(Sparsity::Share(_) | Sparsity::Ratio { .. } | Sparsity::Below(_)) = scheme.sparse {
        all.push(Feature::Sparse);
        if matches!(scheme.weights, WeightScheme::Affine(_) | WeightScheme::Palette(_)) {
            all.push(Feature::Joint);
        }
    }
    if let Some(ActivationScheme::Static { .. }) = scheme.activations {
        all.push(Feature::Activations);
    }
    all
}

fn affine_features(affine: &Affine) -> Vec<Feature> {
    let mut all = vec![if affine.bits <= 4 { Feature::Int4 } else { Feature::Int8 }];
    if matches!(
        affine.granularity.plain(),
        Granularity::PerGroup(_) | Granularity::PerGroupedChannel(_) | Granularity::Block(_)
    ) {
        all.push(Feature::Blocks);
    }
    all
}

fn palette_features(palette: &Palette) -> Vec<Feature> {
    let mut all = vec![Feature::Palette];
    let one_table = palette.granularity.plain() == Granularity::PerTensor;
    let more = [
        (palette.bits == 3, Feature::Palette3),
        (!one_table, Feature::PaletteGroups),
        (palette.vector > 1, Feature::PaletteVectors),
        (palette.int8_entries, Feature::PaletteInt8),
        (palette.scaled, Feature::PaletteScaled),
    ];
    all.extend(more.iter().filter(|(asked, _)| *asked).map(|(_, feature)| *feature));
    all
}

/// The oldest operator set that has everything a scheme asks.
pub fn lowest_set(scheme: &Scheme) -> &'static OperatorSet {
    let spec = features(scheme).iter().map(|f| f.need().spec).max();
    spec.and_then(OperatorSet::by_spec).unwrap_or(&super::target::OPERATOR_SETS[2])
}
