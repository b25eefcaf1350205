//! Constants found in programs: as coremltools finds them, and in packages that hold compressed ones.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod graph_common;

use bitmill::graph::NoBlobs;
use bitmill::graph::weights::{Granularity, Role, Weight, Weights, weights};
use graph_common::{archive, full_set, json};

/// The constants of every program, their users and axes of channels are those of coremltools.
#[test]
fn constants_users_and_axes_are_those_of_coremltools() {
    let mut compared = 0;
    for package in archive("operators").iter().filter(|package| !package.name.starts_with("state")) {
        let found = weights(&package.program(), &NoBlobs);
        let plain: Vec<&Weight> = found.all.iter().filter(|weight| weight.compression.is_none()).collect();
        let theirs = json("operators", &format!("{}.weights.json", package.name));
        let theirs = theirs.as_array().unwrap();
        let names: Vec<&str> = theirs.iter().map(|row| row["name"].as_str().unwrap()).collect();
        let ours: Vec<&str> = plain.iter().map(|weight| &*weight.operation).collect();
        assert_eq!(ours, names, "{}", package.name);
        for (weight, row) in plain.iter().zip(theirs) {
            let context = format!("{}: {}", package.name, weight.name);
            let mut users: Vec<&str> = weight.uses.iter().map(|used| &*used.kind).collect();
            users.sort_unstable();
            assert_eq!(serde_json::json!(users), row["users"], "{context}");
            assert_eq!(serde_json::json!(weight.ty.sizes().unwrap()), row["shape"], "{context}");
            // coremltools names axes that do not exist where there is one dimension.
            if weight.ty.shape.len() < 2 {
                continue;
            }
            let axes = weight.axes();
            assert_eq!(serde_json::json!(axes.map(|axes| axes.output)), row["output_axis"], "{context}");
            assert_eq!(serde_json::json!(axes.map(|axes| axes.input)), row["input_axis"], "{context}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}

fn of(archive_name: &str, name: &str) -> Weights {
    let package = archive(archive_name).into_iter().find(|package| package.name == name).unwrap();
    weights(&package.program(), &NoBlobs)
}

fn line(weight: &Weight) -> String {
    let uses: Vec<String> =
        weight.uses.iter().map(|used| format!("{}.{} {:?}", used.kind, used.parameter, used.role)).collect();
    let kind = weight.compression.as_ref().map_or("plain".to_owned(), |compression| {
        let grain = |granularity: &Granularity| format!("{granularity:?}");
        let affine = compression.affine.as_ref().map(|affine| {
            let offset = if affine.offset { " with offsets" } else { "" };
            format!("{}{offset} {}", affine.codes.name(), grain(&affine.granularity))
        });
        let palette = compression.palette.as_ref().map(|palette| {
            format!("tables of {} vector {} {}", palette.entries.name(), palette.vector, grain(&palette.granularity))
        });
        let sparse = compression.sparse.map(|count| format!("{} values", count.unwrap()));
        let parts: Vec<String> = [sparse, palette, affine].into_iter().flatten().collect();
        format!("{} bits, {}", compression.bits, parts.join(", "))
    });
    let bytes = weight.bytes.map_or("?".to_owned(), |bytes| bytes.to_string());
    let candidate = &weight.candidates()[0];
    format!("{candidate} {}: {kind}; {bytes} B; {}", weight.ty, uses.join(", "))
}

fn lines(weights: &Weights) -> String {
    weights.all.iter().filter(|weight| weight.ty.shape.len() > 1).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn weights_of_a_language_model_in_blocks() {
    let found = of("lowered", "tiny-lm--embedding-int8-axis-linear-int4-group32--iOS18");
    insta::assert_snapshot!(lines(&found), @"
    torchao_dequantize_affine_default fp16[128, 64]: 8 bits, int8 PerChannel(0); 8448 B; gather.x Embedding
    layers.0.attention.q_proj.weight fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    torchao_dequantize_affine_default_2 fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    layers.0.attention.v_proj.weight fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    layers.0.attention.o_proj.weight fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    torchao_dequantize_affine_default_5 fp16[128, 64]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    torchao_dequantize_affine_default_6 fp16[128, 64]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    torchao_dequantize_affine_default_7 fp16[64, 128]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    layers.1.attention.q_proj.weight fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    torchao_dequantize_affine_default_9 fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    layers.1.attention.v_proj.weight fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    layers.1.attention.o_proj.weight fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    torchao_dequantize_affine_default_12 fp16[128, 64]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    torchao_dequantize_affine_default_13 fp16[128, 64]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    torchao_dequantize_affine_default_14 fp16[64, 128]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    torchao_dequantize_affine_default_15 fp16[128, 64]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    ");
}

#[test]
fn weights_of_a_language_model_in_palettes() {
    let found = of("lowered", "tiny-lm--mixed-codebook4-embedding-int4-linear--iOS18");
    insta::assert_snapshot!(lines(&found), @"
    quant_dequantize_codebook_default fp16[128, 64]: 4 bits, tables of fp16 vector 1 PerBlock([16, 64]); 4352 B; gather.x Embedding
    layers.0.attention.q_proj.weight fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    torchao_dequantize_affine_default_1 fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    layers.0.attention.v_proj.weight fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    layers.0.attention.o_proj.weight fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    torchao_dequantize_affine_default_4 fp16[128, 64]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    torchao_dequantize_affine_default_5 fp16[128, 64]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    torchao_dequantize_affine_default_6 fp16[64, 128]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    layers.1.attention.q_proj.weight fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    torchao_dequantize_affine_default_8 fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    layers.1.attention.v_proj.weight fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    layers.1.attention.o_proj.weight fp16[64, 64]: 4 bits, int4 PerBlock([1, 32]); 2304 B; linear.weight Linear
    torchao_dequantize_affine_default_11 fp16[128, 64]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    torchao_dequantize_affine_default_12 fp16[128, 64]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    torchao_dequantize_affine_default_13 fp16[64, 128]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    torchao_dequantize_affine_default_14 fp16[128, 64]: 4 bits, int4 PerBlock([1, 32]); 4608 B; linear.weight Linear
    ");
}

#[test]
fn weights_of_a_network_before_core_ml_8() {
    let found = of("lowered", "residual-cnn--static-8bit--iOS17");
    insta::assert_snapshot!(lines(&found), @"
    stem.weight fp16[16, 3, 3, 3]: 8 bits, int8 with offsets PerChannel(0); 480 B; conv.weight Conv { groups: 1 }
    block1.conv1.weight fp16[16, 1, 3, 3]: 8 bits, int8 with offsets PerChannel(0); 192 B; conv.weight Conv { groups: 16 }
    block1.conv2.weight fp16[16, 16, 1, 1]: 8 bits, int8 with offsets PerChannel(0); 304 B; conv.weight Conv { groups: 1 }
    block2.conv1.weight fp16[16, 16, 3, 3]: 8 bits, int8 with offsets PerChannel(0); 2352 B; conv.weight Conv { groups: 1 }
    block2.conv2.weight fp16[16, 16, 1, 1]: 8 bits, int8 with offsets PerChannel(0); 304 B; conv.weight Conv { groups: 1 }
    gate.weight fp16[16, 16, 1, 1]: 8 bits, int8 with offsets PerChannel(0); 304 B; conv.weight Conv { groups: 1 }
    head.weight fp16[10, 16]: 8 bits, int8 with offsets PerChannel(0); 190 B; linear.weight Linear
    ");
}

#[test]
fn chains_of_compression() {
    insta::assert_snapshot!(lines(&of("operators", "compressed_8-CoreML8")), @"
    constexpr_blockwise_shift_scale_0 fp16[32, 64]: 4 bits, int4 PerBlock([1, 16]); 1280 B; linear.weight Linear
    constexpr_blockwise_shift_scale_1 fp16[32, 64]: 4 bits, int4 PerTensor; 1027 B; linear.weight Linear
    constexpr_blockwise_shift_scale_2 fp16[32, 64]: 4 bits, uint4 PerBlock([1, 16]); 1280 B; linear.weight Linear
    constexpr_blockwise_shift_scale_3 fp16[32, 64]: 4 bits, uint4 PerTensor; 1027 B; linear.weight Linear
    constexpr_blockwise_shift_scale_4 fp16[32, 64]: 8 bits, int8 PerBlock([1, 16]); 2304 B; linear.weight Linear
    constexpr_blockwise_shift_scale_5 fp16[32, 64]: 8 bits, int8 PerTensor; 2051 B; linear.weight Linear
    constexpr_blockwise_shift_scale_6 fp16[32, 64]: 8 bits, uint8 PerBlock([1, 16]); 2304 B; linear.weight Linear
    constexpr_blockwise_shift_scale_7 fp16[32, 64]: 8 bits, uint8 PerTensor; 2051 B; linear.weight Linear
    constexpr_lut_to_dense_0 fp16[32, 64]: 1 bits, tables of fp16 vector 1 PerBlock([8, 64]); 272 B; linear.weight Linear
    constexpr_lut_to_dense_1 fp16[32, 64]: 2 bits, tables of fp16 vector 1 PerBlock([8, 64]); 544 B; linear.weight Linear
    constexpr_lut_to_dense_2 fp16[32, 64]: 3 bits, tables of fp16 vector 1 PerBlock([8, 64]); 832 B; linear.weight Linear
    constexpr_lut_to_dense_3 fp16[32, 64]: 4 bits, tables of fp16 vector 1 PerBlock([8, 64]); 1152 B; linear.weight Linear
    constexpr_lut_to_dense_4 fp16[32, 64]: 6 bits, tables of fp16 vector 1 PerBlock([8, 64]); 2048 B; linear.weight Linear
    constexpr_lut_to_dense_5 fp16[32, 64]: 8 bits, tables of fp16 vector 1 PerBlock([8, 64]); 4096 B; linear.weight Linear
    constexpr_lut_to_dense_6 fp16[64, 64]: 4 bits, tables of fp16 vector 4 PerBlock([32, 64]); 768 B; linear.weight Linear
    constexpr_sparse_to_dense_0 fp16[32, 64]: 16 bits, 5 values; 266 B; linear.weight Linear
    constexpr_sparse_to_dense_1 fp16[32, 64]: 4 bits, 5 values, tables of fp16 vector 1 PerTensor; 291 B; linear.weight Linear
    constexpr_sparse_to_dense_2 fp16[64, 64]: 2 bits, 10 values, tables of fp16 vector 2 PerTensor; 274 B; linear.weight Linear
    constexpr_sparse_to_dense_3 fp16[32, 64]: 8 bits, 5 values, int8 PerChannel(0); 325 B; linear.weight Linear
    constexpr_lut_to_dense_7 fp16[32, 64]: 4 bits, tables of int8 vector 1 PerTensor; 1042 B; linear.weight Linear
    ");
    insta::assert_snapshot!(lines(&of("operators", "compressed_6-CoreML6")), @"
    constexpr_affine_dequantize_0 fp16[64, 64]: 8 bits, int8 with offsets PerChannel(0); 4288 B; linear.weight Linear
    constexpr_affine_dequantize_1 fp16[64, 64]: 8 bits, uint8 with offsets PerTensor; 4099 B; linear.weight Linear
    constexpr_lut_to_dense_0 fp16[64, 64]: 6 bits, tables of fp16 vector 1 PerTensor; 3200 B; linear.weight Linear
    constexpr_sparse_to_dense_0 fp16[64, 64]: 16 bits, 3 values; 518 B; linear.weight Linear
    ");
}

#[test]
fn one_constant_of_two_users_that_disagree() {
    let found = of("operators", "constants-CoreML5");
    let conflict = found.all.iter().find(|weight| &*weight.operation == "conflict").unwrap();
    let roles: Vec<Role> = conflict.uses.iter().map(|used| used.role).collect();
    assert_eq!(roles, [Role::MatmulY { transposed: Some(false) }, Role::MatmulY { transposed: Some(true) }]);
    assert_eq!(conflict.axes(), None);
    let tied = found.all.iter().find(|weight| &*weight.operation == "tied").unwrap();
    let roles: Vec<Role> = tied.uses.iter().map(|used| used.role).collect();
    assert_eq!(roles, [Role::Embedding, Role::Linear]);
}

#[test]
fn every_compressed_weight_of_the_full_set_is_understood() {
    for package in archive("lowered").into_iter().chain(full_set()) {
        for weight in weights(&package.program(), &package).all {
            let Some(compression) = &weight.compression else { continue };
            let grains = [
                compression.affine.as_ref().map(|affine| &affine.granularity),
                compression.palette.as_ref().map(|palette| &palette.granularity),
            ];
            assert!(!grains.contains(&Some(&Granularity::Unknown)), "{}: {}", package.name, weight.name);
            // What quantize_ and PT2E store before CoreML8 has zero points, all of them 0 unless asked for.
            let symmetric = package.name.contains("int8-axis--iOS1");
            let shifted = compression.affine.as_ref().is_some_and(|affine| affine.offset);
            assert!(!(symmetric && shifted && package.opened.is_some()), "{}: {}", package.name, weight.name);
            assert!(weight.bytes.is_some() && compression.bits > 0, "{}: {}", package.name, weight.name);
        }
    }
}
