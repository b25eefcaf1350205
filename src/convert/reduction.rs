//! Reductions, cumulative sums, the largest elements.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::elementwise::{arithmetic, scaled, unary};
use super::table::{Entry, entry};
use crate::graph::ElementType;

const ALONG: &[&str] = &["self", "dim", "keepdim", "dtype"];
const SPREAD: &[&str] = &["self", "dim", "unbiased", "correction", "keepdim"];

pub(super) static OPERATORS: &[Entry] = &[
    entry("mean", ALONG, |b, args| reduce(b, args, "reduce_mean")),
    entry("sum", ALONG, |b, args| reduce(b, args, "reduce_sum")),
    entry("prod", ALONG, |b, args| reduce(b, args, "reduce_prod")),
    entry("amax", ALONG, |b, args| reduce(b, args, "reduce_max")),
    entry("amin", ALONG, |b, args| reduce(b, args, "reduce_min")),
    entry("logsumexp", ALONG, |b, args| reduce(b, args, "reduce_log_sum_exp")),
    entry("max", &["self", "dim", "keepdim", "other"], |b, args| {
        extreme(b, args, ["maximum", "reduce_max", "reduce_argmax"])
    }),
    entry("min", &["self", "dim", "keepdim", "other"], |b, args| {
        extreme(b, args, ["minimum", "reduce_min", "reduce_argmin"])
    }),
    entry("argmax", &["self", "dim", "keepdim"], |b, args| position(b, args, "reduce_argmax")),
    entry("argmin", &["self", "dim", "keepdim"], |b, args| position(b, args, "reduce_argmin")),
    entry("var", SPREAD, |b, args| Ok(vec![variance(b, args)?])),
    entry("std", SPREAD, |b, args| {
        let variance = variance(b, args)?;
        Ok(vec![unary(b, "sqrt", &variance)?])
    }),
    entry("var_mean", SPREAD, |b, args| Ok(vec![variance(b, args)?, mean_of(b, args)?])),
    entry("std_mean", SPREAD, |b, args| {
        let variance = variance(b, args)?;
        Ok(vec![unary(b, "sqrt", &variance)?, mean_of(b, args)?])
    }),
    entry("aminmax", &["self", "dim", "keepdim"], |b, args| {
        let x = b.tensor(args, "self")?;
        let (axes, keep) = (axes(args, &x)?, args.bool("keepdim", false)?);
        Ok(vec![along(b, "reduce_min", &x, axes.clone(), keep)?, along(b, "reduce_max", &x, axes, keep)?])
    }),
    entry("linalg_vector_norm", &["self", "ord", "dim", "keepdim", "dtype"], norm),
    entry("norm", &["self", "p", "dim", "keepdim"], norm),
    entry("cumsum", &["self", "dim", "dtype"], |b, args| {
        let x = b.tensor(args, "self")?;
        let x = b.cast(&x, args.output_element()?)?;
        let axis = x.axis(args.int("dim", 0)?)? as i64;
        let parameters = vec![
            ("x", Param::Value(&x)),
            ("axis", Param::Int(axis)),
            ("exclusive", Param::Bool(false)),
            ("reverse", Param::Bool(false)),
        ];
        Ok(vec![b.op("cumsum", parameters)?])
    }),
    entry("topk", &["self", "k", "dim", "largest", "sorted"], topk),
];

/// The axes to reduce, all where none are given.
fn axes(args: &Args<'_>, x: &Value) -> Result<Vec<i64>, String> {
    let given = args.ints("dim")?;
    let given = if given.is_empty() { (0..x.rank() as i64).collect() } else { given };
    given.into_iter().map(|axis| x.axis(axis).map(|axis| axis as i64)).collect()
}

/// A reduction along axes.
fn along(b: &mut Builder<'_>, kind: &'static str, x: &Value, axes: Vec<i64>, keep: bool) -> One {
    if x.rank() == 0 {
        return Err("it reduces a scalar, which is not converted".to_owned());
    }
    b.op(kind, vec![("x", Param::Value(x)), ("axes", Param::Ints(axes)), ("keep_dims", Param::Bool(keep))])
}

