//! What rules refuse and what they leave open. That they give the right types is compared with coremltools, in
//! `tests/graph_upstream.rs`.

use super::*;
use crate::element::ElementType::{Bool, Fp16, Fp32, Int8, Int32, Uint3, Uint4, Uint8};
use crate::graph::function::Opset::{CoreML5, CoreML6, CoreML7, CoreML8, CoreML9};
use crate::graph::types::{Dim, TensorType};
use crate::graph::value::{Literal, NoBlobs};

/// A value in a test.
#[derive(Clone)]
enum Arg {
    /// Known when the program runs.
    Live(Type),
    /// A constant that cannot be read.
    Fixed(Type),
    /// A constant.
    Known(Literal),
}

fn live(element: ElementType, shape: &[u64]) -> Arg {
    Arg::Live(Type::tensor(element, shape.iter().copied()))
}

fn fixed(element: ElementType, shape: &[u64]) -> Arg {
    Arg::Fixed(Type::tensor(element, shape.iter().copied()))
}

/// fp16 with unknown sizes in place of 0.
fn open(shape: &[u64]) -> Arg {
    Arg::Live(Type::tensor(Fp16, shape.iter().map(|size| if *size == 0 { Dim::Unknown } else { (*size).into() })))
}

fn ints(values: &[i32]) -> Arg {
    Arg::Known(Literal::int32s(values))
}

fn int(value: i32) -> Arg {
    Arg::Known(Literal::int32(value))
}

fn yes() -> Arg {
    Arg::Known(Literal::bool(true))
}

fn text(value: &str) -> Arg {
    Arg::Known(Literal::string(value))
}

fn half(value: f32) -> Arg {
    let bytes = half::f16::from_f32(value).to_le_bytes().to_vec();
    Arg::Known(Literal::bytes(TensorType::new(Fp16, [] as [u64; 0]), bytes))
}

/// What the rule says: the types, or the errors.
fn says(kind: &str, set: Opset, arguments: &[(&str, Arg)]) -> std::string::String {
    says_of(kind, set, arguments, 1)
}

fn says_of(kind: &str, set: Opset, arguments: &[(&str, Arg)], outputs: usize) -> std::string::String {
    let mut given: Vec<(&str, Vec<Given<'_>>)> = Vec::new();
    for (name, argument) in arguments {
        let value = match argument {
            Arg::Live(ty) => Given { ty, constant: false, literal: None },
            Arg::Fixed(ty) => Given { ty, constant: true, literal: None },
            Arg::Known(literal) => Given { ty: &literal.ty, constant: true, literal: Some(literal) },
        };
        match given.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value),
            None => given.push((name, vec![value])),
        }
    }
    let call = Call { set, arguments: given, blocks: Vec::new(), outputs, blobs: &NoBlobs };
    match infer(kind, &call) {
        Ok(None) => "not in the table".to_owned(),
        Ok(Some(types)) => types.iter().map(|ty| ty.to_string()).collect::<Vec<_>>().join(" "),
        Err(errors) => errors.iter().map(|e| format!("{}: {e}", e.rule.id())).collect::<Vec<_>>().join("\n"),
    }
}

macro_rules! case {
    ($kind:literal $set:ident $(outputs $outputs:literal)? { $($name:literal: $arg:expr),* $(,)? } => $expected:literal) => {{
        #[allow(unused_mut, unused_assignments, reason = "for the cases that do not say")]
        let mut outputs = 1;
        $( outputs = $outputs; )?
        assert_eq!(says_of($kind, $set, &[$(($name, $arg)),*], outputs), $expected);
    }};
}

#[test]
fn parameters() {
    let x = || live(Fp16, &[2, 3]);
    case!("relu" CoreML5 {} => "op-parameter: `x` is required");
    case!("relu" CoreML5 { "x": live(Int32, &[2]) } => "op-dtype: `x` is int32; it can be fp16, fp32");
    case!("add" CoreML5 { "x": x(), "y": live(Fp32, &[3]) }
        => "op-dtype: `y` is fp32, but `x` is fp16; the two must be the same");
    case!("linear" CoreML7 { "x": x(), "weight": live(Fp16, &[4, 3]) } => "op-constant: `weight` must be constant");
    case!("elu" CoreML5 { "x": x(), "alpha": fixed(Fp32, &[]) }
        => "op-dtype: `alpha` is fp32, but `x` is fp16; the two must be the same");
    case!("elu" CoreML7 { "x": x(), "alpha": fixed(Fp32, &[]) } => "fp16[2, 3]");
    case!("quantize" CoreML6 { "input": x() } => "op-opset: `quantize` exists since CoreML7; the function is of CoreML6");
    case!("relu" CoreML9 { "x": x(), "y": x() } => "op-parameter: `y` is not a parameter of this operator in CoreML9; it has x");
    case!("relu" CoreML9 { "x": x(), "x": x() } => "op-parameter: `x` has 2 values; it takes one");
    case!("my_own_operator" CoreML5 { "x": x() } => "not in the table");
    assert!(parameters_are_attributes("const", CoreML9) && parameters_are_attributes("constexpr_cast", CoreML7));
    assert!(!parameters_are_attributes("constexpr_cast", CoreML8) && !parameters_are_attributes("linear", CoreML5));
}

