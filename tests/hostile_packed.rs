//! Broken and hostile packed checkpoints: what the index claims and the file does not hold is refused when the
//! model is opened, and what is opened decodes or is a clear error. Never a panic, never memory for what is only
//! claimed.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::slice::from_ref;

use bitmill::model::Model;
use bitmill::values;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A file of tensors (name, type, shape, data), with an index of packed weights.
fn file(index: &Value, tensors: &[(&str, &str, &[usize], &[u8])]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), json!({ "bitmill.packed": index.to_string() }));
    let mut data = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let begin = data.len();
        data.extend_from_slice(bytes);
        header.insert((*name).into(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, data.len()] }));
    }
    let text = Value::Object(header).to_string();
    let mut file = (text.len() as u64).to_le_bytes().to_vec();
    file.extend(text.as_bytes());
    file.extend(data);
    file
}

/// Opens a file as a model and decodes every weight: the values of the first one, or the first error.
fn decode(bytes: &[u8]) -> Result<Vec<f32>, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.safetensors");
    fs::write(&path, bytes).unwrap();
    let plain = |message: String| message.replace(&*path.to_string_lossy(), "m.safetensors");
    let model = Model::open(&path).map_err(|error| plain(error.to_string()))?;
    let data = model.open_data().unwrap();
    let mut first = None;
    for weight in &model.weights {
        if weight.elements() > 1 << 20 {
            continue;
        }
        let values = values::read(&data, &model, weight).map_err(|error| plain(error.to_string()))?;
        first.get_or_insert(values.to_f32());
    }
    Ok(first.unwrap_or_default())
}

fn affine(shape: &[usize], block: &[usize]) -> Value {
    json!({ "name": "a.weight", "shape": shape, "dtype": "F32", "scheme": "int4", "encoding": {
        "kind": "affine", "bits": 4, "signed": true, "block": block, "zero_point": false, "arithmetic": "torchao",
    } })
}

fn palette(shape: &[usize], more: &Value) -> Value {
    let mut encoding = json!({
        "kind": "palette", "bits": 1, "block": shape, "vector": 1, "axis": 0, "int8_entries": false, "scaled": false,
    });
    for (key, value) in more.as_object().unwrap() {
        encoding[key] = value.clone();
    }
    json!({ "name": "a.weight", "shape": shape, "dtype": "F32", "scheme": "lut1", "encoding": encoding })
}

fn index(weights: &[Value]) -> Value {
    json!({ "version": 1, "weights": weights })
}

const SCALES: (&str, &str, &[usize], &[u8]) = ("a.weight:scale", "F32", &[2, 1], &[0, 0, 128, 63, 0, 0, 0, 64]);
const CODES: (&str, &str, &[usize], &[u8]) = ("a.weight:codes", "U8", &[4], &[0x21, 0x43, 0xff, 0x08]);

fn refusal(weights: &[Value], tensors: &[(&str, &str, &[usize], &[u8])]) -> String {
    decode(&file(&index(weights), tensors)).expect_err("it is refused")
}

