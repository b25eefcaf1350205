//! Any bytes as a file of weights: blobs lie within the file, walking it ends, and what is read is written again.
#![no_main]

use std::io::Cursor;

use bitmill::formats::coreml::blob::{BlobReader, BlobWriter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let reader = match BlobReader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => {
            let _ = (error.to_string(), error.fault.help());
            return;
        }
    };
    let mut writer = BlobWriter::create(Cursor::new(vec![])).expect("memory can be written to");
    let mut blobs = vec![];
    for blob in reader.blobs() {
        match blob {
            Ok((offset, blob)) => {
                assert_eq!(reader.read(offset).expect("it was read before"), blob);
                assert!(bytes.as_ptr_range().contains(&blob.bytes.as_ptr()) || blob.bytes.is_empty());
                blobs.push((writer.copy(&blob).expect("a blob that was read can be written"), blob));
            }
            Err(error) => assert!(!error.to_string().is_empty() && !error.fault.help().is_empty()),
        }
    }
    let written = writer.finish().expect("memory can be written to").into_inner();
    let again = BlobReader::new(&written).expect("what was written is read");
    for (offset, blob) in blobs {
        assert_eq!(again.read(offset).expect("what was written is read"), blob);
    }
});
