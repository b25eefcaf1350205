//! Pruning: which weights stay, as a mask, and setting the others to zero.
//!
//! The choices follow coremltools' `OpMagnitudePrunerConfig` and `OpThresholdPrunerConfig`, with one
//! difference: among weights of equal magnitude the earlier ones go first, so that the sparsity asked for is
//! met. Upstream takes all that equal the threshold, which for a weight of few distinct values may be all.

use rayon::prelude::*;

use super::element::Element;
use super::error::QuantError;
use super::pack::squeeze;
use crate::scheme::pruned;

/// Elements that one task works on; a multiple of 8, so that its bytes of a mask are its own.
const PIECE: usize = 1 << 16;

/// Which elements of a row-major tensor are present: one bit each, 1 for present, the lowest bit of a byte
/// first, unused bits 0. Core ML stores masks so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    bytes: Vec<u8>,
    len: usize,
}

impl Mask {
    /// A mask of `len` elements from its bytes.
    ///
    /// # Errors
    /// If the number of bytes is not that of `len` bits, or an unused bit is set.
    pub fn from_bytes(bytes: Vec<u8>, len: usize) -> Result<Self, QuantError> {
        if bytes.len() != len.div_ceil(8) {
            return Err(QuantError::PackedLength {
                count: len,
                bits: 1,
                expected: len.div_ceil(8),
                found: bytes.len(),
            });
        }
        match bytes.last() {
            Some(last) if !len.is_multiple_of(8) && last >> (len % 8) != 0 => Err(QuantError::Padding),
            _ => Ok(Self { bytes, len }),
        }
    }

    /// The mask of the elements that `present` says are present, given their index and value.
    fn of<T: Element>(weights: &[T], present: impl Fn(usize, T) -> bool + Sync) -> Self {
        let mut bytes = vec![0; weights.len().div_ceil(8)];
        weights.par_chunks(PIECE).zip(bytes.par_chunks_mut(PIECE / 8)).enumerate().for_each(
            |(piece, (weights, bytes))| {
                for (i, (eight, byte)) in weights.chunks(8).zip(bytes).enumerate() {
                    let first = piece * PIECE + i * 8;
                    let mut flags = [0; 8];
                    for (bit, (flag, weight)) in flags.iter_mut().zip(eight).enumerate() {
                        *flag = u8::from(present(first + bit, *weight));
                    }
                    *byte = squeeze(u64::from_le_bytes(flags), 1) as u8;
                }
            },
        );
        Self { bytes, len: weights.len() }
    }

    /// Elements, present or not.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the mask covers no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bits, as Core ML stores them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Elements that are present.
    pub fn present(&self) -> usize {
        self.bytes.iter().map(|b| b.count_ones() as usize).sum()
    }

    /// The share of elements that are not present, 0 to 1; 0 of no elements.
    pub fn sparsity(&self) -> f64 {
        if self.len == 0 {
            return 0.0;
        }
        (self.len - self.present()) as f64 / self.len as f64
    }

    /// Whether an element is present; not beyond the last.
    pub fn contains(&self, index: usize) -> bool {
        let byte = self.bytes.get(index / 8).copied().unwrap_or(0);
        byte >> (index % 8) & 1 == 1
    }

    /// Sets the elements that are not present to zero.
    ///
    /// # Errors
    /// If the mask is of another length.
    pub fn apply<T: Element>(&self, weights: &mut [T]) -> Result<(), QuantError> {
        self.check(weights.len())?;
        weights.par_chunks_mut(PIECE).zip(self.bytes.par_chunks(PIECE / 8)).for_each(|(weights, bytes)| {
            for (eight, byte) in weights.chunks_mut(8).zip(bytes) {
                for (bit, weight) in eight.iter_mut().enumerate() {
                    if byte >> bit & 1 == 0 {
                        *weight = T::from_f32(0.0);
                    }
                }
            }
        });
        Ok(())
    }

    /// The values of the elements that are present, in order: weights, or codes of a joint scheme.
    ///
    /// # Errors
    /// If the mask is of another length.
    pub fn select<V: Copy>(&self, values: &[V]) -> Result<Vec<V>, QuantError> {
        self.check(values.len())?;
        let mut selected = Vec::with_capacity(self.present());
        for (eight, &byte) in values.chunks(8).zip(&self.bytes) {
            let mut rest = byte;
            while rest != 0 {
                selected.push(eight[rest.trailing_zeros() as usize]);
                rest &= rest - 1;
            }
        }
        Ok(selected)
    }

    fn check(&self, len: usize) -> Result<(), QuantError> {
        if len == self.len {
            return Ok(());
        }
        Err(QuantError::Length { len, shape: vec![self.len] })
    }
}

