//! Operators that Core ML writes as several of its own.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::elementwise::{arithmetic, scaled, unary, with_number};
use super::linear::matmul;
use super::slices::part;
use super::table::{Entry, entry};
use crate::graph::ElementType;

const SELF: &[&str] = &["self"];
const TWO: &[&str] = &["self", "other"];
const VECTORS: &[&str] = &["self", "tensor", "vec", "vec2"];

pub(super) static OPERATORS: &[Entry] = &[
    entry("addcmul", &["self", "tensor1", "tensor2", "value"], |b, args| combined(b, args, "mul")),
    entry("addcdiv", &["self", "tensor1", "tensor2", "value"], |b, args| combined(b, args, "real_div")),
    entry("lerp", &["self", "end", "weight"], lerp),
    entry("expm1", SELF, |b, args| {
        let power = float(b, args, "self").and_then(|x| unary(b, "exp", &x))?;
        Ok(vec![with_number(b, "sub", &power, 1.0)?])
    }),
    entry("log2", SELF, |b, args| logarithm(b, args, std::f64::consts::LN_2)),
    entry("log10", SELF, |b, args| logarithm(b, args, std::f64::consts::LN_10)),
    entry("asinh", SELF, asinh),
    entry("trunc", SELF, |b, args| {
        let x = b.tensor(args, "self")?;
        Ok(vec![truncated(b, &x)?])
    }),
    entry("frac", SELF, |b, args| {
        let x = float(b, args, "self")?;
        let whole = truncated(b, &x)?;
        Ok(vec![arithmetic(b, "sub", &x, &whole)?])
    }),
    entry("fmod", TWO, fmod),
    entry("hypot", TWO, |b, args| {
        let (x, y) = (float(b, args, "self")?, float(b, args, "other")?);
        let (x, y) = (unary(b, "square", &x)?, unary(b, "square", &y)?);
        let sum = arithmetic(b, "add", &x, &y)?;
        Ok(vec![unary(b, "sqrt", &sum)?])
    }),
    entry("logaddexp", TWO, logaddexp),
    entry("isnan", SELF, |b, args| {
        let x = float(b, args, "self")?;
        Ok(vec![arithmetic(b, "not_equal", &x, &x)?])
    }),
    entry("isinf", SELF, |b, args| {
        let x = float(b, args, "self").and_then(|x| unary(b, "abs", &x))?;
        Ok(vec![with_number(b, "equal", &x, f64::INFINITY)?])
    }),
    entry("isfinite", SELF, |b, args| {
        let x = float(b, args, "self").and_then(|x| unary(b, "abs", &x))?;
        Ok(vec![with_number(b, "less", &x, f64::INFINITY)?])
    }),
    entry("nan_to_num", &["self", "nan", "posinf", "neginf"], nan_to_num),
    entry("logit", &["self", "eps"], |b, args| {
        let mut x = float(b, args, "self")?;
        if let Some(least) = args.number_if("eps")? {
            x = super::activation::clip(b, &x, least.value(), 1.0 - least.value())?;
        }
        let one = b.scalar(1.0, ElementType::Fp32)?;
        let rest = arithmetic(b, "sub", &one, &x)?;
        let odds = arithmetic(b, "real_div", &x, &rest)?;
        Ok(vec![unary(b, "log", &odds)?])
    }),
    entry("sinc", SELF, |b, args| {
        let x = float(b, args, "self").and_then(|x| scaled(b, &x, std::f64::consts::PI))?;
        let wave = unary(b, "sin", &x)?;
        let (zero, one) = (with_number(b, "equal", &x, 0.0)?, b.scalar(1.0, ElementType::Fp32)?);
        let safe = chosen(b, &zero, &one, &x)?;
        let ratio = arithmetic(b, "real_div", &wave, &safe)?;
        Ok(vec![chosen(b, &zero, &one, &ratio)?])
    }),
    entry("acosh", SELF, |b, args| {
        let x = float(b, args, "self")?;
        let (less, more) = (with_number(b, "sub", &x, 1.0)?, with_number(b, "add", &x, 1.0)?);
        let (less, more) = (unary(b, "sqrt", &less)?, unary(b, "sqrt", &more)?);
        let root = arithmetic(b, "mul", &less, &more)?;
        let sum = arithmetic(b, "add", &x, &root)?;
        Ok(vec![unary(b, "log", &sum)?])
    }),
    entry("atan2", TWO, atan2),
    entry("xlogy", TWO, |b, args| {
        let x = float(b, args, "self")?;
        let y = match args.id("other") {
            Some(_) => float(b, args, "other")?,
            None => b.scalar(args.float("other", 1.0)?, ElementType::Fp32)?,
        };
        let zero = with_number(b, "equal", &x, 0.0)?;
        let one = b.scalar(1.0, ElementType::Fp32)?;
        // Where x is 0 the result is, whatever the logarithm.
        let y = arithmetic(b, "mul", &y, &one)?;
        let dims = args.output(0)?.shape.clone();
        let (y, zero) = (b.spread(&y, &dims)?, b.spread(&zero, &dims)?);
        let safe = chosen(b, &zero, &one, &y)?;
        let logarithm = unary(b, "log", &safe)?;
        Ok(vec![arithmetic(b, "mul", &x, &logarithm)?])
    }),
    entry("_weight_norm", &["v", "g", "dim"], weight_norm),
    entry("cosine_similarity", &["x1", "x2", "dim", "eps"], cosine_similarity),
    entry("diff", &["self", "n", "dim", "prepend", "append"], diff),
    entry("rot90", &["self", "k", "dims"], rot90),
    entry("all", &["self", "dim", "keepdim"], |b, args| of_truths(b, args, "reduce_min")),
    entry("any", &["self", "dim", "keepdim"], |b, args| of_truths(b, args, "reduce_max")),
    entry("celu", &["self", "alpha"], |b, args| {
        let alpha = args.float("alpha", 1.0)?;
        exponential(b, args, [1.0, alpha, 1.0 / alpha])
    }),
    entry("selu", SELF, |b, args| exponential(b, args, [SELU_SCALE, SELU_SCALE * SELU_ALPHA, 1.0])),
    entry("hardshrink", &["self", "lambd"], |b, args| {
        let (x, bound) = (float(b, args, "self")?, args.float("lambd", 0.5)?);
        let size = unary(b, "abs", &x)?;
        let large = with_number(b, "greater", &size, bound)?;
        let zero = b.scalar(0.0, ElementType::Fp32)?;
        Ok(vec![chosen(b, &large, &x, &zero)?])
    }),
    entry("softshrink", &["self", "lambd"], |b, args| {
        let (x, bound) = (float(b, args, "self")?, args.float("lambd", 0.5)?);
        let above = with_number(b, "sub", &x, bound)?;
        let above = unary(b, "relu", &above)?;
        let below = scaled(b, &x, -1.0)?;
        let below = with_number(b, "sub", &below, bound)?;
        let below = unary(b, "relu", &below)?;
        Ok(vec![arithmetic(b, "sub", &above, &below)?])
    }),
    entry("threshold", &["self", "threshold", "value"], |b, args| {
        let x = float(b, args, "self")?;
        let above = with_number(b, "greater", &x, args.float("threshold", 0.0)?)?;
        let other = b.scalar(args.float("value", 0.0)?, ElementType::Fp32)?;
        Ok(vec![chosen(b, &above, &x, &other)?])
    }),
    entry("dot", VECTORS, |b, args| of_vectors(b, args, "self", "tensor")),
    entry("mv", VECTORS, |b, args| of_vectors(b, args, "self", "vec")),
    entry("outer", VECTORS, |b, args| {
        let (x, y) = (b.tensor(args, "self")?, b.tensor(args, "vec2")?);
        let column = b.op("expand_dims", vec![("x", Param::Value(&x)), ("axes", Param::Ints(vec![1]))])?;
        Ok(vec![arithmetic(b, "mul", &column, &y)?])
    }),
    entry("roll", &["self", "shifts", "dims"], roll),
];

