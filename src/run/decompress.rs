//! Compressed weights back to plain ones: a package without `constexpr_` operators, a checkpoint of floats. Nothing
//! else changes: operator set, operators, what is plain already.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rayon::prelude::*;
use serde_json::Value;

use super::batch::batches;
use super::beside::pipelined;
use super::layout::TORCHAO_CODEBOOKS;
use super::package::{Ready, write};
use super::{Job, OutputFormat, Progress, RunError};
use crate::formats::coreml::PackageWriter;
use crate::formats::coreml::proto::BlobFileValue;
use crate::formats::output::Destination;
use crate::graph::function::Program;
use crate::graph::index::{Consumer, Index, OpId, Path as Place};
use crate::lower::encode::{Shaped, plain};
use crate::lower::layout::{Placed, Source};
use crate::lower::rewrite::{Edits, Immediates, rewrite};
use crate::model::package::PackageModel;
use crate::model::{Compressed, Model, ModelError, Weight, total};
use crate::plan;
use crate::recipe::{self, source::NoImports};

/// What is to be decompressed, and where to.
#[derive(Debug, Clone, Copy)]
pub struct Decompress<'a> {
    /// The model.
    pub model: &'a Model,
    /// Where to: a file; a directory for a package, and for a checkpoint that is one.
    pub output: &'a Path,
    /// Whether what is there may be replaced.
    pub overwrite: bool,
}

/// What was decompressed.
#[derive(Debug, Clone, PartialEq)]
pub struct Decompressed {
    /// What was written.
    pub output: PathBuf,
    /// Every weight that was compressed, in the model's order.
    pub weights: Vec<Plain>,
    /// Tensors that were copied as they are.
    pub copied: usize,
    /// Bytes of all tensors before.
    pub before: u64,
    /// Bytes of all tensors after.
    pub after: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// A weight that was compressed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plain {
    /// Its full name.
    pub name: String,
    /// How it was compressed.
    pub was: Compressed,
    /// Its bytes before.
    pub before: u64,
    /// Its bytes after.
    pub after: u64,
}

/// Which weights [`decompress`] would decompress, as indices.
pub fn compressed(model: &Model) -> Vec<usize> {
    let weights = model.weights.iter().enumerate();
    let is = |index: usize, weight: &Weight| match &model.program {
        Some(program) => is_single(program, index),
        None => model.packed_weight(&weight.name).is_some(),
    };
    weights.filter(|(index, weight)| is(*index, weight)).map(|(index, _)| index).collect()
}

/// Whether a constant is compressed and the only output of the operations that define it. Operators with a mask
/// beside their values hand both to the next one of a chain; where a program takes them apart, they stay.
fn is_single(program: &PackageModel, index: usize) -> bool {
    let Some(constant) = program.constants.get(index) else { return false };
    let single = |place| program.operation(place).is_some_and(|operation| operation.outputs.len() == 1);
    constant.compression().is_some() && constant.places.iter().all(single)
}

/// Decompresses a model; `None` where nothing is compressed, and nothing is written. Small weights are made side by side,
/// each batch while the one before it is written: memory is bounded by the largest few weights.
///
/// # Errors
/// See [`RunError`]: a checkpoint in torchao's layout, for one, is not read. Whatever the error, no output is left
/// behind, and what was at its place is still there.
pub fn decompress(
    job: &Decompress,
    progress: &dyn Progress,
    cancel: &AtomicBool,
) -> Result<Option<Decompressed>, RunError> {
    let begun = Instant::now();
    if let Some(why) = super::misnamed(job.model, OutputFormat::Dequantized, job.output) {
        return Err(RunError::Format(why));
    }
    let chosen = compressed(job.model);
    if chosen.is_empty() {
        return refuse_torchao(job.model).map(|()| None);
    }
    match &job.model.program {
        Some(program) => package(job, program, &chosen, progress, cancel)?,
        None => checkpoint(job, progress, cancel)?,
    }
    let plain = |&index: &usize| {
        let weight = &job.model.weights[index];
        let was = job.model.compressed(weight)?;
        let of_program = job.model.program.as_ref().and_then(|program| program.constants.get(index)?.first.ty.bytes());
        let floats = || weight.elements().saturating_mul(weight.dtype.bits() as u64 / 8);
        let after = of_program.unwrap_or_else(floats);
        Some(Plain { name: weight.name.clone(), was, before: weight.bytes, after })
    };
    let weights: Vec<Plain> = chosen.iter().filter_map(plain).collect();
    let is_chosen = |index: &usize| chosen.binary_search(index).is_ok();
    let stays = (0..job.model.weights.len()).filter(|index| !is_chosen(index));
    let stays = stays.map(|index| job.model.weights[index].bytes);
    Ok(Some(Decompressed {
        output: job.output.to_owned(),
        copied: job.model.weights.len() - weights.len(),
        before: job.model.bytes(),
        after: total(stays.chain(weights.iter().map(|weight| weight.after))),
        weights,
        elapsed: begun.elapsed(),
    }))
}

