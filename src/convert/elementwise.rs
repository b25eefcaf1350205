//! Arithmetic, comparisons, logic and selections, element by element.

use super::activation::clip;
use super::args::{Args, Number};
use super::builder::{Builder, One, Param, Value, Values};
use super::compound::truncated;
use super::table::{Entry, entry};
use crate::graph::ElementType;

const SELF: &[&str] = &["self"];
const TWO: &[&str] = &["self", "other"];
const SUM: &[&str] = &["self", "other", "alpha"];

pub(super) static OPERATORS: &[Entry] = &[
    entry("add", SUM, |b, args| sum(b, args, "add", false)),
    entry("sub", SUM, |b, args| sum(b, args, "sub", false)),
    entry("rsub", SUM, |b, args| sum(b, args, "sub", true)),
    entry("mul", TWO, |b, args| of_two(b, args, "mul")),
    entry("div", &["self", "other", "rounding_mode"], div),
    entry("floor_divide", TWO, |b, args| of_two(b, args, "floor_div")),
    entry("remainder", TWO, |b, args| of_two(b, args, "mod")),
    entry("pow", &["self", "exponent"], pow),
    entry("maximum", TWO, |b, args| of_two(b, args, "maximum")),
    entry("minimum", TWO, |b, args| of_two(b, args, "minimum")),
    entry("eq", TWO, |b, args| comparison(b, args, "equal")),
    entry("ne", TWO, |b, args| comparison(b, args, "not_equal")),
    entry("gt", TWO, |b, args| comparison(b, args, "greater")),
    entry("ge", TWO, |b, args| comparison(b, args, "greater_equal")),
    entry("lt", TWO, |b, args| comparison(b, args, "less")),
    entry("le", TWO, |b, args| comparison(b, args, "less_equal")),
    entry("logical_and", TWO, |b, args| logical(b, args, "logical_and")),
    entry("logical_or", TWO, |b, args| logical(b, args, "logical_or")),
    entry("logical_xor", TWO, |b, args| logical(b, args, "logical_xor")),
    entry("bitwise_and", TWO, |b, args| bitwise(b, args, "logical_and")),
    entry("bitwise_or", TWO, |b, args| bitwise(b, args, "logical_or")),
    entry("bitwise_xor", TWO, |b, args| bitwise(b, args, "logical_xor")),
    entry("__and__", TWO, |b, args| bitwise(b, args, "logical_and")),
    entry("__or__", TWO, |b, args| bitwise(b, args, "logical_or")),
    entry("logical_not", SELF, |b, args| {
        let x = b.tensor(args, "self")?;
        let x = truth(b, &x)?;
        Ok(vec![unary(b, "logical_not", &x)?])
    }),
    entry("bitwise_not", SELF, |b, args| {
        let x = b.tensor(args, "self")?;
        if x.element() != ElementType::Bool {
            return Err("it takes the bits of integers, which is not converted".to_owned());
        }
        Ok(vec![unary(b, "logical_not", &x)?])
    }),
    entry("where", &["condition", "self", "other"], where_),
    entry("masked_fill", &["self", "mask", "value"], masked_fill),
    entry("clamp", &["self", "min", "max"], clamp),
    entry("clamp_min", &["self", "min"], clamp),
    entry("clamp_max", &["self", "max"], clamp),
    entry("neg", SELF, |b, args| {
        let x = b.tensor(args, "self")?;
        Ok(vec![scaled(b, &x, -1.0)?])
    }),
    entry("round", &["self", "decimals"], |b, args| of_float(b, args, "round")),
    entry("abs", SELF, |b, args| kept(b, args, "abs")),
    entry("sign", SELF, |b, args| kept(b, args, "sign")),
    entry("square", SELF, |b, args| kept(b, args, "square")),
    entry("log1p", SELF, |b, args| {
        let x = b.tensor(args, "self")?;
        let x = b.cast(&x, ElementType::Fp32)?;
        let more = with_number(b, "add", &x, 1.0)?;
        Ok(vec![unary(b, "log", &more)?])
    }),
    entry("reciprocal", SELF, |b, args| {
        let x = b.tensor(args, "self")?;
        let x = b.cast(&x, ElementType::Fp32)?;
        let one = b.scalar(1.0, ElementType::Fp32)?;
        Ok(vec![arithmetic(b, "real_div", &one, &x)?])
    }),
];

