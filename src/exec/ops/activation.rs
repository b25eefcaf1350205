//! Activations.

use rayon::prelude::*;

use super::{Args, Kernel, One, around, map, map_slices, misshapen, owned};
use crate::exec::error::Fault;
use crate::exec::math;
use crate::exec::tensor::{Data, Tensor};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("clamped_relu", clamped_relu),
    ("elu", elu),
    ("gelu", gelu),
    ("leaky_relu", leaky_relu),
    ("linear_activation", linear_activation),
    ("prelu", prelu),
    ("relu", relu),
    ("relu6", relu6),
    ("scaled_tanh", scaled_tanh),
    ("sigmoid", sigmoid),
    ("sigmoid_hard", sigmoid_hard),
    ("silu", silu),
    ("softmax", softmax),
    ("softplus", softplus),
    ("softplus_parametric", softplus_parametric),
    ("softsign", softsign),
    ("thresholded_relu", thresholded_relu),
];

fn alpha_beta(args: &Args<'_>) -> Result<(f32, f32), Fault> {
    Ok((args.float("alpha", 0.0)?, args.float("beta", 0.0)?))
}

/// `x` limited to a range; a NaN stays.
#[inline(always)]
pub(super) fn limit(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

fn clamped_relu(args: &mut Args<'_>) -> One {
    let (alpha, beta) = alpha_beta(args)?;
    map(args.take("x")?, |x| limit(if x < 0.0 { x * alpha } else { x }, f32::NEG_INFINITY, beta))
}

fn elu(args: &mut Args<'_>) -> One {
    let alpha = args.float("alpha", 1.0)?;
    map(args.take("x")?, |x| if x < 0.0 { alpha * x.exp_m1() } else { x })
}

fn gelu(args: &mut Args<'_>) -> One {
    let mode = args.word("mode", "EXACT");
    let x = args.take("x")?;
    match &*mode {
        "TANH_APPROXIMATION" => map_slices(x, math::gelu_tanh_slice),
        "SIGMOID_APPROXIMATION" => map_slices(x, math::gelu_sigmoid_slice),
        _ => map(x, |x| 0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2))),
    }
}

fn leaky_relu(args: &mut Args<'_>) -> One {
    let alpha = args.float("alpha", 0.01)?;
    map(args.take("x")?, |x| if x < 0.0 { x * alpha } else { x })
}

fn linear_activation(args: &mut Args<'_>) -> One {
    let (alpha, beta) = alpha_beta(args)?;
    map(args.take("x")?, |x| alpha * x + beta)
}

fn relu(args: &mut Args<'_>) -> One {
    map(args.take("x")?, |x| if x < 0.0 { 0.0 } else { x })
}

fn relu6(args: &mut Args<'_>) -> One {
    map(args.take("x")?, |x| limit(x, 0.0, 6.0))
}

fn scaled_tanh(args: &mut Args<'_>) -> One {
    let (alpha, beta) = alpha_beta(args)?;
    map(args.take("x")?, |x| alpha * math::tanh(beta * x))
}

fn sigmoid(args: &mut Args<'_>) -> One {
    map_slices(args.take("x")?, math::sigmoid_slice)
}

fn sigmoid_hard(args: &mut Args<'_>) -> One {
    let (alpha, beta) = alpha_beta(args)?;
    map(args.take("x")?, |x| limit(alpha * x + beta, 0.0, 1.0))
}

fn silu(args: &mut Args<'_>) -> One {
    map_slices(args.take("x")?, math::silu_slice)
}

fn softplus(args: &mut Args<'_>) -> One {
    map(args.take("x")?, |x| (-x.abs()).exp().ln_1p() + if x < 0.0 { 0.0 } else { x })
}

fn softsign(args: &mut Args<'_>) -> One {
    map(args.take("x")?, |x| x / (1.0 + x.abs()))
}

