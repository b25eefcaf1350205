//! Operators that make, combine or order tensors. CT:ops/defs/iOS15/tensor_operation.py, iOS16, iOS17.

use crate::element::ElementType::{self, *};
use crate::graph::function::Opset::*;
use crate::graph::types::{Dim, MAX_DIMENSIONS, ShapeText, TensorType, Type};

use super::call::{Call, Constant};
use super::elementwise::like_x;
use super::fault::{OpError, OpRule};
use super::shape::{
    One, add_dims, axis, expect_few, expect_shape, map_dim, one, open, positive, rank_in, same, size, unknown,
};
use super::table::*;

const AXIS: Parameter = fixed_opt("axis", INT32);
const ASCENDING: Parameter = fixed_opt("ascending", BOOL);
const K_7: Accepts = Accepts::Group('K', SIZES);

pub(super) static OPERATORS: &[Operator] = &[
    operator("argsort", &[since(CoreML5, &[live("x", t(NUMBERS)), AXIS, ASCENDING], argsort)]),
    operator(
        "band_part",
        &[since(
            CoreML5,
            &[live("x", t(NUMBERS_AND_BOOL)), fixed_opt("lower", INT32), fixed_opt("upper", INT32)],
            like_x,
        )],
    ),
    operator(
        "concat",
        &[since(
            CoreML5,
            &[live("values", Accepts::Tuple), fixed("axis", INT32), fixed_opt("interleave", BOOL)],
            concat,
        )],
    ),
    operator(
        "cumsum",
        &[since(
            CoreML5,
            &[live("x", t(NUMBERS)), AXIS, fixed_opt("exclusive", BOOL), fixed_opt("reverse", BOOL)],
            cumsum,
        )],
    ),
    operator("fill", &[since(CoreML5, &[live("shape", INT32), fixed_opt("value", t(NUMBERS_AND_BOOL))], fill)]),
    operator(
        "fill_like",
        &[since(
            CoreML6,
            &[live("ref_tensor", t(NUMBERS_AND_BOOL)), fixed_opt("value", u(NUMBERS_AND_BOOL))],
            fill_like,
        )],
    ),
    operator("non_maximum_suppression", &[since(CoreML5, NMS_5, suppress_5), since(CoreML7, NMS_7, suppress_7)]),
    operator("non_zero", &[since(CoreML5, &[live("x", t(NUMBERS_AND_BOOL))], non_zero)]),
    operator(
        "one_hot",
        &[since(
            CoreML5,
            &[
                live("indices", INT32),
                live("one_hot_vector_size", INT32),
                AXIS,
                fixed_opt("on_value", t(NUMBERS_AND_BOOL)),
                fixed_opt("off_value", t(NUMBERS_AND_BOOL)),
            ],
            one_hot,
        )],
    ),
    operator(
        "pad",
        &[since(
            CoreML5,
            &[live("x", t(FLOATS)), live("pad", INT32), fixed_opt("mode", TEXT), fixed_opt("constant_val", t(FLOATS))],
            pad,
        )],
    ),
    operator(
        "range_1d",
        &[since(CoreML5, &[live("end", t(NUMBERS)), live("start", t(NUMBERS)), live("step", t(NUMBERS))], range)],
    ),
    operator("shape", &[since(CoreML5, &[live("x", t(NUMBERS_AND_BOOL))], shape)]),
    operator(
        "split",
        &[since(
            CoreML5,
            &[
                live("x", t(NUMBERS_AND_BOOL)),
                fixed_opt("num_splits", INT32),
                fixed_opt("split_sizes", INT32),
                fixed("axis", INT32),
            ],
            split,
        )],
    ),
    operator("stack", &[since(CoreML5, &[live("values", Accepts::Tuple), fixed("axis", INT32)], stack)]),
    operator("tile", &[since(CoreML5, &[live("x", t(NUMBERS_AND_BOOL)), live("reps", INT32)], tile)]),
    operator(
        "topk",
        &[
            since(CoreML5, &[live("x", t(NUMBERS)), fixed_opt("k", INT32), AXIS, ASCENDING], topk),
            since(
                CoreML6,
                &[
                    live("x", t(NUMBERS)),
                    fixed_opt("k", INT32),
                    AXIS,
                    ASCENDING,
                    fixed_opt("sort", BOOL),
                    fixed_opt("return_indices", BOOL),
                ],
                topk,
            ),
            since(
                CoreML7,
                &[
                    live("x", t(MOVABLE_NUMBERS)),
                    fixed_opt("k", K_7),
                    AXIS,
                    ASCENDING,
                    fixed_opt("sort", BOOL),
                    fixed_opt("return_indices", BOOL),
                    fixed_opt("output_indices_dtype", TEXT),
                ],
                topk,
            ),
        ],
    ),
];

