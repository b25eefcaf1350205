//! Blocks of pixels moved between space, channels and batch. CT:ops/defs/iOS15/tensor_transformation.py, iOS16.

use crate::element::ElementType::*;
use crate::graph::function::Opset::*;
use crate::graph::types::{Dim, TensorType};

use super::call::Call;
use super::fault::{OpError, OpRule};
use super::shape::{One, map_dim, one, positive, rank_in, size, unknown};
use super::table::*;

const X: Parameter = live("x", t(FLOATS));

pub(super) static OPERATORS: &[Operator] = &[
    operator("depth_to_space", &[since(CoreML5, &[X, fixed("block_size", INT32)], depth_to_space)]),
    operator("space_to_depth", &[since(CoreML5, &[X, fixed("block_size", INT32)], space_to_depth)]),
    operator("pixel_shuffle", &[since(CoreML5, &[X, fixed("upscale_factor", INT32)], pixel_shuffle)]),
    operator(
        "pixel_unshuffle",
        &[since(CoreML6, &[X, fixed("downscale_factor", Accepts::Tensor(&[Uint32]))], pixel_unshuffle)],
    ),
    operator(
        "space_to_batch",
        &[since(CoreML5, &[X, fixed("block_shape", INT32), fixed("paddings", INT32)], space_to_batch)],
    ),
    operator(
        "batch_to_space",
        &[since(CoreML5, &[X, fixed("block_shape", INT32), fixed("crops", INT32)], batch_to_space)],
    ),
];

/// A dimension divided by a number that must divide it.
fn divide(parameter: &'static str, dim: Dim, by: u64) -> Result<Dim, OpError> {
    map_dim(dim, |size| size.is_multiple_of(by).then_some(size / by))
        .map_err(|_| OpError::at(OpRule::Shape, parameter, format!("needs {by} to divide the dimension {dim}")))
}

fn multiply(dim: Dim, by: u64) -> Result<Dim, OpError> {
    map_dim(dim, |size| size.checked_mul(by))
}

/// The factor of a parameter and its square.
fn factor(call: &Call<'_>, parameter: &'static str) -> Result<Option<(u64, u64)>, OpError> {
    let Some(given) = call.int(parameter)?.known() else { return Ok(None) };
    let factor = positive(parameter, given)?;
    let too_large = || OpError::at(OpRule::Value, parameter, format!("is {factor}, which is too large"));
    Ok(Some((factor, factor.checked_mul(factor).ok_or_else(too_large)?)))
}

/// [N, C, H, W] to [N, C / f², H · f, W · f].
fn spread(call: &Call<'_>, parameter: &'static str) -> One {
    let x = call.tensor("x")?;
    let (Some(_), Some((by, square))) = (rank_in("x", x, 4..=4)?, factor(call, parameter)?) else {
        return one(x.element, unknown(4));
    };
    let channels = divide(parameter, x.shape[1], square)?;
    one(x.element, vec![x.shape[0], channels, multiply(x.shape[2], by)?, multiply(x.shape[3], by)?])
}

/// [N, C, H, W] to [N, C · f², H / f, W / f].
fn gather(call: &Call<'_>, parameter: &'static str) -> One {
    let x = call.tensor("x")?;
    let (Some(_), Some((by, square))) = (rank_in("x", x, 4..=4)?, factor(call, parameter)?) else {
        return one(x.element, unknown(4));
    };
    let channels = multiply(x.shape[1], square)?;
    let sides = (divide(parameter, x.shape[2], by)?, divide(parameter, x.shape[3], by)?);
    one(x.element, vec![x.shape[0], channels, sides.0, sides.1])
}

fn depth_to_space(call: &Call<'_>) -> One {
    spread(call, "block_size")
}

fn space_to_depth(call: &Call<'_>) -> One {
    gather(call, "block_size")
}

fn pixel_shuffle(call: &Call<'_>) -> One {
    spread(call, "upscale_factor")
}

fn pixel_unshuffle(call: &Call<'_>) -> One {
    gather(call, "downscale_factor")
}

/// A block of rows and columns, and what is added to or cut from each side.
struct Blocks {
    sides: [u64; 2],
    area: u64,
    borders: [(u64, u64); 2],
}

/// `block_shape` [2] with borders [2, 2]. `None` where one is unknown.
fn blocks(call: &Call<'_>, borders: &'static str) -> Result<Option<Blocks>, OpError> {
    expect_sizes(call.tensor("block_shape")?, "block_shape", &[2])?;
    expect_sizes(call.tensor(borders)?, borders, &[2, 2])?;
    let given = (call.ints("block_shape")?.known(), call.ints(borders)?.known());
    let (Some(block), Some(edge)) = given else { return Ok(None) };
    let ([height, width], [top, bottom, left, right]) = (&block[..], &edge[..]) else { return Ok(None) };
    let sides = [positive("block_shape", *height)?, positive("block_shape", *width)?];
    let too_large = || OpError::at(OpRule::Value, "block_shape", "is too large");
    let area = sides[0].checked_mul(sides[1]).ok_or_else(too_large)?;
    let border = |at: i64| size(borders, at);
    let borders = [(border(*top)?, border(*bottom)?), (border(*left)?, border(*right)?)];
    Ok(Some(Blocks { sides, area, borders }))
}

fn expect_sizes(tensor: &TensorType, parameter: &'static str, expected: &[u64]) -> Result<(), OpError> {
    let wanted = TensorType::new(tensor.element, expected.iter().copied());
    if tensor.agrees(&wanted) {
        return Ok(());
    }
    Err(OpError::at(OpRule::Shape, parameter, format!("is {tensor}; it must be {wanted}")))
}

/// [N, C, H, W], padded, to [N · block, C, H / height, W / width].
fn space_to_batch(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let (Some(_), Some(blocks)) = (rank_in("x", x, 4..=4)?, blocks(call, "paddings")?) else {
        return one(x.element, unknown(4));
    };
    let mut shape = vec![multiply(x.shape[0], blocks.area)?, x.shape[1]];
    for (i, (before, after)) in blocks.borders.into_iter().enumerate() {
        let padded = map_dim(x.shape[2 + i], |size| size.checked_add(before)?.checked_add(after))?;
        shape.push(divide("block_shape", padded, blocks.sides[i])?);
    }
    one(x.element, shape)
}

/// [N · block, C, H, W] to [N, C, H · height, W · width], cropped.
fn batch_to_space(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let (Some(_), Some(blocks)) = (rank_in("x", x, 4..=4)?, blocks(call, "crops")?) else {
        return one(x.element, unknown(4));
    };
    let mut shape = vec![divide("block_shape", x.shape[0], blocks.area)?, x.shape[1]];
    for (i, (before, after)) in blocks.borders.into_iter().enumerate() {
        let whole = multiply(x.shape[2 + i], blocks.sides[i])?;
        let cropped = map_dim(whole, |size| size.checked_sub(before)?.checked_sub(after));
        shape.push(
            cropped.map_err(|_| OpError::at(OpRule::Shape, "crops", format!("cut off more than there is ({x})")))?,
        );
    }
    one(x.element, shape)
}
