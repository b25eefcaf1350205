use bytes::Bytes;
use prost::Message;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A value read from bytes that coremltools wrote, after it was written again to the same bytes.
fn value(text: &str) -> Kept<Value> {
    let wire = hex(text);
    let value = Kept::<Value>::decode(&wire[..]).unwrap();
    assert_eq!(value.encode_to_vec(), wire);
    assert!(value.unknown().is_empty());
    value
}

fn data_type(value: &Value) -> i32 {
    match value.r#type.as_ref().and_then(|t| t.kind.as_ref()) {
        Some(ValueTypeKind::Tensor(tensor)) => tensor.data_type,
        other => panic!("{other:?}"),
    }
}

fn elements(value: &Value) -> &TensorElements {
    match &value.value {
        Some(ValueKind::Immediate(immediate)) => match &immediate.value {
            Some(ImmediateKind::Tensor(tensor)) => tensor.value.as_ref().unwrap(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn values_as_coremltools_writes_them() {
    let string = value("12 04 0a 02 08 02 1a 0a 0a 08 22 06 0a 04 66 70 31 36");
    let TensorElements::Strings(strings) = elements(&string) else { panic!("{string:?}") };
    assert_eq!((data_type(&string), &strings.values[..]), (2, &["fp16".to_owned()][..]));

    // Defaults are written here: a list of one zero is not an empty list.
    let int = value("12 04 0a 02 08 17 1a 07 0a 05 12 03 0a 01 00");
    let TensorElements::Ints(ints) = elements(&int) else { panic!("{int:?}") };
    assert_eq!((data_type(&int), &ints.values[..]), (23, &[0][..]));
    let bool = value("12 04 0a 02 08 01 1a 07 0a 05 1a 03 0a 01 00");
    let TensorElements::Bools(bools) = elements(&bool) else { panic!("{bool:?}") };
    assert_eq!(bools.values, [false]);

    let blob = value("2a 24 0a 1e 406d6f64656c5f706174682f776569676874732f7765696768742e62696e 10 c0 8c 01");
    let Some(ValueKind::BlobFile(blob)) = &blob.value else { panic!("{blob:?}") };
    assert_eq!((blob.file_name.as_str(), blob.offset), ("@model_path/weights/weight.bin", 17984));
}

#[test]
fn bytes_are_shared_with_the_buffer() {
    let wire = Bytes::from(hex("1a 09 0a 07 3a 05 0a 03 010203"));
    let value = Kept::<Value>::decode(wire.clone()).unwrap();
    let TensorElements::Bytes(bytes) = elements(&value) else { panic!("{value:?}") };
    assert_eq!(&bytes.values[..], [1, 2, 3]);
    assert_eq!(bytes.values.as_ptr(), wire[8..].as_ptr());
}

/// A block in an operation in a block, and so on, `depth` operations deep.
fn nested_blocks(depth: usize) -> Vec<u8> {
    // From the innermost outwards, in reverse, so that each step appends.
    let mut reversed = vec![];
    for level in 0..2 * depth {
        let mut head = vec![if level % 2 == 0 { 0x22 } else { 0x1a }]; // Operation.blocks, Block.operations
        prost::encoding::encode_varint(reversed.len() as u64, &mut head);
        reversed.extend(head.iter().rev());
    }
    reversed.reverse();
    reversed
}

#[test]
fn nesting_is_bounded_and_no_danger_to_the_stack() {
    // Conditions in conditions: more levels than any program has.
    let block = Kept::<Block>::decode(&nested_blocks(20)[..]).unwrap();
    assert_eq!(block.encode_to_vec(), nested_blocks(20));
    for depth in [60, 10_000, 100_000] {
        let error = Kept::<Block>::decode(&nested_blocks(depth)[..]).unwrap_err().to_string();
        assert!(error.ends_with("recursion limit reached"), "{error}");
    }
}

#[test]
fn lengths_that_lie_are_errors_before_anything_is_allocated() {
    let giant = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    for field in [0x0au8, 0x12, 0x1a, 0x2a] {
        let wire = [&[field], &giant[..], &[0; 8]].concat();
        Kept::<Value>::decode(&wire[..]).unwrap_err();
        Kept::<Model>::decode(&wire[..]).unwrap_err();
        Kept::<RepeatedBytes>::decode(Bytes::from(wire.clone())).unwrap_err();
        Kept::<RepeatedFloats>::decode(&wire[..]).unwrap_err();
        Kept::<RepeatedInts>::decode(&wire[..]).unwrap_err();
    }
}

#[test]
fn maps_keep_their_order_and_the_last_entry_of_a_key_counts() {
    let entry = |key: &str, data: &str| {
        let value = Value { doc_string: data.to_owned(), ..Default::default() };
        Kept::from(AttributeEntry::entry(key.to_owned(), value.into()))
    };
    let attributes = vec![entry("b", "1"), entry("a", "2"), entry("b", "3")];
    let block = Kept::from(Block { attributes, ..Default::default() });
    let read = Kept::<Block>::decode(&block.encode_to_vec()[..]).unwrap();
    assert_eq!(read, block);
    let doc = |key| find(&read.attributes, key).map(|value| value.doc_string.as_str());
    assert_eq!((doc("a"), doc("b"), doc("c")), (Some("2"), Some("3"), None));
}

#[test]
fn kinds_that_are_not_named_are_kept() {
    // Image, 5 x 3, and optional.
    let wire = hex("22 04 08 05 10 03 c0 3e 01");
    let feature = Kept::<FeatureType>::decode(&wire[..]).unwrap();
    assert_eq!((feature.kind.is_none(), feature.is_optional, feature.unknown()), (true, true, &wire[..6]));
    let mut kinds: Vec<u32> = MODEL_KINDS.iter().map(|(tag, _)| *tag).collect();
    kinds.dedup();
    assert!(kinds.is_sorted() && kinds.len() == MODEL_KINDS.len());
}

#[test]
fn messages_are_small() {
    // Two bytes of a hostile file make one of these.
    let sizes = [size_of::<Kept<Binding>>(), size_of::<Kept<Dimension>>(), size_of::<Kept<Operation>>()];
    assert!(sizes.iter().max() <= Some(&136), "{sizes:?}");
    assert!(size_of::<Kept<Value>>() <= 256, "{}", size_of::<Kept<Value>>());
}
