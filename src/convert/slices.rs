//! Parts of tensors: slices, splits, rows by their numbers, padding.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::sizes::{Extent, few};
use super::table::{Entry, entry};
use crate::graph::ElementType;
use crate::graph::function::Opset;

pub(super) static OPERATORS: &[Entry] = &[
    entry("slice", &["self", "dim", "start", "end", "step"], slice),
    entry("narrow", &["self", "dim", "start", "length"], slice),
    entry("select", &["self", "dim", "index"], select),
    entry("split", &["self", "split_size", "split_sizes", "dim"], split),
    entry("unsafe_split", &["self", "split_size", "dim"], split),
    entry("unsafe_chunk", &["self", "chunks", "dim"], split),
    entry("tensor_split", &["self", "sections", "indices", "dim"], split),
    entry("split_with_sizes", &["self", "split_sizes", "dim"], split),
    entry("chunk", &["self", "chunks", "dim"], split),
    entry("unbind", &["self", "dim"], unbind),
    entry("embedding", &["weight", "indices", "padding_idx", "scale_grad_by_freq", "sparse"], embedding),
    entry("index_select", &["self", "dim", "index"], index_select),
    entry("tril", &["self", "diagonal"], |b, args| triangle(b, args, true)),
    entry("triu", &["self", "diagonal"], |b, args| triangle(b, args, false)),
];

/// A part of one dimension, from a place to another, every so many elements.
pub(super) fn part(b: &mut Builder<'_>, x: &Value, axis: usize, (begin, end, step): (i64, Option<i64>, i64)) -> One {
    let rank = x.rank();
    let (mut begins, mut ends, mut steps) = (vec![0; rank], vec![0; rank], vec![1; rank]);
    let (mut from_begin, mut to_end) = (vec![true; rank], vec![true; rank]);
    (begins[axis], steps[axis], from_begin[axis]) = (begin, step, false);
    if let Some(end) = end {
        (ends[axis], to_end[axis]) = (end, false);
    }
    b.op(
        "slice_by_index",
        vec![
            ("x", Param::Value(x)),
            ("begin", Param::Ints(begins)),
            ("end", Param::Ints(ends)),
            ("stride", Param::Ints(steps)),
            ("begin_mask", Param::Bools(from_begin)),
            ("end_mask", Param::Bools(to_end)),
        ],
    )
}

/// A part of an axis: the axis, where it begins, where it ends, how far its elements are apart.
pub(super) type Part = (usize, i64, i64, i64);

/// The part that `slice` or `narrow` takes of a dimension of a fixed size.
pub(super) fn part_of(args: &Args<'_>, x: &Value) -> Result<Part, String> {
    let axis = x.axis(args.int("dim", 0)?)?;
    let size = x.size(axis).ok_or("it cuts a dimension whose size is known only when the program runs")?;
    if args.has("length") {
        let begin = args.int("start", 0)?;
        let begin = if begin < 0 { begin.saturating_add(size) } else { begin };
        let end = begin.saturating_add(args.int("length", 0)?);
        if begin < 0 || begin >= end || end > size {
            return Err("it gives an empty tensor, or reaches beyond what it takes".to_owned());
        }
        return Ok((axis, begin, end, 1));
    }
    let (begin, end, step) = (args.int("start", 0)?, args.int("end", i64::MAX)?, args.int("step", 1)?);
    if step < 1 {
        return Err("its argument `step` is less than 1".to_owned());
    }
    let place = |at: i64| if at < 0 { at.saturating_add(size).max(0) } else { at.min(size) };
    let (begin, end) = (place(begin), place(end));
    if begin >= end {
        return Err("it gives an empty tensor, which Core ML has not".to_owned());
    }
    Ok((axis, begin, end, step))
}

fn slice(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axis = x.axis(args.int("dim", 0)?)?;
    let is_open = |name: &str| args.open(name).is_some_and(|dim| dim.known().is_none());
    if x.size(axis).is_none() || is_open("start") || is_open("end") || is_open("length") {
        return slice_open(b, args, &x, axis);
    }
    let declared = &args.output(0)?.shape;
    if declared.get(axis).and_then(crate::graph::aten::Dim::known) == Some(0) {
        return Ok(vec![b.empty(x.element(), declared)]);
    }
    let (axis, begin, end, step) = part_of(args, &x)?;
    let size = x.size(axis).unwrap_or(0);
    if (begin, end, step) == (0, size, 1) {
        return Ok(vec![x]);
    }
    Ok(vec![part(b, &x, axis, (begin, (end < size).then_some(end), step))?])
}

