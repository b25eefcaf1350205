//! The index of bitmill's packed checkpoints: how the stored tensors make up the weights. It stands as JSON in
//! the safetensors metadata under [`KEY`].

use serde::{Deserialize, Serialize};

use crate::dtype::{DType, packed_bytes};
use crate::formats::safetensors::TensorInfo;
use crate::scheme::Arithmetic;
use crate::words::shown;

/// The metadata key of the index.
pub const KEY: &str = "bitmill.packed";

/// The version that is written. Readers refuse newer ones.
pub const VERSION: u32 = 1;

/// The whole index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// Every weight that is not stored plainly under its own name.
    pub weights: Vec<PackedWeight>,
}

/// One weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedWeight {
    /// Its full name. Its tensors are `NAME:codes` and so on.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// The float type it had: `F32`, `F16` or `BF16`.
    pub dtype: String,
    /// The scheme, in its canonical spelling.
    pub scheme: String,
    /// How it is stored.
    pub encoding: Encoding,
}

/// How a weight is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Encoding {
    /// `codes`, `scale`, perhaps `zero_point` and `mask`.
    Affine {
        /// Width of a code.
        bits: u8,
        /// Whether codes are signed.
        signed: bool,
        /// Elements that share a scale, per axis.
        block: Vec<usize>,
        /// Whether there are zero points.
        zero_point: bool,
        /// Whose formula turns codes into values.
        #[serde(with = "arithmetic_word")]
        arithmetic: Arithmetic,
        /// Codes stored; fewer than elements with a `mask`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        survivors: Option<usize>,
    },
    /// `codes`, `table`, perhaps `table_scale`, `channel_scale` and `mask`.
    Palette {
        /// Width of a stored index.
        bits: u8,
        /// Elements that share a table, per axis.
        block: Vec<usize>,
        /// Values of an entry.
        vector: usize,
        /// The axis of vectors and of scales per channel.
        axis: usize,
        /// Whether entries are int8 with one scale.
        int8_entries: bool,
        /// Whether output channels are scaled.
        scaled: bool,
        /// Indices stored; fewer than elements with a `mask`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        survivors: Option<usize>,
    },
    /// `values` and `mask`.
    Sparse {
        /// Values stored.
        survivors: usize,
    },
}

/// An arithmetic by the word that recipes use.
mod arithmetic_word {
    use std::borrow::Cow;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use crate::scheme::Arithmetic;
    use crate::words::shown;

    pub fn serialize<S: Serializer>(arithmetic: &Arithmetic, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(arithmetic.word())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arithmetic, D::Error> {
        let word = Cow::<str>::deserialize(deserializer)?;
        let unknown = || D::Error::custom(format_args!("there is no arithmetic `{}`", shown(&word)));
        Arithmetic::from_word(&word).ok_or_else(unknown)
    }
}

impl PackedWeight {
    /// The float type it had; `None` for a type that no packed weight has.
    pub fn dtype(&self) -> Option<DType> {
        match self.dtype.as_str() {
            "F32" => Some(DType::F32),
            "F16" => Some(DType::F16),
            "BF16" => Some(DType::BF16),
            _ => None,
        }
    }

    /// The name of one of its stored tensors: `codes`, `scale`, …
    pub fn tensor(&self, suffix: &str) -> String {
        format!("{}:{suffix}", self.name)
    }
}

impl PackedWeight {
    /// Checks that the index can be followed without overflow or division by zero, whatever it says.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), &'static str> {
        let elements = self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if elements.is_none_or(|n| n > isize::MAX as usize / 8) {
            return Err("its shape has too many elements");
        }
        if self.dtype().is_none() {
            return Err("its type is none that packed weights have");
        }
        let (bits, block, survivors) = match &self.encoding {
            Encoding::Affine { bits, block, survivors, .. } => (*bits, block, *survivors),
            Encoding::Palette { bits, block, vector, axis, survivors, .. } => {
                let length = self.shape.get(*axis).ok_or("its axis does not exist")?;
                if !(1..=64).contains(vector)
                    || !length.is_multiple_of(*vector)
                    || !block.get(*axis).is_some_and(|b| b.is_multiple_of(*vector))
                {
                    return Err("its vectors do not divide its axis");
                }
                if *vector > 1 && survivors.is_some() {
                    return Err("its vectors are pruned in part");
                }
                (*bits, block, *survivors)
            }
            Encoding::Sparse { survivors } => (1, &self.shape, Some(*survivors)),
        };
        if !(1..=8).contains(&bits) {
            return Err("its codes have no width from 1 to 8");
        }
        let sparse = matches!(self.encoding, Encoding::Sparse { .. });
        let divides = |(length, extent): (&usize, &usize)| *extent > 0 && length.is_multiple_of(*extent);
        if !sparse && (block.len() != self.shape.len() || !self.shape.iter().zip(block).all(divides)) {
            return Err("its blocks do not divide its shape");
        }
        if survivors.is_some_and(|n| elements.is_none_or(|all| n > all)) {
            return Err("it stores more values than it has elements");
        }
        Ok(())
    }

