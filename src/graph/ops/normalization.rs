//! Normalizations. CT:ops/defs/iOS15/normalization.py, iOS17/normalization.py.

use crate::graph::function::Opset::*;
use crate::graph::types::Dim;

use super::call::{Call, Constant};
use super::elementwise::like_x;
use super::fault::OpError;
use super::shape::{One, axes, expect_dim, expect_shape, rank_in, same};
use super::table::*;

const X: Parameter = live("x", t(FLOATS));

const fn batch_norm_parameters(values: Accepts) -> [Parameter; 6] {
    [
        X,
        fixed("mean", values),
        fixed("variance", values),
        fixed_opt("gamma", values),
        fixed_opt("beta", values),
        fixed_opt("epsilon", values),
    ]
}

const fn instance_norm_parameters(values: Accepts) -> [Parameter; 4] {
    [X, fixed_opt("gamma", values), fixed_opt("beta", values), fixed_opt("epsilon", values)]
}

const fn layer_norm_parameters(values: Accepts) -> [Parameter; 5] {
    [X, fixed_opt("axes", INT32), fixed_opt("gamma", values), fixed_opt("beta", values), fixed_opt("epsilon", values)]
}

const fn local_response_norm_parameters(values: Accepts) -> [Parameter; 5] {
    [X, fixed("size", INT32), fixed_opt("alpha", values), fixed_opt("beta", values), fixed_opt("k", values)]
}

pub(super) static OPERATORS: &[Operator] = &[
    operator(
        "batch_norm",
        &[
            since(CoreML5, &batch_norm_parameters(t(FLOATS)), batch_norm),
            since(CoreML7, &batch_norm_parameters(u(FLOATS)), batch_norm),
        ],
    ),
    operator(
        "instance_norm",
        &[
            since(CoreML5, &instance_norm_parameters(t(FLOATS)), instance_norm),
            since(CoreML7, &instance_norm_parameters(u(FLOATS)), instance_norm),
        ],
    ),
    operator(
        "l2_norm",
        &[
            since(CoreML5, &[X, fixed_opt("epsilon", t(FLOATS))], l2_norm),
            since(CoreML7, &[X, fixed_opt("epsilon", u(FLOATS))], l2_norm),
        ],
    ),
    operator(
        "layer_norm",
        &[
            since(CoreML5, &layer_norm_parameters(t(FLOATS)), layer_norm),
            since(CoreML7, &layer_norm_parameters(u(FLOATS)), layer_norm),
        ],
    ),
    operator(
        "local_response_norm",
        &[
            since(CoreML5, &local_response_norm_parameters(t(FLOATS)), like_x),
            since(CoreML7, &local_response_norm_parameters(u(FLOATS)), like_x),
        ],
    ),
];

/// Each of the vectors has one value per channel: dimension 1 of `x`.
pub(super) fn per_channel(call: &Call<'_>, parameters: &[&'static str]) -> Result<(), OpError> {
    let x = call.tensor("x")?;
    for parameter in parameters {
        let Some(values) = call.tensor_if(parameter)? else { continue };
        rank_in(parameter, values, 1..=1)?;
        if x.rank().is_some()
            && let Some(channels) = x.shape.get(1)
        {
            expect_dim(parameter, values, 0, *channels, "dimension 1 of `x`")?;
        }
    }
    Ok(())
}

fn batch_norm(call: &Call<'_>) -> One {
    per_channel(call, &["mean", "variance", "gamma", "beta"])?;
    like_x(call)
}

fn instance_norm(call: &Call<'_>) -> One {
    per_channel(call, &["gamma", "beta"])?;
    like_x(call)
}

fn l2_norm(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    rank_in("x", x, 3..=usize::MAX)?;
    same(x)
}

/// `gamma` and `beta` have the shape of the normalized axes, all axes by default.
fn layer_norm(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let Some(rank) = x.rank() else { return same(x) };
    let normalized = match call.ints("axes")? {
        Constant::Unknown => return same(x),
        Constant::Absent => (0..rank).collect(),
        Constant::Known(given) => axes("axes", &given, rank)?,
    };
    let shape: Vec<Dim> = normalized.into_iter().map(|axis| x.shape[axis]).collect();
    for parameter in ["gamma", "beta"] {
        if let Some(values) = call.tensor_if(parameter)? {
            expect_shape(parameter, values, &shape)?;
        }
    }
    same(x)
}
