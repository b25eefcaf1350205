//! Every case of torchao's `CodebookWeightOnlyConfig`: our tables are the recorded optimum.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use bitmill::quant::element::Element;
use bitmill::quant::palette::{EntryType, PaletteError, PaletteSpec, Palettized, quantize};
use common::golden::Golden;
use half::{bf16, f16};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::Value;

#[derive(Default, Debug, PartialEq)]
struct Counts {
    cases: usize,
    weights: usize,
    tables: usize,
    /// Weights whose recorded result is corrupt: fewer distinct values than entries, and still an error.
    corrupt_upstream: usize,
}

#[test]
fn every_table_is_the_optimum() {
    for golden in Golden::sources("codebook") {
        let mut counts = Counts::default();
        for (name, case) in golden.cases() {
            counts.cases += 1;
            let inputs = case["inputs"].as_str().unwrap();
            let inputs = golden.tensors(inputs.trim_end_matches(".safetensors"));
            for (weight, recorded) in case["weights"].as_object().unwrap() {
                let context = format!("{}: {name}: {weight}", golden.origin);
                let view = inputs.tensor(weight).unwrap();
                match case["recipe"]["input_dtype"].as_str().unwrap() {
                    "f32" => check::<f32>(&context, &case, recorded, &view, &mut counts),
                    "f16" => check::<f16>(&context, &case, recorded, &view, &mut counts),
                    other => panic!("{context}: unknown input type {other}"),
                }
            }
        }
        println!("{}: {counts:?}", golden.origin);
        assert_eq!((counts.cases, counts.weights), (41, 38 * 13 + 3));
        assert!(counts.tables > 1500);
        assert!(counts.corrupt_upstream > 0);
    }
}

fn values<T: Element>(view: &TensorView) -> Vec<T> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => {
            let (words, []) = bytes.as_chunks() else { panic!("half a number") };
            let wide = words.iter().map(|w| f32::from_le_bytes(*w));
            wide.map(T::from_f32).collect()
        }
        Dtype::F16 => {
            let (words, []) = bytes.as_chunks() else { panic!("half a number") };
            let wide = words.iter().map(|w| f16::from_le_bytes(*w).to_f32());
            wide.map(T::from_f32).collect()
        }
        other => panic!("unexpected {other:?}"),
    }
}

fn spec(recipe: &Value, shape: &[usize]) -> PaletteSpec {
    // -1 is the whole axis.
    let size = |(s, &whole): (&Value, &usize)| usize::try_from(s.as_i64().unwrap()).unwrap_or(whole);
    let block = recipe["block_size"].as_array().unwrap();
    PaletteSpec {
        block: Some(block.iter().zip(shape).map(size).collect()),
        ..PaletteSpec::per_tensor(u8::try_from(recipe["bits"].as_u64().unwrap()).unwrap())
    }
}

fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().unwrap();
    list.iter().map(|v| v.as_f64().unwrap()).collect()
}

fn check<T: Element>(context: &str, case: &Value, recorded: &Value, view: &TensorView, counts: &mut Counts) {
    let weights: Vec<T> = values(view);
    let spec = spec(&case["recipe"], view.shape());
    let ours = quantize(&weights, view.shape(), &spec, None, &|| false).unwrap();
    let shape: Vec<f64> = ours.table_shape().iter().map(|&s| s as f64).collect();
    assert_eq!(shape, numbers(&recorded["codebook_shape"]), "{context}");

    let squares: f64 = weights.iter().map(|w| f64::from(w.to_f32()).powi(2)).sum();
    let tiny = squares * 1e-13;
    let optimal = numbers(&recorded["optimal_sse_per_table"]);
    let upstream = numbers(&recorded["sse_per_table"]);
    let distinct = numbers(&recorded["unique_values_per_table"]);
    let exact = errors(&ours, &weights, |at| ours.exact_tables[at]);
    let rounded = errors(&ours, &weights, |at| f64::from(ours.tables[at]));
    for table in 0..optimal.len() {
        let context = format!("{context}, table {table}");
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * a.abs() + tiny;
        let (found, best) = (ours.exact_sse[table], optimal[table]);
        assert!(near(found, best), "{context}: {found:e}, not {best:e}");
        assert!(found <= upstream[table] * (1.0 + 1e-9) + tiny, "{context}");
        // What is reported is what the codes and tables come to.
        assert!(near(found, exact[table]), "{context}: {:e}", exact[table]);
        assert!(near(ours.sse[table], rounded[table]), "{context}");
        // Means are best, so rounding them costs.
        assert!(ours.sse[table] >= found * (1.0 - 1e-9), "{context}");
        let used = distinct[table].min(ours.entries() as f64);
        assert_eq!(f64::from(ours.entries_used[table]), used, "{context}");
        let entries = &ours.tables[table * ours.entries()..(table + 1) * ours.entries()];
        assert!(entries.is_sorted(), "{context}");
        counts.tables += 1;
    }
    counts.weights += 1;
    let few = distinct.iter().all(|&d| d <= ours.entries() as f64);
    counts.corrupt_upstream += usize::from(few && recorded["sse"].as_f64().unwrap() > 100.0);
}

