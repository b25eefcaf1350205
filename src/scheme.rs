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

/// What is done with a weight, and with the activations around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheme {
    /// What the weight becomes.
    pub weights: WeightScheme,
    /// Values set to zero first.
    pub sparse: Option<Sparsity>,
    /// How the operator's inputs and outputs are quantized.
    pub activations: Option<ActivationScheme>,
}

/// What a weight becomes.
#[derive(Debug, Clone, PartialEq)]
pub enum WeightScheme {
    /// It stays as it is, byte for byte.
    Keep,
    /// Integers with scales.
    Affine(Affine),
    /// Indices into tables of values.
    Palette(Palette),
    /// Another floating-point type.
    Float(FloatType),
    /// Pruned, and otherwise as it is.
    Sparse,
}

/// Affine integers: `weight ≈ scale · (code − zero point)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    /// Width of a code, 1 to 8.
    pub bits: u8,
    /// Whether codes are signed.
    pub signed: bool,
    /// Which elements share a scale.
    pub granularity: Granularity,
    /// How values map to codes.
    pub mapping: Mapping,
    /// Type of the scales; `None` for upstream's default.
    pub scale: Option<FloatType>,
    /// How scales are chosen.
    pub by: ScaleSearch,
}

/// Palettes: `weight ≈ table[code]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Palette {
    /// Width of an index, 1 to 8; 5 and 7 are stored in 6 and 8.
    pub bits: u8,
    /// Which elements share a table.
    pub granularity: Granularity,
    /// Elements per entry, 1 for scalars.
    pub vector: u32,
    /// Whether the entries are int8 with one scale, instead of floats.
    pub int8_entries: bool,
    /// Whether every output channel has a scale besides.
    pub scaled: bool,
    /// How entries are found.
    pub fit: PaletteFit,
}

/// Which elements of a weight share a scale or a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Granularity {
    /// All of them.
    PerTensor,
    /// Those of one channel; the axis is the output channels' when absent.
    PerChannel(Option<usize>),
    /// So many neighbours along the input channels, within one output channel.
    PerGroup(usize),
    /// So many output channels.
    PerGroupedChannel(usize),
    /// Blocks of this extent on every axis; `None` (written -1 or 0) is the whole axis.
    Block(Vec<Option<usize>>),
}

impl Granularity {
    /// The plainest word for it: a block that covers every axis is the whole tensor, one of single elements along one
    /// axis and all of the others a channel.
    pub fn plain(&self) -> Granularity {
        let Granularity::Block(extents) = self else { return self.clone() };
        let mut parts = extents.iter().enumerate().filter(|(_, extent)| extent.is_some());
        match (parts.next(), parts.next()) {
            (None, _) => Granularity::PerTensor,
            (Some((axis, Some(1))), None) => Granularity::PerChannel(Some(axis)),
            _ => self.clone(),
        }
    }
}

impl fmt::Display for Granularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Granularity::PerTensor => f.write_str("per-tensor"),
            Granularity::PerChannel(None) => f.write_str("per-channel"),
            Granularity::PerChannel(Some(axis)) => write!(f, "per-channel({axis})"),
            Granularity::PerGroup(n) => write!(f, "per-group({n})"),
            Granularity::PerGroupedChannel(n) => write!(f, "per-grouped-channel({n})"),
            Granularity::Block(extents) => {
                f.write_str("block[")?;
                for (i, extent) in extents.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    match extent {
                        Some(n) => write!(f, "{comma}{n}")?,
                        None => write!(f, "{comma}-1")?,
                    }
                }
                f.write_str("]")
            }
        }
    }
}

/// Which values are set to zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sparsity {
    /// This share of the elements, smallest magnitudes first; 0 to 1.
    Share(f64),
    /// `n` of every `m` neighbours along the input channels: `sparse 2:4`.
    Ratio {
        /// Zeros in each group.
        n: usize,
        /// Size of a group.
        m: usize,
    },
    /// Magnitudes below this: `sparse-below 0.001`.
    Below(f64),
}

impl fmt::Display for Sparsity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sparsity::Share(share) => write!(f, "sparse {}", percent(*share)),
            Sparsity::Ratio { n, m } => write!(f, "sparse {n}:{m}"),
            Sparsity::Below(bound) => write!(f, "sparse-below {bound}"),
        }
    }
}