/// Operators of floats that have the same name in both languages.
macro_rules! of_floats {
    ($($name:literal),+) => { &[$(entry($name, SELF, |b, args| of_float(b, args, $name))),+] };
}

pub(super) static FLOATS: &[Entry] = of_floats!(
    "floor", "ceil", "sqrt", "rsqrt", "exp", "exp2", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
    "cosh", "atanh", "erf"
);

/// The type that an operation on two tensors has.
fn wider(a: ElementType, b: ElementType) -> ElementType {
    match (a, b) {
        (ElementType::Fp32, _) | (_, ElementType::Fp32) => ElementType::Fp32,
        (ElementType::Bool, ElementType::Bool) => ElementType::Bool,
        _ => ElementType::Int32,
    }
}

/// An operator of one tensor. Operators with an epsilon get one that changes nothing.
pub(super) fn unary(b: &mut Builder<'_>, kind: &'static str, x: &Value) -> One {
    let mut parameters = vec![("x", Param::Value(x))];
    if matches!(kind, "log" | "rsqrt" | "inverse") {
        // Smaller than what fp32 holds beside anything that has a root or a logarithm; fp16 makes it its smallest.
        parameters.push(("epsilon", Param::Float(if kind == "rsqrt" { 1e-12 } else { 1e-45 })));
    }
    b.op(kind, parameters)
}

/// An operator of two tensors of one type, the narrower converted.
pub(super) fn arithmetic(b: &mut Builder<'_>, kind: &'static str, x: &Value, y: &Value) -> One {
    let element = wider(x.element(), y.element());
    let (x, y) = (b.cast(x, element)?, b.cast(y, element)?);
    b.op(kind, vec![("x", Param::Value(&x)), ("y", Param::Value(&y))])
}

/// An operator of a tensor and a number of its type.
pub(super) fn with_number(b: &mut Builder<'_>, kind: &'static str, x: &Value, number: f64) -> One {
    let y = b.scalar(number, x.element())?;
    arithmetic(b, kind, x, &y)
}

/// A tensor multiplied with a number.
pub(super) fn scaled(b: &mut Builder<'_>, x: &Value, by: f64) -> One {
    if by == 1.0 { Ok(x.clone()) } else { with_number(b, "mul", x, by) }
}

/// Whether elements are not 0.
fn truth(b: &mut Builder<'_>, x: &Value) -> One {
    if x.element() == ElementType::Bool {
        return Ok(x.clone());
    }
    with_number(b, "not_equal", x, 0.0)
}

/// Two operands, tensors or numbers, in the type that PyTorch computes in.
fn operands(b: &mut Builder<'_>, args: &Args<'_>, names: [&str; 2]) -> Result<(Value, Value), String> {
    let given = |b: &mut Builder<'_>, name: &str| -> Result<(Option<Value>, Option<Number>), String> {
        match args.id(name) {
            Some(id) => Ok((Some(b.value(id)?), None)),
            None => match args.open(name) {
                // A size counts as a number: it has a say over the kind of numbers only.
                Some(dim) if dim.known().is_none() => {
                    let extent = b.extent(dim)?;
                    Ok((Some(b.size_scalar(&extent)?), None))
                }
                _ => Ok((None, args.number_if(name)?)),
            },
        }
    };
    let (first, second) = (given(b, names[0])?, given(b, names[1])?);
    match (first, second) {
        ((Some(x), _), (Some(y), _)) => {
            // A tensor without dimensions has a say only over the kind of numbers, as a number has.
            Ok((x, y))
        }
        ((Some(x), _), (_, Some(number))) => {
            let element = number.beside(x.element());
            let y = b.scalar(number.value(), element)?;
            Ok((b.cast(&x, element)?, y))
        }
        ((_, Some(number)), (Some(y), _)) => {
            let element = number.beside(y.element());
            let x = b.scalar(number.value(), element)?;
            Ok((x, b.cast(&y, element)?))
        }
        ((_, Some(first)), (_, Some(second))) => {
            let element = args.output_element()?;
            Ok((b.scalar(first.value(), element)?, b.scalar(second.value(), element)?))
        }
        _ => Err("it takes no tensor".to_owned()),
    }
}