#[test]
fn elementwise() {
    case!("add" CoreML5 { "x": open(&[0, 3]), "y": open(&[1, 0]) } => "fp16[?, 3]");
    case!("add" CoreML5 { "x": open(&[0, 3]), "y": open(&[2, 1, 3]) } => "fp16[2, ?, 3]");
    case!("add" CoreML5 { "x": live(Fp16, &[2, 3]), "y": live(Fp16, &[2]) }
        => "op-shape: the shapes [2, 3] and [2] do not go together");
    case!("clip" CoreML7 { "x": live(Fp16, &[2]), "alpha": half(1.0), "beta": half(1.0) }
        => "op-value: `alpha` is 1; it must be less than `beta`, which is 1");
    case!("clip" CoreML6 { "x": live(Fp16, &[2]), "alpha": half(1.0), "beta": half(1.0) } => "fp16[2]");
    case!("cast" CoreML6 { "x": live(Fp16, &[2]), "dtype": text("int8") }
        => "op-value: `dtype` is \"int8\"; it can be fp16, fp32, int32, bool");
    case!("cast" CoreML7 { "x": live(Fp16, &[2]), "dtype": text("int8") } => "int8[2]");
    case!("cast" CoreML7 { "x": live(Fp16, &[2]), "dtype": text("\u{1b}[31m") }
        => "op-value: `dtype` is \"\\u{1b}[31m\"; it can be fp16, fp32, int32, bool, int8, uint8, int16, uint16");
    case!("select" CoreML5 { "cond": live(Bool, &[2, 1]), "a": live(Fp16, &[3]), "b": half(0.0) } => "fp16[3]");
    case!("gelu" CoreML5 { "x": live(Fp16, &[2]), "mode": text("FAST") }
        => "op-value: `mode` is \"FAST\"; it can be EXACT, TANH_APPROXIMATION, SIGMOID_APPROXIMATION");
    case!("softmax" CoreML5 { "x": live(Fp16, &[2]), "axis": int(1) }
        => "op-axis: `axis` is 1; for rank 1 it must be from -1 to 0");
    case!("prelu" CoreML7 { "x": live(Fp16, &[2, 3, 4]), "alpha": fixed(Fp16, &[4]) }
        => "op-shape: `alpha` has 4 in dimension 0 (fp16[4]), but dimension 1 of `x` is 3");
}

#[test]
fn convolutions() {
    let x = || live(Fp16, &[1, 6, 8, 8]);
    let w = |shape: &[u64]| fixed(Fp16, shape);
    case!("conv" CoreML5 { "x": x(), "weight": w(&[4, 5, 3, 3]) }
        => "op-shape: `weight` has 5 in dimension 1 (fp16[4, 5, 3, 3]), but the number of channels of `x` in each group is 6");
    case!("conv" CoreML5 { "x": x(), "weight": w(&[4, 6, 3, 3]), "groups": int(4) }
        => "op-shape: `groups` is 4, which does not divide the 6 channels of `x`");
    case!("conv" CoreML5 { "x": x(), "weight": w(&[4, 2, 3, 3]), "groups": int(3) }
        => "op-shape: `groups` is 3, which does not divide the 4 channels of the output");
    case!("conv" CoreML5 { "x": x(), "weight": w(&[4, 6, 9, 3]) }
        => "op-shape: a window of 9 does not fit into 8 in spatial dimension 0");
    case!("conv" CoreML5 { "x": x(), "weight": w(&[4, 6, 3, 3]), "bias": w(&[3]) }
        => "op-shape: `bias` has 3 in dimension 0 (fp16[3]), but the number of output channels is 4");
    case!("conv" CoreML5 { "x": x(), "weight": w(&[4, 6, 3, 3]), "pad_type": text("same_lower") }
        => "op-value: `pad_type` is \"same_lower\"; it can be valid, same, custom");
    case!("conv" CoreML6 { "x": x(), "weight": w(&[4, 6, 3, 3]), "pad_type": text("same_lower") } => "fp16[1, 4, 8, 8]");
    case!("conv" CoreML5 { "x": x(), "weight": w(&[4, 6, 3, 3]), "strides": ints(&[1]) }
        => "op-shape: `strides` has 1 values; the window needs 2");
    case!("conv" CoreML5 { "x": x(), "weight": w(&[4, 6, 3, 3]), "strides": ints(&[1, 0]) }
        => "op-value: `strides` is 0; it must be positive");
    case!("conv" CoreML5 { "x": x(), "weight": w(&[4, 6, 3, 3]), "strides": fixed(Int32, &[2]) } => "fp16[1, 4, ?, ?]");
    case!("conv" CoreML7 { "x": x(), "weight": live(Fp16, &[4, 6, 3, 3]), "dilations": ints(&[2, 2]) }
        => "op-value: `dilations` must be 1 for a weight that is not constant");
    case!("conv" CoreML5 { "x": live(Fp16, &[6, 8]), "weight": w(&[4, 6]) }
        => "op-rank: `x` has rank 2 (fp16[6, 8]); it must be from 3 to 5");
    case!("conv_transpose" CoreML5 { "x": x(), "weight": w(&[5, 2, 3, 3]) }
        => "op-shape: `weight` has 5 in dimension 0 (fp16[5, 2, 3, 3]), but the number of channels of `x` is 6");
    case!("conv_transpose" CoreML5 { "x": open(&[0, 6, 0, 8]), "weight": w(&[6, 2, 3, 3]) } => "fp16[?, 2, ?, 10]");
    case!("max_pool" CoreML5 { "x": x(), "kernel_sizes": ints(&[2, 2]), "pad_type": text("custom"), "pad": ints(&[1, 0, 0, 0]), "ceil_mode": yes() }
        => "op-value: `ceil_mode` needs the same padding before and after");
    case!("max_pool" CoreML5 { "x": open(&[1, 0, 0, 9]), "kernel_sizes": ints(&[2, 2]), "pad_type": text("valid") } => "fp16[1, ?, ?, 8]");
    // The largest numbers that a file can hold.
    case!("conv" CoreML5 { "x": live(Fp16, &[1, 1, u64::MAX]), "weight": w(&[1, 1, 1]), "strides": ints(&[i32::MAX]), "pad_type": text("same") }
        => "fp16[1, 1, 8589934597]");
}

