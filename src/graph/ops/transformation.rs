//! Shapes made anew without changing elements. CT:ops/defs/iOS15/tensor_transformation.py, iOS16, iOS17.

use crate::element::ElementType::*;
use crate::graph::function::Opset::*;
use crate::graph::types::{Dim, MAX_DIMENSIONS, ShapeText, TensorType};

use super::call::{Call, Constant};
use super::elementwise::like_x;
use super::fault::{OpError, OpRule};
use super::shape::{One, axes, axis, expect_few, map_dim, one, open, positive, product, rank_in, unknown};
use super::table::*;

const X_5: Parameter = live("x", t(NUMBERS_AND_BOOL));
const X_7: Parameter = live("x", t(MOVABLE));
const AXES: Parameter = fixed_opt("axes", INT32);

pub(super) static OPERATORS: &[Operator] = &[
    operator(
        "expand_dims",
        &[
            since(CoreML5, &[X_5, fixed("axes", INT32)], expand_dims),
            since(CoreML7, &[X_7, fixed("axes", INT32)], expand_dims),
        ],
    ),
    operator(
        "reshape",
        &[
            since(CoreML5, &[X_5, live("shape", INT32)], reshape_5),
            since(CoreML7, &[X_7, live("shape", u(SIZES))], reshape_7),
        ],
    ),
    operator(
        "reshape_like",
        &[
            since(CoreML6, &reshape_like_parameters(X_5), reshape_like),
            since(CoreML7, &reshape_like_parameters(X_7), reshape_like),
        ],
    ),
    operator("reverse", &[since(CoreML5, &[X_5, AXES], like_x), since(CoreML7, &[X_7, AXES], like_x)]),
    operator(
        "reverse_sequence",
        &[
            since(CoreML5, &reverse_sequence_parameters(X_5, INT32), like_x),
            since(CoreML7, &reverse_sequence_parameters(X_7, u(SIZES)), like_x),
        ],
    ),
    operator(
        "sliding_windows",
        &[
            since(CoreML5, &sliding_windows_parameters(live("x", t(NUMBERS))), sliding_windows),
            since(CoreML7, &sliding_windows_parameters(X_7), sliding_windows),
        ],
    ),
    operator("squeeze", &[since(CoreML5, &[X_5, AXES], squeeze), since(CoreML7, &[X_7, AXES], squeeze)]),
    operator(
        "transpose",
        &[
            since(CoreML5, &[X_5, fixed("perm", INT32)], transpose),
            since(CoreML7, &[X_7, fixed("perm", INT32)], transpose),
        ],
    ),
    operator("flatten2d", &[since(CoreML5, &[X_5, fixed_opt("axis", INT32)], flatten)]),
];

const fn reshape_like_parameters(x: Parameter) -> [Parameter; 5] {
    [
        x,
        live("ref_tensors", Accepts::Tuple),
        fixed("begins", Accepts::Tuple),
        fixed("ends", Accepts::Tuple),
        fixed("end_masks", Accepts::Tuple),
    ]
}

const fn reverse_sequence_parameters(x: Parameter, lengths: Accepts) -> [Parameter; 4] {
    [x, live("lengths", lengths), fixed_opt("seq_axis", INT32), fixed_opt("batch_axis", INT32)]
}

const fn sliding_windows_parameters(x: Parameter) -> [Parameter; 4] {
    [x, fixed("axis", INT32), fixed("size", INT32), fixed_opt("stride", INT32)]
}

fn expand_dims(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let (Some(rank), Some(given)) = (x.rank(), call.ints("axes")?.known()) else { return open(x.element) };
    expect_few("axes", rank + given.len())?;
    let mut shape = x.shape.clone();
    for at in axes("axes", &given, rank + given.len())? {
        shape.insert(at, Dim::Known(1));
    }
    one(x.element, shape)
}

