//! A converted program as the message of a model.

use super::{Converted, Interface};
use crate::element::ElementType;
use crate::formats::coreml::proto::{
    ArrayDataType, ArrayFeatureType, Binding as BindingMessage, BindingKind, Block, BlockEntry, Dimension,
    DimensionKind, Entry, EnumeratedShape, EnumeratedShapes, FeatureDescription, FeatureKind, FeatureType,
    Function as FunctionMessage, FunctionEntry, InputEntry, Kept, Model, ModelDescription, ModelKind, NamedValueType,
    Operation as OperationMessage, Program, RepeatedBools, RepeatedStrings, ShapeFlexibility, ShapeRange, SizeRange,
    TensorElements, UnknownDimension, Value, ValueType, ValueTypeKind,
};
use crate::graph::aten::Range;
use crate::graph::function::{Function, Opset};
use crate::graph::{Binding, BlobRef, Content, Dim, Literal, NamedType, Operation, TensorType, Type};
use crate::lower::message;

/// Where a blob lies in the file of weights; whoever writes that file knows.
pub type Place<'p, E> = &'p mut dyn FnMut(&BlobRef, &TensorType) -> Result<u64, E>;

/// The model of a converted program. `place` is asked for each blob, in the order of the program.
///
/// # Errors
/// Those of `place`.
pub fn model<E>(converted: &Converted, set: Opset, place: Place<'_, E>) -> Result<Model, E> {
    let functions = converted.program.functions.iter();
    let functions = functions.map(|one| Ok(FunctionEntry::entry(one.name.to_string(), function(one, place)?).into()));
    let program = Program { version: 1, functions: functions.collect::<Result<_, E>>()?, ..Program::default() };
    Ok(Model {
        specification_version: set.specification(),
        description: Some(described(converted).into()),
        is_updatable: false,
        kind: Some(ModelKind::MlProgram(program.into())),
    })
}

/// What callers of the model see.
pub fn described(converted: &Converted) -> ModelDescription {
    let all = |features: &[Interface], ranged: bool| {
        features.iter().map(|one| feature(one, ranged).into()).collect::<Vec<Kept<FeatureDescription>>>()
    };
    ModelDescription {
        input: all(&converted.inputs, true),
        output: all(&converted.outputs, false),
        ..ModelDescription::default()
    }
}

fn feature(interface: &Interface, ranged: bool) -> FeatureDescription {
    let data_type = match interface.element {
        ElementType::Fp32 => ArrayDataType::Float32,
        ElementType::Fp16 => ArrayDataType::Float16,
        // Truth values come out as integers.
        _ => ArrayDataType::Int32,
    };
    let is_open = |range: &Range| range.min != range.max || range.min.is_none();
    let has_open = interface.dimensions.iter().any(|(_, range)| is_open(range));
    let shape = interface.dimensions.iter().map(|(size, _)| i64::try_from(*size).unwrap_or(i64::MAX)).collect();
    let bounds = |(_, range): &(u64, Range)| {
        // Core ML has no empty tensors.
        let lower = range.min.and_then(|min| u64::try_from(min).ok()).unwrap_or(1).max(1);
        // PyTorch writes a very large number for what has no bound.
        let upper = range.max.filter(|max| *max < i64::from(i32::MAX)).unwrap_or(-1);
        SizeRange { lower_bound: lower, upper_bound: upper }.into()
    };
    let array_of =
        |shape: &Vec<u64>| -> Vec<i64> { shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect() };
    let shape = interface.shapes.first().map_or(shape, array_of);
    let flexible = (has_open && ranged).then(|| {
        if !interface.shapes.is_empty() {
            let shapes = interface.shapes.iter().map(|shape| EnumeratedShape { shape: array_of(shape) }.into());
            return ShapeFlexibility::Enumerated(EnumeratedShapes { shapes: shapes.collect() }.into());
        }
        let size_ranges = interface.dimensions.iter().map(bounds).collect();
        ShapeFlexibility::Range(ShapeRange { size_ranges }.into())
    });
    let array = ArrayFeatureType {
        // Of an output whose sizes are open, coremltools names none.
        shape: if has_open && !ranged { Vec::new() } else { shape },
        data_type: data_type as i32,
        shape_flexibility: flexible,
        ..ArrayFeatureType::default()
    };
    let r#type = FeatureType { kind: Some(FeatureKind::MultiArray(array.into())), ..FeatureType::default() };
    FeatureDescription {
        name: interface.name.to_string(),
        r#type: Some(r#type.into()),
        ..FeatureDescription::default()
    }
}