const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

/// An operand as floats.
fn float(b: &mut Builder<'_>, args: &Args<'_>, name: &str) -> One {
    let x = b.tensor(args, name)?;
    b.cast(&x, ElementType::Fp32)
}

/// Numbers in the place of those that are none, and of infinities: the largest of fp32 where nothing else is said.
fn nan_to_num(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = float(b, args, "self")?;
    let number = |b: &mut Builder<'_>, name: &str, default: f32| {
        let given = args.number_if(name)?.map_or(f64::from(default), super::args::Number::value);
        b.scalar(given, ElementType::Fp32)
    };
    let (nan, high, low) = (number(b, "nan", 0.0)?, number(b, "posinf", f32::MAX)?, number(b, "neginf", f32::MIN)?);
    let is_nan = arithmetic(b, "not_equal", &x, &x)?;
    let x = chosen(b, &is_nan, &nan, &x)?;
    let is_high = with_number(b, "equal", &x, f64::INFINITY)?;
    let x = chosen(b, &is_high, &high, &x)?;
    let is_low = with_number(b, "equal", &x, f64::NEG_INFINITY)?;
    Ok(vec![chosen(b, &is_low, &low, &x)?])
}

/// The angle of a point, from the arc tangent of its slope; the quadrants on the left by half a turn more.
fn atan2(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    use std::f64::consts::PI;
    let dims = args.output(0)?.shape.clone();
    let (y, x) = (float(b, args, "self")?, float(b, args, "other")?);
    let (y, x) = (b.spread(&y, &dims)?, b.spread(&x, &dims)?);
    let one = b.scalar(1.0, ElementType::Fp32)?;
    let upright = with_number(b, "equal", &x, 0.0)?;
    let safe = chosen(b, &upright, &one, &x)?;
    let slope = arithmetic(b, "real_div", &y, &safe)?;
    let angle = unary(b, "atan", &slope)?;
    let below = with_number(b, "less", &y, 0.0)?;
    let (turn, back) = (b.scalar(PI, ElementType::Fp32)?, b.scalar(-PI, ElementType::Fp32)?);
    let back = b.spread(&back, &dims)?;
    let half = chosen(b, &below, &back, &turn)?;
    let turned = arithmetic(b, "add", &angle, &half)?;
    let left = with_number(b, "less", &x, 0.0)?;
    let angle = chosen(b, &left, &turned, &angle)?;
    // Straight up, straight down, and 0 for the origin.
    let straight = unary(b, "sign", &y).and_then(|sign| scaled(b, &sign, PI / 2.0))?;
    Ok(vec![chosen(b, &upright, &straight, &angle)?])
}

