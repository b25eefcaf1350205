//! Parts of tensors: slices, splits, rows by their numbers, padding.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::table::{Entry, entry};
use crate::graph::ElementType;
use crate::graph::aten::Argument;
use crate::graph::function::Opset;

pub(super) static OPERATORS: &[Entry] = &[
    entry("slice", &["self", "dim", "start", "end", "step"], slice),
    entry("narrow", &["self", "dim", "start", "length"], narrow),
    entry("select", &["self", "dim", "index"], select),
    entry("split", &["self", "split_size", "split_sizes", "dim"], split),
    entry("split_with_sizes", &["self", "split_sizes", "dim"], split),
    entry("chunk", &["self", "chunks", "dim"], split),
    entry("unbind", &["self", "dim"], unbind),
    entry("embedding", &["weight", "indices", "padding_idx", "scale_grad_by_freq", "sparse"], embedding),
    entry("index_select", &["self", "dim", "index"], index_select),
    entry("gather", &["self", "dim", "index", "sparse_grad"], gather_along),
    entry("index", &["self", "indices"], index),
    entry("pad", &["self", "pad", "mode", "value"], pad),
    entry("constant_pad_nd", &["self", "pad", "value"], pad),
    entry("tril", &["self", "diagonal"], |b, args| triangle(b, args, true)),
    entry("triu", &["self", "diagonal"], |b, args| triangle(b, args, false)),
];

