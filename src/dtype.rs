//! Element types of tensors, as files name them.

use std::fmt;

/// Bytes of `count` codes of `bits` bits, packed as one stream; `u64::MAX` where that is too small to say.
pub fn packed_bytes(count: u64, bits: u8) -> u64 {
    // In u128, since headers may name shapes of any size.
    let bytes = (u128::from(count) * u128::from(bits)).div_ceil(8);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The type of one element of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE 754 binary64.
    F64,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16: the upper half of a binary32.
    BF16,
    /// 8-bit float with 4 exponent bits, finite only (`Float8_e4m3fn`).
    F8E4M3,
    /// 8-bit float with 5 exponent bits (`Float8_e5m2`).
    F8E5M2,
    /// Signed 64-bit integer.
    I64,
    /// Signed 32-bit integer.
    I32,
    /// Signed 16-bit integer.
    I16,
    /// Signed 8-bit integer.
    I8,
    /// Unsigned 64-bit integer.
    U64,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 8-bit integer.
    U8,
    /// One byte that is 0 or 1.
    Bool,
    /// A type that bitmill copies but does not read (complex, MX and packed sub-byte formats).
    Opaque,
}

impl DType {
    /// Every type that has a name, with the name safetensors uses and the name recipes use.
    pub const NAMES: &'static [(DType, &'static str, &'static str)] = &[
        (DType::F64, "F64", "fp64"),
        (DType::F32, "F32", "fp32"),
        (DType::F16, "F16", "fp16"),
        (DType::BF16, "BF16", "bf16"),
        (DType::F8E4M3, "F8_E4M3", "fp8-e4m3"),
        (DType::F8E5M2, "F8_E5M2", "fp8-e5m2"),
        (DType::I64, "I64", "int64"),
        (DType::I32, "I32", "int32"),
        (DType::I16, "I16", "int16"),
        (DType::I8, "I8", "int8"),
        (DType::U64, "U64", "uint64"),
        (DType::U32, "U32", "uint32"),
        (DType::U16, "U16", "uint16"),
        (DType::U8, "U8", "uint8"),
        (DType::Bool, "BOOL", "bool"),
    ];

    /// Width in bits; 0 for [`DType::Opaque`], whose width only the file knows.
    pub const fn bits(self) -> usize {
        match self {
            DType::F64 | DType::I64 | DType::U64 => 64,
            DType::F32 | DType::I32 | DType::U32 => 32,
            DType::F16 | DType::BF16 | DType::I16 | DType::U16 => 16,
            DType::F8E4M3 | DType::F8E5M2 | DType::I8 | DType::U8 | DType::Bool => 8,
            DType::Opaque => 0,
        }
    }

    /// Whether a weight of this type can be quantized: the floats that the kernels read.
    pub const fn is_quantizable(self) -> bool {
        matches!(self, DType::F32 | DType::F16 | DType::BF16 | DType::F8E4M3 | DType::F8E5M2)
    }

    /// The name recipes use (`fp16`, `int8`); `opaque` for what has none.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(d, _, _)| *d == self).map_or("opaque", |(_, _, name)| name)
    }

    /// The name safetensors headers use (`F16`), if it has one.
    pub fn safetensors_name(self) -> Option<&'static str> {
        Self::NAMES.iter().find(|(d, _, _)| *d == self).map(|(_, name, _)| *name)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