/// A part of which a place, or the size of what it is cut from, is known only when the program runs.
fn slice_open(b: &mut Builder<'_>, args: &Args<'_>, x: &Value, axis: usize) -> Values {
    let given = args.id("self").and_then(|id| args.graph.tensor(id)).and_then(|ty| ty.shape.get(axis));
    let declared = args.output(0)?.shape.get(axis).ok_or("it gives fewer dimensions than it takes")?;
    if given == Some(declared) {
        return Ok(vec![x.clone()]);
    }
    let step = if args.has("step") { args.int("step", 1)? } else { 1 };
    let begin = match args.open("start") {
        Some(dim) => b.extent(dim)?,
        None => Extent::Fixed(args.int("start", 0)?),
    };
    let is_end = |end: i64| end >= i64::from(i32::MAX);
    // Places that are counted from an end need no size.
    if let Extent::Fixed(begin) = begin
        && args.open("end").is_none()
        && !args.has("length")
        && step >= 1
    {
        let end = args.int("end", i64::MAX)?;
        if begin >= 0 && (is_end(end) || end < 0) {
            return Ok(vec![part(b, x, axis, (begin, (!is_end(end)).then_some(end), step))?]);
        }
    }
    if step != 1 || matches!(begin, Extent::Fixed(begin) if begin < 0) {
        return Err("it cuts a dimension whose size is known only when the program runs".to_owned());
    }
    // The part is as long as the export declares, which PyTorch has found to be within what it is cut from.
    let length = b.extent(declared)?;
    let end = match (&begin, &length) {
        (Extent::Fixed(begin), Extent::Fixed(length)) => Extent::Fixed(begin.saturating_add(*length)),
        (Extent::Fixed(0), _) => length,
        _ => {
            let (begin, length) = (b.vector(std::slice::from_ref(&begin))?, b.vector(&[length])?);
            Extent::Live(b.op("add", vec![("x", Param::Value(&begin)), ("y", Param::Value(&length))])?)
        }
    };
    let rank = x.rank();
    let mut begins = vec![Extent::Fixed(0); rank];
    let mut ends = vec![Extent::Fixed(0); rank];
    let mut open = vec![true; rank];
    (begins[axis], ends[axis], open[axis]) = (begin, end, false);
    let (begins, ends) = (b.vector(&begins)?, b.vector(&ends)?);
    let made = b.op(
        "slice_by_index",
        vec![
            ("x", Param::Value(x)),
            ("begin", Param::Value(&begins)),
            ("end", Param::Value(&ends)),
            ("begin_mask", Param::Bools(open.clone())),
            ("end_mask", Param::Bools(open)),
        ],
    )?;
    let mut shape = x.ty.shape.clone();
    shape[axis] = declared.known().into();
    Ok(vec![b.refined(made, shape)])
}

/// A tensor with a part of it replaced.
pub(super) fn placed(b: &mut Builder<'_>, x: &Value, new: &Value, (axis, begin, end, step): Part) -> One {
    let size = x.size(axis).ok_or("it changes a dimension whose size is known only when the program runs")?;
    let new = b.cast(new, x.element())?;
    if step != 1 {
        few(end.checked_sub(begin))?;
        let rows: Vec<i64> = (begin..end).step_by(usize::try_from(step).unwrap_or(1)).collect();
        let rows = b.ints(&rows)?;
        return super::indexing::scattered(b, x, &rows, &new, (axis, "update"));
    }
    let mut parts = Vec::new();
    if begin > 0 {
        parts.push(part(b, x, axis, (0, Some(begin), 1))?);
    }
    parts.push(new);
    if end < size {
        parts.push(part(b, x, axis, (end, None, 1))?);
    }
    b.joined(&parts, axis)
}

/// Which element of which axis `select` takes, of a dimension of a fixed size.
pub(super) fn place_of(args: &Args<'_>, x: &Value) -> Result<(usize, i64), String> {
    let axis = x.axis(args.int("dim", 0)?)?;
    let size = x.size(axis).ok_or("it takes of a dimension whose size is known only when the program runs")?;
    let at = args.int("index", 0)?;
    let at = if at < 0 { at.saturating_add(size) } else { at };
    if (0..size).contains(&at) { Ok((axis, at)) } else { Err("it reaches beyond what it takes".to_owned()) }
}

fn select(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axis = x.axis(args.int("dim", 0)?)?;
    let at = match x.size(axis) {
        Some(_) => place_of(args, &x)?.1,
        None => args.int("index", 0)?,
    };
    let (mut begins, mut ends) = (vec![0; x.rank()], vec![0; x.rank()]);
    let (mut from_begin, mut dropped) = (vec![true; x.rank()], vec![false; x.rank()]);
    (begins[axis], ends[axis], from_begin[axis], dropped[axis]) = (at, at.saturating_add(1), false, true);
    let mut to_end = from_begin.clone();
    // The last element, counted from the end, has no place after it.
    to_end[axis] = at == -1;
    Ok(vec![b.op(
        "slice_by_index",
        vec![
            ("x", Param::Value(&x)),
            ("begin", Param::Ints(begins)),
            ("end", Param::Ints(ends)),
            ("begin_mask", Param::Bools(from_begin)),
            ("end_mask", Param::Bools(to_end)),
            ("squeeze_mask", Param::Bools(dropped)),
        ],
    )?])
}

