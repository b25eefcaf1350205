//! Every case of torchao's `IntxWeightOnlyConfig`, bit for bit.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use bitmill::quant::affine::{AffineSpec, Quantized, quantize};
use bitmill::quant::element::Element;
use bitmill::scheme::{Arithmetic, FloatType, Mapping, ScaleSearch};
use common::golden::Golden;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;

#[derive(Default, Debug, PartialEq)]
struct Counts {
    exact_cases: usize,
    exact_tensors: usize,
    hqq_cases: usize,
    hqq_weights: usize,
    /// Codes of HQQ that differ because `w / scale` is next to a tie.
    hqq_codes_at_ties: usize,
}

#[test]
fn every_recipe_gives_torchaos_integers() {
    for golden in Golden::sources("intx") {
        let mut counts = Counts::default();
        for (name, case) in golden.cases() {
            let weights = golden.tensors(case["inputs"].as_str().unwrap().trim_end_matches(".safetensors"));
            let expected = golden.tensors(name);
            let context = format!("{}: {name}", golden.origin);
            match case["recipe"]["input_dtype"].as_str().unwrap() {
                "f32" => check_case::<f32>(&context, &case, &weights, &expected, &mut counts),
                "f16" => check_case::<f16>(&context, &case, &weights, &expected, &mut counts),
                "bf16" => check_case::<bf16>(&context, &case, &weights, &expected, &mut counts),
                other => panic!("{context}: unknown input type {other}"),
            }
        }
        println!("{}: {counts:?}", golden.origin);
        let at_ties = counts.hqq_codes_at_ties;
        let all = Counts {
            exact_cases: 140,
            exact_tensors: 140 * 21 * 4,
            hqq_cases: 18,
            hqq_weights: 18 * 21,
            hqq_codes_at_ties: at_ties,
        };
        assert_eq!(counts, all);
        assert!(at_ties <= 8, "{at_ties} codes of HQQ differ");
    }
}

fn check_case<T: Element>(
    context: &str,
    case: &Value,
    weights: &SafeTensors,
    expected: &SafeTensors,
    counts: &mut Counts,
) {
    let spec = spec(&case["recipe"]);
    match spec.search {
        ScaleSearch::Hqq => counts.hqq_cases += 1,
        _ => counts.exact_cases += 1,
    }
    for weight in case["weights"].as_array().unwrap() {
        let weight = weight.as_str().unwrap();
        let context = format!("{context}: {weight}");
        let part = |part: &str| expected.tensor(&format!("{weight}/{part}")).unwrap();
        let view = weights.tensor(weight).unwrap();
        let values = read::<T>(&view);
        let [rows, columns] = view.shape() else { panic!("{context}: rank") };
        let block = [1, columns / part("scale").shape()[1]];
        let quantized = quantize(&values, &[*rows, *columns], &block, &spec).unwrap();
        assert_eq!(quantized.scale_shape(), part("scale").shape(), "{context}");
        assert_eq!(float_type(part("scale").dtype()), quantized.scale_type, "{context}");
        if spec.search == ScaleSearch::Hqq {
            counts.hqq_weights += 1;
            counts.hqq_codes_at_ties += close(&context, &values, &quantized, part);
        } else {
            counts.exact_tensors += 4;
            exact::<T>(&context, &quantized, part);
        }
    }
}

/// Every integer and every float the same; NaN is NaN.
fn exact<'a, T: Element>(context: &str, quantized: &Quantized, part: impl Fn(&str) -> TensorView<'a>) {
    assert_eq!(quantized.codes, integers(&part("qdata")), "{context}: qdata");
    assert_eq!(quantized.zero_points, integers(&part("zero_point")), "{context}: zero_point");
    same(&format!("{context}: scale"), &quantized.scales, &floats(&part("scale")));
    let values: Vec<f32> = quantized.dequantize::<T>().unwrap().iter().map(|v| v.to_f32()).collect();
    let dequantized = part("dequantized");
    assert_eq!(float_type(dequantized.dtype()), T::FLOAT, "{context}");
    same(&format!("{context}: dequantized"), &values, &floats(&dequantized));
}