fn reduce(b: &mut Builder<'_>, args: &Args<'_>, kind: &'static str) -> Values {
    let x = b.tensor(args, "self")?;
    let x = b.cast(&x, args.output_element()?)?;
    if x.element() == ElementType::Bool {
        return Err("it reduces truth values, which is not converted".to_owned());
    }
    let axes = axes(args, &x)?;
    Ok(vec![along(b, kind, &x, axes, args.bool("keepdim", false)?)?])
}

fn extreme(b: &mut Builder<'_>, args: &Args<'_>, [of_two, value, place]: [&'static str; 3]) -> Values {
    let x = b.tensor(args, "self")?;
    if args.has("other") {
        let other = b.tensor(args, "other")?;
        return Ok(vec![arithmetic(b, of_two, &x, &other)?]);
    }
    let keep = args.bool("keepdim", false)?;
    let axes = axes(args, &x)?;
    if !args.has("dim") {
        return Ok(vec![along(b, value, &x, axes, false)?]);
    }
    let values = along(b, value, &x, axes.clone(), keep)?;
    let axis = axes.first().copied().ok_or("it has no dimension")?;
    Ok(vec![values, position_along(b, place, &x, axis, keep)?])
}

fn position_along(b: &mut Builder<'_>, kind: &'static str, x: &Value, axis: i64, keep: bool) -> One {
    b.op(kind, vec![("x", Param::Value(x)), ("axis", Param::Int(axis)), ("keep_dims", Param::Bool(keep))])
}

fn position(b: &mut Builder<'_>, args: &Args<'_>, kind: &'static str) -> Values {
    let x = b.tensor(args, "self")?;
    let keep = args.bool("keepdim", false)?;
    match args.int_if("dim")? {
        Some(axis) => {
            let axis = x.axis(axis)? as i64;
            Ok(vec![position_along(b, kind, &x, axis, keep)?])
        }
        None if keep => Err("it keeps the dimensions of all, which is not converted".to_owned()),
        None => {
            let flat = b.reshape(&x, vec![-1])?;
            Ok(vec![position_along(b, kind, &flat, 0, false)?])
        }
    }
}

/// The mean square of the distances from the mean, by the number of elements less a correction.
fn variance(b: &mut Builder<'_>, args: &Args<'_>) -> One {
    let x = b.tensor(args, "self")?;
    let axes = axes(args, &x)?;
    let unbiased = if args.bool("unbiased", true)? { 1.0 } else { 0.0 };
    let correction = args.float("correction", unbiased)?;
    let mean = along(b, "reduce_mean", &x, axes.clone(), true)?;
    let distance = arithmetic(b, "sub", &x, &mean)?;
    let square = arithmetic(b, "mul", &distance, &distance)?;
    let value = along(b, "reduce_mean", &square, axes.clone(), args.bool("keepdim", false)?)?;
    if correction == 0.0 {
        return Ok(value);
    }
    let mut count = 1.0;
    for axis in axes {
        let size = x.size(usize::try_from(axis).unwrap_or(0));
        count *= size.ok_or("it needs sizes that are known only when the program runs")? as f64;
    }
    if count <= correction {
        return Err("it divides by 0".to_owned());
    }
    scaled(b, &value, count / (count - correction))
}

fn mean_of(b: &mut Builder<'_>, args: &Args<'_>) -> One {
    let x = b.tensor(args, "self")?;
    let axes = axes(args, &x)?;
    along(b, "reduce_mean", &x, axes, args.bool("keepdim", false)?)
}

fn norm(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let x = b.cast(&x, args.output_element()?)?;
    let order = args.float(if args.has("p") { "p" } else { "ord" }, 2.0)?;
    let kind = match order {
        1.0 => "reduce_l1_norm",
        2.0 => "reduce_l2_norm",
        _ => return Err(format!("a norm of order {order} is not converted")),
    };
    let axes = axes(args, &x)?;
    Ok(vec![along(b, kind, &x, axes, args.bool("keepdim", false)?)?])
}

fn topk(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axis = x.axis(args.int("dim", -1)?)? as i64;
    let largest = args.bool("largest", true)?;
    let parameters = vec![
        ("x", Param::Value(&x)),
        ("k", Param::Int(args.int("k", 1)?)),
        ("axis", Param::Int(axis)),
        ("ascending", Param::Bool(!largest)),
    ];
    b.emit("topk", parameters)
}
