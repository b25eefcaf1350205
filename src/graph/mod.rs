//! The program as typed operations over values, shaped like MIL: what every later step reads and edits.
//!
//! The form is a view. It keeps enough identity ([`index::Path`]) to find an operation again in the messages it
//! was made from, and nothing of how a package lies on disk: constants in files are named, and whoever owns the
//! package hands out their bytes through [`value::Blobs`].
//!
//! [`index`] resolves names to values, [`ops`] knows what each operator accepts and returns, [`check`] applies
//! both to a whole program, [`mil`] makes the form from a package's messages and [`weights`] finds the constants
//! that quantization is about.

pub mod aten;
pub mod check;
pub mod function;
pub mod index;
pub mod mil;
pub mod op;
pub mod ops;
mod scope;
#[cfg(test)]
mod testing;
pub mod types;
pub mod value;
pub mod weights;

use std::sync::Arc;

pub use crate::element::ElementType;
pub use function::{Function, Opset, Program};
pub use op::{Argument, Attribute, Binding, Block, Operation};
pub use types::{Dim, NamedType, TensorType, Type};
pub use value::{BlobRef, Blobs, Content, Literal, NoBlobs};

/// A name of a value, an operation, an operator or a parameter; shared, so copies cost nothing.
pub type Name = Arc<str>;
