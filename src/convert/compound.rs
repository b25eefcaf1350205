//! Operators that Core ML writes as several of its own.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::elementwise::{arithmetic, scaled, unary, with_number};
use super::linear::matmul;
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
    let x = float(b, args, "self")?;
    let y = match args.id("other") {
        Some(_) => float(b, args, "other")?,
        None => b.scalar(args.float("other", 1.0)?, ElementType::Fp32)?,
    };
    if args.output_element()? != ElementType::Fp32 {
        return Err("it takes integers, which is not converted".to_owned());
    }
    let (size, by, sign) = (unary(b, "abs", &x)?, unary(b, "abs", &y)?, unary(b, "sign", &x)?);
    let rest = arithmetic(b, "mod", &size, &by)?;
    Ok(vec![arithmetic(b, "mul", &sign, &rest)?])
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
    let whole: Option<Vec<i64>> = (0..x.rank()).map(|axis| x.size(axis)).collect();
    let whole = whole.ok_or("it shifts dimensions whose sizes are known only when the program runs")?;
    let is_flat = dims.is_empty();
    let mut rolled = if is_flat { b.reshape(&x, vec![-1])? } else { x.clone() };
    let dims = if is_flat { vec![0] } else { dims };
    if shifts.len() != dims.len() {
        return Err("its arguments `shifts` and `dims` are not of one length".to_owned());
    }
    for (shift, dim) in shifts.into_iter().zip(dims) {
        let axis = rolled.axis(dim)?;
        let size = rolled.size(axis).filter(|size| *size > 0).ok_or("it shifts nothing")?;
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
        rolled = b.reshape(&rolled, whole)?;
    }
    Ok(vec![rolled])
}
