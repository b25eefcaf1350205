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

/// Its values as numbers.
fn floats(model: &Model, index: usize) -> Vec<f32> {
    let bytes = held(parts(model), index);
    match bytes.len() as u64 / model.weights[index].elements() {
        2 => halves(&bytes),
        _ => bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
    }
}

fn halves(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect()
}

/// Bit for bit what coremltools decompresses, told by the checksums that `tests/upstream/lowered_values.py` wrote.
#[test]
fn packages_decompress_to_the_values_of_coremltools() {
    let text = std::fs::read(root().join("tests/data/conformance/lowered-values.json")).unwrap();
    let expected: BTreeMap<String, BTreeMap<String, u32>> = serde_json::from_slice(&text).unwrap();
    let archive = Archive::open("lowered");
    let mut compared = 0;
    for (case, weights) in &expected {
        let model = Model::open(&archive.package(case)).unwrap();
        for (value, expected) in weights {
            let mut constants = parts(&model).constants.iter();
            let index = constants.position(|one| *one.first.name == **value);
            let mut sum = Crc::new();
            sum.update(&held(parts(&model), index.unwrap_or_else(|| panic!("{case}: no {value}"))));
            assert_eq!(sum.sum(), *expected, "{case}: {value}");
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared}");
}

/// The full set has the values of the quantized torch models beside its packages. Core ML's scales are rounded to
/// fp16 where those were of fp32, and so are the products: twice half a unit in the last place, and of subnormal
/// scales so much for each of 128 steps.
#[test]
fn packages_of_the_full_set_have_the_values_of_torch() {
    let Some(set) = std::env::var_os("BITMILL_CONFORMANCE") else {
        eprintln!("SKIPPED: BITMILL_CONFORMANCE does not name the full set; its packages are not compared with torch");
        return;
    };
    let mut cases: Vec<PathBuf> = std::fs::read_dir(Path::new(&set).join("lowered"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("weights.safetensors").exists())
        .collect();
    cases.sort();
    let mut compared = 0;
    for case in cases {
        let model = Model::open(&case.join("model.mlpackage")).unwrap();
        let bytes = std::fs::read(case.join("weights.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        for (name, tensor) in file.tensors() {
            assert_eq!(tensor.dtype(), Dtype::F16);
            let torch = halves(tensor.data());
            let fits = |index: &usize| {
                let near = |(found, torch): (f32, &f32)| {
                    let bound = torch.abs() * (2f32.powi(-10) + 2f32.powi(-11)) + 128.0 * 2f32.powi(-25);
                    (found - torch).abs() <= bound
                };
                let same_shape = model.weights[*index].shape == tensor.shape();
                same_shape && floats(&model, *index).into_iter().zip(&torch).all(near)
            };
            // Some have lost their names in ExecuTorch: any other constant may be theirs.
            let fit = match find(&model, &name) {
                Some(index) => fits(&index),
                None => (0..model.weights.len()).any(|index| fits(&index)),
            };
            assert!(fit, "{}: {name}", case.display());
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared}");
}