const NMS_5: &[Parameter] = &[
    live("boxes", t(FLOATS)),
    live("scores", t(FLOATS)),
    fixed("iou_threshold", t(FLOATS)),
    fixed("score_threshold", t(FLOATS)),
    fixed("max_boxes", INT32),
    fixed_opt("per_class_suppression", BOOL),
];
const NMS_7: &[Parameter] = &[
    live("boxes", t(FLOATS)),
    live("scores", t(FLOATS)),
    fixed("iou_threshold", t(FLOATS)),
    fixed("max_boxes", INT32),
    fixed_opt("per_class_suppression", BOOL),
];

fn argsort(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    if let (Some(rank), Some(at)) = (x.rank(), call.int("axis")?.or(-1)) {
        axis("axis", at, rank)?;
    }
    one(Int32, x.shape.clone())
}

/// Looser than coremltools, which takes no axis below -1.
fn cumsum(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    if let (Some(rank), Some(at)) = (x.rank(), call.int("axis")?.or(0)) {
        axis("axis", at, rank)?;
    }
    same(x)
}

/// The element type that all of several tensors have.
fn common_element(parameter: &'static str, tensors: &[&TensorType]) -> Result<ElementType, OpError> {
    let Some(first) = tensors.first() else {
        return Err(OpError::at(OpRule::Parameter, parameter, "needs at least one value"));
    };
    match tensors.iter().find(|tensor| tensor.element != first.element) {
        Some(other) => {
            let message = format!("are of {} and {}; they must be of one type", first.element, other.element);
            Err(OpError::at(OpRule::DType, parameter, message))
        }
        None => Ok(first.element),
    }
}

/// Tensors one after the other along `axis`, whose other dimensions agree.
fn concat(call: &Call<'_>) -> One {
    let values = call.tensors("values")?;
    let element = common_element("values", &values)?;
    let ranks: Option<Vec<usize>> = values.iter().map(|value| value.rank()).collect();
    let (Some(ranks), Some(at)) = (ranks, call.int("axis")?.known()) else { return open(element) };
    let rank = ranks[0];
    if ranks.iter().any(|other| *other != rank) {
        return Err(OpError::at(OpRule::Rank, "values", "have different numbers of dimensions"));
    }
    // Scalars make a vector.
    if rank == 0 {
        return one(element, vec![Dim::Known(values.len() as u64)]);
    }
    let at = axis("axis", at, rank)?;
    let interleave = call.bool("interleave")?.or(false) == Some(true);
    let mut shape = values[0].shape.clone();
    for value in &values[1..] {
        for (i, (dim, other)) in shape.iter_mut().zip(&value.shape).enumerate() {
            if i == at && !interleave {
                *dim = add_dims(*dim, *other)?;
            } else if !dim.agrees(*other) {
                let message = format!("differ in dimension {i}: {} and {value}", values[0]);
                return Err(OpError::at(OpRule::Shape, "values", message));
            } else if dim.known().is_none() {
                *dim = *other;
            }
        }
    }
    if interleave {
        shape[at] = map_dim(shape[at], |size| size.checked_mul(values.len() as u64))?;
    }
    one(element, shape)
}