    /// The tensors that it is stored as. Checked by [`PackedWeight::check`] before.
    fn parts(&self) -> Vec<Promised> {
        let elements = product(&self.shape);
        let stream = |suffix, count, bits| Promised { suffix, what: Stored::Bytes(packed_bytes(count, bits)) };
        let floats = |suffix, count| Promised { suffix, what: Stored::Floats(count) };
        let (mut parts, masked) = match &self.encoding {
            Encoding::Affine { bits, block, zero_point, survivors, .. } => {
                let groups = blocks(&self.shape, block);
                let codes = survivors.map_or(elements, |n| n as u64);
                let mut parts = vec![stream("codes", codes, *bits), floats("scale", groups)];
                parts.extend(zero_point.then(|| stream("zero_point", groups, *bits)));
                (parts, survivors.is_some())
            }
            Encoding::Palette { bits, block, vector, axis, int8_entries, scaled, survivors } => {
                let codes = survivors.map_or(elements / *vector as u64, |n| n as u64);
                let entries = blocks(&self.shape, block).saturating_mul((*vector as u64) << bits);
                let mut parts = vec![stream("codes", codes, *bits)];
                match int8_entries {
                    true => parts
                        .extend([Promised { suffix: "table", what: Stored::Int8(entries) }, floats("table_scale", 1)]),
                    false => parts.push(floats("table", entries)),
                }
                let channels = self.shape.get(*axis).map_or(0, |&n| n as u64);
                parts.extend(scaled.then(|| floats("channel_scale", channels)));
                (parts, survivors.is_some())
            }
            Encoding::Sparse { survivors } => (vec![floats("values", *survivors as u64)], true),
        };
        parts.extend(masked.then(|| stream("mask", elements, 1)));
        parts
    }

    /// Compares what the index says with the tensors whose names say that they belong to the weight. So no shape
    /// that the index claims is larger than what is there can hold.
    ///
    /// # Errors
    /// What is missing, has another type or length, or belongs to nothing.
    pub fn check_parts(&self, stored: &[&TensorInfo]) -> Result<(), String> {
        let promised = self.parts();
        let name = |suffix: &str| self.tensor(suffix);
        for Promised { suffix, what } in &promised {
            let Some(info) = stored.iter().find(|info| info.name == name(suffix)) else {
                return Err(format!("its tensor `{}` is missing", shown(&name(suffix))));
            };
            let dtype = info.dtype.dtype();
            let bytes = match what {
                Stored::Bytes(bytes) if dtype == DType::U8 => *bytes,
                Stored::Int8(bytes) if dtype == DType::I8 => *bytes,
                Stored::Floats(count) if matches!(dtype, DType::F32 | DType::F16 | DType::BF16) => {
                    count.saturating_mul(dtype.bits() as u64 / 8)
                }
                _ => return Err(format!("its tensor `{}` is of type {dtype}", shown(&info.name))),
            };
            if info.bytes != bytes {
                let (name, found) = (shown(&info.name), info.bytes);
                return Err(format!("its tensor `{name}` should have {bytes} bytes, and has {found}"));
            }
        }
        let known = |info: &&&TensorInfo| promised.iter().any(|part| info.name == name(part.suffix));
        match stored.iter().find(|info| !known(info)) {
            Some(info) => Err(format!("the tensor `{}` is no part of how it is stored", shown(&info.name))),
            None => Ok(()),
        }
    }
}

/// A tensor that an encoding promises.
struct Promised {
    suffix: &'static str,
    what: Stored,
}

/// What a stored tensor holds.
enum Stored {
    /// So many bytes: codes, packed to their width.
    Bytes(u64),
    /// So many int8 entries.
    Int8(u64),
    /// So many floats, of any type that scales and entries may have.
    Floats(u64),
}

fn product(shape: &[usize]) -> u64 {
    shape.iter().fold(1, |n, &d| n.saturating_mul(d as u64))
}

/// Blocks of a shape.
fn blocks(shape: &[usize], block: &[usize]) -> u64 {
    shape.iter().zip(block).fold(1, |n, (length, extent)| n.saturating_mul((length / (*extent).max(1)) as u64))
}

/// Blocks along each axis.
pub fn groups(shape: &[usize], block: &[usize]) -> Vec<usize> {
    shape.iter().zip(block).map(|(length, extent)| length / (*extent).max(1)).collect()
}
