//! Scales that are searched for. The weights come block after block.
//!
//! Sums are taken in binary64 over fixed pieces in a fixed order, so that they depend on nothing but the
//! weights.

use rayon::prelude::*;

use super::PIECE;
use super::blocks::Blocks;
use super::decode::value;
use super::encode::{Coding, extremes, in_steps, rint, to_code};
use super::formula::{Choice, Extent, Formula, Ranges};
use crate::quant::element::Element;
use crate::quant::error::QuantError;
use crate::quant::simd::multiversion;
use crate::scheme::Arithmetic;

type Cancelled<'a> = &'a (dyn Fn() -> bool + Sync);

/// Calls `f` with every block's number, its weights and its result, several blocks at a time.
fn for_each_block<T: Element, R: Send>(
    weights: &[T],
    blocks: &Blocks,
    results: &mut [R],
    cancelled: Cancelled<'_>,
    f: impl Fn(usize, &[T], &mut R) -> Result<(), QuantError> + Sync,
) -> Result<(), QuantError> {
    let group_len = blocks.group_len().max(1);
    let together = (PIECE / group_len).max(1);
    weights.par_chunks(group_len * together).zip(results.par_chunks_mut(together)).enumerate().try_for_each(
        |(task, (weights, results))| {
            if cancelled() {
                return Err(QuantError::Cancelled);
            }
            let blocks = weights.chunks(group_len).zip(results);
            for (i, (weights, result)) in blocks.enumerate() {
                f(task * together + i, weights, result)?;
            }
            Ok(())
        },
    )
}

/// Adds up what `f` gives for each piece of a block, in order; a large block's pieces are shared out.
fn sum_pieces<T: Element, const N: usize>(
    block: &[T],
    cancelled: Cancelled<'_>,
    f: impl Fn(&[T]) -> [f64; N] + Sync,
) -> Result<[f64; N], QuantError> {
    let add = |mut total: [f64; N], piece: &[f64; N]| {
        for (total, piece) in total.iter_mut().zip(piece) {
            *total += piece;
        }
        total
    };
    if block.len() <= PIECE {
        return Ok(f(block));
    }
    let pieces: Vec<[f64; N]> = block
        .par_chunks(PIECE)
        .map(|piece| match cancelled() {
            true => Err(QuantError::Cancelled),
            false => Ok(f(piece)),
        })
        .collect::<Result<_, _>>()?;
    Ok(pieces.iter().fold([0.0; N], add))
}

/// Lanes of a sum: enough for the widest registers, and added up in a fixed order.
const LANES: usize = 16;

