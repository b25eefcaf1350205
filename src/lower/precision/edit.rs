//! What the pass reads and writes in operations and their constants.

use half::f16;

use super::Stored;
use crate::element::ElementType;
use crate::formats::coreml::proto::{
    BindingKind, ImmediateKind, Kept, Operation, RepeatedBytes, TensorElements, Value, ValueKind, ValueType,
    ValueTypeKind,
};
use crate::graph::half::is_beyond;
use crate::lower::message;

pub(super) fn set_fp16(r#type: Option<&mut Kept<ValueType>>) {
    if let Some(r#type) = r#type
        && let Some(ValueTypeKind::Tensor(tensor)) = &mut r#type.kind
    {
        tensor.data_type = ElementType::Fp16.number();
    }
}

/// The names that an operation takes, with their parameters.
pub(super) fn uses(operation: &Operation) -> impl Iterator<Item = (&str, &str)> {
    operation.inputs.iter().flat_map(|input| {
        let bindings = input.value.iter().flat_map(|argument| &argument.arguments);
        bindings.filter_map(|binding| match &binding.binding {
            Some(BindingKind::Name(name)) => Some((input.key.as_str(), name.as_str())),
            _ => None,
        })
    })
}

/// The constants that stand in an operation: bound to inputs, or as attributes.
pub(super) fn literals(operation: &Operation) -> impl Iterator<Item = &Value> {
    let bindings = operation.inputs.iter().flat_map(|input| &input.value).flat_map(|argument| &argument.arguments);
    let bound = bindings.filter_map(|binding| match &binding.binding {
        Some(BindingKind::Value(value)) => Some(&***value),
        _ => None,
    });
    bound.chain(operation.attributes.iter().filter_map(|entry| entry.value.as_deref()))
}

/// Elements of an fp32 constant that stands in the program.
fn floats(value: &Value) -> Option<&[f32]> {
    let Some(ValueKind::Immediate(immediate)) = &value.value else { return None };
    let Some(ImmediateKind::Tensor(tensor)) = &immediate.value else { return None };
    match tensor.value.as_ref()? {
        TensorElements::Floats(floats) => Some(&floats.values),
        _ => None,
    }
}

/// Whether an fp32 constant has an element beyond fp16 that is not infinite. What cannot be read counts as such.
pub(super) fn overflows(value: &Value, stored: Stored) -> bool {
    if message::element(value.r#type.as_ref()) != Some(ElementType::Fp32) {
        return false;
    }
    let beyond = |value: &f32| is_beyond(*value);
    match &value.value {
        Some(ValueKind::BlobFile(blob)) => {
            stored(&blob.file_name, blob.offset).is_none_or(|values| values.iter().any(beyond))
        }
        _ => floats(value).is_some_and(|values| values.iter().any(beyond)),
    }
}

/// fp32 as fp16, never zero for what is not.
pub fn halved(value: f32) -> f16 {
    let half = f16::from_f32(value);
    if half == f16::ZERO && value != 0.0 { f16::MIN_POSITIVE_SUBNORMAL.copysign(half) } else { half }
}

/// Declares an fp32 constant to be fp16, and converts it where it stands in the program.
pub(super) fn halve(value: &mut Kept<Value>) {
    if message::element(value.r#type.as_ref()) != Some(ElementType::Fp32) {
        return;
    }
    set_fp16(value.r#type.as_mut());
    let Some(bytes) =
        floats(value).map(|floats| floats.iter().flat_map(|value| halved(*value).to_le_bytes()).collect::<Vec<u8>>())
    else {
        return;
    };
    if let Some(ValueKind::Immediate(immediate)) = &mut value.value
        && let Some(ImmediateKind::Tensor(tensor)) = &mut immediate.value
    {
        tensor.value = Some(TensorElements::Bytes(RepeatedBytes { values: bytes.into() }.into()));
    }
}

/// Makes a `const` of fp32 one of fp16.
pub(super) fn halve_constant(operation: &mut Kept<Operation>) {
    operation.outputs.iter_mut().for_each(|output| set_fp16(output.r#type.as_mut()));
    for entry in operation.attributes.iter_mut().filter(|entry| entry.key == "val") {
        entry.value.iter_mut().for_each(halve);
    }
}

/// A `const` under another name.
pub(super) fn copy_of(operation: &Kept<Operation>, name: &str) -> Kept<Operation> {
    let mut copy = operation.clone();
    copy.outputs.iter_mut().for_each(|output| output.name = name.to_string());
    for entry in copy.attributes.iter_mut().filter(|entry| entry.key == "name") {
        entry.value = Some(message::text(name));
    }
    copy
}

pub(super) fn rename(operation: &mut Kept<Operation>, from: &str, to: &str) {
    for binding in operation.inputs.iter_mut().filter_map(|input| input.value.as_mut()).flat_map(|a| &mut a.arguments) {
        if let Some(BindingKind::Name(name)) = &mut binding.binding
            && name == from
        {
            *name = to.to_string();
        }
    }
    for inner in &mut operation.blocks {
        for operation in &mut inner.operations {
            rename(operation, from, to);
        }
        for output in inner.outputs.iter_mut().filter(|output| *output == from) {
            *output = to.to_string();
        }
    }
}

/// A cast of a constant that stands in the operation becomes that constant.
pub(super) fn plain(operation: &mut Kept<Operation>) {
    let input = operation.inputs.iter_mut().find(|input| input.key == "source_val");
    let value = match input.and_then(|input| input.value.as_mut()?.arguments.first_mut()?.binding.take()) {
        Some(BindingKind::Value(value)) => Some(*value),
        _ => operation.attributes.iter().find(|entry| entry.key == "source_val").and_then(|entry| entry.value.clone()),
    };
    let Some(value) = value else { return };
    operation.r#type = "const".to_string();
    operation.inputs.clear();
    operation.attributes.retain(|entry| entry.key == "name");
    operation.attributes.push(message::attribute("val", value));
}