fn same(context: &str, ours: &[f32], upstreams: &[f32]) {
    assert_eq!(ours.len(), upstreams.len(), "{context}");
    for (i, (a, b)) in ours.iter().zip(upstreams).enumerate() {
        let equal = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        assert!(equal, "{context}[{i}]: {a:e} instead of {b:e}");
    }
}

/// HQQ adds in torch's order, which nobody repeats: scales to a relative 1e-5 (and one rounding of their
/// type), codes the same unless `w / scale` is within 1e-4 of a tie. Returns the number of those.
fn close<'a, T: Element>(
    context: &str,
    weights: &[T],
    quantized: &Quantized,
    part: impl Fn(&str) -> TensorView<'a>,
) -> usize {
    let scales = floats(&part("scale"));
    let ulp = match quantized.scale_type {
        FloatType::Fp16 => 2f32.powi(-10),
        FloatType::Bf16 => 2f32.powi(-7),
        _ => 0.0,
    };
    for (i, (a, b)) in quantized.scales.iter().zip(&scales).enumerate() {
        let equal = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= (1e-5 + ulp) * b.abs();
        assert!(equal, "{context}: scale[{i}]: {a:e} instead of {b:e}");
    }
    assert!(quantized.zero_points.iter().all(|z| *z == 0), "{context}");
    assert!(integers(&part("zero_point")).iter().all(|z| *z == 0), "{context}");
    let group_len = quantized.block[1];
    let mut at_ties = 0;
    for (i, (a, b)) in quantized.codes.iter().zip(integers(&part("qdata"))).enumerate() {
        if *a != b {
            // The codes divide by the scale before it is rounded, which the data does not have.
            let steps = f64::from(weights[i].to_f32()) / f64::from(scales[i / group_len]);
            let from_tie = (steps - steps.floor() - 0.5).abs();
            let slack = 1e-4 + f64::from(ulp) * steps.abs();
            assert!(from_tie < slack, "{context}: qdata[{i}]: {a} instead of {b} at {steps}");
            at_ties += 1;
        }
    }
    at_ties
}

fn spec(recipe: &Value) -> AffineSpec {
    let text = |key: &str| recipe[key].as_str();
    AffineSpec {
        bits: text("weight_dtype").unwrap()["int".len()..].parse().unwrap(),
        signed: true,
        mapping: match text("mapping_type").unwrap() {
            "symmetric" => Mapping::Symmetric,
            "symmetric-no-clipping-err" => Mapping::SymmetricNoClipping,
            "asymmetric" => Mapping::Asymmetric,
            other => panic!("unknown mapping {other}"),
        },
        arithmetic: Arithmetic::Torchao,
        scale: text("scale_dtype").map(|name| match name {
            "f32" => FloatType::Fp32,
            "f16" => FloatType::Fp16,
            "bf16" => FloatType::Bf16,
            other => panic!("unknown scale type {other}"),
        }),
        search: match text("algorithm").unwrap() {
            "affine" => ScaleSearch::MinMax,
            "hqq-scale-only" => ScaleSearch::Hqq,
            other => panic!("unknown algorithm {other}"),
        },
    }
}

fn float_type(dtype: Dtype) -> FloatType {
    match dtype {
        Dtype::F32 => FloatType::Fp32,
        Dtype::F16 => FloatType::Fp16,
        Dtype::BF16 => FloatType::Bf16,
        other => panic!("unexpected type {other:?}"),
    }
}

fn integers(view: &TensorView) -> Vec<i8> {
    assert_eq!(view.dtype(), Dtype::I8);
    view.data().iter().map(|b| b.cast_signed()).collect()
}

fn floats(view: &TensorView) -> Vec<f32> {
    let data = view.data();
    let halves = || data.as_chunks::<2>().0.iter().copied().map(u16::from_le_bytes);
    match view.dtype() {
        Dtype::F32 => data.as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect(),
        Dtype::F16 => halves().map(|h| f16::from_bits(h).to_f32()).collect(),
        Dtype::BF16 => halves().map(|h| bf16::from_bits(h).to_f32()).collect(),
        other => panic!("unexpected type {other:?}"),
    }
}

fn read<T: Element>(view: &TensorView) -> Vec<T> {
    assert_eq!(float_type(view.dtype()), T::FLOAT);
    floats(view).into_iter().map(T::from_f32).collect()
}
