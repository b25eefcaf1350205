//! Any bytes as a model in one file: opened or refused, and of what is opened every weight decodes or is refused.
#![no_main]

use std::path::PathBuf;

use bitmill::model::Model;
use bitmill::values;
use libfuzzer_sys::fuzz_target;

/// Elements beyond which a weight is not decoded: entries of 64 values take few bits each.
const MOST: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let path: PathBuf = std::env::temp_dir().join(format!("bitmill-fuzz-{}.safetensors", std::process::id()));
    std::fs::write(&path, bytes).expect("the directory of temporary files takes a file");
    let told = |message: String, help: Option<String>| {
        // A message is made of what strangers wrote: it must come out, and be of sensible length.
        assert!(message.len() < 100_000 && help.is_none_or(|help| help.len() < 10_000), "{message:?}");
    };
    let model = match Model::open(&path) {
        Ok(model) => model,
        Err(error) => return told(error.to_string(), error.help()),
    };
    let data = model.open_data().expect("the file has not changed");
    for weight in &model.weights {
        assert!(weight.elements().div_ceil(8 * 64) <= bytes.len() as u64, "more than the file can hold");
        if weight.elements() > MOST {
            continue;
        }
        match values::read(&data, &model, weight) {
            Ok(values) => assert_eq!(values.to_f32().len() as u64, weight.elements()),
            Err(error) => told(error.to_string(), error.help()),
        }
    }
});
