//! Parts of tensors by position. CT:ops/defs/iOS15/tensor_transformation.py, iOS18/tensor_transformation.py,
//! `solve_slice_by_index_shape` in ops/defs/_utils.py.

use crate::graph::function::Opset::*;
use crate::graph::types::{Dim, TensorType};

use super::call::{Call, Constant};
use super::fault::{OpError, OpRule};
use super::shape::{One, expect_shape, one, open, rank_in, same, unknown};
use super::table::*;

const STRIDES_AND_MASKS: [Parameter; 4] = [
    fixed_opt("stride", INT32),
    fixed_opt("begin_mask", BOOL),
    fixed_opt("end_mask", BOOL),
    fixed_opt("squeeze_mask", BOOL),
];

const BY_INDEX_5: &[Parameter] = &[
    live("x", t(NUMBERS_AND_BOOL)),
    live("begin", INT32),
    live("end", INT32),
    STRIDES_AND_MASKS[0],
    STRIDES_AND_MASKS[1],
    STRIDES_AND_MASKS[2],
    STRIDES_AND_MASKS[3],
];
const BY_INDEX_7: &[Parameter] = &[
    live("x", t(MOVABLE)),
    live("begin", u(SIZES)),
    live("end", u(SIZES)),
    fixed_opt("stride", u(SIZES)),
    STRIDES_AND_MASKS[1],
    STRIDES_AND_MASKS[2],
    STRIDES_AND_MASKS[3],
];
const UPDATE_8: &[Parameter] = &[
    live("x", t(MOVABLE)),
    live("update", t(MOVABLE)),
    live("begin", u(SIZES)),
    live("end", u(SIZES)),
    fixed_opt("stride", u(SIZES)),
    STRIDES_AND_MASKS[1],
    STRIDES_AND_MASKS[2],
    STRIDES_AND_MASKS[3],
];

pub(super) static OPERATORS: &[Operator] = &[
    operator("slice_by_index", &[since(CoreML5, BY_INDEX_5, by_index), since(CoreML7, BY_INDEX_7, by_index)]),
    operator(
        "slice_by_size",
        &[
            since(CoreML5, &[live("x", t(NUMBERS_AND_BOOL)), live("begin", INT32), live("size", INT32)], by_size),
            since(CoreML7, &[live("x", t(MOVABLE)), live("begin", u(SIZES)), live("size", u(SIZES))], by_size),
        ],
    ),
    operator("slice_update", &[since(CoreML8, UPDATE_8, update)]),
];

fn by_index(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    match slice_shape(call, x)? {
        Some(shape) => one(x.element, shape),
        None => open(x.element),
    }
}

/// `x` with the slice replaced by `update`.
fn update(call: &Call<'_>) -> One {
    let (x, update) = (call.tensor("x")?, call.tensor("update")?);
    rank_in("update", update, 1..=usize::MAX)?;
    if let Some(shape) = slice_shape(call, x)? {
        expect_shape("update", update, &shape)?;
    }
    same(x)
}

/// One dimension's part. Positions are `None` where they are known only when the program runs.
struct Range {
    begin: Option<i64>,
    end: Option<i64>,
    stride: Option<i64>,
    from_start: bool,
    to_end: bool,
}

/// The shape of a slice. `None` where not even its number of dimensions is known.
fn slice_shape(call: &Call<'_>, x: &TensorType) -> Result<Option<Vec<Dim>>, OpError> {
    let Some(rank) = x.rank() else { return Ok(None) };
    for parameter in ["begin", "end"] {
        let positions = call.tensor(parameter)?;
        rank_in(parameter, positions, 1..=1)?;
        expect_length(parameter, positions.count(), rank)?;
    }
    let (begin, end) = (call.ints("begin")?.known(), call.ints("end")?.known());
    let stride = per_axis(call.ints("stride")?, 1, rank);
    let begin_mask = per_axis(call.bools("begin_mask")?, false, rank);
    let end_mask = per_axis(call.bools("end_mask")?, false, rank);
    let squeeze = per_axis(call.bools("squeeze_mask")?, false, rank);
    let (Some(begin_mask), Some(end_mask), Some(squeeze)) = (begin_mask, end_mask, squeeze) else { return Ok(None) };
    expect_length("stride", stride.as_ref().map(|values| values.len() as u64), rank)?;
    for (parameter, mask) in [("begin_mask", &begin_mask), ("end_mask", &end_mask), ("squeeze_mask", &squeeze)] {
        expect_length(parameter, Some(mask.len() as u64), rank)?;
    }
    let mut shape = Vec::new();
    for i in (0..rank).filter(|i| !squeeze[*i]) {
        let at = |values: &Option<Vec<i64>>| values.as_ref().map(|values| values[i]);
        let (from_start, to_end) = (begin_mask[i], end_mask[i]);
        let range = Range { begin: at(&begin), end: at(&end), stride: at(&stride), from_start, to_end };
        shape.push(range.length(x.shape[i], i)?);
    }
    Ok(Some(shape))
}

