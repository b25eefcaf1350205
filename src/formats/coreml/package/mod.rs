//! Packages: directories of a manifest, a model and files of weights.

mod error;
mod meter;
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

/// The longest model that is read and written: protobuf has no longer ones.
const MAX_MODEL: u64 = i32::MAX as u64;

/// The most steps in which a model is decoded: two or three for a field, some ninety for an operation. This many are
/// 180,000 operations, or some 4,000 million bytes in memory at worst.
const MAX_STEPS: u32 = 16 << 20;
