//! Codes of 8 bits with one scale for a whole tensor, in the arithmetic of PyTorch's `quantize_per_tensor`.

use super::simd::multiversion;

/// The code of a value, within the lowest and the highest one; that of zero for NaN.
#[inline]
pub fn code(value: f32, scale: f32, zero_point: i32, (lowest, highest): (i32, i32)) -> i32 {
    let code = (value * (1.0 / scale)).round_ties_even() as i32;
    code.saturating_add(zero_point).clamp(lowest, highest)
}

/// The values that the codes of some values stand for, all of which are numbers: what each becomes that is made a code
/// and a value again. `to` is as long as `values`.
pub fn round(values: &[f32], to: &mut [f32], scale: f32, zero_point: i32, (lowest, highest): (i32, i32)) {
    // The distances of codes from that of zero are small integers, which floats hold exactly.
    let bounds = ((lowest - zero_point) as f32, (highest - zero_point) as f32);
    rounded(values, to, (1.0 / scale, scale), bounds);
}

/// Added to a small float and taken away again, it leaves the nearest integer, even ones in the middle.
const ROUNDS: f32 = 12_582_912.0;

multiversion! {
    fn rounded<>(values: &[f32], to: &mut [f32], scales: (f32, f32), bounds: (f32, f32)) {
        let ((inverse, scale), (lowest, highest)) = (scales, bounds);
        for (to, value) in to.iter_mut().zip(values) {
            let code = (*value * inverse).max(lowest).min(highest);
            *to = ((code + ROUNDS) - ROUNDS) * scale;
        }
    }
}

const LANES: usize = 32;

multiversion! {
    /// The smallest and the largest of some values; NaN where one of them is NaN, and nothing where there are none.
    pub fn extent<>(values: &[f32]) -> Option<(f32, f32)> {
        let first = *values.first()?;
        let (mut least, mut most, mut odd) = ([first; LANES], [first; LANES], [false; LANES]);
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                let value = chunk[lane];
                least[lane] = if value < least[lane] { value } else { least[lane] };
                most[lane] = if value > most[lane] { value } else { most[lane] };
                odd[lane] |= value.is_nan();
            }
        }
        for (lane, value) in rest.iter().enumerate() {
            least[lane] = if *value < least[lane] { *value } else { least[lane] };
            most[lane] = if *value > most[lane] { *value } else { most[lane] };
            odd[lane] |= value.is_nan();
        }
        if first.is_nan() || odd.contains(&true) {
            return Some((f32::NAN, f32::NAN));
        }
        let (mut smallest, mut largest) = (least[0], most[0]);
        for lane in 1..LANES {
            smallest = smallest.min(least[lane]);
            largest = largest.max(most[lane]);
        }
        Some((smallest, largest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn extents_know_what_is_no_number() {
        assert_eq!(extent(&[]), None);
        assert_eq!(extent(&[-0.5]), Some((-0.5, -0.5)));
        for at in [0, 1, 31, 32, 63, 64, 99] {
            let mut values: Vec<f32> = (0..100).map(|value| value as f32 - 50.0).collect();
            assert_eq!(extent(&values), Some((-50.0, 49.0)));
            values[at] = f32::INFINITY;
            assert_eq!(extent(&values).unwrap().1, f32::INFINITY);
            values[at] = f32::NAN;
            assert!(extent(&values).is_some_and(|(least, most)| least.is_nan() && most.is_nan()), "{at}");
        }
    }

    proptest! {
        /// The fast way is the plain one, halves too.
        #[test]
        fn rounding_is_that_of_codes(
            values in prop::collection::vec(prop_oneof![-700i32..700, Just(i32::MAX)], 1..200),
            scale in prop_oneof![Just(0.5f32), Just(0.25), 1e-6f32..1e6],
            zero_point in 0i32..256,
        ) {
            let values: Vec<f32> = values.into_iter().map(|value| value as f32 * scale / 2.0).collect();
            let mut fast = vec![0f32; values.len()];
            round(&values, &mut fast, scale, zero_point, (0, 255));
            for (value, fast) in values.iter().zip(fast) {
                let plain = (code(*value, scale, zero_point, (0, 255)) - zero_point) as f32 * scale;
                prop_assert_eq!(plain, fast);
            }
        }
    }
}
