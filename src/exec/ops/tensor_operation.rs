//! Operators that make, combine or order tensors.

use rayon::prelude::*;

use super::{Args, Kernel, One, around, axis_of, misshapen, owned, wrong};
use crate::element::ElementType;
use crate::exec::error::Fault;
use crate::exec::layout::{View, product};
use crate::exec::tensor::{Data, Kind, Tensor, moved};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("argsort", argsort),
    ("band_part", band_part),
    ("concat", concat),
    ("cumsum", cumsum),
    ("fill", fill),
    ("fill_like", fill),
    ("non_zero", non_zero),
    ("one_hot", one_hot),
    ("pad", pad),
    ("range_1d", range_1d),
    ("shape", shape),
    ("split", split),
    ("stack", stack),
    ("tile", tile),
    ("topk", topk),
];

/// The order of numbers along a row: ascending or descending, NaNs last, equal ones as they stood.
fn order(values: &[f64], ascending: bool) -> Vec<usize> {
    let mut places: Vec<usize> = (0..values.len()).collect();
    places.sort_by(|a, b| {
        let (a, b) = (values[*a], values[*b]);
        let ordered = if ascending { a.partial_cmp(&b) } else { b.partial_cmp(&a) };
        ordered.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    });
    places
}

/// The first `keep` places in order along an axis, [outer, keep, inner].
fn sorted(x: &Tensor, axis: usize, keep: usize, ascending: bool) -> Vec<i32> {
    let [outer, size, inner] = around(x.shape(), axis);
    let numbers = |i: usize| match x.data() {
        Data::Floats(values) => values.get(i).copied().map_or(0.0, f64::from),
        Data::Ints(values) => values.get(i).copied().map_or(0.0, f64::from),
        Data::Bools(_) => 0.0,
    };
    let mut out = vec![0i32; outer * keep * inner];
    if keep * inner == 0 {
        return out;
    }
    out.par_chunks_mut(keep * inner).enumerate().for_each(|(block, out)| {
        for column in 0..inner {
            let row: Vec<f64> = (0..size).map(|i| numbers((block * size + i) * inner + column)).collect();
            for (i, place) in order(&row, ascending).into_iter().take(keep).enumerate() {
                out[i * inner + column] = place as i32;
            }
        }
    });
    out
}

fn argsort(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    if x.rank() == 0 {
        return args.one(vec![0]);
    }
    let axis = args.axis("axis", -1, x.rank())?;
    args.one(sorted(x, axis, x.shape()[axis], args.bool("ascending", false)?))
}

fn topk(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let axis = args.axis("axis", -1, x.rank())?;
    let [_, size, inner] = around(x.shape(), axis);
    let k = args.int("k", 1)?;
    let k = usize::try_from(k).ok().filter(|k| *k <= size).ok_or_else(|| wrong("k", format!("is {k} of {size}")))?;
    let places = sorted(x, axis, k, args.bool("ascending", false)?);
    let shape = args.shape(0)?;
    let values = moved!(x.data(), values => {
        let pick = |(i, place): (usize, &i32)| {
            let (block, column) = (i / (k * inner).max(1), i % inner.max(1));
            values.get((block * size + *place as usize) * inner + column).copied().unwrap_or_default()
        };
        places.iter().enumerate().map(pick).collect::<Vec<_>>()
    });
    let mut out = vec![Tensor::moved(x.element(), shape.clone(), values)?];
    if let Some(indices) = args.outputs.get(1) {
        out.push(Tensor::new(indices.element, shape, places)?);
    }
    Ok(out)
}

/// Keeps `lower` diagonals below the main one and `upper` above it; all where they are negative.
fn band_part(args: &mut Args<'_>) -> One {
    let (lower, upper) = (args.int("lower", -1)?, args.int("upper", -1)?);
    let x = args.tensor("x")?;
    let [.., rows, columns] = x.shape() else { return Err(misshapen("needs a matrix")) };
    let (rows, columns) = (*rows, *columns);
    let keeps = |i: usize| {
        let (row, column) = ((i / columns % rows) as i64, (i % columns) as i64);
        (lower < 0 || row - column <= lower) && (upper < 0 || column - row <= upper)
    };
    let data = moved!(x.data(), values => {
        let kept = |(i, value)| if keeps(i) { value } else { Default::default() };
        values.iter().copied().enumerate().map(kept).collect::<Vec<_>>()
    });
    args.moved(data)
}