fn squeeze(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let Some(rank) = x.rank() else { return open(x.element) };
    match call.ints("axes")? {
        Constant::Unknown => open(x.element),
        Constant::Absent if x.shape.contains(&Dim::Unknown) => open(x.element),
        Constant::Absent => one(x.element, x.shape.iter().copied().filter(|dim| *dim != Dim::Known(1)).collect()),
        Constant::Known(given) => {
            let mut shape = x.shape.clone();
            for at in axes("axes", &given, rank)?.into_iter().rev() {
                match shape[at] {
                    Dim::Known(1) => {
                        shape.remove(at);
                    }
                    // coremltools keeps an axis of another size, and one of unknown size; a device may not.
                    Dim::Known(_) => {}
                    _ => return open(x.element),
                }
            }
            one(x.element, shape)
        }
    }
}

fn transpose(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let (Some(rank), Some(perm)) = (x.rank(), call.ints("perm")?.known()) else { return open(x.element) };
    if perm.len() != rank {
        let message = format!("has {} axes, but `x` has rank {rank} ({x})", perm.len());
        return Err(OpError::at(OpRule::Shape, "perm", message));
    }
    axes("perm", &perm, rank)?;
    let order = perm.iter().map(|at| axis("perm", *at, rank).map(|at| x.shape[at])).collect::<Result<_, _>>()?;
    one(x.element, order)
}

fn flatten(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let (Some(rank), Some(at)) = (x.rank(), call.int("axis")?.or(1)) else {
        return one(x.element, unknown(2));
    };
    let limit = rank as i64;
    if at < -limit || at > limit {
        return Err(OpError::at(OpRule::Axis, "axis", format!("is {at}; `x` has rank {rank}")));
    }
    let at = (if at < 0 { at + limit } else { at }) as usize;
    one(x.element, vec![product(&x.shape[..at]).into(), product(&x.shape[at..]).into()])
}

/// Before CoreML7 a 0 stands for the dimension of `x` at the same place, counted from the front.
fn reshape_5(call: &Call<'_>) -> One {
    reshape(call, |x, wanted, i| if x.len() == wanted { Ok(x[i]) } else { Err(()) })
}

/// Since CoreML7 a 0 stands for the dimension of `x` at the same place, counted from the back; 1 beyond.
fn reshape_7(call: &Call<'_>) -> One {
    reshape(call, |x, wanted, i| Ok((i + x.len()).checked_sub(wanted).map_or(Dim::Known(1), |i| x[i])))
}

fn reshape(call: &Call<'_>, zero: impl Fn(&[Dim], usize, usize) -> Result<Dim, ()>) -> One {
    let (x, shape) = (call.tensor("x")?, call.tensor("shape")?);
    rank_in("shape", shape, 1..=1)?;
    let Some(wanted) = call.ints("shape")?.known() else {
        // The number of dimensions is known where that of the entries is.
        return match shape.shape[..] {
            [Dim::Known(rank)] if rank <= MAX_DIMENSIONS as u64 => one(x.element, unknown(rank as usize)),
            _ => open(x.element),
        };
    };
    expect_few("shape", wanted.len())?;
    let mut rest = None;
    let mut out = Vec::with_capacity(wanted.len());
    // Where dimensions of `x` are open, coremltools neither checks a 0 nor replaces it in the type that it declares.
    let is_open = x.sizes().is_none();
    for (i, size) in wanted.iter().enumerate() {
        out.push(match size {
            -1 if rest.replace(i).is_some() => {
                return Err(OpError::at(OpRule::Value, "shape", "has -1 more than once"));
            }
            -1 => Dim::Unknown,
            0 if is_open => Dim::Unknown,
            0 => zero(&x.shape, wanted.len(), i).map_err(|()| {
                let message = format!("has a 0, which needs as many dimensions as `x` has ({})", x.shape.len());
                OpError::at(OpRule::Shape, "shape", message)
            })?,
            size => Dim::Known(u64::try_from(*size).map_err(|_| {
                OpError::at(OpRule::Value, "shape", format!("has {size}; sizes are not negative, except one -1"))
            })?),
        });
    }
    fill_rest(x, &mut out, rest)?;
    one(x.element, out)
}

