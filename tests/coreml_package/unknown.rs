//! Fields that bitmill does not know survive at every level of a model.

use bitmill::formats::coreml::decode_model;
use bitmill::formats::coreml::proto::*;
use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};

use crate::golden::*;

/// A message, and its fields that are messages: written down from the `.proto` files a second time, so that the
/// test does not believe the definitions that it tests.
type Schema = &'static [(&'static str, &'static [(u32, &'static str)])];

const SCHEMA: Schema = &[
    ("Model", &[(2, "ModelDescription"), (502, "Program")]),
    (
        "ModelDescription",
        &[(1, "Feature"), (10, "Feature"), (13, "Feature"), (20, "FunctionDesc"), (50, "Feature"), (100, "Metadata")],
    ),
    ("FunctionDesc", &[(2, "Feature"), (3, "Feature"), (6, "Feature")]),
    ("Feature", &[(3, "FeatureType")]),
    ("Metadata", &[(100, "TextEntry")]),
    ("TextEntry", &[]),
    ("FeatureType", &[(5, "Array"), (8, "State")]),
    ("State", &[(1, "Array")]),
    ("Array", &[(21, "Shapes"), (31, "Range")]),
    ("Shapes", &[(1, "Shape")]),
    ("Shape", &[]),
    ("Range", &[(1, "SizeRange")]),
    ("SizeRange", &[]),
    ("Program", &[(2, "FunctionEntry"), (4, "ValueEntry")]),
    ("FunctionEntry", &[(2, "Function")]),
    ("ValueEntry", &[(2, "Value")]),
    ("Function", &[(1, "Named"), (3, "BlockEntry"), (4, "ValueEntry")]),
    ("BlockEntry", &[(2, "Block")]),
    ("Block", &[(1, "Named"), (3, "Operation"), (4, "ValueEntry")]),
    ("Operation", &[(2, "InputEntry"), (3, "Named"), (4, "Block"), (5, "ValueEntry")]),
    ("InputEntry", &[(2, "Argument")]),
    ("Argument", &[(1, "Binding")]),
    ("Binding", &[(2, "Value")]),
    ("Named", &[(2, "Type")]),
    ("Type", &[(1, "TensorType"), (2, "ListType"), (3, "TupleType"), (4, "DictType"), (5, "StateType")]),
    ("TensorType", &[(3, "Dimension"), (4, "ValueEntry")]),
    ("ListType", &[(1, "Type"), (2, "Dimension")]),
    ("TupleType", &[(1, "Type")]),
    ("DictType", &[(1, "Type"), (2, "Type")]),
    ("StateType", &[(1, "Type")]),
    ("Dimension", &[(1, "Size"), (2, "Size")]),
    ("Size", &[]),
    ("Value", &[(2, "Type"), (3, "Immediate"), (5, "Blob")]),
    ("Blob", &[]),
    ("Immediate", &[(1, "Tensor"), (2, "Values"), (3, "Values"), (4, "Dict")]),
    ("Values", &[(1, "Value")]),
    ("Dict", &[(1, "Pair")]),
    ("Pair", &[(1, "Value"), (2, "Value")]),
    ("Tensor", &[(1, "List"), (2, "List"), (3, "List"), (4, "List"), (5, "List"), (6, "List"), (7, "List")]),
    ("List", &[]),
];

fn fields(message: &str) -> &'static [(u32, &'static str)] {
    SCHEMA.iter().find(|(name, _)| *name == message).unwrap_or_else(|| panic!("{message}")).1
}

/// A message with an unknown field at its end and at the end of every message in it; and how many that are.
fn inject(mut wire: &[u8], message: &str, count: &mut u32) -> Vec<u8> {
    let mut out = vec![];
    while !wire.is_empty() {
        let before = wire;
        let (tag, wire_type) = decode_key(&mut wire).unwrap();
        match fields(message).iter().find(|(known, _)| *known == tag) {
            Some((_, inner)) => {
                let len = decode_varint(&mut wire).unwrap() as usize;
                let (payload, rest) = wire.split_at(len);
                wire = rest;
                let payload = inject(payload, inner, count);
                encode_key(tag, wire_type, &mut out);
                encode_varint(payload.len() as u64, &mut out);
                out.extend(payload);
            }
            None => {
                skip_field(wire_type, tag, &mut wire, Default::default()).unwrap();
                out.extend(&before[..before.len() - wire.len()]);
            }
        }
    }
    *count += 1;
    encode_key(7000, WireType::LengthDelimited, &mut out);
    encode_varint(4, &mut out);
    out.extend(count.to_le_bytes());
    out
}

