//! Pooling. CT:ops/defs/iOS15/pool.py.

use crate::graph::function::Opset::*;

use super::call::{Call, Constant};
use super::fault::{OpError, OpRule};
use super::shape::{One, one, open, rank_in, unknown};
use super::table::*;
use super::window::{Padding, Window, custom_padding, padding, per_dimension};

const COMMON: &[Parameter] = &[
    live("x", t(FLOATS)),
    fixed("kernel_sizes", INT32),
    fixed_opt("strides", INT32),
    fixed("pad_type", TEXT),
    fixed_opt("pad", INT32),
    fixed_opt("ceil_mode", BOOL),
];
const AVERAGE: &[Parameter] = &[
    live("x", t(FLOATS)),
    fixed("kernel_sizes", INT32),
    fixed_opt("strides", INT32),
    fixed("pad_type", TEXT),
    fixed_opt("pad", INT32),
    fixed_opt("ceil_mode", BOOL),
    fixed_opt("exclude_padding_from_average", BOOL),
];

pub(super) static OPERATORS: &[Operator] = &[
    operator("avg_pool", &[since(CoreML5, AVERAGE, pool)]),
    operator("l2_pool", &[since(CoreML5, COMMON, l2_pool)]),
    operator("max_pool", &[since(CoreML5, COMMON, pool)]),
];

fn l2_pool(call: &Call<'_>) -> One {
    rank_in("x", call.tensor("x")?, 3..=4)?;
    pool(call)
}

/// `x` is [N, C, D…].
fn pool(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let Some(rank) = rank_in("x", x, 3..=5)? else { return open(x.element) };
    let dimensions = rank - 2;
    let (kernel, strides) =
        (per_dimension(call, "kernel_sizes", dimensions)?, per_dimension(call, "strides", dimensions)?);
    let (padding, ceil) = (padding(call, dimensions)?, call.bool("ceil_mode")?.or(false));
    let mut shape = x.shape[..2].to_vec();
    match (kernel, strides, padding, ceil) {
        (Some(kernel), Some(strides), Some(padding), Some(ceil)) => {
            if ceil {
                check_ceil(call, dimensions, &padding)?;
            }
            let kernel = kernel.into_iter().map(Into::into).collect();
            let window = Window { kernel, strides, dilations: vec![1; dimensions], padding, ceil };
            shape.extend(window.outputs(&x.shape[2..])?);
        }
        _ => shape.extend(unknown(dimensions)),
    }
    one(x.element, shape)
}

fn check_ceil(call: &Call<'_>, dimensions: usize, padding: &Padding) -> Result<(), OpError> {
    let fault = |message| Err(OpError::at(OpRule::Value, "ceil_mode", message));
    if dimensions > 2 {
        return fault("works with one or two spatial dimensions only");
    }
    if matches!(padding, Padding::Same) && matches!(call.text("pad_type")?, Constant::Known("same")) {
        return fault("does not go together with `pad_type` \"same\"");
    }
    if let Some(pairs) = custom_padding(call, dimensions)?
        && pairs.iter().any(|(before, after)| before != after)
    {
        return fault("needs the same padding before and after");
    }
    Ok(())
}
