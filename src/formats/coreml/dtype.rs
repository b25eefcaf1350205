//! The element types of MIL: one table of their numbers in programs and in files of weights.

use std::fmt;

use crate::dtype::DType;

/// The type of one element, as programs name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MilType {
    /// One byte that is 0 or 1.
    Bool,
    /// Text.
    String,
    /// IEEE 754 binary16.
    Float16,
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary64.
    Float64,
    /// bfloat16.
    BFloat16,
    /// Signed 8-bit integer.
    Int8,
    /// Signed 16-bit integer.
    Int16,
    /// Signed 32-bit integer.
    Int32,
    /// Signed 64-bit integer.
    Int64,
    /// Signed 4-bit integer, two's complement.
    Int4,
    /// Unsigned 8-bit integer.
    UInt8,
    /// Unsigned 16-bit integer.
    UInt16,
    /// Unsigned 32-bit integer.
    UInt32,
    /// Unsigned 64-bit integer.
    UInt64,
    /// Unsigned 4-bit integer.
    UInt4,
    /// Unsigned 2-bit integer.
    UInt2,
    /// One bit.
    UInt1,
    /// Unsigned 6-bit integer.
    UInt6,
    /// Unsigned 3-bit integer.
    UInt3,
    /// 8-bit float with 4 exponent bits, finite only.
    Float8E4M3FN,
    /// 8-bit float with 5 exponent bits.
    Float8E5M2,
}

/// What the bits of an element mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Float,
    Signed,
    Unsigned,
    Other,
}

/// What is known of a type.
struct Row {
    mil_type: MilType,
    /// In programs: `DataType` of CT:mlmodel/format/MIL.proto:192-228.
    number: i32,
    /// In files of weights: CT:mlmodel/src/MILBlob/Blob/BlobDataType.hpp. Another numbering.
    storage: Option<u32>,
    name: &'static str,
    bits: u32,
    class: Class,
    dtype: Option<DType>,
}

const fn row(
    mil_type: MilType,
    number: i32,
    storage: Option<u32>,
    name: &'static str,
    bits: u32,
    class: Class,
    dtype: Option<DType>,
) -> Row {
    Row { mil_type, number, storage, name, bits, class, dtype }
}

/// Every type, in the order of the enum.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(MilType::Bool, 1, None, "BOOL", 8, Class::Other, Some(DType::Bool)),
    row(MilType::String, 2, None, "STRING", 0, Class::Other, None),
    row(MilType::Float16, 10, Some(1), "FLOAT16", 16, Class::Float, Some(DType::F16)),
    row(MilType::Float32, 11, Some(2), "FLOAT32", 32, Class::Float, Some(DType::F32)),
    row(MilType::Float64, 12, None, "FLOAT64", 64, Class::Float, Some(DType::F64)),
    row(MilType::BFloat16, 13, Some(5), "BFLOAT16", 16, Class::Float, Some(DType::BF16)),
    row(MilType::Int8, 21, Some(4), "INT8", 8, Class::Signed, Some(DType::I8)),
    row(MilType::Int16, 22, Some(6), "INT16", 16, Class::Signed, Some(DType::I16)),
    row(MilType::Int32, 23, Some(14), "INT32", 32, Class::Signed, Some(DType::I32)),
    row(MilType::Int64, 24, None, "INT64", 64, Class::Signed, Some(DType::I64)),
    row(MilType::Int4, 25, Some(8), "INT4", 4, Class::Signed, None),
    row(MilType::UInt8, 31, Some(3), "UINT8", 8, Class::Unsigned, Some(DType::U8)),
    row(MilType::UInt16, 32, Some(7), "UINT16", 16, Class::Unsigned, Some(DType::U16)),
    row(MilType::UInt32, 33, Some(15), "UINT32", 32, Class::Unsigned, Some(DType::U32)),
    row(MilType::UInt64, 34, None, "UINT64", 64, Class::Unsigned, Some(DType::U64)),
    row(MilType::UInt4, 35, Some(11), "UINT4", 4, Class::Unsigned, None),
    row(MilType::UInt2, 36, Some(10), "UINT2", 2, Class::Unsigned, None),
    row(MilType::UInt1, 37, Some(9), "UINT1", 1, Class::Unsigned, None),
    row(MilType::UInt6, 38, Some(13), "UINT6", 6, Class::Unsigned, None),
    row(MilType::UInt3, 39, Some(12), "UINT3", 3, Class::Unsigned, None),
    row(MilType::Float8E4M3FN, 40, Some(16), "FLOAT8E4M3FN", 8, Class::Float, Some(DType::F8E4M3)),
    row(MilType::Float8E5M2, 41, Some(17), "FLOAT8E5M2", 8, Class::Float, Some(DType::F8E5M2)),
];

impl MilType {
    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// Every type.
    pub fn all() -> impl Iterator<Item = MilType> {
        ROWS.iter().map(|row| row.mil_type)
    }

    /// The type of a number in a program.
    pub fn from_number(number: i32) -> Option<MilType> {
        ROWS.iter().find(|row| row.number == number).map(|row| row.mil_type)
    }

