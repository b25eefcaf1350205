//! Quantized activations. CT:ops/defs/iOS17/quantization_ops.py.

use crate::element::ElementType::*;
use crate::graph::function::Opset::*;
use crate::graph::types::TensorType;

use super::call::Call;
use super::fault::{OpError, OpRule};
use super::shape::{One, axis, one};
use super::table::*;

const CODES: &[crate::graph::ElementType] = &[Int8, Uint8];

pub(super) static OPERATORS: &[Operator] = &[
    operator(
        "quantize",
        &[since(
            CoreML7,
            &[
                live("input", t(FLOATS)),
                fixed_opt("zero_point", u(CODES)),
                fixed("scale", t(FLOATS)),
                fixed_opt("axis", INT32),
                fixed("output_dtype", TEXT),
            ],
            quantize,
        )],
    ),
    operator(
        "dequantize",
        &[since(
            CoreML7,
            &[
                live("input", t(CODES)),
                fixed_opt("zero_point", t(CODES)),
                fixed("scale", u(FLOATS)),
                fixed_opt("axis", INT32),
            ],
            dequantize,
        )],
    ),
];

fn quantize(call: &Call<'_>) -> One {
    let input = call.tensor("input")?;
    let Some(element) = call.element("output_dtype", Int8, CODES)? else {
        return Err(OpError::at(OpRule::Constant, "output_dtype", "must be a constant that can be read"));
    };
    if let Some(zero_point) = call.tensor_if("zero_point")?
        && zero_point.element != element
    {
        let message = format!("is {}, but `output_dtype` says {}", zero_point.element, element);
        return Err(OpError::at(OpRule::OffsetShape, "zero_point", message));
    }
    check_zeros(call)?;
    check_shapes(call, input)?;
    one(element, input.shape.clone())
}

fn dequantize(call: &Call<'_>) -> One {
    let (input, scale) = (call.tensor("input")?, call.tensor("scale")?);
    check_shapes(call, input)?;
    one(scale.element, input.shape.clone())
}

/// A scale of nothing but zeros divides by zero.
fn check_zeros(call: &Call<'_>) -> Result<(), OpError> {
    match call.floats("scale")?.known() {
        Some(values) if !values.is_empty() && values.iter().all(|value| *value == 0.0) => {
            Err(OpError::at(OpRule::QdqZeroScale, "scale", "must not be 0"))
        }
        _ => Ok(()),
    }
}

/// Scale and zero point are both scalars and there is no axis, or both vectors along the axis.
fn check_shapes(call: &Call<'_>, input: &TensorType) -> Result<(), OpError> {
    let scale = call.tensor("scale")?;
    let zero_point = call.tensor_if("zero_point")?;
    let rank = scale.shape.len();
    if rank > 1 {
        return Err(OpError::at(OpRule::ScaleShape, "scale", format!("must be a scalar or a vector, not {scale}")));
    }
    if let Some(zero_point) = zero_point.filter(|zero_point| zero_point.shape.len() != rank) {
        let kind = if rank == 0 { "a scalar" } else { "a vector" };
        let message = format!("must be {kind}, as `scale` is, not {zero_point}");
        return Err(OpError::at(OpRule::OffsetShape, "zero_point", message));
    }
    match (rank, call.has("axis")) {
        (0, false) => return Ok(()),
        (0, true) => return Err(OpError::at(OpRule::QdqAxis, "axis", "must not be given for a scalar `scale`")),
        (_, false) => return Err(OpError::at(OpRule::QdqAxis, "axis", "is required for a vector `scale`")),
        (_, true) => {}
    }
    let (Some(input_rank), Some(at)) = (input.rank(), call.int("axis")?.known()) else { return Ok(()) };
    let at = axis("axis", at, input_rank).map_err(|error| OpError { rule: OpRule::QdqAxis, ..error })?;
    let dim = input.shape[at];
    let expect = |parameter, rule, values: &TensorType| {
        if values.shape[0].agrees(dim) {
            return Ok(());
        }
        let message = format!("has {} values, but `input` is {dim} along `axis` ({input})", values.shape[0]);
        Err(OpError::at(rule, parameter, message))
    };
    expect("scale", OpRule::ScaleShape, scale)?;
    zero_point.map_or(Ok(()), |zero_point| expect("zero_point", OpRule::OffsetShape, zero_point))
}
