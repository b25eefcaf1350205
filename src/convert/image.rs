//! Images made larger, channels spread over pixels.

use super::args::Args;
use super::builder::{Builder, Param, Value, Values};
use super::table::{Entry, entry};
use crate::graph::aten::Argument;

pub(super) static OPERATORS: &[Entry] = &[
    entry("upsample_nearest2d", &["input", "self", "output_size", "scale_factors", "scales_h", "scales_w"], nearest),
    entry(
        "upsample_bilinear2d",
        &["input", "self", "output_size", "align_corners", "scale_factors", "scales_h", "scales_w"],
        bilinear,
    ),
    entry("pixel_shuffle", &["self", "upscale_factor"], pixel_shuffle),
];

/// The image and by how much it grows, which must be whole numbers.
fn growth(b: &mut Builder<'_>, args: &Args<'_>) -> Result<(Value, [i64; 2]), String> {
    let x = b.tensor(args, if args.has("input") { "input" } else { "self" })?;
    // A scale that is given is what PyTorch reckons with, not the sizes; for whole numbers both are the same.
    if let Some(Argument::Floats(scales)) = args.get("scale_factors")
        && scales.iter().any(|scale| scale.fract() != 0.0)
    {
        return Err("it grows by a factor that is no whole number, which is not converted".to_owned());
    }
    let declared = &args.output(0)?.shape;
    let mut factors = [1, 1];
    for (at, factor) in factors.iter_mut().enumerate() {
        let wanted = declared.get(at + 2).and_then(|dim| dim.known()).and_then(|size| i64::try_from(size).ok());
        let (Some(have), Some(wanted)) = (x.size(at + 2), wanted) else {
            return Err("it needs sizes that are known only when the program runs".to_owned());
        };
        if have == 0 || wanted % have != 0 {
            return Err("it grows by a factor that is no whole number, which is not converted".to_owned());
        }
        *factor = wanted / have;
    }
    Ok((x, factors))
}

fn nearest(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, [height, width]) = growth(b, args)?;
    let parameters = vec![
        ("x", Param::Value(&x)),
        ("scale_factor_height", Param::Float(height as f64)),
        ("scale_factor_width", Param::Float(width as f64)),
    ];
    Ok(vec![b.op("upsample_nearest_neighbor", parameters)?])
}

fn bilinear(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, [height, width]) = growth(b, args)?;
    let align = args.bool("align_corners", false)?;
    let mut parameters = vec![
        ("x", Param::Value(&x)),
        ("scale_factor_height", Param::Float(height as f64)),
        ("scale_factor_width", Param::Float(width as f64)),
        ("align_corners", Param::Bool(align)),
    ];
    if b.set >= crate::graph::function::Opset::CoreML6 {
        parameters.push(("half_pixel_centers", Param::Bool(!align)));
    }
    Ok(vec![b.op("upsample_bilinear", parameters)?])
}

fn pixel_shuffle(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "self")?;
    let factor = args.int("upscale_factor", 1)?;
    let parameters = vec![("x", Param::Value(&x)), ("upscale_factor", Param::Int(factor))];
    Ok(vec![b.op("pixel_shuffle", parameters)?])
}
