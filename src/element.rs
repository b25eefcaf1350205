//! Element types of the tensors of Core ML programs and files of weights, those narrower than a byte included.

use std::fmt;

use crate::dtype::DType;

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
    element: ElementType,
    name: &'static str,
    number: i32,
    storage: Option<u32>,
    bits: u64,
    class: Class,
    dtype: Option<DType>,
}

/// Declares the types with everything that is known of them.
macro_rules! elements {
    ($($Variant:ident $name:literal $number:literal $storage:expr, $bits:literal $class:ident $dtype:expr, $doc:literal;)+) => {
        /// The type of one element. MIL.proto's `DataType`, without the value that stands for "unset".
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ElementType { $(#[doc = $doc] $Variant),+ }

        /// Every type, in the order of the enum.
        const ROWS: &[Row] = &[$(Row {
            element: ElementType::$Variant,
            name: $name,
            number: $number,
            storage: $storage,
            bits: $bits,
            class: Class::$class,
            dtype: $dtype,
        }),+];
    };
}

// Columns: the name that coremltools prints; MIL.proto's number (CT:mlmodel/format/MIL.proto:192-228); the
// number in files of weights, another one (CT:mlmodel/src/MILBlob/Blob/BlobDataType.hpp); bits, class, bitmill's type.
elements! {
    Bool "bool" 1 None, 8 Other Some(DType::Bool), "One byte that is 0 or 1.";
    String "string" 2 None, 0 Other None, "Text.";
    Fp16 "fp16" 10 Some(1), 16 Float Some(DType::F16), "IEEE 754 binary16.";
    Fp32 "fp32" 11 Some(2), 32 Float Some(DType::F32), "IEEE 754 binary32.";
    Fp64 "fp64" 12 None, 64 Float Some(DType::F64), "IEEE 754 binary64.";
    Bf16 "bf16" 13 Some(5), 16 Float Some(DType::BF16), "bfloat16.";
    Int4 "int4" 25 Some(8), 4 Signed None, "Signed 4-bit integer, two's complement.";
    Int8 "int8" 21 Some(4), 8 Signed Some(DType::I8), "Signed 8-bit integer.";
    Int16 "int16" 22 Some(6), 16 Signed Some(DType::I16), "Signed 16-bit integer.";
    Int32 "int32" 23 Some(14), 32 Signed Some(DType::I32), "Signed 32-bit integer.";
    Int64 "int64" 24 None, 64 Signed Some(DType::I64), "Signed 64-bit integer.";
    Uint1 "uint1" 37 Some(9), 1 Unsigned None, "One bit.";
    Uint2 "uint2" 36 Some(10), 2 Unsigned None, "Unsigned 2-bit integer.";
    Uint3 "uint3" 39 Some(12), 3 Unsigned None, "Unsigned 3-bit integer.";
    Uint4 "uint4" 35 Some(11), 4 Unsigned None, "Unsigned 4-bit integer.";
    Uint6 "uint6" 38 Some(13), 6 Unsigned None, "Unsigned 6-bit integer.";
    Uint8 "uint8" 31 Some(3), 8 Unsigned Some(DType::U8), "Unsigned 8-bit integer.";
    Uint16 "uint16" 32 Some(7), 16 Unsigned Some(DType::U16), "Unsigned 16-bit integer.";
    Uint32 "uint32" 33 Some(15), 32 Unsigned Some(DType::U32), "Unsigned 32-bit integer.";
    Uint64 "uint64" 34 None, 64 Unsigned Some(DType::U64), "Unsigned 64-bit integer.";
    Fp8E4M3 "fp8e4m3fn" 40 Some(16), 8 Float Some(DType::F8E4M3), "8-bit float with 4 exponent bits, finite only.";
    Fp8E5M2 "fp8e5m2" 41 Some(17), 8 Float Some(DType::F8E5M2), "8-bit float with 5 exponent bits.";
}

impl ElementType {
    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// Every type.
    pub fn all() -> impl Iterator<Item = ElementType> {
        ROWS.iter().map(|row| row.element)
    }

    /// Its name in programs, which is also what `cast.dtype` and its like hold: `fp16`, `uint4`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The type of a name, in any case.
    pub fn by_name(name: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.name.eq_ignore_ascii_case(name)).map(|row| row.element)
    }

    /// Its number in programs.
    pub fn number(self) -> i32 {
        self.row().number
    }

    /// The type of a number in a program.
    pub fn from_number(number: i32) -> Option<Self> {
        ROWS.iter().find(|row| row.number == number).map(|row| row.element)
    }

    /// Its number in files of weights; none for types that only programs hold.
    pub fn storage(self) -> Option<u32> {
        self.row().storage
    }

    /// The type of a number in a file of weights.
    pub fn from_storage(number: u32) -> Option<Self> {
        ROWS.iter().find(|row| row.storage == Some(number)).map(|row| row.element)
    }

    /// bitmill's type with the same elements; none for text and for what is narrower than a byte.
    pub fn dtype(self) -> Option<DType> {
        self.row().dtype
    }

    /// Bits that one element takes in a blob or an immediate value; 0 for text, which has no fixed width.
    /// Truth values take a byte each.
    pub fn bits(self) -> u64 {
        self.row().bits
    }

    /// Whether it is narrower than a byte, so that elements are packed.
    pub fn is_sub_byte(self) -> bool {
        (1..8).contains(&self.bits())
    }

    /// Whether it is a binary floating-point type.
    pub fn is_float(self) -> bool {
        self.row().class == Class::Float
    }

    /// Whether it is an integer type with a sign.
    pub fn is_signed(self) -> bool {
        self.row().class == Class::Signed
    }

    /// Whether it is an integer type; truth values are none.
    pub fn is_integer(self) -> bool {
        matches!(self.row().class, Class::Signed | Class::Unsigned)
    }

    /// Bytes that `count` elements take, packed without gaps and rounded up to whole bytes; `None` on overflow and
    /// for text.
    pub fn bytes_for(self, count: u64) -> Option<u64> {
        match self.bits() {
            0 => None,
            bits => count.checked_mul(bits).map(|bits| bits.div_ceil(8)),
        }
    }

    /// The unused high bits of the last byte of a number of elements.
    pub fn padding_bits(self, count: u64) -> u8 {
        let used = (count % 8) * self.bits() % 8;
        ((8 - used) % 8) as u8
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
    fn every_number_and_name_is_a_types_own() {
        for (index, row) in ROWS.iter().enumerate() {
            assert_eq!(row.element as usize, index);
            assert_eq!(ElementType::from_number(row.number), Some(row.element));
            assert_eq!(ElementType::by_name(&row.name.to_uppercase()), Some(row.element));
            if let Some(storage) = row.storage {
                assert_eq!(ElementType::from_storage(storage), Some(row.element));
            }
            if let Some(dtype) = row.dtype {
                assert_eq!(dtype.bits() as u64, row.bits);
            }
        }
        let stored: Vec<_> = (0..=18).map(ElementType::from_storage).collect();
        assert!(stored[0].is_none() && stored[18].is_none() && stored[1..18].iter().all(Option::is_some));
        assert_eq!(ElementType::by_name("uint5"), None);
    }

    #[test]
    fn bytes_of_packed_elements() {
        assert_eq!(ElementType::Uint3.bytes_for(10), Some(4));
        assert_eq!(ElementType::Int4.bytes_for(3), Some(2));
        assert_eq!(ElementType::Fp32.bytes_for(u64::MAX), None);
        assert_eq!(ElementType::String.bytes_for(1), None);
        for element in ElementType::all().filter(|element| *element != ElementType::String) {
            for count in 0..70 {
                let bytes = element.bytes_for(count).unwrap();
                assert_eq!(8 * bytes - u64::from(element.padding_bits(count)), count * element.bits());
            }
        }
    }
}