    /// The type of a number in a file of weights.
    pub fn from_storage(number: u32) -> Option<MilType> {
        ROWS.iter().find(|row| row.storage == Some(number)).map(|row| row.mil_type)
    }

    /// The type whose elements lie in memory as those of a bitmill type do.
    pub fn from_dtype(dtype: DType) -> Option<MilType> {
        ROWS.iter().find(|row| row.dtype == Some(dtype)).map(|row| row.mil_type)
    }

    /// The unsigned type of a width in bits, if there is one: not for 5 and 7.
    pub fn unsigned(bits: u32) -> Option<MilType> {
        ROWS.iter().find(|row| row.class == Class::Unsigned && row.bits == bits).map(|row| row.mil_type)
    }

    /// The signed type of a width in bits, if there is one: of those below 8, only for 4.
    pub fn signed(bits: u32) -> Option<MilType> {
        ROWS.iter().find(|row| row.class == Class::Signed && row.bits == bits).map(|row| row.mil_type)
    }

    /// Its number in programs.
    pub fn number(self) -> i32 {
        self.row().number
    }

    /// Its number in files of weights; none for types that only programs hold.
    pub fn storage(self) -> Option<u32> {
        self.row().storage
    }

    /// bitmill's type with the same elements; none for text and for what is narrower than a byte.
    pub fn dtype(self) -> Option<DType> {
        self.row().dtype
    }

    /// Its name, as `MIL.proto` spells it: `FLOAT16`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The width of an element in bits, packed; 0 for text.
    pub fn bits(self) -> u32 {
        self.row().bits
    }

    /// Whether it is narrower than a byte, so that elements are packed.
    pub fn is_sub_byte(self) -> bool {
        (1..8).contains(&self.bits())
    }

    /// Whether its elements are floats.
    pub fn is_float(self) -> bool {
        self.row().class == Class::Float
    }

    /// Whether its elements are integers, signed or not.
    pub fn is_integer(self) -> bool {
        matches!(self.row().class, Class::Signed | Class::Unsigned)
    }

    /// Whether its elements can be negative.
    pub fn is_signed(self) -> bool {
        matches!(self.row().class, Class::Float | Class::Signed)
    }

    /// The bytes that a number of elements takes, packed without gaps; `None` for text and for more than any file
    /// can hold.
    pub fn bytes_for(self, elements: u64) -> Option<u64> {
        match self.bits() {
            0 => None,
            bits => elements.checked_mul(bits.into()).map(|bits| bits.div_ceil(8)),
        }
    }

    /// The unused high bits of the last byte of a number of elements.
    pub fn padding_bits(self, elements: u64) -> u8 {
        let used = (elements % 8) * u64::from(self.bits()) % 8;
        ((8 - used) % 8) as u8
    }
}

impl fmt::Display for MilType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_number_is_a_types_own() {
        for (index, row) in ROWS.iter().enumerate() {
            assert_eq!(row.mil_type as usize, index);
            assert_eq!(MilType::from_number(row.number), Some(row.mil_type));
            if let Some(storage) = row.storage {
                assert_eq!(MilType::from_storage(storage), Some(row.mil_type));
            }
            if let Some(dtype) = row.dtype {
                assert_eq!(MilType::from_dtype(dtype), Some(row.mil_type));
                assert_eq!(dtype.bits(), row.bits as usize);
            }
        }
        let stored: Vec<_> = (0..=18).map(MilType::from_storage).collect();
        assert!(stored[0].is_none() && stored[18].is_none() && stored[1..18].iter().all(Option::is_some));
    }

    #[test]
    fn every_bitmill_type_has_a_mil_type() {
        for (dtype, ..) in DType::NAMES {
            assert!(MilType::from_dtype(*dtype).is_some(), "{dtype}");
        }
        assert_eq!(MilType::from_dtype(DType::Opaque), None);
    }

    #[test]
    fn widths() {
        let unsigned: Vec<_> = (0..=9).map(|bits| MilType::unsigned(bits).map(MilType::name)).collect();
        let names = ["UINT1", "UINT2", "UINT3", "UINT4", "", "UINT6", "", "UINT8"];
        assert_eq!(unsigned[1..9], names.map(|name| (!name.is_empty()).then_some(name)));
        assert_eq!((unsigned[0], unsigned[9]), (None, None));
        assert_eq!(MilType::signed(4), Some(MilType::Int4));
        assert_eq!(MilType::UInt3.bytes_for(10), Some(4));
        assert_eq!(MilType::UInt3.padding_bits(10), 2);
        assert_eq!(MilType::Float32.bytes_for(u64::MAX / 4), None);
        assert_eq!(MilType::String.bytes_for(1), None);
        for mil_type in MilType::all().filter(|t| *t != MilType::String) {
            for elements in 0..70 {
                let bits = 8 * mil_type.bytes_for(elements).unwrap() - u64::from(mil_type.padding_bits(elements));
                assert_eq!(bits, elements * u64::from(mil_type.bits()));
            }
            mil_type.padding_bits(u64::MAX);
        }
    }
}