#[test]
fn products() {
    let w = |shape: &[u64]| fixed(Fp16, shape);
    case!("linear" CoreML5 { "x": live(Fp16, &[2, 3]), "weight": w(&[4, 5]) }
        => "op-shape: `weight` has 5 in dimension 1 (fp16[4, 5]), but the last dimension of `x` is 3");
    case!("linear" CoreML5 { "x": open(&[0, 7, 0]), "weight": w(&[4, 5]) } => "fp16[?, 7, 4]");
    case!("matmul" CoreML5 { "x": live(Fp16, &[2, 3]), "y": live(Fp16, &[2, 3]) }
        => "op-shape: sums over 3 of `x` (fp16[2, 3]) and 2 of `y` (fp16[2, 3])");
    case!("matmul" CoreML5 { "x": live(Fp16, &[2, 3]), "y": live(Fp16, &[2, 3]), "transpose_y": yes() } => "fp16[2, 2]");
    case!("matmul" CoreML7 { "x": live(Fp16, &[2, 3]), "y": fixed(Fp32, &[3, 4]) } => "fp16[2, 4]");
    case!("matmul" CoreML7 { "x": live(Fp16, &[2, 3]), "y": live(Fp32, &[3, 4]) }
        => "op-dtype: `y` is fp32, but `x` is fp16; only a constant may differ from the other");
    case!("einsum" CoreML5 { "values": live(Fp16, &[2, 3, 4]), "values": live(Fp16, &[4, 3, 5]), "equation": text("ab,bc->ac") }
        => "op-value: `equation` is \"ab,bc->ac\"; it can be nchw,nwhr->nchr or chw,whr->chr, in any letters");
}

#[test]
fn compressed_weights() {
    let int4 = crate::graph::ElementType::Int4;
    let codes = || fixed(int4, &[8, 6]);
    let f = |shape: &[u64]| fixed(Fp16, shape);
    case!("constexpr_blockwise_shift_scale" CoreML8 { "data": codes(), "scale": f(&[8, 3]) } => "fp16[8, 6]");
    case!("constexpr_blockwise_shift_scale" CoreML8 { "data": codes(), "scale": f(&[8, 4]) }
        => "op-block-divides: `scale` has 4 in dimension 1, which does not divide the 6 of `data`");
    case!("constexpr_blockwise_shift_scale" CoreML8 { "data": codes(), "scale": f(&[8, 0]) }
        => "op-block-divides: `scale` has 0 in dimension 1, which does not divide the 6 of `data`");
    case!("constexpr_blockwise_shift_scale" CoreML8 { "data": codes(), "scale": f(&[8]) }
        => "op-scale-shape: `scale` has rank 1 (fp16[8]); `data` has rank 2");
    case!("constexpr_blockwise_shift_scale" CoreML8 { "data": codes(), "scale": f(&[8, 1]), "offset": fixed(int4, &[8, 3]) }
        => "op-offset-shape: `offset` has shape [8, 3], but `scale` [8, 1]");
    case!("constexpr_blockwise_shift_scale" CoreML8 { "data": codes(), "scale": f(&[8, 1]), "offset": fixed(Int8, &[8, 1]) }
        => "op-offset-shape: `offset` is int8; it must be int4 as `data`, or a float");
    case!("constexpr_blockwise_shift_scale" CoreML8 { "data": codes(), "scale": f(&[8, 1]), "offset": fixed(Fp32, &[8, 1]) } => "fp16[8, 6]");
    case!("constexpr_blockwise_shift_scale" CoreML8 { "data": fixed(int4, &[]), "scale": f(&[]) }
        => "op-rank: `data` must have at least one dimension");
    case!("constexpr_blockwise_shift_scale" CoreML8 { "data": fixed(Uint3, &[8]), "scale": f(&[8]) }
        => "op-dtype: `data` is uint3; it can be int4, uint4, int8, uint8, fp16, fp32");
    case!("constexpr_blockwise_shift_scale" CoreML7 { "data": codes(), "scale": f(&[8, 3]) }
        => "op-opset: `constexpr_blockwise_shift_scale` exists since CoreML8; the function is of CoreML7");
    let q = || fixed(Int8, &[8, 6]);
    case!("constexpr_affine_dequantize" CoreML6 { "quantized_data": q(), "scale": f(&[6]), "zero_point": fixed(Int8, &[]), "axis": int(-1) } => "fp16[8, 6]");
    case!("constexpr_affine_dequantize" CoreML6 { "quantized_data": q(), "scale": f(&[6]), "zero_point": fixed(Int8, &[]), "axis": int(0) }
        => "op-scale-shape: `scale` has 6 values, but `quantized_data` is 8 along `axis` (int8[8, 6])");
    case!("constexpr_affine_dequantize" CoreML6 { "quantized_data": q(), "scale": f(&[]), "zero_point": fixed(Int8, &[2]), "axis": int(0) }
        => "op-offset-shape: `zero_point` has 2 values, but `quantized_data` is 8 along `axis` (int8[8, 6])");
    case!("constexpr_affine_dequantize" CoreML6 { "quantized_data": q(), "scale": f(&[8, 1]), "zero_point": fixed(Int8, &[]), "axis": int(0) }
        => "op-scale-shape: `scale` must be a scalar or a vector, not fp16[8, 1]");
    case!("constexpr_affine_dequantize" CoreML6 { "quantized_data": q(), "scale": f(&[]), "zero_point": fixed(Int8, &[]), "axis": int(2) }
        => "op-axis: `axis` is 2; for rank 2 it must be from -2 to 1");
    case!("constexpr_affine_dequantize" CoreML6 { "quantized_data": q(), "scale": f(&[]), "axis": int(0) } => "op-parameter: `zero_point` is required");
    case!("constexpr_cast" CoreML6 { "source_val": f(&[3]), "output_dtype": text("fp16") }
        => "op-value: `output_dtype` is \"fp16\"; it can be fp32");
}

