//! Static quantization of exports against what PyTorch's PT2E with ExecuTorch's `CoreMLQuantizer` did, and the packages
//! that come of it. `tests/data/pt2e` holds some settings; where `BITMILL_CONFORMANCE` names the full set, all 76 of
//! them run.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

mod golden;
mod packages;
mod recipes;

use std::path::{Path, PathBuf};

use bitmill::exec::Tensor;
use bitmill::graph::ElementType;
use bitmill::model::Model;
use safetensors::{Dtype, SafeTensors};

/// What upstream did, and the models that it did it with.
struct Golden {
    root: PathBuf,
    is_full: bool,
    /// Where the small set is unpacked.
    _directory: tempfile::TempDir,
}

impl Golden {
    fn new() -> Golden {
        let directory = tempfile::tempdir().unwrap();
        if let Some(root) = std::env::var_os("BITMILL_CONFORMANCE") {
            return Golden { root: root.into(), is_full: true, _directory: directory };
        }
        unpack("pt2e/golden.tar.gz", directory.path());
        Golden { root: directory.path().to_owned(), is_full: false, _directory: directory }
    }

    /// Other models, which `tests/upstream/pt2e_cases.py` made.
    fn more() -> Golden {
        let directory = tempfile::tempdir().unwrap();
        unpack("pt2e/more.tar.gz", directory.path());
        Golden { root: directory.path().to_owned(), is_full: false, _directory: directory }
    }

    /// Where the export of a model lies.
    fn path(&self, model: &str) -> PathBuf {
        let own = self.root.join(format!("models/{model}.pt2"));
        if own.exists() { own } else { data(&format!("pt2/{model}.pt2")) }
    }

    fn model(&self, model: &str) -> Model {
        Model::open(&self.path(model)).unwrap()
    }

    /// The inputs that were recorded with a model.
    fn samples(&self, model: &str) -> Vec<u8> {
        std::fs::read(self.root.join(format!("models/{model}.safetensors"))).unwrap()
    }
}

fn unpack(archive: &str, into: &Path) {
    let file = std::fs::File::open(data(archive)).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(into).unwrap();
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn tensor(stored: &SafeTensors<'_>, name: &str) -> Tensor {
    let view = stored.tensor(name).unwrap();
    let element = if view.dtype() == Dtype::F32 { ElementType::Fp32 } else { ElementType::Int64 };
    Tensor::from_bytes(element, view.shape().to_vec(), view.data()).unwrap()
}

/// The largest magnitude.
fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0f32, |most, value| most.max(value.abs()))
}
