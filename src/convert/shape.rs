//! Shapes: views, dimensions in another order, tensors joined and repeated, element types.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values, axis_of};
use super::table::{Entry, entry};
use crate::graph::ElementType;

const SELF: &[&str] = &["self"];
const CASTS: &[&str] =
    &["self", "dtype", "layout", "device", "pin_memory", "non_blocking", "copy", "memory_format", "other"];

pub(super) static OPERATORS: &[Entry] = &[
    entry("view", &["self", "size"], view),
    entry("_unsafe_view", &["self", "size"], view),
    entry("reshape", &["self", "shape"], view),
    entry("view_as", &["self", "other"], view),
    entry("flatten", &["self", "start_dim", "end_dim"], view),
    entry("unflatten", &["self", "dim", "sizes"], view),
    entry("squeeze", &["self", "dim"], squeeze),
    entry("unsqueeze", &["self", "dim"], unsqueeze),
    entry("transpose", &["self", "dim0", "dim1"], swap),
    entry("swapaxes", &["self", "axis0", "axis1"], swap),
    entry("permute", &["self", "dims"], permute),
    entry("t", SELF, flip_matrix),
    entry("numpy_T", SELF, flip_all),
    entry("mT", SELF, flip_matrix),
    entry("expand", &["self", "size", "implicit"], expand),
    entry("broadcast_to", &["self", "size"], expand),
    entry("movedim", &["self", "source", "destination"], move_dimensions),
    entry("tile", &["self", "dims"], repeat),
    entry("expand_as", &["self", "other"], expand),
    entry("repeat", &["self", "repeats"], repeat),
    entry("cat", &["tensors", "dim"], cat),
    entry("concat", &["tensors", "dim"], cat),
    entry("stack", &["tensors", "dim"], stack),
    entry("flip", &["self", "dims"], flip),
    entry("alias", SELF, same),
    entry("clone", &["self", "memory_format"], same),
    entry("contiguous", &["self", "memory_format"], same),
    entry("detach", SELF, same),
    entry("lift_fresh_copy", SELF, same),
    entry("lift_fresh", SELF, same),
    entry("dropout", &["input", "p", "train"], dropout),
    entry("feature_dropout", &["input", "p", "train"], dropout),
    entry("to", CASTS, cast),
    entry("_to_copy", CASTS, cast),
    entry("type_as", &["self", "other"], cast),
];

fn same(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    Ok(vec![b.tensor(args, "self")?])
}

fn dropout(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    args.expect_bool("train", false)?;
    Ok(vec![b.tensor(args, "input")?])
}

fn cast(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let element = args.output_element()?;
    if x.element() != ElementType::Bool && element == ElementType::Bool {
        // Whatever is not 0 is true.
        let zero = b.scalar(0.0, x.element())?;
        return Ok(vec![b.op("not_equal", vec![("x", Param::Value(&x)), ("y", Param::Value(&zero))])?]);
    }
    Ok(vec![b.cast(&x, element)?])
}

/// The shape that the export declares, with one -1 for a size that is known only when the program runs.
fn view(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let declared = &args.output(0)?.shape;
    let known = |dim: &crate::graph::aten::Dim| dim.known().and_then(|size| i64::try_from(size).ok());
    let sizes: Vec<Option<i64>> = declared.iter().map(known).collect();
    let same = sizes.len() == x.rank() && sizes.iter().enumerate().all(|(axis, size)| x.size(axis) == *size);
    if same && sizes.iter().all(Option::is_some) {
        return Ok(vec![x]);
    }
    if sizes.iter().filter(|size| size.is_none()).count() > 1 {
        return Err("it gives a shape with several sizes that are known only when the program runs".to_owned());
    }
    Ok(vec![b.reshape(&x, sizes.into_iter().map(|size| size.unwrap_or(-1)).collect())?])
}

fn squeeze(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let given = args.ints_if("dim")?;
    let all = given.unwrap_or_else(|| (0..x.rank() as i64).collect());
    let mut axes = Vec::with_capacity(all.len());
    for axis in all {
        let axis = x.axis(axis)?;
        match x.size(axis) {
            Some(1) => axes.push(axis as i64),
            Some(_) => {}
            None => return Err("it drops a dimension whose size is known only when the program runs".to_owned()),
        }
    }
    if axes.is_empty() {
        return Ok(vec![x]);
    }
    Ok(vec![b.op("squeeze", vec![("x", Param::Value(&x)), ("axes", Param::Ints(axes))])?])
}

fn unsqueeze(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axis = axis_of(args.int("dim", 0)?, x.rank() + 1)?;
    Ok(vec![b.op("expand_dims", vec![("x", Param::Value(&x)), ("axes", Param::Ints(vec![axis as i64]))])?])
}

/// Dimensions in another order; an order of an order is one.
pub(super) fn transposed(b: &mut Builder<'_>, x: &Value, order: Vec<usize>) -> One {
    let (source, order) = match b.transposed.get(&x.name) {
        Some((source, first)) => (source.clone(), order.iter().map(|axis| first[*axis]).collect()),
        None => (x.clone(), order),
    };
    if order.iter().enumerate().all(|(at, axis): (usize, &usize)| at == *axis) {
        return Ok(source);
    }
    let perm = order.iter().map(|axis| *axis as i64).collect();
    let value = b.op("transpose", vec![("x", Param::Value(&source)), ("perm", Param::Ints(perm))])?;
    b.transposed.insert(value.name.clone(), (source, order));
    Ok(value)
}

