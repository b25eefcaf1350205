//! Matrix products.

use rayon::prelude::*;

use super::{Args, Kernel, One, misshapen};
use crate::exec::matrix::{Layout, Threads, multiply_add};
use crate::exec::tensor::{Data, Tensor};

pub(super) const KERNELS: &[(&str, Kernel)] = &[("linear", linear), ("matmul", matmul), ("einsum", einsum)];

/// `x` is […, D_in], `weight` [D_out, D_in], `bias` [D_out].
fn linear(args: &mut Args<'_>) -> One {
    let shape = args.shape(0)?;
    let &[outputs, inputs] = args.tensor("weight")?.shape() else { return Err(misshapen("needs a matrix")) };
    let count = shape.iter().product::<usize>();
    let rows = count / outputs.max(1);
    if args.tensor("x")?.as_ints().is_some() {
        let out = ints(args, rows, inputs, outputs);
        return args.one(out);
    }
    let mut out = vec![0f32; count];
    if let Some(bias) = args.floats_if("bias")? {
        out.chunks_exact_mut(outputs.max(1)).for_each(|row| row.copy_from_slice(&bias[..outputs.min(bias.len())]));
    }
    let x = (args.floats("x")?, Layout::rows(inputs));
    let weight = (args.floats("weight")?, Layout::columns(inputs));
    if count > 0 && inputs > 0 {
        multiply_add([rows, inputs, outputs], x, weight, (&mut out, Layout::rows(outputs)), Threads::All);
    }
    args.one(out)
}

/// The product of integers, which wraps.
fn ints(args: &Args<'_>, rows: usize, inputs: usize, outputs: usize) -> Vec<i32> {
    let values = |parameter| args.tensor_if(parameter).and_then(Tensor::as_ints).unwrap_or_default();
    let (x, weight, bias) = (values("x"), values("weight"), values("bias"));
    let mut out = Vec::with_capacity(rows * outputs);
    for row in 0..rows {
        let x = x.get(row * inputs..(row + 1) * inputs).unwrap_or_default();
        for output in 0..outputs {
            let weight = weight.get(output * inputs..(output + 1) * inputs).unwrap_or_default();
            let start = bias.get(output).copied().unwrap_or(0);
            out.push(x.iter().zip(weight).fold(start, |sum, (x, w)| sum.wrapping_add(x.wrapping_mul(*w))));
        }
    }
    out
}

/// A stack of matrices.
struct Stack {
    rows: usize,
    columns: usize,
    layout: Layout,
    /// Where the matrix of each position of the result begins.
    starts: Vec<usize>,
}

impl Stack {
    /// The matrices of a shape's last two dimensions, for each position of the broadcast outer dimensions.
    fn new(shape: &[usize], transposed: bool, outer: &[usize]) -> Self {
        let (own, rows, columns) = match shape {
            [own @ .., rows, columns] => (own, *rows, *columns),
            [only] => (&[][..], 1, *only),
            [] => (&[][..], 1, 1),
        };
        let matrix = rows * columns;
        let numbers: Vec<usize> = (0..own.iter().product()).map(|i: usize| i * matrix).collect();
        let view = crate::exec::layout::View::new(own).broadcast(outer);
        let (layout, rows, columns) = match transposed {
            true => (Layout::columns(columns), columns, rows),
            false => (Layout::rows(columns), rows, columns),
        };
        Self { rows, columns, layout, starts: view.copy(&numbers) }
    }
}

/// The outer dimensions of a shape's matrices.
fn outer(shape: &[usize]) -> &[usize] {
    &shape[..shape.len().saturating_sub(2)]
}