/// The sizes that the export declares for the parts.
fn split(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axis = x.axis(args.int("dim", 0)?)?;
    let count: usize = args.node.outputs.iter().map(|output| output.values().len()).sum();
    let mut sizes = Vec::with_capacity(count);
    for index in 0..count {
        let dim = args.output(index)?.shape.get(axis).and_then(crate::graph::aten::Dim::known);
        let size = dim.and_then(|size| i64::try_from(size).ok());
        sizes.push(size.ok_or("it cuts a dimension whose size is known only when the program runs")?);
    }
    if count == 1 {
        return Ok(vec![x]);
    }
    let full: Vec<i64> = sizes.iter().copied().filter(|size| *size > 0).collect();
    let mut parts = match full.len() {
        0 | 1 => vec![x.clone(); full.len()],
        _ => b.emit(
            "split",
            vec![("x", Param::Value(&x)), ("split_sizes", Param::Ints(full)), ("axis", Param::Int(axis as i64))],
        )?,
    };
    for (index, _) in sizes.iter().enumerate().filter(|(_, size)| **size == 0) {
        parts.insert(index, b.empty(x.element(), &args.output(index)?.shape));
    }
    Ok(parts)
}

fn unbind(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axis = x.axis(args.int("dim", 0)?)?;
    let count = x.size(axis).ok_or("it cuts a dimension whose size is known only when the program runs")?;
    let squeezed = |b: &mut Builder<'_>, value: &Value| {
        b.op("squeeze", vec![("x", Param::Value(value)), ("axes", Param::Ints(vec![axis as i64]))])
    };
    if count == 1 {
        return Ok(vec![squeezed(b, &x)?]);
    }
    let parts = b.emit(
        "split",
        vec![
            ("x", Param::Value(&x)),
            ("split_sizes", Param::Ints(vec![1; usize::try_from(count).unwrap_or(0)])),
            ("axis", Param::Int(axis as i64)),
        ],
    )?;
    parts.iter().map(|part| squeezed(b, part)).collect()
}

/// Rows of a tensor by their numbers, none of which is negative.
pub(super) fn rows(b: &mut Builder<'_>, x: &Value, indices: &Value, axis: usize) -> One {
    if indices.element() != ElementType::Int32 {
        return Err(format!("it takes rows by {}, which is not converted", indices.element()));
    }
    let mut parameters =
        vec![("x", Param::Value(x)), ("indices", Param::Value(indices)), ("axis", Param::Int(axis as i64))];
    if b.set >= Opset::CoreML6 {
        parameters.push(("batch_dims", Param::Int(0)));
    }
    if b.set >= Opset::CoreML7 {
        parameters.push(("validate_indices", Param::Bool(false)));
    }
    if x.element() == ElementType::Bool {
        // Rows of numbers only.
        let numbers = b.cast(x, ElementType::Int32)?;
        let found = rows(b, &numbers, indices, axis)?;
        return b.cast(&found, ElementType::Bool);
    }
    b.op("gather", parameters)
}

fn embedding(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (weight, indices) = (b.tensor(args, "weight")?, b.tensor(args, "indices")?);
    Ok(vec![rows(b, &weight, &indices, 0)?])
}

fn index_select(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, indices) = (b.tensor(args, "self")?, b.tensor(args, "index")?);
    let axis = x.axis(args.int("dim", 0)?)?;
    Ok(vec![rows(b, &x, &indices, axis)?])
}

fn triangle(b: &mut Builder<'_>, args: &Args<'_>, lower: bool) -> Values {
    let x = b.tensor(args, "self")?;
    let diagonal = args.int("diagonal", 0)?;
    // The operator keeps whole triangles for negative numbers only, so the diagonals must be within them.
    let (below, above) = match (lower, diagonal) {
        (true, 0..) => (-1, diagonal),
        (false, ..=0) => (diagonal.saturating_neg(), -1),
        _ => return triangle_without_diagonal(b, &x, diagonal, lower),
    };
    let parameters = vec![("x", Param::Value(&x)), ("lower", Param::Int(below)), ("upper", Param::Int(above))];
    Ok(vec![b.op("band_part", parameters)?])
}

/// Larger matrices of truth values than masks have.
const LARGEST_MASK: i64 = 1 << 24;

/// What lies beside the main diagonal is chosen by a matrix of truth values. A difference from the other triangle would
/// make NaN of infinities, of which masks are made.
fn triangle_without_diagonal(b: &mut Builder<'_>, x: &Value, diagonal: i64, lower: bool) -> Values {
    let sizes = x.rank().checked_sub(2).and_then(|first| Some((x.size(first)?, x.size(first + 1)?)));
    let sizes = sizes.filter(|(rows, columns)| rows.checked_mul(*columns).is_some_and(|all| all <= LARGEST_MASK));
    let (rows, columns) = sizes.ok_or("it leaves the main diagonal out of a matrix of no known size")?;
    let is_kept = |row: i64, column: i64| match lower {
        true => column - row <= diagonal,
        false => column - row >= diagonal,
    };
    let bytes = (0..rows).flat_map(|row| (0..columns).map(move |column| u8::from(is_kept(row, column)))).collect();
    let kept = b.literal("triangle", ElementType::Bool, &[rows, columns], bytes);
    let zero = b.scalar(0.0, x.element())?;
    let parameters = vec![("cond", Param::Value(&kept)), ("a", Param::Value(x)), ("b", Param::Value(&zero))];
    Ok(vec![b.op("select", parameters)?])
}
