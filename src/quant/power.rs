//! How far quantized weights are from the original ones.

use rayon::prelude::*;

use super::element::Element;
use super::error::QuantError;
use super::simd::multiversion;

/// Elements whose sums are taken together. Sums of pieces are added in order, so the result does not depend
/// on the number of threads.
const PIECE: usize = 1 << 14;

/// The power of a signal and of the noise that quantization added to it.
///
/// Elements whose original is NaN or infinite (attention masks hold −∞) count in neither sum.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Power {
    /// Σ w².
    pub signal: f64,
    /// Σ (w − ŵ)²; infinite if a finite weight became NaN or infinite.
    pub noise: f64,
    /// max |w − ŵ|; infinite where the noise is.
    pub largest: f64,
    /// Σ |w − ŵ|; infinite where the noise is.
    pub absolute: f64,
    /// Elements in the sums.
    pub count: usize,
}

impl Power {
    /// The powers of some weights and of what they became.
    ///
    /// # Errors
    /// If the two differ in length.
    pub fn between<T: Element>(original: &[T], changed: &[T]) -> Result<Self, QuantError> {
        same_length(original.len(), changed.len())?;
        let pieces = original.par_chunks(PIECE).zip(changed.par_chunks(PIECE));
        Ok(Self::sum(pieces.map(|(original, changed)| power(original, changed)).collect()))
    }

    /// As [`Power::between`], of what a function writes for the elements from some place on: only pieces of it are
    /// ever in memory.
    pub fn between_made<T: Element>(original: &[T], make: impl Fn(usize, &mut [T]) + Sync) -> Self {
        let piece = |made: &mut Vec<T>, (piece, original): (usize, &[T])| {
            made.resize(original.len(), T::from_f32(0.0));
            make(piece * PIECE, made);
            power(original, made)
        };
        Self::sum(original.par_chunks(PIECE).enumerate().map_init(Vec::new, piece).collect())
    }

    fn sum(pieces: Vec<Self>) -> Self {
        pieces.iter().fold(Self::default(), |sum, piece| sum.and(piece))
    }

    /// Signal to quantization noise ratio in dB: infinite without noise, NaN for NaN.
    pub fn sqnr(&self) -> f64 {
        if self.noise == 0.0 { f64::INFINITY } else { 10.0 * (self.signal / self.noise).log10() }
    }

    /// The mean absolute error; 0 where there are no elements.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.absolute / self.count as f64 }
    }

    /// The powers of two tensors taken as one.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self {
            signal: self.signal + other.signal,
            noise: self.noise + other.noise,
            largest: self.largest.max(other.largest),
            absolute: self.absolute + other.absolute,
            count: self.count + other.count,
        }
    }
}

fn same_length(original: usize, changed: usize) -> Result<(), QuantError> {
    if original == changed {
        return Ok(());
    }
    Err(QuantError::Length { len: changed, shape: vec![original] })
}

/// Lanes of the sums, added up in a fixed order.
const LANES: usize = 16;

#[derive(Default)]
struct Sums {
    signal: [f64; LANES],
    noise: [f64; LANES],
    largest: [f64; LANES],
    absolute: [f64; LANES],
    left_out: [u32; LANES],
}

impl Sums {
    #[inline(always)]
    fn add<T: Element>(&mut self, lane: usize, original: T, changed: T) {
        let (original, changed) = (original.to_f32(), changed.to_f32());
        let finite = original.is_finite();
        let w = f64::from(original);
        let error = w - f64::from(changed);
        let size = if error.is_nan() { f64::INFINITY } else { error.abs() };
        let size = if finite { size } else { 0.0 };
        self.signal[lane] += if finite { w * w } else { 0.0 };
        self.noise[lane] += size * size;
        self.largest[lane] = self.largest[lane].max(size);
        self.absolute[lane] += size;
        self.left_out[lane] += u32::from(!finite);
    }
}

/// How many values are NaN or infinite.
pub fn not_finite<T: Element>(values: &[T]) -> u64 {
    values.par_chunks(PIECE).map(|piece| u64::from(not_finite_in(piece))).sum()
}

multiversion! {
    fn not_finite_in<T: Element>(piece: &[T]) -> u32 {
        let mut counts = [0u32; LANES];
        let (chunks, rest) = piece.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                counts[lane] += u32::from(!chunk[lane].to_f32().is_finite());
            }
        }
        let rest = rest.iter().map(|value| u32::from(!value.to_f32().is_finite())).sum::<u32>();
        counts.iter().sum::<u32>() + rest
    }
}

multiversion! {
    fn power<T: Element>(original: &[T], changed: &[T]) -> Power {
        let mut sums = Sums::default();
        let (chunks, rest) = original.as_chunks::<LANES>();
        let (changed_chunks, changed_rest) = changed.as_chunks::<LANES>();
        for (chunk, changed) in chunks.iter().zip(changed_chunks) {
            for lane in 0..LANES {
                sums.add(lane, chunk[lane], changed[lane]);
            }
        }
        for (lane, (original, changed)) in rest.iter().zip(changed_rest).enumerate() {
            sums.add(lane, *original, *changed);
        }
        Power {
            signal: sums.signal.iter().sum(),
            noise: sums.noise.iter().sum(),
            largest: sums.largest.iter().fold(0.0, |most, size| most.max(*size)),
            absolute: sums.absolute.iter().sum(),
            count: original.len() - sums.left_out.iter().sum::<u32>() as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_sums_of_squares() {
        let original = [3.0f32, -4.0, 0.5];
        let changed = [3.0f32, -3.0, 0.0];
        let power = Power::between(&original, &changed).unwrap();
        assert_eq!((power.signal, power.noise, power.largest, power.count), (25.25, 1.25, 1.0, 3));
        assert_eq!((power.absolute, power.mean()), (1.5, 0.5));
        assert_eq!(Power::between(&original, &original).unwrap().noise, 0.0);
    }

    #[test]
    fn what_was_not_finite_is_left_out_and_what_became_so_is_all_noise() {
        let original = [1.0f32, f32::NEG_INFINITY, f32::NAN, 2.0];
        let power = Power::between(&original, &[1.0, f32::NAN, 0.0, 2.0]).unwrap();
        assert_eq!(power, Power { signal: 5.0, count: 2, ..Power::default() });
        let lost = Power::between(&original, &[f32::NAN, 0.0, 0.0, 2.0]).unwrap();
        assert_eq!(lost.noise, f64::INFINITY);
    }

    #[test]
    fn what_is_made_piece_by_piece_gives_the_same_bits() {
        let original: Vec<f32> = (0..3 * PIECE + 77).map(|i| (i as f32 * 0.37).sin()).collect();
        let changed: Vec<f32> = original.iter().map(|w| (w * 7.0).round() / 7.0).collect();
        let made = Power::between_made(&original, |start, out| out.copy_from_slice(&changed[start..start + out.len()]));
        assert_eq!(made, Power::between(&original, &changed).unwrap());
    }

    #[test]
    fn values_that_are_not_finite_are_counted() {
        let mut values = vec![half::f16::ONE; PIECE + 40];
        for at in [0, 15, 17, PIECE - 1, PIECE + 39] {
            values[at] = [half::f16::NAN, half::f16::INFINITY, half::f16::NEG_INFINITY][at % 3];
        }
        assert_eq!(not_finite(&values), 5);
        assert_eq!(not_finite::<f32>(&[]), 0);
    }

    #[test]
    fn lengths_must_agree() {
        assert!(Power::between(&[1.0f32], &[1.0, 2.0]).is_err());
    }
}
