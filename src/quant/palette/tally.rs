//! Tallies: the distinct values of a table's weights in order, with how often each occurs.

use half::{bf16, f16};
use rayon::prelude::*;

use super::spec::Cancelled;
use crate::quant::element::Element;
use crate::scheme::FloatType;

/// Distinct finite values, ascending, and their multiplicities. Zero has one sign.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    pub values: Vec<f32>,
    pub counts: Vec<u32>,
}

/// Fewer 16-bit values than this are sorted: counting by bit pattern looks at all 65,536 of them.
const COUNTED_FROM: usize = 1 << 13;
/// Values are tallied in parts of at least and of at most this many, in parallel.
const PART: std::ops::RangeInclusive<usize> = 1 << 20..=1 << 23;

/// Memory that is used again from table to table.
#[derive(Default)]
pub(super) struct Scratch {
    keys: Vec<u32>,
    spare: Vec<u32>,
    patterns: Vec<u32>,
}

impl Tally {
    /// The tally of finite values, given in slices whose order does not matter.
    pub(super) fn of<T: Element>(
        slices: &[&[T]],
        scratch: &mut Scratch,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, Cancelled> {
        let total: usize = slices.iter().map(|s| s.len()).sum();
        if total <= *PART.start() {
            return Self::part(slices, scratch, cancel);
        }
        let share = total.div_ceil(rayon::current_num_threads());
        let size = share.clamp(*PART.start(), *PART.end());
        parts(slices, size)
            .into_par_iter()
            .map(|part| Self::part(&part, &mut Scratch::default(), cancel))
            .try_reduce(Self::default, |a, b| a.merge(b, cancel))
    }

    fn part<T: Element>(
        slices: &[&[T]],
        scratch: &mut Scratch,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, Cancelled> {
        if cancel() {
            return Err(Cancelled);
        }
        let total: usize = slices.iter().map(|s| s.len()).sum();
        let wide: fn(u16) -> f32 = match T::FLOAT {
            FloatType::Fp16 => |bits| Element::to_f32(f16::from_bits(bits)),
            FloatType::Bf16 => |bits| Element::to_f32(bf16::from_bits(bits)),
            _ => return Self::sorted(slices, scratch, cancel),
        };
        if total < COUNTED_FROM {
            return Self::sorted(slices, scratch, cancel);
        }
        Ok(Self::counted(slices, wide, scratch))
    }

    /// 16-bit values, counted by bit pattern.
    fn counted<T: Element>(slices: &[&[T]], widened: fn(u16) -> f32, scratch: &mut Scratch) -> Self {
        let patterns = &mut scratch.patterns;
        patterns.clear();
        patterns.resize(1 << 16, 0);
        for value in slices.iter().copied().flatten() {
            let bits: u32 = value.unsigned_bits().into();
            patterns[(bits & 0xffff) as usize] += 1;
        }
        let mut tally = Tally::default();
        let negative = (0x8001..=0xffffu16).rev();
        for bits in negative {
            tally.push(patterns[usize::from(bits)], || widened(bits));
        }
        tally.push(patterns[0x8000] + patterns[0], || 0.0);
        for bits in 1..0x8000u16 {
            tally.push(patterns[usize::from(bits)], || widened(bits));
        }
        tally
    }

    fn push(&mut self, count: u32, value: impl FnOnce() -> f32) {
        if count > 0 {
            self.values.push(value());
            self.counts.push(count);
        }
    }

    /// Any values, sorted.
    fn sorted<T: Element>(
        slices: &[&[T]],
        scratch: &mut Scratch,
        cancel: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, Cancelled> {
        let Scratch { keys, spare, .. } = scratch;
        keys.clear();
        for slice in slices {
            keys.extend(slice.iter().map(|v| ordered(v.to_f32())));
        }
        sort(keys, spare, cancel)?;
        let mut values = Vec::with_capacity(keys.len());
        let mut counts = Vec::with_capacity(keys.len());
        let mut start = 0;
        for i in 0..keys.len() {
            if i + 1 == keys.len() || keys[i + 1] != keys[i] {
                values.push(value_of(keys[i]));
                counts.push((i + 1 - start) as u32);
                start = i + 1;
            }
        }
        Ok(Tally { values, counts })
    }

    fn merge(self, other: Self, cancel: &(dyn Fn() -> bool + Sync)) -> Result<Self, Cancelled> {
        if self.values.is_empty() {
            return Ok(other);
        }
        if cancel() {
            return Err(Cancelled);
        }
        let capacity = self.values.len() + other.values.len();
        let mut values = Vec::with_capacity(capacity);
        let mut counts = Vec::with_capacity(capacity);
        let (mut i, mut j) = (0, 0);
        while i < self.values.len() && j < other.values.len() {
            let (a, b) = (self.values[i], other.values[j]);
            let (left, right) = (a <= b, b <= a);
            values.push(if left { a } else { b });
            let a_count = if left { self.counts[i] } else { 0 };
            let b_count = if right { other.counts[j] } else { 0 };
            counts.push(a_count + b_count);
            i += usize::from(left);
            j += usize::from(right);
        }
        values.extend_from_slice(&self.values[i..]);
        counts.extend_from_slice(&self.counts[i..]);
        values.extend_from_slice(&other.values[j..]);
        counts.extend_from_slice(&other.counts[j..]);
        Ok(Tally { values, counts })
    }
}

/// The slices again, in parts of `size` values.
fn parts<'a, T>(slices: &[&'a [T]], size: usize) -> Vec<Vec<&'a [T]>> {
    let mut parts = vec![Vec::new()];
    let mut room = size;
    for slice in slices {
        let mut rest = *slice;
        while !rest.is_empty() {
            if room == 0 {
                parts.push(Vec::new());
                room = size;
            }
            let (now, later) = rest.split_at(room.min(rest.len()));
            if let Some(part) = parts.last_mut() {
                part.push(now);
            }
            room -= now.len();
            rest = later;
        }
    }
    parts
}

