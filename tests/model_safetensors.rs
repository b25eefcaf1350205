//! Properties of the safetensors reader and writer, over any bytes and any tensors.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use bitmill::formats::output::{Destination, PartialFile};
use bitmill::formats::safetensors::{DtypeName, Header, Reader, TensorSpec, Writer};
use proptest::prelude::*;
use safetensors::SafeTensors;

/// Reads bytes, and holds what is accepted against the promises of [`Header`] and against the `safetensors`
/// crate.
fn read_and_check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(header) = Header::read(Path::new("x"), bytes, bytes.len() as u64) else { return Ok(()) };
    let data = bytes.len() as u64 - header.data_start;
    prop_assert_eq!(header.tensors.iter().map(|t| t.bytes).sum::<u64>(), data);
    for (index, tensor) in header.tensors.iter().enumerate() {
        prop_assert!(tensor.offset >= header.data_start && tensor.offset + tensor.bytes <= bytes.len() as u64);
        prop_assert_eq!(header.index_of(&tensor.name), Some(index));
    }
    let theirs = SafeTensors::deserialize(bytes);
    // They refuse types that they do not know.
    if let Ok(theirs) = &theirs {
        prop_assert_eq!(theirs.len(), header.tensors.len());
        for tensor in &header.tensors {
            let view = theirs.tensor(&tensor.name).expect("both read the same names");
            let begin = tensor.offset as usize;
            prop_assert_eq!(view.data(), &bytes[begin..begin + tensor.bytes as usize]);
            prop_assert_eq!(view.shape(), tensor.shape.as_slice());
        }
    } else {
        let known = |t: &&DtypeName| serde_json::from_str::<safetensors::Dtype>(&format!("\"{t}\"")).is_ok();
        prop_assert!(!header.tensors.iter().map(|t| &t.dtype).all(|t| known(&t)), "{:?}", theirs.err());
    }
    Ok(())
}

/// Tensors by name: element type, shape.
fn tensors() -> impl Strategy<Value = BTreeMap<String, (&'static str, Vec<usize>)>> {
    let dtype = prop::sample::select(&["F64", "F32", "F16", "BF16", "I64", "I8", "BOOL", "F8_E4M3", "FUTURE"][..]);
    let shape = prop::collection::vec(0usize..4, 0..4);
    prop::collection::btree_map("[a-z\"\\\\é.0-9]{1,8}", (dtype, shape), 0..8)
}

fn spec(name: &str, dtype: &str, shape: &[usize]) -> TensorSpec {
    let width = match dtype {
        "F64" | "I64" => 8,
        "F32" => 4,
        "F16" | "BF16" => 2,
        _ => 1,
    };
    let bytes = (shape.iter().product::<usize>() * width) as u64;
    TensorSpec { name: name.to_owned(), dtype: DtypeName::new(dtype), shape: shape.to_vec(), bytes }
}

/// The bytes of a file of these tensors; the data of each repeats its index.
fn write(tensors: &BTreeMap<String, (&'static str, Vec<usize>)>) -> (Vec<TensorSpec>, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.safetensors");
    let specs: Vec<TensorSpec> = tensors.iter().map(|(name, (dtype, shape))| spec(name, dtype, shape)).collect();
    let partial = PartialFile::create(&Destination { path: &path, overwrite: false, inputs: &[] }).unwrap();
    let writer = Writer::create(partial, &specs, &[("format".into(), "pt".into())]).unwrap();
    for (index, spec) in specs.iter().enumerate().rev() {
        writer.write_at(index, &vec![index as u8; spec.bytes as usize]).unwrap();
    }
    writer.commit().unwrap();
    let reader = Reader::open(&path).unwrap();
    for (index, spec) in specs.iter().enumerate() {
        assert_eq!(reader.tensor(&spec.name).unwrap(), vec![index as u8; spec.bytes as usize]);
    }
    (specs, std::fs::read(&path).unwrap())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_and_check(&bytes)?;
    }

    #[test]
    fn any_text_as_a_header_is_read_or_refused(text in "[{}\\[\\]:,\"a-fF0-9_.\\\\ ]{0,120}", data in 0usize..20) {
        let bytes = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &vec![0; data]].concat();
        read_and_check(&bytes)?;
    }

    #[test]
    fn what_is_written_is_read_by_both(tensors in tensors()) {
        let (specs, bytes) = write(&tensors);
        read_and_check(&bytes)?;
        let header = Header::read(Path::new("x"), &bytes[..], bytes.len() as u64).expect("ours read what ours write");
        prop_assert_eq!(header.data_start % 8, 0);
        prop_assert_eq!(header.tensors.len(), specs.len());
        for spec in &specs {
            let tensor = &header.tensors[header.index_of(&spec.name).expect("every name is there")];
            prop_assert_eq!((&tensor.dtype, &tensor.shape, tensor.bytes), (&spec.dtype, &spec.shape, spec.bytes));
            let width = spec.bytes.checked_div(spec.shape.iter().product::<usize>() as u64).unwrap_or(1);
            prop_assert_eq!(tensor.offset % width, 0, "aligned to its elements");
        }
    }

    #[test]
    fn mutations_are_read_or_refused(
        tensors in tensors(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let (_, mut bytes) = write(&tensors);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read_and_check(&bytes)?;
    }
}
