//! Pooling.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::elementwise::scaled;
use super::resample::averages;
use super::sizes::few;
use super::slices::part;
use super::table::{Entry, entry};

const MAX: &[&str] = &["self", "kernel_size", "stride", "padding", "dilation", "ceil_mode"];
const AVERAGE: &[&str] =
    &["self", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"];
const ADAPTIVE: &[&str] = &["self", "output_size"];

pub(super) static OPERATORS: &[Entry] = &[
    entry("max_pool1d", MAX, |b, args| batched(b, args, 1, largest)),
    entry("max_pool2d", MAX, |b, args| batched(b, args, 2, largest)),
    entry("max_pool3d", MAX, |b, args| batched(b, args, 3, largest)),
    entry("max_pool2d_with_indices", MAX, |b, args| batched(b, args, 2, largest)),
    entry("avg_pool1d", AVERAGE, |b, args| batched(b, args, 1, average)),
    entry("avg_pool2d", AVERAGE, |b, args| batched(b, args, 2, average)),
    entry("avg_pool3d", AVERAGE, |b, args| batched(b, args, 3, average)),
    entry("adaptive_avg_pool1d", ADAPTIVE, |b, args| batched(b, args, 1, adaptive_average)),
    entry("adaptive_avg_pool2d", ADAPTIVE, |b, args| batched(b, args, 2, adaptive_average)),
    entry("_adaptive_avg_pool2d", ADAPTIVE, |b, args| batched(b, args, 2, adaptive_average)),
    entry("adaptive_avg_pool3d", ADAPTIVE, |b, args| batched(b, args, 3, adaptive_average)),
    entry("adaptive_max_pool1d", ADAPTIVE, |b, args| batched(b, args, 1, adaptive_largest)),
    entry("adaptive_max_pool2d", ADAPTIVE, |b, args| batched(b, args, 2, adaptive_largest)),
];

/// A pooling of what has a batch dimension and channels.
type Pooling = fn(&mut Builder<'_>, &Args<'_>, &Value, usize) -> One;

/// Gives a pooling what it takes, with a batch dimension.
fn batched(b: &mut Builder<'_>, args: &Args<'_>, dimensions: usize, pooling: Pooling) -> Values {
    let x = b.tensor(args, "self")?;
    if x.rank() == dimensions + 1 {
        let x = b.wide(&x, 0)?;
        let value = pooling(b, args, &x, dimensions)?;
        return Ok(vec![b.narrow(&value, vec![0])?]);
    }
    if x.rank() != dimensions + 2 {
        return Err("it takes a tensor of another number of dimensions".to_owned());
    }
    Ok(vec![pooling(b, args, &x, dimensions)?])
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

fn largest(b: &mut Builder<'_>, args: &Args<'_>, x: &Value, dimensions: usize) -> One {
    if args.per_dimension("dilation", dimensions, 1)?.iter().any(|dilation| *dilation != 1) {
        return Err("its argument `dilation` can only be 1".to_owned());
    }
    let mut parameters = window(args, dimensions)?;
    parameters.push(("x", Param::Value(x)));
    b.op("max_pool", parameters)
}

fn average(b: &mut Builder<'_>, args: &Args<'_>, x: &Value, dimensions: usize) -> One {
    let includes = args.bool("count_include_pad", true)?;
    let divisor = args.number_if("divisor_override")?.map(super::args::Number::value);
    if args.bool("ceil_mode", false)?
        && let Some(value) = average_beyond(b, args, x, (dimensions, includes, divisor))?
    {
        return Ok(value);
    }
    let kernel = args.per_dimension("kernel_size", dimensions, 1)?;
    let mut parameters: Vec<_> =
        window(args, dimensions)?.into_iter().filter(|(name, _)| *name != "ceil_mode").collect();
    parameters.push(("ceil_mode", Param::Bool(false)));
    // A divisor of its own is that of whole windows, and another factor.
    parameters.push(("exclude_padding_from_average", Param::Bool(!includes && divisor.is_none())));
    parameters.push(("x", Param::Value(x)));
    let value = b.op("avg_pool", parameters)?;
    match divisor {
        Some(divisor) => scaled(b, &value, kernel.iter().product::<i64>() as f64 / divisor),
        None => Ok(value),
    }
}

/// An average whose last windows reach beyond the padding, where Core ML divides by another number than PyTorch: as
/// products with matrices. `None` where no window does.
fn average_beyond(
    b: &mut Builder<'_>,
    args: &Args<'_>,
    x: &Value,
    (dimensions, includes, divisor): (usize, bool, Option<f64>),
) -> Result<Option<Value>, String> {
    let kernel = args.per_dimension("kernel_size", dimensions, 1)?;
    let stride = match args.ints("stride")?.is_empty() {
        true => kernel.clone(),
        false => args.per_dimension("stride", dimensions, 1)?,
    };
    let pad = args.per_dimension("padding", dimensions, 0)?;
    let declared = args.output(0)?;
    let offset = declared.shape.len().checked_sub(dimensions).ok_or("it gives too few dimensions")?;
    let (mut matrices, mut reaches) = (Vec::new(), false);
    for at in 0..dimensions {
        let have = x.size(at + 2).ok_or("it needs sizes that are known only when the program runs")?;
        let count = declared.shape.get(at + offset).and_then(crate::graph::aten::Dim::known).unwrap_or(0);
        let count = few(i64::try_from(count).ok())?;
        few(Some(have))?;
        let windows: Vec<(i64, i64, i64)> = (0..count)
            .map(|new| {
                let begin = new.saturating_mul(stride[at]).saturating_sub(pad[at]);
                let (end, last) = (begin.saturating_add(kernel[at]), have.saturating_add(pad[at]));
                reaches |= end > last;
                let end = end.min(last);
                let inside = (begin.max(0), end.min(have));
                let by = match divisor {
                    Some(_) => 1,
                    None if includes => end - begin,
                    None => inside.1 - inside.0,
                };
                (inside.0, inside.1, by.max(1))
            })
            .collect();
        matrices.push(averages(have, &windows)?);
    }
    if !reaches {
        return Ok(None);
    }
    if dimensions > 2 {
        return Err("windows that reach beyond the padding are not converted in three dimensions".to_owned());
    }
    let mut value = x.clone();
    for (at, matrix) in matrices.iter().enumerate() {
        value = b.remade(&value, dimensions - at, matrix)?;
    }
    Ok(Some(match divisor {
        Some(divisor) => scaled(b, &value, 1.0 / divisor)?,
        None => value,
    }))
}

fn adaptive_average(b: &mut Builder<'_>, args: &Args<'_>, x: &Value, dimensions: usize) -> One {
    adaptive(b, args, x, (dimensions, true))
}

fn adaptive_largest(b: &mut Builder<'_>, args: &Args<'_>, x: &Value, dimensions: usize) -> One {
    adaptive(b, args, x, (dimensions, false))
}

fn adaptive(b: &mut Builder<'_>, args: &Args<'_>, x: &Value, (dimensions, is_average): (usize, bool)) -> One {
    let wanted = args.ints_if("output_size")?.ok_or("its argument `output_size` leaves sizes as they are")?;
    let wanted = if wanted.len() == 1 { vec![wanted[0]; dimensions] } else { wanted };
    if wanted.iter().all(|size| *size == 1) {
        let axes = (-i64::try_from(dimensions).unwrap_or(0)..0).collect();
        let kind = if is_average { "reduce_mean" } else { "reduce_max" };
        return b.op(kind, vec![("x", Param::Value(x)), ("axes", Param::Ints(axes)), ("keep_dims", Param::Bool(true))]);
    }
    let (mut kernel, mut is_even) = (Vec::with_capacity(dimensions), true);
    for (axis, wanted) in wanted.iter().enumerate() {
        let have = x.size(axis + 2).ok_or("it needs sizes that are known only when the program runs")?;
        if *wanted <= 0 {
            return Err("it gives an empty tensor, which Core ML has not".to_owned());
        }
        is_even &= have % wanted == 0;
        kernel.push(have / wanted);
    }
    if !is_even {
        return uneven(b, x, &wanted, is_average);
    }
    let mut parameters = vec![
        ("x", Param::Value(x)),
        ("kernel_sizes", Param::Ints(kernel.clone())),
        ("strides", Param::Ints(kernel)),
        ("pad_type", Param::Text("valid")),
    ];
    if is_average {
        parameters.push(("exclude_padding_from_average", Param::Bool(true)));
    }
    b.op(if is_average { "avg_pool" } else { "max_pool" }, parameters)
}

/// The most windows along a dimension that are written one by one.
const MAX_WINDOWS: i64 = 64;

/// Windows of different sizes, which overlap: averages as products with matrices, the largest of each window for itself.
fn uneven(b: &mut Builder<'_>, x: &Value, wanted: &[i64], is_average: bool) -> One {
    let mut value = x.clone();
    for (at, wanted) in wanted.iter().enumerate() {
        let axis = at + 2;
        let have = x.size(axis).ok_or("it needs sizes that are known only when the program runs")?;
        few(have.checked_mul(*wanted))?;
        let windows: Vec<(i64, i64)> =
            (0..*wanted).map(|new| (new * have / wanted, ((new + 1) * have + wanted - 1) / wanted)).collect();
        let from_end = x.rank() - axis;
        if is_average && from_end <= 2 {
            let windows: Vec<_> = windows.iter().map(|(begin, end)| (*begin, *end, end - begin)).collect();
            value = b.remade(&value, from_end, &averages(have, &windows)?)?;
            continue;
        }
        if *wanted > MAX_WINDOWS {
            return Err(format!("windows of different sizes would make {wanted} of {have}, which is not converted"));
        }
        let mut all = Vec::with_capacity(windows.len());
        for (begin, end) in windows {
            let one = part(b, &value, axis, (begin, Some(end), 1))?;
            let kind = if is_average { "reduce_mean" } else { "reduce_max" };
            let axes = Param::Ints(vec![axis as i64]);
            all.push(b.op(kind, vec![("x", Param::Value(&one)), ("axes", axes), ("keep_dims", Param::Bool(true))])?);
        }
        value = b.joined(&all, axis)?;
    }
    Ok(value)
}
