//! Shapes: views, dimensions in another order, tensors joined and repeated, element types.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values, axis_of};
use super::sizes::{Extent, few};
use super::table::{Entry, entry};
use crate::graph::ElementType;

const SELF: &[&str] = &["self"];
const TENSORS: &[&str] = &["tensors"];
const CASTS: &[&str] =
    &["self", "dtype", "layout", "device", "pin_memory", "non_blocking", "copy", "memory_format", "other"];

pub(super) static OPERATORS: &[Entry] = &[
    entry("view", &["self", "size"], view),
    entry("_unsafe_view", &["self", "size"], view),
    entry("reshape", &["self", "shape"], view),
    entry("view_as", &["self", "other"], view),
    entry("reshape_as", &["self", "other"], view),
    entry("as_strided", &["self", "size", "stride", "storage_offset"], strided),
    entry("flatten", &["self", "start_dim", "end_dim"], view),
    entry("unflatten", &["self", "dim", "sizes"], view),
    entry("squeeze", &["self", "dim"], squeeze),
    entry("unsqueeze", &["self", "dim"], unsqueeze),
    entry("transpose", &["self", "dim0", "dim1"], reorder),
    entry("swapaxes", &["self", "axis0", "axis1"], reorder),
    entry("swapdims", &["self", "dim0", "dim1"], reorder),
    entry("permute", &["self", "dims"], reorder),
    entry("t", SELF, reorder),
    entry("numpy_T", SELF, reorder),
    entry("mT", SELF, reorder),
    entry("expand", &["self", "size", "implicit"], expand),
    entry("broadcast_to", &["self", "size"], expand),
    entry("movedim", &["self", "source", "destination"], reorder),
    entry("tile", &["self", "dims"], repeat),
    entry("expand_as", &["self", "other"], expand),
    entry("repeat", &["self", "repeats"], repeat),
    entry("repeat_interleave", &["self", "repeats", "dim", "output_size"], repeat_each),
    entry("hstack", TENSORS, |b, args| stacked(b, args, 1, 1)),
    entry("vstack", TENSORS, |b, args| stacked(b, args, 0, 2)),
    entry("dstack", TENSORS, |b, args| stacked(b, args, 2, 3)),
    entry("meshgrid", &["tensors", "indexing"], meshgrid),
    entry("copy", &["self", "src", "non_blocking"], |b, args| {
        let src = b.tensor(args, "src")?;
        let src = b.cast(&src, args.output_element()?)?;
        Ok(vec![b.spread(&src, &args.output(0)?.shape)?])
    }),
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
    entry("dropout", &["input", "self", "p", "train"], dropout),
    entry("feature_dropout", &["input", "self", "p", "train"], dropout),
    entry("native_dropout", &["input", "p", "train"], dropout),
    entry("to", CASTS, cast),
    entry("_to_copy", CASTS, cast),
    entry("type_as", &["self", "other"], cast),
];

fn same(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    Ok(vec![b.tensor(args, "self")?])
}

