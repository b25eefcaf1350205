//! Into which stored tensors a weight turns, format by format. Only sizes and names: known before any byte of
//! data is read, so that the header of an output can be written first.

use std::path::Path;

use crate::dtype::{DType, packed_bytes};
use crate::formats::safetensors::DtypeName;
use crate::lower::Holds;
use crate::model::packed::groups;
use crate::model::{Model, Weight};
use crate::plan::fit::{Fitted, storage_bits, working_type};
use crate::scheme::{FloatType, Mapping};

/// How a quantized checkpoint is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// The flattened layout that torchao's own loader reads: one byte per code.
    Torchao,
    /// bitmill's own: codes packed to their width, as Core ML stores them.
    Packed,
    /// Floats, as any tool reads them, with the error of the quantization in them.
    Dequantized,
    /// A Core ML package.
    MlPackage,
}

impl OutputFormat {
    /// Every format with its word and meaning.
    pub const ALL: &'static [(OutputFormat, &'static str, &'static str)] = &[
        (OutputFormat::Torchao, "torchao", "safetensors in torchao's flattened layout, one byte per code"),
        (OutputFormat::Packed, "packed", "safetensors with codes packed to their width; bitmill reads it back"),
        (OutputFormat::Dequantized, "dequantized", "safetensors with floats, to try the quantized values anywhere"),
        (OutputFormat::MlPackage, "mlpackage", "a Core ML package, of one that is the model or of an exported program"),
    ];

    /// What is written when nobody says how.
    pub fn default_for(model: &Model) -> Self {
        if model.is_package() { OutputFormat::MlPackage } else { OutputFormat::Torchao }
    }

    /// What is written to an output where nobody says how: a package of an export, if its name says so.
    pub fn for_output(model: &Model, output: Option<&Path>) -> Self {
        let ending = output.and_then(Path::extension);
        let is_package = ending.is_some_and(|ending| ending.eq_ignore_ascii_case("mlpackage"));
        if is_package && model.export.is_some() { OutputFormat::MlPackage } else { Self::default_for(model) }
    }

    /// The word that the command line uses.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(format, ..)| *format == self).map_or("", |(_, word, _)| word)
    }

    /// The format of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, w, _)| *w == word).map(|(format, ..)| *format)
    }
}

/// A stored tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it holds.
    pub holds: Holds,
    /// Its name in the file.
    pub name: String,
    /// Its element type, as headers name it.
    pub dtype: DtypeName,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Bytes of its data.
    pub bytes: u64,
}

impl Part {
    fn new(holds: Holds, name: String, dtype: DType, shape: Vec<usize>) -> Part {
        let elements: u64 = shape.iter().map(|&d| d as u64).product();
        Part { holds, name, dtype: dtype.into(), shape, bytes: elements * (dtype.bits() as u64 / 8) }
    }

    /// The values of a weight under its own name and in the type it is worked on.
    pub fn values(weight: &Weight) -> Part {
        Part::new(Holds::Values, weight.name.clone(), dtype(working_type(weight.dtype)), weight.shape.clone())
    }
}

/// The element type of a float type.
pub const fn dtype(float: FloatType) -> DType {
    match float {
        FloatType::Fp16 => DType::F16,
        FloatType::Fp32 => DType::F32,
        FloatType::Bf16 => DType::BF16,
        FloatType::Fp8E4m3 => DType::F8E4M3,
        FloatType::Fp8E5m2 => DType::F8E5M2,
    }
}

/// The stored tensors of a weight that is changed. `survivors` is the number of elements that pruning leaves,
/// where the scheme prunes.
pub fn parts(format: OutputFormat, weight: &Weight, fitted: &Fitted, survivors: Option<usize>) -> Vec<Part> {
    match format {
        OutputFormat::Dequantized => vec![dense(weight, fitted)],
        OutputFormat::Torchao => torchao(weight, fitted),
        OutputFormat::Packed => packed(weight, fitted, survivors),
        OutputFormat::MlPackage => Vec::new(),
    }
}

fn dense(weight: &Weight, fitted: &Fitted) -> Part {
    let float = match fitted {
        Fitted::Float(float) | Fitted::Sparse { float, .. } => *float,
        _ => working_type(weight.dtype),
    };
    Part::new(Holds::Values, weight.name.clone(), dtype(float), weight.shape.clone())
}