/// One behind the other along an axis, or, interleaved, one element of each in turn.
fn concat(args: &mut Args<'_>) -> One {
    let shape = args.shape(0)?;
    let values = args.tensors("values")?;
    let rank = values[0].rank();
    if rank == 0 {
        return join(args, &values.iter().map(|value| (value.data(), 1)).collect::<Vec<_>>(), 1);
    }
    let axis = args.axis("axis", 0, rank)?;
    let [outer, _, inner] = around(&shape, axis);
    let interleaved = args.bool("interleave", false)?;
    if !interleaved {
        let parts: Vec<(&Data, usize)> =
            values.iter().map(|value| (value.data(), value.shape()[axis] * inner)).collect();
        return join(args, &parts, outer);
    }
    let parts: Vec<(&Data, usize)> = values.iter().map(|value| (value.data(), inner)).collect();
    let size = values[0].shape()[axis];
    join(args, &parts, outer * size)
}

fn stack(args: &mut Args<'_>) -> One {
    let values = args.tensors("values")?;
    let axis = args.axis("axis", 0, values[0].rank() + 1)?;
    let inner = values[0].shape()[axis..].iter().product();
    let outer = values[0].shape()[..axis].iter().product();
    let parts: Vec<(&Data, usize)> = values.iter().map(|value| (value.data(), inner)).collect();
    join(args, &parts, outer)
}

/// So many rounds of a run of elements from each part.
fn join(args: &Args<'_>, parts: &[(&Data, usize)], rounds: usize) -> One {
    fn all<'a, T: Copy>(parts: &[(&'a [T], usize)], rounds: usize) -> Vec<T> {
        let mut out = Vec::with_capacity(rounds * parts.iter().map(|(_, run)| run).sum::<usize>());
        for round in 0..rounds {
            for (values, run) in parts {
                out.extend_from_slice(values.get(round * run..(round + 1) * run).unwrap_or_default());
            }
        }
        out
    }
    let kind = parts.first().map(|(data, _)| data.kind());
    macro_rules! collect {
        ($Variant:ident) => {{
            let own = parts.iter().filter_map(|(data, run)| match data {
                Data::$Variant(values) => Some((&values[..], *run)),
                _ => None,
            });
            all(&own.collect::<Vec<_>>(), rounds).into()
        }};
    }
    let data: Data = match kind {
        Some(Kind::Float) => collect!(Floats),
        Some(Kind::Int) => collect!(Ints),
        _ => collect!(Bools),
    };
    args.moved(data)
}

fn split(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let axis = args.axis("axis", 0, x.rank())?;
    let mut begin = 0;
    let mut parts = Vec::with_capacity(args.outputs.len());
    for output in 0..args.outputs.len() {
        let shape = args.shape(output)?;
        let length = shape[axis];
        if begin + length > x.shape()[axis] {
            return Err(misshapen("splits off more than there is"));
        }
        let view = View::new(x.shape()).sliced(axis, begin, 1, length);
        parts.push(Tensor::moved(x.element(), shape, view.copy_data(x.data()))?);
        begin += length;
    }
    Ok(parts)
}

/// Sums along an axis so far; `exclusive` leaves out the element itself, `reverse` begins at the end.
fn cumsum(args: &mut Args<'_>) -> One {
    let (exclusive, reverse) = (args.bool("exclusive", false)?, args.bool("reverse", false)?);
    let x = args.take("x")?;
    let axis = if x.rank() == 0 { 0 } else { args.axis("axis", 0, x.rank())? };
    let [_, size, inner] = around(x.shape(), axis);
    if x.is_empty() {
        return Ok(vec![x]);
    }
    fn run<T: Copy + Default>(block: &mut [T], [size, inner]: [usize; 2], flags: [bool; 2], add: impl Fn(T, T) -> T) {
        for column in 0..inner {
            let mut sum = T::default();
            for step in 0..size {
                let step = if flags[1] { size - 1 - step } else { step };
                let value = &mut block[step * inner + column];
                let next = add(sum, *value);
                *value = if flags[0] { sum } else { next };
                sum = next;
            }
        }
    }
    let (element, shape, data) = x.into_parts();
    let (sizes, flags) = ([size, inner], [exclusive, reverse]);
    let data: Data = match data {
        Data::Floats(values) => {
            let mut values = owned(values);
            values.par_chunks_mut(size * inner).for_each(|block| run(block, sizes, flags, |a, b| a + b));
            values.into()
        }
        Data::Ints(values) => {
            let mut values = owned(values);
            values.par_chunks_mut(size * inner).for_each(|block| run(block, sizes, flags, i32::wrapping_add));
            values.into()
        }
        Data::Bools(_) => return Err(misshapen("needs numbers")),
    };
    Ok(vec![Tensor::new(element, shape, data)?])
}