fn dropout(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    args.expect_bool("train", false)?;
    Ok(vec![b.tensor(args, if args.has("input") { "input" } else { "self" })?])
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

/// The shape that the export declares.
fn view(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let declared = &args.output(0)?.shape;
    let known = |dim: &crate::graph::aten::Dim| dim.known().and_then(|size| i64::try_from(size).ok());
    let sizes: Vec<Option<i64>> = declared.iter().map(known).collect();
    let same = sizes.len() == x.rank() && sizes.iter().enumerate().all(|(axis, size)| x.size(axis) == *size);
    if same && sizes.iter().all(Option::is_some) {
        return Ok(vec![x]);
    }
    let unchanged = args.id("self").and_then(|id| args.graph.tensor(id)).is_some_and(|ty| ty.shape == *declared);
    if unchanged {
        return Ok(vec![x]);
    }
    Ok(vec![b.reshaped(&x, declared)?])
}

/// Elements by their places in memory, which the export tells.
fn strided(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let given = args.id("self").and_then(|id| args.graph.tensor(id)).ok_or("it takes what is no tensor")?;
    if super::views::is_contiguous(given) != Some(true) {
        return Err("it takes elements by their places in memory, in which they do not follow each other".to_owned());
    }
    let declared = args.output(0)?;
    if super::views::is_contiguous(declared) == Some(true) && args.int("storage_offset", 0)? == 0 {
        let same = x.ty.count().is_some() && x.ty.count() == super::program_type(declared)?.count();
        if same {
            return Ok(vec![b.reshaped(&x, &declared.shape)?]);
        }
    }
    let (sizes, strides) = (args.ints("size")?, args.ints("stride")?);
    let count = few(sizes.iter().try_fold(1i64, |all, size| all.checked_mul(*size)))?;
    if count == 0 || sizes.len() != strides.len() || sizes.iter().any(|size| *size < 1) {
        return Err("its sizes and strides do not go together".to_owned());
    }
    let offset = args.int("storage_offset", 0)?;
    let place = |at: i64| {
        let (mut rest, mut place) = (at, offset);
        for (size, stride) in sizes.iter().zip(&strides).rev() {
            place = (rest % size).saturating_mul(*stride).saturating_add(place);
            rest /= size;
        }
        place
    };
    let places: Vec<i64> = (0..count).map(place).collect();
    let all = x.ty.count().and_then(|count| i64::try_from(count).ok());
    if places.iter().any(|place| *place < 0 || all.is_none_or(|all| *place >= all)) {
        return Err("it takes elements beyond what it takes them from".to_owned());
    }
    let flat = b.reshape(&x, vec![-1])?;
    let taken = b.picked(&flat, 0, &places)?;
    Ok(vec![b.reshaped(&taken, &declared.shape)?])
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
    if let Some(phantom) = b.many_ordered(x, &order) {
        return Ok(phantom);
    }
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

/// The order that an operator brings dimensions into.
pub(super) fn order_of(name: &str, args: &Args<'_>, x: &Value) -> Result<Vec<usize>, String> {
    let mut order: Vec<usize> = (0..x.rank()).collect();
    let axes = |name: &str| args.ints(name)?.into_iter().map(|axis| x.axis(axis)).collect::<Result<Vec<_>, _>>();
    match name {
        "permute" => {
            order = axes("dims")?;
            let mut sorted = order.clone();
            sorted.sort_unstable();
            if sorted.iter().enumerate().any(|(at, axis)| at != *axis) || order.len() != x.rank() {
                return Err("its argument `dims` is no order of the dimensions".to_owned());
            }
        }
        "movedim" => order = moved(x.rank(), &axes("source")?, &axes("destination")?)?,
        "numpy_T" => order.reverse(),
        "t" | "mT" => {
            if let [.., first, second] = &mut order[..] {
                std::mem::swap(first, second);
            }
        }
        _ => {
            let names = if args.has("dim0") || args.has("dim1") { ["dim0", "dim1"] } else { ["axis0", "axis1"] };
            let (first, second) = (x.axis(args.int(names[0], 0)?)?, x.axis(args.int(names[1], 0)?)?);
            if first < order.len() && second < order.len() {
                order.swap(first, second);
            }
        }
    }
    Ok(order)
}

fn reorder(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let order = order_of(super::table::plain_name(&args.node.operator), args, &x)?;
    Ok(vec![transposed(b, &x, order)?])
}

/// Dimensions that are named go where they are told, the others keep their order.
fn moved(rank: usize, from: &[usize], to: &[usize]) -> Result<Vec<usize>, String> {
    let mut order: Vec<Option<usize>> = vec![None; rank];
    for (from, to) in from.iter().zip(to) {
        order[*to] = Some(*from);
    }
    let mut others = (0..rank).filter(|axis| !from.contains(axis));
    let order: Option<Vec<usize>> = order.into_iter().map(|axis| axis.or_else(|| others.next())).collect();
    order.filter(|_| from.len() == to.len()).ok_or_else(|| "its arguments do not name dimensions once".to_owned())
}

/// A tensor repeated along its dimensions, as the shape that the export declares asks.
fn expand(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    Ok(vec![b.spread(&x, &args.output(0)?.shape)?])
}

fn repeat(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let name = if args.has("dims") { "dims" } else { "repeats" };
    let mut repeats = args.extents(b, name)?;
    if name == "dims" {
        // `tile` leaves the first dimensions as they are where numbers for them lack.
        let lacking = x.rank().saturating_sub(repeats.len());
        repeats.splice(0..0, std::iter::repeat_n(Extent::Fixed(1), lacking));
    }
    let more = repeats.len().checked_sub(x.rank()).ok_or("its argument `repeats` has too few numbers")?;
    let x = match more {
        0 => x,
        _ => {
            let axes = (0..more as i64).collect();
            b.op("expand_dims", vec![("x", Param::Value(&x)), ("axes", Param::Ints(axes))])?
        }
    };
    Ok(vec![b.tiled(&x, repeats)?])
}

/// Each element repeated, next to itself.
fn repeat_each(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let times = args.int("repeats", 1)?;
    let (x, axis) = match args.int_if("dim")? {
        Some(axis) => (x.clone(), x.axis(axis)?),
        None => (b.reshape(&x, vec![-1])?, 0),
    };
    Ok(vec![repeated(b, &x, axis, times)?])
}

/// Each element along an axis repeated, next to itself.
pub(super) fn repeated(b: &mut Builder<'_>, x: &Value, axis: usize, times: i64) -> One {
    if times < 1 {
        return Err("it gives an empty tensor, which Core ML has not".to_owned());
    }
    if times == 1 {
        return Ok(x.clone());
    }
    let sizes = x.sizes().ok().filter(|sizes| sizes.len() < super::phantom::MAX_RANK);
    let Some(mut shape) = sizes else {
        // Where other sizes are known only when the program runs, or there is no room for a dimension, rows are taken
        // several times.
        let size = x.size(axis).ok_or("it repeats along a size that is known only when the program runs")?;
        few(size.checked_mul(times))?;
        let rows: Vec<i64> = (0..size).flat_map(|row| std::iter::repeat_n(row, times as usize)).collect();
        let rows = b.ints(&rows)?;
        return super::slices::rows(b, x, &rows, axis);
    };
    let wide = b.op("expand_dims", vec![("x", Param::Value(x)), ("axes", Param::Ints(vec![axis as i64 + 1]))])?;
    let mut repeats = vec![Extent::Fixed(1); wide.rank()];
    repeats[axis + 1] = Extent::Fixed(times);
    let tiled = b.tiled(&wide, repeats)?;
    shape[axis] = shape[axis].checked_mul(times).ok_or("it repeats too often")?;
    b.reshape(&tiled, shape)
}

/// Tensors side by side, as matrices where they are vectors.
fn stacked(b: &mut Builder<'_>, args: &Args<'_>, axis: usize, least: usize) -> Values {
    let mut all = joined(b, args)?;
    for value in &mut all {
        while value.rank() < least {
            *value = match (least, value.rank()) {
                (3, 2) => b.wide(value, 2)?,
                _ => b.wide(value, 0)?,
            };
        }
    }
    let axis = if all.first().is_some_and(|first| first.rank() == 1) { 0 } else { axis };
    Ok(vec![b.joined(&all, axis)?])
}

/// Values of all of several vectors: in each the values of one of them along its dimension.
fn meshgrid(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let mut all = joined(b, args)?;
    let flips = args.text("indexing") == Some("xy") && all.len() > 1;
    // Of matrices with columns first, the grids are those of the first two vectors the other way round.
    if flips {
        all.swap(0, 1);
    }
    let count = all.len();
    let dims = args.output(0)?.shape.clone();
    let mut grids = Vec::with_capacity(count);
    for (at, value) in all.iter().enumerate() {
        let axes: Vec<i64> = (0..count as i64).filter(|axis| *axis != at as i64).collect();
        let value = match value.rank() {
            0 => b.reshape(value, vec![1])?,
            _ => value.clone(),
        };
        let wide = match axes.is_empty() {
            true => value,
            false => b.op("expand_dims", vec![("x", Param::Value(&value)), ("axes", Param::Ints(axes))])?,
        };
        let grid = b.spread(&wide, &dims)?;
        grids.push(grid);
    }
    if flips {
        grids.swap(0, 1);
    }
    Ok(grids)
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
    all.retain(|value| !(b.is_empty(value) || rank > 1 && value.rank() == 1 && value.size(0) == Some(0)));
    let first = all.first().ok_or("it takes no tensors")?;
    let axis = first.axis(args.int("dim", 0)?)?;
    Ok(vec![b.joined(&all, axis)?])
}

impl Builder<'_> {
    /// Tensors one after the other along an axis.
    pub(super) fn joined(&mut self, all: &[Value], axis: usize) -> One {
        if let [only] = all {
            return Ok(only.clone());
        }
        let axis = Param::Int(axis as i64);
        self.op("concat", vec![("values", Param::Values(all)), ("axis", axis), ("interleave", Param::Bool(false))])
    }
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
