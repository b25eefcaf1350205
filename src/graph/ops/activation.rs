//! Activations. CT:ops/defs/iOS15/activation.py, iOS17/activation.py.

use crate::graph::function::Opset::*;

use super::call::Call;
use super::elementwise::like_x;
use super::fault::{OpError, OpRule};
use super::normalization::per_channel;
use super::shape::{One, axis, rank_in, same};
use super::table::*;

const PLAIN: &[Version] = &[since(CoreML5, &[live("x", t(FLOATS))], like_x)];
const ALPHA_5: &[Parameter] = &[live("x", t(FLOATS)), fixed("alpha", t(FLOATS))];
const ALPHA_7: &[Parameter] = &[live("x", t(FLOATS)), fixed("alpha", u(FLOATS))];
const ALPHA: &[Version] = &[since(CoreML5, ALPHA_5, like_x), since(CoreML7, ALPHA_7, like_x)];
const ALPHA_BETA_5: &[Parameter] = &[live("x", t(FLOATS)), fixed("alpha", t(FLOATS)), fixed("beta", t(FLOATS))];
const ALPHA_BETA_7: &[Parameter] = &[live("x", t(FLOATS)), fixed("alpha", u(FLOATS)), fixed("beta", u(FLOATS))];
const ALPHA_BETA: &[Version] = &[since(CoreML5, ALPHA_BETA_5, like_x), since(CoreML7, ALPHA_BETA_7, like_x)];

pub(super) static OPERATORS: &[Operator] = &[
    operator("clamped_relu", ALPHA_BETA),
    operator("elu", ALPHA),
    operator("gelu", &[since(CoreML5, &[live("x", t(FLOATS)), fixed_opt("mode", TEXT)], gelu)]),
    operator("leaky_relu", ALPHA),
    operator("linear_activation", ALPHA_BETA),
    operator("prelu", &[since(CoreML5, ALPHA_5, prelu), since(CoreML7, ALPHA_7, prelu)]),
    operator("relu", PLAIN),
    operator("relu6", PLAIN),
    operator("scaled_tanh", ALPHA_BETA),
    operator("sigmoid", PLAIN),
    operator("sigmoid_hard", ALPHA_BETA),
    operator("silu", PLAIN),
    operator("softmax", &[since(CoreML5, &[live("x", t(FLOATS)), fixed_opt("axis", INT32)], softmax)]),
    operator("softplus", PLAIN),
    operator(
        "softplus_parametric",
        &[since(CoreML5, ALPHA_BETA_5, softplus_parametric), since(CoreML7, ALPHA_BETA_7, softplus_parametric)],
    ),
    operator("softsign", PLAIN),
    operator("thresholded_relu", ALPHA),
];

fn gelu(call: &Call<'_>) -> One {
    call.word("mode", &["EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"])?;
    like_x(call)
}

fn softmax(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    if let (Some(rank), Some(at)) = (x.rank(), call.int("axis")?.or(-1)) {
        axis("axis", at, rank)?;
    }
    same(x)
}

fn prelu(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let rank = rank_in("x", x, 3..=5)?;
    per_channel(call, &["alpha"])?;
    if let (Some(3 | 5), Some(alpha)) = (rank, call.floats("alpha")?.known())
        && alpha.iter().any(|value| (value - alpha[0]).abs() > 1e-5)
    {
        let message = "differs between channels, which works for `x` of rank 4 only";
        return Err(OpError::at(OpRule::Value, "alpha", message));
    }
    same(x)
}

fn softplus_parametric(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    rank_in("x", x, 3..=usize::MAX)?;
    per_channel(call, &["alpha", "beta"])?;
    same(x)
}
