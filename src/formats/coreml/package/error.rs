//! What can be wrong with a package: where, and the way out.

use std::io;
use std::path::PathBuf;

use crate::formats::byte_count;
use crate::formats::coreml::blob::{BlobError, BlobWriteError};
use crate::formats::coreml::manifest::ManifestFault;
use crate::formats::output::OutputError;
use crate::words::shown;

/// Why a package cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct PackageError {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: PackageFault,
}

/// What is wrong with a package.
#[derive(Debug, thiserror::Error)]
pub enum PackageFault {
    /// Nothing is there.
    #[error("there is no such file or directory")]
    Missing,
    /// The system refused.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// A pipe or a device, or a directory where a file should be.
    #[error("is not a regular file")]
    NotRegular,
    /// A file that is no model.
    #[error("is a file; a Core ML package is a directory with a Manifest.json")]
    NotDirectory,
    /// A file of a package.
    #[error("is a file in the package {}", .0.display())]
    PartOfPackage(PathBuf),
    /// A model in a single file.
    #[error("is a Core ML model in a single file ({0}); bitmill reads ML Programs in packages (.mlpackage)")]
    SingleFile(ModelKindName),
    /// A model compiled for devices.
    #[error("is a compiled Core ML model (.mlmodelc), which has no weights that could be changed")]
    Compiled,
    /// A directory without a manifest.
    #[error("has no Manifest.json, so it is not a Core ML package")]
    NoManifest,
    /// A directory without a manifest that holds a package.
    #[error("is not a Core ML package itself; it holds the package {}", shown(.0))]
    Holds(String),
    /// A broken manifest.
    #[error("cannot be understood: {0}")]
    Manifest(#[from] ManifestFault),
    /// A path of a package that leads out of it, through a link.
    #[error("is a link that leads out of the package {}", .0.display())]
    Link(PathBuf),
    /// A package whose model is a package or another directory.
    #[error("is a directory where the manifest names the model; a package in a package is not read")]
    ModelIsDirectory,
    /// A model that the manifest names and that is not there.
    #[error("the manifest names this file as the model, and it is not there")]
    NoModel,
    /// A file too large to be what it should be.
    #[error("has {}; such a file has at most {}", byte_count(*.len), byte_count(*.limit))]
    TooLarge {
        /// Its length.
        len: u64,
        /// The greatest length that is read.
        limit: u64,
    },
    /// A model that would take far more memory than any real one.
    #[error("has more fields than any real program, and would take more memory than bitmill gives it")]
    TooManyFields,
    /// A model of another kind than an ML Program.
    #[error("the model is of the kind \"{0}\"; bitmill reads ML Programs")]
    Kind(ModelKindName),
    /// A model of no kind.
    #[error("the model has no kind, such as ML Program: it is damaged, or of a kind newer than bitmill knows")]
    NoKind,
    /// Not a protobuf model.
    #[error("is not a Core ML model, or is damaged: {}", decode_fault(.0))]
    Decode(#[from] prost::DecodeError),
    /// A reference to weights that cannot be a file of the model.
    #[error("the program refers to weights in `{}`; such a reference begins with `@model_path/` and stays below", shown(.0))]
    Reference(String),
    /// A file of weights that is missing.
    #[error("the program refers to weights in this file, and it is not there")]
    NoWeights,
    /// A broken file of weights, or a reference into it that is wrong.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The file is not the one that was opened.
    #[error("the file was changed while it was being read")]
    Changed,
}

/// A kind of model, as users call it: `neural network`, `pipeline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelKindName(pub &'static str);

impl std::fmt::Display for ModelKindName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

const CONVERT: &str = "convert the original model again with coremltools.convert(..., convert_to=\"mlprogram\", \
                       minimum_deployment_target=coremltools.target.iOS15) or a later target";
const TAKE_OUT: &str = "take the models out of the pipeline, save each as its own package, and run bitmill on them one \
                        by one; build the pipeline again from the results with coremltools.utils.make_pipeline";
const SAVE: &str = "save it as a package: coremltools.models.MLModel(\"model.mlmodel\").save(\"model.mlpackage\")";

impl ModelKindName {
    fn help(self) -> &'static str {
        match self.0 {
            "ML Program" => SAVE,
            kind if kind.starts_with("pipeline") => TAKE_OUT,
            _ => CONVERT,
        }
    }
}

impl PackageError {
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        Some(match &self.fault {
            PackageFault::Io(_) | PackageFault::NotRegular => return None,
            PackageFault::Missing => "check the path",
            PackageFault::NotDirectory => "name the .mlpackage directory",
            PackageFault::PartOfPackage(_) | PackageFault::Holds(_) => "name the package itself",
            PackageFault::SingleFile(kind) | PackageFault::Kind(kind) => kind.help(),
            PackageFault::Compiled => "name the .mlpackage from which it was compiled",
            PackageFault::NoManifest => {
                "name the .mlpackage directory itself; if it is one, it was not copied whole: fetch it again"
            }
            PackageFault::Link(_) => {
                "if what the link leads to belongs to the model, copy the package with links followed (cp -RL) and \
                 name the copy; caches of downloads hold such links"
            }
            PackageFault::NoWeights | PackageFault::NoModel => "the package was not copied whole; fetch it again",
            PackageFault::Changed => "wait until what writes the package has ended, then run again",
            PackageFault::Blob(error) => error.fault.help(),
            PackageFault::ModelIsDirectory
            | PackageFault::Manifest(_)
            | PackageFault::TooLarge { .. }
            | PackageFault::TooManyFields
            | PackageFault::NoKind
            | PackageFault::Decode(_)
            | PackageFault::Reference(_) => {
                "the package is damaged or was written by a faulty program; fetch it again, or convert it again with \
                 coremltools"
            }
        })
    }
}

/// What `prost` says, with the fields from the outermost inwards, of a deep place the ends only.
fn decode_fault(error: &prost::DecodeError) -> String {
    let text = error.to_string();
    let mut text = text.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&text);
    // `Operation.blocks: Block.operations: what is wrong`, the innermost field first.
    let mut fields = vec![];
    while let Some((field, rest)) = text.split_once(": ")
        && field.contains('.')
        && !field.contains(' ')
    {
        fields.push(field);
        text = rest;
    }
    fields.reverse();
    match &fields[..] {
        [] => text.to_owned(),
        [first, second, .., last] if fields.len() > 8 => format!("{text} in {first} > {second} > … > {last}"),
        _ => format!("{text} in {}", fields.join(" > ")),
    }
}

/// Why a package cannot be written. Whatever stood there before still stands there.
#[derive(Debug, thiserror::Error)]
pub enum PackageWriteError {
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A blob cannot be written.
    #[error("{}: {source}", path.display())]
    Blob {
        /// The file of weights.
        path: PathBuf,
        /// Why not.
        source: BlobWriteError,
    },
    /// What should be copied from another package cannot be read.
    #[error(transparent)]
    Input(#[from] PackageError),
}

impl PackageWriteError {
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            PackageWriteError::Output(error) => error.help(),
            PackageWriteError::Input(error) => error.help(),
            PackageWriteError::Blob { .. } => None,
        }
    }
}
