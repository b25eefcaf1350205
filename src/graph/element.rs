//! Element types of a program's tensors, those narrower than a byte included.

use std::fmt;

/// The type of one element. MIL.proto's `DataType`, without the value that stands for "unset".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ElementType {
    /// Truth value.
    Bool,
    /// Text.
    String,
    /// IEEE 754 binary16.
    Fp16,
    /// IEEE 754 binary32.
    Fp32,
    /// IEEE 754 binary64.
    Fp64,
    /// bfloat16.
    Bf16,
    /// Signed 4-bit integer.
    Int4,
    /// Signed 8-bit integer.
    Int8,
    /// Signed 16-bit integer.
    Int16,
    /// Signed 32-bit integer.
    Int32,
    /// Signed 64-bit integer.
    Int64,
    /// Unsigned 1-bit integer.
    Uint1,
    /// Unsigned 2-bit integer.
    Uint2,
    /// Unsigned 3-bit integer.
    Uint3,
    /// Unsigned 4-bit integer.
    Uint4,
    /// Unsigned 6-bit integer.
    Uint6,
    /// Unsigned 8-bit integer.
    Uint8,
    /// Unsigned 16-bit integer.
    Uint16,
    /// Unsigned 32-bit integer.
    Uint32,
    /// Unsigned 64-bit integer.
    Uint64,
    /// 8-bit float with 4 exponent bits, finite only.
    Fp8E4M3,
    /// 8-bit float with 5 exponent bits.
    Fp8E5M2,
}

use ElementType::*;

impl ElementType {
    /// Every type with the name coremltools prints, which is also what `cast.dtype` and its like hold.
    pub const NAMES: &'static [(ElementType, &'static str)] = &[
        (Bool, "bool"),
        (String, "string"),
        (Fp16, "fp16"),
        (Fp32, "fp32"),
        (Fp64, "fp64"),
        (Bf16, "bf16"),
        (Int4, "int4"),
        (Int8, "int8"),
        (Int16, "int16"),
        (Int32, "int32"),
        (Int64, "int64"),
        (Uint1, "uint1"),
        (Uint2, "uint2"),
        (Uint3, "uint3"),
        (Uint4, "uint4"),
        (Uint6, "uint6"),
        (Uint8, "uint8"),
        (Uint16, "uint16"),
        (Uint32, "uint32"),
        (Uint64, "uint64"),
        (Fp8E4M3, "fp8e4m3fn"),
        (Fp8E5M2, "fp8e5m2"),
    ];

    /// Its name in programs: `fp16`, `uint4`.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(element, _)| *element == self).map_or("", |(_, name)| name)
    }

    /// The type of a name, in any case.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(element, _)| *element)
    }

    /// Bits that one element takes in a blob or an immediate value; 0 for text, which has no fixed width.
    /// Truth values take a byte each.
    pub const fn bits(self) -> u64 {
        match self {
            String => 0,
            Uint1 => 1,
            Uint2 => 2,
            Uint3 => 3,
            Int4 | Uint4 => 4,
            Uint6 => 6,
            Bool | Int8 | Uint8 | Fp8E4M3 | Fp8E5M2 => 8,
            Fp16 | Bf16 | Int16 | Uint16 => 16,
            Fp32 | Int32 | Uint32 => 32,
            Fp64 | Int64 | Uint64 => 64,
        }
    }

    /// Whether it is a binary floating-point type.
    pub const fn is_float(self) -> bool {
        matches!(self, Fp16 | Fp32 | Fp64 | Bf16 | Fp8E4M3 | Fp8E5M2)
    }

    /// Whether it is an integer type with a sign.
    pub const fn is_signed(self) -> bool {
        matches!(self, Int4 | Int8 | Int16 | Int32 | Int64)
    }

    /// Whether it is an integer type; truth values are none.
    pub const fn is_integer(self) -> bool {
        !self.is_float() && !matches!(self, Bool | String)
    }

    /// Bytes that `count` elements take, packed without gaps and rounded up to whole bytes; `None` on overflow.
    pub fn bytes_for(self, count: u64) -> Option<u64> {
        count.checked_mul(self.bits()).map(|bits| bits.div_ceil(8))
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_one_name() {
        for (element, name) in ElementType::NAMES {
            assert_eq!(element.name(), *name);
            assert_eq!(ElementType::by_name(name), Some(*element));
        }
        assert_eq!(ElementType::by_name("uint5"), None);
        assert_eq!(ElementType::by_name("INT8"), Some(Int8));
    }

    #[test]
    fn bytes_of_packed_elements() {
        assert_eq!(Uint3.bytes_for(10), Some(4));
        assert_eq!(Int4.bytes_for(3), Some(2));
        assert_eq!(Fp32.bytes_for(u64::MAX), None);
    }
}