/// The sizes that a vector holds.
fn sizes_of(args: &Args<'_>, parameter: &'static str) -> Result<Vec<usize>, Fault> {
    let negative = |size: i64| wrong(parameter, format!("holds {size}; it must not be negative"));
    let sizes = args.ints(parameter)?.unwrap_or_default().into_iter();
    sizes.map(|size| usize::try_from(size).map_err(|_| negative(size))).collect()
}

/// The one element of a tensor, so many times.
fn many(value: Option<&Tensor>, element: ElementType, count: usize) -> Result<Data, Fault> {
    let Some(value) = value else {
        return Ok(match Kind::of(element) {
            Some(Kind::Int) => vec![0i32; count].into(),
            Some(Kind::Bool) => vec![false; count].into(),
            _ => vec![0f32; count].into(),
        });
    };
    if value.len() != 1 {
        return Err(wrong("value", format!("is {value}; it must be one value")));
    }
    Ok(moved!(value.data(), values => vec![values[0]; count]))
}

fn fill(args: &mut Args<'_>) -> One {
    let shape = match args.kind {
        "fill" => sizes_of(args, "shape")?,
        _ => args.shape(0)?,
    };
    let element = args.element(0)?;
    let data = many(args.tensor_if("value"), element, product(&shape))?;
    Ok(vec![Tensor::moved(element, shape, data)?])
}

/// The places of what is not 0 or false, one a row.
fn non_zero(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let found: Vec<usize> = match x.data() {
        Data::Floats(values) => (0..values.len()).filter(|i| values[*i] != 0.0).collect(),
        Data::Ints(values) => (0..values.len()).filter(|i| values[*i] != 0).collect(),
        Data::Bools(values) => (0..values.len()).filter(|i| values[*i]).collect(),
    };
    let rank = x.rank();
    let mut out = vec![0i32; found.len() * rank];
    for (row, mut place) in out.chunks_exact_mut(rank.max(1)).zip(found.iter().copied()) {
        for (out, size) in row.iter_mut().zip(x.shape()).rev() {
            *out = (place % size) as i32;
            place /= size;
        }
    }
    Ok(vec![Tensor::ints(&[found.len(), rank], out)?])
}

fn one_hot(args: &mut Args<'_>) -> One {
    let indices = args.tensor("indices")?;
    let size = args.int("one_hot_vector_size", 0)?;
    let size = usize::try_from(size).map_err(|_| wrong("one_hot_vector_size", format!("is {size}")))?;
    let axis = axis_of("axis", args.int("axis", -1)?, indices.rank() + 1)?;
    let mut shape = indices.shape().to_vec();
    shape.insert(axis, size);
    let [outer, _, inner] = around(&shape, axis);
    let element = args.element(0)?;
    let Some(places) = indices.as_ints() else { return Err(wrong("indices", "must be of integers")) };
    let is_on = |i: usize| {
        let (block, step, column) = (i / (size * inner).max(1), i / inner.max(1) % size.max(1), i % inner.max(1));
        let index = i64::from(places.get(block * inner + column).copied().unwrap_or(-1));
        (if index < 0 { index + size as i64 } else { index }) == step as i64
    };
    let count = outer * size * inner;
    // Without values: 1 where the index is, else 0.
    let one = Tensor::new(ElementType::Int32, vec![], vec![1])?;
    let fallback = if Kind::of(element) == Some(Kind::Int) { Some(&one) } else { None };
    let on = many(args.tensor_if("on_value").or(fallback), element, 1)?;
    let off = many(args.tensor_if("off_value"), element, 1)?;
    let data: Data = match (on, off) {
        (Data::Floats(on), Data::Floats(off)) => {
            let on = if args.has("on_value") { on[0] } else { 1.0 };
            (0..count).map(|i| if is_on(i) { on } else { off[0] }).collect::<Vec<_>>().into()
        }
        (Data::Ints(on), Data::Ints(off)) => {
            (0..count).map(|i| if is_on(i) { on[0] } else { off[0] }).collect::<Vec<_>>().into()
        }
        (Data::Bools(on), Data::Bools(off)) => {
            let on = if args.has("on_value") { on[0] } else { true };
            (0..count).map(|i| if is_on(i) { on } else { off[0] }).collect::<Vec<_>>().into()
        }
        _ => return Err(wrong("on_value", "must be of the type of `off_value`")),
    };
    Ok(vec![Tensor::moved(element, shape, data)?])
}