/// Prunes the weights of smallest magnitude. Zeros are never present, whatever the sparsity.
///
/// How many go is what [`pruned`] says. NaN counts as the largest.
///
/// # Errors
/// If `sparsity` is not between 0 and 1.
pub fn by_magnitude<T: Element>(weights: &[T], sparsity: f64) -> Result<Mask, QuantError> {
    if !(0.0..=1.0).contains(&sparsity) {
        return Err(QuantError::Sparsity(sparsity.to_string()));
    }
    // No more than there are weights.
    let count = pruned(weights.len() as u64, sparsity) as usize;
    let Some(last) = count.checked_sub(1) else {
        return Ok(Mask::of(weights, |_, w| w.to_f32() != 0.0));
    };
    let (threshold, below) = nth_magnitude(weights, last);
    let end = place_after(weights, threshold, count - below);
    Ok(Mask::of(weights, |index, weight| {
        let magnitude = magnitude(weight);
        magnitude != 0 && (magnitude > threshold || (magnitude == threshold && index >= end))
    }))
}

/// The magnitude's bits, which order as magnitudes do.
#[inline(always)]
fn magnitude<T: Element>(weight: T) -> u32 {
    weight.to_f32().to_bits() & 0x7fff_ffff
}

/// The magnitude at place `n`, counted from the smallest at 0, and how many are smaller.
fn nth_magnitude<T: Element>(weights: &[T], n: usize) -> (u32, usize) {
    // Two passes: the upper half of the bits, then the lower half where the upper is the one found.
    let upper = histogram(weights, |magnitude| Some(magnitude >> 16));
    let (high, below) = place_in(&upper, n);
    let lower = histogram(weights, |magnitude| (magnitude >> 16 == high).then_some(magnitude & 0xffff));
    let (low, further) = place_in(&lower, n - below);
    (high << 16 | low, below + further)
}

fn histogram<T: Element>(weights: &[T], bin: impl Fn(u32) -> Option<u32> + Sync) -> Vec<usize> {
    const BINS: usize = 1 << 16;
    /// Elements that pay for a histogram of their own.
    const SHARE: usize = 1 << 22;
    weights
        .par_chunks(SHARE)
        .fold(
            || vec![0; BINS],
            |mut bins, weights| {
                for weight in weights {
                    if let Some(bin) = bin(magnitude(*weight)) {
                        bins[bin as usize] += 1;
                    }
                }
                bins
            },
        )
        .reduce(
            || vec![0; BINS],
            |mut a, b| {
                a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                a
            },
        )
}

/// The bin that holds place `n`, and how many are in the bins before it.
fn place_in(bins: &[usize], n: usize) -> (u32, usize) {
    let mut before = 0;
    for (bin, count) in bins.iter().enumerate() {
        if n < before + count {
            return (bin as u32, before);
        }
        before += count;
    }
    (0, 0)
}

/// The index after the `count`-th weight of this magnitude.
fn place_after<T: Element>(weights: &[T], wanted: u32, count: usize) -> usize {
    weights
        .iter()
        .enumerate()
        .filter(|(_, w)| magnitude(**w) == wanted)
        .nth(count.saturating_sub(1))
        .map_or(weights.len(), |(index, _)| index + 1)
}

/// Prunes the weights of magnitude `threshold` and less; NaN stays.
///
/// # Errors
/// If `threshold` is negative or NaN.
pub fn by_threshold<T: Element>(weights: &[T], threshold: f32) -> Result<Mask, QuantError> {
    if threshold < 0.0 || threshold.is_nan() {
        return Err(QuantError::Sparsity(format!("a threshold of {threshold}")));
    }
    Ok(Mask::of(weights, |_, weight| {
        let magnitude = weight.to_f32().abs();
        magnitude > threshold || magnitude.is_nan()
    }))
}

