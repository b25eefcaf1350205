//! Elements by their numbers: taken and put.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::elementwise::{arithmetic, scaled};
use super::shape::transposed;
use super::sizes::few;
use super::slices::{part_of, place_of, placed, rows};
use super::table::{Entry, entry};
use crate::graph::ElementType;
use crate::graph::aten::{Argument, Dim, ValueId};
use crate::graph::function::Opset;

pub(super) static OPERATORS: &[Entry] = &[
    entry("gather", &["self", "dim", "index", "sparse_grad"], gather_along),
    entry("take_along_dim", &["self", "indices", "dim"], take_along),
    entry("index", &["self", "indices"], index),
    entry("index_put", &["self", "indices", "values", "accumulate"], index_put),
    entry("_unsafe_index", &["self", "indices"], index),
    entry("scatter", &["self", "dim", "index", "src", "value", "reduce"], scatter),
    entry("scatter_add", &["self", "dim", "index", "src"], scatter),
    entry("index_add", &["self", "dim", "index", "source", "alpha"], index_rows),
    entry("index_copy", &["self", "dim", "index", "source"], index_rows),
    entry("index_fill", &["self", "dim", "index", "value"], index_rows),
    entry("slice_scatter", &["self", "src", "dim", "start", "end", "step"], |b, args| {
        let (x, src) = (b.tensor(args, "self")?, b.tensor(args, "src")?);
        let part = part_of(args, &x)?;
        Ok(vec![placed(b, &x, &src, part)?])
    }),
    entry("select_scatter", &["self", "src", "dim", "index"], |b, args| {
        let (x, src) = (b.tensor(args, "self")?, b.tensor(args, "src")?);
        let (axis, at) = place_of(args, &x)?;
        let src = b.wide(&src, axis)?;
        Ok(vec![placed(b, &x, &src, (axis, at, at.saturating_add(1), 1))?])
    }),
    entry("one_hot", &["self", "num_classes"], one_hot),
    entry("diagonal", &["self", "offset", "dim1", "dim2"], diagonal),
];

/// Numbers from 0 on: those that count from the end, which PyTorch allows, are resolved where they are constant, and by
/// the program where they are not.
fn resolved(b: &mut Builder<'_>, indices: &Value, (x, axis): (&Value, usize)) -> One {
    if b.known_ints(indices).is_some_and(|all| all.iter().all(|at| *at >= 0)) {
        return Ok(indices.clone());
    }
    let size = match x.size(axis) {
        Some(size) => b.scalar(size as f64, ElementType::Int32)?,
        None => b.length(x, axis)?,
    };
    let zero = b.scalar(0.0, ElementType::Int32)?;
    let is_counted = b.op("greater_equal", vec![("x", Param::Value(indices)), ("y", Param::Value(&zero))])?;
    let moved = b.op("add", vec![("x", Param::Value(indices)), ("y", Param::Value(&size))])?;
    let parameters =
        vec![("cond", Param::Value(&is_counted)), ("a", Param::Value(indices)), ("b", Param::Value(&moved))];
    b.op("select", parameters)
}

/// Whether all sizes but that along an axis are the same.
fn beside(x: &Value, other: &Value, axis: usize) -> bool {
    x.rank() == other.rank()
        && (0..x.rank()).all(|at| at == axis || x.size(at).is_some_and(|size| other.size(at) == Some(size)))
}

/// Elements along an axis by a tensor of numbers of as many dimensions.
fn along(b: &mut Builder<'_>, x: &Value, indices: &Value, axis: usize) -> One {
    if x.element() == ElementType::Bool {
        let numbers = b.cast(x, ElementType::Int32)?;
        let found = along(b, &numbers, indices, axis)?;
        return b.cast(&found, ElementType::Bool);
    }
    if !beside(x, indices, axis) {
        // Core ML wants the sizes beside the axis to be the same, where PyTorch takes a part of them.
        let places = coordinates(b, indices, axis)?;
        return at_places(b, x, &places);
    }
    let mut parameters =
        vec![("x", Param::Value(x)), ("indices", Param::Value(indices)), ("axis", Param::Int(axis as i64))];
    if b.set >= Opset::CoreML7 {
        parameters.push(("validate_indices", Param::Bool(false)));
    }
    b.op("gather_along_axis", parameters)
}

