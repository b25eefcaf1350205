//! Writing the laid-out tensors, each at its place, from any thread.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::layout::{Item, Layout};
use super::parts::{Content, Part};
use super::work::Made;
use super::{Job, RunError, values};
use crate::formats::output::{Destination, OutputError, PartialDirectory, PartialFile};
use crate::formats::safetensors::{Placement, Writer};
use crate::model::{Model, ModelData, ModelFormat, Weight};

/// The files of an output while they are written. Dropped before [`Writers::commit`], they leave nothing.
pub struct Writers {
    files: Vec<Writer>,
    /// Which file and which of its tensors a stored tensor is.
    places: HashMap<String, (usize, usize)>,
    directory: Option<PartialDirectory>,
}

/// Whether a model's output is a directory: when the model is one.
fn is_directory(model: &Model) -> bool {
    matches!(model.format, ModelFormat::HuggingFace | ModelFormat::Shards) || model.files.len() != 1
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
            let tensors: Vec<Placement> = parts
                .iter()
                .map(|part| Placement { name: part.name.clone(), dtype: part.dtype.clone(), shape: part.shape.clone() })
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
    pub fn copy(&self, data: &ModelData, weight: &Weight, item: &Item) -> Result<(), RunError> {
        for part in &item.parts {
            if part.content == Content::Copy {
                self.put(&part.name, data.stored_bytes(weight, &part.name)?)?;
            } else {
                let values = values::read_packed(data, weight)?;
                self.put(&part.name, &values.to_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes the tensors of a weight that was changed.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write(&self, item: &Item, made: &Made) -> Result<(), RunError> {
        for part in &item.parts {
            self.put(&part.name, &made.bytes(part))?;
        }
        Ok(())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        if let Some(&(file, index)) = self.places.get(name) {
            self.files[file].write_at(index, bytes)?;
        }
        Ok(())
    }
}
