//! Normalizations.

use std::sync::Arc;

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::constants::Source;
use super::elementwise::{arithmetic, unary};
use super::fold::{Fold, Stored};
use super::sizes::Extent;
use super::table::{Entry, entry};
use super::{conv, program_type};
use crate::graph::{Dim, ElementType, TensorType};

pub(super) static OPERATORS: &[Entry] = &[
    entry(
        "batch_norm",
        &["input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps", "cudnn_enabled"],
        batch_norm,
    ),
    entry(
        "_native_batch_norm_legit_no_training",
        &["input", "weight", "bias", "running_mean", "running_var", "momentum", "eps"],
        batch_norm,
    ),
    entry("layer_norm", &["input", "normalized_shape", "weight", "bias", "eps", "cudnn_enable"], layer_norm),
    entry("native_layer_norm", &["input", "normalized_shape", "weight", "bias", "eps"], layer_norm),
    entry("rms_norm", &["input", "normalized_shape", "weight", "eps"], rms_norm),
    entry("group_norm", &["input", "num_groups", "weight", "bias", "eps", "cudnn_enabled"], group_norm),
    entry("native_group_norm", &["input", "weight", "bias", "N", "C", "HxW", "group", "eps"], group_norm),
    entry(
        "instance_norm",
        &[
            "input",
            "weight",
            "bias",
            "running_mean",
            "running_var",
            "use_input_stats",
            "momentum",
            "eps",
            "cudnn_enabled",
        ],
        instance_norm,
    ),
];

/// The machine epsilon of fp32, which `rms_norm` adds where nothing else is said.
const FP32_EPSILON: f64 = f32::EPSILON as f64;

fn batch_norm(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    args.expect_bool("training", false)?;
    let x = b.tensor(args, "input")?;
    if let Some(value) = folded(b, args, &x)? {
        return Ok(vec![value]);
    }
    let epsilon = args.float("eps", 1e-5)?;
    let (mean, variance) = (b.tensor(args, "running_mean")?, b.tensor(args, "running_var")?);
    let (gamma, beta) = (b.tensor_if(args, "weight")?, b.tensor_if(args, "bias")?);
    // The operator wants dimensions behind the channels.
    let is_flat = x.rank() == 2;
    let wide = match is_flat {
        true => b.op("expand_dims", vec![("x", Param::Value(&x)), ("axes", Param::Ints(vec![2]))])?,
        false => x,
    };
    let mut parameters = vec![
        ("x", Param::Value(&wide)),
        ("mean", Param::Value(&mean)),
        ("variance", Param::Value(&variance)),
        ("epsilon", Param::Float(epsilon)),
    ];
    parameters.extend(gamma.as_ref().map(|gamma| ("gamma", Param::Value(gamma))));
    parameters.extend(beta.as_ref().map(|beta| ("beta", Param::Value(beta))));
    let value = b.op("batch_norm", parameters)?;
    match is_flat {
        true => Ok(vec![b.op("squeeze", vec![("x", Param::Value(&value)), ("axes", Param::Ints(vec![2]))])?]),
        false => Ok(vec![value]),
    }
}

/// The convolution or linear layer that gave `x` with the normalization in it, where nothing else takes `x` and everything is stored.
fn folded(b: &mut Builder<'_>, args: &Args<'_>, x: &Value) -> Result<Option<Value>, String> {
    let Some(convolution) = b.convolutions.get(&x.name).cloned() else { return Ok(None) };
    let Some(input) = args.id("input").filter(|id| b.uses(*id) == 1) else { return Ok(None) };
    if b.program.graph.outputs.iter().any(|output| output.value() == Some(input)) {
        return Ok(None);
    }
    let stored = |b: &Builder<'_>, id| -> Option<Stored> {
        Some((b.stored_name(id)?.clone(), b.program.graph.tensor(id)?.dtype))
    };
    let named = |b: &Builder<'_>, name: &str| args.id(name).and_then(|id| stored(b, id));
    let is_missing = |b: &Builder<'_>, name: &str| args.has(name) && named(b, name).is_none();
    let (Some(mean), Some(variance), Some(weight)) =
        (named(b, "running_mean"), named(b, "running_var"), stored(b, convolution.weight))
    else {
        return Ok(None);
    };
    if is_missing(b, "weight") || is_missing(b, "bias") {
        return Ok(None);
    }
    let fold = Arc::new(Fold {
        bias: convolution.bias.and_then(|id| stored(b, id)),
        gamma: named(b, "weight"),
        beta: named(b, "bias"),
        epsilon: args.float("eps", 1e-5)?,
        weight,
        mean,
        variance,
    });
    let ty = b.program.graph.tensor(convolution.weight).ok_or("the weight is no tensor")?;
    let ty = program_type(ty)?;
    let channels = ty.shape.first().copied().unwrap_or(Dim::Known(1));
    let name = &fold.weight.0;
    let weight = b.constant_of(&name.replace('.', "_"), ty, Source::FoldedWeight(fold.clone()))?;
    b.weights.insert(weight.name.clone(), name.clone());
    let own = fold.bias.as_ref().map_or_else(|| bias_name(name), |(bias, _)| bias.to_string());
    let bias_type = TensorType { element: ElementType::Fp32, shape: vec![channels] };
    let bias = b.constant_of(&own.replace('.', "_"), bias_type, Source::FoldedBias(fold.clone()))?;
    b.weights.insert(bias.name.clone(), own.as_str().into());
    conv::write(b, convolution.kind, &convolution.x, (&weight, Some(&bias)), &convolution.parameters).map(Some)
}

/// The name of the bias that a convolution gets.
fn bias_name(weight: &str) -> String {
    match weight.rsplit_once('.') {
        Some((module, _)) => format!("{module}.bias"),
        None => format!("{weight}_bias"),
    }
}