/// Gives the dimension that was left open what remains, and checks that no element is lost or added.
fn fill_rest(x: &TensorType, out: &mut [Dim], rest: Option<usize>) -> Result<(), OpError> {
    let Some(total) = x.count() else { return Ok(()) };
    let misfit = |out: &[Dim]| {
        let message = format!("is {}, which does not hold the {total} elements of `x` ({x})", ShapeText(out));
        Err(OpError::at(OpRule::Shape, "shape", message))
    };
    let others: Option<u64> = out
        .iter()
        .enumerate()
        .filter(|(i, _)| Some(*i) != rest)
        .try_fold(1u64, |count, (_, dim)| count.checked_mul(dim.known()?));
    match (others, rest) {
        (Some(others), None) if others != total => misfit(out),
        (Some(0), Some(_)) => Ok(()),
        (Some(others), Some(_)) if !total.is_multiple_of(others) => misfit(out),
        (Some(others), Some(rest)) => {
            out[rest] = Dim::Known(total / others);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The shape is pieced together from ranges of dimensions of other tensors. Looser than coremltools, which wants all of
/// them known.
fn reshape_like(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let tensors = call.tensors("ref_tensors")?;
    for parameter in ["begins", "ends", "end_masks"] {
        let given = call.tensors(parameter)?;
        if given.len() != tensors.len() {
            let message = format!("has {} values for {} tensors in `ref_tensors`", given.len(), tensors.len());
            return Err(OpError::at(OpRule::Shape, parameter, message));
        }
        let element = if parameter == "end_masks" { Bool } else { Int32 };
        if let Some(wrong) = given.iter().find(|ty| ty.element != element || ty.rank() != Some(0)) {
            return Err(OpError::at(OpRule::DType, parameter, format!("must be scalars of {}, not {wrong}", element)));
        }
    }
    let number = |parameter: &str, i: usize| {
        let given = call.all(parameter).get(i)?;
        given.literal?.ints(call.blobs)?.first().copied()
    };
    let mut shape = Vec::new();
    for (i, tensor) in tensors.iter().enumerate() {
        let range = (number("begins", i), number("ends", i), number("end_masks", i), tensor.rank());
        let (Some(begin), Some(end), Some(mask), Some(rank)) = range else { return open(x.element) };
        let position = |at: i64| (if at < 0 { at + rank as i64 } else { at }).clamp(0, rank as i64) as usize;
        let end = if mask != 0 { rank } else { position(end) };
        shape.extend(tensor.shape.get(position(begin)..end).unwrap_or_default());
    }
    if let (Some(from), Some(to)) = (x.count(), product(&shape))
        && from != to
    {
        let message = format!("give {}, which does not hold the {from} elements of `x`", ShapeText(&shape));
        return Err(OpError::at(OpRule::Shape, "ref_tensors", message));
    }
    one(x.element, shape)
}

fn sliding_windows(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let (at, length, stride) = (call.int("axis")?.known(), call.int("size")?.known(), call.int("stride")?.or(1));
    let (Some(rank), Some(at), Some(length), Some(stride)) = (x.rank(), at, length, stride) else {
        return open(x.element);
    };
    let (at, length, stride) = (axis("axis", at, rank)?, positive("size", length)?, positive("stride", stride)?);
    let mut shape = x.shape.clone();
    shape[at] = map_dim(shape[at], |dim| dim.checked_sub(length).map(|free| free / stride + 1)).map_err(|_| {
        OpError::at(OpRule::Shape, "size", format!("is {length}, more than `x` has along `axis` ({x})"))
    })?;
    shape.insert(at + 1, Dim::Known(length));
    one(x.element, shape)
}