fn gather_along(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, indices) = (b.tensor(args, "self")?, b.tensor(args, "index")?);
    let axis = x.axis(args.int("dim", 0)?)?;
    Ok(vec![along(b, &x, &indices, axis)?])
}

fn take_along(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, indices) = (b.tensor(args, "self")?, b.tensor(args, "indices")?);
    let Some(axis) = args.int_if("dim")? else {
        let (x, indices) = (b.reshape(&x, vec![-1])?, b.reshape(&indices, vec![-1])?);
        let indices = resolved(b, &indices, (&x, 0))?;
        return Ok(vec![rows(b, &x, &indices, 0)?]);
    };
    let axis = x.axis(axis)?;
    let indices = resolved(b, &indices, (&x, axis))?;
    // Both are repeated to the sizes that they have together.
    let mut own = args.output(0)?.shape.clone();
    let indices = b.spread(&indices, &own)?;
    own[axis] = Dim::Known(x.size(axis).and_then(|size| u64::try_from(size).ok()).unwrap_or(1));
    let x = b.spread(&x, &own)?;
    Ok(vec![along(b, &x, &indices, axis)?])
}

/// For each of some numbers along an axis the place that it means: its own place, with the number along the axis.
fn coordinates(b: &mut Builder<'_>, indices: &Value, axis: usize) -> One {
    let sizes = indices.sizes()?;
    let count = few(sizes.iter().try_fold(1i64, |all, size| all.checked_mul(*size)))?;
    let mut columns = Vec::with_capacity(sizes.len());
    let mut run = count;
    for (at, size) in sizes.iter().enumerate() {
        run /= (*size).max(1);
        columns.push(match at == axis {
            true => indices.clone(),
            false => {
                let places: Vec<i64> = (0..count).map(|place| place / run.max(1) % (*size).max(1)).collect();
                let places = b.ints(&places)?;
                b.reshape(&places, sizes.clone())?
            }
        });
    }
    let axis = Param::Int(i64::try_from(sizes.len()).unwrap_or(0));
    b.op("stack", vec![("values", Param::Values(&columns)), ("axis", axis)])
}

/// Elements at places: rows of numbers, one for each of the first dimensions.
fn at_places(b: &mut Builder<'_>, x: &Value, places: &Value) -> One {
    if x.element() == ElementType::Bool {
        let numbers = b.cast(x, ElementType::Int32)?;
        let found = at_places(b, &numbers, places)?;
        return b.cast(&found, ElementType::Bool);
    }
    let mut parameters = vec![("x", Param::Value(x)), ("indices", Param::Value(places))];
    if b.set >= Opset::CoreML6 {
        parameters.push(("batch_dims", Param::Int(0)));
    }
    if b.set >= Opset::CoreML7 {
        parameters.push(("validate_indices", Param::Bool(false)));
    }
    b.op("gather_nd", parameters)
}

/// The tensors of numbers of an index, by the dimensions that they are for.
fn given(args: &Args<'_>) -> Result<Vec<(usize, ValueId)>, String> {
    match args.get("indices") {
        Some(Argument::OptionalValues(ids)) => {
            Ok(ids.iter().enumerate().filter_map(|(at, id)| Some((at, (*id)?))).collect())
        }
        Some(Argument::Values(ids)) => Ok(ids.iter().copied().enumerate().collect()),
        _ => Err("its argument `indices` is no list of tensors".to_owned()),
    }
}

