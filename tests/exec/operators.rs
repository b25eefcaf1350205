//! Each operator against PyTorch (`tests/upstream/exec_operators.py`).

use std::io::Read;

use bitmill::exec::{Data, Executable, Tensor};
use bitmill::graph::{Binding, ElementType, Literal, NamedType, NoBlobs, Program, TensorType, Type};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{literal, named, op, program, value};

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/exec/operators.json.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    serde_json::from_str::<Vec<Value>>(&text).unwrap()
}

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        other => other.as_f64().unwrap(),
    }
}

/// A tensor as the script writes it. Those of types that are not computed with have bytes only.
fn bytes(written: &Value) -> (TensorType, Vec<u8>) {
    let element = ElementType::by_name(written["dtype"].as_str().unwrap()).unwrap();
    let shape: Vec<u64> = written["shape"].as_array().unwrap().iter().map(|size| size.as_u64().unwrap()).collect();
    let width = element.bits() as usize / 8;
    let each = written["values"].as_array().unwrap().iter().map(number);
    let bytes = match element {
        ElementType::Fp32 => each.flat_map(|value| (value as f32).to_le_bytes()).collect(),
        ElementType::Fp16 => each.flat_map(|value| half::f16::from_f64(value).to_le_bytes()).collect(),
        _ => each.flat_map(|value| (value as i64).to_le_bytes().into_iter().take(width)).collect(),
    };
    (TensorType::new(element, shape), bytes)
}

fn tensor(written: &Value) -> Tensor {
    let (ty, bytes) = bytes(written);
    let shape = ty.sizes().unwrap().into_iter().map(|size| size as usize).collect();
    Tensor::from_bytes(ty.element, shape, &bytes).unwrap()
}

fn constant(written: &Value) -> Literal {
    match written["text"].as_str() {
        Some(text) => Literal::string(text),
        None => {
            let (ty, bytes) = bytes(written);
            Literal::bytes(ty, bytes)
        }
    }
}