fn stack(call: &Call<'_>) -> One {
    let values = call.tensors("values")?;
    let element = common_element("values", &values)?;
    let known = values.iter().find(|value| value.sizes().is_some()).unwrap_or(&values[0]);
    for value in &values {
        expect_shape("values", value, &known.shape)?;
    }
    let (Some(rank), Some(at)) = (known.rank(), call.int("axis")?.known()) else { return open(element) };
    let at = axis("axis", at, rank + 1)?;
    let mut shape = known.shape.clone();
    shape.insert(at, Dim::Known(values.len() as u64));
    one(element, shape)
}

/// The shape that a vector of sizes stands for.
fn shape_of(call: &Call<'_>, element: ElementType) -> One {
    let given = call.tensor("shape")?;
    rank_in("shape", given, 1..=1)?;
    match (call.ints("shape")?, &given.shape[..]) {
        (Constant::Known(sizes), _) => {
            expect_few("shape", sizes.len())?;
            let dims = sizes.into_iter().map(|given| size("shape", given).map(Dim::Known));
            one(element, dims.collect::<Result<_, _>>()?)
        }
        (_, [Dim::Known(rank)]) if *rank <= MAX_DIMENSIONS as u64 => one(element, unknown(*rank as usize)),
        _ => open(element),
    }
}

/// A tensor of this shape, filled with fp32 by default.
fn fill(call: &Call<'_>) -> One {
    let element = call.tensor_if("value")?.map_or(Fp32, |value| value.element);
    shape_of(call, element)
}

/// The rule of the random distributions, which take a shape too.
pub(super) fn filled(call: &Call<'_>, element: ElementType) -> One {
    shape_of(call, element)
}

fn fill_like(call: &Call<'_>) -> One {
    let element = call.tensor_if("value")?.map_or(Fp32, |value| value.element);
    one(element, call.tensor("ref_tensor")?.shape.clone())
}

/// Boxes [N, B, 4] and scores [N, B, C] to the best of them, with their indices and how many there are.
fn suppress_5(call: &Call<'_>) -> One {
    let (boxes, scores, batch, count) = boxes(call)?;
    let classes = scores.shape.get(2).copied().unwrap_or(Dim::Unknown);
    let tensor = |element, shape: Vec<Dim>| Type::Tensor(TensorType { element, shape });
    Ok(vec![
        tensor(boxes.element, vec![batch, count, Dim::Known(4)]),
        tensor(scores.element, vec![batch, count, classes]),
        tensor(Int32, vec![batch, count]),
        tensor(Int32, vec![batch]),
    ])
}

/// Since CoreML7 boxes are [N, 4, B] and scores [N, C, B], and the number of the best is not given.
fn suppress_7(call: &Call<'_>) -> One {
    let (boxes, scores, batch, count) = boxes(call)?;
    let classes = scores.shape.get(1).copied().unwrap_or(Dim::Unknown);
    let tensor = |element, shape: Vec<Dim>| Type::Tensor(TensorType { element, shape });
    Ok(vec![
        tensor(boxes.element, vec![batch, Dim::Known(4), count]),
        tensor(scores.element, vec![batch, classes, count]),
        tensor(Int32, vec![batch, count]),
    ])
}

fn boxes<'a>(call: &Call<'a>) -> Result<(&'a TensorType, &'a TensorType, Dim, Dim), OpError> {
    let (boxes, scores) = (call.tensor("boxes")?, call.tensor("scores")?);
    rank_in("boxes", boxes, 3..=3)?;
    let ranked = rank_in("scores", scores, 3..=3)?.is_some();
    let count = call.int("max_boxes")?.known().map(|count| size("max_boxes", count)).transpose()?;
    let batch = if ranked { scores.shape[0] } else { Dim::Unknown };
    Ok((boxes, scores, batch, count.into()))
}

/// Rows of indices; how many, depends on the values.
fn non_zero(call: &Call<'_>) -> One {
    let columns = call.tensor("x")?.rank().map(|rank| rank as u64);
    one(Int32, vec![Dim::Unknown, columns.into()])
}