#[inline(always)]
fn add_lanes(mut lanes: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// How many ranges [`least_squares`] tries, and the width of the steps between them.
const SHRINKAGES: usize = 80;
const SHRINKAGE: f32 = 0.01;

/// For every block the scale with the least squared error among 80 ranges: the min-max range shrunk by 0 %,
/// 1 % … 79 % at both ends. The largest wins a tie, so the error never exceeds that of min-max.
pub(super) fn least_squares<T: Element, S: Element, P: Element>(
    weights: &[T],
    blocks: &Blocks,
    formula: &Formula,
    cancelled: Cancelled<'_>,
) -> Result<Coding, QuantError> {
    let nothing = Choice { scale: 0.0, factor: 0.0, zero_point: 0, dead: false };
    let mut choices = vec![nothing; blocks.groups()];
    for_each_block(weights, blocks, &mut choices, cancelled, |_, block, best| {
        let extent = extent(block);
        *best = formula.choice::<T, S>(extent);
        if formula.arithmetic == Arithmetic::Coremltools && !best.scale.is_finite() {
            return Err(QuantError::NonFinite);
        }
        let candidates: [Choice; SHRINKAGES] = std::array::from_fn(|i| {
            let shrunk = 1.0 - i as f32 * SHRINKAGE;
            formula.choice::<T, S>(Extent { min: extent.min * shrunk, max: extent.max * shrunk })
        });
        let errors = sum_pieces(block, cancelled, |piece| squared_errors::<T, S, P>(piece, formula, &candidates))?;
        let mut least = errors[0];
        for (error, candidate) in errors.iter().zip(&candidates) {
            if *error < least {
                (least, *best) = (*error, *candidate);
            }
        }
        Ok(())
    })?;
    let mut coding = Coding::new(formula, 0);
    coding.divide = formula.arithmetic == Arithmetic::Coremltools;
    coding.scales = choices.iter().map(|c| c.scale).collect();
    coding.factors = choices.iter().map(|c| c.factor).collect();
    coding.zero_points = choices.iter().map(|c| c.zero_point).collect();
    coding.dead_blocks = choices.iter().filter(|c| c.dead).count();
    Ok(coding)
}

/// The smallest and the largest value of a block.
fn extent<T: Element>(block: &[T]) -> Extent {
    let mut ranges = Ranges::<T>::new(1);
    for piece in block.chunks(PIECE) {
        // One block without interleaving, whatever its length.
        extremes(&Blocks::one(piece.len()), (0, 0), piece, &mut ranges.highest, &mut ranges.lowest);
    }
    Extent::new::<T>(ranges.highest[0], ranges.lowest[0])
}

fn squared_errors<T: Element, S: Element, P: Element>(
    piece: &[T],
    formula: &Formula,
    candidates: &[Choice; SHRINKAGES],
) -> [f64; SHRINKAGES] {
    let mut errors = [0.0; SHRINKAGES];
    let range = (formula.lowest, formula.highest);
    match formula.arithmetic {
        Arithmetic::Torchao => {
            add_errors::<T, P, P, true>(piece, range, candidates, &mut errors);
        }
        Arithmetic::Coremltools => {
            add_errors::<T, P, S, false>(piece, range, candidates, &mut errors);
        }
    }
    errors
}

#[inline(always)]
fn squared_error<T: Element, P: Element, V: Element, const TORCHAO: bool>(
    weight: T,
    range: (i32, i32),
    choice: &Choice,
) -> f64 {
    let steps = if TORCHAO {
        in_steps::<T, P, false>(weight, choice.factor)
    } else {
        in_steps::<T, P, true>(weight, choice.factor)
    };
    let code = to_code(steps, choice.zero_point, range.0, range.1);
    let value = value::<T, V, TORCHAO>(code - choice.zero_point, choice.scale);
    let error = f64::from(weight.to_f32()) - f64::from(value);
    error * error
}

multiversion! {
    /// The squared error of every candidate. `P` rounds steps, `V` values; not torchao means coremltools.
    fn add_errors<T: Element, P: Element, V: Element; const TORCHAO: bool>(
        weights: &[T],
        range: (i32, i32),
        candidates: &[Choice; SHRINKAGES],
        errors: &mut [f64; SHRINKAGES],
    ) {
        /// Few enough weights to stay in the nearest cache while every candidate is tried.
        const NEAR: usize = 4096;
        for near in weights.chunks(NEAR) {
            let (chunks, rest) = near.as_chunks::<LANES>();
            for (choice, error) in candidates.iter().zip(&mut *errors) {
                let mut lanes = [0.0; LANES];
                for chunk in chunks {
                    for lane in 0..LANES {
                        lanes[lane] += squared_error::<T, P, V, TORCHAO>(chunk[lane], range, choice);
                    }
                }
                for (lane, weight) in rest.iter().enumerate() {
                    lanes[lane] += squared_error::<T, P, V, TORCHAO>(*weight, range, choice);
                }
                *error += add_lanes(lanes);
            }
        }
    }
}

/// Rounds of [`half_quadratic`].
const ROUNDS: usize = 20;
/// The relative change, over all blocks, below which it stops.
const TOLERANCE: f32 = 1e-5;

/// Half-quadratic quantization, scale only: codes for the scale, then the scale that fits the codes best,
/// in turn. Binary32 throughout, whatever the weights; the codes divide by the scale before it is rounded.
///
/// The rounds end for all blocks together, as upstream's do, so a block's scale depends on the others.
pub(super) fn half_quadratic<T: Element, S: Element>(
    weights: &[T],
    blocks: &Blocks,
    formula: &Formula,
    cancelled: Cancelled<'_>,
) -> Result<Coding, QuantError> {
    let mut coding = Coding::new(formula, blocks.groups());
    coding.divide = true;
    let range = (formula.lowest - formula.middle(), formula.highest - formula.middle());
    let widest = range.0.abs().max(range.1.abs()) as f32;
    let mut magnitudes = vec![0.0; blocks.groups()];
    for_each_block(weights, blocks, &mut magnitudes, cancelled, |_, block, out| {
        let Extent { min, max } = extent(block);
        *out = if -min > max { -min } else { max };
        Ok(())
    })?;
    if formula.arithmetic == Arithmetic::Coremltools && magnitudes.iter().any(|m| !m.is_finite()) {
        return Err(QuantError::NonFinite);
    }
    let mut scales: Vec<f32> = magnitudes.iter().map(|m| at_least_eps(m / widest)).collect();
    let mut fitted = scales.clone();
    for _ in 0..ROUNDS {
        for_each_block(weights, blocks, &mut fitted, cancelled, |group, block, fitted| {
            let scale = scales[group];
            let [products, squares] = sum_pieces(block, cancelled, |piece| fit::<T>(piece, scale, range))?;
            let (products, squares) = (products as f32, squares as f32);
            let scale = if squares > 0.0 { products / squares } else { scale };
            *fitted = at_least_eps(scale).abs();
            Ok(())
        })?;
        let settled = scales.iter().zip(&fitted).all(|(old, new)| {
            // A NaN or infinite scale never settles.
            (new - old).abs() / at_least_eps(*old) < TOLERANCE
        });
        scales.copy_from_slice(&fitted);
        if settled {
            break;
        }
    }
    coding.dead_blocks = magnitudes.iter().filter(|m| **m == 0.0).count();
    coding.scales = scales.iter().map(|s| S::round(*s)).collect();
    coding.factors = scales;
    Ok(coding)
}

/// The greater of `scale` and binary32's epsilon; NaN stays.
fn at_least_eps(scale: f32) -> f32 {
    if scale < f32::EPSILON { f32::EPSILON } else { scale }
}

#[inline(always)]
fn fit_terms<T: Element>(weight: T, scale: f32, range: (i32, i32)) -> (f64, f64) {
    let weight = weight.to_f32();
    let steps = weight / scale;
    let code = rint(steps).max(range.0).min(range.1) as f32;
    let code = if steps.is_nan() { steps } else { code };
    (f64::from(weight * code), f64::from(code * code))
}

multiversion! {
    /// The sums of weight · code and of code², for codes of the given scale.
    fn fit<T: Element>(weights: &[T], scale: f32, range: (i32, i32)) -> [f64; 2] {
        let (mut products, mut squares) = ([0.0; LANES], [0.0; LANES]);
        let (chunks, rest) = weights.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                let (product, square) = fit_terms(chunk[lane], scale, range);
                products[lane] += product;
                squares[lane] += square;
            }
        }
        for (lane, weight) in rest.iter().enumerate() {
            let (product, square) = fit_terms(*weight, scale, range);
            products[lane] += product;
            squares[lane] += square;
        }
        [add_lanes(products), add_lanes(squares)]
    }
}