/// The case as a program, with its inputs.
fn built(case: &Value) -> (Program, Vec<(String, Tensor)>) {
    let mut inputs = Vec::new();
    let mut bound = Vec::new();
    for (parameter, values) in case["live"].as_object().unwrap() {
        let mut bindings = Vec::new();
        for (i, written) in values.as_array().unwrap().iter().enumerate() {
            let name = format!("{parameter}_{i}");
            bindings.push(value(&name));
            inputs.push((name, tensor(written)));
        }
        bound.push((parameter.as_str(), bindings));
    }
    for (parameter, written) in case["const"].as_object().unwrap() {
        bound.push((parameter.as_str(), vec![Binding::Literal(constant(written))]));
    }
    let outputs: Vec<NamedType> = case["outputs"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(i, written)| named(&format!("out_{i}"), bytes(written).0))
        .collect();
    let names: Vec<String> = outputs.iter().map(|output| output.name.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let declared = inputs.iter().map(|(name, tensor)| named(name, tensor.ty())).collect();
    let operation = op(case["kind"].as_str().unwrap(), &bound, &outputs);
    (program(case["opset"].as_str().unwrap(), declared, vec![operation], &names), inputs)
}

/// Where two values are further apart than a share of the largest, or differ in kind.
fn difference(found: &Tensor, expected: &Tensor, tolerance: f64) -> Option<String> {
    if found.ty() != expected.ty() {
        return Some(format!("{found} instead of {expected}"));
    }
    let (Data::Floats(a), Data::Floats(b)) = (found.data(), expected.data()) else {
        return (found != expected).then(|| format!("{:?} instead of {:?}", found.data(), expected.data()));
    };
    a.iter().zip(b.iter()).enumerate().find_map(|(i, (a, b))| {
        let same = a == b || (a.is_nan() && b.is_nan());
        let near = f64::from((a - b).abs()) <= tolerance * f64::from(b.abs()).max(1.0);
        (!same && !near).then(|| format!("{a} instead of {b} at {i}"))
    })
}

#[test]
fn operators_give_what_pytorch_gives() {
    let mut failures = Vec::new();
    for (i, case) in cases().iter().enumerate() {
        let kind = case["kind"].as_str().unwrap();
        let (program, inputs) = built(case);
        let ran = Executable::new(&program, "main", &NoBlobs)
            .and_then(|made| made.run(inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.clone()))));
        let outputs = match ran {
            Ok(outputs) => outputs,
            Err(error) => {
                failures.push(format!("{i} {kind}: {error}"));
                continue;
            }
        };
        for ((_, found), written) in outputs.iter().zip(case["outputs"].as_array().unwrap()) {
            let tolerance = case["tolerance"].as_f64().unwrap();
            failures.extend(difference(found, &tensor(written), tolerance).map(|what| format!("{i} {kind}: {what}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every operator of the table that has a kernel is compared with PyTorch, or stands here with its reason.
#[test]
fn every_kernel_is_compared() {
    let compared: std::collections::BTreeSet<String> =
        cases().iter().map(|case| case["kind"].as_str().unwrap().to_owned()).collect();
    let mut missing: Vec<&str> = bitmill::graph::ops::operators()
        .map(|operator| operator.kind)
        .filter(|kind| Executable::runs(kind) && !compared.contains(*kind))
        .collect();
    missing.sort_unstable();
    insta::assert_snapshot!(missing.join(" "), @"batch_to_space cond fill_like identity read_state reshape_like reverse_sequence space_to_batch while_loop write_state");
}

/// A unary operator over any shape.
fn one_input(kind: &str, shape: &[usize]) -> Program {
    let ty = Type::tensor(ElementType::Fp32, shape.iter().map(|size| *size as u64));
    let operation = op(kind, &[("x", vec![value("x")])], &[named("y", ty.clone())]);
    program("CoreML8", vec![named("x", ty)], vec![operation], &["y"])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Shapes of results are those that the rules tell, for whatever shapes: else a run would end with an error.
    #[test]
    fn shapes_are_those_of_the_rules(
        x in prop::collection::vec(0usize..5, 0..5),
        spread in prop::collection::vec(any::<bool>(), 5),
        kernel in 1usize..4,
        stride in 1usize..4,
        pad in 0usize..3,
    ) {
        let count: usize = x.iter().product();
        let values: Vec<f32> = (0..count).map(|i| i as f32 * 0.25 - 3.0).collect();
        let input = Tensor::floats(&x, values).unwrap();
        for kind in ["relu", "gelu", "softmax", "tanh", "identity"] {
            let made = Executable::new(&one_input(kind, &x), "main", &NoBlobs).unwrap();
            let result = made.run([("x", input.clone())]);
            if kind == "softmax" && x.is_empty() { continue }
            let outputs = result.unwrap();
            prop_assert_eq!(outputs[0].1.shape(), &x[..]);
        }
        // The same with some dimensions single, added and transposed.
        let y: Vec<usize> = x.iter().zip(&spread).map(|(size, single)| if *single { 1 } else { *size }).collect();
        let other = Tensor::floats(&y, vec![0.5; y.iter().product()]).unwrap();
        let ty = |shape: &[usize]| Type::tensor(ElementType::Fp32, shape.iter().map(|size| *size as u64));
        let sum = op("add", &[("x", vec![value("x")]), ("y", vec![value("y")])], &[named("z", ty(&x))]);
        let inputs = vec![named("x", ty(&x)), named("y", ty(&y))];
        let made = Executable::new(&program("CoreML8", inputs, vec![sum], &["z"]), "main", &NoBlobs).unwrap();
        let outputs = made.run([("x", input.clone()), ("y", other)]).unwrap();
        prop_assert_eq!(outputs[0].1.shape(), &x[..]);
        // A depthwise and an ordinary convolution of an image of this size, which may not fit.
        if let [height, width, ..] = x[..] {
            let image = Tensor::floats(&[2, 3, height, width], vec![1.0; 6 * height * width]).unwrap();
            for groups in [1usize, 3] {
                let weight = Tensor::floats(&[6, 3 / groups, kernel, kernel], vec![1.0; 18 / groups * kernel * kernel]);
                let int = |values: &[i32]| vec![Binding::Literal(Literal::int32s(values))];
                let bound = [
                    ("x", vec![value("x")]),
                    ("weight", vec![Binding::Literal(literal(&weight.unwrap()))]),
                    ("strides", int(&[stride as i32; 2])),
                    ("pad", int(&[pad as i32; 4])),
                    ("pad_type", vec![Binding::Literal(Literal::string("custom"))]),
                    ("groups", vec![Binding::Literal(Literal::int32(groups as i32))]),
                ];
                let out = Type::Tensor(TensorType::unranked(ElementType::Fp32));
                let conv = op("conv", &bound, &[named("y", out)]);
                let inputs = vec![named("x", ty(image.shape()))];
                let made = Executable::new(&program("CoreML8", inputs, vec![conv], &["y"]), "main", &NoBlobs).unwrap();
                if let Ok(outputs) = made.run([("x", image.clone())]) {
                    let side = |size: usize| (size + 2 * pad - kernel) / stride + 1;
                    prop_assert_eq!(outputs[0].1.shape(), &[2, 6, side(height), side(width)]);
                    // Without padding every sum is over the whole window.
                    let all = outputs[0].1.as_floats().unwrap();
                    let whole = (3 / groups * kernel * kernel) as f32;
                    prop_assert!(all.iter().all(|sum| *sum <= whole && (pad > 0 || *sum == whole)));
                }
            }
        }
    }
}
