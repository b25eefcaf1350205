//! Padding, and windows that move over tensors.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::indexing::scattered;
use super::shape::transposed;
use super::sizes::few;
use super::slices::part;
use super::table::{Entry, entry};
use crate::graph::ElementType;
use crate::graph::aten::Dim;

const WINDOWS: &[&str] = &["self", "output_size", "kernel_size", "dilation", "padding", "stride"];

pub(super) static OPERATORS: &[Entry] = &[
    entry("pad", &["self", "pad", "mode", "value"], pad),
    entry("constant_pad_nd", &["self", "pad", "value"], pad),
    entry("reflection_pad1d", &["self", "padding"], |b, args| padded_as(b, args, "reflect")),
    entry("reflection_pad2d", &["self", "padding"], |b, args| padded_as(b, args, "reflect")),
    entry("reflection_pad3d", &["self", "padding"], |b, args| padded_as(b, args, "reflect")),
    entry("replication_pad1d", &["self", "padding"], |b, args| padded_as(b, args, "replicate")),
    entry("replication_pad2d", &["self", "padding"], |b, args| padded_as(b, args, "replicate")),
    entry("replication_pad3d", &["self", "padding"], |b, args| padded_as(b, args, "replicate")),
    entry("unfold", &["self", "dimension", "size", "step"], unfold),
    entry("im2col", WINDOWS, im2col),
    entry("col2im", WINDOWS, col2im),
];

fn pad(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let value = args.number_if("value")?.map_or(0.0, super::args::Number::value);
    Ok(vec![padded(b, &x, &args.ints("pad")?, args.text("mode").unwrap_or("constant"), value)?])
}

fn padded_as(b: &mut Builder<'_>, args: &Args<'_>, mode: &str) -> Values {
    let x = b.tensor(args, "self")?;
    Ok(vec![padded(b, &x, &args.ints("padding")?, mode, 0.0)?])
}

/// A tensor with more elements at the ends of its last dimensions. As in PyTorch, what is at the last dimension stands
/// first, before and behind; negative numbers cut off.
fn padded(b: &mut Builder<'_>, x: &Value, given: &[i64], mode: &str, value: f64) -> One {
    if !given.len().is_multiple_of(2) || given.len() / 2 > x.rank() {
        return Err("its argument `pad` does not go with the dimensions".to_owned());
    }
    let mut x = x.clone();
    for (at, pair) in given.chunks_exact(2).enumerate() {
        let axis = x.rank() - 1 - at;
        if pair.iter().any(|size| *size < 0) {
            let begin = pair[0].saturating_neg().max(0);
            let end = if pair[1] < 0 { Some(pair[1]) } else { None };
            let left = x.size(axis).map(|size| size.saturating_add(pair[0].min(0)).saturating_add(pair[1].min(0)));
            if left.is_some_and(|left| left < 1) {
                return Err("it gives an empty tensor, which Core ML has not".to_owned());
            }
            x = part(b, &x, axis, (begin, end, 1))?;
        }
    }
    let given: Vec<i64> = given.iter().map(|size| (*size).max(0)).collect();
    if given.iter().all(|size| *size == 0) {
        return Ok(x);
    }
    let pairs: Vec<(usize, i64, i64)> = given
        .chunks_exact(2)
        .enumerate()
        .filter(|(_, pair)| pair.iter().any(|size| *size > 0))
        .map(|(at, pair)| (x.rank() - 1 - at, pair[0], pair[1]))
        .collect();
    let own = match mode {
        "constant" if x.element() != ElementType::Fp32 => return joined_with(b, x, &pairs, value),
        "constant" => "constant",
        "reflect" if given.len() <= 4 => "reflect",
        "replicate" if given.len() <= 4 => "replicate",
        "reflect" | "replicate" | "circular" => {
            for (axis, before, behind) in pairs {
                let places = continued(&x, axis, (before, behind), mode)?;
                x = b.picked(&x, axis, &places)?;
            }
            return Ok(x);
        }
        _ => return Err("its argument `mode` is no known word".to_owned()),
    };
    // The operator takes padding for the last dimensions, the outermost of them first; for constants at most those
    // that are padded.
    let pads: Vec<i64> = given.chunks(2).rev().flatten().copied().collect();
    let mut parameters = vec![("x", Param::Value(&x)), ("pad", Param::Ints(pads)), ("mode", Param::Text(own))];
    if own == "constant" {
        parameters.push(("constant_val", Param::Float(value)));
    }
    b.op("pad", parameters)
}

/// Integers and truth values with constants beside them, which Core ML pads floats with only.
fn joined_with(b: &mut Builder<'_>, mut x: Value, pairs: &[(usize, i64, i64)], value: f64) -> One {
    for (axis, before, behind) in pairs {
        let mut parts = Vec::new();
        for (at, size) in [before, behind].into_iter().enumerate() {
            if at == 1 {
                parts.push(x.clone());
            }
            if *size == 0 {
                continue;
            }
            let mut sizes = x.sizes()?;
            sizes[*axis] = *size;
            let value = b.scalar(value, x.element())?;
            let dims: Option<Vec<Dim>> =
                sizes.iter().map(|size| Some(Dim::Known(u64::try_from(*size).ok()?))).collect();
            parts.push(b.spread(&value, &dims.ok_or("it has a negative size")?)?);
        }
        x = b.joined(&parts, *axis)?;
    }
    Ok(x)
}

