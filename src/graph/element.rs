//! Element types of a program's tensors, those narrower than a byte included.

use std::fmt;

pub use crate::formats::coreml::MilType as ElementType;
use ElementType::*;

/// The types that coremltools has, with the names it prints, which are also what `cast.dtype` and its like hold.
/// CT:converters/mil/mil/types/type_mapping.py. The last four are named alike.
const NAMES: &[(ElementType, &str)] = &[
    (Bool, "bool"),
    (String, "string"),
    (Float16, "fp16"),
    (Float32, "fp32"),
    (Float64, "fp64"),
    (Int4, "int4"),
    (Int8, "int8"),
    (Int16, "int16"),
    (Int32, "int32"),
    (Int64, "int64"),
    (UInt1, "uint1"),
    (UInt2, "uint2"),
    (UInt3, "uint3"),
    (UInt4, "uint4"),
    (UInt6, "uint6"),
    (UInt8, "uint8"),
    (UInt16, "uint16"),
    (UInt32, "uint32"),
    (UInt64, "uint64"),
    (BFloat16, "bf16"),
    (Float8E4M3FN, "fp8e4m3fn"),
    (Float8E5M2, "fp8e5m2"),
];

/// The name of an element type in the text of programs: `fp16`, `uint4`.
pub fn name(element: ElementType) -> &'static str {
    NAMES.iter().find(|(known, _)| *known == element).map_or("", |(_, name)| name)
}

/// The element type of a name, in any case.
pub fn by_name(name: &str) -> Option<ElementType> {
    NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(element, _)| *element)
}

/// An element type as text: [`name`].
pub(super) struct Shown(pub(super) ElementType);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_one_name() {
        for element in ElementType::all() {
            assert_eq!(by_name(name(element)), Some(element));
        }
        assert_eq!(by_name("uint5"), None);
        assert_eq!(by_name(""), None);
        assert_eq!(by_name("INT8"), Some(Int8));
    }
}
