//! What can be wrong with a file of weights.

use std::io;

use crate::element::ElementType;
use crate::formats::byte_count;

/// Why a blob cannot be read. It does not name the file, which its reader does not know.
#[derive(Debug, thiserror::Error)]
#[error("at byte {offset}: {fault}")]
pub struct BlobError {
    /// The byte of the file where the fault is.
    pub offset: u64,
    /// What is wrong.
    pub fault: BlobFault,
}

/// What is wrong with a file of weights.
#[derive(Debug, thiserror::Error)]
pub enum BlobFault {
    /// There is no room for the header.
    #[error("the file has only {}; the header of a file of weights takes 64", byte_count(*.0))]
    TooShort(u64),
    /// The file is of the version that neural networks use.
    #[error("the file has version 1, that of neural networks; ML Programs use version 2")]
    Version1,
    /// The file is of no version.
    #[error("this is not a file of weights: the version is {0:#x} where version 2 stands")]
    Version(u32),
    /// A reference to a place where no record can be.
    #[error("no blob begins here: blobs begin at multiples of 64, the first at 64")]
    Unaligned,
    /// A record that does not lie in the file.
    #[error("no blob begins here: the file ends at byte {file}")]
    RecordBeyondFile {
        /// The length of the file.
        file: u64,
    },
    /// A record without its mark.
    #[error("no blob begins here: {found:#010x} stands where the mark 0xdeadbeef of a blob does")]
    Sentinel {
        /// What stands there.
        found: u32,
    },
    /// An element type that is not known.
    #[error("the blob has an element type of number {0}, which is not known")]
    Type(u32),
    /// Data that does not lie in the file.
    #[error("the data of the blob, {} from byte {begin}, end past the end of the file at {file}", byte_count(*.bytes))]
    DataBeyondFile {
        /// Where they would begin.
        begin: u64,
        /// How long they would be.
        bytes: u64,
        /// The length of the file.
        file: u64,
    },
    /// Data that lies over the header or the record itself.
    #[error("the data of the blob, {} from byte {begin}, lie over its own record or the header", byte_count(*.bytes))]
    DataOverRecord {
        /// Where they would begin.
        begin: u64,
        /// How long they would be.
        bytes: u64,
    },
    /// Data that is no whole number of elements.
    #[error("the data of the blob, {} with {padding} unused bits, are no whole number of {element}", byte_count(*.bytes))]
    PartElement {
        /// How long they are.
        bytes: u64,
        /// The unused bits of the last byte that are declared.
        padding: u64,
        /// The element type.
        element: ElementType,
    },
}

impl BlobFault {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            BlobFault::Version1 => {
                "convert the original model again with coremltools and convert_to=\"mlprogram\", \
                 minimum_deployment_target=ct.target.iOS15 or later"
            }
            BlobFault::TooShort(_) | BlobFault::RecordBeyondFile { .. } | BlobFault::DataBeyondFile { .. } => {
                "the file may be cut short, as after an interrupted download or copy, or belong to another model; \
                 fetch the whole package again"
            }
            BlobFault::Type(_) => {
                "the package may come from a newer version of Core ML than bitmill knows, or be damaged"
            }
            _ => "the package is damaged, or its parts come from different models; fetch it again or convert it again",
        }
    }
}

/// Why a blob cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum BlobWriteError {
    /// The system refused.
    #[error("cannot be written: {0}")]
    Io(#[from] io::Error),
    /// The elements take other bytes than were given.
    #[error("{element}[{elements}] takes {}, and {} were given", byte_count(*.needed), byte_count(*.given))]
    Length {
        /// The number of elements.
        elements: u64,
        /// Their type.
        element: ElementType,
        /// The bytes they take.
        needed: u64,
        /// The bytes given.
        given: u64,
    },
    /// A type of which files of weights hold nothing, or too many elements for any file.
    #[error("{element}[{elements}] cannot be stored in a file of weights")]
    Unstorable {
        /// The number of elements.
        elements: u64,
        /// Their type.
        element: ElementType,
    },
    /// More blobs than the header can count.
    #[error("a file of weights holds at most 4294967295 blobs")]
    TooMany,
    /// An earlier blob could not be written, so the file is not whole.
    #[error("an earlier blob could not be written")]
    Broken,
}
