//! The types of a model's inputs, outputs and states. CT:mlmodel/format/FeatureTypes.proto.
//!
//! Images, dictionaries and sequences are passed on and not looked into: they stay among the unknown fields of
//! [`FeatureType`].

use super::{Kept, message};
use crate::element::ElementType;

message! {
    /// The type of a feature.
    struct FeatureType {
        /// Whether callers may leave it out.
        (1000 bool) is_optional: bool,
    }
    /// What the feature is. Kinds that are not named here stay among the unknown fields.
    oneof kind: FeatureKind {
        /// A tensor.
        (5 message) MultiArray(Kept<ArrayFeatureType>),
        /// A state, which lives from one call to the next.
        (8 message) State(Kept<StateFeatureType>),
    }
}

message! {
    /// A tensor.
    struct ArrayFeatureType {
        /// Its shape, or the default one where shapes are flexible.
        (1 int64, repeated) shape: Vec<i64>,
        /// Its element type, one of [`ArrayDataType`].
        (2 int32) data_type: i32,
    }
    /// The shapes it may have, if not only one.
    oneof shape_flexibility: ShapeFlexibility {
        /// One of several.
        (21 message) Enumerated(Kept<EnumeratedShapes>),
        /// Any within bounds.
        (31 message) Range(Kept<ShapeRange>),
    }
    /// The value of each element where an optional input is left out.
    oneof default_value: DefaultValue {
        /// For integers.
        (41 int32) Int(i32),
        /// For `FLOAT32` and `FLOAT16`.
        (51 float) Float(f32),
        /// For `DOUBLE`.
        (61 double) Double(f64),
    }
}

impl ArrayFeatureType {
    /// The element type as its file names it, if its number is a known one.
    pub fn array_data_type(&self) -> Option<ArrayDataType> {
        ArrayDataType::ALL.iter().copied().find(|known| *known as i32 == self.data_type)
    }

    /// The element type; `None` for one of later versions.
    pub fn element(&self) -> Option<ElementType> {
        Some(match self.array_data_type()? {
            ArrayDataType::Float16 => ElementType::Fp16,
            ArrayDataType::Float32 => ElementType::Fp32,
            ArrayDataType::Double => ElementType::Fp64,
            ArrayDataType::Int8 => ElementType::Int8,
            ArrayDataType::Int32 => ElementType::Int32,
        })
    }
}

/// The element types of a model's inputs and outputs. FeatureTypes.proto, `ArrayDataType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum ArrayDataType {
    /// binary16; from specification version 7.
    Float16 = 65552,
    /// binary32.
    Float32 = 65568,
    /// binary64.
    Double = 65600,
    /// Signed 8-bit; from specification version 10.
    Int8 = 131080,
    /// Signed 32-bit.
    Int32 = 131104,
}

impl ArrayDataType {
    /// All of them.
    pub const ALL: &'static [ArrayDataType] = &[
        ArrayDataType::Float16,
        ArrayDataType::Float32,
        ArrayDataType::Double,
        ArrayDataType::Int8,
        ArrayDataType::Int32,
    ];
}

message! {
    /// Shapes of which a tensor has one.
    struct EnumeratedShapes {
        /// The shapes.
        (1 message, repeated) shapes: Vec<Kept<EnumeratedShape>>,
    }
}

message! {
    /// One of several shapes.
    struct EnumeratedShape {
        /// The sizes of its dimensions.
        (1 int64, repeated) shape: Vec<i64>,
    }
}

message! {
    /// Bounds for each dimension.
    struct ShapeRange {
        /// One for each dimension.
        (1 message, repeated) size_ranges: Vec<Kept<SizeRange>>,
    }
}

message! {
    /// Bounds of a size.
    struct SizeRange {
        /// The least.
        (1 uint64) lower_bound: u64,
        /// The greatest; negative for no bound.
        (2 int64) upper_bound: i64,
    }
}

message! {
    /// A state.
    struct StateFeatureType {}
    /// What it holds.
    oneof kind: StateKind {
        /// A tensor.
        (1 message) Array(Kept<ArrayFeatureType>),
    }
}
