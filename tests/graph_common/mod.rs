//! Programs of packages that upstream's tools wrote.
//!
//! `tests/data/graph/NAME.tar.gz` holds `NAME/CASE.mlmodel`, packed as `tests/common/golden.rs` says.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::Read;
use std::path::{Path, PathBuf};

use bitmill::formats::coreml;
use bitmill::formats::coreml::proto::{Kept, Model, ModelKind, Program as Message};
use bitmill::graph::{BlobRef, Blobs, Program, TensorType, mil};
use bytes::Bytes;
use prost::Message as _;

/// A package's messages, with its weights where they are at hand.
pub struct Package {
    /// For messages.
    pub name: String,
    /// The bytes of `model.mlmodel`.
    pub model: Kept<Model>,
    /// The package on disk, for its weights.
    pub opened: Option<coreml::Package>,
}

impl Package {
    pub fn message(&self) -> &Kept<Message> {
        let Some(ModelKind::MlProgram(program)) = &self.model.kind else { panic!("{}: no program", self.name) };
        program
    }

    pub fn program(&self) -> Program {
        mil::import(self.message()).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

impl Blobs for Package {
    fn bytes(&self, blob: &BlobRef, ty: &TensorType) -> Option<Bytes> {
        let bytes = self.opened.as_ref()?.bytes(blob, ty);
        assert!(bytes.is_some(), "{}: no {ty} at {blob:?}", self.name);
        bytes
    }
}

/// A file of an archive, as JSON.
pub fn json(archive: &str, file: &str) -> serde_json::Value {
    let mut found = None;
    each_entry(archive, |path, bytes| {
        if path.file_name().is_some_and(|name| name == file) {
            found = Some(serde_json::from_slice(bytes).unwrap());
        }
    });
    found.unwrap_or_else(|| panic!("{file} is missing"))
}

/// All models of an archive, by name.
pub fn archive(name: &str) -> Vec<Package> {
    let mut packages = Vec::new();
    each_entry(name, |path, bytes| {
        if path.extension().is_some_and(|ending| ending == "mlmodel") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            packages.push(Package { name, model: Kept::decode(bytes).unwrap(), opened: None });
        }
    });
    assert!(!packages.is_empty());
    packages
}

fn each_entry(name: &str, mut visit: impl FnMut(&Path, &[u8])) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/graph").join(format!("{name}.tar.gz"));
    let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        visit(&path, &bytes);
    }
}

/// The packages of the full set, with their weights; none where the set is not there.
pub fn full_set() -> Vec<Package> {
    let Some(root) = std::env::var_os("BITMILL_CONFORMANCE") else { return Vec::new() };
    let lowered = PathBuf::from(root).join("lowered");
    let mut packages = Vec::new();
    for entry in std::fs::read_dir(&lowered).unwrap() {
        let path = entry.unwrap().path().join("model.mlpackage");
        if path.is_dir() {
            let opened = coreml::Package::open(&path).unwrap();
            let name = path.display().to_string();
            packages.push(Package { name, model: opened.model().clone(), opened: Some(opened) });
        }
    }
    assert!(!packages.is_empty());
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages
}