#[test]
fn tables() {
    let f = |shape: &[u64]| fixed(Fp16, shape);
    let indices = || fixed(Uint4, &[8, 6]);
    case!("constexpr_lut_to_dense" CoreML8 { "indices": indices(), "lut": f(&[2, 1, 16, 1]) } => "fp16[8, 6]");
    case!("constexpr_lut_to_dense" CoreML8 { "indices": indices(), "lut": f(&[3, 1, 16, 1]) }
        => "op-block-divides: `lut` has 3 groups in dimension 0, which do not divide the 8 of `indices`");
    case!("constexpr_lut_to_dense" CoreML8 { "indices": indices(), "lut": f(&[16]) }
        => "op-lut-rank: `lut` has too few dimensions (fp16[16])");
    case!("constexpr_lut_to_dense" CoreML8 { "indices": indices(), "lut": f(&[1, 16, 1]) }
        => "op-lut-rank: `lut` has rank 3 (fp16[1, 16, 1]); it must be 2 more than that of `indices`, which is 2");
    case!("constexpr_lut_to_dense" CoreML8 { "indices": indices(), "lut": f(&[1, 1, 8, 1]) }
        => "op-lut-size: `lut` has 8 entries in each table; indices of uint4 need 16");
    case!("constexpr_lut_to_dense" CoreML8 { "indices": indices(), "lut": f(&[1, 1, 16, 2]) }
        => "op-vector-axis: `vector_axis` is required, since entries of `lut` are vectors of 2");
    case!("constexpr_lut_to_dense" CoreML8 { "indices": indices(), "lut": f(&[1, 1, 16, 2]), "vector_axis": int(-2) } => "fp16[16, 6]");
    case!("constexpr_lut_to_dense" CoreML8 { "indices": indices(), "lut": f(&[1, 1, 16, 2]), "vector_axis": int(2) }
        => "op-vector-axis: `vector_axis` is 2; for rank 2 it must be from -2 to 1");
    case!("constexpr_lut_to_dense" CoreML8 { "indices": indices(), "lut": f(&[1, 1, 16, 2]), "vector_axis": ints(&[0]) }
        => "op-vector-axis: `vector_axis` must be a scalar, not int32[1]");
    case!("constexpr_lut_to_dense" CoreML8 { "indices": indices(), "lut": f(&[1, 1, 16, 0]) } => "op-lut-size: `lut` has empty entries");
    case!("constexpr_lut_to_dense" CoreML8 { "indices": indices(), "lut": f(&[1, 1, 16, u64::MAX]), "vector_axis": int(0) }
        => "op-shape: a dimension of 8 cannot be changed like that");
    let shape = |values: &[u32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Arg::Known(Literal::bytes(TensorType::new(crate::graph::ElementType::Uint32, [values.len() as u64]), bytes))
    };
    case!("constexpr_lut_to_dense" CoreML6 { "indices": fixed(Uint8, &[24]), "lut": f(&[16]), "shape": shape(&[8, 6]) } => "fp16[8, 6]");
    case!("constexpr_lut_to_dense" CoreML6 { "indices": fixed(Uint8, &[24]), "lut": f(&[8]), "shape": shape(&[8, 6]) }
        => "op-lut-size: `lut` has 8 entries; it can have 2, 4, 16, 64 or 256");
    case!("constexpr_lut_to_dense" CoreML6 { "indices": fixed(Uint8, &[23]), "lut": f(&[16]), "shape": shape(&[8, 6]) }
        => "op-lut-size: `indices` has 23 bytes; 4 bits for each element of [8, 6] take 24");
    case!("constexpr_lut_to_dense" CoreML6 { "indices": fixed(Uint8, &[23]), "lut": f(&[16]), "shape": shape(&[u32::MAX, u32::MAX, u32::MAX]) }
        => "op-lut-size: `indices` has 23 bytes; 4 bits for each element of [4294967295, 4294967295, 4294967295] take too many");
    case!("constexpr_sparse_to_dense" CoreML6 { "nonzero_data": f(&[3]), "mask": fixed(Uint8, &[5]), "shape": shape(&[8, 6]) }
        => "op-mask-count: `mask` has 5 bytes; 1 bits for each element of [8, 6] take 6");
    let mask = || fixed(crate::graph::ElementType::Uint1, &[2, 3]);
    case!("constexpr_sparse_to_dense" CoreML8 { "nonzero_data": f(&[7]), "mask": mask() }
        => "op-mask-count: `nonzero_data` has 7 values for a mask of 6 elements");
    case!("constexpr_lut_to_sparse" CoreML8 { "indices_mask": mask(), "indices_nonzero_data": fixed(Uint4, &[3]), "lut": f(&[1, 1, 16, 2]), "vector_axis": int(1) }
        => "uint1[2, 6] fp16[6]");
    case!("constexpr_sparse_blockwise_shift_scale" CoreML8 { "data_mask": mask(), "nonzero_data": fixed(Int8, &[3]), "scale": f(&[2, 1]), "offset": fixed(Uint8, &[2, 1]) }
        => "op-offset-shape: `offset` is uint8; it must be int8 as `nonzero_data`, or a float");
}