/// Whether pruned elements are left out of the stored codes, or marked beside them. Vectors cannot be pruned in
/// part: their zeros are stored like other values.
pub fn is_masked(fitted: &Fitted) -> bool {
    let whole = matches!(fitted, Fitted::Palette { vector, .. } if *vector > 1);
    fitted.sparse().is_some() && !whole
}

/// The shape of the indices of a palette: entries of several values are counted once.
fn index_shape(weight: &Weight, axis: usize, vector: u32) -> Vec<usize> {
    let mut shape = weight.shape.clone();
    if let Some(length) = shape.get_mut(axis) {
        *length /= (vector as usize).max(1);
    }
    shape
}

/// The shape of palettes: blocks along each axis, entries, values of an entry.
fn table_shape(weight: &Weight, block: &[usize], bits: u8, vector: u32) -> Vec<usize> {
    let mut shape = groups(&weight.shape, block);
    shape.extend([1usize << bits, vector as usize]);
    shape
}

/// `module._weight_qdata` and the like, as `torchao.prototype.safetensors` names them.
fn torchao(weight: &Weight, fitted: &Fitted) -> Vec<Part> {
    let prefix = match weight.module() {
        "" => format!("_{}_", weight.parameter()),
        module => format!("{module}._{}_", weight.parameter()),
    };
    let part = |holds, suffix: &str, dtype, shape| Part::new(holds, format!("{prefix}{suffix}"), dtype, shape);
    match fitted {
        Fitted::Float(_) | Fitted::Sparse { .. } => vec![dense(weight, fitted)],
        Fitted::Affine { block, scale, .. } => {
            let groups = groups(&weight.shape, block);
            vec![
                part(Holds::ByteCodes, "qdata", DType::I8, weight.shape.clone()),
                part(Holds::Scales, "scale", dtype(*scale), groups.clone()),
                part(Holds::ByteZeroPoints, "zero_point", DType::I8, groups),
            ]
        }
        Fitted::Palette { block, bits, vector, axis, scaled, entry, .. } => {
            // Integers hold zero; palettes need not, so what is pruned must be told.
            let masked = is_masked(fitted);
            let mut parts = vec![
                part(Holds::ByteCodes, "codes", DType::U8, index_shape(weight, *axis, *vector)),
                part(Holds::Tables, "codebook", dtype(*entry), table_shape(weight, block, *bits, *vector)),
            ];
            if *scaled {
                let channels = weight.shape.get(*axis).copied().unwrap_or(1);
                parts.push(part(Holds::ChannelScales, "channel_scale", dtype(*entry), vec![channels]));
            }
            if masked {
                parts.push(part(Holds::ByteMask, "mask", DType::Bool, weight.shape.clone()));
            }
            parts
        }
    }
}

