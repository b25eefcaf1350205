//! Compressed constants of CoreML6 in the form of CoreML8, where the operator has a newer version: its parameters
//! become inputs, and what was a stream of bytes gets its real type. The bytes stay.
//!
//! `constexpr_affine_dequantize` has no newer version and stays as it is, as coremltools leaves it.

use super::message;
use crate::element::ElementType;
use crate::formats::coreml::proto::{
    AttributeEntry, ImmediateKind, Kept, Operation, TensorElements, Value, ValueKind, ValueType,
};

/// Brings an operation into the form of CoreML8, if it is one that must be.
///
/// # Errors
/// What about it is not as its operator demands.
pub fn upgrade(operation: &mut Kept<Operation>) -> Result<(), &'static str> {
    match operation.r#type.as_str() {
        "constexpr_lut_to_dense" => {
            let shape = output_shape(operation).ok_or("its output has no fixed shape")?;
            let entries = vector_length(operation, "lut").ok_or("its `lut` is no vector")?;
            let index = index_type(entries).ok_or("its `lut` has a length that no index width has")?;
            retype(operation, "indices", index, &shape)?;
            let table = [vec![1; shape.len()], vec![entries, 1]].concat();
            let element = value(operation, "lut")
                .and_then(|lut| message::element(lut.r#type.as_ref()))
                .ok_or("its `lut` has no type")?;
            retype(operation, "lut", element, &table)?;
            operation.attributes.retain(|entry| entry.key != "shape");
        }
        "constexpr_sparse_to_dense" => {
            let shape = output_shape(operation).ok_or("its output has no fixed shape")?;
            retype(operation, "mask", ElementType::Uint1, &shape)?;
            move_to_inputs(operation, "nonzero_data")?;
            operation.attributes.retain(|entry| entry.key != "shape");
        }
        "constexpr_cast" => {
            move_to_inputs(operation, "source_val")?;
            move_to_inputs(operation, "output_dtype")?;
        }
        _ => {}
    }
    Ok(())
}

fn index_type(entries: usize) -> Option<ElementType> {
    Some(match entries {
        2 => ElementType::Uint1,
        4 => ElementType::Uint2,
        16 => ElementType::Uint4,
        64 => ElementType::Uint6,
        256 => ElementType::Uint8,
        _ => return None,
    })
}

fn value<'a>(operation: &'a Operation, name: &str) -> Option<&'a Kept<Value>> {
    operation.attributes.iter().rev().find(|entry| entry.key == name)?.value.as_ref()
}

fn shape_of(r#type: Option<&Kept<ValueType>>) -> Option<Vec<usize>> {
    message::tensor(r#type)?
        .dimensions
        .iter()
        .map(|dimension| usize::try_from(message::size(dimension)?).ok())
        .collect()
}

fn output_shape(operation: &Operation) -> Option<Vec<usize>> {
    shape_of(operation.outputs.first()?.r#type.as_ref())
}

fn vector_length(operation: &Operation, name: &str) -> Option<usize> {
    match shape_of(value(operation, name)?.r#type.as_ref())?[..] {
        [length] => Some(length),
        _ => None,
    }
}

fn take(operation: &mut Kept<Operation>, name: &str) -> Option<Kept<Value>> {
    let at = operation.attributes.iter().rposition(|entry: &Kept<AttributeEntry>| entry.key == name)?;
    operation.attributes.remove(at).value.take()
}

fn move_to_inputs(operation: &mut Kept<Operation>, name: &'static str) -> Result<(), &'static str> {
    let value = take(operation, name).ok_or("a parameter is missing")?;
    operation.inputs.push(message::input(name, value));
    Ok(())
}

/// Moves an attribute to the inputs with another type over the same bytes.
fn retype(
    operation: &mut Kept<Operation>,
    name: &'static str,
    element: ElementType,
    shape: &[usize],
) -> Result<(), &'static str> {
    let mut value = take(operation, name).ok_or("a parameter is missing")?;
    let held = match &value.value {
        Some(ValueKind::Immediate(immediate)) => match &immediate.value {
            Some(ImmediateKind::Tensor(tensor)) => match &tensor.value {
                Some(TensorElements::Bytes(bytes)) => Some(bytes.values.len() as u64),
                // Floats keep their list: their number does not change.
                Some(_) => None,
                None => return Err("a parameter has no elements"),
            },
            _ => return Err("a parameter is no tensor"),
        },
        // A file's length is checked when the blob is copied.
        Some(ValueKind::BlobFile(_)) => None,
        None => return Err("a parameter has no value"),
    };
    let count = shape.iter().try_fold(1u64, |count, &size| count.checked_mul(size as u64));
    let bytes = count.and_then(|count| element.bytes_for(count)).ok_or("its shape is too large")?;
    if held.is_some_and(|held| held != bytes) {
        return Err("a parameter has another length than its shape");
    }
    value.r#type = Some(message::tensor_type(element, shape));
    operation.inputs.push(message::input(name, value));
    Ok(())
}