/// The elements of a dimension that is continued at both ends.
fn continued(x: &Value, axis: usize, (before, behind): (i64, i64), mode: &str) -> Result<Vec<i64>, String> {
    let size = x.size(axis).ok_or("it continues a dimension whose size is known only when the program runs")?;
    few(size.checked_add(before).and_then(|all| all.checked_add(behind)))?;
    if size < 1 {
        return Err("it continues an empty dimension".to_owned());
    }
    let place = |at: i64| match mode {
        "circular" => at.rem_euclid(size),
        "replicate" => at.clamp(0, size - 1),
        _ => {
            let span = (2 * (size - 1)).max(1);
            let at = at.rem_euclid(span);
            if at >= size { span - at } else { at }
        }
    };
    Ok((-before..size + behind).map(place).collect())
}

/// Windows along a dimension; their elements become the last one.
fn unfold(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let axis = x.axis(args.int("dimension", 0)?)?;
    let (size, step) = (args.int("size", 1)?, args.int("step", 1)?);
    let parameters = vec![
        ("x", Param::Value(&x)),
        ("axis", Param::Int(axis as i64)),
        ("size", Param::Int(size)),
        ("stride", Param::Int(step)),
    ];
    let windows = b.op("sliding_windows", parameters)?;
    let mut order: Vec<usize> = (0..windows.rank()).filter(|at| *at != axis + 1).collect();
    order.push(axis + 1);
    Ok(vec![transposed(b, &windows, order)?])
}

/// Windows over the pixels of images.
struct Windows {
    kernel: [i64; 2],
    padding: [i64; 2],
    /// Sizes with padding.
    padded: [i64; 2],
    /// For each element of a window, then for each window, the pixel.
    places: Vec<i64>,
}

fn windows(args: &Args<'_>, sizes: [i64; 2]) -> Result<Windows, String> {
    let pair = |name: &str, default: i64| -> Result<[i64; 2], String> {
        let all = args.per_dimension(name, 2, default)?;
        Ok([all[0], all[1]])
    };
    let (kernel, stride) = (pair("kernel_size", 1)?, pair("stride", 1)?);
    let (padding, dilation) = (pair("padding", 0)?, pair("dilation", 1)?);
    let mut padded = [0; 2];
    for at in 0..2 {
        few(Some(sizes[at]))?;
        padded[at] = few(sizes[at].checked_add(padding[at].saturating_mul(2)))?;
    }
    let mut counts = [0; 2];
    for at in 0..2 {
        let span = dilation[at].saturating_mul(kernel[at].saturating_sub(1)).saturating_add(1);
        if kernel[at] < 1 || stride[at] < 1 || dilation[at] < 1 || padding[at] < 0 || span > padded[at] {
            return Err("its windows do not go with the images".to_owned());
        }
        counts[at] = (padded[at] - span) / stride[at] + 1;
    }
    let total = kernel.iter().chain(&counts).try_fold(1i64, |all, size| all.checked_mul(*size));
    few(total)?;
    let mut places = Vec::new();
    for (ky, kx) in (0..kernel[0]).flat_map(|ky| (0..kernel[1]).map(move |kx| (ky, kx))) {
        for (y, x) in (0..counts[0]).flat_map(|y| (0..counts[1]).map(move |x| (y, x))) {
            places.push((y * stride[0] + ky * dilation[0]) * padded[1] + x * stride[1] + kx * dilation[1]);
        }
    }
    Ok(Windows { kernel, padding, padded, places })
}

fn fixed(dim: Option<i64>) -> Result<i64, String> {
    dim.ok_or_else(|| "it needs sizes that are known only when the program runs".to_owned())
}

fn im2col(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    if x.rank() != 4 {
        return Err("it takes a tensor without a batch dimension".to_owned());
    }
    let (channels, sizes) = (fixed(x.size(1))?, [fixed(x.size(2))?, fixed(x.size(3))?]);
    let windows = windows(args, sizes)?;
    let [y, z] = windows.padding;
    let wide = padded(b, &x, &[z, z, y, y], "constant", 0.0)?;
    let batch = x.size(0).unwrap_or(-1);
    let flat = b.reshape(&wide, vec![batch, channels, windows.padded[0] * windows.padded[1]])?;
    let taken = b.picked(&flat, 2, &windows.places)?;
    let rows = channels * windows.kernel[0] * windows.kernel[1];
    let columns = i64::try_from(windows.places.len()).unwrap_or(0) / (windows.kernel[0] * windows.kernel[1]);
    Ok(vec![b.reshape(&taken, vec![batch, rows, columns])?])
}

/// Windows added up to images.
fn col2im(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let size = args.per_dimension("output_size", 2, 1)?;
    if x.rank() != 3 {
        return Err("it takes a tensor without a batch dimension".to_owned());
    }
    let windows = windows(args, [size[0], size[1]])?;
    let batch = fixed(x.size(0))?;
    let channels = fixed(x.size(1))? / (windows.kernel[0] * windows.kernel[1]);
    let count = i64::try_from(windows.places.len()).unwrap_or(0);
    let new = b.reshape(&x, vec![batch, channels, count])?;
    let area = windows.padded[0] * windows.padded[1];
    let shape = b.ints(&[batch, channels, area])?;
    let zeros = b.op("fill", vec![("shape", Param::Value(&shape)), ("value", Param::Float(0.0))])?;
    let places = b.ints(&windows.places)?;
    let sum = scattered(b, &zeros, &places, &new, (2, "add"))?;
    let mut image = b.reshape(&sum, vec![batch, channels, windows.padded[0], windows.padded[1]])?;
    for (at, (padding, size)) in windows.padding.iter().zip(&size).enumerate() {
        if *padding > 0 {
            image = part(b, &image, at + 2, (*padding, Some(padding + size), 1))?;
        }
    }
    Ok(vec![image])
}