/// The squared error of each table, from codes and entries.
fn errors<T: Element>(ours: &Palettized, weights: &[T], entry: impl Fn(usize) -> f64) -> Vec<f64> {
    let [rows, columns] = ours.shape[..] else { panic!("rank 2") };
    let (high, wide) = (rows / ours.grid[0], columns / ours.grid[1]);
    let mut errors = vec![0.0; ours.sse.len()];
    for (at, weight) in weights.iter().enumerate() {
        let table = at / columns / high * ours.grid[1] + at % columns / wide;
        let value = entry(table * ours.entries() + usize::from(ours.codes[at]));
        errors[table] += (f64::from(weight.to_f32()) - value).powi(2);
    }
    errors
}

#[test]
fn dequantized_weights_are_entries_of_the_weights_type() {
    for golden in Golden::sources("codebook") {
        let inputs = golden.tensors("inputs-f16");
        for (name, view) in inputs.tensors() {
            let weights: Vec<f16> = values(&view);
            let spec = PaletteSpec { block: Some([&[8], &view.shape()[1..]].concat()), ..PaletteSpec::per_tensor(3) };
            let ours = quantize(&weights, view.shape(), &spec, None, &|| false).unwrap();
            let again: Vec<f16> = ours.dequantize();
            let off = |(a, b): (&f16, &f16)| (a.to_f64() - b.to_f64()).powi(2);
            let sum: f64 = weights.iter().zip(&again).map(off).sum();
            assert!((sum - ours.sse.iter().sum::<f64>()).abs() <= 1e-9 * sum, "{name}");
            let of_type = |&e: &f32| f16::from_f32(e).to_f32() == e;
            assert!(ours.tables.iter().all(of_type), "{name}");
        }
    }
}

#[test]
fn what_upstream_refuses_or_breaks() {
    for golden in Golden::sources("codebook") {
        let inputs = golden.tensors("inputs-f32");
        let view = inputs.tensor("normal").unwrap();
        // bfloat16: a TypeError upstream.
        let weights: Vec<bf16> = values(&view);
        let spec = PaletteSpec { entries: EntryType::Fp16, ..PaletteSpec::per_tensor(4) };
        let ours = quantize(&weights, view.shape(), &spec, None, &|| false).unwrap();
        assert!(ours.sse.iter().sum::<f64>() > 0.0);
        // NaN: an error with its place.
        let mut weights: Vec<f32> = values(&view);
        weights[3 * view.shape()[1] + 5] = f32::NAN;
        let refused = quantize(&weights, view.shape(), &spec, None, &|| false).unwrap_err();
        assert!(matches!(refused, PaletteError::NotFinite { index, .. } if index == [3, 5]));
        // 5 bits: a KeyError in lowering upstream; here stored as 6.
        let weights: Vec<f16> = values(&view);
        let spec = PaletteSpec::per_tensor(5);
        let ours = quantize(&weights, view.shape(), &spec, None, &|| false).unwrap();
        assert_eq!(ours.entries(), 32);
    }
}
