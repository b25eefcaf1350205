//! What can be wrong with an archive of an exported program: where, and the way out.

use std::io;
use std::path::PathBuf;

use super::zip::ZipFault;
use crate::formats::shown;

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}{fault}", path.display(), member.as_ref().map(|name| format!("`{}`: ", shown(name))).unwrap_or_default())]
pub struct Pt2Error {
    /// The file.
    pub path: PathBuf,
    /// The member that it is about, if it is about one.
    pub member: Option<String>,
    /// What is wrong.
    pub fault: Pt2Fault,
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum Pt2Fault {
    /// The system refused.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// It is a directory, a pipe or a device.
    #[error("is not a regular file")]
    NotRegular,
    /// It has changed since it was opened.
    #[error("has changed since it was opened")]
    Changed,
    /// It is no archive, or a damaged one.
    #[error("{0}")]
    Zip(ZipFault),
    /// It is of the layout of PyTorch 2.1 to 2.7.
    #[error("was exported by PyTorch 2.7 or older, which pickled its weights: unpickling runs what the file says")]
    OldLayout,
    /// It has the present layout, and pickled weights.
    #[error("holds its weights as one pickle, as PyTorch 2.8 wrote them: unpickling runs what the file says")]
    PickledWeights,
    /// It is a checkpoint.
    #[error("is a pickled checkpoint of `torch.save`, not an exported program: unpickling runs what the file says")]
    Checkpoint,
    /// It is TorchScript.
    #[error("is a TorchScript archive, not an exported program")]
    TorchScript,
    /// It holds code that was compiled for one machine.
    #[error("holds a model compiled by AOTInductor, and no exported program")]
    Compiled,
    /// It is an archive of something else.
    #[error("is a zip archive, but not one of `torch.export.save`: {0}")]
    Foreign(&'static str),
    /// It has no programs.
    #[error("holds no exported program")]
    NoProgram,
    /// The bytes of its numbers are in another order.
    #[error("was written on a big-endian machine, whose byte order is not read")]
    BigEndian,
    /// The schema is of another major version.
    #[error("its schema is of version {0}, and only version 8 is read")]
    Schema(u64),
    /// The version of the archive's layout is not a number.
    #[error("its version of the layout is not a number")]
    Version,
    /// A member that must be there is not.
    #[error("the archive has no such member")]
    Missing,
    /// A member is not the JSON that it should be.
    #[error("cannot be understood: {}", brief(.0))]
    Json(serde_json::Error),
    /// A tensor is pickled.
    #[error("the tensor `{}` is pickled, as those of special types are (quantized ones of torchao, for example)", shown(.0))]
    PickledTensor(String),
    /// A tensor was exported without its values.
    #[error("the tensor `{}` has no values: the model was exported with fake tensors", shown(.0))]
    NoValues(String),
    /// A tensor's description makes no sense.
    #[error("the tensor `{}` {what}", shown(name))]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        what: String,
    },
}

/// What a parser says, which repeats texts of the file however long they are.
fn brief(error: &serde_json::Error) -> String {
    const LONGEST: usize = 300;
    let text = error.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    let head: String = text.chars().take(LONGEST).collect();
    format!("{head}… at line {} column {}", error.line(), error.column())
}

impl From<ZipFault> for Pt2Fault {
    fn from(fault: ZipFault) -> Self {
        match fault {
            ZipFault::Io(source) => Pt2Fault::Io(source),
            other => Pt2Fault::Zip(other),
        }
    }
}

impl Pt2Error {
    /// What to do about it, where something can be said.
    pub fn help(&self) -> Option<&'static str> {
        Some(match &self.fault {
            Pt2Fault::Io(_) => return None,
            Pt2Fault::NotRegular => "name the .pt2 file itself",
            Pt2Fault::Changed => "wait until whoever writes it is done, and try again",
            Pt2Fault::OldLayout | Pt2Fault::PickledWeights => {
                "export the model again with PyTorch 2.9 or later, or load the file there and save it anew: \
                 `torch.export.save(torch.export.load(\"old.pt2\"), \"new.pt2\")`"
            }
            Pt2Fault::Checkpoint => {
                "convert it: `from safetensors.torch import save_file; save_file(torch.load(\"model.pt\", \
                 weights_only=True), \"model.safetensors\")`"
            }
            Pt2Fault::TorchScript | Pt2Fault::Foreign(_) | Pt2Fault::Compiled | Pt2Fault::NoProgram => {
                "export the model: `torch.export.save(torch.export.export(model, inputs), \"model.pt2\")`"
            }
            Pt2Fault::BigEndian => "export the model on a little-endian machine, as most are",
            Pt2Fault::Schema(major) if *major < super::schema::MAJOR => {
                "export the model again with PyTorch 2.9 or later"
            }
            Pt2Fault::Schema(_) => "export the model with a PyTorch that writes version 8, such as 2.9",
            Pt2Fault::PickledTensor(_) => {
                "export the plain model, before it is quantized or wrapped: bitmill does the quantizing"
            }
            Pt2Fault::NoValues(_) => "load the weights before the export, outside of `FakeTensorMode`",
            Pt2Fault::Zip(ZipFault::NoDirectory) => "if it is an export, it was not copied whole: fetch it again",
            Pt2Fault::Zip(ZipFault::Unreadable { .. } | ZipFault::Split) => {
                "pack the archive anew, with its members stored"
            }
            Pt2Fault::Zip(_) | Pt2Fault::Version | Pt2Fault::Missing | Pt2Fault::Json(_) | Pt2Fault::Tensor { .. } => {
                "the file is damaged: export the model anew"
            }
        })
    }
}