/// What is quantized in torchao's flattened layout is tensors of codes and scales like any others here.
fn refuse_torchao(model: &Model) -> Result<(), RunError> {
    let data = model.open_data()?;
    match model.files.iter().enumerate().find(|(file, _)| is_torchao(data.metadata(*file))) {
        Some((_, path)) => Err(ModelError::Format {
            path: path.clone(),
            what: "holds weights in torchao's layout, which is not read back",
            help: "let torchao load it and dequantize its weights, or run the recipe again with `--format dequantized`",
        }
        .into()),
        None => Ok(()),
    }
}

/// Whether a file's metadata says that it holds quantized tensors of torchao: `torchao.prototype.safetensors` lists the
/// names under `tensor_names` and has a description of each under its own, of `_type` "Tensor" for plain ones. Palettes
/// stand under a name of bitmill's.
fn is_torchao(metadata: &[(String, String)]) -> bool {
    let of = |name: &str| metadata.iter().find(|(key, _)| key == name).map(|(_, text)| text.as_str());
    let names: Vec<String> = of("tensor_names").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let described: HashMap<&str, &str> = metadata.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
    let is_quantized = |name: &String| {
        let entry = described.get(name.as_str()).and_then(|text| serde_json::from_str::<Value>(text).ok());
        entry.is_some_and(|entry| entry["_type"].as_str().is_some_and(|of| of != "Tensor"))
    };
    of(TORCHAO_CODEBOOKS).is_some() || names.iter().any(is_quantized)
}

/// A checkpoint is one that a recipe without rules writes as floats.
fn checkpoint(job: &Decompress, progress: &dyn Progress, cancel: &AtomicBool) -> Result<(), RunError> {
    let recipe = recipe::resolve(Path::new("decompress"), "", &NoImports);
    let job = Job {
        recipe: &recipe,
        model: job.model,
        plan: &plan::plan(&recipe, job.model),
        format: OutputFormat::Dequantized,
        output: job.output,
        overwrite: job.overwrite,
        inputs: &[],
    };
    super::run(&job, progress, cancel).map(|_| ())
}

fn package(
    job: &Decompress,
    program: &PackageModel,
    chosen: &[usize],
    progress: &dyn Progress,
    cancel: &AtomicBool,
) -> Result<(), RunError> {
    let work = Work { model: job.model, program, progress, cancel };
    let edits = work.edits(chosen);
    let mut inputs = job.model.files.clone();
    inputs.push(job.model.path.clone());
    let destination = Destination { path: job.output, overwrite: job.overwrite, inputs: &inputs };
    let mut writer = PackageWriter::create(&destination)?;
    progress.begin(total(chosen.iter().map(|&index| job.model.weights[index].bytes)));
    let mut immediates = Immediates::new();
    let mut blobless: HashSet<usize> = chosen.iter().copied().collect();
    let mut message = program.package.model().clone();
    let layout = rewrite(&mut message.clone(), &edits, &immediates)?;
    for blob in layout.blobs() {
        if let Source::Made { weight, .. } = blob.source {
            blobless.remove(&weight);
        }
    }
    // What has no place in the file is so small that it stands in the program.
    for index in blobless {
        immediates.insert((index, 0), work.values(index)?.to_vec());
    }
    // Operators in between take more than the values that come of them: a large weight is made alone.
    let held = |blob: &Placed| if matches!(blob.source, Source::Made { .. }) { blob.count } else { 0 };
    let make = |blobs| Ok::<_, RunError>(Some(work.ready(blobs)?));
    pipelined(batches(layout.blobs(), held), make, |ready| write(&mut writer, ready, cancel))?;
    rewrite(&mut message, &edits, &immediates)?;
    writer.keep_extras(&program.package)?;
    writer.commit(&message)?;
    Ok(())
}

