//! How a weight is compressed in the file, in the words of the language: `int4 per-group(32)`.

use std::fmt;

use super::packed::{Encoding, PackedWeight};
use super::{Model, Weight};
use crate::graph::weights::{Compression, Granularity};

/// How a weight is compressed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Compressed {
    /// What is stored in place of the elements.
    pub method: Method,
    /// Bits of each of them.
    pub bits: u64,
    /// What shares a scale or a table.
    pub sharing: Sharing,
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

/// What shares a scale or a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sharing {
    /// There are none, or nobody knows.
    Unknown,
    /// The whole tensor.
    Tensor,
    /// Each position along an axis.
    Channel(usize),
    /// So many neighbours in a row of a matrix.
    Group(u64),
    /// So many neighbouring rows.
    GroupedChannel(u64),
    /// Each block of this size, one number per axis.
    Block(Vec<u64>),
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

impl Sharing {
    fn of(shape: &[u64], granularity: &Granularity) -> Sharing {
        match granularity {
            Granularity::Unknown => Sharing::Unknown,
            Granularity::PerTensor => Sharing::Tensor,
            Granularity::PerChannel(axis) => Sharing::Channel(*axis),
            Granularity::PerBlock(block) => match (&block[..], shape) {
                ([1, size], _) => Sharing::Group(*size),
                ([size, inner @ ..], [_, rest @ ..]) if inner == rest => Sharing::GroupedChannel(*size),
                _ => Sharing::Block(block.clone()),
            },
        }
    }

    fn of_block(shape: &[usize], block: &[usize]) -> Sharing {
        let shape: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
        let grid: Vec<u64> = shape.iter().zip(block).map(|(size, &extent)| size / extent.max(1) as u64).collect();
        Sharing::of(&shape, &Granularity::of(&shape, &grid))
    }
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
            (None, None) => (Method::Floats, &Granularity::Unknown),
        };
        let stored = |kept| Stored { kept, elements: sizes.iter().fold(1, |n, &size| n.saturating_mul(size)) };
        Compressed {
            method,
            bits: compression.bits,
            sharing: Sharing::of(&sizes, granularity),
            sparse: compression.sparse.map(stored),
        }
    }

    /// Of a weight of a packed checkpoint.
    pub fn of_packed(packed: &PackedWeight) -> Compressed {
        let elements = packed.shape.iter().fold(1u64, |n, &size| n.saturating_mul(size as u64));
        let stored = |kept: usize| Stored { kept: Some(kept as u64), elements };
        let sharing = |block: &[usize]| Sharing::of_block(&packed.shape, block);
        match &packed.encoding {
            Encoding::Affine { bits, signed, block, zero_point, survivors, .. } => Compressed {
                method: Method::Integers { signed: *signed, offset: *zero_point },
                bits: (*bits).into(),
                sharing: sharing(block),
                sparse: survivors.map(stored),
            },
            Encoding::Palette { bits, block, vector, int8_entries, scaled, survivors, .. } => Compressed {
                method: Method::Palette { vector: *vector as u64, int8_entries: *int8_entries, scaled: *scaled },
                bits: (*bits).into(),
                sharing: sharing(block),
                sparse: survivors.map(stored),
            },
            Encoding::Sparse { survivors } => Compressed {
                method: Method::Floats,
                bits: packed.dtype().map_or(0, |dtype| dtype.bits() as u64),
                sharing: Sharing::Unknown,
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

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sharing::Unknown => Ok(()),
            Sharing::Tensor => f.write_str("per-tensor"),
            Sharing::Channel(0) => f.write_str("per-channel"),
            Sharing::Channel(axis) => write!(f, "per-channel of axis {axis}"),
            Sharing::Group(size) => write!(f, "per-group({size})"),
            Sharing::GroupedChannel(size) => write!(f, "per-grouped-channel({size})"),
            Sharing::Block(block) => {
                let sizes: Vec<String> = block.iter().map(u64::to_string).collect();
                write!(f, "block[{}]", sizes.join(", "))
            }
        }
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
        if self.sharing != Sharing::Unknown {
            words.push(self.sharing.to_string());
        }
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