fn cosine_similarity(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, y) = (float(b, args, "x1")?, float(b, args, "x2")?);
    let rank = x.rank().max(y.rank());
    let axis = super::builder::axis_of(args.int("dim", 1)?, rank)? as i64 - rank as i64;
    let sum = |b: &mut Builder<'_>, kind: &'static str, x: &Value| {
        let axes = Param::Ints(vec![axis]);
        b.op(kind, vec![("x", Param::Value(x)), ("axes", axes), ("keep_dims", Param::Bool(false))])
    };
    let product = arithmetic(b, "mul", &x, &y).and_then(|product| sum(b, "reduce_sum", &product))?;
    let least = b.scalar(args.float("eps", 1e-8)?, ElementType::Fp32)?;
    let mut lengths = Vec::new();
    for value in [&x, &y] {
        let length = sum(b, "reduce_l2_norm", value)?;
        lengths.push(arithmetic(b, "maximum", &length, &least)?);
    }
    let lengths = arithmetic(b, "mul", &lengths[0], &lengths[1])?;
    Ok(vec![arithmetic(b, "real_div", &product, &lengths)?])
}

/// Differences of neighbours, as often as is asked.
fn diff(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axis = x.axis(args.int("dim", -1)?)?;
    let ends = [b.tensor_if(args, "prepend")?, Some(x), b.tensor_if(args, "append")?];
    let all: Vec<Value> = ends.into_iter().flatten().collect();
    let mut x = b.joined(&all, axis)?;
    for _ in 0..args.int("n", 1)?.clamp(0, 16) {
        if x.size(axis).is_some_and(|size| size < 2) {
            return Err("it gives an empty tensor, which Core ML has not".to_owned());
        }
        let (after, before) = (part(b, &x, axis, (1, None, 1))?, part(b, &x, axis, (0, Some(-1), 1))?);
        x = match x.element() {
            ElementType::Bool => arithmetic(b, "logical_xor", &after, &before)?,
            _ => arithmetic(b, "sub", &after, &before)?,
        };
    }
    Ok(vec![x])
}

/// Quarter turns from one dimension towards another.
fn rot90(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let mut x = b.tensor(args, "self")?;
    let dims = args.ints("dims")?;
    let dims = if dims.is_empty() { vec![0, 1] } else { dims };
    let [first, second] = dims[..] else { return Err("it turns in no plane".to_owned()) };
    let (first, second) = (x.axis(first)?, x.axis(second)?);
    for _ in 0..args.int("k", 1)?.rem_euclid(4) {
        let axes = Param::Ints(vec![second as i64]);
        let flipped = b.op("reverse", vec![("x", Param::Value(&x)), ("axes", axes)])?;
        let mut order: Vec<usize> = (0..x.rank()).collect();
        order.swap(first, second);
        x = super::shape::transposed(b, &flipped, order)?;
    }
    Ok(vec![x])
}

