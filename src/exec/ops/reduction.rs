//! Reductions. Floats are summed in binary64; sums of integers wrap.

use rayon::prelude::*;

use super::{Args, Kernel, One, around, misshapen};
use crate::exec::error::Fault;
use crate::exec::layout::View;
use crate::exec::math::{sum, sum_of_squares};
use crate::exec::tensor::{Data, Tensor};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("reduce_argmax", |args| arg(args, |a, b| a > b)),
    ("reduce_argmin", |args| arg(args, |a, b| a < b)),
    ("reduce_l1_norm", |args| reduce(args, |row| row.iter().map(|x| f64::from(x.abs())).sum::<f64>() as f32)),
    ("reduce_l2_norm", |args| reduce(args, |row| sum_of_squares(row, 0.0).sqrt() as f32)),
    ("reduce_log_sum", |args| reduce(args, |row| sum(row).ln() as f32)),
    ("reduce_log_sum_exp", |args| reduce(args, log_sum_exp)),
    ("reduce_max", |args| extreme(args, |a, b| a > b, f32::NEG_INFINITY)),
    ("reduce_mean", |args| reduce(args, |row| (sum(row) / row.len() as f64) as f32)),
    ("reduce_min", |args| extreme(args, |a, b| a < b, f32::INFINITY)),
    ("reduce_prod", |args| {
        whole(args, |row| row.iter().map(|x| f64::from(*x)).product::<f64>() as f32, i32::wrapping_mul, 1)
    }),
    ("reduce_sum", |args| whole(args, |row| sum(row) as f32, i32::wrapping_add, 0)),
    ("reduce_sum_square", sum_square),
];

/// `x` with the reduced axes last, and the length of a row of them.
fn rows(args: &Args<'_>) -> Result<(Data, usize), Fault> {
    let x = args.tensor("x")?;
    let axes = args.axes("axes", x.rank())?;
    let length = axes.iter().map(|axis| x.shape()[*axis]).product();
    let mut order: Vec<usize> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
    order.extend(&axes);
    if order.iter().enumerate().all(|(i, at)| i == *at) {
        return Ok((x.data().clone(), length));
    }
    Ok((View::new(x.shape()).permuted(&order).copy_data(x.data()), length))
}

/// Reduces every row to one value; an empty row, too.
fn each<T: Sync, R: Send>(values: &[T], length: usize, count: usize, of: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    let row = |i: usize| of(values.get(i * length..(i + 1) * length).unwrap_or_default());
    if values.len() < crate::exec::tensor::CHUNK {
        return (0..count).map(row).collect();
    }
    (0..count).into_par_iter().map(row).collect()
}

/// Reduces rows of floats; integers are taken as floats and the result is cut off.
fn reduce(args: &mut Args<'_>, of: impl Fn(&[f32]) -> f32 + Sync) -> One {
    let (data, length) = rows(args)?;
    let count = args.shape(0)?.iter().product();
    match data {
        Data::Floats(values) => args.one(each(&values, length, count, of)),
        Data::Ints(values) => {
            let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
            let reduced = each(&values, length, count, of);
            args.one(reduced.into_iter().map(|value| value as i32).collect::<Vec<_>>())
        }
        Data::Bools(_) => Err(misshapen("needs numbers")),
    }
}

/// Reduces rows of floats, and rows of integers by an operation of their own.
fn whole(args: &mut Args<'_>, of: impl Fn(&[f32]) -> f32 + Sync, int: fn(i32, i32) -> i32, start: i32) -> One {
    let (data, length) = rows(args)?;
    let count = args.shape(0)?.iter().product();
    match data {
        Data::Floats(values) => args.one(each(&values, length, count, of)),
        Data::Ints(values) => args.one(each(&values, length, count, |row| row.iter().fold(start, |a, b| int(a, *b)))),
        Data::Bools(_) => Err(misshapen("needs numbers")),
    }
}

fn sum_square(args: &mut Args<'_>) -> One {
    whole(args, |row| sum_of_squares(row, 0.0) as f32, |sum, x| sum.wrapping_add(x.wrapping_mul(x)), 0)
}

/// The one that is beyond all others; a NaN wins.
fn extreme(args: &mut Args<'_>, beyond: fn(f64, f64) -> bool, start: f32) -> One {
    let (data, length) = rows(args)?;
    let count = args.shape(0)?.iter().product();
    let float = |row: &[f32]| {
        let better = |x: f32, best: f32| beyond(f64::from(x), f64::from(best)) || x.is_nan();
        row.iter().fold(start, |best, x| if better(*x, best) { *x } else { best })
    };
    match data {
        Data::Floats(values) => args.one(each(&values, length, count, float)),
        Data::Ints(values) => {
            let int = |row: &[i32]| {
                let best = row.iter().copied().reduce(|a, b| if beyond(f64::from(b), f64::from(a)) { b } else { a });
                best.unwrap_or(0)
            };
            args.one(each(&values, length, count, int))
        }
        Data::Bools(_) => Err(misshapen("needs numbers")),
    }
}

fn log_sum_exp(row: &[f32]) -> f32 {
    let most = row.iter().fold(f32::NEG_INFINITY, |most, x| if *x > most || x.is_nan() { *x } else { most });
    if most.is_infinite() {
        return most;
    }
    let sum: f64 = row.iter().map(|x| f64::from(*x - most).exp()).sum();
    (f64::from(most) + sum.ln()) as f32
}

/// The first place of the extreme along an axis; a NaN wins, as in NumPy.
fn arg(args: &mut Args<'_>, beyond: fn(f64, f64) -> bool) -> One {
    let x = args.tensor("x")?;
    if x.rank() == 0 {
        return args.one(vec![0]);
    }
    let axis = args.axis("axis", -1, x.rank())?;
    let [outer, size, inner] = around(x.shape(), axis);
    if size == 0 {
        return Err(misshapen("has nothing along its axis to choose from"));
    }
    let places = |at: &(dyn Fn(usize) -> f64 + Sync)| -> Vec<i32> {
        let place = |i: usize| {
            let start = i / inner.max(1) * size * inner + i % inner.max(1);
            let (mut best, mut value) = (0, at(start));
            for step in 1..size {
                let other = at(start + step * inner);
                if beyond(other, value) || (other.is_nan() && !value.is_nan()) {
                    (best, value) = (step, other);
                }
            }
            best as i32
        };
        (0..outer * inner).into_par_iter().map(place).collect()
    };
    let found = match x.data() {
        Data::Floats(values) => places(&|i| values.get(i).copied().map_or(0.0, f64::from)),
        Data::Ints(values) => places(&|i| values.get(i).copied().map_or(0.0, f64::from)),
        Data::Bools(_) => return Err(misshapen("needs numbers")),
    };
    Ok(vec![Tensor::new(args.element(0)?, args.shape(0)?, found)?])
}