/// Prunes `pruned` of every `of` consecutive weights along an axis: those of smallest magnitude, the earlier
/// of equals first. Where `of` does not divide the axis, the last weights are filled up with zeros, which go
/// first, as in coremltools. Zeros are never present.
///
/// # Errors
/// If `pruned` exceeds `of` or `of` is 0, if there is no such axis, or if the shape does not describe
/// `weights`.
pub fn n_of_m<T: Element>(
    weights: &[T],
    shape: &[usize],
    axis: usize,
    pruned: usize,
    of: usize,
) -> Result<Mask, QuantError> {
    if of == 0 || pruned > of {
        return Err(QuantError::Sparsity(format!("{pruned}:{of}")));
    }
    let Some(&channels) = shape.get(axis) else {
        let rank = shape.len();
        return Err(QuantError::Axis { axis, rank });
    };
    let len = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    if len != Some(weights.len()) {
        return Err(QuantError::Length { len: weights.len(), shape: shape.to_vec() });
    }
    let stride = shape[axis + 1..].iter().product::<usize>().max(1);
    let slab = (channels * stride).max(1);
    let mut present = vec![true; weights.len()];
    present.par_chunks_mut(slab).zip(weights.par_chunks(slab)).for_each(|(present, weights)| {
        let mut places = Vec::with_capacity(of.min(channels));
        for (first, inner) in (0..channels).step_by(of).flat_map(|c| (0..stride).map(move |i| (c, i))) {
            let last = first.saturating_add(of).min(channels);
            places.clear();
            places.extend((first..last).map(|channel| channel * stride + inner));
            // A stable sort keeps equals in order.
            places.sort_by_key(|place| magnitude(weights[*place]));
            let filled = of - places.len();
            for place in places.iter().take(pruned.saturating_sub(filled)) {
                present[*place] = false;
            }
        }
    });
    Ok(Mask::of(weights, |index, weight| present[index] && weight.to_f32() != 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;
    use proptest::prelude::*;

    fn kept(mask: &Mask) -> Vec<usize> {
        (0..mask.len()).filter(|i| mask.contains(*i)).collect()
    }

    #[test]
    fn the_smallest_go_and_the_earlier_of_equals() {
        let weights = [3.0f32, -1.0, 1.0, 2.0, -1.0, 4.0, 0.5, 1.0];
        assert_eq!(kept(&by_magnitude(&weights, 0.5).unwrap()), [0, 3, 5, 7]);
        assert_eq!(kept(&by_magnitude(&weights, 0.0).unwrap()).len(), 8);
        assert_eq!(by_magnitude(&weights, 1.0).unwrap().present(), 0);
        assert!(by_magnitude(&weights, 1.5).is_err());
        assert!(by_magnitude(&weights, f64::NAN).is_err());
    }

    #[test]
    fn zeros_are_never_present_and_nan_always_is() {
        let weights = [0.0f32, 1.0, -0.0, f32::NAN, 2.0];
        assert_eq!(kept(&by_magnitude(&weights, 0.0).unwrap()), [1, 3, 4]);
        assert_eq!(kept(&by_magnitude(&weights, 0.7).unwrap()), [3, 4]);
        assert_eq!(kept(&by_threshold(&weights, 1.0).unwrap()), [3, 4]);
    }

    #[test]
    fn two_of_four_along_either_axis() {
        let weights = [1.0f32, 2.0, 3.0, 4.0, 8.0, 7.0, 6.0, 5.0];
        let kept_along = |axis| kept(&n_of_m(&weights, &[2, 4], axis, 2, 4).unwrap());
        assert_eq!(kept_along(1), [2, 3, 4, 5]);
        assert_eq!(kept_along(0), [0, 1, 2, 3, 4, 5, 6, 7], "two zeros fill each column up");
        assert!(n_of_m(&weights, &[2, 4], 2, 2, 4).is_err());
        assert!(n_of_m(&weights, &[2, 4], 1, 5, 4).is_err());
        assert!(n_of_m(&weights, &[2, 4], 1, 0, 0).is_err());
        assert!(n_of_m(&weights, &[2, 5], 1, 2, 4).is_err());
        assert!(n_of_m::<f32>(&[], &[0, 4], 1, 2, 4).unwrap().is_empty());
    }

    #[test]
    fn a_mask_applies_and_selects() {
        let mask = Mask::from_bytes(vec![0b1010_0101, 0b1], 9).unwrap();
        let mut weights: Vec<f32> = (1..10).map(|i| i as f32).collect();
        assert_eq!(mask.select(&weights).unwrap(), [1.0, 3.0, 6.0, 8.0, 9.0]);
        mask.apply(&mut weights).unwrap();
        assert_eq!(weights, [1.0, 0.0, 3.0, 0.0, 0.0, 6.0, 0.0, 8.0, 9.0]);
        assert_eq!((mask.present(), mask.len()), (5, 9));
        assert!(mask.apply(&mut weights[1..]).is_err());
        assert!(Mask::from_bytes(vec![0, 2], 9).is_err());
        assert!(Mask::from_bytes(vec![0], 9).is_err());
    }

    proptest! {
        #[test]
        fn magnitudes_are_pruned_as_a_stable_sort_says(
            bits in proptest::collection::vec(prop_oneof![any::<u16>(), 0u16..4], 1..300),
            sparsity in 0.0f64..1.0,
        ) {
            let weights: Vec<f16> = bits.iter().map(|b| f16::from_bits(*b)).collect();
            let mask = by_magnitude(&weights, sparsity).unwrap();
            let mut order: Vec<usize> = (0..weights.len()).collect();
            order.sort_by_key(|i| magnitude(weights[*i]));
            let count = match sparsity {
                0.0 => 0,
                s => ((weights.len() - 1) as f64 * s).floor() as usize + 1,
            };
            let mut expected = order[count..].to_vec();
            expected.retain(|i| weights[*i].to_f32() != 0.0);
            expected.sort_unstable();
            prop_assert_eq!(kept(&mask), expected);
        }
    }
}
