//! The numbers of the schema that stand for element types and layouts. They are not those of ExecuTorch's
//! `ScalarType`.

use std::fmt;

use serde::Deserialize;

use crate::dtype::DType;
use crate::formats::safetensors::DtypeName;

/// Declares the element types: number, bytes of an element, PyTorch's name, bitmill's type, safetensors' name.
macro_rules! scalars {
    ($($variant:ident = $number:literal, $bytes:literal, $torch:literal, $dtype:ident, $name:literal;)+) => {
        /// An element type of PyTorch.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ScalarType { $(#[doc = $torch] $variant),+ }

        impl ScalarType {
            /// Every type.
            pub const ALL: &'static [ScalarType] = &[$(ScalarType::$variant),+];

            /// The type of a number of the schema.
            pub fn by_number(number: u64) -> Option<ScalarType> {
                match number { $($number => Some(ScalarType::$variant),)+ _ => None }
            }

            /// Bytes of an element.
            pub const fn bytes(self) -> usize {
                match self { $(ScalarType::$variant => $bytes),+ }
            }

            /// PyTorch's name: `float32`.
            pub const fn torch_name(self) -> &'static str {
                match self { $(ScalarType::$variant => $torch),+ }
            }

            /// The type as models have it; [`DType::Opaque`] for those that bitmill copies and does not read.
            pub const fn dtype(self) -> DType {
                match self { $(ScalarType::$variant => DType::$dtype),+ }
            }

            const fn stored_name(self) -> &'static str {
                match self { $(ScalarType::$variant => $name),+ }
            }
        }
    };
}

scalars! {
    Uint8 = 1, 1, "uint8", U8, "U8";
    Int8 = 2, 1, "int8", I8, "I8";
    Int16 = 3, 2, "int16", I16, "I16";
    Int32 = 4, 4, "int32", I32, "I32";
    Int64 = 5, 8, "int64", I64, "I64";
    Float16 = 6, 2, "float16", F16, "F16";
    Float32 = 7, 4, "float32", F32, "F32";
    Float64 = 8, 8, "float64", F64, "F64";
    Complex32 = 9, 4, "complex32", Opaque, "";
    Complex64 = 10, 8, "complex64", Opaque, "C64";
    Complex128 = 11, 16, "complex128", Opaque, "";
    Bool = 12, 1, "bool", Bool, "BOOL";
    Bfloat16 = 13, 2, "bfloat16", BF16, "BF16";
    Uint16 = 28, 2, "uint16", U16, "U16";
    Float8E4m3fn = 29, 1, "float8_e4m3fn", F8E4M3, "F8_E4M3";
    Float8E5m2 = 30, 1, "float8_e5m2", F8E5M2, "F8_E5M2";
    Float8E4m3fnuz = 31, 1, "float8_e4m3fnuz", Opaque, "F8_E4M3FNUZ";
    Float8E5m2fnuz = 32, 1, "float8_e5m2fnuz", Opaque, "F8_E5M2FNUZ";
    Float8E8m0fnu = 33, 1, "float8_e8m0fnu", Opaque, "F8_E8M0";
    Uint32 = 34, 4, "uint32", U32, "U32";
    Uint64 = 35, 8, "uint64", U64, "U64";
}

impl ScalarType {
    /// The type as safetensors files name it; `None` where they have no name for it.
    pub fn safetensors(self) -> Option<DtypeName> {
        Some(self.stored_name()).filter(|name| !name.is_empty()).map(DtypeName::new)
    }
}

impl fmt::Display for ScalarType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As models name it, where they have a name.
        match self.dtype() {
            DType::Opaque => f.write_str(self.torch_name()),
            dtype => write!(f, "{dtype}"),
        }
    }
}

/// How a tensor lies in memory: strided, or one of PyTorch's sparse layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(from = "u64")]
pub struct Layout(pub u64);

impl Layout {
    /// Elements at an offset that is a sum of strides.
    pub const STRIDED: Layout = Layout(7);
}

impl From<u64> for Layout {
    fn from(number: u64) -> Self {
        Layout(number)
    }
}

/// The order of a tensor's dimensions in memory that an operator is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(from = "u64")]
pub enum MemoryFormat {
    /// The last dimension fastest.
    Contiguous,
    /// Channels fastest, of tensors of rank 4.
    ChannelsLast,
    /// Channels fastest, of tensors of rank 5.
    ChannelsLast3d,
    /// As the input has it.
    Preserve,
    /// A number of a later version.
    Unknown,
}

impl From<u64> for MemoryFormat {
    fn from(number: u64) -> Self {
        match number {
            1 => MemoryFormat::Contiguous,
            2 => MemoryFormat::ChannelsLast,
            3 => MemoryFormat::ChannelsLast3d,
            4 => MemoryFormat::Preserve,
            _ => MemoryFormat::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_one_width_everywhere() {
        for scalar in ScalarType::ALL {
            let dtype = scalar.dtype();
            assert!(dtype == DType::Opaque || dtype.bits() == 8 * scalar.bytes(), "{scalar}");
            if let Some(name) = scalar.safetensors() {
                assert_eq!(name.dtype(), dtype, "{scalar}");
            }
        }
        assert_eq!(
            (ScalarType::by_number(7), ScalarType::by_number(6)),
            (Some(ScalarType::Float32), Some(ScalarType::Float16))
        );
        assert_eq!((ScalarType::by_number(0), ScalarType::by_number(36)), (None, None));
    }
}