/// One of two values, element by element.
fn chosen(b: &mut Builder<'_>, condition: &Value, a: &Value, other: &Value) -> One {
    b.op("select", vec![("cond", Param::Value(condition)), ("a", Param::Value(a)), ("b", Param::Value(other))])
}

fn combined(b: &mut Builder<'_>, args: &Args<'_>, kind: &'static str) -> Values {
    let (x, y) = (float(b, args, "tensor1")?, float(b, args, "tensor2")?);
    let more = arithmetic(b, kind, &x, &y)?;
    let more = scaled(b, &more, args.float("value", 1.0)?)?;
    let x = float(b, args, "self")?;
    Ok(vec![arithmetic(b, "add", &x, &more)?])
}

fn lerp(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (start, end) = (float(b, args, "self")?, float(b, args, "end")?);
    let way = arithmetic(b, "sub", &end, &start)?;
    let way = match args.id("weight") {
        Some(_) => {
            let weight = float(b, args, "weight")?;
            arithmetic(b, "mul", &way, &weight)?
        }
        None => scaled(b, &way, args.float("weight", 0.0)?)?,
    };
    Ok(vec![arithmetic(b, "add", &start, &way)?])
}

fn logarithm(b: &mut Builder<'_>, args: &Args<'_>, of_base: f64) -> Values {
    let x = float(b, args, "self").and_then(|x| unary(b, "log", &x))?;
    Ok(vec![scaled(b, &x, 1.0 / of_base)?])
}

/// `sign(x) log(|x| + sqrt(x² + 1))`, which keeps its digits on both sides.
fn asinh(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = float(b, args, "self")?;
    let (size, sign, square) = (unary(b, "abs", &x)?, unary(b, "sign", &x)?, unary(b, "square", &x)?);
    let root = with_number(b, "add", &square, 1.0).and_then(|sum| unary(b, "sqrt", &sum))?;
    let sum = arithmetic(b, "add", &size, &root)?;
    let logarithm = unary(b, "log", &sum)?;
    Ok(vec![arithmetic(b, "mul", &sign, &logarithm)?])
}

/// The whole part, towards zero.
pub(super) fn truncated(b: &mut Builder<'_>, x: &Value) -> One {
    if x.element() != ElementType::Fp32 {
        return Ok(x.clone());
    }
    let (sign, size) = (unary(b, "sign", x)?, unary(b, "abs", x)?);
    let whole = unary(b, "floor", &size)?;
    arithmetic(b, "mul", &sign, &whole)
}

/// What is left of a division towards zero: it has the sign of what is divided.
fn fmod(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let element = args.output_element()?;
    let x = b.tensor(args, "self")?;
    let x = b.cast(&x, element)?;
    let y = match args.id("other") {
        Some(id) => b.value(id)?,
        None => b.scalar(args.float("other", 1.0)?, element)?,
    };
    let y = b.cast(&y, element)?;
    let (size, by, sign) = (unary(b, "abs", &x)?, unary(b, "abs", &y)?, unary(b, "sign", &x)?);
    let rest = arithmetic(b, "mod", &size, &by)?;
    Ok(vec![arithmetic(b, "mul", &sign, &rest)?])
}

/// A weight as a direction and the lengths of its parts along a dimension.
fn weight_norm(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (direction, length) = (float(b, args, "v")?, float(b, args, "g")?);
    let kept = direction.axis(args.int("dim", 0)?)? as i64;
    let axes = (0..direction.rank() as i64).filter(|axis| *axis != kept).collect();
    let parameters =
        vec![("x", Param::Value(&direction)), ("axes", Param::Ints(axes)), ("keep_dims", Param::Bool(true))];
    let norm = b.op("reduce_l2_norm", parameters)?;
    let scale = arithmetic(b, "real_div", &length, &norm)?;
    Ok(vec![arithmetic(b, "mul", &direction, &scale)?])
}

/// `max + log(1 + exp(-|x - y|))`.
fn logaddexp(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, y) = (float(b, args, "self")?, float(b, args, "other")?);
    let (most, apart) = (arithmetic(b, "maximum", &x, &y)?, arithmetic(b, "sub", &x, &y)?);
    let apart = unary(b, "abs", &apart)?;
    let power = scaled(b, &apart, -1.0).and_then(|apart| unary(b, "exp", &apart))?;
    let more = with_number(b, "add", &power, 1.0).and_then(|sum| unary(b, "log", &sum))?;
    Ok(vec![arithmetic(b, "add", &most, &more)?])
}

