//! Ranges of values, and the parameters of quantizers that come of them.
//!
//! torchao: quantization/pt2e/observer.py, fake_quantize.py. Everything is computed in binary32.

use super::Spec;
use crate::quant::per_tensor;

/// The least scale: the machine epsilon of binary32.
const LEAST_SCALE: f32 = f32::EPSILON;

/// How much a new batch counts in a moving average, unless something else is said.
pub const CONSTANT: f32 = 0.01;

/// What becomes of the range when there is a new batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Averaging {
    /// It grows to hold everything that was ever seen.
    None,
    /// It moves towards the range of the batch, by this share of the way.
    Moving(f32),
}

impl Default for Averaging {
    fn default() -> Self {
        Averaging::Moving(CONSTANT)
    }
}

/// The smallest and the largest value that were seen, or averages of these.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The smallest.
    pub min: f32,
    /// The largest.
    pub max: f32,
}

impl Range {
    /// The range of some values; `None` where there are none. Not finite where one of them is not.
    pub fn of(values: &[f32]) -> Option<Range> {
        per_tensor::extent(values).map(|(min, max)| Range { min, max })
    }

    /// The range once another batch was seen.
    pub fn with(self, batch: Range, averaging: Averaging) -> Range {
        match averaging {
            Averaging::None => Range { min: self.min.min(batch.min), max: self.max.max(batch.max) },
            Averaging::Moving(share) => {
                Range { min: self.min + share * (batch.min - self.min), max: self.max + share * (batch.max - self.max) }
            }
        }
    }

    /// Whether both ends are numbers.
    pub fn is_finite(self) -> bool {
        self.min.is_finite() && self.max.is_finite()
    }
}

/// The numbers of a quantizer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// What codes are like.
    pub spec: Spec,
    /// The distance between the values of neighbouring codes.
    pub scale: f32,
    /// The code of zero.
    pub zero_point: i32,
}

impl Parameters {
    /// Those of a range, which is widened to hold zero.
    pub fn of(spec: Spec, range: Range) -> Parameters {
        let (lowest, highest) = spec.codes();
        let (min, max) = (range.min.min(0.0), range.max.max(0.0));
        let steps = (highest - lowest) as f32;
        if spec.symmetric {
            let scale = ((-min).max(max) / (steps / 2.0)).max(LEAST_SCALE);
            return Parameters { spec, scale, zero_point: if spec.signed { 0 } else { 128 } };
        }
        let scale = ((max - min) / steps).max(LEAST_SCALE);
        let zero_point = (lowest as f32 - (min / scale).round_ties_even()) as i32;
        Parameters { spec, scale, zero_point: zero_point.clamp(lowest, highest) }
    }

    /// The code of a value; zero's for NaN.
    pub fn code(self, value: f32) -> i32 {
        per_tensor::code(value, self.scale, self.zero_point, self.spec.codes())
    }

    /// As [`Parameters::rounded`], for values that are numbers.
    pub fn round(self, values: &[f32], to: &mut [f32]) {
        per_tensor::round(values, to, self.scale, self.zero_point, self.spec.codes());
    }

    /// The value that a value becomes when it is made a code and a value again.
    pub fn rounded(self, value: f32) -> f32 {
        (self.code(value) - self.zero_point) as f32 * self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYMMETRIC: Spec = Spec { signed: false, symmetric: true };
    const AFFINE: Spec = Spec { signed: false, symmetric: false };

    #[test]
    fn parameters_hold_zero() {
        let of = |spec, min, max| Parameters::of(spec, Range { min, max });
        assert_eq!(of(SYMMETRIC, -1.0, 2.55).scale, 0.02);
        assert_eq!(of(SYMMETRIC, -1.0, 2.55).zero_point, 128);
        assert_eq!(of(Spec { signed: true, ..SYMMETRIC }, -1.0, 0.5).zero_point, 0);
        assert_eq!(of(AFFINE, 1.0, 2.55).zero_point, 0);
        assert_eq!(of(AFFINE, -2.55, -1.0).zero_point, 255);
        assert_eq!(of(AFFINE, 0.0, 0.0).scale, f32::EPSILON);
        assert_eq!(of(Spec { signed: true, ..AFFINE }, 0.0, 2.55).zero_point, -128);
    }

    #[test]
    fn values_become_the_nearest_code() {
        let parameters = Parameters::of(AFFINE, Range { min: -1.0, max: 1.55 });
        assert_eq!(parameters.zero_point, 100);
        assert_eq!((parameters.code(-9.0), parameters.code(9.0), parameters.code(f32::NAN)), (0, 255, 100));
        assert!((parameters.rounded(0.5) - 0.5).abs() < 1e-6);
        assert_eq!(parameters.rounded(0.0), 0.0);
    }

    #[test]
    fn ranges_grow_or_move() {
        let (first, second) = (Range { min: -1.0, max: 1.0 }, Range { min: 0.0, max: 3.0 });
        assert_eq!(first.with(second, Averaging::None), Range { min: -1.0, max: 3.0 });
        assert_eq!(first.with(second, Averaging::Moving(0.5)), Range { min: -0.5, max: 2.0 });
        assert_eq!(Range::of(&[]), None);
        assert!(!Range::of(&[1.0, f32::NAN, 2.0]).unwrap().is_finite());
        assert!(!Range::of(&[1.0, f32::INFINITY]).unwrap().is_finite());
    }
}