fn one_hot(call: &Call<'_>) -> One {
    let indices = call.tensor("indices")?;
    let (on, off) = (call.tensor_if("on_value")?, call.tensor_if("off_value")?);
    let element = on.or(off).map_or(Int32, |value| value.element);
    let depth = match call.int("one_hot_vector_size")? {
        Constant::Known(depth) => Dim::Known(size("one_hot_vector_size", depth)?),
        _ => Dim::Unknown,
    };
    let (Some(rank), Some(at)) = (indices.rank(), call.int("axis")?.or(-1)) else { return open(element) };
    let at = axis("axis", at, rank + 1)?;
    let mut shape = indices.shape.clone();
    shape.insert(at, depth);
    one(element, shape)
}

/// Pads the last dimensions: before and after each, outermost first. (coremltools wants amounts for all dimensions
/// where they are not constant.)
fn pad(call: &Call<'_>) -> One {
    let (x, given) = (call.tensor("x")?, call.tensor("pad")?);
    rank_in("pad", given, 1..=1)?;
    call.word("mode", &["constant", "reflect", "replicate"])?;
    let Some(rank) = x.rank() else { return open(x.element) };
    let amounts = call.ints("pad")?;
    let length = match &amounts {
        Constant::Known(amounts) => Some(amounts.len() as u64),
        _ => given.count(),
    };
    let Some(length) = length else { return one(x.element, unknown(rank)) };
    if length % 2 != 0 || length / 2 > rank as u64 {
        let message = format!("has {length} values; it must have two for each padded dimension of `x` ({x})");
        return Err(OpError::at(OpRule::Shape, "pad", message));
    }
    let first = rank - (length / 2) as usize;
    let mut shape = x.shape.clone();
    for (i, dim) in shape[first..].iter_mut().enumerate() {
        *dim = match &amounts {
            Constant::Known(amounts) => {
                let (before, after) = (size("pad", amounts[2 * i])?, size("pad", amounts[2 * i + 1])?);
                map_dim(*dim, |size| size.checked_add(before)?.checked_add(after))?
            }
            _ => Dim::Unknown,
        };
    }
    one(x.element, shape)
}

fn range(call: &Call<'_>) -> One {
    let element = call.tensor("start")?.element;
    let bounds = (call.float("start")?.known(), call.float("end")?.known(), call.float("step")?.known());
    let (Some(start), Some(end), Some(step)) = bounds else { return one(element, unknown(1)) };
    let count = steps(element, start, end, step).ceil();
    if !count.is_finite() {
        return Err(OpError::at(OpRule::Value, "step", format!("is {step}, which never gets from {start} to {end}")));
    }
    one(element, vec![Dim::Known(count.max(0.0) as u64)])
}

/// How many steps lie between two numbers, in the arithmetic of their type: as coremltools counts them, in which
/// 0.3 / 0.1 is 3 and not a little more.
fn steps(element: ElementType, start: f64, end: f64, step: f64) -> f64 {
    let rounded = |value: f64| match element {
        Fp16 => f64::from(half::f16::from_f32(value as f32)),
        Fp32 => f64::from(value as f32),
        _ => value,
    };
    rounded(rounded(end - start) / step)
}

fn shape(call: &Call<'_>) -> One {
    let rank = call.tensor("x")?.rank().map(|rank| rank as u64);
    one(Int32, vec![rank.into()])
}

fn split(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let (count, sizes) = (call.int("num_splits")?, call.ints("split_sizes")?);
    let (Some(rank), Some(at)) = (x.rank(), call.int("axis")?.known()) else {
        return Ok(vec![TensorType::unranked(x.element).into(); call.outputs]);
    };
    let at = axis("axis", at, rank)?;
    let lengths: Vec<Dim> = match (count, sizes) {
        (Constant::Absent, Constant::Absent) => {
            return Err(OpError::whole(OpRule::Parameter, "needs `num_splits` or `split_sizes`"));
        }
        (count, Constant::Known(sizes)) => {
            if let Constant::Known(count) = count
                && count != sizes.len() as i64
            {
                let message = format!("has {} sizes, but `num_splits` is {count}", sizes.len());
                return Err(OpError::at(OpRule::Shape, "split_sizes", message));
            }
            let lengths = sizes.into_iter().map(|given| size("split_sizes", given));
            sizes_of(x, at, lengths.collect::<Result<_, _>>()?)?
        }
        (Constant::Known(count), Constant::Absent) => {
            let count = positive("num_splits", count)?;
            let each =
                map_dim(x.shape[at], |size| size.is_multiple_of(count).then_some(size / count)).map_err(|_| {
                    let message = format!("is {count}, which does not divide {} along `axis` ({x})", x.shape[at]);
                    OpError::at(OpRule::Shape, "num_splits", message)
                })?;
            expect_outputs(call, count)?;
            vec![each; call.outputs]
        }
        _ => vec![Dim::Unknown; call.outputs],
    };
    let part = |length: Dim| {
        let mut shape = x.shape.clone();
        shape[at] = length;
        Type::Tensor(TensorType { element: x.element, shape })
    };
    Ok(lengths.into_iter().map(part).collect())
}

