//! Random tensors. CT:ops/defs/iOS15/random.py.

use crate::element::ElementType::*;
use crate::graph::function::Opset::*;

use super::call::Call;
use super::shape::{One, one, rank_in, size};
use super::table::*;
use super::tensor_operation::filled;

const SHAPE: Parameter = live("shape", INT32);
const SEED: Parameter = fixed_opt("seed", INT32);

pub(super) static OPERATORS: &[Operator] = &[
    operator("random_bernoulli", &[since(CoreML5, &[SHAPE, fixed_opt("prob", t(FLOATS)), SEED], bernoulli)]),
    operator(
        "random_categorical",
        &[since(
            CoreML5,
            &[live("x", t(FLOATS)), fixed_opt("mode", TEXT), fixed_opt("size", INT32), SEED],
            categorical,
        )],
    ),
    operator(
        "random_normal",
        &[since(CoreML5, &[SHAPE, fixed_opt("mean", t(FLOATS)), fixed_opt("stddev", t(FLOATS)), SEED], normal)],
    ),
    operator(
        "random_uniform",
        &[since(CoreML5, &[SHAPE, fixed_opt("low", t(FLOATS)), fixed_opt("high", t(FLOATS)), SEED], uniform)],
    ),
];

/// A tensor of the type of these parameters, fp32 by default.
fn of(call: &Call<'_>, parameters: [&'static str; 2]) -> One {
    let mut element = Fp32;
    for parameter in parameters {
        element = call.tensor_if(parameter)?.map_or(element, |tensor| tensor.element);
    }
    filled(call, element)
}

fn bernoulli(call: &Call<'_>) -> One {
    of(call, ["prob", "prob"])
}

fn normal(call: &Call<'_>) -> One {
    of(call, ["mean", "stddev"])
}

fn uniform(call: &Call<'_>) -> One {
    of(call, ["low", "high"])
}

/// `x` is […, classes]; `size` of them are drawn.
fn categorical(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    rank_in("x", x, 1..=usize::MAX)?;
    call.word("mode", &["logits", "probs"])?;
    let drawn = call.int("size")?.or(1).map(|drawn| size("size", drawn)).transpose()?;
    let mut shape = x.shape.clone();
    if let (Some(_), Some(last)) = (x.rank(), shape.last_mut()) {
        *last = drawn.into();
    }
    one(x.element, shape)
}
