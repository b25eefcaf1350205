//! Picking and placing elements by index. CT:ops/defs/iOS15/scatter_gather.py, iOS16, iOS17.

use crate::element::ElementType::*;
use crate::graph::function::Opset::*;
use crate::graph::types::{Dim, TensorType};

use super::call::Call;
use super::fault::{OpError, OpRule};
use super::shape::{One, axis, expect_dim, expect_shape, one, open, rank_in, same};
use super::table::*;

const INDICES_6: Accepts = Accepts::Group('I', &[Int16, Int32, Uint16]);
const INDICES_7: Accepts = Accepts::Group('I', &[Int8, Int16, Int32, Uint8, Uint16]);
const AXIS: Parameter = fixed_opt("axis", INT32);
const BATCH: Parameter = fixed_opt("batch_dims", INT32);
const VALIDATE: Parameter = fixed_opt("validate_indices", BOOL);
const MODE: Parameter = fixed_opt("mode", TEXT);

const X_5: Parameter = live("x", t(NUMBERS));
const X_7: Parameter = live("x", t(MOVABLE_NUMBERS));

const DATA: Parameter = live("data", t(NUMBERS));
const INDICES: Parameter = live("indices", INT32);
const UPDATES: Parameter = live("updates", t(NUMBERS));

pub(super) static OPERATORS: &[Operator] = &[
    operator(
        "gather",
        &[
            since(CoreML5, &[X_5, INDICES, AXIS], gather),
            since(CoreML6, &[X_5, live("indices", INDICES_6), AXIS, BATCH], gather),
            since(CoreML7, &[X_7, live("indices", INDICES_7), AXIS, BATCH, VALIDATE], gather),
        ],
    ),
    operator(
        "gather_along_axis",
        &[
            since(CoreML5, &[X_5, INDICES, AXIS], gather_along_axis),
            since(CoreML6, &[X_5, live("indices", INDICES_6), AXIS], gather_along_axis),
            since(CoreML7, &[X_7, live("indices", INDICES_7), AXIS, VALIDATE], gather_along_axis),
        ],
    ),
    operator(
        "gather_nd",
        &[
            since(CoreML5, &[X_5, INDICES], gather_nd),
            since(CoreML6, &[X_5, live("indices", INDICES_6), BATCH], gather_nd),
            since(CoreML7, &[X_7, live("indices", INDICES_7), BATCH, VALIDATE], gather_nd),
        ],
    ),
    operator(
        "scatter",
        &[
            since(CoreML5, &[DATA, INDICES, UPDATES, AXIS, MODE], scatter),
            since(CoreML7, &[DATA, INDICES, UPDATES, AXIS, MODE, VALIDATE], scatter),
        ],
    ),
    operator(
        "scatter_along_axis",
        &[
            since(CoreML5, &[DATA, INDICES, UPDATES, AXIS, MODE], scatter_along_axis),
            since(CoreML7, &[DATA, INDICES, UPDATES, AXIS, MODE, VALIDATE], scatter_along_axis),
        ],
    ),
    operator(
        "scatter_nd",
        &[
            since(CoreML5, &[DATA, INDICES, UPDATES, MODE], scatter_nd),
            since(CoreML7, &[DATA, INDICES, UPDATES, MODE, VALIDATE], scatter_nd),
        ],
    ),
];

fn gather(call: &Call<'_>) -> One {
    let (x, indices) = (call.tensor("x")?, call.tensor("indices")?);
    let at = call.int("axis")?.or(0);
    let batch = call.int("batch_dims")?.or(0);
    let (Some(rank), Some(index_rank), Some(at), Some(batch)) = (x.rank(), indices.rank(), at, batch) else {
        return open(x.element);
    };
    let at = axis("axis", at, rank)?;
    let batch = batch_dims(batch, rank, index_rank)?;
    check_range(call, x.shape[at])?;
    let mut shape = x.shape[..at].to_vec();
    shape.extend(&indices.shape[batch..]);
    shape.extend(&x.shape[at + 1..]);
    one(x.element, shape)
}

fn batch_dims(given: i64, rank: usize, index_rank: usize) -> Result<usize, OpError> {
    match usize::try_from(given) {
        Ok(batch) if batch < rank && batch <= index_rank => Ok(batch),
        _ => {
            let message = format!("is {given}; it must be less than {rank} and at most {index_rank}");
            Err(OpError::at(OpRule::Value, "batch_dims", message))
        }
    }
}

fn gather_along_axis(call: &Call<'_>) -> One {
    let (x, indices) = (call.tensor("x")?, call.tensor("indices")?);
    let (Some(rank), Some(_), Some(at)) = (x.rank(), indices.rank(), call.int("axis")?.or(0)) else {
        return open(x.element);
    };
    rank_in("indices", indices, rank..=rank)?;
    let at = axis("axis", at, rank)?;
    check_range(call, x.shape[at])?;
    for other in (0..rank).filter(|other| *other != at) {
        expect_dim("indices", indices, other, x.shape[other], "the same dimension of `x`")?;
    }
    one(x.element, indices.shape.clone())
}

