//! Convolutions: pointwise ones are matrix products, depthwise ones are summed row by row, others become matrix products
//! of gathered windows, a bounded number of windows at a time.

use rayon::prelude::*;

use super::window::{Window, custom, per_dimension, three};
use super::{Args, Kernel, One, misshapen};
use crate::exec::error::Fault;
use crate::exec::matrix::{Layout, Threads, multiply_add};
use crate::quant::simd::multiversion;

pub(super) const KERNELS: &[(&str, Kernel)] = &[("conv", conv), ("conv_transpose", conv_transpose)];

/// Elements of gathered windows that are held at once.
const TILE: usize = 1 << 18;

/// Most elements of gathered windows for a single row of the output.
const WIDEST: usize = 1 << 25;

fn spatial(shape: &[usize]) -> &[usize] {
    shape.get(2..).unwrap_or_default()
}

/// `x` is [N, C_in, D…], `weight` [C_out, C_in / groups, K…].
fn conv(args: &mut Args<'_>) -> One {
    let shape = args.shape(0)?;
    let (x, weight) = (args.tensor("x")?.shape(), args.tensor("weight")?.shape());
    let window = Window::new(args, spatial(x), spatial(weight), spatial(&shape))?;
    let groups = usize::try_from(args.int("groups", 1)?).unwrap_or(1).max(1);
    let (inputs, outputs) = (weight[1], weight[0] / groups);
    let (x, weight, bias) = (args.floats("x")?, args.floats("weight")?, args.floats_if("bias")?);
    let mut out = vec![0f32; shape.iter().product()];
    if out.is_empty() {
        return args.one(out);
    }
    let positions = window.positions();
    if let Some(bias) = bias {
        let planes = out.par_chunks_mut(positions).enumerate();
        planes.for_each(|(i, plane)| plane.fill(bias.get(i % bias.len().max(1)).copied().unwrap_or(0.0)));
    }
    let area: usize = window.input.iter().product();
    let taps: usize = window.kernel.iter().product();
    if area == 0 || inputs == 0 {
        // Windows see nothing but padding.
        return args.one(out);
    }
    let conv = Conv { window, groups, inputs, outputs, positions, area, taps };
    if inputs == 1 && groups > 1 {
        conv.depthwise(x, weight, &mut out);
    } else {
        conv.grouped(x, weight, &mut out);
    }
    args.one(out)
}

/// The sizes of a convolution; channels are those of one group.
struct Conv {
    window: Window,
    groups: usize,
    inputs: usize,
    outputs: usize,
    positions: usize,
    area: usize,
    taps: usize,
}

impl Conv {
    fn is_pointwise(&self) -> bool {
        let Window { stride, before, after, input, output, .. } = self.window;
        self.taps == 1 && stride == [1; 3] && before == [0; 3] && after == [0; 3] && input == output
    }

    /// Each group of each image is a matrix product.
    fn grouped(&self, x: &[f32], weight: &[f32], out: &mut [f32]) {
        let block = self.outputs * self.positions;
        let blocks = out.len() / block.max(1);
        let one = |(i, out): (usize, &mut [f32]), threads| {
            let group = i % self.groups;
            let source = self.inputs * self.area;
            let length = self.inputs * self.taps * self.outputs;
            let x = x.get(i * source..(i + 1) * source).unwrap_or_default();
            let weight = weight.get(group * length..(group + 1) * length).unwrap_or_default();
            self.group(x, weight, out, threads);
        };
        if blocks >= 2 * rayon::current_num_threads() {
            out.par_chunks_mut(block).enumerate().for_each(|part| one(part, Threads::One));
        } else {
            out.chunks_mut(block).enumerate().for_each(|part| one(part, Threads::All));
        }
    }

    fn group(&self, x: &[f32], weight: &[f32], out: &mut [f32], threads: Threads) {
        let depth = self.inputs * self.taps;
        let lhs = (weight, Layout::rows(depth));
        if self.is_pointwise() {
            let sizes = [self.outputs, depth, self.positions];
            return multiply_add(
                sizes,
                lhs,
                (x, Layout::rows(self.area)),
                (out, Layout::rows(self.positions)),
                threads,
            );
        }
        // Whole rows of the output at a time.
        let width = self.window.output[2];
        if depth.saturating_mul(width) > WIDEST {
            return self.direct(x, weight, out);
        }
        let rows = self.positions / width;
        let rows_at_once = (TILE / (depth * width).max(1)).clamp(1, rows);
        let mut windows = vec![0f32; depth * rows_at_once * width];
        for first in (0..rows).step_by(rows_at_once) {
            let count = rows_at_once.min(rows - first);
            let columns = count * width;
            let windows = &mut windows[..depth * columns];
            match threads {
                Threads::All => {
                    let taps = windows.par_chunks_mut(columns).enumerate();
                    taps.for_each(|(tap, to)| self.gather(x, tap, first, to));
                }
                Threads::One => {
                    windows.chunks_mut(columns).enumerate().for_each(|(tap, to)| self.gather(x, tap, first, to))
                }
            }
            let target = (&mut out[first * width..], Layout::rows(self.positions));
            multiply_add([self.outputs, depth, columns], lhs, (&*windows, Layout::rows(columns)), target, threads);
        }
    }