/// Two operands in the type that the export declares for what comes out.
fn in_output(b: &mut Builder<'_>, args: &Args<'_>) -> Result<(Value, Value), String> {
    let element = args.output_element()?;
    if element == ElementType::Bool {
        return Err("it computes with truth values, which is not converted".to_owned());
    }
    let (x, y) = operands(b, args, ["self", "other"])?;
    Ok((b.cast(&x, element)?, b.cast(&y, element)?))
}

fn of_two(b: &mut Builder<'_>, args: &Args<'_>, kind: &'static str) -> Values {
    if args.output_element()? == ElementType::Bool && kind == "mul" {
        return logical(b, args, "logical_and");
    }
    let (x, y) = in_output(b, args)?;
    Ok(vec![arithmetic(b, kind, &x, &y)?])
}

fn sum(b: &mut Builder<'_>, args: &Args<'_>, kind: &'static str, reversed: bool) -> Values {
    let (x, y) = in_output(b, args)?;
    let alpha = args.float("alpha", 1.0)?;
    let (x, y) = match reversed {
        false => (x, scaled(b, &y, alpha)?),
        true => (y, scaled(b, &x, alpha)?),
    };
    Ok(vec![arithmetic(b, kind, &x, &y)?])
}

fn div(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, y) = in_output(b, args)?;
    let kind = match args.text("rounding_mode") {
        None => "real_div",
        Some("floor") => "floor_div",
        Some("trunc") if x.element() == ElementType::Fp32 => {
            let quotient = arithmetic(b, "real_div", &x, &y)?;
            return Ok(vec![truncated(b, &quotient)?]);
        }
        Some("trunc") => {
            // Of sizes and signs apart: what rounds down then rounds towards zero.
            let sign = arithmetic(b, "mul", &x, &y).and_then(|both| unary(b, "sign", &both))?;
            let (x, y) = (unary(b, "abs", &x)?, unary(b, "abs", &y)?);
            let size = arithmetic(b, "floor_div", &x, &y)?;
            return Ok(vec![arithmetic(b, "mul", &sign, &size)?]);
        }
        Some(mode) => return Err(format!("its argument `rounding_mode` is {mode}, which is not converted here")),
    };
    if kind == "real_div" && x.element() != ElementType::Fp32 {
        return Err("it divides integers, which is not converted".to_owned());
    }
    Ok(vec![arithmetic(b, kind, &x, &y)?])
}

fn pow(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let element = args.output_element()?;
    let (x, y) = operands(b, args, ["self", "exponent"])?;
    let x = b.cast(&x, element)?;
    // Squares are exact, and no power.
    if args.id("exponent").is_none() && args.float("exponent", 0.0)? == 2.0 {
        return Ok(vec![arithmetic(b, "mul", &x, &x)?]);
    }
    let y = b.cast(&y, element)?;
    Ok(vec![arithmetic(b, "pow", &x, &y)?])
}

fn comparison(b: &mut Builder<'_>, args: &Args<'_>, kind: &'static str) -> Values {
    let (x, y) = operands(b, args, ["self", "other"])?;
    let element = match wider(x.element(), y.element()) {
        // Core ML compares numbers.
        ElementType::Bool => ElementType::Int32,
        other => other,
    };
    let (x, y) = (b.cast(&x, element)?, b.cast(&y, element)?);
    Ok(vec![arithmetic(b, kind, &x, &y)?])
}

