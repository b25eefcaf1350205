//! Normalizations. Means and variances are summed in binary64.

use rayon::prelude::*;

use super::activation::{by_channel, of_channel, rows};
use super::{Args, Kernel, One, around, misshapen, owned};
use crate::exec::error::Fault;
use crate::exec::layout::View;
use crate::exec::math::{sum, sum_of_squares};
use crate::exec::tensor::{Data, Tensor};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("batch_norm", batch_norm),
    ("instance_norm", instance_norm),
    ("l2_norm", l2_norm),
    ("layer_norm", layer_norm),
    ("local_response_norm", local_response_norm),
];

/// `gamma` and `beta`, where they are given.
struct Affine {
    gamma: Option<Vec<f32>>,
    beta: Option<Vec<f32>>,
}

impl Affine {
    fn new(args: &Args<'_>) -> Result<Self, Fault> {
        let owned = |values: Option<&[f32]>| values.map(<[f32]>::to_vec);
        Ok(Self { gamma: owned(args.floats_if("gamma")?), beta: owned(args.floats_if("beta")?) })
    }

    fn of_channel(&self, channel: usize) -> (f32, f32) {
        let get = |values: &Option<Vec<f32>>, default| values.as_deref().map_or(default, |v| of_channel(v, channel));
        (get(&self.gamma, 1.0), get(&self.beta, 0.0))
    }
}

fn batch_norm(args: &mut Args<'_>) -> One {
    let (mean, variance) = (args.floats("mean")?.to_vec(), args.floats("variance")?.to_vec());
    let (affine, epsilon) = (Affine::new(args)?, args.float("epsilon", 1e-5)?);
    by_channel(args.take("x")?, |channel, plane| {
        let (gamma, beta) = affine.of_channel(channel);
        let (mean, scale) = (of_channel(&mean, channel), gamma / (of_channel(&variance, channel) + epsilon).sqrt());
        plane.iter_mut().for_each(|x| *x = (*x - mean) * scale + beta);
    })
}

/// The mean of values, and one over their standard deviation.
fn moments(values: &[f32], epsilon: f32) -> (f32, f32) {
    let count = values.len().max(1) as f64;
    let mean = sum(values) / count;
    let variance = sum_of_squares(values, mean) / count;
    (mean as f32, (1.0 / (variance + f64::from(epsilon)).sqrt()) as f32)
}

fn instance_norm(args: &mut Args<'_>) -> One {
    let (affine, epsilon) = (Affine::new(args)?, args.float("epsilon", 1e-5)?);
    by_channel(args.take("x")?, |channel, plane| {
        let (gamma, beta) = affine.of_channel(channel);
        let (mean, scale) = moments(plane, epsilon);
        plane.iter_mut().for_each(|x| *x = (*x - mean) * scale * gamma + beta);
    })
}

/// Over the last three dimensions together.
fn l2_norm(args: &mut Args<'_>) -> One {
    let epsilon = args.float("epsilon", 1e-6)?;
    let (element, shape, data) = args.take("x")?.into_parts();
    let Data::Floats(values) = data else { return Err(misshapen("needs floats")) };
    let length = shape.iter().rev().take(3).product();
    let mut values = owned(values);
    rows(&mut values, length, |row| {
        let norm = (sum_of_squares(row, 0.0) + f64::from(epsilon)).sqrt() as f32;
        row.iter_mut().for_each(|x| *x /= norm);
    });
    Ok(vec![Tensor::new(element, shape, values)?])
}

fn layer_norm(args: &mut Args<'_>) -> One {
    let (affine, epsilon) = (Affine::new(args)?, args.float("epsilon", 1e-5)?);
    let rank = args.tensor("x")?.rank();
    let axes = args.axes("axes", rank)?;
    let (element, shape, data) = args.take("x")?.into_parts();
    // The normalized axes last, and back.
    let mut order: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
    order.extend(&axes);
    let turned = order.iter().enumerate().any(|(i, at)| i != *at);
    let data = if turned { View::new(&shape).permuted(&order).copy_data(&data) } else { data };
    let Data::Floats(values) = data else { return Err(misshapen("needs floats")) };
    let length: usize = axes.iter().map(|axis| shape[*axis]).product();
    let mut values = owned(values);
    rows(&mut values, length, |row| {
        let (mean, scale) = moments(row, epsilon);
        row.iter_mut().for_each(|x| *x = (*x - mean) * scale);
        if let Some(gamma) = &affine.gamma {
            row.iter_mut().zip(gamma).for_each(|(x, gamma)| *x *= gamma);
        }
        if let Some(beta) = &affine.beta {
            row.iter_mut().zip(beta).for_each(|(x, beta)| *x += beta);
        }
    });
    if turned {
        let turned_shape: Vec<usize> = order.iter().map(|at| shape[*at]).collect();
        let mut back = vec![0; rank];
        order.iter().enumerate().for_each(|(i, at)| back[*at] = i);
        values = View::new(&turned_shape).permuted(&back).copy(&values);
    }
    Ok(vec![Tensor::new(element, shape, values)?])
}

/// Divides by the squares of neighbouring channels. As PyTorch, whose frontend makes this operator: the window of
/// `size` channels begins `size / 2` before its own, and what lies outside counts as 0.
fn local_response_norm(args: &mut Args<'_>) -> One {
    let size = usize::try_from(args.int("size", 1)?).unwrap_or(1).max(1);
    let (alpha, beta, k) = (args.float("alpha", 1e-4)?, args.float("beta", 0.75)?, args.float("k", 1.0)?);
    let x = args.tensor("x")?;
    let [_, channels, inner] = around(x.shape(), 1);
    let values = args.floats("x")?;
    let mut out = values.to_vec();
    if channels * inner > 0 {
        out.par_chunks_mut(channels * inner).zip(values.par_chunks(channels * inner)).for_each(|(out, image)| {
            let mut squares = vec![0f32; inner];
            for (channel, out) in out.chunks_exact_mut(inner).enumerate() {
                let first = channel.saturating_sub(size / 2);
                let end = (channel + size - size / 2).min(channels);
                squares.fill(0.0);
                for plane in image[first * inner..end.max(first) * inner].chunks_exact(inner) {
                    squares.iter_mut().zip(plane).for_each(|(sum, x)| *sum += x * x);
                }
                let scale = alpha / size as f32;
                out.iter_mut().zip(&squares).for_each(|(x, sum)| *x /= (k + scale * sum).powf(beta));
            }
        });
    }
    args.one(out)
}
