//! Pieces of protobuf programs as the lowering writes them. Which list holds which type is
//! CT:converters/mil/backend/mil/helper.py.

use std::collections::HashSet;

use bytes::Bytes;

use crate::element::ElementType;
use crate::formats::coreml::proto::{
    Argument, AttributeEntry, Binding, BindingKind, BlobFileValue, ConstantDimension, Dimension, DimensionKind, Entry,
    ImmediateKind, ImmediateValue, InputEntry, Kept, NamedValueType, RepeatedBytes, RepeatedFloats, RepeatedInts,
    RepeatedStrings, TensorElements, TensorType, TensorValue, Value, ValueKind, ValueType, ValueTypeKind,
};

/// The file of weights, as programs name it.
pub const WEIGHTS: &str = "@model_path/weights/weight.bin";

/// The type of a tensor; of a scalar for an empty shape.
pub fn tensor_type(element: ElementType, shape: &[usize]) -> Kept<ValueType> {
    let dimension = |&size: &usize| {
        let constant = ConstantDimension { size: size as u64 };
        Dimension { dimension: Some(DimensionKind::Constant(constant.into())) }.into()
    };
    let tensor = TensorType {
        data_type: element.number(),
        rank: shape.len() as i64,
        dimensions: shape.iter().map(dimension).collect(),
        attributes: Vec::new(),
    };
    ValueType { kind: Some(ValueTypeKind::Tensor(tensor.into())) }.into()
}

/// The type of a tensor, where a value is one.
pub fn tensor(r#type: Option<&Kept<ValueType>>) -> Option<&TensorType> {
    match r#type?.kind.as_ref()? {
        ValueTypeKind::Tensor(tensor) => Some(tensor),
        _ => None,
    }
}

/// The element type of a tensor, where a value is one and the type is known.
pub fn element(r#type: Option<&Kept<ValueType>>) -> Option<ElementType> {
    ElementType::from_number(tensor(r#type)?.data_type)
}

/// A name that a function has not yet, as near to the wish as can be; now it has it.
pub fn fresh(names: &mut HashSet<String>, wish: &str) -> String {
    let mut name = wish.to_string();
    let mut number = 0;
    while !names.insert(name.clone()) {
        name = format!("{wish}_{number}");
        number += 1;
    }
    name
}

/// The size of a dimension, where it is known.
pub fn size(dimension: &Dimension) -> Option<u64> {
    match &dimension.dimension {
        Some(DimensionKind::Constant(constant)) => Some(constant.size),
        _ => None,
    }
}

fn value(r#type: Kept<ValueType>, value: ValueKind) -> Kept<Value> {
    Value { doc_string: String::new(), r#type: Some(r#type), value: Some(value) }.into()
}

/// A tensor that stands in the program.
pub fn immediate(element: ElementType, shape: &[usize], elements: TensorElements) -> Kept<Value> {
    let tensor = TensorValue { value: Some(elements) };
    let immediate = ImmediateValue { value: Some(ImmediateKind::Tensor(tensor.into())) };
    value(tensor_type(element, shape), ValueKind::Immediate(immediate.into()))
}

/// A tensor that lies in the file of weights; `offset` is that of its record.
pub fn blob(element: ElementType, shape: &[usize], offset: u64) -> Kept<Value> {
    let blob = BlobFileValue { file_name: WEIGHTS.to_string(), offset };
    value(tensor_type(element, shape), ValueKind::BlobFile(blob.into()))
}

/// An int32 scalar.
pub fn int(number: i32) -> Kept<Value> {
    immediate(ElementType::Int32, &[], TensorElements::Ints(RepeatedInts { values: vec![number] }.into()))
}

/// A text scalar.
pub fn text(text: &str) -> Kept<Value> {
    let values = RepeatedStrings { values: vec![text.to_string()] };
    immediate(ElementType::String, &[], TensorElements::Strings(values.into()))
}

/// A vector of sizes, in uint32.
pub fn sizes(sizes: &[u32]) -> Kept<Value> {
    let bytes: Vec<u8> = sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
    raw(ElementType::Uint32, &[sizes.len()], bytes)
}

/// A tensor of little-endian bytes, in whichever list holds its type. For types without one, and for bytes that are
/// not whole elements, what there is stands as bytes.
pub fn elements(element: ElementType, shape: &[usize], bytes: Vec<u8>) -> Kept<Value> {
    let held = match element {
        ElementType::Fp32 => {
            let values = bytes.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect();
            TensorElements::Floats(RepeatedFloats { values }.into())
        }
        ElementType::Int32 => {
            let values = bytes.as_chunks().0.iter().map(|chunk| i32::from_le_bytes(*chunk)).collect();
            TensorElements::Ints(RepeatedInts { values }.into())
        }
        _ => return raw(element, shape, bytes),
    };
    immediate(element, shape, held)
}

/// Elements as they lie in memory: types that `TensorElements::Bytes` holds.
pub fn raw(element: ElementType, shape: &[usize], bytes: Vec<u8>) -> Kept<Value> {
    immediate(element, shape, TensorElements::Bytes(RepeatedBytes { values: Bytes::from(bytes) }.into()))
}

/// An attribute.
pub fn attribute(name: &str, value: Kept<Value>) -> Kept<AttributeEntry> {
    AttributeEntry::entry(name.to_string(), value).into()
}

/// An input bound to a constant.
pub fn input(parameter: &str, value: Kept<Value>) -> Kept<InputEntry> {
    bound(parameter, BindingKind::Value(Box::new(value)))
}

/// An input bound to a value by name.
pub fn reference(parameter: &str, name: &str) -> Kept<InputEntry> {
    bound(parameter, BindingKind::Name(name.to_string()))
}

fn bound(parameter: &str, kind: BindingKind) -> Kept<InputEntry> {
    let argument = Argument { arguments: vec![Binding { binding: Some(kind) }.into()] };
    InputEntry::entry(parameter.to_string(), argument.into()).into()
}

/// A named value of a tensor type.
pub fn named(name: &str, element: ElementType, shape: &[usize]) -> Kept<NamedValueType> {
    NamedValueType { name: name.to_string(), r#type: Some(tensor_type(element, shape)) }.into()
}
