//! Reductions. CT:ops/defs/iOS15/reduction.py, iOS17/reduction.py.

use crate::element::ElementType::{self, *};
use crate::graph::function::Opset::*;
use crate::graph::types::{Dim, TensorType};

use super::call::{Call, Constant};
use super::shape::{One, axes, axis, one, open};
use super::table::*;

const AXES: &[Version] =
    &[since(CoreML5, &[live("x", t(NUMBERS)), fixed_opt("axes", INT32), fixed_opt("keep_dims", BOOL)], over_axes)];
const ARG: &[Version] = &[
    since(CoreML5, &[live("x", t(NUMBERS)), fixed_opt("axis", INT32), fixed_opt("keep_dims", BOOL)], arg_5),
    since(
        CoreML7,
        &[
            live("x", t(NUMBERS)),
            fixed_opt("axis", INT32),
            fixed_opt("keep_dims", BOOL),
            fixed_opt("output_dtype", TEXT),
        ],
        arg_7,
    ),
];

pub(super) static OPERATORS: &[Operator] = &[
    operator("reduce_argmax", ARG),
    operator("reduce_argmin", ARG),
    operator("reduce_l1_norm", AXES),
    operator("reduce_l2_norm", AXES),
    operator("reduce_log_sum", AXES),
    operator("reduce_log_sum_exp", AXES),
    operator("reduce_max", AXES),
    operator("reduce_mean", AXES),
    operator("reduce_min", AXES),
    operator("reduce_prod", AXES),
    operator("reduce_sum", AXES),
    operator("reduce_sum_square", AXES),
];

fn over_axes(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let Some(rank) = x.rank() else { return open(x.element) };
    let gone = match call.ints("axes")? {
        Constant::Absent => (0..rank).collect(),
        Constant::Known(given) => axes("axes", &given, rank)?,
        Constant::Unknown => return open(x.element),
    };
    reduced(call, x, x.element, &gone)
}

fn arg_5(call: &Call<'_>) -> One {
    arg(call, Int32)
}

fn arg_7(call: &Call<'_>) -> One {
    arg(call, call.element("output_dtype", Int32, &[Int32, Uint16])?.unwrap_or(Int32))
}

fn arg(call: &Call<'_>, element: ElementType) -> One {
    let x = call.tensor("x")?;
    let (Some(rank), Some(at)) = (x.rank(), call.int("axis")?.or(-1)) else { return open(element) };
    reduced(call, x, element, &[axis("axis", at, rank)?])
}

/// The shape of `x` without these axes, or with 1 in their place. `gone` increases.
fn reduced(call: &Call<'_>, x: &TensorType, element: ElementType, gone: &[usize]) -> One {
    let Some(keep) = call.bool("keep_dims")?.or(false) else { return open(element) };
    let mut shape = x.shape.clone();
    for axis in gone.iter().rev() {
        if keep {
            shape[*axis] = Dim::Known(1);
        } else {
            shape.remove(*axis);
        }
    }
    one(element, shape)
}