#[test]
fn quantized_activations() {
    let x = || live(Fp16, &[2, 3]);
    let f = |shape: &[u64]| fixed(Fp16, shape);
    case!("quantize" CoreML7 { "input": x(), "scale": half(0.0), "output_dtype": text("int8") } => "op-qdq-zero-scale: `scale` must not be 0");
    case!("quantize" CoreML7 { "input": x(), "scale": half(0.1), "output_dtype": text("int4") }
        => "op-value: `output_dtype` is \"int4\"; it can be int8, uint8");
    case!("quantize" CoreML7 { "input": x(), "scale": half(0.1), "zero_point": fixed(Uint8, &[]), "output_dtype": text("int8") }
        => "op-offset-shape: `zero_point` is uint8, but `output_dtype` says int8");
    case!("quantize" CoreML7 { "input": x(), "scale": half(0.1), "axis": int(0), "output_dtype": text("int8") }
        => "op-qdq-axis: `axis` must not be given for a scalar `scale`");
    case!("quantize" CoreML7 { "input": x(), "scale": f(&[3]), "output_dtype": text("int8") }
        => "op-qdq-axis: `axis` is required for a vector `scale`");
    case!("quantize" CoreML7 { "input": x(), "scale": f(&[3]), "axis": int(0), "output_dtype": text("int8") }
        => "op-scale-shape: `scale` has 3 values, but `input` is 2 along `axis` (fp16[2, 3])");
    case!("quantize" CoreML7 { "input": x(), "scale": f(&[3]), "axis": int(7), "output_dtype": text("int8") }
        => "op-qdq-axis: `axis` is 7; for rank 2 it must be from -2 to 1");
    case!("dequantize" CoreML7 { "input": live(Int8, &[2, 3]), "scale": f(&[3]), "axis": int(1), "zero_point": fixed(Int8, &[]) }
        => "op-offset-shape: `zero_point` must be a vector, as `scale` is, not int8[]");
    case!("dequantize" CoreML7 { "input": live(Int8, &[2, 3]), "scale": half(1.0), "zero_point": fixed(Uint8, &[]) }
        => "op-dtype: `zero_point` is uint8, but `input` is int8; the two must be the same");
}

#[test]
fn shapes_made_anew() {
    let x = || live(Fp16, &[2, 3, 4]);
    case!("reshape" CoreML5 { "x": x(), "shape": ints(&[5, -1]) }
        => "op-shape: `shape` is [5, ?], which does not hold the 24 elements of `x` (fp16[2, 3, 4])");
    case!("reshape" CoreML5 { "x": x(), "shape": ints(&[-1, -1]) } => "op-value: `shape` has -1 more than once");
    case!("reshape" CoreML5 { "x": x(), "shape": ints(&[0, -1]) }
        => "op-shape: `shape` has a 0, which needs as many dimensions as `x` has (3)");
    case!("reshape" CoreML7 { "x": x(), "shape": ints(&[0, -1]) } => "fp16[3, 8]");
    case!("reshape" CoreML5 { "x": x(), "shape": ints(&[-2]) }
        => "op-value: `shape` has -2; sizes are not negative, except one -1");
    case!("reshape" CoreML5 { "x": x(), "shape": live(Int32, &[2]) } => "fp16[?, ?]");
    case!("reshape" CoreML5 { "x": x(), "shape": live(Int32, &[1 << 40]) } => "fp16[*]");
    // coremltools leaves a 0 as it is where a dimension of `x` is open.
    case!("reshape" CoreML5 { "x": open(&[2, 0, 4]), "shape": ints(&[0, -1]) } => "fp16[?, ?]");
    case!("reshape" CoreML7 { "x": open(&[2, 0, 4]), "shape": ints(&[-1, 3, 0]) } => "fp16[?, 3, ?]");
    case!("transpose" CoreML5 { "x": x(), "perm": ints(&[0, 1, 1]) } => "op-axis: `perm` names axis 1 twice");
    case!("transpose" CoreML5 { "x": x(), "perm": ints(&[0, 1]) }
        => "op-shape: `perm` has 2 axes, but `x` has rank 3 (fp16[2, 3, 4])");
    case!("squeeze" CoreML5 { "x": open(&[0, 1, 3]) } => "fp16[*]");
    case!("squeeze" CoreML5 { "x": open(&[0, 1, 3]), "axes": ints(&[1]) } => "fp16[?, 3]");
    case!("expand_dims" CoreML5 { "x": x(), "axes": ints(&[0, 0]) } => "op-axis: `axes` names axis 0 twice");
    case!("sliding_windows" CoreML5 { "x": x(), "axis": int(0), "size": int(3) }
        => "op-shape: `size` is 3, more than `x` has along `axis` (fp16[2, 3, 4])");
    case!("slice_by_index" CoreML5 { "x": x(), "begin": ints(&[0, 0]), "end": ints(&[1, 1]) }
        => "op-shape: `begin` has 2 values, but `x` has 3 dimensions");
    case!("slice_by_index" CoreML5 { "x": x(), "begin": ints(&[1, 0, 0]), "end": ints(&[0, 1, 1]) }
        => "fp16[0, 1, 1]");
    case!("slice_by_index" CoreML5 { "x": open(&[0, 0, 0]), "begin": ints(&[-3, -2, 4]), "end": ints(&[-1, -5, 3]), "stride": ints(&[-1, -3, 1]) }
        => "fp16[0, 1, 0]");
    case!("slice_by_index" CoreML5 { "x": x(), "begin": ints(&[0, 0, 0]), "end": ints(&[1, 1, 1]), "stride": ints(&[0, 1, 1]) }
        => "op-value: `stride` is 0 in dimension 0");
    case!("slice_by_index" CoreML5 { "x": x(), "begin": ints(&[i32::MIN, i32::MAX, 0]), "end": ints(&[i32::MAX, i32::MIN, 9]), "stride": ints(&[i32::MAX, i32::MIN, 1]) }
        => "fp16[1, 1, 4]");
    case!("slice_by_size" CoreML5 { "x": x(), "begin": ints(&[0, 4, 0]), "size": ints(&[1, -1, 1]) }
        => "op-value: `begin` is 4 in dimension 1 of 3");
}

