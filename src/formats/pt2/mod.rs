//! PyTorch's archives of exported programs (`.pt2`), as `torch.export.save` writes them since it keeps weights as
//! plain bytes: a zip archive of JSON and of stored tensors, which are mapped and not copied.
//!
//! Nothing is ever unpickled, since unpickling runs what a file says. Members that are pickles are passed over, or
//! refused where a weight is one.

mod archive;
mod contents;
mod error;
mod scalar;
pub mod schema;
mod tensor;
#[cfg(test)]
pub(crate) mod testing;
mod union;
mod values;
pub mod zip;

pub use archive::Archive;
pub use contents::{Contents, Payload, StoredProgram};
pub use error::{Pt2Error, Pt2Fault};
pub use scalar::{Layout, MemoryFormat, ScalarType};
pub use tensor::StoredTensor;

/// The longest JSON of a member, in bytes.
pub(crate) const MAX_JSON: u64 = 1 << 30;

/// The most dimensions of a tensor. PyTorch itself allows 64 in most operators.
pub(crate) const MAX_RANK: usize = 64;
