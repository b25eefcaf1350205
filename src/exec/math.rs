//! Functions of one number, without branches, so that loops over them are vectorized.

use crate::quant::simd::multiversion;

/// e to the power of `x`, to the last two bits.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // 1.5 · 2^23: adding it leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let limited = if x < -104.0 { -104.0 } else { x };
    let limited = if limited > 89.0 { 89.0 } else { limited };
    let shifted = limited * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()).cast_signed();
    // The logarithm of 2 in two parts, so that the rest is exact. CEPHES: expf.c.
    let rest = (limited - whole * 0.693_359_4) - whole * -2.121_944_4e-4;
    let mut series = 1.987_569_1e-4;
    series = series * rest + 1.398_199_9e-3;
    series = series * rest + 8.333_452e-3;
    series = series * rest + 4.166_579_6e-2;
    series = series * rest + 1.666_666_5e-1;
    series = series * rest + 5e-1;
    let value = series * rest * rest + rest + 1.0;
    // In two steps, since the powers at both ends do not fit one exponent.
    let half = power >> 1;
    let scale = |power: i32| f32::from_bits(((power.wrapping_add(127)) as u32) << 23);
    let value = value * scale(half) * scale(power.wrapping_sub(half));
    if x.is_nan() { x } else { value }
}

/// The hyperbolic tangent. CEPHES: tanhf.c.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let magnitude = x.abs();
    let square = x * x;
    let mut series = -5.704_988_7e-3;
    series = series * square + 2.063_908_8e-2;
    series = series * square + -5.373_972e-2;
    series = series * square + 1.333_144_2e-1;
    series = series * square + -3.333_328e-1;
    let small = series * square * x + x;
    let large = 1.0 - 2.0 / (exp(2.0 * magnitude) + 1.0);
    let large = f32::from_bits(large.to_bits() | (x.to_bits() & 0x8000_0000));
    let value = if magnitude < 0.625 { small } else { large };
    if x.is_nan() { x } else { value }
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

multiversion! {
    /// e to the power of each value.
    pub(super) fn exp_slice<>(values: &mut [f32]) {
        for value in values {
            *value = exp(*value);
        }
    }
}

multiversion! {
    /// Replaces a row by its softmax: exponentials of distances from the largest, divided by their sum.
    pub(super) fn softmax_row<>(values: &mut [f32]) {
        let mut most = f32::NEG_INFINITY;
        for value in values.iter() {
            most = if *value > most { *value } else { most };
        }
        for value in values.iter_mut() {
            *value = exp(*value - most);
        }
        // In a fixed number of lanes: a chain of additions would not be vectorized.
        let mut lanes = [0f32; 16];
        let (chunks, rest) = values.as_chunks::<16>();
        for chunk in chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += *value;
            }
        }
        let mut sum = rest.iter().sum::<f32>();
        for lane in lanes {
            sum += lane;
        }
        for value in values.iter_mut() {
            *value /= sum;
        }
    }
}

multiversion! {
    /// The hyperbolic tangent of each value.
    pub(super) fn tanh_slice<>(values: &mut [f32]) {
        for value in values {
            *value = tanh(*value);
        }
    }
}

multiversion! {
    /// The logistic function of each value.
    pub(super) fn sigmoid_slice<>(values: &mut [f32]) {
        for value in values {
            *value = sigmoid(*value);
        }
    }
}

multiversion! {
    /// Each value times its logistic function.
    pub(super) fn silu_slice<>(values: &mut [f32]) {
        for value in values {
            *value *= sigmoid(*value);
        }
    }
}

multiversion! {
    /// The tangent approximation of the Gaussian error linear unit.
    pub(super) fn gelu_tanh_slice<>(values: &mut [f32]) {
        for value in values {
            let x = *value;
            *value = 0.5 * x * (1.0 + tanh(0.797_884_6 * (x + 0.044_715 * x * x * x)));
        }
    }
}

multiversion! {
    /// The logistic approximation of the Gaussian error linear unit.
    pub(super) fn gelu_sigmoid_slice<>(values: &mut [f32]) {
        for value in values {
            *value *= sigmoid(1.702 * *value);
        }
    }
}

/// The sum of values, in binary64 and a fixed order.
pub(super) fn sum(values: &[f32]) -> f64 {
    let mut lanes = [0f64; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(*value);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|value| f64::from(*value)).sum::<f64>()
}

/// The sum of squared distances from a value, in binary64 and a fixed order.
pub(super) fn sum_of_squares(values: &[f32], from: f64) -> f64 {
    let mut lanes = [0f64; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    let square = |value: f32| (f64::from(value) - from) * (f64::from(value) - from);
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += square(*value);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|value| square(*value)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f32, expected: f64, ulps: f64) -> bool {
        let expected32 = expected as f32;
        found == expected32
            || (found.is_nan() && expected.is_nan())
            || (f64::from(found) - expected).abs() <= ulps * f64::from(f32::EPSILON) * expected.abs() + 1e-44
    }

    #[test]
    fn exponentials_are_near() {
        for i in -2_000_000..2_000_000 {
            let x = i as f32 * 6e-5;
            assert!(close(exp(x), f64::from(x).exp(), 1.6), "{x} {} {}", exp(x), f64::from(x).exp());
            assert!(close(tanh(x), f64::from(x).tanh(), 3.0), "{x} {}", tanh(x));
        }
        assert_eq!((exp(f32::INFINITY), exp(f32::NEG_INFINITY)), (f32::INFINITY, 0.0));
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
        assert_eq!((tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)), (1.0, -1.0));
        assert_eq!((sigmoid(200.0), sigmoid(-200.0)), (1.0, 0.0));
    }
}
