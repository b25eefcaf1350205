//! Pruning: which elements become zero.
//!
//! - a share: the elements of the smallest magnitude, so many as the share of all, rounded down; among equals
//!   the earlier ones;
//! - n:m: of every m neighbours along an axis the n smallest;
//! - a bound: every magnitude below it.

use rayon::prelude::*;

use super::QuantError;
use super::element::Element;
use crate::scheme::Sparsity;

/// Which elements stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask(Vec<bool>);

impl Mask {
    /// A mask from one flag per element: true for those that stay.
    pub fn new(stays: Vec<bool>) -> Mask {
        Mask(stays)
    }

    /// One flag per element.
    pub fn stays(&self) -> &[bool] {
        &self.0
    }

    /// Elements that stay.
    pub fn count(&self) -> usize {
        self.0.iter().filter(|stays| **stays).count()
    }

    /// The values with zeros where the mask says so.
    pub fn apply<T: Element>(&self, values: &[T]) -> Vec<T> {
        let zero = T::from_f32(0.0);
        values.par_iter().zip(&self.0).map(|(value, stays)| if *stays { *value } else { zero }).collect()
    }

    /// Those of `items`, one per element, whose element stays.
    pub fn select<I: Copy>(&self, items: &[I]) -> Vec<I> {
        items.iter().zip(&self.0).filter(|(_, stays)| **stays).map(|(item, _)| *item).collect()
    }

    /// One bit per element, the lowest bit of a byte first.
    pub fn bits(&self) -> Vec<u8> {
        let byte = |eight: &[bool]| eight.iter().rev().fold(0u8, |byte, stays| byte << 1 | u8::from(*stays));
        self.0.chunks(8).map(byte).collect()
    }
}

/// Magnitudes order as these keys do; NaN is above all.
fn key<T: Element>(value: T) -> u32 {
    value.to_f32().to_bits() & 0x7fff_ffff
}

/// Chooses the elements that stay. `axis` is the one along which n:m counts neighbours.
///
/// # Errors
/// If the shape does not describe the values, the axis is not there or not a multiple of m, the sparsity is no
/// sparsity, or `cancelled`.
pub fn prune<T: Element>(
    values: &[T],
    shape: &[usize],
    axis: usize,
    sparsity: Sparsity,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Mask, QuantError> {
    if shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) != Some(values.len()) {
        return Err(QuantError::Length { len: values.len(), shape: shape.to_vec() });
    }
    let mask = match sparsity {
        Sparsity::Below(bound) if bound >= 0.0 => {
            // NaN is not below anything: it stays, to be seen.
            let below = |v: &T| f64::from(v.to_f32()).abs() < bound;
            values.par_iter().map(|v| !below(v)).collect()
        }
        Sparsity::Share(share) if (0.0..=1.0).contains(&share) => {
            smallest(values, (values.len() as f64 * share) as usize)
        }
        Sparsity::Ratio { n, m } if m > 0 && n <= m => ratio(values, shape, axis, n, m)?,
        other => return Err(QuantError::Sparsity(other.to_string())),
    };
    if cancelled() { Err(QuantError::Cancelled) } else { Ok(Mask(mask)) }
}

/// All but the `count` smallest.
fn smallest<T: Element>(values: &[T], count: usize) -> Vec<bool> {
    if count == 0 {
        return vec![true; values.len()];
    }
    let mut keys: Vec<u32> = values.par_iter().map(|v| key(*v)).collect();
    let (_, &mut bound, _) = keys.select_nth_unstable(count - 1);
    let below = values.par_iter().filter(|v| key(**v) < bound).count();
    // Of those that equal the bound, the first ones go.
    let mut equals = count - below;
    let stays = |value: &T| {
        let key = key(*value);
        if key == bound && equals > 0 {
            equals -= 1;
            return false;
        }
        key >= bound
    };
    values.iter().map(stays).collect()
}

fn ratio<T: Element>(values: &[T], shape: &[usize], axis: usize, n: usize, m: usize) -> Result<Vec<bool>, QuantError> {
    let length = *shape.get(axis).ok_or(QuantError::Axis { axis, rank: shape.len() })?;
    if !length.is_multiple_of(m) {
        return Err(QuantError::BlockSize { axis, size: length, block: m });
    }
    let inner: usize = shape[axis + 1..].iter().product();
    let mut stays = vec![true; values.len()];
    if values.is_empty() {
        return Ok(stays);
    }
    let group = |(values, stays): (&[T], &mut [bool])| {
        let mut order: Vec<usize> = Vec::with_capacity(m);
        for start in 0..inner {
            order.clear();
            order.extend((0..m).map(|i| start + i * inner));
            order.sort_by_key(|&at| key(values[at]));
            for &at in &order[..n] {
                stays[at] = false;
            }
        }
    };
    values.par_chunks(m * inner).zip(stays.par_chunks_mut(m * inner)).for_each(group);
    Ok(stays)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask(values: &[f32], shape: &[usize], axis: usize, sparsity: Sparsity) -> Vec<u8> {
        let mask = prune(values, shape, axis, sparsity, &|| false).unwrap();
        mask.stays().iter().map(|stays| u8::from(*stays)).collect()
    }

    #[test]
    fn the_smallest_go() {
        let values = [0.5, -0.1, 3.0, -2.0, 0.1, 0.0];
        assert_eq!(mask(&values, &[6], 0, Sparsity::Share(0.5)), [1, 0, 1, 1, 0, 0]);
        assert_eq!(mask(&values, &[6], 0, Sparsity::Share(0.34)), [1, 0, 1, 1, 1, 0]);
        assert_eq!(mask(&values, &[6], 0, Sparsity::Below(0.5)), [1, 0, 1, 1, 0, 0]);
        assert_eq!(mask(&values, &[6], 0, Sparsity::Ratio { n: 1, m: 2 }), [1, 0, 1, 0, 1, 0]);
        assert_eq!(mask(&values, &[2, 3], 0, Sparsity::Ratio { n: 1, m: 2 }), [0, 0, 1, 1, 1, 0]);
        assert!(prune(&values, &[6], 0, Sparsity::Ratio { n: 1, m: 4 }, &|| false).is_err());
    }

    #[test]
    fn masks_pack_and_select() {
        let mask = Mask::new(vec![true, false, true, true, false, false, false, true, true, true]);
        assert_eq!(mask.bits(), [0x8d, 0x03]);
        assert_eq!(mask.select(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), [1, 3, 4, 8, 9, 10]);
    }

    proptest! {
        #[test]
        fn so_many_as_asked_and_none_larger_than_one_that_stays(values in proptest::collection::vec(-4i8..4, 1..200), percent in 0u32..=100) {
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let share = f64::from(percent) / 100.0;
            let mask = prune(&values, &[values.len()], 0, Sparsity::Share(share), &|| false).unwrap();
            prop_assert_eq!(values.len() - mask.count(), (values.len() as f64 * share) as usize);
            let most = |stays: bool| values.iter().zip(mask.stays()).filter(move |(_, s)| **s == stays).map(|(v, _)| v.abs());
            let gone = most(false).fold(0.0, f32::max);
            let left = most(true).fold(f32::INFINITY, f32::min);
            prop_assert!(gone <= left);
        }
    }
}
