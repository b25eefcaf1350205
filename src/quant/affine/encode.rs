//! The two passes over the weights: their ranges, and their codes.

use super::blocks::Blocks;
use super::formula::Formula;
use crate::quant::element::Element;
use crate::quant::simd::multiversion;

/// How every block is coded.
pub(super) struct Coding {
    pub scales: Vec<f32>,
    /// What weights are multiplied by, or divided by if [`Coding::divide`].
    pub factors: Vec<f32>,
    pub zero_points: Vec<i32>,
    pub divide: bool,
    pub lowest: i32,
    pub highest: i32,
    pub dead_blocks: usize,
}

impl Coding {
    pub fn new(formula: &Formula, groups: usize) -> Self {
        Self {
            scales: vec![0.0; groups],
            factors: vec![0.0; groups],
            zero_points: vec![formula.middle(); groups],
            divide: false,
            lowest: formula.lowest,
            highest: formula.highest,
            dead_blocks: 0,
        }
    }

    /// Writes the zero points as codes are stored.
    pub fn store_zero_points(&self, out: &mut [i8]) {
        for (out, zero_point) in out.iter_mut().zip(&self.zero_points) {
            *out = *zero_point as i8;
        }
    }
}

/// Where a piece of a tensor begins: its first element, and the block that ranges and codings begin with.
type First = (usize, usize);

/// The integer nearest to `value`, ties to even, limited to ±2²⁰; NaN gives 2²⁰.
///
/// Where neighbouring binary32 numbers are 1 apart, adding rounds and the low bits are the integer.
#[inline(always)]
pub(super) fn rint(value: f32) -> i32 {
    const LIMIT: f32 = 1_048_576.0;
    const ONE_APART: f32 = 12_582_912.0;
    let value = if value < LIMIT { value } else { LIMIT };
    let value = if value > -LIMIT { value } else { -LIMIT };
    (value + ONE_APART).to_bits().wrapping_sub(ONE_APART.to_bits()).cast_signed()
}

/// The code of a weight already divided by its scale; NaN gives 0, as converting it to int8 does upstream.
///
/// Upstream adds the zero point in the weight's type. That rounds only sums beyond every code, so adding
/// integers gives the same.
#[inline(always)]
pub(super) fn to_code(steps: f32, zero_point: i32, lowest: i32, highest: i32) -> i32 {
    let code = rint(steps).wrapping_add(zero_point).max(lowest).min(highest);
    if steps.is_nan() { 0 } else { code }
}

/// A weight in steps of its scale, in the type `P`.
#[inline(always)]
pub(super) fn in_steps<T: Element, P: Element, const DIVIDE: bool>(weight: T, factor: f32) -> f32 {
    P::round(if DIVIDE { weight.to_f32() / factor } else { weight.to_f32() * factor })
}

/// How many elements are treated in one go; runs are cut into these, so that loops have constant lengths.
const LANES: usize = 32;

#[inline(always)]
fn widen_range<T: Element>(run: &[T], highest: &mut T::Signed, lowest: &mut T::Unsigned) {
    let mut high = [T::Signed::default(); LANES];
    let mut low = [T::Unsigned::default(); LANES];
    let (chunks, rest) = run.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            high[lane] = high[lane].max(chunk[lane].signed_bits());
            low[lane] = low[lane].max(chunk[lane].unsigned_bits());
        }
    }
    for (lane, weight) in rest.iter().enumerate() {
        high[lane] = high[lane].max(weight.signed_bits());
        low[lane] = low[lane].max(weight.unsigned_bits());
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            high[lane] = high[lane].max(high[lane + width]);
            low[lane] = low[lane].max(low[lane + width]);
        }
        width /= 2;
    }
    *highest = (*highest).max(high[0]);
    *lowest = (*lowest).max(low[0]);
}

multiversion! {
    /// Widens the ranges of the blocks that `weights`, a piece of the tensor, belongs to.
    pub(super) fn extremes<T: Element>(
        blocks: &Blocks,
        first: First,
        weights: &[T],
        highest: &mut [T::Signed],
        lowest: &mut [T::Unsigned],
    ) {
        for segment in blocks.segments(first.0, weights.len()) {
            let run = &weights[segment.range];
            let group = segment.group - first.1;
            if blocks.run_in_block() {
                widen_range(run, &mut highest[group], &mut lowest[group]);
            } else {
                let ends = highest[group..].iter_mut().zip(&mut lowest[group..]);
                for (weight, (highest, lowest)) in run.iter().zip(ends) {
                    *highest = (*highest).max(weight.signed_bits());
                    *lowest = (*lowest).max(weight.unsigned_bits());
                }
            }
        }
    }
}

multiversion! {
    fn encode_piece<T: Element, P: Element; const DIVIDE: bool>(
        blocks: &Blocks,
        first: First,
        weights: &[T],
        coding: &Coding,
        codes: &mut [i8],
    ) {
        let (lowest, highest) = (coding.lowest, coding.highest);
        for segment in blocks.segments(first.0, weights.len()) {
            let run = &weights[segment.range.clone()];
            let codes = &mut codes[segment.range];
            let group = segment.group - first.1;
            if blocks.run_in_block() {
                let (factor, zero_point) = (coding.factors[group], coding.zero_points[group]);
                let (chunks, rest) = run.as_chunks::<LANES>();
                let (code_chunks, code_rest) = codes.as_chunks_mut::<LANES>();
                for (chunk, codes) in chunks.iter().zip(code_chunks) {
                    for lane in 0..LANES {
                        let steps = in_steps::<T, P, DIVIDE>(chunk[lane], factor);
                        codes[lane] = to_code(steps, zero_point, lowest, highest) as i8;
                    }
                }
                for (weight, out) in rest.iter().zip(code_rest) {
                    let steps = in_steps::<T, P, DIVIDE>(*weight, factor);
                    *out = to_code(steps, zero_point, lowest, highest) as i8;
                }
            } else {
                let of_group = coding.factors[group..].iter().zip(&coding.zero_points[group..]);
                for ((weight, out), (factor, zero_point)) in run.iter().zip(codes).zip(of_group) {
                    let steps = in_steps::<T, P, DIVIDE>(*weight, *factor);
                    *out = to_code(steps, *zero_point, lowest, highest) as i8;
                }
            }
        }
    }
}

/// Writes the codes of a piece of the tensor; `P` is the type that `weight · factor` is rounded to.
pub(super) fn encode<T: Element, P: Element>(
    blocks: &Blocks,
    first: First,
    weights: &[T],
    coding: &Coding,
    codes: &mut [i8],
) {
    if coding.divide {
        encode_piece::<T, P, true>(blocks, first, weights, coding, codes);
    } else {
        encode_piece::<T, P, false>(blocks, first, weights, coding, codes);
    }
}
