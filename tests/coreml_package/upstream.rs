//! What is read in packages is what coremltools' own classes read, and what is written is what was read.

use std::fs;
use std::path::Path;

use bitmill::formats::coreml::proto::*;
use bitmill::formats::coreml::{MilType, Package, PackageWriter};
use bitmill::formats::output::Destination;
use half::f16;
use serde_json::{Map, Value as Json, json};

use crate::golden::*;

#[test]
fn packages_are_written_as_they_were_read() {
    for golden in Golden::sources() {
        for case in golden.cases() {
            let from = case.join("model.mlpackage");
            let out = tempfile::tempdir().unwrap();
            let to = out.path().join("model.mlpackage");
            let input = Package::open(&from).unwrap();
            let mut writer = PackageWriter::create(&Destination { path: &to, overwrite: false, inputs: &[] }).unwrap();
            let weights = input.weight_file("@model_path/weights/weight.bin").unwrap();
            for blob in weights.reader().unwrap().blobs() {
                let (offset, blob) = blob.unwrap();
                assert_eq!(writer.copy(&blob).unwrap(), offset);
            }
            writer.keep_extras(&input).unwrap();
            writer.commit(input.model()).unwrap();

            let data = Path::new("Data/com.apple.CoreML");
            for file in [data.join("model.mlmodel"), data.join("weights/weight.bin")] {
                assert!(fs::read(from.join(&file)).unwrap() == fs::read(to.join(&file)).unwrap(), "{}", case.display());
            }
            let output = Package::open(&to).unwrap();
            assert_eq!(output.model(), input.model());
            let items = |package: &Package| {
                let items = package.manifest().items.clone().into_iter();
                let mut items: Vec<_> = items.map(|i| (i.path, i.name, i.author, i.description, i.extra)).collect();
                items.sort_by(|a, b| a.0.cmp(&b.0));
                items
            };
            assert_eq!(items(&output), items(&input));
            for reference in references(program(input.model())) {
                assert_eq!(output.blob(reference).unwrap(), input.blob(reference).unwrap());
            }
        }
    }
}

#[test]
fn operations_types_shapes_and_blobs_are_those_that_coremltools_reads() {
    let mut operations = 0;
    for golden in Golden::sources() {
        for case in golden.cases() {
            let text = fs::read_to_string(case.join("model.mil.json")).unwrap();
            let expected: Json = serde_json::from_str(&text).unwrap();
            let package = Package::open(&case.join("model.mlpackage")).unwrap();
            // Through text, since what reads numbers from text is not exact to the last bit.
            let read: Json = serde_json::from_str(&model_json(&package).to_string()).unwrap();
            // Piece by piece, for a message of bearable length.
            for (name, function) in expected["functions"].as_object().unwrap() {
                let ours = read["functions"][name]["operations"].as_array().unwrap();
                let theirs = function["operations"].as_array().unwrap();
                assert_eq!(ours.len(), theirs.len());
                operations += ours.len();
                for (ours, theirs) in ours.iter().zip(theirs) {
                    assert_eq!(ours, theirs, "{}", case.display());
                }
            }
            assert_eq!(read, expected, "{}", case.display());
        }
    }
    assert!(operations > 500, "{operations}");
}

fn model_json(package: &Package) -> Json {
    let model = package.model();
    let description = model.description.as_ref().unwrap();
    let functions = program(model).functions.iter().map(|entry| {
        let function = entry.value().unwrap();
        let block = find(&function.block_specializations, &function.opset).unwrap();
        let operations: Vec<_> = block.operations.iter().map(|operation| operation_json(package, operation)).collect();
        let json = json!({
            "opset": function.opset,
            "inputs": named_json(&function.inputs),
            "outputs": block.outputs,
            "operations": operations,
        });
        (entry.key.clone(), json)
    });
    json!({
        "specification_version": model.specification_version,
        "inputs": features_json(&description.input),
        "outputs": features_json(&description.output),
        "functions": functions.collect::<Map<_, _>>(),
    })
}

fn features_json(features: &[Kept<FeatureDescription>]) -> Vec<Json> {
    let json = |feature: &Kept<FeatureDescription>| match &feature.r#type.as_ref().unwrap().kind {
        Some(FeatureKind::MultiArray(array)) => {
            let dtype = format!("{:?}", array.array_data_type().unwrap()).to_uppercase();
            json!({"name": feature.name, "type": "multiArrayType", "shape": array.shape, "dtype": dtype})
        }
        other => panic!("{other:?}"),
    };
    features.iter().map(json).collect()
}