/// The axes of the last dimensions, as many as `normalized_shape` has.
fn last_axes(args: &Args<'_>) -> Result<Vec<i64>, String> {
    let count = i64::try_from(args.ints("normalized_shape")?.len()).unwrap_or(0);
    Ok((-count..0).collect())
}

fn layer_norm(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "input")?;
    let (gamma, beta) = (b.tensor_if(args, "weight")?, b.tensor_if(args, "bias")?);
    let constant = |b: &Builder<'_>, value: &Option<Value>| value.as_ref().is_none_or(|value| b.is_constant(value));
    if !constant(b, &gamma) || !constant(b, &beta) {
        // The operator has constants only.
        let parameters = vec![
            ("x", Param::Value(&x)),
            ("axes", Param::Ints(last_axes(args)?)),
            ("epsilon", Param::Float(args.float("eps", 1e-5)?)),
        ];
        let mut value = b.op("layer_norm", parameters)?;
        if let Some(gamma) = gamma {
            value = arithmetic(b, "mul", &value, &gamma)?;
        }
        if let Some(beta) = beta {
            value = arithmetic(b, "add", &value, &beta)?;
        }
        return Ok(vec![value]);
    }
    let mut parameters = vec![
        ("x", Param::Value(&x)),
        ("axes", Param::Ints(last_axes(args)?)),
        ("epsilon", Param::Float(args.float("eps", 1e-5)?)),
    ];
    parameters.extend(gamma.as_ref().map(|gamma| ("gamma", Param::Value(gamma))));
    parameters.extend(beta.as_ref().map(|beta| ("beta", Param::Value(beta))));
    Ok(vec![b.op("layer_norm", parameters)?])
}

fn rms_norm(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "input")?;
    let axes = last_axes(args)?;
    let square = arithmetic(b, "mul", &x, &x)?;
    let mean = b.op(
        "reduce_mean",
        vec![("x", Param::Value(&square)), ("axes", Param::Ints(axes)), ("keep_dims", Param::Bool(true))],
    )?;
    let epsilon = b.scalar(args.float("eps", FP32_EPSILON)?, ElementType::Fp32)?;
    let sum = arithmetic(b, "add", &mean, &epsilon)?;
    let root = unary(b, "rsqrt", &sum)?;
    let mut value = arithmetic(b, "mul", &x, &root)?;
    if let Some(weight) = b.tensor_if(args, "weight")? {
        value = arithmetic(b, "mul", &value, &weight)?;
    }
    Ok(vec![value])
}

/// A weight of channels in a shape that goes with a tensor whose second dimension is channels.
fn of_channels(b: &mut Builder<'_>, args: &Args<'_>, name: &str, rank: usize) -> Result<Option<Value>, String> {
    let Some(id) = args.id(name) else { return Ok(None) };
    let channels = b.value(id)?.sizes()?.first().copied().ok_or("its weight is a scalar")?;
    let mut shape = vec![1; rank.saturating_sub(1)];
    if let Some(first) = shape.first_mut() {
        *first = channels;
    }
    b.stored_in(id, &shape).map(Some)
}

fn group_norm(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "input")?;
    let groups = args.int(if args.has("group") { "group" } else { "num_groups" }, 1)?;
    let id = args.id("input").ok_or("it takes what is no tensor")?;
    let declared = args.graph.tensor(id).ok_or("it takes what is no tensor")?.shape.clone();
    let channels = x.size(1).ok_or("it takes a tensor without a known number of channels")?;
    if groups <= 0 || channels % groups != 0 {
        return Err(format!("{channels} channels do not make {groups} groups"));
    }
    let batch = b.extent(&declared[0])?;
    let rest = match (declared[0].known(), x.ty.shape[1..].iter().map(|dim| dim.known()).collect::<Option<Vec<_>>>()) {
        // One size may be left open.
        (None, Some(sizes)) => Extent::Fixed(i64::try_from(sizes.iter().product::<u64>()).unwrap_or(0) / groups),
        _ => Extent::Rest,
    };
    let grouped = b.reshape_to(&x, vec![batch, Extent::Fixed(groups), rest])?;
    let epsilon = args.float("eps", 1e-5)?;
    let normal = b.op(
        "layer_norm",
        vec![("x", Param::Value(&grouped)), ("axes", Param::Ints(vec![2])), ("epsilon", Param::Float(epsilon))],
    )?;
    let value = b.reshape_as(&normal, &declared)?;
    Ok(vec![with_channels(b, args, value, declared.len())?])
}

/// Multiplied with the weight, and with the bias added.
fn with_channels(b: &mut Builder<'_>, args: &Args<'_>, mut value: Value, rank: usize) -> One {
    if let Some(weight) = of_channels(b, args, "weight", rank)? {
        value = arithmetic(b, "mul", &value, &weight)?;
    }
    if let Some(bias) = of_channels(b, args, "bias", rank)? {
        value = arithmetic(b, "add", &value, &bias)?;
    }
    Ok(value)
}

fn instance_norm(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "input")?;
    args.expect_bool("use_input_stats", true)?;
    if !(3..=4).contains(&x.rank()) {
        return Err(format!("it takes a tensor of {} dimensions, which is not converted", x.rank()));
    }
    let (gamma, beta) = (b.tensor_if(args, "weight")?, b.tensor_if(args, "bias")?);
    let mut parameters = vec![("x", Param::Value(&x)), ("epsilon", Param::Float(args.float("eps", 1e-5)?))];
    parameters.extend(gamma.as_ref().map(|gamma| ("gamma", Param::Value(gamma))));
    parameters.extend(beta.as_ref().map(|beta| ("beta", Param::Value(beta))));
    Ok(vec![b.op("instance_norm", parameters)?])
}