/// Bits that compare as the values do. Adding zero makes a negative zero positive.
#[inline(always)]
fn ordered(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    let flip = (bits.cast_signed() >> 31).cast_unsigned() | 0x8000_0000;
    bits ^ flip
}

#[inline(always)]
fn value_of(key: u32) -> f32 {
    let flip = ((!key).cast_signed() >> 31).cast_unsigned() | 0x8000_0000;
    f32::from_bits(key ^ flip)
}

const DIGIT: usize = 11;
const DIGITS: usize = 3;

/// Sorts keys: by digits, the least significant first.
fn sort(keys: &mut Vec<u32>, spare: &mut Vec<u32>, cancel: &(dyn Fn() -> bool + Sync)) -> Result<(), Cancelled> {
    if keys.len() < 1 << 10 {
        keys.sort_unstable();
        return Ok(());
    }
    let digit = |key: u32, place: usize| (key >> (place * DIGIT)) as usize & ((1 << DIGIT) - 1);
    let mut counts = vec![[0u32; 1 << DIGIT]; DIGITS];
    for &key in keys.iter() {
        for (place, counts) in counts.iter_mut().enumerate() {
            counts[digit(key, place)] += 1;
        }
    }
    spare.clear();
    spare.resize(keys.len(), 0);
    for (place, counts) in counts.iter_mut().enumerate() {
        if cancel() {
            return Err(Cancelled);
        }
        if counts.iter().any(|&c| c as usize == keys.len()) {
            continue;
        }
        let mut before = 0;
        for count in counts.iter_mut() {
            before += std::mem::replace(count, before);
        }
        for &key in keys.iter() {
            let at = &mut counts[digit(key, place)];
            spare[*at as usize] = key;
            *at += 1;
        }
        std::mem::swap(keys, spare);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expected(values: &[f32]) -> Tally {
        let mut sorted: Vec<f32> = values.iter().map(|v| v + 0.0).collect();
        sorted.sort_by(f32::total_cmp);
        let mut tally = Tally::default();
        for run in sorted.chunk_by(|a, b| a == b) {
            tally.push(run.len() as u32, || run[0]);
        }
        tally
    }

    fn tally<T: Element>(slices: &[&[T]]) -> Tally {
        Tally::of(slices, &mut Scratch::default(), &|| false).unwrap()
    }

    proptest! {
        #[test]
        fn tallies_are_sorted_and_counted(
            bits in prop::collection::vec(any::<u32>(), 1..3000),
            shift in 0u32..20,
            cut in any::<prop::sample::Index>(),
        ) {
            let values: Vec<f32> = bits
                .iter()
                .map(|b| f32::from_bits(b >> shift << shift))
                .map(|v| if v.is_finite() { v } else { -0.0 })
                .collect();
            let (a, b) = values.split_at(cut.index(values.len()));
            prop_assert_eq!(tally(&[a, b]), expected(&values));
            let (x, y) = (tally(&[a]), tally(&[b]));
            prop_assert_eq!(x.merge(y, &|| false).unwrap(), expected(&values));
        }

        #[test]
        fn parts_hold_everything(lengths in prop::collection::vec(0usize..40, 1..9), size in 1usize..50) {
            let all: Vec<usize> = (0..lengths.iter().sum()).collect();
            let mut rest = &all[..];
            let mut slices = Vec::new();
            for length in lengths {
                let (now, later) = rest.split_at(length);
                slices.push(now);
                rest = later;
            }
            let parts = parts(&slices, size);
            let again: Vec<usize> = parts.concat().concat();
            prop_assert_eq!(&again, &all);
            prop_assert!(parts.iter().all(|p| p.concat().len() <= size));
        }
    }

    #[test]
    fn counting_by_pattern_agrees_with_sorting() {
        let patterns = (0..=u16::MAX).chain(0x3000..0x3400);
        let halves: Vec<f16> = patterns.map(f16::from_bits).filter(|h| h.is_finite()).collect();
        let values: Vec<f32> = halves.iter().map(|h| h.to_f32()).collect();
        assert_eq!(tally(&[&halves[..]]), expected(&values));
        let halves: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).filter(|h| h.is_finite()).collect();
        let values: Vec<f32> = halves.iter().map(|h| h.to_f32()).collect();
        assert_eq!(tally(&[&halves[..]]), expected(&values));
    }
}