fn thresholded_relu(args: &mut Args<'_>) -> One {
    let alpha = args.float("alpha", 1.0)?;
    map(args.take("x")?, |x| if x < alpha { 0.0 } else { x })
}

/// Changes `x` [N, C, …] with a function that gets the channel, too.
pub(super) fn by_channel(x: Tensor, change: impl Fn(usize, &mut [f32]) + Sync) -> One {
    let (element, shape, data) = x.into_parts();
    let Data::Floats(values) = data else { return Err(misshapen("needs floats")) };
    let [_, channels, inner] = around(&shape, 1);
    let mut values = owned(values);
    if inner > 0 && channels > 0 {
        values.par_chunks_mut(inner).enumerate().for_each(|(i, plane)| change(i % channels, plane));
    }
    Ok(vec![Tensor::new(element, shape, values)?])
}

/// A vector's value for a channel; vectors of one value hold for all.
pub(super) fn of_channel(values: &[f32], channel: usize) -> f32 {
    values.get(channel).or(values.first()).copied().unwrap_or(0.0)
}

fn prelu(args: &mut Args<'_>) -> One {
    let alpha = args.floats("alpha")?.to_vec();
    by_channel(args.take("x")?, |channel, plane| {
        let alpha = of_channel(&alpha, channel);
        plane.iter_mut().for_each(|x| *x = if *x < 0.0 { *x * alpha } else { *x });
    })
}

fn softplus_parametric(args: &mut Args<'_>) -> One {
    let (alpha, beta) = (args.floats("alpha")?.to_vec(), args.floats("beta")?.to_vec());
    by_channel(args.take("x")?, |channel, plane| {
        let (alpha, beta) = (of_channel(&alpha, channel), of_channel(&beta, channel));
        let soft = |x: f32| (-x.abs()).exp().ln_1p() + if x < 0.0 { 0.0 } else { x };
        plane.iter_mut().for_each(|x| *x = alpha * soft(*x * beta));
    })
}

fn softmax(args: &mut Args<'_>) -> One {
    let x = args.take("x")?;
    if x.rank() == 0 {
        return map(x, |x| if x.is_finite() { 1.0 } else { f32::NAN });
    }
    let axis = args.axis("axis", -1, x.rank())?;
    let (element, shape, data) = x.into_parts();
    let Data::Floats(values) = data else { return Err(misshapen("needs floats")) };
    let [_, size, inner] = around(&shape, axis);
    let mut values = owned(values);
    match (size, inner) {
        (0, _) | (_, 0) => {}
        (_, 1) => rows(&mut values, size, math::softmax_row),
        _ => values.par_chunks_mut(size * inner).for_each(|block| softmax_columns(block, inner)),
    }
    Ok(vec![Tensor::new(element, shape, values)?])
}

/// Changes every row of so many elements, several rows to a piece of work.
pub(super) fn rows(values: &mut [f32], length: usize, change: impl Fn(&mut [f32]) + Sync) {
    let length = length.max(1);
    let piece = (crate::exec::tensor::CHUNK / length).max(1) * length;
    values.par_chunks_mut(piece).for_each(|piece| piece.chunks_exact_mut(length).for_each(&change));
}

/// The softmax of every column.
fn softmax_columns(block: &mut [f32], columns: usize) {
    let mut most = vec![f32::NEG_INFINITY; columns];
    for row in block.chunks_exact(columns) {
        most.iter_mut().zip(row).for_each(|(most, x)| *most = if *x > *most { *x } else { *most });
    }
    let mut sums = vec![0f32; columns];
    for row in block.chunks_exact_mut(columns) {
        row.iter_mut().zip(&most).for_each(|(x, most)| *x -= *most);
        math::exp_slice(row);
        sums.iter_mut().zip(&*row).for_each(|(sum, x)| *sum += *x);
    }
    for row in block.chunks_exact_mut(columns) {
        row.iter_mut().zip(&sums).for_each(|(x, sum)| *x /= *sum);
    }
}
