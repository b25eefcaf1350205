//! What coremltools' own functions make of the same packages.
//!
//! Not compared, since coremltools is wrong or has no such thing: `scaled` (its scales run along the input channels,
//! which it then folds into tables), int8 entries of tables with fewer than 10 values (left in float without a word),
//! weights that are all zero (it divides by zero), `per-group` outside matrices (its blocks span all positions of a
//! kernel; those are written as `block` here), 5 and 7 bits, tables per block of both axes.

use serde_json::{Value, json};

/// A recipe, and the passes that ask for the same.
pub struct Compared {
    pub package: &'static str,
    pub target: &'static str,
    pub rules: &'static str,
    pub passes: Value,
}

/// Constants of at most so many elements are left alone by both: initial states and such.
pub const THRESHOLD: u64 = 40;

fn quantize(dtype: &str, mode: &str, granularity: &str) -> Value {
    json!({ "kind": "quantize", "dtype": dtype, "mode": mode, "granularity": granularity })
}

fn blocks(dtype: &str, mode: &str) -> Value {
    json!({ "kind": "quantize", "dtype": dtype, "mode": mode, "granularity": "per_block", "block_size": 16 })
}

fn palettize(nbits: u8) -> Value {
    json!({ "kind": "palettize", "nbits": nbits, "mode": "kmeans" })
}

fn with(mut pass: Value, key: &str, value: impl Into<Value>) -> Value {
    pass[key] = value.into();
    pass
}

fn joint(pass: Value) -> Value {
    with(pass, "joint", true)
}

fn prune(share: f64) -> Value {
    json!({ "kind": "prune", "target_sparsity": share })
}

pub fn compared() -> Vec<Compared> {
    const SYMMETRIC: &str = "linear_symmetric";
    // Vectors would have to divide the channels of a group of a convolution there, of which a depthwise one has 1.
    const VECTORS: &str = "all => lut4 vector(2)\n\"depthwise\" => keep";
    const ASYMMETRIC: &str = "linear";
    // Blocks of 16 inputs; convolutions and products of batches differ by name, one channel cannot be divided.
    const GROUPS: &str = "conv2d => int4 block[1, 16, -1, -1]\nconv1d => int4 block[1, 16, -1]\n\
        conv3d => int4 block[1, 16, -1, -1, -1]\nconv-transpose => int4 block[16, 1, -1, -1]\n\
        \"batched\" => int4 block[-1, 16, 1]\n\"depthwise\" or \"line\" => keep\n";
    let groups: &'static str = Box::leak(format!("all => int4 per-group(16)\n{GROUPS}").into_boxed_str());
    let shifted: &'static str = Box::leak(
        format!("all => int4 per-group(16) asymmetric\n{GROUPS}").replace("]\n", "] asymmetric\n").into_boxed_str(),
    );
    let case = |package, target, rules, passes: Vec<Value>| Compared {
        package,
        target,
        rules,
        passes: passes.into_iter().map(|pass| with(pass, "weight_threshold", THRESHOLD)).collect(),
    };
    vec![
        case("operators", "iOS16", "all => int8", vec![quantize("int8", SYMMETRIC, "per_channel")]),
        case("operators", "iOS17", "all => int8 per-tensor", vec![quantize("int8", SYMMETRIC, "per_tensor")]),
        case("operators", "iOS16", "all => int8 asymmetric", vec![quantize("int8", ASYMMETRIC, "per_channel")]),
        case("operators", "iOS17", "all => uint8 asymmetric", vec![quantize("uint8", ASYMMETRIC, "per_channel")]),
        case("operators", "iOS16", "all => lut4", vec![palettize(4)]),
        case("operators", "iOS17", "all => lut6 fit uniform", vec![with(palettize(6), "mode", "uniform")]),
        case("operators", "iOS16", "all => sparse 50%", vec![prune(0.5)]),
        case("operators", "iOS18", "all => int8", vec![quantize("int8", SYMMETRIC, "per_channel")]),
        case("operators", "iOS18", "all => uint8 asymmetric", vec![quantize("uint8", ASYMMETRIC, "per_channel")]),
        case("operators", "iOS18", "all => int4 per-channel", vec![quantize("int4", SYMMETRIC, "per_channel")]),
        case("operators", "iOS18", "all => uint4 asymmetric", vec![quantize("uint4", ASYMMETRIC, "per_channel")]),
        case("operators", "iOS18", groups, vec![blocks("int4", SYMMETRIC)]),
        case("operators", "iOS18", shifted, vec![blocks("int4", ASYMMETRIC)]),
        case("operators", "iOS18", "all => lut3", vec![palettize(3)]),
        case(
            "operators",
            "iOS18",
            "all => lut4 per-grouped-channel(8)",
            vec![with(with(palettize(4), "granularity", "per_grouped_channel"), "group_size", 8)],
        ),
        case("operators", "iOS18", VECTORS, vec![with(palettize(4), "cluster_dim", 2)]),
        case(
            "operators",
            "iOS18",
            "all => lut4 entries int8",
            vec![palettize(4), joint(quantize("int8", SYMMETRIC, "per_tensor"))],
        ),
        case("operators", "iOS18", "all => sparse 75%", vec![prune(0.75)]),
        case(
            "operators",
            "iOS18",
            "linear => sparse 2:4",
            vec![json!({ "kind": "prune", "n_m_ratio": [2, 4], "dim": 1, "only": "linear" })],
        ),
        case("operators", "iOS18", "all => lut4 sparse 50%", vec![prune(0.5), joint(palettize(4))]),
        case(
            "operators",
            "iOS18",
            "all => int8 sparse 50%",
            vec![prune(0.5), joint(quantize("int8", SYMMETRIC, "per_channel"))],
        ),
        case("operators", "iOS26", "all => int4 per-channel", vec![quantize("int4", SYMMETRIC, "per_channel")]),
        case("floats", "iOS16", "all => int8", vec![quantize("int8", SYMMETRIC, "per_channel")]),
        case(
            "floats",
            "iOS18",
            "all => int4 per-channel asymmetric",
            vec![quantize("int4", ASYMMETRIC, "per_channel")],
        ),
        case("floats", "iOS18", "all => lut4", vec![palettize(4)]),
        case("nested", "iOS18", "all => int8", vec![quantize("int8", SYMMETRIC, "per_channel")]),
    ]
}
