//! Any bytes as a Core ML model: read or refused, and what is read is written as something that is read as the same.
#![no_main]

use bitmill::formats::coreml::{PackageError, decode_model};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use prost::Message;

fuzz_target!(|bytes: &[u8]| {
    let model = match decode_model(&Bytes::copy_from_slice(bytes)) {
        Ok(model) => model,
        Err(fault) => {
            let error = PackageError { path: "x".into(), fault };
            let message = error.to_string();
            assert!(message.len() < 10_000 && !message.contains(char::is_control), "{message:?}");
            let _ = error.help();
            return;
        }
    };
    let written = model.encode_to_vec();
    // Compared as bytes: NaN is not equal to itself.
    let again = decode_model(&Bytes::from(written.clone())).expect("what was written is read");
    assert_eq!(again.encode_to_vec(), written);
});
