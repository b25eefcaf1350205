//! Any bytes as a safetensors file: read or refused, and what is accepted lies within the file and is what the
//! `safetensors` crate reads.
#![no_main]

use std::path::Path;

use bitmill::formats::safetensors::Header;
use libfuzzer_sys::fuzz_target;
use safetensors::SafeTensors;

fuzz_target!(|bytes: &[u8]| {
    let header = match Header::read(Path::new("x"), bytes, bytes.len() as u64) {
        Ok(header) => header,
        Err(error) => {
            // A message is made of what strangers wrote: it must come out, and be one line of sensible length.
            let message = error.to_string();
            assert!(message.len() < 10_000 && !message.contains(char::is_control), "{message:?}");
            let _ = error.help();
            return;
        }
    };
    let theirs = SafeTensors::deserialize(bytes).ok();
    for (index, tensor) in header.tensors.iter().enumerate() {
        assert_eq!(header.index_of(&tensor.name), Some(index));
        let begin = tensor.offset as usize;
        let data = bytes.get(begin..).and_then(|rest| rest.get(..tensor.bytes as usize)).expect("it lies in the file");
        if let Some(theirs) = &theirs {
            let view = theirs.tensor(&tensor.name).expect("both read the same names");
            assert_eq!((view.data(), view.shape()), (data, tensor.shape.as_slice()));
        }
    }
});