#[test]
fn combining() {
    let x = || live(Fp16, &[2, 3]);
    case!("concat" CoreML5 { "values": x(), "values": live(Fp16, &[3, 3]), "axis": int(1) }
        => "op-shape: `values` differ in dimension 0: fp16[2, 3] and fp16[3, 3]");
    case!("concat" CoreML5 { "values": x(), "values": live(Fp32, &[2, 3]), "axis": int(1) }
        => "op-dtype: `values` are of fp16 and fp32; they must be of one type");
    case!("concat" CoreML5 { "values": open(&[0, 3]), "values": open(&[2, 4]), "axis": int(1) } => "fp16[2, 7]");
    case!("concat" CoreML5 { "values": live(Fp16, &[u64::MAX]), "values": live(Fp16, &[1]), "axis": int(0) }
        => "op-shape: a dimension of 1 cannot be changed like that");
    case!("stack" CoreML5 { "values": x(), "values": live(Fp16, &[3, 3]), "axis": int(0) }
        => "op-shape: `values` has shape [3, 3]; it must be [2, 3]");
    case!("split" CoreML5 outputs 2 { "x": x(), "num_splits": int(2), "axis": int(1) }
        => "op-shape: `num_splits` is 2, which does not divide 3 along `axis` (fp16[2, 3])");
    case!("split" CoreML5 outputs 3 { "x": open(&[2, 0]), "num_splits": int(1 << 30), "axis": int(1) }
        => "op-shape: `num_splits` is 1073741824, but 3 outputs are declared");
    case!("split" CoreML5 outputs 2 { "x": x(), "split_sizes": ints(&[1, 1]), "axis": int(1) }
        => "op-shape: `split_sizes` do not add up to the 3 along `axis` (fp16[2, 3])");
    case!("split" CoreML5 outputs 2 { "x": x(), "axis": int(1) } => "op-parameter: needs `num_splits` or `split_sizes`");
    case!("pad" CoreML5 { "x": x(), "pad": ints(&[1]) }
        => "op-shape: `pad` has 1 values; it must have two for each padded dimension of `x` (fp16[2, 3])");
    case!("pad" CoreML5 { "x": x(), "pad": ints(&[-1, 0]) } => "op-value: `pad` is -1; it must not be negative");
    case!("tile" CoreML5 { "x": x(), "reps": ints(&[1, 0]) } => "op-value: `reps` is 0; it must be positive");
    case!("topk" CoreML5 { "x": x(), "k": int(4) } => "op-value: `k` is 4; `x` has 3 along `axis` (fp16[2, 3])");
    case!("topk" CoreML7 { "x": x(), "return_indices": Arg::Known(Literal::bool(false)), "output_indices_dtype": text("uint16") }
        => "op-parameter: `output_indices_dtype` goes with `return_indices` only, which is off");
    case!("range_1d" CoreML5 { "start": int(0), "end": int(3), "step": int(0) }
        => "op-value: `step` is 0, which never gets from 0 to 3");
    case!("gather" CoreML6 { "x": x(), "indices": live(Int32, &[4]), "batch_dims": int(2) }
        => "op-value: `batch_dims` is 2; it must be less than 2 and at most 1");
    case!("gather" CoreML7 { "x": x(), "indices": ints(&[2]), "validate_indices": yes() }
        => "op-value: `indices` holds 2; with `validate_indices` it must be from 0 to 2, exclusive");
    case!("gather_nd" CoreML5 { "x": x(), "indices": live(Int32, &[4, 3]) }
        => "op-shape: `indices` has rows of 3, more than the dimensions that can be indexed");
    case!("scatter" CoreML5 { "data": x(), "indices": live(Int32, &[1]), "updates": live(Fp16, &[2, 3]) }
        => "op-shape: `updates` has shape [2, 3]; it must be [1, 3]");
    case!("scatter" CoreML5 { "data": x(), "indices": live(Int32, &[2]), "updates": x(), "mode": text("or") }
        => "op-value: `mode` is \"or\"; it can be add, update, sub, mul, div, max, min");
}