fn gather_nd(call: &Call<'_>) -> One {
    let (x, indices) = (call.tensor("x")?, call.tensor("indices")?);
    let Some(batch) = call.int("batch_dims")?.or(0) else { return open(x.element) };
    let batch = match (x.rank(), indices.rank()) {
        (Some(rank), Some(index_rank)) => batch_dims(batch, rank, index_rank)?,
        _ => 0,
    };
    check_rows(call, x, indices, batch)?;
    match slices(x, indices, batch)? {
        Some(shape) => one(x.element, shape),
        None => open(x.element),
    }
}

/// What rows of indices pick: the outer dimensions of the indices, then the dimensions that are not indexed.
fn slices(x: &TensorType, indices: &TensorType, batch: usize) -> Result<Option<Vec<Dim>>, OpError> {
    rank_in("indices", indices, 1..=usize::MAX)?;
    let (Some(rank), Some(_), [outer @ .., Dim::Known(depth)]) = (x.rank(), indices.rank(), &indices.shape[..]) else {
        return Ok(None);
    };
    match usize::try_from(*depth).ok().and_then(|depth| depth.checked_add(batch)) {
        Some(first) if first <= rank => Ok(Some([outer, &x.shape[first..]].concat())),
        _ => {
            let message = format!("has rows of {depth}, more than the dimensions that can be indexed");
            Err(OpError::at(OpRule::Shape, "indices", message))
        }
    }
}

fn scatter(call: &Call<'_>) -> One {
    let (data, indices, updates) = scattered(call)?;
    let (Some(rank), Some(_), Some(at)) = (data.rank(), indices.rank(), call.int("axis")?.or(0)) else {
        return same(data);
    };
    let at = axis("axis", at, rank)?;
    check_range(call, data.shape[at])?;
    let expected = [&data.shape[..at], &indices.shape, &data.shape[at + 1..]].concat();
    expect_shape("updates", updates, &expected)?;
    same(data)
}

fn scatter_along_axis(call: &Call<'_>) -> One {
    let (data, indices, updates) = scattered(call)?;
    let (Some(rank), Some(_), Some(at)) = (data.rank(), indices.rank(), call.int("axis")?.or(0)) else {
        return same(data);
    };
    rank_in("indices", indices, rank..=rank)?;
    let at = axis("axis", at, rank)?;
    check_range(call, data.shape[at])?;
    expect_shape("updates", updates, &indices.shape)?;
    for other in (0..rank).filter(|other| *other != at) {
        expect_dim("indices", indices, other, data.shape[other], "the same dimension of `data`")?;
    }
    same(data)
}

fn scatter_nd(call: &Call<'_>) -> One {
    let (data, indices, updates) = scattered(call)?;
    check_rows(call, data, indices, 0)?;
    if let Some(expected) = slices(data, indices, 0)? {
        expect_shape("updates", updates, &expected)?;
    }
    same(data)
}

fn scattered<'a>(call: &Call<'a>) -> Result<(&'a TensorType, &'a TensorType, &'a TensorType), OpError> {
    call.word("mode", &["add", "update", "sub", "mul", "div", "max", "min"])?;
    Ok((call.tensor("data")?, call.tensor("indices")?, call.tensor("updates")?))
}

/// With `validate_indices`, constant indices must lie inside the axis.
fn check_range(call: &Call<'_>, size: Dim) -> Result<(), OpError> {
    check_indices(call, &[size])
}

/// With `validate_indices`, each column of constant rows must lie inside the dimension that it indexes. (coremltools
/// compares with the shape from its first dimension on, also where batch dimensions come before.)
fn check_rows(call: &Call<'_>, x: &TensorType, indices: &TensorType, batch: usize) -> Result<(), OpError> {
    let (Some(_), Some(Dim::Known(depth))) = (x.rank(), indices.shape.last()) else { return Ok(()) };
    let end = usize::try_from(*depth).ok().and_then(|depth| depth.checked_add(batch));
    match end.and_then(|end| x.shape.get(batch..end)) {
        Some(sizes) => check_indices(call, sizes),
        // More columns than dimensions: that is reported for itself.
        None => Ok(()),
    }
}

/// With `validate_indices`, constant indices must lie inside these sizes, which they are for in turn.
fn check_indices(call: &Call<'_>, sizes: &[Dim]) -> Result<(), OpError> {
    if !matches!(call.bool("validate_indices")?.or(false), Some(true)) {
        return Ok(());
    }
    let Some(indices) = call.ints("indices")?.known() else { return Ok(()) };
    for (index, size) in indices.iter().zip(sizes.iter().cycle()) {
        if let Dim::Known(size) = size
            && u64::try_from(*index).map_or(true, |index| index >= *size)
        {
            let message = format!("holds {index}; with `validate_indices` it must be from 0 to {size}, exclusive");
            return Err(OpError::at(OpRule::Value, "indices", message));
        }
    }
    Ok(())
}
