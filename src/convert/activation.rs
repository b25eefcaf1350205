//! Activations.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::elementwise::{arithmetic, scaled, unary, with_number};
use super::table::{Entry, entry};
use crate::graph::ElementType;

const SELF: &[&str] = &["self"];

pub(super) static OPERATORS: &[Entry] = &[
    entry("relu", SELF, |b, args| simple(b, args, "relu")),
    entry("relu6", SELF, |b, args| {
        let x = float(b, args)?;
        Ok(vec![clip(b, &x, 0.0, 6.0)?])
    }),
    entry("sigmoid", SELF, |b, args| simple(b, args, "sigmoid")),
    entry("silu", SELF, |b, args| simple(b, args, "silu")),
    entry("tanh", SELF, |b, args| simple(b, args, "tanh")),
    entry("softsign", SELF, |b, args| simple(b, args, "softsign")),
    entry("gelu", &["self", "approximate"], gelu),
    entry("hardtanh", &["self", "min_val", "max_val"], |b, args| {
        let (low, high) = (args.float("min_val", -1.0)?, args.float("max_val", 1.0)?);
        let x = float(b, args)?;
        Ok(vec![clip(b, &x, low, high)?])
    }),
    entry("hardsigmoid", SELF, |b, args| {
        let x = float(b, args)?;
        Ok(vec![hard_sigmoid(b, &x)?])
    }),
    entry("hardswish", SELF, |b, args| {
        let x = float(b, args)?;
        let gate = hard_sigmoid(b, &x)?;
        Ok(vec![arithmetic(b, "mul", &x, &gate)?])
    }),
    entry("mish", SELF, |b, args| {
        let x = float(b, args)?;
        let soft = unary(b, "softplus", &x)?;
        let gate = unary(b, "tanh", &soft)?;
        Ok(vec![arithmetic(b, "mul", &x, &gate)?])
    }),
    entry("leaky_relu", &["self", "negative_slope"], |b, args| {
        let slope = args.float("negative_slope", 0.01)?;
        let x = float(b, args)?;
        Ok(vec![b.op("leaky_relu", vec![("x", Param::Value(&x)), ("alpha", Param::Float(slope))])?])
    }),
    entry("elu", &["self", "alpha", "scale", "input_scale"], elu),
    entry("softplus", &["self", "beta", "threshold"], softplus),
    entry("log_sigmoid", SELF, |b, args| {
        // log(sigmoid(x)) is -softplus(-x), which does not overflow.
        let x = float(b, args)?;
        let x = scaled(b, &x, -1.0)?;
        let soft = unary(b, "softplus", &x)?;
        Ok(vec![scaled(b, &soft, -1.0)?])
    }),
    entry("prelu", &["self", "weight"], prelu),
    entry("softmax", &["self", "dim", "dtype"], softmax),
    entry("_softmax", &["self", "dim", "half_to_float"], softmax),
    entry("log_softmax", &["self", "dim", "dtype"], log_softmax),
    entry("_log_softmax", &["self", "dim", "half_to_float"], log_softmax),
    entry("glu", &["self", "dim"], glu),
];

fn float(b: &mut Builder<'_>, args: &Args<'_>) -> One {
    let x = b.tensor(args, "self")?;
    match x.element() {
        ElementType::Fp32 => Ok(x),
        other => Err(format!("it takes {other}, which is not converted")),
    }
}

fn simple(b: &mut Builder<'_>, args: &Args<'_>, kind: &'static str) -> Values {
    let x = b.tensor(args, "self")?;
    let x = b.cast(&x, args.output_element()?)?;
    if x.element() != ElementType::Fp32 {
        return Err(format!("it takes {}, which is not converted", x.element()));
    }
    Ok(vec![unary(b, kind, &x)?])
}

/// Values within bounds.
pub(super) fn clip(b: &mut Builder<'_>, x: &Value, low: f64, high: f64) -> One {
    b.op("clip", vec![("x", Param::Value(x)), ("alpha", Param::Float(low)), ("beta", Param::Float(high))])
}

fn hard_sigmoid(b: &mut Builder<'_>, x: &Value) -> One {
    let (alpha, beta) = (Param::Float(1.0 / 6.0), Param::Float(0.5));
    b.op("sigmoid_hard", vec![("x", Param::Value(x)), ("alpha", alpha), ("beta", beta)])
}