#[test]
fn layers_and_attention() {
    let f = |shape: &[u64]| fixed(Fp16, shape);
    let x = || live(Fp16, &[5, 2, 3]);
    let h = || live(Fp16, &[2, 4]);
    case!("lstm" CoreML7 { "x": x(), "initial_h": h(), "initial_c": h(), "weight_ih": f(&[16, 3]), "weight_hh": f(&[12, 4]) }
        => "op-shape: `weight_hh` has 12 in dimension 0 (fp16[12, 4]), but 4 times the hidden size is 16");
    case!("lstm" CoreML7 { "x": x(), "initial_h": h(), "initial_c": h(), "weight_ih": f(&[16, 3]), "weight_hh": f(&[16, 4]), "direction": text("bidirectional") }
        => "op-parameter: `weight_ih_back` is required for `direction` \"bidirectional\"");
    case!("lstm" CoreML6 { "x": x(), "initial_h": h(), "initial_c": h(), "weight_ih": f(&[16, 3]), "weight_hh": f(&[16, 4]) }
        => "op-dtype: `x` is fp16; it can be fp32\nop-dtype: `initial_h` is fp16; it can be fp32\nop-dtype: `initial_c` is fp16; it can be fp32\nop-dtype: `weight_ih` is fp16; it can be fp32\nop-dtype: `weight_hh` is fp16; it can be fp32");
    case!("gru" CoreML7 { "x": open(&[0, 0, 3]), "initial_h": h(), "weight_ih": f(&[12, 3]), "weight_hh": f(&[12, 4]), "output_sequence": yes() }
        => "fp16[?, ?, 4] fp16[?, 4]");
    case!("layer_norm" CoreML5 { "x": x(), "axes": ints(&[-1]), "gamma": f(&[4]) } => "op-shape: `gamma` has shape [4]; it must be [3]");
    case!("batch_norm" CoreML5 { "x": x(), "mean": f(&[3]), "variance": f(&[2]) }
        => "op-shape: `mean` has 3 in dimension 0 (fp16[3]), but dimension 1 of `x` is 2");
    case!("reduce_mean" CoreML5 { "x": x(), "axes": ints(&[0, -3]) } => "op-axis: `axes` names axis 0 twice");
    case!("reduce_argmax" CoreML7 { "x": x(), "output_dtype": text("int64") }
        => "op-value: `output_dtype` is \"int64\"; it can be int32, uint16");
    let q = |shape: &[u64]| live(Fp16, shape);
    case!("scaled_dot_product_attention" CoreML8 { "query": q(&[1, 5, 8]), "key": q(&[1, 7, 4]), "value": q(&[1, 7, 8]) }
        => "op-shape: `key` has 4 in dimension 2 (fp16[1, 7, 4]), but that of `query` is 8");
    case!("scaled_dot_product_attention" CoreML8 { "query": q(&[1, 5, 8]), "key": q(&[1, 7, 8]), "value": q(&[1, 6, 8]) }
        => "op-shape: `value` has 6 in dimension 1 (fp16[1, 6, 8]), but that of `key` is 7");
    case!("resize" CoreML7 { "x": live(Fp16, &[1, 2, 3, 4]), "shape": ints(&[5]), "resized_dims": Arg::Known(Literal::bytes(TensorType::new(crate::graph::ElementType::Uint32, [] as [u64; 0]), 2u32.to_le_bytes().to_vec())) }
        => "op-value: `resized_dims` is 2, more than `shape` or the dimensions of `x` (fp16[1, 2, 3, 4])");
    case!("pixel_shuffle" CoreML5 { "x": live(Fp16, &[1, 6, 3, 4]), "upscale_factor": int(2) }
        => "op-shape: `upscale_factor` needs 4 to divide the dimension 6");
    case!("space_to_batch" CoreML5 { "x": live(Fp16, &[1, 6, 3, 4]), "block_shape": ints(&[2, 2]), "paddings": Arg::Known(Literal::bytes(TensorType::new(Int32, [2u64, 2]), [1, 0, 0, 0].iter().flat_map(|v: &i32| v.to_le_bytes()).collect::<Vec<u8>>())) }
        => "fp16[4, 6, 2, 2]");
    let state = Arg::Live(Type::State(Box::new(Type::tensor(Fp16, [2u64]))));
    case!("read_state" CoreML8 { "input": state.clone() } => "fp16[2]");
    case!("write_state" CoreML8 outputs 0 { "input": state.clone(), "data": live(Fp16, &[3]) }
        => "op-shape: `data` is fp16[3], but the state holds fp16[2]");
    case!("relu" CoreML8 { "x": state } => "op-dtype: `x` must be a tensor, not state<fp16[2]>");
    let classes = |length: u64| {
        Arg::Fixed(Type::List {
            element: Box::new(Type::scalar(crate::graph::ElementType::String)),
            length: length.into(),
        })
    };
    case!("classify" CoreML5 { "probabilities": live(Fp32, &[1, 3]), "classes": classes(3) } => "string[] dictionary<string[], fp64[]>");
    case!("classify" CoreML5 { "probabilities": live(Fp32, &[1, 3]), "classes": classes(4) }
        => "op-shape: `classes` has 4 classes for 3 probabilities");
    assert_eq!(says("conv_quantized", CoreML5, &[]).lines().count(), 5);
}

