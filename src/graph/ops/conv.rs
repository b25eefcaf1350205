//! Convolutions. CT:ops/defs/iOS15/conv.py, iOS17/conv.py.

use crate::element::ElementType::*;
use crate::graph::function::Opset::*;
use crate::graph::types::{Dim, TensorType};

use super::call::{Call, Constant};
use super::fault::{OpError, OpRule};
use super::shape::{One, expect_dim, map_dim, one, open, positive, rank_in, size, unknown};
use super::table::*;
use super::window::{Padding, Window, custom_padding, padding, per_dimension};

const STRIDES: Parameter = fixed_opt("strides", INT32);
const PAD_TYPE: Parameter = fixed_opt("pad_type", TEXT);
const PAD: Parameter = fixed_opt("pad", INT32);
const DILATIONS: Parameter = fixed_opt("dilations", INT32);
const GROUPS: Parameter = fixed_opt("groups", INT32);
const X: Parameter = live("x", t(FLOATS));

const CONV_5: &[Parameter] =
    &[X, live("weight", t(FLOATS)), fixed_opt("bias", t(FLOATS)), STRIDES, PAD_TYPE, PAD, DILATIONS, GROUPS];
const CONV_7: &[Parameter] =
    &[X, live("weight", u(FLOATS)), live_opt("bias", u(FLOATS)), STRIDES, PAD_TYPE, PAD, DILATIONS, GROUPS];
const CONV_QUANTIZED: &[Parameter] = &[
    X,
    live("weight", u(&[Uint8])),
    fixed_opt("bias", u(&[Uint8])),
    fixed("quantization_type", TEXT),
    fixed_opt("nbits", INT32),
    fixed("quant_scale", t(FLOATS)),
    fixed("quant_bias", t(FLOATS)),
    STRIDES,
    PAD_TYPE,
    PAD,
    DILATIONS,
    GROUPS,
];
const TRANSPOSE_5: &[Parameter] = &[
    X,
    fixed("weight", t(FLOATS)),
    fixed_opt("bias", t(FLOATS)),
    PAD,
    fixed_opt("output_shape", INT32),
    PAD_TYPE,
    STRIDES,
    DILATIONS,
    GROUPS,
];
const TRANSPOSE_7: &[Parameter] = &[
    X,
    live("weight", u(FLOATS)),
    live_opt("bias", u(FLOATS)),
    PAD,
    fixed_opt("output_shape", INT32),
    PAD_TYPE,
    STRIDES,
    DILATIONS,
    GROUPS,
];

pub(super) static OPERATORS: &[Operator] = &[
    operator("conv", &[since(CoreML5, CONV_5, conv), since(CoreML7, CONV_7, conv)]),
    operator("conv_quantized", &[since(CoreML5, CONV_QUANTIZED, conv)]),
    operator("conv_transpose", &[since(CoreML5, TRANSPOSE_5, transpose), since(CoreML7, TRANSPOSE_7, transpose)]),
];

/// `x` is [N, C_in, D…], `weight` [C_out, C_in / groups, K…].
fn conv(call: &Call<'_>) -> One {
    let (x, weight) = (call.tensor("x")?, call.tensor("weight")?);
    let Some(rank) = ranks(x, weight)? else { return open(x.element) };
    let dimensions = rank - 2;
    if let Some(groups) = groups(call)? {
        let inputs = map_dim(x.shape[1], |channels| channels.is_multiple_of(groups).then_some(channels / groups))
            .map_err(|_| indivisible(&format!("{} channels of `x`", x.shape[1]), groups))?;
        expect_dim("weight", weight, 1, inputs, "the number of channels of `x` in each group")?;
        if let Dim::Known(outputs) = weight.shape[0]
            && !outputs.is_multiple_of(groups)
        {
            return Err(indivisible(&format!("{outputs} channels of the output"), groups));
        }
    }
    check_bias(call, weight.shape[0])?;
    let strides = per_dimension(call, "strides", dimensions)?;
    let dilations = per_dimension(call, "dilations", dimensions)?;
    let weight_varies = call.one("weight").is_some_and(|given| !given.constant);
    if weight_varies && dilations.as_ref().is_some_and(|dilations| dilations.iter().any(|dilation| *dilation > 1)) {
        return Err(OpError::at(OpRule::Value, "dilations", "must be 1 for a weight that is not constant"));
    }
    let mut shape = vec![x.shape[0], weight.shape[0]];
    match (strides, dilations, padding(call, dimensions)?) {
        (Some(strides), Some(dilations), Some(padding)) => {
            let window = Window { kernel: weight.shape[2..].to_vec(), strides, dilations, padding, ceil: false };
            shape.extend(window.outputs(&x.shape[2..])?);
        }
        _ => shape.extend(unknown(dimensions)),
    }
    one(x.element, shape)
}

