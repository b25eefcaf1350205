//! Why a model cannot be read, and the way out.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Weight;
use crate::dtype::DType;
use crate::exec::constexpr::ConstexprError;
use crate::formats::coreml::PackageError;
use crate::formats::pt2::Pt2Error;
use crate::formats::safetensors::SafetensorsError;
use crate::formats::shown;
use crate::graph::aten;
use crate::graph::mil::ImportError;

/// Why a model cannot be read.
#[derive(Debug, Error)]
pub enum ModelError {
    /// Nothing is there.
    #[error("{}: there is no such file or directory", path.display())]
    Missing {
        /// As asked for.
        path: PathBuf,
        /// A name beside it that is nearly the same.
        nearest: Option<String>,
    },
    /// The system refused.
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory without tensors that are known.
    #[error("{}: the directory holds no safetensors file", .0.display())]
    NoTensors(PathBuf),
    /// Files without a tensor.
    #[error("{}: holds no tensors", .0.display())]
    Empty(PathBuf),
    /// A directory with several files of tensors and no index that says which belong together.
    #[error("{}: the directory holds {} safetensors files and no model.safetensors.index.json", path.display(), count)]
    Ambiguous {
        /// The directory.
        path: PathBuf,
        /// How many files.
        count: usize,
    },
    /// A format that is not read.
    #[error("{}: {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// The index of shards is broken.
    #[error("{}: {why}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file of tensors is broken.
    #[error(transparent)]
    Safetensors(#[from] Box<SafetensorsError>),
    /// A Core ML package is broken, or none.
    #[error(transparent)]
    Package(#[from] Box<PackageError>),
    /// An archive of an exported program is broken, or none.
    #[error(transparent)]
    Pt2(#[from] Box<Pt2Error>),
    /// An exported program makes no sense.
    #[error("{}: the program cannot be read: {source}", path.display())]
    Export {
        /// The archive.
        path: PathBuf,
        /// Where, and why.
        source: aten::ImportError,
    },
    /// The program of a package makes no sense.
    #[error("{}: the program cannot be read: {source}", path.display())]
    Program {
        /// The package.
        path: PathBuf,
        /// Where, and why.
        source: ImportError,
    },
    /// A blob is not what the program says.
    #[error("{}: the blob of `{}` has another type or length than the program declares", path.display(), shown(value))]
    Blob {
        /// The package.
        path: PathBuf,
        /// The constant.
        value: String,
    },
    /// A compressed constant does not decompress.
    #[error("`{weight}` does not decompress: {source}")]
    Compressed {
        /// The weight.
        weight: String,
        /// Why.
        source: ConstexprError,
    },
    /// A tensor of a packed weight is broken.
    #[error("{}: the packed weight `{weight}` is broken: {why}", path.display())]
    Packed {
        /// The file, or the directory of several.
        path: PathBuf,
        /// The weight.
        weight: String,
        /// What is wrong.
        why: String,
    },
    /// The values of a weight have a type that is not read.
    #[error("the values of `{weight}` are {dtype}, which is not read as numbers")]
    Unreadable {
        /// The weight.
        weight: String,
        /// Their type.
        dtype: DType,
    },
}

impl From<PackageError> for ModelError {
    fn from(error: PackageError) -> Self {
        ModelError::Package(Box::new(error))
    }
}

impl From<Pt2Error> for ModelError {
    fn from(error: Pt2Error) -> Self {
        ModelError::Pt2(Box::new(error))
    }
}

impl From<SafetensorsError> for ModelError {
    fn from(error: SafetensorsError) -> Self {
        ModelError::Safetensors(Box::new(error))
    }
}

impl ModelError {
    /// For a weight whose type no kernel reads.
    pub fn not_readable(weight: &Weight, dtype: DType) -> ModelError {
        ModelError::Unreadable { weight: weight.name.clone(), dtype }
    }

    /// For a packed weight whose tensors are not what its index says.
    pub fn broken_packed(path: &Path, weight: &str, why: &str) -> ModelError {
        ModelError::Packed { path: path.to_owned(), weight: weight.to_string(), why: why.to_string() }
    }

    /// What to do about it, where something can be said.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            ModelError::Missing { nearest: Some(name), .. } => format!("did you mean `{name}`?"),
            ModelError::Missing { .. } => {
                "paths in a recipe are relative to the recipe's file; `--model` names another model".into()
            }
            ModelError::Empty(_) => "save the model's state dict anew with safetensors.torch.save_file".into(),
            ModelError::NoTensors(_) => {
                "a model is a .safetensors file, a .pt2 file, or a directory with model.safetensors or its shards and index".into()
            }
            ModelError::Ambiguous { .. } => "name one of the files, or fetch the index that belongs to them".into(),
            ModelError::Format { help, .. } => (*help).into(),
            ModelError::Index { path, .. } if path.ends_with("config.json") => {
                "correct the file, or move it away: kinds of modules are then told from names and shapes".into()
            }
            ModelError::Index { .. } => "fetch the index and the shards again: they must be of one version".into(),
            ModelError::Safetensors(error) => error.help()?.into(),
            ModelError::Package(error) => error.help()?.into(),
            ModelError::Pt2(error) => error.help()?.into(),
            ModelError::Export { .. } => "the file is damaged: export the model anew".into(),
            ModelError::Program { .. } | ModelError::Blob { .. } | ModelError::Compressed { .. } => {
                "the package is damaged: convert the model anew".into()
            }
            ModelError::Packed { .. } => "the file is damaged: make it again with `bitmill run --format packed`".into(),
            ModelError::Io { .. } | ModelError::Unreadable { .. } => return None,
        })
    }
}