/// How many of `elements` values a [share](Sparsity::Share) sets to zero, where none is zero already.
///
/// Strictly between 0 and 1, ⌊(n − 1)·s⌋ + 1 go: those that numpy's interpolated percentile, which coremltools compares
/// with, is not below.
pub fn pruned(elements: u64, share: f64) -> u64 {
    match share {
        _ if elements == 0 => 0,
        s if s <= 0.0 => 0,
        s if s >= 1.0 => elements,
        s => (((elements - 1) as f64 * s) as u64).saturating_add(1).min(elements),
    }
}

/// A share as recipes write it, `7%`: the shortest number of percent that reads back as the same share.
pub fn percent(share: f64) -> String {
    let reads_back = |text: &String| text.parse().is_ok_and(|percent: f64| percent / 100.0 == share);
    let mut texts = (0..=20).map(|decimals| format!("{:.decimals$}", share * 100.0));
    texts.find(reads_back).unwrap_or_else(|| (share * 100.0).to_string()) + "%"
}

/// How activations are quantized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivationScheme {
    /// With parameters fixed by calibration.
    Static {
        /// Whether codes are signed; Core ML's exporters write unsigned.
        signed: bool,
        /// Width of a code.
        bits: u8,
        /// `None` when the recipe says nothing: as the weights.
        mapping: Option<Mapping>,
    },
    /// With parameters computed at run time: parsed so that the checker can refuse it.
    Dynamic,
}

impl fmt::Display for Scheme {
    /// The canonical spelling: every part that is not a default.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.weights {
            WeightScheme::Keep => f.write_str("keep")?,
            WeightScheme::Float(float) => f.write_str(float.word())?,
            WeightScheme::Affine(a) => {
                write!(f, "{}int{} {}", if a.signed { "" } else { "u" }, a.bits, a.granularity)?;
                write!(f, " {}", a.mapping)?;
                if let Some(scale) = a.scale {
                    write!(f, " scale {scale}")?;
                }
                if a.by != ScaleSearch::MinMax {
                    write!(f, " by {}", a.by)?;
                }
            }
            WeightScheme::Palette(p) => {
                write!(f, "lut{} {}", p.bits, p.granularity)?;
                if p.vector > 1 {
                    write!(f, " vector({})", p.vector)?;
                }
                if p.int8_entries {
                    f.write_str(" entries int8")?;
                }
                if p.scaled {
                    f.write_str(" scaled")?;
                }
                if p.fit != PaletteFit::Kmeans {
                    write!(f, " fit {}", p.fit)?;
                }
            }
            WeightScheme::Sparse => {}
        }
        if let Some(sparse) = self.sparse {
            let blank = if self.weights == WeightScheme::Sparse { "" } else { " " };
            write!(f, "{blank}{sparse}")?;
        }
        match self.activations {
            None => Ok(()),
            Some(ActivationScheme::Dynamic) => f.write_str(", activations dynamic"),
            Some(ActivationScheme::Static { signed, bits, mapping }) => {
                write!(f, ", activations {}int{bits}", if signed { "" } else { "u" })?;
                mapping.map_or(Ok(()), |m| write!(f, " {m}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_counted_as_upstream_does() {
        let of = |share| [0, 1, 2, 8, u64::MAX].map(|elements| pruned(elements, share));
        assert_eq!(of(0.0), [0; 5]);
        assert_eq!(of(1.0), [0, 1, 2, 8, u64::MAX]);
        assert_eq!(of(0.5)[..4], [0, 1, 1, 4]);
        assert_eq!(of(0.999_999)[..4], [0, 1, 1, 7]);
    }

    #[test]
    fn shares_are_shown_as_they_were_written() {
        for text in ["7%", "0%", "100%", "50%", "33.3%", "0.07%", "99.99%", "14.000001%"] {
            let share = text.trim_end_matches('%').parse::<f64>().unwrap() / 100.0;
            assert_eq!(percent(share), text);
        }
        for share in [1.0 / 3.0, 0.1 + 0.2, 1e-9, f64::MIN_POSITIVE] {
            let shown = percent(share);
            let read: f64 = shown.trim_end_matches('%').parse().unwrap();
            assert!((read / 100.0 - share).abs() <= share * f64::EPSILON, "{shown}");
        }
    }
}