fn gelu(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = float(b, args)?;
    let mode = match args.text("approximate") {
        None | Some("none") => "EXACT",
        Some("tanh") => "TANH_APPROXIMATION",
        Some(_) => return Err("its argument `approximate` is no known word".to_owned()),
    };
    Ok(vec![b.op("gelu", vec![("x", Param::Value(&x)), ("mode", Param::Text(mode))])?])
}

fn elu(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    if args.float("input_scale", 1.0)? != 1.0 {
        return Err("its argument `input_scale` can only be 1".to_owned());
    }
    let x = float(b, args)?;
    let alpha = args.float("alpha", 1.0)?;
    let value = b.op("elu", vec![("x", Param::Value(&x)), ("alpha", Param::Float(alpha))])?;
    Ok(vec![scaled(b, &value, args.float("scale", 1.0)?)?])
}

fn softplus(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = float(b, args)?;
    let (beta, threshold) = (args.float("beta", 1.0)?, args.float("threshold", 20.0)?);
    let inner = scaled(b, &x, beta)?;
    let soft = unary(b, "softplus", &inner)?;
    let soft = scaled(b, &soft, 1.0 / beta)?;
    // Beyond the threshold PyTorch gives `x`, which from 16 on differs by less than the last place of fp32.
    if threshold >= 16.0 {
        return Ok(vec![soft]);
    }
    let beyond = with_number(b, "greater", &inner, threshold)?;
    Ok(vec![b.chosen(&beyond, &x, &soft)?])
}

fn prelu(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, weight) = (float(b, args)?, b.tensor(args, "weight")?);
    let channels = x.size(1).ok_or("it needs the number of channels")?;
    let count = weight.sizes()?.iter().product::<i64>();
    // max(x, 0) + weight * min(x, 0), which is right for every shape.
    let positive = unary(b, "relu", &x)?;
    let negative = arithmetic(b, "sub", &x, &positive)?;
    let shape = match count {
        1 => vec![1; x.rank()],
        _ if count == channels => {
            let mut shape = vec![1; x.rank()];
            shape[1] = channels;
            shape
        }
        _ => return Err(format!("{count} slopes do not go with {channels} channels")),
    };
    let id = args.id("weight").filter(|id| b.stored_name(*id).is_some());
    let weight = match id {
        Some(id) => b.stored_in(id, &shape)?,
        None => b.reshape(&weight, shape)?,
    };
    let part = arithmetic(b, "mul", &negative, &weight)?;
    Ok(vec![arithmetic(b, "add", &positive, &part)?])
}

fn softmax(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    args.expect_bool("half_to_float", false)?;
    let x = b.tensor(args, "self")?;
    let x = b.cast(&x, args.output_element()?)?;
    let axis = args.int("dim", -1)?;
    x.axis(axis)?;
    Ok(vec![b.op("softmax", vec![("x", Param::Value(&x)), ("axis", Param::Int(axis))])?])
}

fn log_softmax(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    args.expect_bool("half_to_float", false)?;
    let x = b.tensor(args, "self")?;
    let x = b.cast(&x, args.output_element()?)?;
    let axis = args.int("dim", -1)?;
    x.axis(axis)?;
    // x less its largest value, less the logarithm of the sum: exact also where a softmax would be 0.
    let along = |x| vec![("x", Param::Value(x)), ("axes", Param::Ints(vec![axis])), ("keep_dims", Param::Bool(true))];
    let most = b.op("reduce_max", along(&x))?;
    let moved = arithmetic(b, "sub", &x, &most)?;
    let sum = b.op("reduce_log_sum_exp", along(&moved))?;
    Ok(vec![arithmetic(b, "sub", &moved, &sum)?])
}

fn glu(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = float(b, args)?;
    let axis = x.axis(args.int("dim", -1)?)?;
    let half = x.size(axis).ok_or("it halves a dimension whose size is known only when the program runs")? / 2;
    let sizes = Param::Ints(vec![half, half]);
    let halves =
        b.emit("split", vec![("x", Param::Value(&x)), ("split_sizes", sizes), ("axis", Param::Int(axis as i64))])?;
    let [value, gate] = &halves[..] else { return Err("it cannot be halved".to_owned()) };
    let gate = unary(b, "sigmoid", gate)?;
    Ok(vec![arithmetic(b, "mul", value, &gate)?])
}