fn matmul(args: &mut Args<'_>) -> One {
    let shape = args.shape(0)?;
    let (x, y) = (args.tensor("x")?, args.tensor("y")?);
    let positions = super::elementwise::joined(outer(x.shape()), outer(y.shape()))?;
    let xs = Stack::new(x.shape(), args.bool("transpose_x", false)?, &positions);
    let ys = Stack::new(y.shape(), args.bool("transpose_y", false)?, &positions);
    let sizes = [xs.rows, xs.columns, ys.columns];
    match (x.data(), y.data()) {
        (Data::Floats(x), Data::Floats(y)) => {
            let mut out = vec![0f32; shape.iter().product()];
            multiply_stacks(sizes, (x, &xs), (y, &ys), &mut out);
            args.one(out)
        }
        (Data::Ints(x), Data::Ints(y)) => {
            let mut out = Vec::with_capacity(shape.iter().product());
            let at = |values: &[i32], stack: &Stack, i: usize, row: usize, column: usize| {
                let place = stack.starts[i] + row * stack.layout.row + column * stack.layout.column;
                values.get(place).copied().unwrap_or(0)
            };
            for i in 0..xs.starts.len().min(ys.starts.len()) {
                for row in 0..sizes[0] {
                    for column in 0..sizes[2] {
                        let products =
                            (0..sizes[1]).map(|k| at(x, &xs, i, row, k).wrapping_mul(at(y, &ys, i, k, column)));
                        out.push(products.fold(0, i32::wrapping_add));
                    }
                }
            }
            args.one(out)
        }
        _ => Err(misshapen("needs two inputs of one kind")),
    }
}

/// Multiplies matrices in pairs: side by side where there are many, each with all threads where there are few.
fn multiply_stacks([m, k, n]: [usize; 3], x: (&[f32], &Stack), y: (&[f32], &Stack), out: &mut [f32]) {
    if m * n == 0 || k == 0 {
        return;
    }
    let one = |(i, out): (usize, &mut [f32]), threads| {
        let part = |values: &'_ [f32], stack: &Stack| stack.starts.get(i).map_or(0, |start| (*start).min(values.len()));
        let lhs = (&x.0[part(x.0, x.1)..], x.1.layout);
        let rhs = (&y.0[part(y.0, y.1)..], y.1.layout);
        multiply_add([m, k, n], lhs, rhs, (out, Layout::rows(n)), threads);
    };
    if out.len() / (m * n) >= rayon::current_num_threads() {
        out.par_chunks_mut(m * n).enumerate().for_each(|part| one(part, Threads::One));
    } else {
        out.chunks_mut(m * n).enumerate().for_each(|part| one(part, Threads::All));
    }
}

/// `nchw,nwhr->nchr`, or the same without `n`: for each `n` and `h` a matrix product over `w`.
fn einsum(args: &mut Args<'_>) -> One {
    let shape = args.shape(0)?;
    let values = args.tensors("values")?;
    let [x, y] = values[..] else { return Err(misshapen("needs two tensors")) };
    let four = |shape: &[usize]| -> [usize; 4] {
        let front = 4usize.saturating_sub(shape.len());
        std::array::from_fn(|i| i.checked_sub(front).and_then(|i| shape.get(i)).copied().unwrap_or(1))
    };
    let (xs, ys, outs) = (four(x.shape()), four(y.shape()), four(&shape));
    let [count, channels, height, last] = outs;
    let width = xs[3];
    // One image or row of one of them may go with all of the other's.
    let at = |i: usize, size: usize| if size == 1 { 0 } else { i };
    let (x, y) = (x.to_floats(), y.to_floats());
    let mut out = vec![0f32; shape.iter().product()];
    if out.is_empty() || width == 0 {
        return finish(args, out);
    }
    for image in 0..count {
        for row in 0..height {
            let lhs = (at(image, xs[0]) * channels * xs[2] + at(row, xs[2])) * width;
            let rhs = (at(image, ys[0]) * width * ys[2] + at(row, ys[2])) * last;
            let target = &mut out[(image * channels * height + row) * last..];
            multiply_add(
                [channels, width, last],
                (x.get(lhs..).unwrap_or_default(), Layout { row: xs[2] * width, column: 1 }),
                (y.get(rhs..).unwrap_or_default(), Layout { row: ys[2] * last, column: 1 }),
                (target, Layout { row: height * last, column: 1 }),
                Threads::All,
            );
        }
    }
    finish(args, out)
}

/// Integers were multiplied as floats.
fn finish(args: &Args<'_>, out: Vec<f32>) -> One {
    if args.element(0)?.is_integer() {
        return args.one(out.into_iter().map(|value| value as i32).collect::<Vec<i32>>());
    }
    args.one(out)
}