/// A parameter with one value per axis. `None` where it is unknown.
fn per_axis<T: Clone>(given: Constant<Vec<T>>, default: T, rank: usize) -> Option<Vec<T>> {
    given.or(vec![default; rank])
}

fn expect_length(parameter: &'static str, found: Option<u64>, rank: usize) -> Result<(), OpError> {
    match found {
        Some(found) if found != rank as u64 => {
            let message = format!("has {found} values, but `x` has {rank} dimensions");
            Err(OpError::at(OpRule::Shape, parameter, message))
        }
        _ => Ok(()),
    }
}

impl Range {
    /// How long the part is of a dimension of this size.
    fn length(&self, dim: Dim, i: usize) -> Result<Dim, OpError> {
        let Some(stride) = self.stride else { return Ok(Dim::Unknown) };
        if stride == 0 {
            return Err(OpError::at(OpRule::Value, "stride", format!("is 0 in dimension {i}")));
        }
        let step = stride.unsigned_abs();
        if self.from_start && self.to_end {
            return Ok(match dim {
                Dim::Known(size) => Dim::Known(size.div_ceil(step)),
                other if step == 1 => other,
                _ => Dim::Unknown,
            });
        }
        if let Some(length) = self.length_of_any(stride) {
            return Ok(length);
        }
        let Dim::Known(size) = dim else { return Ok(Dim::Unknown) };
        // As coremltools has it: what is cut from a single element is a single element.
        if size == 1 {
            return Ok(Dim::Known(1));
        }
        let Ok(size) = i64::try_from(size) else { return Ok(Dim::Unknown) };
        Ok(self.length_in(size, stride))
    }

    /// The length where it does not depend on the dimension's size.
    ///
    /// What begins beyond its end is empty. coremltools refuses it where both are counted from the same side; but it
    /// writes positions counted from the back as if they were counted from the front, so such slices are in its files.
    fn length_of_any(&self, stride: i64) -> Option<Dim> {
        let (begin, end) = (self.begin.filter(|_| !self.from_start), self.end.filter(|_| !self.to_end));
        let length = match (begin, end) {
            (Some(begin @ 0..), Some(end @ 0..)) if stride > 0 => {
                end.saturating_sub(begin).max(0).unsigned_abs().div_ceil(stride.unsigned_abs())
            }
            (Some(begin @ ..0), Some(end @ ..0)) if stride < 0 => {
                begin.saturating_sub(end).max(0).unsigned_abs().div_ceil(stride.unsigned_abs())
            }
            (Some(0), None) if self.to_end && stride < 0 => 1,
            (Some(-1), None) if self.to_end && stride > 0 => 1,
            _ => return None,
        };
        // Longer parts are cut off at the end of the dimension.
        (length <= 1).then_some(Dim::Known(length))
    }

    fn length_in(&self, size: i64, stride: i64) -> Dim {
        let position = |at: i64| if at < 0 { at.saturating_add(size).max(0) } else { at };
        let begin = match (self.from_start, self.begin) {
            (true, _) => None,
            (false, Some(begin)) => Some(position(begin)),
            (false, None) => return Dim::Unknown,
        };
        let end = match (self.to_end, self.end) {
            (true, _) => None,
            (false, Some(end)) => Some(position(end)),
            (false, None) => return Dim::Unknown,
        };
        let span = if stride > 0 {
            end.map_or(size, |end| end.min(size)).saturating_sub(begin.unwrap_or(0))
        } else {
            begin.map_or(size - 1, |begin| begin.min(size - 1)).saturating_sub(end.unwrap_or(-1))
        };
        Dim::Known(span.max(0).unsigned_abs().div_ceil(stride.unsigned_abs()))
    }
}

/// -1 in `size` means the rest.
fn by_size(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let Some(rank) = x.rank() else { return open(x.element) };
    for parameter in ["begin", "size"] {
        let values = call.tensor(parameter)?;
        rank_in(parameter, values, 1..=1)?;
        expect_length(parameter, values.count(), rank)?;
    }
    let Some(sizes) = call.ints("size")?.known() else { return one(x.element, unknown(rank)) };
    let begin = call.ints("begin")?.known();
    let mut shape = Vec::with_capacity(rank);
    for (i, size) in sizes.iter().enumerate() {
        let begin = begin.as_ref().map(|begin| begin[i]);
        shape.push(match (size, begin, x.shape[i]) {
            (-1, Some(begin), Dim::Known(size)) => {
                let from = if begin < 0 { begin.checked_add_unsigned(size) } else { Some(begin) };
                let rest = from.and_then(|from| u64::try_from(from).ok()).and_then(|from| size.checked_sub(from));
                let outside = || OpError::at(OpRule::Value, "begin", format!("is {begin} in dimension {i} of {size}"));
                Dim::Known(rest.ok_or_else(outside)?)
            }
            (-1, ..) => Dim::Unknown,
            (size, ..) => Dim::Known(
                u64::try_from(*size)
                    .map_err(|_| OpError::at(OpRule::Value, "size", format!("is {size} in dimension {i}")))?,
            ),
        });
    }
    one(x.element, shape)
}