fn logical(b: &mut Builder<'_>, args: &Args<'_>, kind: &'static str) -> Values {
    let (x, y) = operands(b, args, ["self", "other"])?;
    let (x, y) = (truth(b, &x)?, truth(b, &y)?);
    Ok(vec![arithmetic(b, kind, &x, &y)?])
}

fn bitwise(b: &mut Builder<'_>, args: &Args<'_>, kind: &'static str) -> Values {
    match args.output_element()? {
        ElementType::Bool => logical(b, args, kind),
        _ => Err("it takes the bits of integers, which is not converted".to_owned()),
    }
}

/// Elements of one tensor where a condition holds, else of another.
fn select(b: &mut Builder<'_>, condition: &Value, yes: &Value, no: &Value) -> One {
    let condition = truth(b, condition)?;
    b.op("select", vec![("cond", Param::Value(&condition)), ("a", Param::Value(yes)), ("b", Param::Value(no))])
}

fn where_(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let condition = b.tensor(args, "condition")?;
    let element = args.output_element()?;
    let (yes, no) = operands(b, args, ["self", "other"])?;
    let (mut yes, no) = (b.cast(&yes, element)?, b.cast(&no, element)?);
    // Core ML gives the sizes of one of the two.
    let declared = args.output(0)?;
    let full = super::program_type(declared)?;
    if yes.ty != full && no.ty != full {
        yes = b.spread(&yes, &declared.shape)?;
    }
    Ok(vec![select(b, &condition, &yes, &no)?])
}

fn masked_fill(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, mask) = (b.tensor(args, "self")?, b.tensor(args, "mask")?);
    let value = match args.id("value") {
        Some(id) => {
            let value = b.value(id)?;
            b.cast(&value, x.element())?
        }
        None => {
            let number = args.number_if("value")?.ok_or("its argument `value` is missing")?;
            b.scalar(number.value(), x.element())?
        }
    };
    Ok(vec![select(b, &mask, &value, &x)?])
}

fn clamp(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let mut x = b.cast(&x, args.output_element()?)?;
    let is_plain = args.id("min").is_none() && args.id("max").is_none();
    if is_plain && x.element() == ElementType::Fp32 && args.has("min") && args.has("max") {
        let (low, high) = (args.float("min", 0.0)?, args.float("max", 0.0)?);
        if low <= high {
            return Ok(vec![clip(b, &x, low, high)?]);
        }
    }
    for (name, kind) in [("min", "maximum"), ("max", "minimum")] {
        if let Some(id) = args.id(name) {
            let bound = b.value(id)?;
            let bound = b.cast(&bound, x.element())?;
            x = arithmetic(b, kind, &x, &bound)?;
        } else if let Some(bound) = args.number_if(name)? {
            x = with_number(b, kind, &x, bound.value())?;
        }
    }
    Ok(vec![x])
}

/// An operator that keeps the type.
fn kept(b: &mut Builder<'_>, args: &Args<'_>, kind: &'static str) -> Values {
    let x = b.tensor(args, "self")?;
    Ok(vec![unary(b, kind, &x)?])
}

/// An operator of floats; of integers it takes their values.
fn of_float(b: &mut Builder<'_>, args: &Args<'_>, kind: &'static str) -> Values {
    let x = b.tensor(args, "self")?;
    if x.element() != ElementType::Fp32 && args.output_element()? != ElementType::Fp32 {
        // What rounds leaves integers as they are.
        return Ok(vec![x]);
    }
    if args.has("decimals") {
        let by = 10f64.powi(i32::try_from(args.int("decimals", 0)?).unwrap_or(0));
        let moved = scaled(b, &x, by)?;
        let rounded = unary(b, kind, &moved)?;
        return Ok(vec![with_number(b, "real_div", &rounded, by)?]);
    }
    let x = b.cast(&x, ElementType::Fp32)?;
    Ok(vec![unary(b, kind, &x)?])
}