/// The last dimensions made longer: by a value, by what is mirrored at the border, or by the border itself.
fn pad(args: &mut Args<'_>) -> One {
    let mode = args.word("mode", "CONSTANT");
    let x = args.tensor("x")?;
    let amounts = sizes_of(args, "pad")?;
    let first = x.rank().saturating_sub(amounts.len() / 2);
    let mut shape = x.shape().to_vec();
    let mut maps: Vec<Vec<Option<usize>>> = Vec::with_capacity(x.rank());
    for (i, size) in x.shape().iter().copied().enumerate() {
        let at = i.checked_sub(first).map(|i| 2 * i);
        let amount = |at: usize| amounts.get(at).copied().unwrap_or(0);
        let (before, after) = at.map_or((0, 0), |at| (amount(at), amount(at + 1)));
        if size == 0 && before + after > 0 && mode != "CONSTANT" {
            return Err(wrong("pad", "has nothing to repeat"));
        }
        if mode == "REFLECT" && before.max(after) >= size.max(1) {
            return Err(wrong(
                "pad",
                format!("is {} in dimension {i} of {size}; a reflection must be less", before.max(after)),
            ));
        }
        shape[i] = size + before + after;
        maps.push((0..shape[i]).map(|place| source(place as i64 - before as i64, size, &mode)).collect());
    }
    let element = args.element(0)?;
    let value = args.float("constant_val", 0.0)?;
    let values = args.floats("x")?;
    let mut out = vec![value; product(&shape)];
    let strides = crate::exec::layout::dense(x.shape());
    let length = shape.last().copied().unwrap_or(1);
    if out.is_empty() {
        return Ok(vec![Tensor::moved(element, shape, out.into())?]);
    }
    let outer = shape.len().saturating_sub(1);
    out.par_chunks_mut(length).enumerate().for_each(|(mut row, out)| {
        let mut start = 0;
        for i in (0..outer).rev() {
            let Some(place) = maps[i][row % shape[i]] else { return };
            start += place * strides[i].unsigned_abs();
            row /= shape[i];
        }
        match maps.get(outer) {
            Some(map) => {
                for (out, place) in out.iter_mut().zip(map) {
                    *out = place.map_or(value, |place| values[start + place]);
                }
            }
            None => out.iter_mut().zip(values).for_each(|(out, x)| *out = *x),
        }
    });
    Ok(vec![Tensor::moved(element, shape, out.into())?])
}

/// The place in the input that a place of the padded output shows.
fn source(place: i64, size: usize, mode: &str) -> Option<usize> {
    let last = size as i64 - 1;
    let inside = (0..=last).contains(&place);
    let place = match mode {
        _ if inside => place,
        "REFLECT" if place < 0 => -place,
        "REFLECT" => 2 * last - place,
        "REPLICATE" => place.clamp(0, last),
        _ => return None,
    };
    usize::try_from(place).ok()
}

fn range_1d(args: &mut Args<'_>) -> One {
    let shape = args.shape(0)?;
    let count = product(&shape);
    let (start, step) = (args.tensor("start")?, args.tensor("step")?);
    match (start.data(), step.data()) {
        (Data::Ints(start), Data::Ints(step)) => {
            let at = |i: usize| i32::try_from(i).unwrap_or(0).wrapping_mul(step[0]).wrapping_add(start[0]);
            args.one((0..count).map(at).collect::<Vec<_>>())
        }
        (Data::Floats(start), Data::Floats(step)) => {
            let at = |i: usize| (f64::from(start[0]) + i as f64 * f64::from(step[0])) as f32;
            args.one((0..count).map(at).collect::<Vec<_>>())
        }
        _ => Err(misshapen("needs numbers of one type")),
    }
}

fn shape(args: &mut Args<'_>) -> One {
    let sizes: Result<Vec<i32>, _> = args.tensor("x")?.shape().iter().map(|size| i32::try_from(*size)).collect();
    args.one(sizes.map_err(|_| misshapen("has a size beyond 32 bits"))?)
}

fn tile(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let reps = sizes_of(args, "reps")?;
    if reps.len() != x.rank() {
        return Err(wrong("reps", format!("has {} values for {x}", reps.len())));
    }
    // Each dimension becomes two: the repetitions, which show the same, and the dimension itself.
    let apart: Vec<usize> = x.shape().iter().flat_map(|size| [1, *size]).collect();
    let repeated: Vec<usize> = reps.iter().zip(x.shape()).flat_map(|(times, size)| [*times, *size]).collect();
    let data = View::new(&apart).broadcast(&repeated).copy_data(x.data());
    let shape = reps.iter().zip(x.shape()).map(|(times, size)| times * size).collect();
    Ok(vec![Tensor::moved(x.element(), shape, data)?])
}
