//! How a weight is compressed in the file, in the words of the language: `int4 per-group(32)`.

use std::fmt;

use super::packed::{Encoding, PackedWeight};
use super::{Model, Weight};
use crate::graph::weights::{self, Compression};
use crate::scheme::Granularity;

/// How a weight is compressed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Compressed {
    /// What is stored in place of the elements.
    pub method: Method,
    /// Bits of each of them.
    pub bits: u64,
    /// What shares a scale or a table; `None` where there is neither, or nobody knows. Without an axis, channels are
    /// those of axis 0.
    pub sharing: Option<Granularity>,
    /// How many of the elements are stored, where the others are zero.
    pub sparse: Option<Stored>,
}

/// What is stored in place of elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Codes with scales.
    Integers {
        /// Whether codes are signed.
        signed: bool,
        /// Whether there are zero points that are not all zero.
        offset: bool,
    },
    /// Indices into tables.
    Palette {
        /// Values of an entry; 1 for scalars.
        vector: u64,
        /// Whether the entries are int8 with a scale.
        int8_entries: bool,
        /// Whether channels are scaled.
        scaled: bool,
    },
    /// Floats: narrower ones than the program computes with, or those that pruning left.
    Floats,
}

/// How many elements of a pruned weight are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stored {
    /// Those that are stored; `None` where the program does not say.
    pub kept: Option<u64>,
    /// All.
    pub elements: u64,
}

impl Stored {
    /// The share of zeros, from 0 to 1; `None` where it is not known.
    pub fn sparsity(self) -> Option<f64> {
        Some(1.0 - self.kept? as f64 / self.elements.max(1) as f64)
    }
}

/// What shares a scale or a table, as the language says it; `None` where nobody knows.
fn sharing(shape: &[u64], granularity: &weights::Granularity) -> Option<Granularity> {
    let extent = |size: &u64| usize::try_from(*size).unwrap_or(usize::MAX);
    Some(match granularity {
        weights::Granularity::Unknown => return None,
        weights::Granularity::PerTensor => Granularity::PerTensor,
        weights::Granularity::PerChannel(axis) => Granularity::PerChannel(Some(*axis).filter(|axis| *axis > 0)),
        weights::Granularity::PerBlock(block) => match (&block[..], shape) {
            ([1, size], _) => Granularity::PerGroup(extent(size)),
            ([size, inner @ ..], [_, rest @ ..]) if inner == rest => Granularity::PerGroupedChannel(extent(size)),
            _ => Granularity::Block(block.iter().map(|size| Some(extent(size))).collect()),
        },
    })
}

fn sharing_of_block(shape: &[usize], block: &[usize]) -> Option<Granularity> {
    let shape: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
    let grid: Vec<u64> = shape.iter().zip(block).map(|(size, &extent)| size / extent.max(1) as u64).collect();
    sharing(&shape, &weights::Granularity::of(&shape, &grid))
}

impl Compressed {
    /// Of a constant of a program.
    pub fn of_constant(shape: &[usize], compression: &Compression) -> Compressed {
        let sizes: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
        let (method, granularity) = match (&compression.palette, &compression.affine) {
            (Some(palette), affine) => {
                let method = Method::Palette {
                    vector: palette.vector,
                    int8_entries: compression.quantized_entries,
                    scaled: affine.is_some(),
                };
                (method, &palette.granularity)
            }
            (None, Some(affine)) => {
                let method = Method::Integers { signed: affine.codes.is_signed(), offset: affine.offset };
                (method, &affine.granularity)
            }
            (None, None) => (Method::Floats, &weights::Granularity::Unknown),
        };
        let stored = |kept| Stored { kept, elements: sizes.iter().fold(1, |n, &size| n.saturating_mul(size)) };
        Compressed {
            method,
            bits: compression.bits,
            sharing: sharing(&sizes, granularity),
            sparse: compression.sparse.map(stored),
        }
    }

