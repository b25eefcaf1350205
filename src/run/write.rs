//! Writing the laid-out tensors, each at its place, from any thread.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use super::layout::{Item, Layout};
use super::parts::{OutputFormat, Part};
use super::work::Made;
use super::{Job, RunError};
use crate::formats::output::{Destination, OutputError, PartialDirectory, PartialFile};
use crate::formats::safetensors::{TensorSpec, Writer};
use crate::lower::Holds;
use crate::model::{Model, ModelData, ModelError};
use crate::values;

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
    /// Begins the files of a layout; those beside the tensors, where the output is a directory, are complete then.
    ///
    /// # Errors
    /// If the output exists and may not be replaced, is an input, or cannot be written; if a file beside the
    /// tensors cannot be read.
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
                Some(directory) => directory.file(file_name(path))?,
                None => PartialFile::create(&destination)?,
            };
            writers.files.push(Writer::create(partial, &tensors, &layout.metadata[file])?);
        }
        if let Some(directory) = &writers.directory {
            // Small and soon done: what fails here fails before the work.
            if job.model.files.len() > 1 {
                write_index(directory, job, layout)?;
            }
            copy_beside(&job.model.path, directory)?;
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
            if part.holds == Holds::Copy {
                self.put(&part.name, &data.tensor_in(weight.location.file, &part.name)?)?;
            } else {
                self.put(&part.name, &values::read(data, job.model, weight)?.to_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes tensors, as [`tensors`] makes them. It does not wait for rayon's threads.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write(&self, tensors: &[Tensor]) -> Result<(), RunError> {
        tensors.iter().try_for_each(|(name, bytes)| self.put(name, bytes))
    }

    /// Puts everything in its place. Returns the bytes of all files of tensors.
    ///
    /// # Errors
    /// If the system refuses, or a tensor has not been written.
    pub fn commit(self) -> Result<u64, RunError> {
        let written = self.files.iter().map(Writer::len).sum();
        for file in self.files {
            file.commit()?;
        }
        if let Some(directory) = self.directory {
            directory.commit()?;
        }
        Ok(written)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let &(file, index) = self.places.get(name).ok_or_else(|| RunError::NoPlace(name.to_string()))?;
        Ok(self.files[file].write_at(index, bytes)?)
    }
}

/// A stored tensor: its name and bytes.
pub type Tensor<'a> = (&'a str, Vec<u8>);

/// The stored tensors of a weight that was changed.
///
/// # Errors
/// If a code does not fit its width, which no kernel makes.
pub fn tensors<'i>(job: &Job, item: &'i Item, made: &mut Made) -> Result<Vec<Tensor<'i>>, RunError> {
    // The dequantized format holds values only, whatever they were made of.
    let values = job.format == OutputFormat::Dequantized && made.is_quantized();
    let made_of = |source| RunError::Kernel { weight: job.model.weights[item.weight].name.clone(), source };
    let tensor = |part: &'i Part| {
        let bytes = if values { made.decoded() } else { made.part(part).map_err(made_of)? };
        Ok((part.name.as_str(), bytes))
    };
    item.parts.iter().map(tensor).collect()
}

/// The last name of a path.
fn file_name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or(path.as_os_str())
}

/// The index that says which file holds which tensor.
const INDEX: &str = "model.safetensors.index.json";

fn write_index(directory: &PartialDirectory, job: &Job, layout: &Layout) -> Result<(), RunError> {
    let mut map = serde_json::Map::new();
    let mut total = 0;
    for item in &layout.items {
        for part in &item.parts {
            let file = &job.model.files[job.model.weights[item.weight].location.file];
            map.insert(part.name.clone(), file_name(file).to_string_lossy().into());
            total += part.bytes;
        }
    }
    let index = serde_json::json!({ "metadata": { "total_size": total }, "weight_map": map });
    let mut file = directory.file(INDEX)?;
    let written = writeln!(file, "{index:#}");
    written.map_err(|error| OutputError::from_io(file.path(), error))?;
    Ok(file.commit()?)
}

/// Endings of the small files that belong to a checkpoint: configuration, tokenizer, texts.
const BESIDE: &[&str] = &["json", "jsonl", "txt", "model", "jinja", "tiktoken", "md"];

/// Copies what lies beside the tensors of a model directory.
fn copy_beside(from: &Path, to: &PartialDirectory) -> Result<(), RunError> {
    if !from.is_dir() {
        return Ok(());
    }
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| ModelError::Io { path, source }
    };
    for entry in std::fs::read_dir(from).map_err(unreadable(from))? {
        let path = entry.map_err(unreadable(from))?.path();
        let known = path.extension().is_some_and(|e| BESIDE.iter().any(|b| e == *b));
        let name = file_name(&path);
        if !known || !path.is_file() || name == INDEX {
            continue;
        }
        let mut source = File::open(&path).map_err(unreadable(&path))?;
        let mut file = to.file(name)?;
        let mut piece = vec![0; 1 << 16];
        loop {
            match source.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => {
                    let written = file.write_all(&piece[..length]);
                    written.map_err(|error| OutputError::from_io(file.path(), error))?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&path)(error).into()),
            }
        }
        file.commit()?;
    }
    Ok(())
}
