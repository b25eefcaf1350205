//! What coremltools 9.0 computed, recorded by its `compute_qparams` and its two pruning functions.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Read;

use bitmill::quant::affine::{AffineSpec, quantize};
use bitmill::quant::element::Element;
use bitmill::quant::prune;
use bitmill::scheme::{Arithmetic, Mapping, ScaleSearch};
use half::f16;
use serde_json::Value;

fn recorded() -> Value {
    let compressed = include_bytes!("data/conformance/coremltools-affine.json.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&compressed[..]).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The numbers of a list. All of them are binary32, which reading decimals by way of binary64 keeps.
fn numbers(value: &Value) -> Vec<f32> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|v| v.as_f64().unwrap() as f32).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    numbers(value).iter().map(|v| *v as usize).collect()
}

#[test]
fn coremltools_integers_bit_for_bit() {
    let recorded = recorded();
    let mut cases = 0;
    for case in recorded["cases"].as_array().unwrap() {
        match case["dtype"].as_str().unwrap() {
            "f32" => check_coremltools::<f32>(case, &recorded),
            "f16" => check_coremltools::<f16>(case, &recorded),
            other => panic!("unexpected type {other}"),
        }
        cases += 1;
    }
    println!("{cases} cases of coremltools");
    assert_eq!(cases, 640);
}

fn check_coremltools<T: Element>(case: &Value, recorded: &Value) {
    let weight = &recorded["weights"][case["weight"].as_str().unwrap()];
    let weights: Vec<T> = numbers(&weight["values"]).iter().map(|v| T::from_f32(*v)).collect();
    let spec = AffineSpec {
        bits: case["bits"].as_u64().unwrap() as u8,
        signed: case["signed"].as_bool().unwrap(),
        mapping: Mapping::from_word(case["mapping"].as_str().unwrap()).unwrap(),
        arithmetic: Arithmetic::Coremltools,
        scale: None,
        search: ScaleSearch::MinMax,
    };
    let (shape, block) = (sizes(&weight["shape"]), sizes(&case["block"]));
    let context = format!("{} {} {block:?} {spec:?}", case["weight"], case["dtype"]);
    let found = quantize(&weights, &shape, &block, &spec).unwrap();
    assert_eq!(found.scales, numbers(&case["scales"]), "{context}");
    let zero_points: Vec<f32> =
        (0..found.zero_points.len()).filter_map(|i| found.zero_point(i)).map(f32::from).collect();
    if case["zero_points"].is_null() {
        assert!(zero_points.iter().all(|z| *z == 0.0), "{context}");
    } else {
        assert_eq!(zero_points, numbers(&case["zero_points"]), "{context}");
    }
    let codes: Vec<f32> = (0..weights.len()).filter_map(|i| found.code(i)).map(f32::from).collect();
    assert_eq!(codes, numbers(&case["codes"]), "{context}");
    let values: Vec<f32> = found.dequantize::<T>().unwrap().iter().map(|v| v.to_f32()).collect();
    assert_eq!(values, numbers(&case["values"]), "{context}");
}

#[test]
fn coremltools_masks() {
    let recorded = recorded();
    for case in recorded["pruned"].as_array().unwrap() {
        let weight = &recorded["weights"][case["weight"].as_str().unwrap()];
        let weights = numbers(&weight["values"]);
        let size = |key: &str| case[key].as_u64().map(|v| v as usize);
        let expected: Vec<bool> = numbers(&case["mask"]).iter().map(|v| *v != 0.0).collect();
        let mask = match (size("dim"), size("n"), size("m")) {
            (Some(dim), Some(n), Some(m)) => prune::n_of_m(&weights, &sizes(&weight["shape"]), dim, n, m).unwrap(),
            _ => prune::by_magnitude(&weights, case["sparsity"].as_f64().unwrap()).unwrap(),
        };
        let found: Vec<bool> = (0..weights.len()).map(|i| mask.contains(i)).collect();
        if case["weight"] == "halves" {
            // Equal magnitudes: upstream prunes by magnitude all that equal the threshold, and n:m in the
            // order of an unstable sort.
            let count = |mask: &[bool]| mask.iter().filter(|kept| **kept).count();
            assert!(count(&found) >= count(&expected), "{case}");
        } else {
            assert_eq!(found, expected, "{case}");
        }
    }
}
