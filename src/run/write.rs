//! Writing the laid-out tensors, each at its place, from any thread.

use std::collections::HashMap;
use std::path::Path;

use super::layout::{Item, Layout};
use super::parts::{Content, OutputFormat, Part};
use super::work::Made;
use super::{Job, RunError, values};
use crate::formats::output::{Destination, OutputError, PartialDirectory, PartialFile};
use crate::formats::safetensors::{TensorSpec, Writer};
use crate::model::{Model, ModelData};

/// The files of an output while they are written. Dropped before [`Writers::commit`], they leave nothing.
pub struct Writers {
    files: Vec<Writer>,
    /// Which file and which of its tensors a stored tensor is.
    places: HashMap<String, (usize, usize)>,
    directory: Option<PartialDirectory>,
}

/// Whether a model's output is a directory: when the model is one.
fn is_directory(model: &Model) -> bool {
    model.path.is_dir() || model.files.len() != 1
}

impl Writers {
    /// Begins the files of a layout.
    ///
    /// # Errors
    /// If the output exists and may not be replaced, is an input, or cannot be written.
    pub fn create(job: &Job, layout: &Layout) -> Result<Writers, RunError> {
        let mut inputs = job.model.files.clone();
        inputs.push(job.model.path.clone());
        inputs.extend_from_slice(job.inputs);
        let destination = Destination { path: job.output, overwrite: job.overwrite, inputs: &inputs };
        let directory = if is_directory(job.model) { Some(PartialDirectory::create(&destination)?) } else { None };
        let mut writers = Writers { files: Vec::new(), places: HashMap::new(), directory };
        for (file, path) in job.model.files.iter().enumerate() {
            let here = layout.items.iter().filter(|item| job.model.weights[item.weight].location.file == file);
            let parts: Vec<&Part> = here.flat_map(|item| &item.parts).collect();
            let tensors: Vec<TensorSpec> = parts
                .iter()
                .map(|part| TensorSpec {
                    name: part.name.clone(),
                    dtype: part.dtype.clone(),
                    shape: part.shape.clone(),
                    bytes: part.bytes,
                })
                .collect();
            for (index, part) in parts.iter().enumerate() {
                writers.places.insert(part.name.clone(), (file, index));
            }
            let partial = match &writers.directory {
                Some(directory) => {
                    let name = path.file_name().unwrap_or(path.as_os_str());
                    let inside = directory.path().join(name);
                    PartialFile::create(&Destination { path: &inside, overwrite: false, inputs: &[] })?
                }
                None => PartialFile::create(&destination)?,
            };
            writers.files.push(Writer::create(partial, &tensors, &layout.metadata[file])?);
        }
        Ok(writers)
    }

    /// Copies a tensor that stays: byte for byte, or as floats where it is packed and the format has no packed
    /// weights.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn copy(&self, job: &Job, data: &ModelData, item: &Item) -> Result<(), RunError> {
        let weight = &job.model.weights[item.weight];
        for part in &item.parts {
            if part.content == Content::Copy {
                self.put(&part.name, data.tensor_in(weight.location.file, &part.name)?)?;
            } else {
                self.put(&part.name, &values::read(data, job.model, weight)?.to_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes the tensors of a weight that was changed.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write(&self, job: &Job, item: &Item, made: &Made) -> Result<(), RunError> {
        for part in &item.parts {
            // The dequantized format holds values only, whatever they were made of.
            let values = job.format == OutputFormat::Dequantized && made.is_quantized();
            let made_of = |source| RunError::Kernel { weight: job.model.weights[item.weight].name.clone(), source };
            let bytes = if values { made.decoded() } else { made.bytes(part).map_err(made_of)? };
            self.put(&part.name, &bytes)?;
        }
        Ok(())
    }

    /// Puts everything in its place, with the files beside the tensors where the output is a directory. Returns
    /// the bytes of all files of tensors.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn commit(self, job: &Job, layout: &Layout) -> Result<u64, RunError> {
        let written = self.files.iter().map(Writer::len).sum();
        for file in self.files {
            file.commit()?;
        }
        if let Some(directory) = self.directory {
            if job.model.files.len() > 1 {
                write_index(directory.path(), job, layout)?;
            }
            copy_beside(&job.model.path, directory.path())?;
            directory.commit()?;
        }
        Ok(written)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        if let Some(&(file, index)) = self.places.get(name) {
            self.files[file].write_at(index, bytes)?;
        }
        Ok(())
    }
}

/// The index that says which file holds which tensor.
fn write_index(directory: &Path, job: &Job, layout: &Layout) -> Result<(), RunError> {
    let name = |file: usize| job.model.files[file].file_name().map(|n| n.to_string_lossy().into_owned());
    let mut map = serde_json::Map::new();
    let mut total = 0;
    for item in &layout.items {
        for part in &item.parts {
            map.insert(part.name.clone(), name(job.model.weights[item.weight].location.file).into());
            total += part.bytes;
        }
    }
    let index = serde_json::json!({ "metadata": { "total_size": total }, "weight_map": map });
    let path = directory.join("model.safetensors.index.json");
    let text = serde_json::to_string_pretty(&index).unwrap_or_default() + "\n";
    std::fs::write(&path, text).map_err(|error| OutputError::from_io(&path, error).into())
}

/// Endings of the small files that belong to a checkpoint: configuration, tokenizer, texts.
const BESIDE: &[&str] = &["json", "jsonl", "txt", "model", "jinja", "tiktoken", "md"];

/// Copies what lies beside the tensors of a model directory.
fn copy_beside(from: &Path, to: &Path) -> Result<(), RunError> {
    let io = |error| RunError::from(OutputError::from_io(to, error));
    if !from.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(from).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let known = path.extension().is_some_and(|e| BESIDE.iter().any(|b| e == *b));
        let Some(name) = path.file_name().filter(|n| known && path.is_file() && *n != "model.safetensors.index.json")
        else {
            continue;
        };
        std::fs::copy(&path, to.join(name)).map_err(io)?;
    }
    Ok(())
}
