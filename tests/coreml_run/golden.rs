//! Packages that ExecuTorch and coremltools wrote decompress to the values that their quantized weights have.

use std::path::{Path, PathBuf};

use bitmill::model::Model;
use half::f16;
use safetensors::{Dtype, SafeTensors};

use super::prove::{held, parts};

/// The weight that has a parameter's name, by its own or what its name may stand for.
fn find(model: &Model, parameter: &str) -> Option<usize> {
    let by_name = model.weights.iter().position(|weight| weight.name == parameter);
    by_name.or_else(|| {
        let constants = parts(model).constants.iter();
        let mut fit = constants.map(|one| one.first.candidates().iter().any(|name| name == parameter));
        fit.position(|fits| fits)
    })
}

/// Its values, from fp16 or fp32.
fn values(model: &Model, index: usize) -> Vec<f32> {
    let bytes = held(parts(model), index);
    match bytes.len() as u64 / model.weights[index].elements() {
        2 => bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect(),
        _ => bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
    }
}

/// The full set has the values that torch computes, in fp32 with fp32 scales, rounded to fp16: a package with fp16
/// scales is within some of the last bits. Weights whose names tell no parameter are not looked for.
#[test]
fn packages_of_the_full_set_have_their_values() {
    let Some(set) = std::env::var_os("BITMILL_CONFORMANCE") else { return };
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
            let Some(index) = find(&model, &name) else { continue };
            assert_eq!(tensor.dtype(), Dtype::F16);
            assert_eq!(tensor.shape(), model.weights[index].shape, "{}: {name}", case.display());
            let expected = tensor.data().as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32());
            for (found, expected) in values(&model, index).into_iter().zip(expected) {
                let close = (found - expected).abs() <= expected.abs() / 256.0 + 1e-4;
                assert!(close, "{}: {name}: {found} for {expected}", case.display());
            }
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}
