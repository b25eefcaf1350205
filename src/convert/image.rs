//! Images in other sizes, channels spread over pixels, pixels at given places.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::resample::{Filter, Grid};
use super::shape::transposed;
use super::table::{Entry, entry, plain_name};
use crate::graph::aten::{Argument, Dim, Expr};
use crate::graph::function::Opset;

const NEAREST: &[&str] =
    &["input", "self", "output_size", "scale_factors", "scales", "scales_d", "scales_h", "scales_w"];
const LINEAR: &[&str] =
    &["input", "self", "output_size", "align_corners", "scale_factors", "scales", "scales_h", "scales_w"];

pub(super) static OPERATORS: &[Entry] = &[
    entry("upsample_nearest1d", NEAREST, |b, args| nearest(b, args, 1)),
    entry("upsample_nearest2d", NEAREST, |b, args| nearest(b, args, 2)),
    entry("upsample_nearest3d", NEAREST, |b, args| nearest(b, args, 3)),
    entry("_upsample_nearest_exact1d", NEAREST, |b, args| nearest(b, args, 1)),
    entry("_upsample_nearest_exact2d", NEAREST, |b, args| nearest(b, args, 2)),
    entry("_upsample_nearest_exact3d", NEAREST, |b, args| nearest(b, args, 3)),
    entry("upsample_linear1d", LINEAR, |b, args| interpolated(b, args, 1, Filter::Linear)),
    entry("upsample_bilinear2d", LINEAR, |b, args| interpolated(b, args, 2, Filter::Linear)),
    entry("upsample_bicubic2d", LINEAR, |b, args| interpolated(b, args, 2, Filter::Cubic)),
    entry("_upsample_bilinear2d_aa", LINEAR, |b, args| interpolated(b, args, 2, Filter::Linear)),
    entry("_upsample_bicubic2d_aa", LINEAR, |b, args| interpolated(b, args, 2, Filter::Cubic)),
    entry("pixel_shuffle", &["self", "upscale_factor"], pixel_shuffle),
    entry("pixel_unshuffle", &["self", "downscale_factor"], pixel_unshuffle),
    entry("channel_shuffle", &["self", "groups"], channel_shuffle),
    entry("native_channel_shuffle", &["self", "groups"], channel_shuffle),
    entry("grid_sampler", &["input", "grid", "interpolation_mode", "padding_mode", "align_corners"], grid_sampler),
    entry("grid_sampler_2d", &["input", "grid", "interpolation_mode", "padding_mode", "align_corners"], grid_sampler),
];

/// What an image's sizes become.
enum Growth {
    /// Each by a whole number.
    Whole(Vec<i64>),
    /// Anyhow.
    Any(Vec<Grid>),
}

/// A size as a number times something, if it is not fixed.
fn factored(dim: &Dim) -> (i64, Option<Vec<Expr>>) {
    match dim {
        Dim::Known(size) => (i64::try_from(*size).unwrap_or(0), None),
        Dim::Symbolic { expr: Expr::Call(function, arguments), .. } if &**function == "Mul" => {
            let is_number = |one: &&Expr| matches!(one, Expr::Int(_));
            let number = arguments.iter().filter(is_number).try_fold(1i64, |all, one| match one {
                Expr::Int(number) => all.checked_mul(*number),
                _ => None,
            });
            (number.unwrap_or(0), Some(arguments.iter().filter(|one| !is_number(one)).cloned().collect()))
        }
        Dim::Symbolic { expr, .. } => (1, Some(vec![expr.clone()])),
    }
}

