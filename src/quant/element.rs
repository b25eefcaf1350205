//! Element types that the kernels read, and how each of them rounds.
//!
//! Every kernel computes in binary32 and rounds the result of each operation to the tensor's type, once:
//! that is what torch's CPU kernels and numpy do for binary16 and bfloat16. The conversions here are free
//! of branches, so that loops over them vectorise, and give the same bits on every machine.

use std::fmt::Debug;

use half::{bf16, f16};
use rayon::prelude::*;

use super::simd::multiversion;
use crate::dtype::DType;
use crate::scheme::FloatType;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
    impl Sealed for half::bf16 {}
}

/// A floating-point type that weights may have: `f32`, [`half::f16`] or [`half::bf16`].
pub trait Element: sealed::Sealed + bytemuck::Pod + Debug + PartialEq + Send + Sync {
    /// The type as files name it.
    const DTYPE: DType;
    /// The type as recipes name it.
    const FLOAT: FloatType;
    /// The smallest positive normal number: 2⁻¹²⁶ for `f32` and `bf16`, 2⁻¹⁴ for `f16`.
    const SMALLEST_NORMAL: f32;
    /// The element's bits as a signed integer. Positive elements compare as their values do.
    type Signed: Copy + Ord + Default + Send + Sync;
    /// The element's bits as an unsigned integer. Negative elements compare as their magnitudes do, and are
    /// greater than every positive one.
    type Unsigned: Copy + Ord + Default + Into<u32> + Send + Sync;

    /// The value, exactly.
    fn to_f32(self) -> f32;
    /// The nearest value of this type, ties to even; overflow gives infinity, NaN stays NaN.
    fn from_f32(value: f32) -> Self;
    /// The bits as [`Element::Signed`].
    fn signed_bits(self) -> Self::Signed;
    /// The bits as [`Element::Unsigned`].
    fn unsigned_bits(self) -> Self::Unsigned;
    /// The element with these bits.
    fn from_signed_bits(bits: Self::Signed) -> Self;
    /// The element with these bits.
    fn from_unsigned_bits(bits: Self::Unsigned) -> Self;

    /// `value` rounded to this type and back.
    #[inline(always)]
    fn round(value: f32) -> f32 {
        Self::from_f32(value).to_f32()
    }
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;
    const FLOAT: FloatType = FloatType::Fp32;
    const SMALLEST_NORMAL: f32 = f32::MIN_POSITIVE;
    type Signed = i32;
    type Unsigned = u32;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        value
    }
    #[inline(always)]
    fn signed_bits(self) -> i32 {
        self.to_bits().cast_signed()
    }
    #[inline(always)]
    fn unsigned_bits(self) -> u32 {
        self.to_bits()
    }
    #[inline(always)]
    fn from_signed_bits(bits: i32) -> Self {
        Self::from_bits(bits.cast_unsigned())
    }
    #[inline(always)]
    fn from_unsigned_bits(bits: u32) -> Self {
        Self::from_bits(bits)
    }
}

impl Element for f16 {
    const DTYPE: DType = DType::F16;
    const FLOAT: FloatType = FloatType::Fp16;
    const SMALLEST_NORMAL: f32 = 6.103_515_6e-5;
    type Signed = i16;
    type Unsigned = u16;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f16_bits_to_f32(self.to_bits())
    }
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        Self::from_bits(f32_to_f16_bits(value))
    }
    #[inline(always)]
    fn round(value: f32) -> f32 {
        round_to_f16(value)
    }
    #[inline(always)]
    fn signed_bits(self) -> i16 {
        self.to_bits().cast_signed()
    }
    #[inline(always)]
    fn unsigned_bits(self) -> u16 {
        self.to_bits()
    }
    #[inline(always)]
    fn from_signed_bits(bits: i16) -> Self {
        Self::from_bits(bits.cast_unsigned())
    }
    #[inline(always)]
    fn from_unsigned_bits(bits: u16) -> Self {
        Self::from_bits(bits)
    }
}

impl Element for bf16 {
    const DTYPE: DType = DType::BF16;
    const FLOAT: FloatType = FloatType::Bf16;
    const SMALLEST_NORMAL: f32 = f32::MIN_POSITIVE;
    type Signed = i16;
    type Unsigned = u16;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        let bits = value.to_bits();
        let rounded = (bits.wrapping_add(0x7fff + ((bits >> 16) & 1))) >> 16;
        // The addition could carry a NaN into infinity or zero.
        let nan = (bits >> 16) | 0x40;
        Self::from_bits(if value.is_nan() { nan } else { rounded } as u16)
    }
    #[inline(always)]
    fn signed_bits(self) -> i16 {
        self.to_bits().cast_signed()
    }
    #[inline(always)]
    fn unsigned_bits(self) -> u16 {
        self.to_bits()
    }
    #[inline(always)]
    fn from_signed_bits(bits: i16) -> Self {
        Self::from_bits(bits.cast_unsigned())
    }
    #[inline(always)]
    fn from_unsigned_bits(bits: u16) -> Self {
        Self::from_bits(bits)
    }
}

/// Elements that one task converts.
const PIECE: usize = 1 << 16;

/// Elements rounded to another type, or the same, as bytes of a file: little-endian.
pub fn to_bytes<T: Element, U: Element>(values: &[T]) -> Vec<u8> {
    let mut bytes = vec![0; values.len() * size_of::<U>()];
    let pieces = bytes.par_chunks_mut(PIECE * size_of::<U>()).zip(values.par_chunks(PIECE));
    pieces.for_each(|(bytes, values)| convert::<T, U>(values, bytes));
    bytes
}

