//! What a quantization scheme is: the vocabulary that the language, the checker and the kernels share.
//!
//! Every choice that a recipe spells with a word is a `vocabulary!` here: its words and their one-line
//! meanings exist once, and completion, hover, documentation and grammars derive from them.

use std::fmt;

/// Declares an enum whose variants are words of the language.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[doc = $doc])+ $variant),+ }

        impl $name {
            /// Every choice, with the word that recipes use and what it means.
            pub const ALL: &'static [($name, &'static str, &'static str)] =
                &[$(($name::$variant, $word, concat!($($doc),+))),+];

            /// The word that recipes use.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// The choice that a word names.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().find(|(_, w, _)| *w == word).map(|(v, _, _)| *v)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

vocabulary! {
    /// How real values are mapped onto integers.
    Mapping {
        /// Zero maps to zero; the largest magnitude decides the scale.
        Symmetric = "symmetric",
        /// The whole range from minimum to maximum is used, with a zero point.
        Asymmetric = "asymmetric",
        /// Symmetric, but the scale is large enough that neither end is clipped.
        SymmetricNoClipping = "symmetric-no-clipping",
    }
}

vocabulary! {
    /// Whose formula "symmetric" means.
    Arithmetic {
        /// torchao divides by half the whole range: 7.5 for int4, 127.5 for int8.
        Torchao = "torchao",
        /// coremltools divides by the largest positive code: 7 for int4, 127 for int8.
        Coremltools = "coremltools",
    }
}

vocabulary! {
    /// How scales are chosen.
    ScaleSearch {
        /// From the smallest and the largest value of the group.
        MinMax = "min-max",
        /// Half-quadratic quantization, scale only, as torchao's `HQQ_SCALE_ONLY`.
        Hqq = "hqq",
        /// The scale with the least squared error among shrunken min-max ranges.
        Mse = "mse",
    }
}

vocabulary! {
    /// How the entries of a palette are found.
    PaletteFit {
        /// The exact one-dimensional k-means optimum.
        Kmeans = "kmeans",
        /// Entries evenly spaced between minimum and maximum.
        Uniform = "uniform",
        /// The distinct values themselves, when there are few enough.
        Unique = "unique",
    }
}

vocabulary! {
    /// A floating-point type that weights, scales or computations may have.
    FloatType {
        /// IEEE 754 binary16.
        Fp16 = "fp16",
        /// IEEE 754 binary32.
        Fp32 = "fp32",
        /// bfloat16.
        Bf16 = "bf16",
        /// 8-bit float, 4 exponent bits, finite only.
        Fp8E4m3 = "fp8-e4m3",
        /// 8-bit float, 5 exponent bits.
        Fp8E5m2 = "fp8-e5m2",
    }
}
