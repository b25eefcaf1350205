//! Which tensors the output holds and where: fixed before anything is written.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;

use serde_json::{Map, Value, json};

use super::parts::{self, OutputFormat, Part};
use super::{Job, RunError, work};
use crate::check::Fact;
use crate::formats::safetensors::TensorInfo;
use crate::lower::Holds;
use crate::model::packed::{self, Encoding, PackedWeight};
use crate::model::{ModelData, Weight};
use crate::plan::Outcome;
use crate::plan::fit::{Fitted, storage_bits, working_type};
use crate::scheme::Mapping;
use crate::values;

/// What becomes of one tensor of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Index into `Model::weights`.
    pub weight: usize,
    /// The scheme that changes it; `None` for a copy.
    pub change: Option<Fitted>,
    /// The stored tensors; one of [`Holds::Copy`] for a copy.
    pub parts: Vec<Part>,
    /// Elements that pruning leaves, where the stored tensors depend on it.
    pub survivors: Option<usize>,
}

/// The whole output.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Every tensor of the model, grouped by file, in the model's order within.
    pub items: Vec<Item>,
    /// The metadata of each file, in the order of `Model::files`.
    pub metadata: Vec<Vec<(String, String)>>,
}

impl Layout {
    /// Lays out a job. Weights in `kept` are copied whatever the plan says. Values are read only of weights
    /// whose size they decide (pruning below a bound).
    ///
    /// # Errors
    /// If two stored tensors would share a name, or a weight that must be counted cannot be read.
    pub fn new(job: &Job, data: &ModelData, kept: &[(usize, Fact)], cancel: &AtomicBool) -> Result<Layout, RunError> {
        let kept: HashSet<usize> = kept.iter().map(|(index, _)| *index).collect();
        let mut items = Vec::with_capacity(job.model.weights.len());
        for (index, (weight, decision)) in job.model.weights.iter().zip(&job.plan.decisions).enumerate() {
            let change = match &decision.outcome {
                Outcome::Change(fitted) if !kept.contains(&index) => Some(fitted.clone()),
                _ => None,
            };
            let survivors = match &change {
                Some(fitted) => survivors(job, data, weight, fitted, cancel)?,
                None => None,
            };
            let parts = match &change {
                Some(fitted) => parts::parts(job.format, weight, fitted, survivors),
                None => copy(job, data, weight),
            };
            items.push(Item { weight: index, change, parts, survivors });
        }
        items.sort_by_key(|item| job.model.weights[item.weight].location.file);
        let mut names = HashSet::new();
        for part in items.iter().flat_map(|item| &item.parts) {
            if !names.insert(part.name.as_str()) {
                return Err(RunError::SameName(part.name.clone()));
            }
        }
        let metadata = (0..job.model.files.len()).map(|file| metadata(job, data, &items, file)).collect();
        Ok(Layout { items, metadata })
    }
}

/// The stored tensors of a weight that stays: itself, or what a packed checkpoint holds of it.
fn copy(job: &Job, data: &ModelData, weight: &Weight) -> Vec<Part> {
    if job.model.packed_weight(&weight.name).is_some() && job.format != OutputFormat::Packed {
        // What is packed in the input is given back as floats in a format that has no packed weights.
        return vec![Part::values(weight)];
    }
    let stored = data.stored(weight).into_iter();
    let part = |info: &TensorInfo| Part {
        holds: Holds::Copy,
        name: info.name.clone(),
        dtype: info.dtype.clone(),
        shape: info.shape.clone(),
        bytes: info.bytes,
    };
    stored.map(part).collect()
}

/// Elements that pruning leaves; for palettes of vectors, indices.
fn survivors(
    job: &Job,
    data: &ModelData,
    weight: &Weight,
    fitted: &Fitted,
    cancel: &AtomicBool,
) -> Result<Option<usize>, RunError> {
    let Some(sparse) = fitted.sparse() else { return Ok(None) };
    if job.format != OutputFormat::Packed {
        return Ok(None);
    }
    // Zeros of the input go too, so only the values tell.
    let values = values::read(data, job.model, weight)?;
    work::survivors(weight, &values, sparse, cancel).map(Some)
}

