//! Packages that ExecuTorch and coremltools wrote decompress to the values that coremltools gives them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bitmill::model::Model;
use flate2::Crc;
use half::f16;
use safetensors::{Dtype, SafeTensors};

use super::prove::{Archive, held, parts, root};

/// The weight that has a parameter's name, by its own or what its name may stand for.
fn find(model: &Model, parameter: &str) -> Option<usize> {
    let by_name = model.weights.iter().position(|weight| weight.name == parameter);
    by_name.or_else(|| {
        let constants = parts(model).constants.iter();
        let mut fit = constants.map(|one| one.first.candidates().iter().any(|name| name == parameter));
        fit.position(|fits| fits)
    })
}

/// Its values in fp16, as bytes.
fn halves(model: &Model, index: usize) -> Vec<u8> {
    let bytes = held(parts(model), index);
    match bytes.len() as u64 / model.weights[index].elements() {
        2 => bytes,
        _ => {
            let floats = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
            floats.flat_map(|value| f16::from_f32(value).to_le_bytes()).collect()
        }
    }
}

/// Checksums of the values in the repository's set, which numpy computed from coremltools' decompressed weights:
/// `lowered-values.json`, by package and parameter.
#[test]
fn packages_in_the_repository_have_their_values() {
    let text = std::fs::read(root().join("tests/data/conformance/lowered-values.json")).unwrap();
    let expected: BTreeMap<String, BTreeMap<String, u32>> = serde_json::from_slice(&text).unwrap();
    let archive = Archive::open("lowered");
    let mut compared = 0;
    for (case, weights) in &expected {
        let model = Model::open(&archive.package(case)).unwrap();
        for (name, expected) in weights {
            let index = find(&model, name).unwrap_or_else(|| panic!("{case}: no {name}"));
            let mut sum = Crc::new();
            sum.update(&halves(&model, index));
            assert_eq!(sum.sum(), *expected, "{case}: {name}");
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared}");
}

#[test]
fn packages_of_the_full_set_have_their_values() {
    let Some(set) = std::env::var_os("BITMILL_CONFORMANCE") else { return };
    let mut cases: Vec<PathBuf> = std::fs::read_dir(Path::new(&set).join("lowered"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("weights.safetensors").exists())
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    for case in cases {
        let model = Model::open(&case.join("model.mlpackage")).unwrap();
        let bytes = std::fs::read(case.join("weights.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        for (name, tensor) in file.tensors() {
            let index = find(&model, &name).unwrap_or_else(|| panic!("{}: no {name}", case.display()));
            assert_eq!(tensor.dtype(), Dtype::F16);
            assert_eq!(tensor.shape(), model.weights[index].shape, "{}: {name}", case.display());
            assert!(halves(&model, index) == tensor.data(), "{}: {name}", case.display());
        }
    }
}
