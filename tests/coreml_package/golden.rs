//! Packages that coremltools wrote, beside what its own protobuf classes read in them.

use std::path::{Path, PathBuf};

use bitmill::formats::coreml::proto::*;
use tempfile::TempDir;

/// A folder of packages: `NAME/model.mlpackage` and `NAME/model.mil.json`, every operation as JSON.
pub struct Golden {
    root: PathBuf,
    _unpacked: Option<TempDir>,
}

impl Golden {
    /// The packages in the repository and, where `BITMILL_CONFORMANCE` names it, the full set.
    pub fn sources() -> Vec<Golden> {
        let mut sources = vec![Golden::from_archive("lowered")];
        if let Some(root) = std::env::var_os("BITMILL_CONFORMANCE") {
            sources.push(Golden { root: PathBuf::from(root).join("lowered"), _unpacked: None });
        }
        sources
    }

    /// Packages in the repository: `lowered` of [`Golden`], or `packages`, which have no JSON beside them, but states,
    /// nested blocks, flexible shapes, images, classes, several functions. Packed as `tests/common/golden.rs` says.
    pub fn from_archive(name: &str) -> Golden {
        let archive = format!("tests/data/conformance/{name}.tar.gz");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(archive);
        let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let unpacked = tempfile::tempdir().unwrap();
        tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(unpacked.path()).unwrap();
        Golden { root: unpacked.path().join(name), _unpacked: Some(unpacked) }
    }

    /// The directories of the packages' cases, sorted.
    pub fn cases(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.root).unwrap_or_else(|e| panic!("{}: {e}", self.root.display()));
        let mut cases: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
        cases.sort();
        assert!(!cases.is_empty(), "{}", self.root.display());
        cases
    }

    /// The package of one case of the repository.
    pub fn package(&self, case: &str) -> PathBuf {
        self.root.join(case).join("model.mlpackage")
    }
}

/// The program of a model.
pub fn program(model: &Model) -> &Kept<Program> {
    match &model.kind {
        Some(ModelKind::MlProgram(program)) => program,
        None => panic!("no program"),
    }
}

/// Every operation of a program, those of nested blocks too.
pub fn operations(program: &Program) -> Vec<&Kept<Operation>> {
    fn collect<'a>(block: &'a Block, all: &mut Vec<&'a Kept<Operation>>) {
        for operation in &block.operations {
            all.push(operation);
            operation.blocks.iter().for_each(|block| collect(block, all));
        }
    }
    let mut all = vec![];
    for function in program.functions.iter().filter_map(|entry| entry.value()) {
        let blocks = function.block_specializations.iter().filter_map(|entry| entry.value());
        blocks.for_each(|block| collect(block, &mut all));
    }
    all
}

/// Every value that stands in an operation: its attributes and the literals that its parameters are bound to.
pub fn values(operation: &Operation) -> Vec<&Kept<Value>> {
    let bindings = operation.inputs.iter().filter_map(|entry| entry.value()).flat_map(|argument| &argument.arguments);
    let literals = bindings.filter_map(|binding| match &binding.binding {
        Some(BindingKind::Value(value)) => Some(&**value),
        _ => None,
    });
    literals.chain(operation.attributes.iter().filter_map(|entry| entry.value())).collect()
}

/// The references of a program to its files of weights, in the order in which they stand.
pub fn references(program: &Program) -> Vec<&Kept<BlobFileValue>> {
    let values = operations(program).into_iter().flat_map(|operation| values(operation));
    values
        .filter_map(|value| match &value.value {
            Some(ValueKind::BlobFile(reference)) => Some(reference),
            _ => None,
        })
        .collect()
}