/// The metadata of one file: the input's own, and what the format's readers need.
fn metadata(job: &Job, data: &ModelData, items: &[Item], file: usize) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = data.metadata(file).to_vec();
    all.retain(|(key, _)| key != packed::KEY);
    let mut set = |key: &str, value: String| match all.iter_mut().find(|(k, _)| k == key) {
        Some((_, old)) => *old = value,
        None => all.push((key.to_string(), value)),
    };
    let here = || items.iter().filter(|item| job.model.weights[item.weight].location.file == file);
    match job.format {
        OutputFormat::Dequantized | OutputFormat::MlPackage => {}
        OutputFormat::Packed => {
            let weights: Vec<PackedWeight> = here().filter_map(|item| packed_weight(job, item)).collect();
            let index = packed::Index { version: packed::VERSION, weights };
            set(packed::KEY, serde_json::to_string(&index).unwrap_or_default());
        }
        OutputFormat::Torchao => {
            let mut names = Vec::new();
            let mut codebooks = Map::new();
            for item in here() {
                let weight = &job.model.weights[item.weight];
                match torchao_entry(weight, item.change.as_ref()) {
                    Some(Entry::Tensor(text)) => {
                        names.push(weight.name.clone());
                        set(&weight.name, text);
                    }
                    Some(Entry::Codebook(value)) => _ = codebooks.insert(weight.name.clone(), value),
                    None => {}
                }
            }
            set("tensor_names", Value::from(names).to_string());
            if !codebooks.is_empty() {
                set(TORCHAO_CODEBOOKS, Value::Object(codebooks).to_string());
            }
        }
    }
    all
}

fn packed_weight(job: &Job, item: &Item) -> Option<PackedWeight> {
    let weight = &job.model.weights[item.weight];
    let Some(fitted) = &item.change else {
        return job.model.packed_weight(&weight.name).cloned();
    };
    let encoding = match fitted {
        Fitted::Float(_) => return None,
        Fitted::Sparse { .. } => Encoding::Sparse { survivors: item.survivors? },
        Fitted::Affine { block, bits, signed, mapping, arithmetic, .. } => Encoding::Affine {
            bits: *bits,
            signed: *signed,
            block: block.clone(),
            zero_point: *mapping == Mapping::Asymmetric || !signed,
            arithmetic: *arithmetic,
            survivors: item.survivors,
        },
        Fitted::Palette { block, bits, vector, axis, int8_entries, scaled, .. } => Encoding::Palette {
            bits: storage_bits(*bits),
            block: block.clone(),
            vector: *vector as usize,
            axis: *axis,
            int8_entries: *int8_entries,
            scaled: *scaled,
            survivors: item.survivors.filter(|_| *vector == 1),
        },
    };
    let rule = job.plan.decisions[item.weight].rule?;
    let float = match fitted {
        Fitted::Sparse { float, .. } => *float,
        _ => working_type(weight.dtype),
    };
    let dtype = parts::dtype(float);
    Some(PackedWeight {
        name: weight.name.clone(),
        shape: weight.shape.clone(),
        dtype: dtype.safetensors_name()?.to_string(),
        scheme: job.recipe.rules.get(rule)?.scheme.as_ref()?.to_string(),
        encoding,
    })
}

/// The key of the metadata under which palettes are described beside torchao's tensors.
pub(super) const TORCHAO_CODEBOOKS: &str = "bitmill.codebooks";

/// How torchao's loader is told of a tensor.
enum Entry {
    /// In `tensor_names`, with this text under its name.
    Tensor(String),
    /// A palette, which torchao's loader does not know: under `bitmill.codebooks`.
    Codebook(Value),
}

/// A tensor without a dot in its name cannot be in `tensor_names` (the loader splits each at its last dot); the
/// loader hands it back among what is left over.
fn torchao_entry(weight: &Weight, change: Option<&Fitted>) -> Option<Entry> {
    let torch = |name: &str| json!({ "_type": "torch.dtype", "_data": name });
    let dtype = torch(torch_name(working_type(weight.dtype)));
    let dotted = !weight.module().is_empty();
    match change {
        Some(Fitted::Affine { block, bits, .. }) if dotted => {
            let value = json!({
                "_type": "IntxUnpackedToInt8Tensor",
                "_data": {
                    "target_dtype": torch(&format!("int{bits}")),
                    "block_size": block,
                    "dtype": dtype,
                    "activation_quantization": null,
                },
                "_tensor_data_names": ["qdata", "scale", "zero_point"],
            });
            Some(Entry::Tensor(value.to_string()))
        }
        Some(fitted @ Fitted::Palette { block, bits, vector, axis, .. }) => Some(Entry::Codebook(json!({
            "code_dtype": format!("uint{bits}"),
            "block_size": block,
            "shape": weight.shape,
            "dtype": torch_name(working_type(weight.dtype)),
            "vector": vector,
            "axis": axis,
            "masked": parts::is_masked(fitted),
        }))),
        _ if dotted => Some(Entry::Tensor(json!({ "_type": "Tensor" }).to_string())),
        _ => None,
    }
}

/// torch's name of a float type.
fn torch_name(float: crate::scheme::FloatType) -> &'static str {
    use crate::scheme::FloatType;
    match float {
        FloatType::Fp16 => "float16",
        FloatType::Fp32 => "float32",
        FloatType::Bf16 => "bfloat16",
        FloatType::Fp8E4m3 => "float8_e4m3fn",
        FloatType::Fp8E5m2 => "float8_e5m2",
    }
}