    /// Of a weight of a packed checkpoint.
    pub fn of_packed(packed: &PackedWeight) -> Compressed {
        let elements = packed.shape.iter().fold(1u64, |n, &size| n.saturating_mul(size as u64));
        let stored = |kept: usize| Stored { kept: Some(kept as u64), elements };
        match &packed.encoding {
            Encoding::Affine { bits, signed, block, zero_point, survivors, .. } => Compressed {
                method: Method::Integers { signed: *signed, offset: *zero_point },
                bits: (*bits).into(),
                sharing: sharing_of_block(&packed.shape, block),
                sparse: survivors.map(stored),
            },
            Encoding::Palette { bits, block, vector, int8_entries, scaled, survivors, .. } => Compressed {
                method: Method::Palette { vector: *vector as u64, int8_entries: *int8_entries, scaled: *scaled },
                bits: (*bits).into(),
                sharing: sharing_of_block(&packed.shape, block),
                sparse: survivors.map(stored),
            },
            Encoding::Sparse { survivors } => Compressed {
                method: Method::Floats,
                bits: packed.dtype().map_or(0, |dtype| dtype.bits() as u64),
                sharing: None,
                sparse: Some(stored(*survivors)),
            },
        }
    }
}

impl Model {
    /// How a weight is compressed, if it is: as a constant of a program, or in a packed checkpoint.
    pub fn compressed(&self, weight: &Weight) -> Option<Compressed> {
        let packed = || self.packed_weight(&weight.name).map(Compressed::of_packed);
        weight.compressed.clone().or_else(packed)
    }
}

impl fmt::Display for Compressed {
    /// As a scheme is written, where the language has words for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        match self.method {
            Method::Integers { signed, .. } => words.push(format!("{}int{}", if signed { "" } else { "u" }, self.bits)),
            Method::Palette { .. } => words.push(format!("lut{}", self.bits)),
            // Pruned floats have no word of their own.
            Method::Floats if self.sparse.is_none() => words.push(format!("fp{}", self.bits)),
            Method::Floats => {}
        }
        words.extend(self.sharing.as_ref().map(Granularity::to_string));
        match self.method {
            Method::Integers { offset: true, signed: true } => words.push("asymmetric".into()),
            Method::Palette { vector, int8_entries, scaled } => {
                words.extend((vector > 1).then(|| format!("vector({vector})")));
                words.extend(int8_entries.then(|| "entries int8".into()));
                words.extend(scaled.then(|| "scaled".into()));
            }
            _ => {}
        }
        if let Some(stored) = self.sparse {
            words.push(match stored.sparsity() {
                Some(sparsity) => format!("sparse {:.0}%", sparsity * 100.0),
                None => "sparse".into(),
            });
        }
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(shape: &[usize], encoding: Encoding) -> String {
        let packed = PackedWeight {
            name: "a".into(),
            shape: shape.to_vec(),
            dtype: "F16".into(),
            scheme: String::new(),
            encoding,
        };
        Compressed::of_packed(&packed).to_string()
    }

    #[test]
    fn words_are_those_of_the_language() {
        let affine = |block: &[usize], signed, zero_point| Encoding::Affine {
            bits: 4,
            signed,
            block: block.to_vec(),
            zero_point,
            arithmetic: crate::scheme::Arithmetic::Torchao,
            survivors: None,
        };
        assert_eq!(packed(&[64, 96], affine(&[1, 32], true, false)), "int4 per-group(32)");
        assert_eq!(packed(&[64, 96], affine(&[1, 96], true, true)), "int4 per-channel asymmetric");
        assert_eq!(packed(&[64, 96], affine(&[64, 96], false, true)), "uint4 per-tensor");
        assert_eq!(packed(&[64, 96, 3, 3], affine(&[1, 32, 3, 3], true, false)), "int4 block[1, 32, 3, 3]");
        let palette = |block: &[usize], vector, survivors| Encoding::Palette {
            bits: 6,
            block: block.to_vec(),
            vector,
            axis: 0,
            int8_entries: vector > 1,
            scaled: false,
            survivors,
        };
        assert_eq!(
            packed(&[64, 96], palette(&[16, 96], 2, None)),
            "lut6 per-grouped-channel(16) vector(2) entries int8"
        );
        assert_eq!(packed(&[64, 96], palette(&[64, 96], 1, Some(64 * 24))), "lut6 per-tensor sparse 75%");
        assert_eq!(packed(&[64, 96], Encoding::Sparse { survivors: 64 * 48 }), "sparse 50%");
        assert_eq!(packed(&[64, 96], Encoding::Sparse { survivors: 0 }), "sparse 100%");
    }

    #[test]
    fn a_share_that_is_not_known_is_none() {
        let compression = |kept| Compression { sparse: Some(kept), bits: 16, ..Compression::default() };
        assert_eq!(Compressed::of_constant(&[64, 96], &compression(None)).to_string(), "sparse");
        assert_eq!(Compressed::of_constant(&[64, 96], &compression(Some(64 * 48))).to_string(), "sparse 50%");
    }
}
