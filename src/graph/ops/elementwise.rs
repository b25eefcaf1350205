//! Operators on each element: of one input, or of two that are broadcast. CT:ops/defs/iOS15/elementwise_unary.py,
//! elementwise_binary.py, iOS17/elementwise_unary.py.

use crate::element::ElementType::*;
use crate::graph::function::Opset::*;

use super::call::Call;
use super::fault::{OpError, OpRule};
use super::shape::{One, broadcast, one, same};
use super::table::*;

const FLOAT: &[Version] = &[since(CoreML5, &[live("x", t(FLOATS))], like_x)];
const NUMBER: &[Version] = &[since(CoreML5, &[live("x", t(NUMBERS))], like_x)];
const WITH_EPSILON: &[Version] = &[
    since(CoreML5, &[live("x", t(FLOATS)), fixed_opt("epsilon", t(FLOATS))], like_x),
    since(CoreML7, &[live("x", t(FLOATS)), fixed_opt("epsilon", u(FLOATS))], like_x),
];
const BOUNDS: &[Parameter] = &[live("x", t(FLOATS)), fixed("alpha", t(FLOATS)), fixed("beta", t(FLOATS))];
const ARITHMETIC: &[Version] = &[since(CoreML5, &[live("x", t(NUMBERS)), live("y", t(NUMBERS))], broadcast_xy)];
const COMPARISON: &[Version] = &[since(CoreML5, &[live("x", t(NUMBERS)), live("y", t(NUMBERS))], truth_xy)];
const LOGICAL: &[Version] = &[since(CoreML5, &[live("x", BOOL), live("y", BOOL)], truth_xy)];

pub(super) static OPERATORS: &[Operator] = &[
    operator("abs", NUMBER),
    operator("acos", FLOAT),
    operator("asin", FLOAT),
    operator("atan", FLOAT),
    operator("atanh", FLOAT),
    operator("ceil", FLOAT),
    operator("clip", &[since(CoreML5, BOUNDS, like_x), since(CoreML7, BOUNDS, clip)]),
    operator("cos", FLOAT),
    operator("cosh", FLOAT),
    operator("erf", FLOAT),
    operator("exp", FLOAT),
    operator("exp2", NUMBER),
    operator("floor", FLOAT),
    operator("inverse", WITH_EPSILON),
    operator("log", WITH_EPSILON),
    operator("logical_not", &[since(CoreML5, &[live("x", BOOL)], like_x)]),
    operator("round", FLOAT),
    operator("rsqrt", WITH_EPSILON),
    operator("sign", NUMBER),
    operator("sin", FLOAT),
    operator("sinh", FLOAT),
    operator("sqrt", FLOAT),
    operator("square", NUMBER),
    operator("tan", FLOAT),
    operator("tanh", FLOAT),
    operator("threshold", &[since(CoreML5, &[live("x", t(NUMBERS)), fixed("alpha", t(NUMBERS))], like_x)]),
    operator(
        "cast",
        &[
            since(CoreML5, &[live("x", t(NUMBERS_AND_BOOL)), fixed("dtype", TEXT)], cast_5),
            since(CoreML7, &[live("x", t(MOVABLE)), fixed("dtype", TEXT)], cast_7),
        ],
    ),
    operator("add", ARITHMETIC),
    operator("sub", ARITHMETIC),
    operator("mul", ARITHMETIC),
    operator("real_div", ARITHMETIC),
    operator("floor_div", ARITHMETIC),
    operator("mod", ARITHMETIC),
    operator("pow", ARITHMETIC),
    operator("maximum", ARITHMETIC),
    operator("minimum", ARITHMETIC),
    operator("equal", COMPARISON),
    operator("not_equal", COMPARISON),
    operator("greater", COMPARISON),
    operator("greater_equal", COMPARISON),
    operator("less", COMPARISON),
    operator("less_equal", COMPARISON),
    operator("logical_and", LOGICAL),
    operator("logical_or", LOGICAL),
    operator("logical_xor", LOGICAL),
    operator(
        "select",
        &[since(
            CoreML5,
            &[live("cond", BOOL), live("a", t(NUMBERS_AND_BOOL)), live("b", t(NUMBERS_AND_BOOL))],
            select,
        )],
    ),
];

/// The type of `x`.
pub(super) fn like_x(call: &Call<'_>) -> One {
    same(call.tensor("x")?)
}

fn clip(call: &Call<'_>) -> One {
    if let (Some(alpha), Some(beta)) = (call.float("alpha")?.known(), call.float("beta")?.known())
        && alpha >= beta
    {
        let message = format!("is {alpha}; it must be less than `beta`, which is {beta}");
        return Err(OpError::at(OpRule::Value, "alpha", message));
    }
    like_x(call)
}

fn cast_5(call: &Call<'_>) -> One {
    cast(call, NUMBERS_AND_BOOL)
}

fn cast_7(call: &Call<'_>) -> One {
    cast(call, MOVABLE)
}

fn cast(call: &Call<'_>, accepted: &[crate::graph::ElementType]) -> One {
    let x = call.tensor("x")?;
    match call.element("dtype", x.element, accepted)? {
        Some(element) => one(element, x.shape.clone()),
        None => Err(OpError::at(OpRule::Constant, "dtype", "must be a constant that can be read")),
    }
}

fn broadcast_xy(call: &Call<'_>) -> One {
    let (x, y) = (call.tensor("x")?, call.tensor("y")?);
    one(x.element, broadcast(&x.shape, &y.shape)?)
}

fn truth_xy(call: &Call<'_>) -> One {
    let (x, y) = (call.tensor("x")?, call.tensor("y")?);
    one(Bool, broadcast(&x.shape, &y.shape)?)
}

/// `cond` chooses among elements, so the three are broadcast together. (coremltools leaves `cond` out: what it
/// makes has the shape of `a` and `b` even where `cond` is larger.)
fn select(call: &Call<'_>) -> One {
    let (cond, a, b) = (call.tensor("cond")?, call.tensor("a")?, call.tensor("b")?);
    let both = broadcast(&a.shape, &b.shape)?;
    broadcast(&cond.shape, &both)?;
    one(a.element, both)
}
