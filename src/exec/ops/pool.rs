//! Pooling.

use rayon::prelude::*;

use super::window::Window;
use super::{Args, Kernel, One};

pub(super) const KERNELS: &[(&str, Kernel)] = &[("avg_pool", avg_pool), ("l2_pool", l2_pool), ("max_pool", max_pool)];

/// Calls `start`, then `add` for each element of a window inside the input, then `finish` with the window's number of
/// elements: those inside the input, and those inside the padded input.
fn pool(
    args: &mut Args<'_>,
    start: f32,
    add: impl Fn(f32, f32) -> f32 + Sync,
    finish: impl Fn(f32, usize, usize) -> f32 + Sync,
) -> One {
    let shape = args.shape(0)?;
    let sizes = args.ints("kernel_sizes")?.unwrap_or_default();
    let kernel: Vec<usize> = sizes.into_iter().map(|size| usize::try_from(size).unwrap_or(0)).collect();
    let x = args.tensor("x")?.shape();
    let spatial = |shape: &[usize]| shape.get(2..).unwrap_or_default().to_vec();
    let window = Window::new(args, &spatial(x), &kernel, &spatial(&shape))?;
    let x = args.floats("x")?;
    let area: usize = window.input.iter().product();
    let mut out = vec![0f32; shape.iter().product()];
    if out.is_empty() {
        return args.one(out);
    }
    let spans: [Vec<Span>; 3] =
        std::array::from_fn(|i| (0..window.output[i]).map(|at| Span::new(&window, i, at)).collect());
    let [_, high, wide] = window.input;
    out.par_chunks_mut(window.positions()).enumerate().for_each(|(plane, out)| {
        let x = x.get(plane * area..(plane + 1) * area).unwrap_or_default();
        let mut out = out.iter_mut();
        for deep in &spans[0] {
            for row in &spans[1] {
                for column in &spans[2] {
                    let mut sum = start;
                    for z in deep.begin..deep.end {
                        for y in row.begin..row.end {
                            let from = (z * high + y) * wide;
                            let line = x.get(from + column.begin..from + column.end).unwrap_or_default();
                            line.iter().for_each(|value| sum = add(sum, *value));
                        }
                    }
                    let inside = deep.inside() * row.inside() * column.inside();
                    let padded = deep.padded * row.padded * column.padded;
                    if let Some(out) = out.next() {
                        *out = finish(sum, inside, padded);
                    }
                }
            }
        }
    });
    args.one(out)
}

/// The part of a dimension that a window covers.
struct Span {
    begin: usize,
    end: usize,
    /// Elements of the padded input that it covers.
    padded: usize,
}

impl Span {
    fn new(window: &Window, i: usize, position: usize) -> Self {
        let begin = position * window.stride[i];
        let end = begin + window.kernel[i];
        let clip = |place: usize| place.saturating_sub(window.before[i]).min(window.input[i]);
        // A last window that `ceil_mode` adds may reach beyond the padding; that part does not count, as in PyTorch.
        let last = window.input[i] + window.before[i] + window.after[i];
        Self { begin: clip(begin), end: clip(end), padded: end.min(last).saturating_sub(begin) }
    }

    fn inside(&self) -> usize {
        self.end.saturating_sub(self.begin)
    }
}

fn avg_pool(args: &mut Args<'_>) -> One {
    let exclude = args.bool("exclude_padding_from_average", false)?;
    let add = |sum: f32, value: f32| sum + value;
    pool(args, 0.0, add, |sum, inside, padded| sum / if exclude { inside } else { padded } as f32)
}

fn l2_pool(args: &mut Args<'_>) -> One {
    pool(args, 0.0, |sum, value| sum + value * value, |sum, _, _| sum.sqrt())
}

/// The largest; a NaN wins.
fn max_pool(args: &mut Args<'_>) -> One {
    pool(
        args,
        f32::NEG_INFINITY,
        |most, value| if value > most || value.is_nan() { value } else { most },
        |most, _, _| most,
    )
}
