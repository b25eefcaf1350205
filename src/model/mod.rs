//! What a model offers to a recipe: tensors with names, module kinds, shapes and dtypes. Only headers are
//! read here; the bytes stay in the file until a run asks for them. Knows no recipes.

mod facts;
pub mod layers;

pub mod census;
mod compressed;
mod data;
mod error;
pub mod export;
mod kinds;
mod listing;
mod near;
mod open;
pub mod package;
pub mod packed;
pub mod program;
pub mod refused;
mod tied;
mod words;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::dtype::DType;
use crate::graph::aten::shapes::Takes;
use crate::kind::Kind;
pub use compressed::{Compressed, Method, Stored};
pub use data::ModelData;
pub use error::ModelError;
pub use near::nearest_names;

/// A model as its headers describe it.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The file or directory it was opened from.
    pub path: PathBuf,
    /// How it is stored.
    pub format: ModelFormat,
    /// The files that hold tensors; [`Location::file`] indexes them.
    pub files: Vec<PathBuf>,
    /// The architecture that `config.json` names (`LlamaForCausalLM`), where there is one.
    pub architecture: Option<String>,
    /// Every tensor, parameters and buffers, in natural order of names (`layers.2` before `layers.10`).
    pub weights: Vec<Weight>,
    /// How those of [`Model::weights`] are packed that are, by full name.
    pub packed: HashMap<String, packed::PackedWeight>,
    /// The program, where the model has one.
    pub program: Option<Arc<package::PackageModel>>,
    /// The exported program, where the model is one.
    pub export: Option<Arc<export::ExportModel>>,
    /// What of the exported program cannot be converted, once it was asked for.
    pub refused: Arc<refused::Refused>,
    /// The inputs of the exported program, where the model is one, or a listing that describes one.
    pub takes: Option<Takes>,
    /// What rules ask of the program, where the model has one.
    pub facts: Option<program::ProgramFacts>,
    /// What occurs among [`Model::weights`], once it was asked for: they do not change after that.
    pub counted: census::Counted,
}

impl Model {
    /// What occurs among the weights.
    pub fn census(&self) -> &census::Census {
        self.counted.of(self)
    }

    /// Whether it is a Core ML package, or a listing that describes one.
    pub fn is_package(&self) -> bool {
        self.facts.is_some()
    }

    /// Whether it is an exported program of PyTorch, or a listing that describes one.
    pub fn is_export(&self) -> bool {
        self.format == ModelFormat::Export
    }

    /// Bytes of all tensors as they are stored.
    pub fn bytes(&self) -> u64 {
        total(self.weights.iter().map(|weight| weight.bytes))
    }

    /// Where it lies, and each of its files: what its headers may change with.
    pub fn all_files(&self) -> impl Iterator<Item = PathBuf> + '_ {
        std::iter::once(&self.path).chain(&self.files).cloned()
    }
}

/// The sum of sizes. Headers may claim so much that it is beyond 64 bits.
pub fn total(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}

/// How a model is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelFormat {
    /// One `.safetensors` file.
    Safetensors,
    /// Several `.safetensors` files with `model.safetensors.index.json`.
    Shards,
    /// A Hugging Face directory: `config.json` beside the tensors.
    HuggingFace,
    /// bitmill's own packed checkpoint.
    Packed,
    /// An exported program of PyTorch (`.pt2`).
    Export,
    /// A Core ML package with an ML Program.
    MlPackage,
    /// Not a file: written down for an example or a test.
    Listing,
}

/// One stored tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// The full dotted name: `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// Other names under which the model uses the same tensor (tied weights), full and dotted.
    pub tied: Vec<String>,
    /// Bytes of [`Weight::name`] that name the module: everything before the last dot; 0 when there is none.
    pub module_len: usize,
    /// The kind of the module that owns it.
    pub kind: Kind,
    /// How the kind is known.
    pub known_by: KnownBy,
    /// What the tensor is within its module.
    pub role: Role,
    /// A linear weight stored as `[in, out]`, as GPT-2's `Conv1D` does, where `torch.nn.Linear` has `[out, in]`.
    pub transposed: bool,
    /// The groups of the convolution that it belongs to, where an export says so: [`Weight::groups`] guesses others.
    pub groups: Option<usize>,
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Element type in the file.
    pub dtype: DType,
    /// Size of what is stored, in bytes: with scales and tables where it is compressed.
    pub bytes: u64,
    /// What it takes in a program of fp32 that is made one of fp16; `None` for what is in no package.
    pub halved: Option<Halved>,
    /// How a program holds it compressed; `None` for what is plain and for packed checkpoints:
    /// [`Model::compressed`] tells both.
    pub compressed: Option<Compressed>,
    /// Where the data is.
    pub location: Location,
}

