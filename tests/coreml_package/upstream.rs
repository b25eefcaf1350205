//! What is read in packages is what coremltools' own classes read, and what is written is what was read.

use std::fs;
use std::path::Path;

use bitmill::element::ElementType;
use bitmill::formats::coreml::proto::*;
use bitmill::formats::coreml::{Package, PackageWriter};
use bitmill::formats::output::Destination;
use half::f16;
use serde_json::{Map, Value as Json, json};

use crate::golden::*;

#[test]
fn packages_are_written_as_they_were_read() {
    for golden in Golden::sources().into_iter().chain([Golden::from_archive("packages")]) {
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
fn what_programs_hold_besides_constants_is_read() {
    let golden = Golden::from_archive("packages");
    let open = |case: &str| Package::open(&golden.package(case)).unwrap();

    let state = open("state");
    let description = state.model().description.as_ref().unwrap();
    assert!(matches!(description.state[0].r#type.as_ref().unwrap().kind, Some(FeatureKind::State(_))));
    let function = find(&program(state.model()).functions, "main").unwrap();
    let types = function.inputs.iter().map(|input| &input.r#type.as_ref().unwrap().kind);
    assert_eq!(types.filter(|kind| matches!(kind, Some(ValueTypeKind::State(_)))).count(), 1);

    let cond = open("cond");
    let nested = operations(program(cond.model())).into_iter().filter(|operation| operation.blocks.len() == 2);
    assert_eq!(nested.count(), 2);

    let flexibility = |case: &str| {
        let input = open(case).model().description.as_ref().unwrap().input[0].clone();
        match &input.r#type.as_ref().unwrap().kind {
            Some(FeatureKind::MultiArray(array)) => array.shape_flexibility.clone().unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert!(
        matches!(flexibility("enum"), ShapeFlexibility::Enumerated(shapes) if shapes.shapes[1].shape == [1, 3, 64, 64])
    );
    assert!(matches!(flexibility("range"), ShapeFlexibility::Range(range) if range.size_ranges[3].upper_bound == 128));

    let image = open("image");
    let description = image.model().description.as_ref().unwrap();
    let input = description.input[0].r#type.as_ref().unwrap();
    assert!(input.kind.is_none() && !input.unknown().is_empty());
    assert!(!description.predicted_feature_name.is_empty());
    let user_defined = &description.metadata.as_ref().unwrap().user_defined;
    assert!(user_defined.iter().any(|entry| (entry.key.as_str(), entry.value.as_str()) == ("zoo", "x")));

    let multi = open("multi");
    let description = multi.model().description.as_ref().unwrap();
    assert_eq!((description.functions.len(), description.default_function_name.as_str()), (2, "f1"));
    assert_eq!(program(multi.model()).functions.len(), 2);
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
        json!({"name": value.name, "dtype": proto_name(dtype), "shape": shape})
    };
    values.iter().map(json).collect()
}

/// The name in MIL.proto: `FLOAT16` for `fp16`.
fn proto_name(element: ElementType) -> String {
    let name = element.name();
    let float = name.strip_prefix("fp").map(|rest| format!("float{rest}"));
    let float = float.or_else(|| name.strip_prefix("bf").map(|rest| format!("bfloat{rest}")));
    float.unwrap_or_else(|| name.to_owned()).to_uppercase()
}

fn tensor_type(value_type: &ValueType) -> (ElementType, Vec<u64>) {
    let Some(ValueTypeKind::Tensor(tensor)) = &value_type.kind else { panic!("{value_type:?}") };
    let sizes = tensor.dimensions.iter().map(|dimension| match &dimension.dimension {
        Some(DimensionKind::Constant(constant)) => constant.size,
        other => panic!("{other:?}"),
    });
    let shape: Vec<u64> = sizes.collect();
    assert_eq!(tensor.rank, shape.len() as i64);
    (ElementType::from_number(tensor.data_type).unwrap(), shape)
}

fn value_json(package: &Package, value: &Value) -> Json {
    let (element, shape) = tensor_type(value.r#type.as_ref().unwrap());
    let elements = shape.iter().product::<u64>();
    let mut json = json!({"dtype": proto_name(element), "shape": shape});
    match value.value.as_ref().unwrap() {
        ValueKind::BlobFile(reference) => {
            let blob = package.blob(reference).unwrap();
            assert_eq!((blob.element, blob.elements()), (element, elements));
            json["blob_offset"] = reference.offset.into();
            json["bytes"] = blob.bytes.len().into();
            // The lists of small blobs are written out too.
            if let Some(values) = unpacked(element, &blob.bytes).filter(|_| elements <= 64) {
                json["values"] = values;
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
                TensorElements::Bytes(list) => ("bytes", unpacked(element, &list.values).unwrap()),
            };
            json["arm"] = arm.into();
            json["values"] = values;
        }
    }
    json
}

/// The elements of types of whole bytes.
fn unpacked(element: ElementType, bytes: &[u8]) -> Option<Json> {
    Some(match element {
        ElementType::Fp16 => {
            json!(bytes.chunks(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f64()).collect::<Vec<_>>())
        }
        ElementType::Fp32 => {
            json!(bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>())
        }
        ElementType::Uint32 => {
            json!(bytes.chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>())
        }
        ElementType::Int8 => json!(bytes.iter().map(|b| *b as i8).collect::<Vec<_>>()),
        ElementType::Uint8 => json!(bytes),
        _ => return None,
    })
}
