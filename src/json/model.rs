//! Models.

use super::export::ExportShape;
use super::program::ProgramShape;
use crate::check::report::json::VERSION;
use crate::inspect::export::ExportSummary;
use crate::inspect::program::ProgramSummary;
use crate::inspect::{Sum, Values};
use crate::model::{Compressed, Method, Model, Weight};
use serde::Serialize;

/// The head of a model.
#[derive(Debug, Serialize)]
pub struct ModelHead<'a> {
    /// Its path.
    pub path: String,
    /// `safetensors`, `shards`, `hugging-face`, `packed`, `pt2` or `mlpackage`.
    pub format: &'static str,
    /// The architecture that its `config.json` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<&'a str>,
}

/// A tensor of a model.
#[derive(Debug, Serialize)]
pub struct Tensor<'a> {
    /// Its full name.
    pub name: &'a str,
    /// Other names of the same tensor.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub tied: &'a [String],
    /// The name of its module.
    pub module: &'a str,
    /// The kind of the module.
    pub kind: &'static str,
    /// How the kind is known: `architecture`, `program`, `name` or `shape`.
    pub known_by: &'static str,
    /// `weight`, `bias` or `buffer`.
    pub role: &'static str,
    /// Its dimensions.
    pub shape: &'a [usize],
    /// Its type, as recipes write it.
    pub dtype: &'static str,
    /// Its elements.
    pub elements: u64,
    /// Its bytes in the file, with scales and tables where it is compressed.
    pub bytes: u64,
}

impl<'a> ModelHead<'a> {
    pub(super) fn new(model: &'a Model) -> Self {
        ModelHead {
            path: model.path.to_string_lossy().into_owned(),
            format: model.format.word(),
            architecture: model.architecture.as_deref(),
        }
    }
}

impl<'a> Tensor<'a> {
    pub(super) fn new(weight: &'a Weight) -> Self {
        Tensor {
            name: &weight.name,
            tied: &weight.tied,
            module: weight.module(),
            kind: weight.kind.word(),
            known_by: weight.known_by.word(),
            role: weight.role.word(),
            shape: &weight.shape,
            dtype: weight.dtype.name(),
            elements: weight.elements(),
            bytes: weight.bytes,
        }
    }
}

/// What `inspect --json` writes.
#[derive(Debug, Serialize)]
pub struct ModelShape<'a> {
    /// The version of the shapes.
    pub version: u32,
    /// The model.
    #[serde(flatten)]
    pub head: ModelHead<'a>,
    /// Its program, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramShape<'a>>,
    /// Its programs, where it is an export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<ExportShape<'a>>,
    /// Its tensors, or those that were asked for.
    pub tensors: Vec<InspectedTensor<'a>>,
    /// Sums over them.
    pub totals: SumShape,
}

/// A tensor, with its values where they were asked for.
#[derive(Debug, Serialize)]
pub struct InspectedTensor<'a> {
    /// The tensor.
    #[serde(flatten)]
    pub tensor: Tensor<'a>,
    /// How it is compressed, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<CompressionShape>,
    /// What its values are like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<&'a Values>,
}

/// How a tensor is compressed.
#[derive(Debug, Serialize)]
pub struct CompressionShape {
    /// In the words of recipes, as far as these reach: `int4 per-group(32)`.
    pub scheme: String,
    /// `integers`, `palette` or `floats`.
    pub method: &'static str,
    /// Bits of each code, index or value that is stored.
    pub bits: u64,
    /// What shares a scale or a table, in the words of recipes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granularity: Option<String>,
    /// The share of zeros, where only the other values are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparsity: Option<f64>,
}

impl CompressionShape {
    /// The shape of a compression.
    pub(super) fn new(compressed: &Compressed) -> Self {
        CompressionShape {
            scheme: compressed.to_string(),
            method: match compressed.method {
                Method::Integers { .. } => "integers",
                Method::Palette { .. } => "palette",
                Method::Floats => "floats",
            },
            bits: compressed.bits,
            granularity: compressed.sharing.as_ref().map(ToString::to_string),
            sparsity: compressed.sparse.and_then(|stored| stored.sparsity()),
        }
    }
}

/// Sums over tensors.
#[derive(Debug, Serialize)]
pub struct SumShape {
    /// How many.
    pub tensors: usize,
    /// Their elements.
    pub elements: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl<'a> ModelShape<'a> {
    /// The shape of some tensors of a model, with their values where they were read.
    pub fn new(
        model: &'a Model,
        program: Option<&'a ProgramSummary>,
        export: Option<&'a ExportSummary>,
        weights: &[&'a Weight],
        values: &'a [Option<Values>],
    ) -> Self {
        let tensor = |(index, weight): (usize, &&'a Weight)| InspectedTensor {
            tensor: Tensor::new(weight),
            compression: model.compressed(weight).as_ref().map(CompressionShape::new),
            values: values.get(index).and_then(Option::as_ref),
        };
        let sum = Sum::of(weights.iter().copied());
        ModelShape {
            version: VERSION,
            head: ModelHead::new(model),
            program: program.map(ProgramShape::new),
            export: export.map(ExportShape::new),
            tensors: weights.iter().enumerate().map(tensor).collect(),
            totals: SumShape { tensors: sum.tensors, elements: sum.elements, bytes: sum.bytes },
        }
    }
}