/// The image, and how its last dimensions grow.
fn growth(b: &mut Builder<'_>, args: &Args<'_>, dimensions: usize) -> Result<(Value, Growth), String> {
    let name = if args.has("input") { "input" } else { "self" };
    let x = b.tensor(args, name)?;
    if x.rank() != dimensions + 2 {
        return Err("it takes a tensor without a batch dimension".to_owned());
    }
    let corners = args.bool("align_corners", false)?;
    let scales = match args.get("scale_factors") {
        Some(Argument::Floats(scales)) => scales.iter().copied().map(Some).collect(),
        Some(_) => return Err("its argument `scale_factors` is no list of numbers".to_owned()),
        None => {
            let names: &[&str] = match dimensions {
                1 => &["scales"],
                2 => &["scales_h", "scales_w"],
                _ => &["scales_d", "scales_h", "scales_w"],
            };
            let scale = |name: &&str| Ok(args.number_if(name)?.map(super::args::Number::value));
            names.iter().map(scale).collect::<Result<Vec<_>, String>>()?
        }
    };
    let given = args.id(name).and_then(|id| args.graph.tensor(id)).ok_or("it takes what is no tensor")?;
    let declared = &args.output(0)?.shape;
    let (mut whole, mut grids) = (Vec::new(), Vec::new());
    for at in 0..dimensions {
        let (Some(from), Some(to)) = (given.shape.get(at + 2), declared.get(at + 2)) else {
            return Err("it needs as many sizes as there are dimensions".to_owned());
        };
        let scale = scales.get(at).copied().flatten();
        let ((have, of), (want, what)) = (factored(from), factored(to));
        let is_whole = scale.is_none_or(|scale| scale.fract() == 0.0);
        let factor = want.checked_div(have).filter(|_| is_whole && of == what && want % have == 0);
        whole.extend(factor.filter(|factor| scale.is_none_or(|scale| scale == *factor as f64)));
        let fixed = |dim: &Dim| dim.known().and_then(|size| i64::try_from(size).ok());
        if let (Some(from), Some(to)) = (fixed(from), fixed(to)) {
            grids.push(Grid { from, to, corners, scale });
        }
    }
    if whole.len() == dimensions {
        return Ok((x, Growth::Whole(whole)));
    }
    match grids.len() == dimensions {
        true => Ok((x, Growth::Any(grids))),
        false => Err("it needs sizes that are known only when the program runs".to_owned()),
    }
}

fn nearest(b: &mut Builder<'_>, args: &Args<'_>, dimensions: usize) -> Values {
    let (mut x, growth) = growth(b, args, dimensions)?;
    let exact = plain_name(&args.node.operator).starts_with("_upsample_nearest_exact");
    let grids = match growth {
        // Whole numbers leave no doubt what is nearest.
        Growth::Whole(factors) if dimensions == 2 => {
            let parameters = vec![
                ("x", Param::Value(&x)),
                ("scale_factor_height", Param::Float(factors[0] as f64)),
                ("scale_factor_width", Param::Float(factors[1] as f64)),
            ];
            return Ok(vec![b.op("upsample_nearest_neighbor", parameters)?]);
        }
        Growth::Whole(factors) => {
            for (at, factor) in factors.into_iter().enumerate() {
                x = super::shape::repeated(b, &x, at + 2, factor)?;
            }
            return Ok(vec![x]);
        }
        Growth::Any(grids) => grids,
    };
    for (at, grid) in grids.into_iter().enumerate() {
        x = b.picked(&x, at + 2, &grid.nearest(exact)?)?;
    }
    Ok(vec![x])
}

fn interpolated(b: &mut Builder<'_>, args: &Args<'_>, dimensions: usize, filter: Filter) -> Values {
    let (x, growth) = growth(b, args, dimensions)?;
    let align = args.bool("align_corners", false)?;
    let is_smooth = plain_name(&args.node.operator).ends_with("_aa");
    let grids = match growth {
        Growth::Whole(factors) if dimensions == 2 && filter == Filter::Linear && !is_smooth => {
            let mut parameters = vec![
                ("x", Param::Value(&x)),
                ("scale_factor_height", Param::Float(factors[0] as f64)),
                ("scale_factor_width", Param::Float(factors[1] as f64)),
                ("align_corners", Param::Bool(align)),
            ];
            if b.set >= Opset::CoreML6 {
                parameters.push(("half_pixel_centers", Param::Bool(!align)));
            }
            return Ok(vec![b.op("upsample_bilinear", parameters)?]);
        }
        Growth::Any(grids) => grids,
        Growth::Whole(factors) => {
            let grid = |(at, factor): (usize, &i64)| {
                let from = x.size(at + 2).ok_or("it needs sizes that are known only when the program runs")?;
                Ok(Grid { from, to: from.saturating_mul(*factor), corners: align, scale: None })
            };
            factors.iter().enumerate().map(grid).collect::<Result<Vec<_>, String>>()?
        }
    };
    let by_sizes =
        |grid: &Grid| grid.corners || grid.scale.is_none_or(|scale| scale * grid.from as f64 == grid.to as f64);
    if dimensions == 2 && filter == Filter::Linear && !is_smooth && grids.iter().all(by_sizes) {
        // What Core ML documents of the two ways of sampling is what PyTorch computes.
        let mode = if align { "STRICT_ALIGN_CORNERS" } else { "UNALIGN_CORNERS" };
        let parameters = vec![
            ("x", Param::Value(&x)),
            ("target_size_height", Param::Int(grids[0].to)),
            ("target_size_width", Param::Int(grids[1].to)),
            ("sampling_mode", Param::Text(mode)),
        ];
        return Ok(vec![b.op("resize_bilinear", parameters)?]);
    }
    let mut x = x;
    for (at, grid) in grids.iter().enumerate() {
        let matrix = if is_smooth { grid.smooth(filter)? } else { grid.matrix(filter)? };
        x = b.remade(&x, dimensions - at, &matrix)?;
    }
    Ok(vec![x])
}

