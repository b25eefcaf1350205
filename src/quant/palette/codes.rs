//! From thresholds to codes.

use crate::quant::element::Element;
use crate::quant::simd::multiversion;

/// Up to this many thresholds are all compared with every weight; more are searched.
const COMPARED: usize = 31;
/// Weights coded at once.
const LANES: usize = 16;
/// 16-bit weights fewer than this are not worth a table of all bit patterns.
const PATTERNS_FROM: usize = 1 << 14;

/// A way to find the code of a weight: how many thresholds are not above it.
pub(super) enum Coder {
    /// Compares with all.
    Compare(Vec<f32>),
    /// Searches 255 thresholds, the unused ones infinite.
    Search(Box<[f32; 255]>),
    /// The code of every 16-bit pattern, by its place among the values.
    Patterns(Vec<u8>),
}

impl Coder {
    /// A coder for about `length` weights.
    pub(super) fn new<T: Element>(thresholds: &[f32], length: usize) -> Self {
        if size_of::<T>() == 2 && length >= PATTERNS_FROM {
            return Coder::Patterns(patterns::<T>(thresholds));
        }
        if thresholds.len() <= COMPARED {
            return Coder::Compare(thresholds.to_vec());
        }
        let mut padded = Box::new([f32::INFINITY; 255]);
        for (to, &from) in padded.iter_mut().zip(thresholds) {
            *to = from;
        }
        Coder::Search(padded)
    }

    /// Writes the codes of weights.
    pub(super) fn code<T: Element>(&self, weights: &[T], codes: &mut [u8]) {
        code(self, weights, codes);
    }
}

multiversion! {
    fn code<T: Element>(coder: &Coder, weights: &[T], codes: &mut [u8]) {
        match coder {
            Coder::Compare(thresholds) => in_lanes(weights, codes, |x| {
                let mut count = [0u32; LANES];
                for &threshold in thresholds {
                    for lane in 0..LANES {
                        count[lane] += u32::from(x[lane] >= threshold);
                    }
                }
                count
            }),
            Coder::Search(thresholds) => in_lanes(weights, codes, |x| {
                let mut count = [0u32; LANES];
                let mut step = 128;
                while step > 0 {
                    for lane in 0..LANES {
                        let at = (count[lane] + step - 1) as usize & 0xff;
                        let reached = thresholds.get(at).is_some_and(|&t| x[lane] >= t);
                        count[lane] += u32::from(reached) * step;
                    }
                    step /= 2;
                }
                count
            }),
            Coder::Patterns(patterns) => {
                for (code, weight) in codes.iter_mut().zip(weights) {
                    let at = place((*weight).unsigned_bits().into());
                    *code = patterns.get(at).copied().unwrap_or(0);
                }
            }
        }
    }
}

#[inline(always)]
fn in_lanes<T: Element>(weights: &[T], codes: &mut [u8], count: impl Fn([f32; LANES]) -> [u32; LANES]) {
    let (weight_chunks, weight_rest) = weights.as_chunks::<LANES>();
    let (code_chunks, code_rest) = codes.as_chunks_mut::<LANES>();
    for (weights, codes) in weight_chunks.iter().zip(code_chunks) {
        *codes = count(weights.map(T::to_f32)).map(|c| c as u8);
    }
    let mut last = [0.0; LANES];
    for (to, from) in last.iter_mut().zip(weight_rest) {
        *to = from.to_f32();
    }
    for (code, count) in code_rest.iter_mut().zip(count(last)) {
        *code = count as u8;
    }
}

/// The place of a 16-bit pattern when patterns are sorted by value.
#[inline(always)]
fn place(bits: u32) -> usize {
    let flip = if bits & 0x8000 != 0 { 0xffff } else { 0x8000 };
    ((bits ^ flip) & 0xffff) as usize
}

fn patterns<T: Element>(thresholds: &[f32]) -> Vec<u8> {
    let mut codes = vec![0u8; 1 << 16];
    let mut from = 0;
    for (code, &threshold) in thresholds.iter().chain([&f32::INFINITY]).enumerate() {
        let to = first_place::<T>(threshold);
        codes[from..to].fill(code as u8);
        from = to;
    }
    codes
}

/// The place of the smallest value that is not below a threshold.
fn first_place<T: Element>(threshold: f32) -> usize {
    if threshold == 0.0 {
        // Negative zero is equal to zero and just before it.
        return place(0x8000);
    }
    if threshold == f32::INFINITY {
        return 1 << 16;
    }
    let near = T::from_f32(threshold);
    place(near.unsigned_bits().into()) + usize::from(near.to_f32() < threshold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};
    use proptest::prelude::*;

    fn plain(thresholds: &[f32], weight: f32) -> u8 {
        thresholds.iter().filter(|&&t| weight >= t).count() as u8
    }

    fn check<T: Element>(weights: &[f32], thresholds: &[f32], length: usize) {
        let weights: Vec<T> = weights.iter().map(|&w| T::from_f32(w)).collect();
        let expected: Vec<u8> = weights.iter().map(|w| plain(thresholds, w.to_f32())).collect();
        let mut codes = vec![0; weights.len()];
        let coder = Coder::new::<T>(thresholds, length);
        coder.code(&weights, &mut codes);
        assert_eq!(codes, expected);
    }

    proptest! {
        #[test]
        fn every_coder_counts_thresholds(
            weights in prop::collection::vec(-3.0f32..3.0, 0..100),
            mut thresholds in prop::collection::vec(-3.0f32..3.0, 0..256),
            zero in any::<bool>(),
        ) {
            thresholds.truncate(255);
            if zero && !thresholds.is_empty() {
                thresholds[0] = 0.0;
            }
            thresholds.sort_by(f32::total_cmp);
            let mut weights = weights;
            weights.extend([0.0, -0.0]);
            weights.extend(&thresholds);
            for length in [1, PATTERNS_FROM] {
                check::<f32>(&weights, &thresholds, length);
                check::<f16>(&weights, &thresholds, length);
                check::<bf16>(&weights, &thresholds, length);
            }
        }
    }
}