/// What several tensors of numbers mean together: the dimensions, and the numbers as rows of places.
fn together(b: &mut Builder<'_>, x: &Value, given: &[(usize, ValueId)]) -> Result<(Vec<usize>, Value), String> {
    let mut axes = Vec::with_capacity(given.len());
    let mut all = Vec::with_capacity(given.len());
    for (axis, id) in given {
        if *axis >= x.rank() {
            return Err("it has more indices than dimensions".to_owned());
        }
        let indices = b.value(*id)?;
        if indices.element() != ElementType::Int32 {
            return Err("it takes elements by truth values: how many, is known only when the program runs".to_owned());
        }
        axes.push(*axis);
        all.push(resolved(b, &indices, (x, *axis))?);
    }
    // Each is repeated to the sizes that all have together, by adding zeros of the others.
    let mut zeros: Option<Value> = None;
    for one in &all {
        let zero = scaled(b, one, 0.0)?;
        zeros = Some(match zeros {
            Some(zeros) => arithmetic(b, "add", &zeros, &zero)?,
            None => zero,
        });
    }
    let zeros = zeros.ok_or("it has no indices")?;
    let rank = zeros.rank();
    let mut columns = Vec::with_capacity(all.len());
    for one in &all {
        columns.push(if one.ty == zeros.ty { one.clone() } else { arithmetic(b, "add", one, &zeros)? });
    }
    let places = b.op("stack", vec![("values", Param::Values(&columns)), ("axis", Param::Int(rank as i64))])?;
    Ok((axes, places))
}

/// The dimensions that are indexed first, then the others; and whether the indexed ones lie side by side.
fn indexed_first(axes: &[usize], rank: usize) -> (Vec<usize>, bool) {
    let mut order = axes.to_vec();
    order.extend((0..rank).filter(|axis| !axes.contains(axis)));
    (order, axes.windows(2).all(|pair| pair[1] == pair[0] + 1))
}

/// Elements by tensors of numbers.
fn index(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let given = given(args)?;
    if let [(axis, id)] = given[..] {
        let indices = b.value(id)?;
        if axis >= x.rank() {
            return Err("it has more indices than dimensions".to_owned());
        }
        if indices.element() != ElementType::Int32 {
            return Err("it takes elements by truth values: how many, is known only when the program runs".to_owned());
        }
        let indices = resolved(b, &indices, (&x, axis))?;
        return Ok(vec![rows(b, &x, &indices, axis)?]);
    }
    let (axes, places) = together(b, &x, &given)?;
    let (order, is_block) = indexed_first(&axes, x.rank());
    let front = transposed(b, &x, order)?;
    let found = at_places(b, &front, &places)?;
    let first = axes[0];
    let block = places.rank() - 1;
    if !is_block || first == 0 {
        return Ok(vec![found]);
    }
    // What the numbers gave goes where the dimensions were.
    let order = (block..block + first).chain(0..block).chain(block + first..found.rank()).collect();
    Ok(vec![transposed(b, &found, order)?])
}

