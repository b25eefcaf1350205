//! What can be wrong with a safetensors file: where, and the way out.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::formats::byte_count;
use crate::words::shown;

use super::MAX_HEADER;

/// Why a safetensors file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}{fault}", path.display(), Place(tensor.as_deref(), *byte))]
pub struct SafetensorsError {
    /// The file.
    pub path: PathBuf,
    /// The tensor it is about, if it is about one.
    pub tensor: Option<String>,
    /// The byte of the file where the fault is, if it has a place.
    pub byte: Option<u64>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a safetensors file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system refused.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// It is a directory, a pipe or a device.
    #[error("is not a regular file")]
    NotRegular,
    /// There is no room for the 8 bytes that give the header's length.
    #[error("has only {}: a safetensors file begins with the 8-byte length of its header", byte_count(*.0))]
    TooShort(u64),
    /// The first bytes are those of another format.
    #[error("is not a safetensors file: {what}")]
    Foreign {
        /// What the file is.
        what: &'static str,
        /// What to do with it.
        help: &'static str,
    },
    /// The declared header is longer than the format allows.
    #[error("declares a header of {}; the format allows {}", byte_count(*.0), byte_count(MAX_HEADER))]
    HeaderTooLarge(u64),
    /// The declared header is longer than the file.
    #[error("declares a header of {}, but only {} follow", byte_count(*.declared), byte_count(*.present))]
    HeaderBeyondFile {
        /// The declared length.
        declared: u64,
        /// The bytes after the length field.
        present: u64,
    },
    /// The header does not begin with `{`.
    #[error("the header does not begin with `{{`")]
    NoBrace,
    /// The header is not JSON, or not of the expected form.
    #[error("the header cannot be understood: {0}")]
    Json(String),
    /// Two tensors have the same name.
    #[error("two tensors have this name")]
    Duplicate,
    /// A name is empty or has control characters.
    #[error("the name of a tensor is empty or has control characters")]
    BadName,
    /// The shape stands for more bytes than any file can have.
    #[error("the shape {0:?} has too many elements")]
    Overflow(Vec<usize>),
    /// A packed type whose elements do not fill whole bytes.
    #[error("the shape {shape:?} of {dtype} does not fill whole bytes")]
    PartByte {
        /// The shape.
        shape: Vec<usize>,
        /// The element type, as the header names it.
        dtype: String,
    },
    /// The range of bytes ends before it begins.
    #[error("its data ends before it begins (data_offsets [{begin}, {end}])")]
    Reversed {
        /// The declared begin.
        begin: u64,
        /// The declared end.
        end: u64,
    },
    /// The range of bytes does not fit the shape and type.
    #[error("{dtype} of shape {shape:?} takes {}, but data_offsets give {}", byte_count(*.needed), byte_count(*.given))]
    Size {
        /// The shape.
        shape: Vec<usize>,
        /// The element type, as the header names it.
        dtype: String,
        /// Bytes that shape and type need.
        needed: u64,
        /// Bytes that the header gives it.
        given: u64,
    },
    /// Data past the end of the file.
    #[error("its data ends {} past the end of the file", byte_count(*.missing))]
    BeyondFile {
        /// Bytes that the file lacks.
        missing: u64,
    },
    /// Two tensors share bytes.
    #[error("its data overlaps that of `{}`", shown(.other))]
    Overlap {
        /// The tensor that has the bytes too.
        other: String,
    },
    /// Bytes between tensors that belong to none.
    #[error("{} before its data belong to no tensor", byte_count(*.0))]
    Hole(u64),
    /// Bytes after the last tensor.
    #[error("{} after the last tensor belong to no tensor", byte_count(*.0))]
    Trailing(u64),
    /// No tensor of this name.
    #[error("there is no tensor of this name")]
    NoSuchTensor,
    /// The file is not the one whose header was read.
    #[error("the file was changed while it was being read")]
    Changed,
}

impl SafetensorsError {
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        Some(match &self.fault {
            Fault::Foreign { help, .. } => help,
            Fault::TooShort(_) | Fault::HeaderBeyondFile { .. } | Fault::BeyondFile { .. } => {
                "the file is cut short, as after an interrupted download or copy; fetch it again"
            }
            Fault::Io(_) | Fault::NotRegular | Fault::NoSuchTensor => return None,
            Fault::Changed => "wait until what writes the file has ended, then run again",
            Fault::HeaderTooLarge(_) | Fault::NoBrace | Fault::Json(_) => {
                "the file is damaged or of another format; fetch it again, or save it anew with \
                 safetensors.torch.save_file"
            }
            _ => {
                "the file is damaged or was written by a faulty program; fetch it again, or load it with what \
                 wrote it and save it anew with safetensors.torch.save_file"
            }
        })
    }
}

/// The words for a place in a file, with the colon that follows.
struct Place<'a>(Option<&'a str>, Option<u64>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(tensor), Some(byte)) => write!(f, "tensor `{}`, at byte {byte}: ", shown(tensor)),
            (Some(tensor), None) => write!(f, "tensor `{}`: ", shown(tensor)),
            (None, Some(byte)) => write!(f, "at byte {byte}: "),
            (None, None) => Ok(()),
        }
    }
}

/// First bytes of formats that are taken for safetensors, or arrive under its name.
const FOREIGN: &[(&[u8], &str, &str)] = &[
    (
        b"PK\x03\x04",
        "it is a zip archive, as PyTorch writes for `.pt`, `.pth`, `.bin` and `.pt2`",
        "load it in PyTorch and save the state dict with safetensors.torch.save_file",
    ),
    (
        b"version https://git-lfs",
        "it is a Git LFS pointer, not the data",
        "run `git lfs pull` in its repository, or download the file itself",
    ),
    (b"GGUF", "it is a GGUF file", "quantize from the original safetensors checkpoint instead"),
    (b"\x89HDF", "it is an HDF5 file, as Keras writes", "save the weights with safetensors.numpy.save_file instead"),
    (
        // Two bytes would not do: a header of 640 bytes begins with them too.
        b"\x80\x02\x8a\x0a",
        "it is a Python pickle, as old versions of PyTorch write",
        "load it in PyTorch and save the state dict with safetensors.torch.save_file",
    ),
    (b"\x93NUMPY", "it is a NumPy array", "save it with safetensors.numpy.save_file instead"),
    (b"<!DOCTYPE", "it is a web page, not the data", "download the file itself, signed in where that is needed"),
    (b"<!doctype", "it is a web page, not the data", "download the file itself, signed in where that is needed"),
    (b"<html", "it is a web page, not the data", "download the file itself, signed in where that is needed"),
];

impl Fault {
    /// The fault of a file whose first bytes are those of another format.
    pub(super) fn foreign(first: &[u8]) -> Option<Fault> {
        let (_, what, help) = FOREIGN.iter().find(|(magic, ..)| first.starts_with(magic))?;
        Some(Fault::Foreign { what, help })
    }
}
