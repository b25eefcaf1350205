//! One source, compiled for several instruction sets, chosen when the program runs.

/// Defines a function whose body is compiled for AVX-512, for AVX2 and for the build's own instruction set,
/// and which calls the best of them that the processor has. On other architectures it is the plain function.
///
/// The body is the same safe Rust in every copy and Rust never fuses or reorders floating-point operations,
/// so all copies give the same bits. What the body calls must be `#[inline(always)]` to be compiled along.
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
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi2")]
                fn avx512<$($generic: $bound,)* $(const $flag: bool,)*>($($arg: $ty),*) $(-> $ret)? {
                    portable::<$($generic,)* $($flag),*>($($arg),*)
                }
                #[target_feature(enable = "avx2,bmi2")]
                fn avx2<$($generic: $bound,)* $(const $flag: bool,)*>($($arg: $ty),*) $(-> $ret)? {
                    portable::<$($generic,)* $($flag),*>($($arg),*)
                }
                if std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512bw")
                    && std::is_x86_feature_detected!("avx512dq")
                    && std::is_x86_feature_detected!("avx512vl")
                    && std::is_x86_feature_detected!("bmi2")
                {
                    // SAFETY: the processor has just been found to have these instructions.
                    return unsafe { avx512::<$($generic,)* $($flag),*>($($arg),*) };
                }
                if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("bmi2") {
                    // SAFETY: the processor has just been found to have these instructions.
                    return unsafe { avx2::<$($generic,)* $($flag),*>($($arg),*) };
                }
            }
            portable::<$($generic,)* $($flag),*>($($arg),*)
        }
    };
}

pub(crate) use multiversion;
