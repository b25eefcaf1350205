//! Core ML packages with an ML Program (`.mlpackage`): directories of a manifest, a protobuf model and files of
//! weights, read and written byte by byte.
//!
//! What a package holds and bitmill does not know survives a rewriting: fields of newer versions of the format,
//! extra files, entries of the manifest. Sources: apple/coremltools 9.0, `mlmodel/format/*.proto`,
//! `modelpackage/src/ModelPackage.cpp`, `mlmodel/src/MILBlob/Blob/`.

pub mod blob;
mod manifest;
mod package;
pub mod proto;

pub use manifest::{APPLE, Item, Manifest, ManifestFault};
pub use package::{
    ModelKindName, Package, PackageError, PackageFault, PackageWriteError, PackageWriter, StoredBlob, WEIGHT_FILE,
    WeightFile, decode_model,
};
