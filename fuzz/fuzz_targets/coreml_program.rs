//! Any bytes as a Core ML model and its file of weights: imported or refused; of a program everything is told that is
//! told of a package, in little time and at sensible length. The first four bytes are the length of the model.
#![no_main]

use bitmill::formats::coreml::blob::BlobReader;
use bitmill::formats::coreml::decode_model;
use bitmill::formats::coreml::proto::ModelKind;
use bitmill::graph::check::check;
use bitmill::graph::index::Index;
use bitmill::graph::mil::{block_mut, check_interface, import};
use bitmill::graph::weights::weights;
use bitmill::graph::{BlobRef, Blobs, Opset, TensorType};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

/// A file of weights in memory.
struct Weights(Bytes);

impl Blobs for Weights {
    fn bytes(&self, blob: &BlobRef, ty: &TensorType) -> Option<Bytes> {
        let reader = BlobReader::new(&self.0).ok()?;
        let stored = reader.read(blob.offset).ok()?;
        let fits = stored.element == ty.element && ty.count() == Some(stored.elements());
        fits.then(|| Bytes::copy_from_slice(stored.bytes))
    }
}

fn told(message: &str) {
    assert!(message.len() < 10_000 && !message.contains(|c: char| c.is_control() && c != '\n'), "{message:?}");
}

fuzz_target!(|input: &[u8]| {
    let Some((length, rest)) = input.split_first_chunk() else { return };
    let (model, blobs) = rest.split_at(rest.len().min(u32::from_le_bytes(*length) as usize));
    let Ok(mut model) = decode_model(&Bytes::copy_from_slice(model)) else { return };
    let blobs = Weights(Bytes::copy_from_slice(blobs));
    let Some(ModelKind::MlProgram(message)) = &model.kind else { return };
    let mut program = match import(message) {
        Ok(program) => program,
        Err(error) => return told(&error.to_string()),
    };
    check_interface(&model, &program).iter().for_each(|error| told(&error.to_string()));
    let found = weights(&program, &blobs);
    for weight in &found.all {
        assert!(weight.candidates().iter().all(|name| !name.is_empty()));
        let _ = weight.axes();
    }
    assert!(found.groups.iter().flatten().all(|&weight| weight < found.all.len()));
    check(&program, &blobs).iter().for_each(|problem| told(&problem.to_string()));
    // Every operation is found again in the messages it was made from.
    let Some(ModelKind::MlProgram(message)) = &mut model.kind else { return };
    for function in &program.functions {
        let index = Index::new(function);
        for (id, operation) in index.operations() {
            let (block, number) = block_mut(message, &index.path(id)).expect("it was made from one");
            assert_eq!(block.operations[number].r#type, *operation.kind);
        }
    }
    for set in Opset::ALL {
        program.functions.iter_mut().for_each(|function| function.opset = set.name().into());
        check(&program, &blobs).iter().for_each(|problem| told(&problem.to_string()));
    }
});
