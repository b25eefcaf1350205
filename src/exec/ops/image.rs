//! Images resized, cropped and sampled.

use rayon::prelude::*;

use super::{Args, Kernel, One, misshapen, wrong};
use crate::exec::error::Fault;
use crate::exec::layout::View;
use crate::exec::tensor::{Data, Tensor};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("crop", crop),
    ("resample", resample),
    ("resize", resize),
    ("resize_bilinear", resize_bilinear),
    ("resize_nearest_neighbor", resize_nearest),
    ("upsample_bilinear", upsample_bilinear),
    ("upsample_nearest_neighbor", resize_nearest),
];

/// How the points of the new grid lie in the old one. CT:ops/defs/iOS15/image_resizing.py, `resize_bilinear`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sampling {
    Default,
    StrictAlignCorners,
    AlignCorners,
    UnalignCorners,
    OffsetCorners,
}

impl Sampling {
    fn of(args: &Args<'_>) -> Self {
        match &*args.word("sampling_mode", "DEFAULT") {
            "STRICT_ALIGN_CORNERS" => Sampling::StrictAlignCorners,
            "ALIGN_CORNERS" => Sampling::AlignCorners,
            "UNALIGN_CORNERS" => Sampling::UnalignCorners,
            "OFFSET_CORNERS" => Sampling::OffsetCorners,
            _ => Sampling::Default,
        }
    }

    /// Where point `i` of `to` lies among `from`.
    fn place(self, i: usize, from: usize, to: usize) -> f64 {
        let (at, from, to) = (i as f64, from as f64, to as f64);
        let steps = (to - 1.0).max(1.0);
        let place = match self {
            Sampling::Default => at * from / to,
            Sampling::AlignCorners if to == 1.0 => (from - 1.0) / 2.0,
            Sampling::StrictAlignCorners | Sampling::AlignCorners => at * (from - 1.0) / steps,
            Sampling::UnalignCorners => (at + 0.5) * from / to - 0.5,
            Sampling::OffsetCorners => (at + 0.5) * (from - 1.0).max(1.0) / to,
        };
        place.clamp(0.0, (from - 1.0).max(0.0))
    }

    /// For each point of `to` the two neighbours among `from`, and how far it is from the first to the second.
    fn taps(self, from: usize, to: usize) -> Vec<(usize, usize, f32)> {
        let tap = |i| {
            let place = self.place(i, from, to);
            let low = place.floor() as usize;
            (low, (low + 1).min(from.saturating_sub(1)), (place - low as f64) as f32)
        };
        (0..to).map(tap).collect()
    }
}

/// Height and width of the last two dimensions.
fn sides(shape: &[usize]) -> Result<[usize; 2], Fault> {
    match shape {
        [.., height, width] => Ok([*height, *width]),
        _ => Err(misshapen("needs images")),
    }
}

/// Calls for every image with its pixels, and the new ones.
fn each_image(args: &Args<'_>, work: impl Fn(&[f32], &mut [f32]) + Sync) -> One {
    let shape = args.shape(0)?;
    let (from, to) = (sides(args.tensor("x")?.shape())?, sides(&shape)?);
    let (area, new_area) = (from[0] * from[1], to[0] * to[1]);
    let x = args.tensor("x")?.to_floats();
    let mut out = vec![0f32; shape.iter().product()];
    if new_area > 0 && area > 0 {
        out.par_chunks_mut(new_area).zip(x.par_chunks(area)).for_each(|(out, x)| work(x, out));
    } else if !out.is_empty() {
        return Err(misshapen("has no pixels to make others of"));
    }
    match args.tensor("x")?.data() {
        Data::Ints(_) => args.one(out.into_iter().map(|value| value.round_ties_even() as i32).collect::<Vec<_>>()),
        _ => args.one(out),
    }
}

fn bilinear(args: &Args<'_>, sampling: Sampling) -> One {
    let (from, to) = (sides(args.tensor("x")?.shape())?, sides(&args.shape(0)?)?);
    if from.contains(&0) {
        return each_image(args, |_, _| {});
    }
    let (rows, columns) = (sampling.taps(from[0], to[0]), sampling.taps(from[1], to[1]));
    each_image(args, |x, out| {
        for (out, (top, bottom, down)) in out.chunks_exact_mut(to[1]).zip(&rows) {
            let (upper, lower) = (&x[top * from[1]..][..from[1]], &x[bottom * from[1]..][..from[1]]);
            for (out, (left, right, along)) in out.iter_mut().zip(&columns) {
                let above = upper[*left] + (upper[*right] - upper[*left]) * along;
                let below = lower[*left] + (lower[*right] - lower[*left]) * along;
                *out = above + (below - above) * down;
            }
        }
    })
}

/// The pixel at the floor of where each new one lies.
fn nearest(args: &Args<'_>, sampling: Option<Sampling>) -> One {
    let (from, to) = (sides(args.tensor("x")?.shape())?, sides(&args.shape(0)?)?);
    let places = |from: usize, to: usize| -> Vec<usize> {
        let place = |i: usize| match sampling {
            None | Some(Sampling::Default) => i * from / to,
            Some(other) => other.place(i, from, to).round() as usize,
        };
        (0..to).map(|i| place(i).min(from.saturating_sub(1))).collect()
    };
    let (rows, columns) = (places(from[0], to[0]), places(from[1], to[1]));
    each_image(args, |x, out| {
        for (out, row) in out.chunks_exact_mut(to[1]).zip(&rows) {
            let x = &x[row * from[1]..][..from[1]];
            out.iter_mut().zip(&columns).for_each(|(out, column)| *out = x[*column]);
        }
    })
}