fn pixel_shuffle(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let factor = args.int("upscale_factor", 1)?;
    let parameters = vec![("x", Param::Value(&x)), ("upscale_factor", Param::Int(factor))];
    Ok(vec![b.op("pixel_shuffle", parameters)?])
}

/// Sizes of images in batches, all but the batch fixed.
fn image_sizes(x: &Value) -> Result<[i64; 3], String> {
    match (x.rank(), x.size(1), x.size(2), x.size(3)) {
        (4, Some(channels), Some(height), Some(width)) => Ok([channels, height, width]),
        (4, ..) => Err("it needs sizes that are known only when the program runs".to_owned()),
        _ => Err("it takes a tensor without a batch dimension".to_owned()),
    }
}

fn pixel_unshuffle(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let factor = args.int("downscale_factor", 1)?;
    let [channels, height, width] = image_sizes(&x)?;
    if factor < 1 || height % factor != 0 || width % factor != 0 {
        return Err(format!("{height} by {width} pixels do not fall into squares of {factor}"));
    }
    let batch = x.size(0).unwrap_or(-1);
    let many = |b: &mut Builder<'_>| -> One {
        // Core ML has tensors of five dimensions: rows first, then columns.
        let rows = b.reshape(&x, vec![batch, channels, height / factor, factor, width])?;
        let rows = transposed(b, &rows, vec![0, 1, 3, 2, 4])?;
        let merged = channels * factor;
        let rows = b.reshape(&rows, vec![batch, merged, height / factor, width / factor, factor])?;
        let columns = transposed(b, &rows, vec![0, 1, 4, 2, 3])?;
        b.reshape(&columns, vec![batch, merged * factor, height / factor, width / factor])
    };
    Ok(vec![many(b)?])
}

/// Channels dealt out from groups.
fn channel_shuffle(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let groups = args.int("groups", 1)?;
    let [channels, height, width] = image_sizes(&x)?;
    if groups < 1 || channels % groups != 0 {
        return Err(format!("{channels} channels do not make {groups} groups"));
    }
    let batch = x.size(0).unwrap_or(-1);
    let grouped = b.reshape(&x, vec![batch, groups, channels / groups, height, width])?;
    let dealt = transposed(b, &grouped, vec![0, 2, 1, 3, 4])?;
    Ok(vec![b.reshape(&dealt, vec![batch, channels, height, width])?])
}

fn grid_sampler(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, grid) = (b.tensor(args, "input")?, b.tensor(args, "grid")?);
    let corners = args.bool("align_corners", false)?;
    let sampling = match args.int("interpolation_mode", 0)? {
        0 => "bilinear",
        1 => "nearest",
        _ => return Err("it samples by cubic curves, which is not converted".to_owned()),
    };
    let padding = match (args.int("padding_mode", 0)?, corners) {
        (0, _) => "constant",
        (1, _) => "border",
        (2, true) => "reflection",
        (2, false) => "symmetric",
        _ => return Err("its argument `padding_mode` is not known".to_owned()),
    };
    if x.rank() != 4 {
        return Err("it samples bodies, which is not converted".to_owned());
    }
    let parameters = vec![
        ("x", Param::Value(&x)),
        ("coordinates", Param::Value(&grid)),
        ("sampling_mode", Param::Text(sampling)),
        ("padding_mode", Param::Text(padding)),
        ("padding_value", Param::Float(0.0)),
        ("coordinates_mode", Param::Text("normalized_minus_one_to_one")),
        ("align_corners", Param::Bool(corners)),
    ];
    Ok(vec![b.op("resample", parameters)?])
}