fn swap(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let names = if args.has("dim0") || args.has("dim1") { ["dim0", "dim1"] } else { ["axis0", "axis1"] };
    let (first, second) = (x.axis(args.int(names[0], 0)?)?, x.axis(args.int(names[1], 0)?)?);
    let mut order: Vec<usize> = (0..x.rank()).collect();
    if first < order.len() && second < order.len() {
        order.swap(first, second);
    }
    Ok(vec![transposed(b, &x, order)?])
}

fn permute(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let order = args.ints("dims")?.into_iter().map(|axis| x.axis(axis)).collect::<Result<Vec<_>, _>>()?;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted.iter().enumerate().any(|(at, axis)| at != *axis) || order.len() != x.rank() {
        return Err("its argument `dims` is no order of the dimensions".to_owned());
    }
    Ok(vec![transposed(b, &x, order)?])
}

/// Dimensions that are named go where they are told, the others keep their order.
fn move_dimensions(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axes = |name: &str| args.ints(name)?.into_iter().map(|axis| x.axis(axis)).collect::<Result<Vec<_>, _>>();
    let (from, to) = (axes("source")?, axes("destination")?);
    let mut order: Vec<Option<usize>> = vec![None; x.rank()];
    for (from, to) in from.iter().zip(&to) {
        order[*to] = Some(*from);
    }
    let mut others = (0..x.rank()).filter(|axis| !from.contains(axis));
    let order: Option<Vec<usize>> = order.into_iter().map(|axis| axis.or_else(|| others.next())).collect();
    let order = order.filter(|_| from.len() == to.len()).ok_or("its arguments do not name dimensions once")?;
    Ok(vec![transposed(b, &x, order)?])
}

fn flip_matrix(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let mut order: Vec<usize> = (0..x.rank()).collect();
    if let [.., first, second] = &mut order[..] {
        std::mem::swap(first, second);
    }
    Ok(vec![transposed(b, &x, order)?])
}

fn flip_all(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let order = (0..x.rank()).rev().collect();
    Ok(vec![transposed(b, &x, order)?])
}

/// A tensor repeated along its dimensions, as the shape that the export declares asks.
fn expand(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let declared = &args.output(0)?.shape;
    let more = declared.len().checked_sub(x.rank()).ok_or("it gives fewer dimensions than it takes")?;
    let x = match more {
        0 => x,
        _ => {
            let axes = (0..more as i64).collect();
            b.op("expand_dims", vec![("x", Param::Value(&x)), ("axes", Param::Ints(axes))])?
        }
    };
    let mut repeats = Vec::with_capacity(declared.len());
    for (axis, dim) in declared.iter().enumerate() {
        repeats.push(match (x.size(axis), dim.known().and_then(|size| i64::try_from(size).ok())) {
            (Some(have), Some(want)) if have == want => 1,
            (Some(1), Some(want)) => want,
            (None, None) => 1,
            _ => return Err("it repeats a dimension by a number that is known only when the program runs".to_owned()),
        });
    }
    Ok(vec![tiled(b, &x, repeats)?])
}

fn tiled(b: &mut Builder<'_>, x: &Value, repeats: Vec<i64>) -> One {
    if repeats.iter().all(|count| *count == 1) {
        return Ok(x.clone());
    }
    b.op("tile", vec![("x", Param::Value(x)), ("reps", Param::Ints(repeats))])
}

fn repeat(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let mut repeats = args.ints(if args.has("dims") { "dims" } else { "repeats" })?;
    if args.has("dims") {
        // `tile` leaves the first dimensions as they are where numbers for them lack.
        let lacking = x.rank().saturating_sub(repeats.len());
        repeats.splice(0..0, std::iter::repeat_n(1, lacking));
    }
    let more = repeats.len().checked_sub(x.rank()).ok_or("its argument `repeats` has too few numbers")?;
    let x = match more {
        0 => x,
        _ => {
            let axes = (0..more as i64).collect();
            b.op("expand_dims", vec![("x", Param::Value(&x)), ("axes", Param::Ints(axes))])?
        }
    };
    Ok(vec![tiled(b, &x, repeats)?])
}

/// The tensors of a list in the type of what comes out.
fn joined(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let element = args.output_element()?;
    let all = b.tensors(args, "tensors")?;
    all.iter().map(|value| b.cast(value, element)).collect()
}

fn cat(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    // PyTorch passes over empty vectors among tensors of more dimensions.
    let mut all = joined(b, args)?;
    let rank = all.iter().map(Value::rank).max().unwrap_or(0);
    all.retain(|value| !(rank > 1 && value.rank() == 1 && value.size(0) == Some(0)));
    let first = all.first().ok_or("it takes no tensors")?;
    let axis = first.axis(args.int("dim", 0)?)? as i64;
    if let [only] = &all[..] {
        return Ok(vec![only.clone()]);
    }
    let parameters =
        vec![("values", Param::Values(&all)), ("axis", Param::Int(axis)), ("interleave", Param::Bool(false))];
    Ok(vec![b.op("concat", parameters)?])
}

fn stack(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let all = joined(b, args)?;
    let first = all.first().ok_or("it takes no tensors")?;
    let axis = axis_of(args.int("dim", 0)?, first.rank() + 1)? as i64;
    Ok(vec![b.op("stack", vec![("values", Param::Values(&all)), ("axis", Param::Int(axis))])?])
}

fn flip(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axes = args.ints("dims")?.into_iter().map(|axis| Ok(x.axis(axis)? as i64)).collect::<Result<_, String>>()?;
    Ok(vec![b.op("reverse", vec![("x", Param::Value(&x)), ("axes", Param::Ints(axes))])?])
}