struct Work<'a> {
    model: &'a Model,
    program: &'a PackageModel,
    progress: &'a dyn Progress,
    cancel: &'a AtomicBool,
}

impl Work<'_> {
    fn edits(&self, chosen: &[usize]) -> Edits {
        let mut edits = Edits::default();
        for &index in chosen {
            let (weight, constant) = (&self.model.weights[index], &self.program.constants[index]);
            let shaped = Shaped { shape: &weight.shape, element: constant.first.ty.element, survivors: 0 };
            edits.replace.extend(constant.places.iter().map(|place| (place.clone(), index)));
            edits.chains.insert(index, plain(shaped));
        }
        edits.drop = unused(&self.program.program, &edits.replace);
        edits
    }

    /// The bytes of neighbours in the new file: of weights, made side by side, or mapped from the input.
    fn ready<'b>(&self, blobs: &'b [Placed]) -> Result<Ready<'b>, RunError> {
        let bytes = |blob: &Placed| match &blob.source {
            Source::Copy { file, offset } => self.copied(blob, file, *offset),
            Source::Made { weight, .. } => self.values(*weight),
        };
        let made = match blobs {
            [alone] => vec![bytes(alone)?],
            several => several.par_iter().map(bytes).collect::<Result<_, _>>()?,
        };
        Ok((blobs, made))
    }

    /// A blob that the program names as what it is.
    fn copied(&self, blob: &Placed, file: &str, offset: u64) -> Result<Bytes, RunError> {
        let package = &self.program.package;
        let reference = BlobFileValue { file_name: file.to_string(), offset };
        let stored = package.blob(&reference).map_err(ModelError::from)?;
        if stored.element != blob.element || stored.elements() != blob.count {
            let value = format!("{file} at {offset}");
            return Err(ModelError::Blob { path: package.path().to_owned(), value }.into());
        }
        Ok(stored.bytes)
    }

    /// The elements of a weight that is compressed.
    fn values(&self, index: usize) -> Result<Bytes, RunError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(RunError::Cancelled);
        }
        let weight = &self.model.weights[index];
        let broken = |source| ModelError::Compressed { weight: weight.name.clone(), source };
        let values = self.program.decompress(index).map_err(broken)?.ok_or(RunError::Layout)?;
        self.progress.done(&weight.name, weight.bytes);
        Ok(values.bytes)
    }
}

/// The operations of chains, and constants, that nothing takes any more once others are replaced.
fn unused(program: &Program, replaced: &HashMap<Place, usize>) -> HashSet<Place> {
    let mut drop = HashSet::new();
    for function in &program.functions {
        let index = Index::new(function);
        let operations: Vec<OpId> = index.operations().map(|(id, _)| id).collect();
        let mut gone: HashSet<OpId> =
            operations.iter().copied().filter(|id| replaced.contains_key(&index.path(*id))).collect();
        // From the end: what takes a value comes behind what gives it.
        for &id in operations.iter().rev() {
            let operation = index.operation(id);
            if gone.contains(&id) || !(operation.is_constexpr() || operation.is_const()) {
                continue;
            }
            let outputs = (0..operation.outputs.len()).filter_map(|output| index.output(id, output));
            let mut consumers = outputs.flat_map(|value| index.consumers(value)).peekable();
            let is_gone = |consumer: &Consumer| match consumer {
                Consumer::Operation { operation, .. } => gone.contains(operation),
                Consumer::Output { .. } => false,
            };
            // What nothing takes already is none of ours.
            if consumers.peek().is_some() && consumers.all(is_gone) {
                gone.insert(id);
                drop.insert(index.path(id));
            }
        }
    }
    drop
}