multiversion! {
    fn convert<T: Element, U: Element>(values: &[T], bytes: &mut [u8]) {
        for (bytes, value) in bytes.chunks_exact_mut(size_of::<U>()).zip(values) {
            bytes.copy_from_slice(bytemuck::bytes_of(&U::from_f32(value.to_f32())));
            if cfg!(target_endian = "big") {
                bytes.reverse();
            }
        }
    }
}

/// What must be added to a binary16's exponent field, seen at bit 23, to make a binary32's (127 - 15).
const F16_REBIAS: u32 = 112 << 23;
/// The bits of 2⁻¹⁴, the smallest normal binary16, as a binary32.
const F16_SMALLEST_NORMAL: u32 = 113 << 23;

#[inline(always)]
fn f16_bits_to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let magnitude = u32::from(half & 0x7fff) << 13;
    let normal = magnitude + F16_REBIAS;
    // A subnormal m·2⁻²⁴ is 2⁻¹⁴·(1 + m/1024) - 2⁻¹⁴, and the subtraction is exact.
    let shifted = f32::from_bits(magnitude + F16_SMALLEST_NORMAL);
    let subnormal = (shifted - f32::from_bits(F16_SMALLEST_NORMAL)).to_bits();
    let bits = if magnitude < 1 << 23 {
        subnormal
    } else if magnitude >= 31 << 23 {
        normal + F16_REBIAS
    } else {
        normal
    };
    f32::from_bits(bits | sign)
}

#[inline(always)]
fn f32_to_f16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    let rounded = magnitude.wrapping_add(0xfff + ((magnitude >> 13) & 1));
    let normal = (rounded.wrapping_sub(F16_REBIAS) >> 13).min(0x7c00);
    // In 0.5…1 neighbouring binary32 numbers are 2⁻²⁴ apart, as subnormal binary16 numbers are: the
    // addition rounds, ties to even.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits();
    let half = if magnitude > 0x7f80_0000 {
        0x7e00
    } else if magnitude < F16_SMALLEST_NORMAL {
        subnormal
    } else {
        normal
    };
    (half | sign) as u16
}

/// As going to binary16 and back, without leaving 32-bit lanes.
#[inline(always)]
fn round_to_f16(value: f32) -> f32 {
    let sign = value.to_bits() & 0x8000_0000;
    let magnitude = value.to_bits() & 0x7fff_ffff;
    let normal = magnitude.wrapping_add(0xfff + ((magnitude >> 13) & 1)) & !0x1fff;
    let normal = if normal >= 0x4780_0000 { f32::INFINITY.to_bits() } else { normal };
    let subnormal = (f32::from_bits(magnitude) + 0.5 - 0.5).to_bits();
    let rounded = if magnitude < F16_SMALLEST_NORMAL { subnormal } else { normal };
    let rounded = f32::from_bits(rounded | sign);
    if value.is_nan() { value } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(a: f32, b: f32) -> bool {
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
    }

    #[test]
    fn every_16_bit_pattern_widens_exactly_and_returns() {
        for bits in 0..=u16::MAX {
            let (h, b) = (f16::from_bits(bits), bf16::from_bits(bits));
            assert!(same(Element::to_f32(h), h.to_f32()), "f16 {bits:#x}");
            assert!(same(Element::to_f32(b), b.to_f32()), "bf16 {bits:#x}");
            assert!(same(<f16 as Element>::round(h.to_f32()), h.to_f32()));
            assert!(same(<bf16 as Element>::round(b.to_f32()), b.to_f32()));
        }
    }

    /// Around every binary16 and bfloat16 number and half-way between neighbours.
    #[test]
    fn rounding_agrees_with_the_half_crate_near_every_number_and_tie() {
        for bits in 0..=u16::MAX {
            for number in [f16::from_bits(bits).to_f32(), bf16::from_bits(bits).to_f32()] {
                for tie in [0u32, 0x1000, 0x8000] {
                    for step in [-1i32, 0, 1] {
                        let pattern = (number.to_bits() | tie).wrapping_add_signed(step);
                        check(f32::from_bits(pattern));
                    }
                }
            }
        }
    }

    fn check(value: f32) {
        assert!(same(<f16 as Element>::round(value), f16::from_f32(value).to_f32()), "f16 {value:e}");
        assert!(same(<bf16 as Element>::round(value), bf16::from_f32(value).to_f32()), "bf16 {value:e}");
    }

    #[test]
    fn bytes_are_those_of_each_value() {
        let values: Vec<f32> = (0..PIECE + 9).map(|i| (i as f32 - 3e4) * 1.7e-3).collect();
        let whole: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert!(to_bytes::<f32, f32>(&values) == whole);
        let halves: Vec<u8> = values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
        assert!(to_bytes::<f32, f16>(&values) == halves);
        let short: Vec<bf16> = values.iter().map(|v| bf16::from_f32(*v)).collect();
        let wide: Vec<u8> = short.iter().flat_map(|v| v.to_f32().to_le_bytes()).collect();
        assert!(to_bytes::<bf16, f32>(&short) == wide);
    }

    proptest! {
        #[test]
        fn rounding_agrees_with_the_half_crate(bits in any::<u32>()) {
            check(f32::from_bits(bits));
        }

        #[test]
        fn subnormal_binary16_rounds_ties_to_even(step in 0u32..2048, tie in 0u32..3) {
            check((step as f32 + tie as f32 * 0.5) * 2f32.powi(-24));
        }
    }
}
