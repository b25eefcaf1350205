//! One source, compiled for several instruction sets, chosen when the program runs.

/// Instruction sets that kernels are compiled for, from the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "one copy only"))]
pub(crate) enum Level {
    /// What the whole program is compiled for.
    Build,
    Avx2,
    Avx512,
}

/// The best instruction set that the processor has.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn level() -> Level {
    let best = if std::is_x86_feature_detected!("avx512f")
        && std::is_x86_feature_detected!("avx512bw")
        && std::is_x86_feature_detected!("avx512dq")
        && std::is_x86_feature_detected!("avx512vl")
    {
        Level::Avx512
    } else if std::is_x86_feature_detected!("avx2") {
        Level::Avx2
    } else {
        Level::Build
    };
    #[cfg(test)]
    let best = best.min(tests::limit());
    best
}

/// Defines a function whose body is compiled for AVX-512, for AVX2 and for the build's own instruction set,
/// and which calls the best of them that the processor has. On other architectures it is the plain function.
///
/// The body is the same safe Rust in every copy and Rust never fuses or reorders floating-point operations,
/// so all copies give the same bits. What the body calls must be `#[inline(always)]` to be compiled along,
/// so closures, which cannot be, must stay trivial.
macro_rules! multiversion {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident <$($generic:ident : $bound:path),* $(; const $flag:ident : bool)*>
            ($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    ) => {
        $(#[$meta])*
        $vis fn $name<$($generic: $bound,)* $(const $flag: bool,)*>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn portable<$($generic: $bound,)* $(const $flag: bool,)*>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2")]
                fn avx512<$($generic: $bound,)* $(const $flag: bool,)*>($($arg: $ty),*) $(-> $ret)? {
                    portable::<$($generic,)* $($flag),*>($($arg),*)
                }
                #[target_feature(enable = "avx2")]
                fn avx2<$($generic: $bound,)* $(const $flag: bool,)*>($($arg: $ty),*) $(-> $ret)? {
                    portable::<$($generic,)* $($flag),*>($($arg),*)
                }
                match $crate::quant::simd::level() {
                    // SAFETY: the processor has been found to have these instructions.
                    $crate::quant::simd::Level::Avx512 => unsafe {
                        avx512::<$($generic,)* $($flag),*>($($arg),*)
                    },
                    // SAFETY: the processor has been found to have these instructions.
                    $crate::quant::simd::Level::Avx2 => unsafe {
                        avx2::<$($generic,)* $($flag),*>($($arg),*)
                    },
                    $crate::quant::simd::Level::Build => {
                        portable::<$($generic,)* $($flag),*>($($arg),*)
                    }
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            portable::<$($generic,)* $($flag),*>($($arg),*)
        }
    };
}

pub(crate) use multiversion;

#[cfg(test)]
#[cfg(target_arch = "x86_64")]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use half::{bf16, f16};

    use super::Level;
    use crate::quant::affine::{AffineSpec, quantize};
    use crate::quant::element::Element;
    use crate::quant::pack::{pack, unpack};
    use crate::quant::power::Power;
    use crate::scheme::{Arithmetic, FloatType, Mapping, ScaleSearch};

    static LIMIT: AtomicU8 = AtomicU8::new(Level::Avx512 as u8);

    /// The best instruction set that a test allows. Tests that run meanwhile are slower, nothing else: that
    /// is what the test below shows.
    pub(super) fn limit() -> Level {
        match LIMIT.load(Ordering::Relaxed) {
            0 => Level::Build,
            1 => Level::Avx2,
            _ => Level::Avx512,
        }
    }

    /// Everything that the kernels make of some weights.
    fn everything<T: Element>() -> impl PartialEq + std::fmt::Debug {
        let shape = [12, 210];
        let weights: Vec<T> =
            (0..12 * 210u32).map(|i| T::from_f32((i.wrapping_mul(2_654_435_761) as f32 - 2e9) * 1e-9)).collect();
        let mut all = Vec::new();
        for block in [[1, 210], [1, 35], [12, 1], [12, 210], [4, 7]] {
            for mapping in [Mapping::Symmetric, Mapping::Asymmetric, Mapping::SymmetricNoClipping] {
                for arithmetic in [Arithmetic::Torchao, Arithmetic::Coremltools] {
                    for search in [ScaleSearch::MinMax, ScaleSearch::Hqq, ScaleSearch::Mse] {
                        for scale in [None, Some(FloatType::Fp16), Some(FloatType::Bf16)] {
                            let spec = AffineSpec { bits: 5, signed: true, mapping, arithmetic, scale, search };
                            let quantized = quantize(&weights, &shape, &block, &spec).unwrap();
                            let values = quantized.dequantize::<T>().unwrap();
                            let power = Power::between(&weights, &values).unwrap();
                            let packed = pack(&quantized.codes, 5).unwrap();
                            let codes = unpack::<i8>(&packed, quantized.codes.len(), 5).unwrap();
                            assert_eq!(codes, quantized.codes);
                            all.push((quantized, values, power, packed));
                        }
                    }
                }
            }
        }
        all
    }

    fn check<T: Element>() {
        let best = everything::<T>();
        for limit in [Level::Avx2, Level::Build] {
            LIMIT.store(limit as u8, Ordering::Relaxed);
            assert!(everything::<T>() == best, "{limit:?}");
        }
        LIMIT.store(Level::Avx512 as u8, Ordering::Relaxed);
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        check::<f32>();
        check::<f16>();
        check::<bf16>();
    }
}