fn operation_json(package: &Package, operation: &Operation) -> Json {
    let inputs = operation.inputs.iter().map(|entry| {
        let bindings = entry.value().unwrap().arguments.iter().map(|binding| match &binding.binding {
            Some(BindingKind::Name(name)) => json!({"ref": name}),
            Some(BindingKind::Value(value)) => value_json(package, value),
            None => panic!("bound to nothing"),
        });
        let mut bindings: Vec<_> = bindings.collect();
        assert_eq!(bindings.len(), 1);
        (entry.key.clone(), bindings.remove(0))
    });
    let attributes = operation.attributes.iter().map(|e| (e.key.clone(), value_json(package, e.value().unwrap())));
    json!({
        "type": operation.r#type,
        "outputs": named_json(&operation.outputs),
        "inputs": inputs.collect::<Map<_, _>>(),
        "attributes": attributes.collect::<Map<_, _>>(),
    })
}

fn named_json(values: &[Kept<NamedValueType>]) -> Vec<Json> {
    let json = |value: &Kept<NamedValueType>| {
        let (dtype, shape) = tensor_type(value.r#type.as_ref().unwrap());
        json!({"name": value.name, "dtype": dtype.name(), "shape": shape})
    };
    values.iter().map(json).collect()
}

fn tensor_type(value_type: &ValueType) -> (MilType, Vec<u64>) {
    let Some(ValueTypeKind::Tensor(tensor)) = &value_type.kind else { panic!("{value_type:?}") };
    let sizes = tensor.dimensions.iter().map(|dimension| match &dimension.dimension {
        Some(DimensionKind::Constant(constant)) => constant.size,
        other => panic!("{other:?}"),
    });
    let shape: Vec<u64> = sizes.collect();
    assert_eq!(tensor.rank, shape.len() as i64);
    (MilType::from_number(tensor.data_type).unwrap(), shape)
}

fn value_json(package: &Package, value: &Value) -> Json {
    let (mil_type, shape) = tensor_type(value.r#type.as_ref().unwrap());
    let elements = shape.iter().product::<u64>();
    let mut json = json!({"dtype": mil_type.name(), "shape": shape});
    match value.value.as_ref().unwrap() {
        ValueKind::BlobFile(reference) => {
            let blob = package.blob(reference).unwrap();
            assert_eq!((blob.mil_type, blob.elements()), (mil_type, elements));
            json["blob_offset"] = reference.offset.into();
            json["bytes"] = blob.bytes.len().into();
            // The lists of small blobs are written out too.
            if elements <= 64 {
                if let Some(values) = unpacked(mil_type, &blob.bytes) {
                    json["values"] = values;
                }
            }
        }
        ValueKind::Immediate(immediate) => {
            let Some(ImmediateKind::Tensor(tensor)) = &immediate.value else { panic!("{immediate:?}") };
            let (arm, values) = match tensor.value.as_ref().unwrap() {
                TensorElements::Floats(list) => ("floats", json!(list.values)),
                TensorElements::Ints(list) => ("ints", json!(list.values)),
                TensorElements::Bools(list) => ("bools", json!(list.values)),
                TensorElements::Strings(list) => ("strings", json!(list.values)),
                TensorElements::LongInts(list) => ("longInts", json!(list.values)),
                TensorElements::Doubles(list) => ("doubles", json!(list.values)),
                TensorElements::Bytes(list) => ("bytes", unpacked(mil_type, &list.values).unwrap()),
            };
            json["arm"] = arm.into();
            json["values"] = values;
        }
    }
    json
}

/// The elements of types of whole bytes.
fn unpacked(mil_type: MilType, bytes: &[u8]) -> Option<Json> {
    Some(match mil_type {
        MilType::Float16 => {
            json!(bytes.chunks(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f64()).collect::<Vec<_>>())
        }
        MilType::Float32 => {
            json!(bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>())
        }
        MilType::UInt32 => {
            json!(bytes.chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>())
        }
        MilType::Int8 => json!(bytes.iter().map(|b| *b as i8).collect::<Vec<_>>()),
        MilType::UInt8 => json!(bytes),
        _ => return None,
    })
}