fn resize_nearest(args: &mut Args<'_>) -> One {
    nearest(args, None)
}

fn resize_bilinear(args: &mut Args<'_>) -> One {
    bilinear(args, Sampling::of(args))
}

fn upsample_bilinear(args: &mut Args<'_>) -> One {
    let corners = args.bool("align_corners", true)?;
    let centers = args.bool("half_pixel_centers", !corners)?;
    bilinear(
        args,
        match (corners, centers) {
            (true, _) => Sampling::StrictAlignCorners,
            (false, true) => Sampling::UnalignCorners,
            (false, false) => Sampling::Default,
        },
    )
}

/// Any of the last dimensions, of which only the last two may change.
fn resize(args: &mut Args<'_>) -> One {
    let shape = args.shape(0)?;
    let x = args.tensor("x")?;
    let outer = x.rank().saturating_sub(2);
    if x.rank() < 2 || x.shape()[..outer] != shape[..outer] {
        return Err(wrong("resized_dims", "reaches beyond the last two dimensions"));
    }
    let sampling = Sampling::of(args);
    match &*args.word("interpolation_mode", "LINEAR") {
        "NEAREST_NEIGHBOR" => nearest(args, Some(sampling)),
        _ => bilinear(args, sampling),
    }
}

fn crop(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let shape = args.shape(0)?;
    let rank = x.rank();
    let mut view = View::new(x.shape());
    for (axis, parameter) in [(rank - 2, "crop_height"), (rank - 1, "crop_width")] {
        let before = args.ints(parameter)?.and_then(|v| v.first().copied()).and_then(|v| usize::try_from(v).ok());
        view = view.sliced(axis, before.unwrap_or(0), 1, shape[axis]);
    }
    Ok(vec![Tensor::moved(x.element(), shape, view.copy_data(x.data()))?])
}

/// Pixels at coordinates [B, height, width, (x, y)], as PyTorch's `grid_sample`.
fn resample(args: &mut Args<'_>) -> One {
    let shape = args.shape(0)?;
    let x = args.tensor("x")?.shape().to_vec();
    let ([batch, channels, height, width], [_, _, rows, columns]) = (&x[..], &shape[..]) else {
        return Err(misshapen("needs four dimensions"));
    };
    let sizes = (*height as f64, *width as f64);
    let (corners, value) = (args.bool("align_corners", false)?, args.float("padding_value", 0.0)?);
    let (mode, sampling) = (args.word("padding_mode", "CONSTANT"), args.word("sampling_mode", "BILINEAR"));
    let system = args.word("coordinates_mode", "UNNORMALIZED");
    let grid = args.tensor("coordinates")?.to_floats();
    let values = args.floats("x")?;
    let (area, new_area) = (height * width, rows * columns);
    let scaled = |at: f32, size: f64| -> f64 {
        let at = f64::from(at);
        let unit = match &*system {
            "NORMALIZED_MINUS_ONE_TO_ONE" => (at + 1.0) / 2.0,
            "NORMALIZED_ZERO_TO_ONE" => at,
            _ => return at,
        };
        if corners { unit * (size - 1.0) } else { unit * size - 0.5 }
    };
    // Where a pixel lies after the border was continued; `None` for what the padding value fills.
    let bordered = |at: f64, size: f64| -> f64 {
        match &*mode {
            "BORDER" | "REPLICATE" => at.clamp(0.0, (size - 1.0).max(0.0)),
            "REFLECTION" | "SYMMETRIC" => {
                let (low, span) = if corners { (0.0, size - 1.0) } else { (-0.5, size) };
                if span <= 0.0 {
                    return 0.0;
                }
                let turned = (at - low).rem_euclid(2.0 * span);
                let at = if turned > span { 2.0 * span - turned } else { turned } + low;
                at.clamp(0.0, (size - 1.0).max(0.0))
            }
            _ => at,
        }
    };
    let mut out = vec![0f32; shape.iter().product()];
    if out.is_empty() {
        return args.one(out);
    }
    if grid.len() != batch * new_area * 2 {
        return Err(wrong("coordinates", "must be pairs"));
    }
    out.par_chunks_mut(new_area).enumerate().for_each(|(plane, out)| {
        let image = values.get(plane * area..(plane + 1) * area).unwrap_or_default();
        let grid = &grid[plane / channels * new_area * 2..];
        let pixel = |y: f64, x: f64| -> f32 {
            let inside = y >= 0.0 && x >= 0.0 && y < sizes.0 && x < sizes.1;
            if inside { image.get(y as usize * width + x as usize).copied().unwrap_or(value) } else { value }
        };
        for (out, at) in out.iter_mut().zip(grid.as_chunks::<2>().0) {
            let x = bordered(scaled(at[0], sizes.1), sizes.1);
            let y = bordered(scaled(at[1], sizes.0), sizes.0);
            if sampling == "NEAREST" {
                *out = pixel(y.round_ties_even(), x.round_ties_even());
                continue;
            }
            let (left, top) = (x.floor(), y.floor());
            let (along, down) = ((x - left) as f32, (y - top) as f32);
            let above = pixel(top, left) * (1.0 - along) + pixel(top, left + 1.0) * along;
            let below = pixel(top + 1.0, left) * (1.0 - along) + pixel(top + 1.0, left + 1.0) * along;
            *out = above * (1.0 - down) + below * down;
        }
    });
    args.one(out)
}