/// A tensor with rows along an axis replaced or changed by others.
pub(super) fn scattered(
    b: &mut Builder<'_>,
    x: &Value,
    indices: &Value,
    new: &Value,
    (axis, mode): (usize, &'static str),
) -> One {
    put(b, "scatter", (x, indices, new), Some(axis), mode)
}

fn put(
    b: &mut Builder<'_>,
    kind: &'static str,
    (x, indices, new): (&Value, &Value, &Value),
    axis: Option<usize>,
    mode: &'static str,
) -> One {
    if x.element() == ElementType::Bool {
        if mode != "update" {
            return Err("it computes with truth values, which is not converted".to_owned());
        }
        let (x, new) = (b.cast(x, ElementType::Int32)?, b.cast(new, ElementType::Int32)?);
        let made = put(b, kind, (&x, indices, &new), axis, mode)?;
        return b.cast(&made, ElementType::Bool);
    }
    let new = b.cast(new, x.element())?;
    let mut parameters = vec![
        ("data", Param::Value(x)),
        ("indices", Param::Value(indices)),
        ("updates", Param::Value(&new)),
        ("mode", Param::Text(mode)),
    ];
    parameters.extend(axis.map(|axis| ("axis", Param::Int(axis as i64))));
    if b.set >= Opset::CoreML7 {
        parameters.push(("validate_indices", Param::Bool(false)));
    }
    b.op(kind, parameters)
}

fn index_put(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, values) = (b.tensor(args, "self")?, b.tensor(args, "values")?);
    let adds = args.bool("accumulate", false)?;
    let given = given(args)?;
    if let [(0, id)] = given[..] {
        let mask = b.value(id)?;
        if mask.element() == ElementType::Bool {
            return masked_put(b, args, (&x, &mask, &values), adds);
        }
    }
    let (axes, places) = together(b, &x, &given)?;
    let (order, is_block) = indexed_first(&axes, x.rank());
    if order.iter().enumerate().any(|(at, axis)| at != *axis) && (!is_block || values.rank() > places.rank() - 1) {
        return Err("it puts elements along dimensions that are not the first, which is not converted".to_owned());
    }
    let front = transposed(b, &x, order.clone())?;
    // The values are repeated to the sizes of what they take the place of.
    let mut shape = places.ty.shape.clone();
    shape.pop();
    shape.extend(front.ty.shape.get(axes.len()..).unwrap_or_default());
    let sizes = shape.iter().map(|dim| dim.known().map(Dim::Known)).collect::<Option<Vec<Dim>>>();
    let sizes = sizes.ok_or("it puts elements into sizes that are known only when the program runs")?;
    let values = b.cast(&values, x.element())?;
    let values = b.spread(&values, &sizes)?;
    let made = put(b, "scatter_nd", (&front, &places, &values), None, if adds { "add" } else { "update" })?;
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(at, axis)| back[*axis] = at);
    Ok(vec![transposed(b, &made, back)?])
}

/// One value where truth values say so.
fn masked_put(b: &mut Builder<'_>, args: &Args<'_>, (x, mask, values): (&Value, &Value, &Value), adds: bool) -> Values {
    if adds || values.ty.count() != Some(1) {
        return Err("it puts several values where truth values say so, which is not converted".to_owned());
    }
    let value = b.cast(values, x.element())?;
    let value = b.spread(&value, &args.output(0)?.shape)?;
    let mut mask = mask.clone();
    while mask.rank() < x.rank() {
        mask = b.wide(&mask, mask.rank())?;
    }
    Ok(vec![b.chosen(&mask, &value, x)?])
}

fn scatter(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, indices) = (b.tensor(args, "self")?, b.tensor(args, "index")?);
    let axis = x.axis(args.int("dim", 0)?)?;
    let is_sum = super::table::plain_name(&args.node.operator) == "scatter_add";
    let mode = match args.text("reduce") {
        _ if is_sum => "add",
        None => "update",
        Some("add") => "add",
        Some("multiply") => "mul",
        Some(other) => return Err(format!("its argument `reduce` is {other}, which is not converted")),
    };
    let sizes = indices.sizes()?;
    let new = match args.id("src") {
        Some(id) => {
            let mut new = b.value(id)?;
            // Of a larger source the first elements are meant.
            for (at, size) in sizes.iter().enumerate() {
                if new.size(at).ok_or("it needs sizes that are known only when the program runs")? > *size {
                    new = super::slices::part(b, &new, at, (0, Some(*size), 1))?;
                }
            }
            new
        }
        None => {
            let value = args.number_if("value")?.ok_or("its argument `value` is missing")?;
            let value = b.scalar(value.value(), x.element())?;
            let dims: Option<Vec<Dim>> =
                sizes.iter().map(|size| Some(Dim::Known(u64::try_from(*size).ok()?))).collect();
            b.spread(&value, &dims.ok_or("it has a negative size")?)?
        }
    };
    if beside(&x, &indices, axis) {
        return Ok(vec![put(b, "scatter_along_axis", (&x, &indices, &new), Some(axis), mode)?]);
    }
    let places = coordinates(b, &indices, axis)?;
    Ok(vec![put(b, "scatter_nd", (&x, &places, &new), None, mode)?])
}