fn function<E>(function: &Function, place: Place<'_, E>) -> Result<Kept<FunctionMessage>, E> {
    let operations = function.block.operations.iter().map(|one| operation(one, place));
    let block = Block {
        outputs: function.block.outputs.iter().map(ToString::to_string).collect(),
        operations: operations.collect::<Result<_, E>>()?,
        ..Block::default()
    };
    Ok(FunctionMessage {
        inputs: function.inputs.iter().map(named).collect(),
        opset: function.opset.to_string(),
        block_specializations: vec![BlockEntry::entry(function.opset.to_string(), block.into()).into()],
        ..FunctionMessage::default()
    }
    .into())
}

fn operation<E>(operation: &Operation, place: Place<'_, E>) -> Result<Kept<OperationMessage>, E> {
    let mut message = OperationMessage { r#type: operation.kind.to_string(), ..OperationMessage::default() };
    for input in &operation.inputs {
        let mut bindings: Vec<Kept<BindingMessage>> = Vec::with_capacity(input.bindings.len());
        for binding in &input.bindings {
            let kind = match binding {
                Binding::Value(name) => BindingKind::Name(name.to_string()),
                Binding::Literal(value) => BindingKind::Value(Box::new(literal(value, place)?)),
            };
            bindings.push(BindingMessage { binding: Some(kind) }.into());
        }
        let argument = crate::formats::coreml::proto::Argument { arguments: bindings };
        message.inputs.push(InputEntry::entry(input.parameter.to_string(), argument.into()).into());
    }
    message.attributes.push(message::attribute("name", message::text(&operation.name)));
    for attribute in &operation.attributes {
        message.attributes.push(message::attribute(&attribute.name, literal(&attribute.value, place)?));
    }
    message.outputs = operation.outputs.iter().map(named).collect();
    Ok(message.into())
}

fn named(value: &NamedType) -> Kept<NamedValueType> {
    NamedValueType { name: value.name.to_string(), r#type: Some(type_of(&value.ty)) }.into()
}

/// The type of a tensor; programs that are converted have no others.
fn type_of(ty: &Type) -> Kept<ValueType> {
    let Type::Tensor(tensor) = ty else { return ValueType::default().into() };
    let sizes: Option<Vec<usize>> =
        tensor.shape.iter().map(|dim| dim.known().and_then(|size| usize::try_from(size).ok())).collect();
    if let Some(sizes) = sizes {
        return message::tensor_type(tensor.element, &sizes);
    }
    let dimension = |dim: &Dim| {
        let kind = match dim {
            Dim::Known(size) => {
                DimensionKind::Constant(crate::formats::coreml::proto::ConstantDimension { size: *size }.into())
            }
            other => DimensionKind::Unknown(UnknownDimension { variadic: *other == Dim::Variadic }.into()),
        };
        Dimension { dimension: Some(kind) }.into()
    };
    let tensor = crate::formats::coreml::proto::TensorType {
        data_type: tensor.element.number(),
        rank: i64::try_from(tensor.shape.len()).unwrap_or(-1),
        dimensions: tensor.shape.iter().map(dimension).collect(),
        attributes: Vec::new(),
    };
    ValueType { kind: Some(ValueTypeKind::Tensor(tensor.into())) }.into()
}

fn literal<E>(value: &Literal, place: Place<'_, E>) -> Result<Kept<Value>, E> {
    let scalar = TensorType::new(ElementType::String, [] as [u64; 0]);
    let ty = value.ty.as_tensor().unwrap_or(&scalar);
    let shape: Vec<usize> =
        ty.shape.iter().map(|dim| dim.known().and_then(|size| usize::try_from(size).ok()).unwrap_or(0)).collect();
    Ok(match &value.content {
        Content::Blob(blob) => message::blob(ty.element, &shape, place(blob, ty)?),
        Content::Strings(strings) => {
            let values = strings.iter().map(ToString::to_string).collect();
            message::immediate(ElementType::String, &shape, TensorElements::Strings(RepeatedStrings { values }.into()))
        }
        Content::Bytes(bytes) if ty.element == ElementType::Bool => {
            let values = bytes.iter().map(|byte| *byte != 0).collect();
            message::immediate(ElementType::Bool, &shape, TensorElements::Bools(RepeatedBools { values }.into()))
        }
        Content::Bytes(bytes) => message::elements(ty.element, &shape, bytes.to_vec()),
        // Lists and tuples are no parameters of the operators that are written.
        Content::List(_) | Content::Tuple(_) | Content::Dictionary(_) => {
            message::elements(ty.element, &shape, Vec::new())
        }
    })
}
