//! Convolutions.

use super::args::Args;
use super::builder::{Builder, Convolution, One, Param, Value, Values};
use super::table::{Entry, entry};

const PLAIN: &[&str] = &["input", "weight", "bias", "stride", "padding", "dilation", "groups"];
const TRANSPOSED: &[&str] = &["input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"];
const GENERAL: &[&str] =
    &["input", "weight", "bias", "stride", "padding", "dilation", "transposed", "output_padding", "groups"];

pub(super) static OPERATORS: &[Entry] = &[
    entry("conv1d", PLAIN, convolution),
    entry("conv2d", PLAIN, convolution),
    entry("conv3d", PLAIN, convolution),
    entry("conv_transpose1d", TRANSPOSED, transposed),
    entry("conv_transpose2d", TRANSPOSED, transposed),
    entry("conv_transpose3d", TRANSPOSED, transposed),
    entry("convolution", GENERAL, general),
];

fn general(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    if args.bool("transposed", false)? { transposed(b, args) } else { convolution(b, args) }
}

/// What it takes, and the number of dimensions that the kernel moves along.
fn taken(b: &mut Builder<'_>, args: &Args<'_>) -> Result<(Value, Value, usize), String> {
    let (x, weight) = (b.tensor(args, "input")?, b.tensor(args, "weight")?);
    match weight.rank() {
        rank if rank == x.rank() && rank >= 3 => Ok((x, weight, rank - 2)),
        _ => Err("it takes a tensor without a batch dimension".to_owned()),
    }
}

fn convolution(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (input, weight) = (b.tensor(args, "input")?, b.tensor(args, "weight")?);
    if input.rank() + 1 == weight.rank() && args.text("padding").is_none() {
        let x = b.wide(&input, 0)?;
        let value = plain(b, args, (x, weight))?.remove(0);
        return Ok(vec![b.narrow(&value, vec![0])?]);
    }
    let (x, weight, _) = taken(b, args)?;
    plain(b, args, (x, weight))
}

fn plain(b: &mut Builder<'_>, args: &Args<'_>, (x, weight): (Value, Value)) -> Values {
    let dimensions = x.rank().checked_sub(2).ok_or("it takes a tensor without channels")?;
    let mut parameters = vec![
        ("strides", Param::Ints(args.per_dimension("stride", dimensions, 1)?)),
        ("dilations", Param::Ints(args.per_dimension("dilation", dimensions, 1)?)),
        ("groups", Param::Int(args.int("groups", 1)?)),
    ];
    match args.text("padding") {
        Some("valid") => parameters.push(("pad_type", Param::Text("valid"))),
        // With strides of 1, which PyTorch demands, both pad alike, and what is odd at the end.
        Some("same") => parameters.push(("pad_type", Param::Text("same"))),
        Some(_) => return Err("its argument `padding` is no known word".to_owned()),
        None => {
            let pad = args.per_dimension("padding", dimensions, 0)?;
            parameters.push(("pad_type", Param::Text("custom")));
            parameters.push(("pad", Param::Ints(pad.into_iter().flat_map(|pad| [pad, pad]).collect())));
        }
    }
    let bias = b.tensor_if(args, "bias")?;
    let value = write(b, "conv", &x, (&weight, bias.as_ref()), &parameters)?;
    remember(b, args, &value, ("conv", parameters, x));
    Ok(vec![value])
}

/// Remembers a convolution or a linear layer whose weight and bias are stored and taken by nothing else: a normalization
/// may be folded into it.
pub(super) fn remember(
    b: &mut Builder<'_>,
    args: &Args<'_>,
    value: &Value,
    (kind, parameters, x): (&'static str, Vec<(&'static str, Param<'static>)>, Value),
) {
    let weight = args.id("weight").filter(|id| b.stored_name(*id).is_some() && b.uses(*id) == 1);
    let bias = args.id("bias");
    let is_stored = bias.is_none_or(|id| b.stored_name(id).is_some());
    if let Some(weight) = weight.filter(|_| is_stored) {
        b.convolutions.insert(value.name.clone(), Convolution { kind, parameters, x, weight, bias });
    }
}

/// A convolution or a linear layer.
pub(super) fn write(
    b: &mut Builder<'_>,
    kind: &'static str,
    x: &Value,
    (weight, bias): (&Value, Option<&Value>),
    parameters: &[(&'static str, Param<'static>)],
) -> One {
    let mut all: Vec<(&'static str, Param<'_>)> = vec![("x", Param::Value(x)), ("weight", Param::Value(weight))];
    all.extend(bias.map(|bias| ("bias", Param::Value(bias))));
    all.extend(parameters.iter().cloned());
    b.op(kind, all)
}

fn transposed(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, weight, dimensions) = taken(b, args)?;
    let pad = args.per_dimension("padding", dimensions, 0)?;
    let more = args.per_dimension("output_padding", dimensions, 0)?;
    // What the output has more at its end is what is cut off less there. Beyond what there is to cut off, nothing but
    // the bias is added up.
    let beyond: Vec<i64> = more.iter().zip(&pad).map(|(more, pad)| (more - pad).max(0)).collect();
    let pad = pad.iter().zip(&more).flat_map(|(pad, more)| [*pad, (pad - more).max(0)]).collect();
    let is_longer = beyond.iter().any(|size| *size > 0);
    let bias = if is_longer { None } else { b.tensor_if(args, "bias")? };
    let mut parameters = vec![
        ("x", Param::Value(&x)),
        ("weight", Param::Value(&weight)),
        ("strides", Param::Ints(args.per_dimension("stride", dimensions, 1)?)),
        ("dilations", Param::Ints(args.per_dimension("dilation", dimensions, 1)?)),
        ("groups", Param::Int(args.int("groups", 1)?)),
        ("pad_type", Param::Text("custom")),
        ("pad", Param::Ints(pad)),
    ];
    parameters.extend(bias.as_ref().map(|bias| ("bias", Param::Value(bias))));
    let value = b.op("conv_transpose", parameters)?;
    if !is_longer {
        return Ok(vec![value]);
    }
    let pads = Param::Ints(beyond.iter().flat_map(|size| [0, *size]).collect());
    let parameters = vec![
        ("x", Param::Value(&value)),
        ("pad", pads),
        ("mode", Param::Text("constant")),
        ("constant_val", Param::Float(0.0)),
    ];
    let value = b.op("pad", parameters)?;
    let Some(id) = args.id("bias") else { return Ok(vec![value]) };
    let channels = value.size(1).ok_or("it needs the number of channels")?;
    let mut shape = vec![1; dimensions + 1];
    shape[0] = channels;
    let bias = b.stored_in(id, &shape)?;
    Ok(vec![super::elementwise::arithmetic(b, "add", &value, &bias)?])
}