fn number(element: ElementType, value: f32) -> Arg {
    let bytes = match element {
        Fp16 => half::f16::from_f32(value).to_le_bytes().to_vec(),
        _ => value.to_le_bytes().to_vec(),
    };
    Arg::Known(Literal::bytes(TensorType::new(element, [] as [u64; 0]), bytes))
}

/// Counts that depend on the precision in which they are computed.
#[test]
fn counts_are_those_of_the_arithmetic_of_the_type() {
    let range = |element, end, step| {
        let arguments =
            [("start", number(element, 0.0)), ("end", number(element, end)), ("step", number(element, step))];
        says("range_1d", CoreML5, &arguments)
    };
    // In binary64 the first two quotients are a little more than 3 and 10.
    assert_eq!(range(Fp32, 0.3, 0.1), "fp32[3]");
    assert_eq!(range(Fp16, 1.0, 0.1), "fp16[10]");
    assert_eq!(range(Fp32, 0.7, 0.1), "fp32[7]");
    assert_eq!(range(Fp32, 0.75, 0.125), "fp32[6]");
    let up = |factor: f32| {
        let arguments = [("x", live(Fp16, &[1, 10, 10])), ("scale_factor_height", number(Fp32, factor))];
        says("upsample_nearest_neighbor", CoreML5, &arguments)
    };
    // 10 times binary32's 0.7 is 7 in binary32, and less in binary64.
    assert_eq!(up(0.7), "fp16[1, ?, 10]");
    assert_eq!(up(0.75), "fp16[1, 7, 10]");
    assert_eq!(up(1.55), "fp16[1, 15, 10]");
}

#[test]
fn indices_are_validated() {
    let x = || live(Fp16, &[2, 3, 4]);
    let rows = |values: &[i32], shape: [u64; 2]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Arg::Known(Literal::bytes(TensorType::new(Int32, shape), bytes))
    };
    case!("gather_nd" CoreML7 { "x": x(), "indices": rows(&[0, 2, 1, 2], [2, 2]), "validate_indices": yes() } => "fp16[2, 4]");
    case!("gather_nd" CoreML7 { "x": x(), "indices": rows(&[0, 2, 2, 2], [2, 2]), "validate_indices": yes() }
        => "op-value: `indices` holds 2; with `validate_indices` it must be from 0 to 2, exclusive");
    case!("gather_nd" CoreML7 { "x": x(), "indices": rows(&[2, 3], [2, 1]), "batch_dims": int(1), "validate_indices": yes() }
        => "op-value: `indices` holds 3; with `validate_indices` it must be from 0 to 3, exclusive");
    case!("scatter_nd" CoreML7 { "data": x(), "indices": rows(&[0, -1], [1, 2]), "updates": live(Fp16, &[1, 4]), "validate_indices": yes() }
        => "op-value: `indices` holds -1; with `validate_indices` it must be from 0 to 3, exclusive");
    case!("scatter_nd" CoreML7 { "data": x(), "indices": rows(&[0, -1], [1, 2]), "updates": live(Fp16, &[1, 4]) } => "fp16[2, 3, 4]");
    case!("crop_resize" CoreML7 { "x": live(Fp16, &[2, 3, 8, 8]), "boxes": live(Fp16, &[3, 4]) }
        => "op-parameter: `box_indices` is required, since there are 3 boxes for 2 images");
    case!("crop_resize" CoreML7 { "x": live(Fp16, &[2, 3, 8, 8]), "boxes": live(Fp16, &[2, 4]) } => "fp16[2, 3, 1, 1]");
    case!("reduce_argmax" CoreML7 { "x": x(), "output_dtype": text("UINT16") } => "uint16[2, 3]");
    let unranked = Arg::Live(Type::Tensor(TensorType { element: Fp16, shape: vec![Dim::Variadic, Dim::Known(7)] }));
    case!("softplus_parametric" CoreML5 { "x": unranked, "alpha": fixed(Fp16, &[3]), "beta": fixed(Fp16, &[3]) } => "fp16[*, 7]");
}

/// What a loop's body hands out goes into it again: a size may change from what the loop began with.
#[test]
fn loops_whose_sizes_change() {
    let (one, two) = (Type::tensor(Fp16, [1u64]), Type::tensor(Fp16, [2u64]));
    let (open, truth) = (Type::tensor(Fp16, [Dim::Unknown]), Type::scalar(Bool));
    let says = |inner: &Type| {
        let condition = BlockTypes { inputs: vec![inner], outputs: vec![Some(&truth)] };
        let body = BlockTypes { inputs: vec![inner], outputs: vec![Some(&two)] };
        let arguments = vec![("loop_vars", vec![Given { ty: &one, constant: false, literal: None }])];
        let blocks = vec![condition, body];
        infer("while_loop", &Call { set: CoreML5, arguments, blocks, outputs: 1, blobs: &NoBlobs })
    };
    assert_eq!(says(&open), Ok(Some(vec![two.clone()])));
    assert!(says(&one).is_err());
}