/// `x` is [N, C_in, D…], `weight` [C_in, C_out / groups, K…].
fn transpose(call: &Call<'_>) -> One {
    let (x, weight) = (call.tensor("x")?, call.tensor("weight")?);
    let Some(rank) = ranks(x, weight)? else { return open(x.element) };
    expect_dim("weight", weight, 0, x.shape[1], "the number of channels of `x`")?;
    let mut shape = vec![x.shape[0], Dim::Unknown];
    if let Some(groups) = groups(call)? {
        if let Dim::Known(inputs) = x.shape[1]
            && !inputs.is_multiple_of(groups)
        {
            return Err(indivisible(&format!("{inputs} channels of `x`"), groups));
        }
        shape[1] = map_dim(weight.shape[1], |outputs| outputs.checked_mul(groups))?;
        check_bias(call, shape[1])?;
    }
    match call.ints("output_shape")? {
        Constant::Known(sizes) => {
            let sizes: Vec<Dim> =
                sizes.into_iter().map(|given| size("output_shape", given).map(Dim::Known)).collect::<Result<_, _>>()?;
            let found = TensorType { element: x.element, shape: sizes.clone() };
            rank_in("output_shape", &found, rank..=rank)?;
            expect_dim("output_shape", &found, 0, shape[0], "the first dimension of `x`")?;
            expect_dim("output_shape", &found, 1, shape[1], "the number of output channels")?;
            one(x.element, sizes)
        }
        Constant::Unknown => one(x.element, [shape, unknown(rank - 2)].concat()),
        Constant::Absent => one(x.element, [shape, spread(call, x, weight, rank - 2)?].concat()),
    }
}

/// Spatial sizes of a transposed convolution. (coremltools does not look whether anything is left of the padded ones.)
fn spread(call: &Call<'_>, x: &TensorType, weight: &TensorType, dimensions: usize) -> Result<Vec<Dim>, OpError> {
    let strides = per_dimension(call, "strides", dimensions)?;
    let dilations = per_dimension(call, "dilations", dimensions)?;
    let pad = match call.word("pad_type", &["valid", "same", "custom"])? {
        Some("same") => Some(Padding::Same),
        Some("custom") => custom_padding(call, dimensions)?.map(Padding::Custom),
        Some(_) => Some(Padding::Valid),
        None => None,
    };
    let (Some(strides), Some(dilations), Some(pad)) = (strides, dilations, pad) else {
        return Ok(unknown(dimensions));
    };
    let size = |i: usize| -> Result<Dim, OpError> {
        let (Dim::Known(input), Dim::Known(kernel)) = (x.shape[2 + i], weight.shape[2 + i]) else {
            return Ok(Dim::Unknown);
        };
        let (input, kernel) = (i128::from(input), i128::from(kernel));
        let (stride, dilation) = (i128::from(strides[i]), i128::from(dilations[i]));
        let whole = stride * (input - 1) + (kernel - 1) * dilation + 1;
        let out = match &pad {
            Padding::Same => stride * input,
            Padding::Valid => whole,
            Padding::Custom(pairs) => whole - i128::from(pairs[i].0) - i128::from(pairs[i].1),
        };
        match u64::try_from(out) {
            Ok(out) if out > 0 => Ok(Dim::Known(out)),
            _ => Err(OpError::whole(OpRule::Shape, format!("spatial dimension {i} of the output would be {out}"))),
        }
    };
    (0..dimensions).map(size).collect()
}

/// The common rank of `x` and `weight`, from 3 to 5. `None` where one is open.
fn ranks(x: &TensorType, weight: &TensorType) -> Result<Option<usize>, OpError> {
    let Some(rank) = rank_in("x", x, 3..=5)? else { return Ok(None) };
    rank_in("weight", weight, rank..=rank)
}

fn groups(call: &Call<'_>) -> Result<Option<u64>, OpError> {
    call.int("groups")?.or(1).map(|groups| positive("groups", groups)).transpose()
}

fn indivisible(what: &str, groups: u64) -> OpError {
    OpError::at(OpRule::Shape, "groups", format!("is {groups}, which does not divide the {what}"))
}

fn check_bias(call: &Call<'_>, outputs: Dim) -> Result<(), OpError> {
    let Some(bias) = call.tensor_if("bias")? else { return Ok(()) };
    rank_in("bias", bias, 1..=1)?;
    expect_dim("bias", bias, 0, outputs, "the number of output channels")
}