/// A part of one dimension, from a place to another, every so many elements.
fn part(b: &mut Builder<'_>, x: &Value, axis: usize, (begin, end, step): (i64, Option<i64>, i64)) -> One {
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

fn slice(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axis = x.axis(args.int("dim", 0)?)?;
    let (begin, end, step) = (args.int("start", 0)?, args.int("end", i64::MAX)?, args.int("step", 1)?);
    if step < 1 {
        return Err("its argument `step` is less than 1".to_owned());
    }
    let is_open = end >= i64::from(i32::MAX);
    let Some(size) = x.size(axis) else {
        if begin == 0 && is_open && step == 1 {
            return Ok(vec![x]);
        }
        // Places counted from the front lie where they say only if the dimension is that long.
        if begin < 0 || !(is_open || end < 0) {
            return Err("it cuts a dimension whose size is known only when the program runs".to_owned());
        }
        return Ok(vec![part(b, &x, axis, (begin, (!is_open).then_some(end), step))?]);
    };
    let place = |at: i64| if at < 0 { at.saturating_add(size).max(0) } else { at.min(size) };
    let (begin, end) = (place(begin), place(end));
    if (begin, end, step) == (0, size, 1) {
        return Ok(vec![x]);
    }
    if begin >= end {
        return Err("it gives an empty tensor, which Core ML has not".to_owned());
    }
    Ok(vec![part(b, &x, axis, (begin, (end < size).then_some(end), step))?])
}

fn narrow(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axis = x.axis(args.int("dim", 0)?)?;
    let size = x.size(axis).ok_or("it cuts a dimension whose size is known only when the program runs")?;
    let begin = args.int("start", 0)?;
    let begin = if begin < 0 { begin.saturating_add(size) } else { begin };
    let end = begin.saturating_add(args.int("length", 0)?);
    if begin < 0 || begin >= end || end > size {
        return Err("it gives an empty tensor, or reaches beyond what it takes".to_owned());
    }
    Ok(vec![part(b, &x, axis, (begin, Some(end), 1))?])
}

fn select(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axis = x.axis(args.int("dim", 0)?)?;
    let at = args.int("index", 0)?;
    let (mut begins, mut ends) = (vec![0; x.rank()], vec![0; x.rank()]);
    let (mut open, mut dropped) = (vec![true; x.rank()], vec![false; x.rank()]);
    let at = match x.size(axis) {
        Some(size) if at < 0 => at.saturating_add(size),
        None if at < 0 => {
            return Err(
                "it counts from the end of a dimension whose size is known only when the program runs".to_owned()
            );
        }
        _ => at,
    };
    (begins[axis], ends[axis], open[axis], dropped[axis]) = (at, at.saturating_add(1), false, true);
    Ok(vec![b.op(
        "slice_by_index",
        vec![
            ("x", Param::Value(&x)),
            ("begin", Param::Ints(begins)),
            ("end", Param::Ints(ends)),
            ("begin_mask", Param::Bools(open.clone())),
            ("end_mask", Param::Bools(open)),
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
    if sizes.contains(&0) {
        return Err("it gives an empty tensor, which Core ML has not".to_owned());
    }
    b.emit(
        "split",
        vec![("x", Param::Value(&x)), ("split_sizes", Param::Ints(sizes)), ("axis", Param::Int(axis as i64))],
    )
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
fn rows(b: &mut Builder<'_>, x: &Value, indices: &Value, axis: usize) -> One {
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

fn gather_along(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, indices) = (b.tensor(args, "self")?, b.tensor(args, "index")?);
    let axis = x.axis(args.int("dim", 0)?)?;
    // Core ML wants the sizes beside the axis to be the same, where PyTorch takes a part of them.
    let same =
        (0..x.rank()).all(|other| other == axis || x.size(other).is_some_and(|size| indices.size(other) == Some(size)));
    if !same {
        return Err("it takes elements of a part only, which is not converted".to_owned());
    }
    let mut parameters =
        vec![("x", Param::Value(&x)), ("indices", Param::Value(&indices)), ("axis", Param::Int(axis as i64))];
    if b.set >= Opset::CoreML7 {
        parameters.push(("validate_indices", Param::Bool(false)));
    }
    Ok(vec![b.op("gather_along_axis", parameters)?])
}

/// Rows by one tensor of numbers. Negative ones count from the end, which is resolved where they are constant and added
/// to the program where they are not.
fn index(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let given: Vec<(usize, crate::graph::aten::ValueId)> = match args.get("indices") {
        Some(Argument::OptionalValues(ids)) => {
            ids.iter().enumerate().filter_map(|(at, id)| Some((at, (*id)?))).collect()
        }
        Some(Argument::Values(ids)) => ids.iter().copied().enumerate().collect(),
        _ => return Err("its argument `indices` is no list of tensors".to_owned()),
    };
    let [(axis, id)] = given[..] else {
        return Err("it takes elements by several tensors of numbers, which is not converted".to_owned());
    };
    let indices = b.value(id)?;
    if axis >= x.rank() {
        return Err("it has more indices than dimensions".to_owned());
    }
    let all_positive = b.known_ints(&indices).is_some_and(|all| all.iter().all(|at| *at >= 0));
    if all_positive || indices.element() != ElementType::Int32 {
        return Ok(vec![rows(b, &x, &indices, axis)?]);
    }
    let size = x.size(axis).ok_or("it needs sizes that are known only when the program runs")?;
    let (zero, size) = (b.scalar(0.0, ElementType::Int32)?, b.scalar(size as f64, ElementType::Int32)?);
    let is_counted = b.op("greater_equal", vec![("x", Param::Value(&indices)), ("y", Param::Value(&zero))])?;
    let moved = b.op("add", vec![("x", Param::Value(&indices)), ("y", Param::Value(&size))])?;
    let resolved = b.op(
        "select",
        vec![("cond", Param::Value(&is_counted)), ("a", Param::Value(&indices)), ("b", Param::Value(&moved))],
    )?;
    Ok(vec![rows(b, &x, &resolved, axis)?])
}

/// PyTorch names the padding of the last dimension first.
fn pad(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let given = args.ints("pad")?;
    if given.len() % 2 != 0 || given.len() / 2 > x.rank() {
        return Err("its argument `pad` does not go with the dimensions".to_owned());
    }
    if given.iter().any(|size| *size < 0) {
        return Err("it cuts with negative padding, which is not converted".to_owned());
    }
    if given.iter().all(|size| *size == 0) {
        return Ok(vec![x]);
    }
    let mode = match args.text("mode") {
        None | Some("constant") => "constant",
        Some("reflect") => "reflect",
        Some("replicate") => "replicate",
        Some(_) => return Err("its argument `mode` is not converted".to_owned()),
    };
    // The operator takes padding for the last dimensions, the outermost of them first; for constants at most those
    // that are padded.
    let pads: Vec<i64> = given.chunks(2).rev().flatten().copied().collect();
    if mode != "constant" && pads.len() > 4 {
        return Err(format!("`{mode}` pads more than two dimensions, which is not converted"));
    }
    let mut parameters = vec![("x", Param::Value(&x)), ("pad", Param::Ints(pads)), ("mode", Param::Text(mode))];
    if mode == "constant" {
        parameters.push(("constant_val", Param::Float(args.float("value", 0.0)?)));
    }
    Ok(vec![b.op("pad", parameters)?])
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
