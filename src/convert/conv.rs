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
    let (x, weight, dimensions) = taken(b, args)?;
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
    if more.iter().zip(&pad).any(|(more, pad)| more > pad) {
        return Err("its argument `output_padding` is larger than `padding`, which is not converted".to_owned());
    }
    // What the output has more at its end is what is cut off less there.
    let pad = pad.iter().zip(&more).flat_map(|(pad, more)| [*pad, pad - more]).collect();
    let bias = b.tensor_if(args, "bias")?;
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
    Ok(vec![b.op("conv_transpose", parameters)?])
}
