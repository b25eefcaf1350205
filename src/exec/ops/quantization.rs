//! Quantized activations.

use rayon::prelude::*;

use super::{Args, Kernel, One, around};
use crate::element::ElementType;
use crate::exec::error::Fault;

pub(super) const KERNELS: &[(&str, Kernel)] = &[("quantize", quantize), ("dequantize", dequantize)];

/// Scales and zero points along an axis.
struct Grid {
    scales: Vec<f32>,
    zero_points: Vec<i64>,
    /// Elements behind one step along the axis; all where there is one scale.
    inner: usize,
}

impl Grid {
    fn new(args: &Args<'_>) -> Result<Self, Fault> {
        let shape = args.tensor("input")?.shape();
        let scales = args.floats("scale")?.to_vec();
        let zero_points = args.ints("zero_point")?.unwrap_or_default();
        let inner = match args.has("axis") {
            true => around(shape, args.axis("axis", 0, shape.len())?)[2],
            false => shape.iter().product(),
        };
        Ok(Self { scales, zero_points, inner: inner.max(1) })
    }

    /// Calls with every run of elements that share a scale, its scale and its zero point.
    fn each<T: Send, U: Sync>(&self, out: &mut [T], from: &[U], work: impl Fn(&mut [T], &[U], f32, i32) + Sync) {
        let runs = out.par_chunks_mut(self.inner).zip(from.par_chunks(self.inner)).enumerate();
        runs.for_each(|(i, (out, from))| {
            let scale = self.scales.get(i % self.scales.len().max(1)).copied().unwrap_or(1.0);
            let zero_point = self.zero_points.get(i % self.zero_points.len().max(1)).copied().unwrap_or(0);
            work(out, from, scale, zero_point as i32);
        });
    }
}

/// `clip(round(input / scale) + zero_point)`, halves rounded to even.
fn quantize(args: &mut Args<'_>) -> One {
    let (low, high) = match args.element(0)? {
        ElementType::Uint8 => (0, 255),
        _ => (-128, 127),
    };
    let grid = Grid::new(args)?;
    let input = args.floats("input")?;
    let mut out = vec![0i32; input.len()];
    grid.each(&mut out, input, |out, input, scale, zero_point| {
        for (out, x) in out.iter_mut().zip(input) {
            // A NaN becomes the zero point; what is beyond 32 bits is beyond the range, too.
            *out = ((x / scale).round_ties_even() as i32).saturating_add(zero_point).clamp(low, high);
        }
    });
    args.one(out)
}

/// `scale · (input - zero_point)`.
fn dequantize(args: &mut Args<'_>) -> One {
    let grid = Grid::new(args)?;
    let Some(input) = args.tensor("input")?.as_ints() else { return Err(super::misshapen("needs codes")) };
    let mut out = vec![0f32; input.len()];
    grid.each(&mut out, input, |out, input, scale, zero_point| {
        out.iter_mut().zip(input).for_each(|(out, code)| *out = (code - zero_point) as f32 * scale);
    });
    args.one(out)
}