/// A count from a file is compared before that many outputs are made.
fn expect_outputs(call: &Call<'_>, count: u64) -> Result<(), OpError> {
    if count == call.outputs as u64 {
        return Ok(());
    }
    let message = format!("is {count}, but {} outputs are declared", call.outputs);
    Err(OpError::at(OpRule::Shape, "num_splits", message))
}

/// The parts of a dimension must be as long together as it is.
fn sizes_of(x: &TensorType, at: usize, sizes: Vec<u64>) -> Result<Vec<Dim>, OpError> {
    let total = sizes.iter().try_fold(0u64, |total, size| total.checked_add(*size));
    match (total, x.shape[at]) {
        (Some(total), dim) if dim.agrees(Dim::Known(total)) => Ok(sizes.into_iter().map(Dim::Known).collect()),
        (_, dim) => {
            let message = format!("do not add up to the {dim} along `axis` ({x})");
            Err(OpError::at(OpRule::Shape, "split_sizes", message))
        }
    }
}

fn tile(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    rank_in("reps", call.tensor("reps")?, 1..=1)?;
    let Some(rank) = x.rank() else { return open(x.element) };
    let Some(reps) = call.ints("reps")?.known() else { return one(x.element, unknown(rank)) };
    if reps.len() != rank || rank == 0 {
        let message = format!("has {} values; `x` has shape {}", reps.len(), ShapeText(&x.shape));
        return Err(OpError::at(OpRule::Shape, "reps", message));
    }
    let tiled = x.shape.iter().zip(reps).map(|(dim, times)| match positive("reps", times)? {
        1 => Ok(*dim),
        times => map_dim(*dim, |size| size.checked_mul(times)),
    });
    one(x.element, tiled.collect::<Result<_, _>>()?)
}

/// The `k` largest or smallest along an axis, and, unless switched off, where they stood.
fn topk(call: &Call<'_>) -> One {
    let x = call.tensor("x")?;
    let indices = call.bool("return_indices")?.or(true);
    if indices == Some(false) && call.has("output_indices_dtype") {
        let message = "goes with `return_indices` only, which is off";
        return Err(OpError::at(OpRule::Parameter, "output_indices_dtype", message));
    }
    let element = call.element("output_indices_dtype", Int32, &[Int32, Uint16])?.unwrap_or(Int32);
    let shape = match (x.rank(), call.int("axis")?.or(-1)) {
        (Some(rank), Some(at)) => {
            let at = axis("axis", at, rank)?;
            let k = call.int("k")?.or(1).map(|k| size("k", k)).transpose()?;
            if let (Some(k), Dim::Known(size)) = (k, x.shape[at])
                && k > size
            {
                return Err(OpError::at(OpRule::Value, "k", format!("is {k}; `x` has {size} along `axis` ({x})")));
            }
            let mut shape = x.shape.clone();
            shape[at] = k.into();
            shape
        }
        _ => vec![Dim::Variadic],
    };
    let values = Type::Tensor(TensorType { element: x.element, shape: shape.clone() });
    let found = Type::Tensor(TensorType { element, shape });
    Ok(match indices {
        Some(false) => vec![values],
        _ => vec![values, found],
    })
}
