//! Pooling.

use super::args::Args;
use super::builder::{Builder, Param, Value, Values};
use super::table::{Entry, entry};

const MAX: &[&str] = &["self", "kernel_size", "stride", "padding", "dilation", "ceil_mode"];
const AVERAGE: &[&str] =
    &["self", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"];
const ADAPTIVE: &[&str] = &["self", "output_size"];

pub(super) static OPERATORS: &[Entry] = &[
    entry("max_pool1d", MAX, |b, args| largest(b, args, 1)),
    entry("max_pool2d", MAX, |b, args| largest(b, args, 2)),
    entry("max_pool3d", MAX, |b, args| largest(b, args, 3)),
    entry("max_pool2d_with_indices", MAX, |b, args| largest(b, args, 2)),
    entry("avg_pool1d", AVERAGE, |b, args| average(b, args, 1)),
    entry("avg_pool2d", AVERAGE, |b, args| average(b, args, 2)),
    entry("avg_pool3d", AVERAGE, |b, args| average(b, args, 3)),
    entry("adaptive_avg_pool1d", ADAPTIVE, |b, args| adaptive(b, args, 1, true)),
    entry("adaptive_avg_pool2d", ADAPTIVE, |b, args| adaptive(b, args, 2, true)),
    entry("_adaptive_avg_pool2d", ADAPTIVE, |b, args| adaptive(b, args, 2, true)),
    entry("adaptive_avg_pool3d", ADAPTIVE, |b, args| adaptive(b, args, 3, true)),
    entry("adaptive_max_pool1d", ADAPTIVE, |b, args| adaptive(b, args, 1, false)),
    entry("adaptive_max_pool2d", ADAPTIVE, |b, args| adaptive(b, args, 2, false)),
];

/// What it takes, which must have a batch dimension and channels.
fn taken(b: &mut Builder<'_>, args: &Args<'_>, dimensions: usize) -> Result<Value, String> {
    let x = b.tensor(args, "self")?;
    if x.rank() == dimensions + 2 { Ok(x) } else { Err("it takes a tensor without a batch dimension".to_owned()) }
}

/// Parameters that both kinds have: sizes of the window, its steps, padding.
fn window(args: &Args<'_>, dimensions: usize) -> Result<Vec<(&'static str, Param<'static>)>, String> {
    let kernel = args.per_dimension("kernel_size", dimensions, 1)?;
    let strides = match args.ints("stride")?.is_empty() {
        true => kernel.clone(),
        false => args.per_dimension("stride", dimensions, 1)?,
    };
    let pad = args.per_dimension("padding", dimensions, 0)?;
    Ok(vec![
        ("kernel_sizes", Param::Ints(kernel)),
        ("strides", Param::Ints(strides)),
        ("pad_type", Param::Text("custom")),
        ("pad", Param::Ints(pad.into_iter().flat_map(|pad| [pad, pad]).collect())),
        ("ceil_mode", Param::Bool(args.bool("ceil_mode", false)?)),
    ])
}

fn largest(b: &mut Builder<'_>, args: &Args<'_>, dimensions: usize) -> Values {
    let x = taken(b, args, dimensions)?;
    if args.per_dimension("dilation", dimensions, 1)?.iter().any(|dilation| *dilation != 1) {
        return Err("its argument `dilation` can only be 1".to_owned());
    }
    let mut parameters = window(args, dimensions)?;
    parameters.push(("x", Param::Value(&x)));
    Ok(vec![b.op("max_pool", parameters)?])
}

fn average(b: &mut Builder<'_>, args: &Args<'_>, dimensions: usize) -> Values {
    let x = taken(b, args, dimensions)?;
    if args.has("divisor_override") {
        return Err("its argument `divisor_override` is not converted".to_owned());
    }
    // What a window that reaches beyond the padding divides by is not the same in PyTorch and Core ML.
    args.expect_bool("ceil_mode", false)?;
    let includes = args.bool("count_include_pad", true)?;
    let mut parameters = window(args, dimensions)?;
    parameters.push(("exclude_padding_from_average", Param::Bool(!includes)));
    parameters.push(("x", Param::Value(&x)));
    Ok(vec![b.op("avg_pool", parameters)?])
}

fn adaptive(b: &mut Builder<'_>, args: &Args<'_>, dimensions: usize, is_average: bool) -> Values {
    let x = taken(b, args, dimensions)?;
    let wanted = args.ints_if("output_size")?.ok_or("its argument `output_size` leaves sizes as they are")?;
    let wanted = if wanted.len() == 1 { vec![wanted[0]; dimensions] } else { wanted };
    if wanted.iter().all(|size| *size == 1) {
        let axes = (-i64::try_from(dimensions).unwrap_or(0)..0).collect();
        let kind = if is_average { "reduce_mean" } else { "reduce_max" };
        let parameters = vec![("x", Param::Value(&x)), ("axes", Param::Ints(axes)), ("keep_dims", Param::Bool(true))];
        return Ok(vec![b.op(kind, parameters)?]);
    }
    let mut kernel = Vec::with_capacity(dimensions);
    for (axis, wanted) in wanted.iter().enumerate() {
        let have = x.size(axis + 2).ok_or("it needs sizes that are known only when the program runs")?;
        if *wanted <= 0 || have % wanted != 0 {
            return Err(format!("windows of different sizes would make {wanted} of {have}, which is not converted"));
        }
        kernel.push(have / wanted);
    }
    let mut parameters = vec![
        ("x", Param::Value(&x)),
        ("kernel_sizes", Param::Ints(kernel.clone())),
        ("strides", Param::Ints(kernel)),
        ("pad_type", Param::Text("valid")),
    ];
    if is_average {
        parameters.push(("exclude_padding_from_average", Param::Bool(true)));
    }
    Ok(vec![b.op(if is_average { "avg_pool" } else { "max_pool" }, parameters)?])
}