/// Rows along an axis, by their numbers.
fn index_rows(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, indices) = (b.tensor(args, "self")?, b.tensor(args, "index")?);
    let axis = x.axis(args.int("dim", 0)?)?;
    let indices = if indices.rank() == 0 { b.wide(&indices, 0)? } else { indices };
    let indices = resolved(b, &indices, (&x, axis))?;
    let adds = super::table::plain_name(&args.node.operator) == "index_add";
    let new = match args.id("source") {
        Some(id) => {
            let new = b.value(id)?;
            let new = b.cast(&new, x.element())?;
            scaled(b, &new, args.float("alpha", 1.0)?)?
        }
        None => {
            let value = match args.id("value") {
                Some(id) => b.value(id)?,
                None => {
                    let value = args.number_if("value")?.ok_or("its argument `value` is missing")?;
                    b.scalar(value.value(), x.element())?
                }
            };
            let mut dims = args.output(0)?.shape.clone();
            let count = indices.ty.count().ok_or("it needs sizes that are known only when the program runs")?;
            dims[axis] = Dim::Known(count);
            let value = b.cast(&value, x.element())?;
            b.spread(&value, &dims)?
        }
    };
    Ok(vec![scattered(b, &x, &indices, &new, (axis, if adds { "add" } else { "update" }))?])
}

fn one_hot(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let count = args.int("num_classes", -1)?;
    if count < 1 {
        return Err("how many classes there are, is known only when the program runs".to_owned());
    }
    let mut parameters =
        vec![("indices", Param::Value(&x)), ("one_hot_vector_size", Param::Int(count)), ("axis", Param::Int(-1))];
    let (on, off) = (b.scalar(1.0, ElementType::Int32)?, b.scalar(0.0, ElementType::Int32)?);
    parameters.extend([("on_value", Param::Value(&on)), ("off_value", Param::Value(&off))]);
    Ok(vec![b.op("one_hot", parameters)?])
}

fn diagonal(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let (first, second) = (x.axis(args.int("dim1", 0)?)?, x.axis(args.int("dim2", 1)?)?);
    let offset = args.int("offset", 0)?;
    let (Some(height), Some(width)) = (x.size(first), x.size(second)) else {
        return Err("it needs sizes that are known only when the program runs".to_owned());
    };
    let mut order: Vec<usize> = (0..x.rank()).filter(|axis| *axis != first && *axis != second).collect();
    order.extend([first, second]);
    let last = transposed(b, &x, order)?;
    let mut dims = args.output(0)?.shape.clone();
    dims.pop();
    dims.push(Dim::Known(
        height.checked_mul(width).and_then(|area| u64::try_from(area).ok()).ok_or("it is too large")?,
    ));
    let flat = b.reshape_as(&last, &dims)?;
    few(Some(height.min(width)))?;
    let (mut row, mut column) = (offset.saturating_neg().max(0), offset.max(0));
    let mut places = Vec::new();
    while row < height && column < width {
        places.push(row * width + column);
        (row, column) = (row + 1, column + 1);
    }
    if places.is_empty() {
        return Err("it gives an empty tensor, which Core ML has not".to_owned());
    }
    let places = b.ints(&places)?;
    let axis = flat.rank() - 1;
    Ok(vec![rows(b, &flat, &places, axis)?])
}

impl Builder<'_> {
    /// Elements of one tensor where a condition holds, else of another of the same sizes.
    pub(super) fn chosen(&mut self, condition: &Value, yes: &Value, no: &Value) -> One {
        let parameters = vec![("cond", Param::Value(condition)), ("a", Param::Value(yes)), ("b", Param::Value(no))];
        self.op("select", parameters)
    }
}

/// How many of some ascending bounds lie below values.
pub(super) fn counted_below(b: &mut Builder<'_>, x: &Value, bounds: &Value, or_at: bool) -> One {
    let x = b.wide(x, x.rank())?;
    let below = arithmetic(b, if or_at { "less_equal" } else { "less" }, bounds, &x)?;
    let numbers = b.cast(&below, ElementType::Int32)?;
    let axes = Param::Ints(vec![-1]);
    b.op("reduce_sum", vec![("x", Param::Value(&numbers)), ("axes", axes), ("keep_dims", Param::Bool(false))])
}