/// What a weight takes in a program of fp32 that is made one of fp16, where its values fit that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Halved {
    /// Bytes of what is stored where it stays: those of fp16, of fp32 where only that is taken, or of both.
    pub bytes: u64,
    /// Bytes of what stays in fp32 beside what is put in its place.
    pub beside: u64,
}

/// Where a tensor's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Location {
    /// Index into [`Model::files`].
    pub file: usize,
    /// Byte offset in that file.
    pub offset: u64,
}

/// How a module's kind is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KnownBy {
    /// The architecture in `config.json` says so.
    Architecture,
    /// The program or export says so.
    Program,
    /// The name is one that modules of this kind have (`embed_tokens`, `conv1`, `lm_head`).
    Name,
    /// Only the shape suggests it.
    Shape,
}

/// What a tensor is within its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The module's weight: what quantization is about.
    Weight,
    /// A bias.
    Bias,
    /// Statistics, positions, masks and other tensors that are not weights.
    Buffer,
}

impl Weight {
    /// The dotted name of the owning module; empty for a tensor at the top.
    pub fn module(&self) -> &str {
        &self.name[..self.module_len]
    }

    /// The tensor's own name within its module: `weight`.
    pub fn parameter(&self) -> &str {
        self.name[self.module_len..].trim_start_matches('.')
    }

    /// Number of elements. A tensor without any may have other dimensions whose product is beyond 64 bits.
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |count: u64, &size| count.saturating_mul(size as u64))
    }

    /// Whether kinds and negations in recipes are about it: it can be quantized, or is so already.
    pub fn is_candidate(&self) -> bool {
        self.compressed.is_some() || self.never_quantized().is_none()
    }

    /// Why no scheme could ever apply to this tensor, if none could.
    pub fn never_quantized(&self) -> Option<&'static str> {
        if self.compressed.is_some() {
            Some("it is compressed already")
        } else if !self.dtype.is_quantizable() {
            Some("values that are not floats of 8 to 32 bits stay as they are")
        } else if self.role == Role::Bias {
            Some("biases stay in float")
        } else if !matches!(self.kind, Kind::Other)
            && !Kind::ALL.iter().any(|(k, _, weights, _)| *k == self.kind && *weights)
        {
            Some("parameters of normalisation and of operators without weights stay in float")
        } else if self.shape.len() < 2 {
            Some("tensors of rank 0 and 1 stay in float: Core ML compresses rank 2 and more")
        } else if self.role == Role::Buffer {
            Some("buffers are no weights")
        } else if self.elements() == 0 {
            Some("tensors without elements stay as they are")
        } else {
            None
        }
    }
}

/// Gives biases and buffers whose own names tell no kind that of their module's weight.
fn share_kinds(weights: &mut [Weight]) {
    let lacks = |weight: &Weight| weight.role != Role::Weight && weight.kind == Kind::Other;
    let lacking: HashSet<&str> = weights.iter().filter(|weight| lacks(weight)).map(Weight::module).collect();
    if lacking.is_empty() {
        return;
    }
    let owners = weights.iter().filter(|weight| weight.role == Role::Weight && weight.module_len > 0);
    let kinds: HashMap<&str, (Kind, KnownBy)> = owners
        .filter(|weight| lacking.contains(weight.module()))
        .map(|weight| (weight.module(), (weight.kind, weight.known_by)))
        .collect();
    let shared: Vec<Option<(Kind, KnownBy)>> =
        weights.iter().map(|weight| if lacks(weight) { kinds.get(weight.module()).copied() } else { None }).collect();
    for (weight, shared) in weights.iter_mut().zip(shared) {
        if let Some(shared) = shared {
            (weight.kind, weight.known_by) = shared;
        }
    }
}