/// Whether all or any elements are not 0.
fn of_truths(b: &mut Builder<'_>, args: &Args<'_>, kind: &'static str) -> Values {
    let x = b.tensor(args, "self")?;
    let truth = match x.element() {
        ElementType::Bool => x,
        _ => with_number(b, "not_equal", &x, 0.0)?,
    };
    let numbers = b.cast(&truth, ElementType::Int32)?;
    let given = args.ints("dim")?;
    let axes: Vec<i64> = match given.is_empty() {
        true => (0..numbers.rank() as i64).collect(),
        false => given.into_iter().map(|axis| numbers.axis(axis).map(|axis| axis as i64)).collect::<Result<_, _>>()?,
    };
    let keep = Param::Bool(args.bool("keepdim", false)?);
    let found = b.op(kind, vec![("x", Param::Value(&numbers)), ("axes", Param::Ints(axes)), ("keep_dims", keep)])?;
    Ok(vec![b.cast(&found, ElementType::Bool)?])
}

/// `scale x` above 0, `below (exp(x by) - 1)` under it.
fn exponential(b: &mut Builder<'_>, args: &Args<'_>, [scale, below, by]: [f64; 3]) -> Values {
    let x = float(b, args, "self")?;
    let above = unary(b, "relu", &x)?;
    let above = scaled(b, &above, scale)?;
    let negative = b.scalar(0.0, ElementType::Fp32).and_then(|zero| arithmetic(b, "minimum", &x, &zero))?;
    let power = scaled(b, &negative, by).and_then(|x| unary(b, "exp", &x))?;
    let under = with_number(b, "sub", &power, 1.0)?;
    let under = scaled(b, &under, below)?;
    Ok(vec![arithmetic(b, "add", &above, &under)?])
}

/// A product in which a side is a vector.
fn of_vectors(b: &mut Builder<'_>, args: &Args<'_>, x: &str, y: &str) -> Values {
    let (x, y) = (b.tensor(args, x)?, b.tensor(args, y)?);
    Ok(vec![product_of_vectors(b, &x, &y)?])
}

/// A vector is a row on the left and a column on the right, and its dimension is not in the product.
pub(super) fn product_of_vectors(b: &mut Builder<'_>, x: &Value, y: &Value) -> One {
    let as_matrix = |b: &mut Builder<'_>, value: &Value, axis: i64| match value.rank() {
        1 => b.op("expand_dims", vec![("x", Param::Value(value)), ("axes", Param::Ints(vec![axis]))]),
        _ => Ok(value.clone()),
    };
    let (left, right) = (as_matrix(b, x, 0)?, as_matrix(b, y, 1)?);
    let product = matmul(b, &left, &right, (false, false))?;
    let mut dropped = Vec::new();
    if x.rank() == 1 {
        dropped.push(-2);
    }
    if y.rank() == 1 {
        dropped.push(-1);
    }
    b.op("squeeze", vec![("x", Param::Value(&product)), ("axes", Param::Ints(dropped))])
}

/// Elements that leave at one end come in at the other.
fn roll(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let (shifts, dims) = (args.ints("shifts")?, args.ints("dims")?);
    let is_flat = dims.is_empty();
    let mut rolled = if is_flat { b.reshape(&x, vec![-1])? } else { x.clone() };
    let dims = if is_flat { vec![0] } else { dims };
    if shifts.len() != dims.len() {
        return Err("its arguments `shifts` and `dims` are not of one length".to_owned());
    }
    for (shift, dim) in shifts.into_iter().zip(dims) {
        let axis = rolled.axis(dim)?;
        let size = rolled
            .size(axis)
            .filter(|size| *size > 0)
            .ok_or("it shifts a dimension whose size is known only when the program runs")?;
        let shift = shift.rem_euclid(size);
        if shift == 0 {
            continue;
        }
        let sizes = Param::Ints(vec![size - shift, shift]);
        let parts = b.emit(
            "split",
            vec![("x", Param::Value(&rolled)), ("split_sizes", sizes), ("axis", Param::Int(axis as i64))],
        )?;
        let [head, tail] = &parts[..] else { return Err("it cannot be cut in two".to_owned()) };
        let around = [tail.clone(), head.clone()];
        let parameters = vec![
            ("values", Param::Values(&around)),
            ("axis", Param::Int(axis as i64)),
            ("interleave", Param::Bool(false)),
        ];
        rolled = b.op("concat", parameters)?;
    }
    if is_flat {
        rolled = b.reshape_as(&rolled, &args.output(0)?.shape)?;
    }
    Ok(vec![rolled])
}
