//! Packages: directories of a manifest, a model and files of weights.

mod error;
mod reader;
mod weights;
mod writer;

pub use error::{ModelKindName, PackageError, PackageFault, PackageWriteError};
pub use reader::{Package, decode_model};
pub use weights::{StoredBlob, WeightFile};
pub use writer::PackageWriter;

/// The name of the manifest in a package.
const MANIFEST: &str = "Manifest.json";

/// The directory of a package to which the manifest's paths are relative.
const DATA: &str = "Data";

/// With what references to files of weights begin: the directory of the model.
const MODEL_PATH: &str = "@model_path/";

/// How the programs that are written refer to their weights.
pub const WEIGHT_FILE: &str = "@model_path/weights/weight.bin";

/// The longest manifest that is read: a real one has less than a thousand bytes.
const MAX_MANIFEST: u64 = 1 << 20;

/// The longest model that is read; weights apart, real ones have a few million bytes. What is decoded takes several
/// times the room of the file, so that this bounds the memory that a stranger's file can take.
const MAX_MODEL: u64 = 512 << 20;