#[test]
fn at_every_level_of_real_models() {
    let goldens = ["lowered", "packages"].map(Golden::from_archive);
    for case in goldens.iter().flat_map(Golden::cases) {
        let path = case.join("model.mlpackage/Data/com.apple.CoreML/model.mlmodel");
        let wire = std::fs::read(path).unwrap();
        let mut count = 0;
        let injected = inject(&wire, "Model", &mut count);
        assert!(count > 200, "{count}");
        // They come last in their messages, where they are written: so the bytes are the same.
        let model = decode_model(&Bytes::from(injected.clone())).unwrap();
        assert!(model.encode_to_vec() == injected, "{}", case.display());
        // And what is known is not touched by them.
        let plain = decode_model(&Bytes::from(wire)).unwrap();
        assert_eq!(operations(program(&model)).len(), operations(program(&plain)).len());
        assert_eq!(references(program(&model)).len(), references(program(&plain)).len());
    }
}

#[test]
fn in_messages_that_no_real_model_here_has() {
    for (message, _) in SCHEMA {
        // Each arm of a oneof by itself, since one replaces the other.
        let arms = fields(message).iter().map(Some).chain([None]);
        for arm in arms {
            let mut wire = vec![];
            if let Some((tag, _)) = arm {
                encode_key(*tag, WireType::LengthDelimited, &mut wire);
                wire.push(0);
            }
            let mut count = 0;
            let injected = inject(&wire, message, &mut count);
            assert_eq!(rewritten(message, &injected), injected, "{message} {arm:?}");
        }
    }
}

/// A message read as the type of a row of the schema and written again.
fn rewritten(message: &str, wire: &[u8]) -> Vec<u8> {
    fn through<M: Known>(wire: &[u8]) -> Vec<u8> {
        Kept::<M>::decode(wire).unwrap().encode_to_vec()
    }
    match message {
        "Model" => through::<Model>(wire),
        "ModelDescription" => through::<ModelDescription>(wire),
        "FunctionDesc" => through::<FunctionDescription>(wire),
        "Feature" => through::<FeatureDescription>(wire),
        "Metadata" => through::<Metadata>(wire),
        "TextEntry" => through::<UserDefinedEntry>(wire),
        "FeatureType" => through::<FeatureType>(wire),
        "State" => through::<StateFeatureType>(wire),
        "Array" => through::<ArrayFeatureType>(wire),
        "Shapes" => through::<EnumeratedShapes>(wire),
        "Shape" => through::<EnumeratedShape>(wire),
        "Range" => through::<ShapeRange>(wire),
        "SizeRange" => through::<SizeRange>(wire),
        "Program" => through::<Program>(wire),
        "FunctionEntry" => through::<FunctionEntry>(wire),
        "ValueEntry" => through::<AttributeEntry>(wire),
        "Function" => through::<Function>(wire),
        "BlockEntry" => through::<BlockEntry>(wire),
        "Block" => through::<Block>(wire),
        "Operation" => through::<Operation>(wire),
        "InputEntry" => through::<InputEntry>(wire),
        "Argument" => through::<Argument>(wire),
        "Binding" => through::<Binding>(wire),
        "Named" => through::<NamedValueType>(wire),
        "Type" => through::<ValueType>(wire),
        "TensorType" => through::<TensorType>(wire),
        "ListType" => through::<ListType>(wire),
        "TupleType" => through::<TupleType>(wire),
        "DictType" => through::<DictionaryType>(wire),
        "StateType" => through::<StateType>(wire),
        "Dimension" => through::<Dimension>(wire),
        "Size" => through::<ConstantDimension>(wire),
        "Value" => through::<Value>(wire),
        "Blob" => through::<BlobFileValue>(wire),
        "Immediate" => through::<ImmediateValue>(wire),
        "Values" => through::<ListValue>(wire),
        "Dict" => through::<DictionaryValue>(wire),
        "Pair" => through::<KeyValuePair>(wire),
        "Tensor" => through::<TensorValue>(wire),
        "List" => through::<RepeatedInts>(wire),
        other => panic!("{other}"),
    }
}