/// `NAME:codes` and the like. A colon stands in no module's name, so these collide with nothing.
fn packed(weight: &Weight, fitted: &Fitted, survivors: Option<usize>) -> Vec<Part> {
    let part = |holds, suffix: &str, dtype, shape| Part::new(holds, format!("{}:{suffix}", weight.name), dtype, shape);
    let elements = weight.shape.iter().product::<usize>();
    let stream = |count: usize, bits| vec![usize::try_from(packed_bytes(count as u64, bits)).unwrap_or(usize::MAX)];
    let mask = || part(Holds::Mask, "mask", DType::U8, stream(elements, 1));
    let mut parts = Vec::new();
    match fitted {
        Fitted::Float(_) => parts.push(dense(weight, fitted)),
        Fitted::Sparse { float, .. } => {
            let kept = survivors.unwrap_or(elements);
            parts.push(part(Holds::Values, "values", dtype(*float), vec![kept]));
            parts.push(mask());
        }
        Fitted::Affine { block, bits, signed, mapping, scale, sparse, .. } => {
            let groups = groups(&weight.shape, block);
            let count: usize = groups.iter().product();
            let kept = if sparse.is_some() { survivors.unwrap_or(elements) } else { elements };
            parts.push(part(Holds::Codes, "codes", DType::U8, stream(kept, *bits)));
            parts.push(part(Holds::Scales, "scale", dtype(*scale), groups));
            if *mapping == Mapping::Asymmetric || !signed {
                parts.push(part(Holds::ZeroPoints, "zero_point", DType::U8, stream(count, *bits)));
            }
            if sparse.is_some() {
                parts.push(mask());
            }
        }
        Fitted::Palette { block, bits, vector, axis, int8_entries, scaled, entry, .. } => {
            let indices = index_shape(weight, *axis, *vector).iter().product::<usize>();
            let masked = is_masked(fitted);
            let kept = if masked { survivors.unwrap_or(indices) } else { indices };
            let stored = storage_bits(*bits);
            let tables = table_shape(weight, block, stored, *vector);
            parts.push(part(Holds::Codes, "codes", DType::U8, stream(kept, stored)));
            if *int8_entries {
                parts.push(part(Holds::Int8Tables, "table", DType::I8, tables));
                parts.push(part(Holds::TableScale, "table_scale", dtype(*entry), vec![1]));
            } else {
                parts.push(part(Holds::Tables, "table", dtype(*entry), tables));
            }
            if *scaled {
                let channels = weight.shape.get(*axis).copied().unwrap_or(1);
                parts.push(part(Holds::ChannelScales, "channel_scale", dtype(*entry), vec![channels]));
            }
            if masked {
                parts.push(mask());
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;
    use crate::model::{KnownBy, Location, Role};
    use crate::plan::size;
    use crate::scheme::{Arithmetic, PaletteFit, ScaleSearch, Sparsity};

    fn weight(shape: &[usize]) -> Weight {
        Weight {
            name: "layers.0.up.weight".into(),
            tied: Vec::new(),
            module_len: 11,
            kind: Kind::Linear,
            known_by: KnownBy::Name,
            role: Role::Weight,
            transposed: false,
            groups: None,
            shape: shape.to_vec(),
            dtype: DType::F16,
            bytes: shape.iter().product::<usize>() as u64 * 2,
            halved: None,
            compressed: None,
            location: Location::default(),
        }
    }

    fn affine(bits: u8, mapping: Mapping, sparse: Option<Sparsity>) -> Fitted {
        Fitted::Affine {
            block: vec![1, 32],
            bits,
            signed: true,
            mapping,
            arithmetic: Arithmetic::Torchao,
            scale: FloatType::Fp16,
            by: ScaleSearch::MinMax,
            sparse,
        }
    }

    /// The planned size is what the packed format really takes.
    #[test]
    fn packed_parts_have_the_planned_size() {
        let w = weight(&[64, 96]);
        let palette = |bits, vector, int8_entries, scaled, sparse| Fitted::Palette {
            block: vec![16, 96],
            bits,
            vector,
            axis: 0,
            int8_entries,
            scaled,
            fit: PaletteFit::Kmeans,
            entry: FloatType::Fp16,
            sparse,
        };
        let half = Some(Sparsity::Share(0.5));
        let cases = [
            (affine(4, Mapping::Symmetric, None), None),
            (affine(3, Mapping::Asymmetric, None), None),
            (affine(8, Mapping::Symmetric, half), Some(64 * 48)),
            (palette(3, 1, false, false, None), None),
            (palette(5, 1, false, true, None), None),
            (palette(4, 2, true, false, None), None),
            (palette(6, 1, false, false, half), Some(64 * 48)),
            (Fitted::Sparse { sparse: Sparsity::Ratio { n: 2, m: 4 }, float: FloatType::Fp16 }, Some(64 * 48)),
            (Fitted::Float(FloatType::Fp32), None),
        ];
        for (fitted, survivors) in cases {
            let total: u64 = parts(OutputFormat::Packed, &w, &fitted, survivors).iter().map(|part| part.bytes).sum();
            assert_eq!(total, size::bytes(&w, &fitted), "{fitted:?}");
        }
    }

    #[test]
    fn torchao_names_lie_beside_the_module() {
        let names: Vec<String> =
            parts(OutputFormat::Torchao, &weight(&[64, 96]), &affine(4, Mapping::Symmetric, None), None)
                .into_iter()
                .map(|part| part.name)
                .collect();
        assert_eq!(names, ["layers.0.up._weight_qdata", "layers.0.up._weight_scale", "layers.0.up._weight_zero_point"]);
    }
}