    /// Each plane of the output as a sum over the planes of the input: for windows too large to gather.
    fn direct(&self, x: &[f32], weight: &[f32], out: &mut [f32]) {
        out.par_chunks_mut(self.positions).zip(weight.par_chunks(self.inputs * self.taps)).for_each(|(out, weight)| {
            for (x, taps) in x.chunks_exact(self.area).zip(weight.chunks_exact(self.taps)) {
                self.window_sums(x, taps, out);
            }
        });
    }

    /// What one tap of one channel sees, for rows of the output from `first` on.
    fn gather(&self, x: &[f32], tap: usize, first: usize, to: &mut [f32]) {
        let [_, height, width] = self.window.kernel;
        let (channel, tap) = (tap / self.taps, tap % self.taps);
        let taps = [tap / (height * width), tap / width % height, tap % width];
        let plane = x.get(channel * self.area..(channel + 1) * self.area).unwrap_or_default();
        let columns = self.window.inside(2, taps[2]);
        let stride = self.window.stride[2];
        let [_, output_height, output_width] = self.window.output;
        let [_, input_height, input_width] = self.window.input;
        for (i, to) in to.chunks_exact_mut(output_width).enumerate() {
            let row = first + i;
            let deep = self.window.source(0, row / output_height, taps[0]);
            let high = self.window.source(1, row % output_height, taps[1]);
            let (Some(deep), Some(high)) = (deep, high) else {
                to.fill(0.0);
                continue;
            };
            let source = plane.get((deep * input_height + high) * input_width..).unwrap_or_default();
            to[..columns.start].fill(0.0);
            to[columns.end..].fill(0.0);
            let Some(begin) = self.window.source(2, columns.start, taps[2]) else {
                to.fill(0.0);
                continue;
            };
            let to = &mut to[columns.clone()];
            let source = source.get(begin..).unwrap_or_default();
            match stride {
                1 => to.iter_mut().zip(source).for_each(|(to, from)| *to = *from),
                _ => to.iter_mut().zip(source.iter().step_by(stride)).for_each(|(to, from)| *to = *from),
            }
        }
    }

    /// One input channel per group: each plane of the output is the sum of shifted planes.
    fn depthwise(&self, x: &[f32], weight: &[f32], out: &mut [f32]) {
        let padded = Padded::new(&self.window);
        let planes = out.par_chunks_mut(self.positions).enumerate();
        planes.for_each_init(
            || padded.memory(),
            |memory, (i, out)| {
                let channels = self.groups * self.outputs;
                let (image, channel) = (i / channels, i % channels);
                let plane = (image * self.groups + channel / self.outputs) * self.area;
                let x = x.get(plane..plane + self.area).unwrap_or_default();
                let taps = weight.get(channel * self.taps..(channel + 1) * self.taps).unwrap_or_default();
                if memory.is_empty() {
                    self.window_sums(x, taps, out);
                } else {
                    padded.fill(x, memory);
                    padded.sums(memory, taps, out);
                }
            },
        );
    }

    /// A plane without padded memory: windows much larger than the input.
    fn window_sums(&self, x: &[f32], taps: &[f32], out: &mut [f32]) {
        let mut row = vec![0f32; self.window.output[2]];
        for (tap, weight) in taps.iter().enumerate() {
            for (i, out) in out.chunks_exact_mut(row.len()).enumerate() {
                self.gather(x, tap, i, &mut row);
                out.iter_mut().zip(&row).for_each(|(out, x)| *out += weight * x);
            }
        }
    }
}

/// A plane of the input with its padding, each row cut into as many parts as the stride is wide: part `p` holds the
/// elements `p`, `p + stride`, … So every tap of a window reads neighbours.
struct Padded {
    window: Window,
    /// Elements of a part.
    part: usize,
    /// Parts of a row.
    parts: usize,
    rows: [usize; 2],
}