#[test]
fn a_packed_weight_decodes() {
    let good = decode(&file(&index(&[affine(&[2, 4], &[1, 4])]), &[CODES, SCALES])).unwrap();
    assert_eq!(good, [1.0, 2.0, 3.0, 4.0, -2.0, -2.0, -16.0, 0.0]);
    let table: Vec<u8> = [0.5f32, -1.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let tensors: [(&str, &str, &[usize], &[u8]); 3] = [
        ("a.weight:codes", "U8", &[1], &[0b10]),
        ("a.weight:table", "F32", &[1, 1, 2, 1], &table),
        ("a.weight:mask", "U8", &[1], &[0b1001]),
    ];
    let pruned = palette(&[2, 2], &json!({ "survivors": 2 }));
    assert_eq!(decode(&file(&index(&[pruned]), &tensors)).unwrap(), [0.5, 0.0, 0.0, -1.0]);
}

#[test]
fn what_the_index_claims_must_be_there() {
    let weight = affine(&[2, 4], &[1, 4]);
    let huge: Vec<Value> = (0..8)
        .map(|i| {
            let mut weight = affine(&[1 << 30, 1 << 29], &[1, 1 << 29]);
            weight["name"] = format!("w{i}.weight").into();
            weight
        })
        .collect();
    let other: (&str, &str, &[usize], &[u8]) = ("b.weight", "F32", &[1], &[0; 4]);
    let all = [
        refusal(&huge, &[other]),
        refusal(&[affine(&[1, 1 << 59], &[1, 1 << 59])], &[CODES, SCALES]),
        refusal(&[affine(&[1, 1 << 59], &[1, 1])], &[CODES, SCALES]),
        refusal(from_ref(&weight), &[CODES]),
        refusal(from_ref(&weight), &[SCALES, ("a.weight:codes", "U8", &[3], &[0; 3])]),
        refusal(from_ref(&weight), &[SCALES, ("a.weight:codes", "I8", &[4], &[0; 4])]),
        refusal(from_ref(&weight), &[CODES, ("a.weight:scale", "I64", &[1], &[0; 8])]),
        refusal(from_ref(&weight), &[CODES, SCALES, ("a.weight:mask", "U8", &[1], &[0])]),
        refusal(from_ref(&weight), &[CODES, SCALES, ("a.weight", "F32", &[1], &[0; 4])]),
        refusal(&[weight.clone(), weight.clone()], &[CODES, SCALES]),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
m.safetensors: the packed weight `w0.weight` is broken: its tensor `w0.weight:codes` is missing
m.safetensors: the packed weight `a.weight` is broken: its tensor `a.weight:codes` should have 288230376151711744 bytes, and has 4
m.safetensors: the packed weight `a.weight` is broken: its tensor `a.weight:codes` should have 288230376151711744 bytes, and has 4
m.safetensors: the packed weight `a.weight` is broken: its tensor `a.weight:scale` is missing
m.safetensors: the packed weight `a.weight` is broken: its tensor `a.weight:codes` should have 4 bytes, and has 3
m.safetensors: the packed weight `a.weight` is broken: its tensor `a.weight:codes` is of type int8
m.safetensors: the packed weight `a.weight` is broken: its tensor `a.weight:scale` is of type int64
m.safetensors: the packed weight `a.weight` is broken: the tensor `a.weight:mask` is no part of how it is stored
m.safetensors: the packed weight `a.weight` is broken: a tensor of its own name stands beside its parts
m.safetensors: the packed weight `a.weight` is broken: the index names it twice
");
}

#[test]
fn what_the_index_claims_must_make_sense() {
    let with = |key: &str, value: Value| {
        let mut weight = affine(&[2, 4], &[1, 4]);
        match weight.get(key) {
            Some(_) => weight[key] = value,
            None => weight["encoding"][key] = value,
        }
        refusal(&[weight], &[CODES, SCALES])
    };
    let vectors = json!({ "vector": 2, "survivors": 1 });
    let all = [
        with("shape", json!([u32::MAX, u32::MAX, 4])),
        with("block", json!([1, 3])),
        with("block", json!([0, 4])),
        with("block", json!([4])),
        with("bits", json!(0)),
        with("bits", json!(9)),
        with("dtype", json!("I64")),
        with("arithmetic", json!("roman")),
        with("survivors", json!(9)),
        refusal(&[palette(&[2, 2], &json!({ "axis": 2 }))], &[CODES]),
        refusal(&[palette(&[2, 2], &json!({ "vector": 0 }))], &[CODES]),
        refusal(&[palette(&[2, 2], &json!({ "vector": 3 }))], &[CODES]),
        refusal(&[palette(&[2, 2], &vectors)], &[CODES]),
        decode(&file(&json!({ "version": 2, "weights": [] }), &[CODES])).unwrap_err(),
        decode(&file(&json!({ "version": 1 }), &[CODES])).unwrap_err(),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
m.safetensors: the packed weight `a.weight` is broken: its shape has too many elements
m.safetensors: the packed weight `a.weight` is broken: its blocks do not divide its shape
m.safetensors: the packed weight `a.weight` is broken: its blocks do not divide its shape
m.safetensors: the packed weight `a.weight` is broken: its blocks do not divide its shape
m.safetensors: the packed weight `a.weight` is broken: its codes have no width from 1 to 8
m.safetensors: the packed weight `a.weight` is broken: its codes have no width from 1 to 8
m.safetensors: the packed weight `a.weight` is broken: its type is none that packed weights have
m.safetensors: its index of packed weights is broken: there is no arithmetic `roman` at line 1 column 193
m.safetensors: the packed weight `a.weight` is broken: it stores more values than it has elements
m.safetensors: the packed weight `a.weight` is broken: its axis does not exist
m.safetensors: the packed weight `a.weight` is broken: its vectors do not divide its axis
m.safetensors: the packed weight `a.weight` is broken: its vectors do not divide its axis
m.safetensors: the packed weight `a.weight` is broken: its vectors are pruned in part
m.safetensors: its packed weights are of version 2, which is newer than this program
m.safetensors: its index of packed weights is broken: missing field `weights` at line 1 column 13
");
}

#[test]
fn what_only_the_values_tell_is_refused_when_they_are_read() {
    let mut pruned = affine(&[2, 4], &[1, 4]);
    pruned["encoding"]["survivors"] = 2.into();
    let one: (&str, &str, &[usize], &[u8]) = ("a.weight:codes", "U8", &[1], &[0x21]);
    let table: Vec<u8> = vec![127; 2];
    let int8 = palette(&[2, 2], &json!({ "int8_entries": true }));
    let scale = |value: f32| value.to_le_bytes();
    let half = [0xff, 0x7b]; // the largest binary16
    let all = [
        refusal(from_ref(&pruned), &[one, SCALES, ("a.weight:mask", "U8", &[1], &[0b111])]),
        refusal(
            &[affine(&[1, 3], &[1, 3])],
            &[("a.weight:codes", "U8", &[2], &[0, 0xf0]), ("a.weight:scale", "F32", &[1], &scale(1.0))],
        ),
        refusal(
            &[int8],
            &[
                ("a.weight:codes", "U8", &[1], &[0]),
                ("a.weight:table", "I8", &[2], &table),
                ("a.weight:table_scale", "F16", &[1], &half),
            ],
        ),
    ];
    insta::assert_snapshot!(all.join("\n"), @r"
m.safetensors: the packed weight `a.weight` is broken: its mask counts other elements than are stored
m.safetensors: the packed weight `a.weight` is broken: the unused bits after the last code are not zero
m.safetensors: the packed weight `a.weight` is broken: 8319008 does not fit in fp16
");
    let empty = decode(&file(
        &index(&[affine(&[0, 4], &[1, 4])]),
        &[("a.weight:codes", "U8", &[0], &[]), ("a.weight:scale", "F32", &[0], &[])],
    ));
    assert_eq!(empty, Ok(Vec::new()));
}

#[test]
fn two_shards_do_not_share_a_packed_weight() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let one = file(&index(&[affine(&[2, 4], &[1, 4])]), &[CODES, SCALES]);
    let other: (&str, &str, &[usize], &[u8]) = ("b.weight", "F32", &[1], &[0; 4]);
    fs::write(path("1.safetensors"), one).unwrap();
    fs::write(path("2.safetensors"), file(&index(&[affine(&[4, 4], &[1, 4])]), &[other])).unwrap();
    let map = json!({ "weight_map": {
        "a.weight:codes": "1.safetensors", "a.weight:scale": "1.safetensors", "b.weight": "2.safetensors",
    } });
    fs::write(path("model.safetensors.index.json"), map.to_string()).unwrap();
    let error = Model::open(directory.path()).unwrap_err().to_string();
    let error = error.replace(&*path("2.safetensors").to_string_lossy(), "2.safetensors");
    insta::assert_snapshot!(error, @r"2.safetensors: the packed weight `a.weight` is broken: the index names it twice");
}

/// A small packed checkpoint with every encoding.
fn seed() -> Vec<u8> {
    let table: Vec<u8> = [0.5f32, -1.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let mut vectors = palette(&[2, 4], &json!({ "vector": 2, "axis": 1, "scaled": true, "int8_entries": true }));
    vectors["name"] = "v".into();
    let mut pruned = palette(&[2, 4], &json!({ "survivors": 3 }));
    pruned["name"] = "p".into();
    let sparse = json!({ "name": "s", "shape": [2, 4], "dtype": "F16", "scheme": "sparse 75%",
        "encoding": { "kind": "sparse", "survivors": 2 } });
    file(
        &index(&[affine(&[2, 4], &[1, 4]), vectors, pruned, sparse]),
        &[
            CODES,
            SCALES,
            ("v:codes", "U8", &[1], &[0b0110]),
            ("v:table", "I8", &[1, 1, 2, 2], &[1, 2, 3, 4]),
            ("v:table_scale", "F16", &[1], &[0, 0x3c]),
            ("v:channel_scale", "F16", &[4], &[0, 0x3c, 0, 0x3c, 0, 0x3c, 0, 0x3c]),
            ("p:codes", "U8", &[1], &[0b101]),
            ("p:table", "F32", &[1, 1, 2, 1], &table),
            ("p:mask", "U8", &[1], &[0b1011]),
            ("s:values", "F16", &[2], &[0, 0x3c, 0, 0x40]),
            ("s:mask", "U8", &[1], &[0b11]),
        ],
    )
}

#[test]
fn every_encoding_decodes() {
    decode(&seed()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Digits of the index and bytes of the data, changed at random: an error or values, and never a panic.
    #[test]
    fn changed_checkpoints_decode_or_are_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = seed();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let places: Vec<usize> =
            (8..bytes.len()).filter(|&at| at >= header || bytes[at].is_ascii_digit()).collect();
        for (place, value) in changes {
            let at = places[place.index(places.len())];
            bytes[at] = if at >= header { value } else { b'0' + value % 10 };
        }
        if let Err(message) = decode(&bytes) {
            prop_assert!(message.len() < 1000, "{}", message);
        }
    }
}

#[test]
fn a_tensor_that_is_gone_is_named_with_its_file() {
    let model = Model::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models/digits.safetensors")).unwrap();
    let data = model.open_data().unwrap();
    let error = data.tensor("a.weight:mask").unwrap_err().to_string();
    assert!(error.contains("digits.safetensors: tensor `a.weight:mask`"), "{error}");
}