impl Padded {
    fn new(window: &Window) -> Self {
        let needed = |i: usize| (window.output[i] - 1) * window.stride[i] + window.reach(i);
        let parts = window.stride[2].min(needed(2));
        Self { window: *window, part: needed(2).div_ceil(parts), parts, rows: [needed(0), needed(1)] }
    }

    /// Zeroed memory for one plane; none where the padding would be much larger than the plane.
    fn memory(&self) -> Vec<f32> {
        let area: usize = self.window.input.iter().product();
        let size =
            [self.rows[0], self.rows[1], self.part, self.parts].iter().try_fold(1usize, |a, b| a.checked_mul(*b));
        let worthwhile = size.filter(|size| *size <= area.saturating_mul(8).saturating_add(1 << 16));
        vec![0.0; worthwhile.unwrap_or(0)]
    }

    fn fill(&self, x: &[f32], memory: &mut [f32]) {
        let [_, height, width] = self.window.input;
        let [front, top, left] = self.window.before;
        let row = self.part * self.parts;
        for (i, x) in x.chunks_exact(width).enumerate() {
            let (deep, high) = (i / height + front, i % height + top);
            if deep >= self.rows[0] || high >= self.rows[1] {
                continue;
            }
            let start = (deep * self.rows[1] + high) * row;
            let to = memory.get_mut(start..start + row).unwrap_or_default();
            if self.parts == 1 {
                to.iter_mut().skip(left).zip(x).for_each(|(to, from)| *to = *from);
                continue;
            }
            for phase in 0..self.parts {
                // The first element of the input that belongs to this part.
                let skip = (phase + self.parts - left % self.parts) % self.parts;
                let first = (left + skip) / self.parts;
                let part = to.get_mut(phase * self.part..(phase + 1) * self.part).unwrap_or_default();
                let from = x.iter().skip(skip).step_by(self.parts);
                part.iter_mut().skip(first).zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }

    fn sums(&self, memory: &[f32], taps: &[f32], out: &mut [f32]) {
        let [_, tall, wide] = self.window.kernel;
        let [_, height, width] = self.window.output;
        let dilation = self.window.dilation;
        let row = self.part * self.parts;
        for (i, out) in out.chunks_exact_mut(width).enumerate() {
            let (deep, high) = (i / height * self.window.stride[0], i % height * self.window.stride[1]);
            for (line, taps) in taps.chunks_exact(wide).enumerate() {
                let deep = deep + line / tall * dilation[0];
                let high = high + line % tall * dilation[1];
                let start = (deep * self.rows[1] + high) * row;
                let source = memory.get(start..start + row).unwrap_or_default();
                let shifted = |tap: usize| {
                    let shift = tap * dilation[2];
                    let begin = shift % self.parts * self.part + shift / self.parts;
                    source.get(begin..begin + width).unwrap_or_default()
                };
                let mut tap = 0;
                while tap + 3 <= wide {
                    let weights = [taps[tap], taps[tap + 1], taps[tap + 2]];
                    add_three(out, [shifted(tap), shifted(tap + 1), shifted(tap + 2)], weights);
                    tap += 3;
                }
                while tap < wide {
                    add_one(out, shifted(tap), taps[tap]);
                    tap += 1;
                }
            }
        }
    }
}

multiversion! {
    fn add_three<>(out: &mut [f32], sources: [&[f32]; 3], weights: [f32; 3]) {
        let [a, b, c] = sources;
        let length = out.len().min(a.len()).min(b.len()).min(c.len());
        let (out, a, b, c) = (&mut out[..length], &a[..length], &b[..length], &c[..length]);
        for i in 0..length {
            out[i] += weights[0] * a[i] + weights[1] * b[i] + weights[2] * c[i];
        }
    }
}

multiversion! {
    fn add_one<>(out: &mut [f32], source: &[f32], weight: f32) {
        for (out, value) in out.iter_mut().zip(source) {
            *out += weight * *value;
        }
    }
}

/// `x` is [N, C_in, D…], `weight` [C_in, C_out / groups, K…]: each element of the input adds its windows to the output.
fn conv_transpose(args: &mut Args<'_>) -> One {
    let shape = args.shape(0)?;
    let (x, weight) = (args.tensor("x")?.shape(), args.tensor("weight")?.shape());
    let groups = usize::try_from(args.int("groups", 1)?).unwrap_or(1).max(1);
    let window = transposed_window(args, spatial(x), spatial(weight), spatial(&shape))?;
    let (inputs, outputs) = (weight[0] / groups, weight[1]);
    let (x, weight, bias) = (args.floats("x")?, args.floats("weight")?, args.floats_if("bias")?);
    let mut out = vec![0f32; shape.iter().product()];
    let (area, taps) = (window.positions(), window.kernel.iter().product::<usize>());
    let plane: usize = window.input.iter().product();
    if out.is_empty() || plane == 0 {
        return args.one(out);
    }
    let block = outputs * plane;
    out.par_chunks_mut(block).enumerate().for_each(|(i, out)| {
        let group = i % groups;
        let x = x.get(i * inputs * area..(i + 1) * inputs * area).unwrap_or_default();
        let length = inputs * outputs * taps;
        let weight = weight.get(group * length..(group + 1) * length).unwrap_or_default();
        for (channel, out) in out.chunks_exact_mut(plane).enumerate() {
            let bias = bias.and_then(|bias| bias.get(group * outputs + channel)).copied().unwrap_or(0.0);
            out.fill(bias);
        }
        // For some rows of the input at a time: what each of its elements adds to every output channel and tap.
        let width = window.output[2];
        let rows = area / width.max(1);
        let depth = outputs * taps;
        let deep = (TILE / width.max(1)).clamp(1, depth.max(1));
        let at_once = (TILE / (deep * width).max(1)).clamp(1, rows.max(1));
        let mut products = vec![0f32; deep * at_once * width];
        for (first, start) in (0..rows).step_by(at_once).flat_map(|row| (0..depth).step_by(deep).map(move |d| (row, d)))
        {
            let (columns, count) = (at_once.min(rows - first) * width, deep.min(depth - start));
            let products = &mut products[..count * columns];
            products.fill(0.0);
            let source = (x.get(first * width..).unwrap_or_default(), Layout::rows(area));
            let weight = (weight.get(start..).unwrap_or_default(), Layout::columns(depth));
            let target = (&mut *products, Layout::rows(columns));
            multiply_add([count, inputs, columns], weight, source, target, Threads::One);
            for (tap, products) in (start..).zip(products.chunks_exact(columns)) {
                let out = &mut out[tap / taps * plane..(tap / taps + 1) * plane];
                scatter(&window, products, tap % taps, first, out);
            }
        }
    });
    args.one(out)
}

/// The window that the forward convolution would have: its input is the output of the transposed one.
fn transposed_window(args: &Args<'_>, x: &[usize], kernel: &[usize], out: &[usize]) -> Result<Window, Fault> {
    let dimensions = x.len();
    let mut window = Window {
        input: three(out)?,
        kernel: three(kernel)?,
        stride: per_dimension(args, "strides", dimensions)?,
        dilation: per_dimension(args, "dilations", dimensions)?,
        before: [0; 3],
        after: [0; 3],
        output: three(x)?,
    };
    if window.kernel.contains(&0) {
        return Err(misshapen("has an empty window"));
    }
    match &*args.word("pad_type", "VALID") {
        "CUSTOM" => [window.before, window.after] = custom(args, dimensions)?,
        "SAME" => {
            for i in 0..3 {
                let whole = (window.output[i].saturating_sub(1)).saturating_mul(window.stride[i]);
                window.before[i] = whole.saturating_add(window.reach(i)).saturating_sub(window.input[i]) / 2;
            }
        }
        _ => {}
    }
    Ok(window)
}

/// Adds what a tap of rows of the input says to a plane of the output.
fn scatter(window: &Window, products: &[f32], tap: usize, first: usize, out: &mut [f32]) {
    let [_, tall, wide] = window.kernel;
    let taps = [tap / (tall * wide), tap / wide % tall, tap % wide];
    let columns = window.inside(2, taps[2]);
    let Some(begin) = window.source(2, columns.start, taps[2]).filter(|_| !columns.is_empty()) else { return };
    let height = window.output[1].max(1);
    for (i, products) in products.chunks_exact(window.output[2]).enumerate() {
        let row = first + i;
        let places = (window.source(0, row / height, taps[0]), window.source(1, row % height, taps[1]));
        let (Some(deep), Some(high)) = places else { continue };
        let start = (deep * window.input[1] + high) * window.input[2] + begin;
        let out = out.get_mut(start..).unwrap_or_default().iter_mut().step_by(window.stride[2]);
        out.zip(&products[columns.clone()]).for_each(|(out, value)| *out += value);
    }
}
