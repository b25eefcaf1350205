//! The bytes of a model's tensors, mapped when they are asked for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::export::ExportModel;
use super::package::PackageModel;
use super::{Model, ModelError, Weight};
use crate::dtype::DType;
use crate::exec::constexpr::Constant;
use crate::formats::safetensors::{Fault, Reader, SafetensorsError, TensorInfo};

/// The open files of a model.
#[derive(Debug)]
pub struct ModelData {
    /// What was opened: a file or directory.
    path: PathBuf,
    readers: Vec<Reader>,
    /// Stored tensors of each packed weight: file and index.
    stored: HashMap<String, Vec<(usize, usize)>>,
    /// The bytes of a package's plain constants, by full name.
    constants: HashMap<String, Bytes>,
    /// The package, and the numbers of its compressed constants by full name.
    compressed: Option<(Arc<PackageModel>, HashMap<String, usize>)>,
    export: Option<Export>,
}

/// An export's tensors.
#[derive(Debug)]
struct Export {
    model: Arc<ExportModel>,
    /// Where each weight stands in the model, by full name.
    index: HashMap<String, usize>,
    infos: Vec<Option<TensorInfo>>,
    /// Other names of tied weights, with their own, as `safetensors.torch.save_model` notes them.
    metadata: Vec<(String, String)>,
}

impl Export {
    fn new(model: &Model, export: &Arc<ExportModel>) -> Export {
        let tied =
            model.weights.iter().flat_map(|weight| weight.tied.iter().map(|tied| (tied.clone(), weight.name.clone())));
        Export {
            model: Arc::clone(export),
            index: model.weights.iter().enumerate().map(|(index, weight)| (weight.name.clone(), index)).collect(),
            infos: export.tensor_infos(model),
            metadata: std::iter::once(("format".into(), "pt".into())).chain(tied).collect(),
        }
    }

    fn bytes(&self, name: &str) -> Option<Result<Cow<'_, [u8]>, ModelError>> {
        let tensor = self.model.tensors.get(*self.index.get(name)?)?;
        Some(self.model.archive.tensor(tensor).map_err(ModelError::from))
    }
}

impl ModelData {
    pub(super) fn open(model: &Model) -> Result<ModelData, ModelError> {
        if let Some(program) = &model.program {
            let constants = program.plain(model)?;
            let compressed = model.weights.iter().enumerate().filter(|(_, weight)| weight.compressed.is_some());
            let compressed = compressed.map(|(index, weight)| (weight.name.clone(), index)).collect();
            return Ok(ModelData {
                path: model.path.clone(),
                readers: Vec::new(),
                stored: HashMap::new(),
                constants,
                compressed: Some((Arc::clone(program), compressed)),
                export: None,
            });
        }
        if let Some(export) = &model.export {
            return Ok(ModelData {
                path: model.path.clone(),
                readers: Vec::new(),
                stored: HashMap::new(),
                constants: HashMap::new(),
                compressed: None,
                export: Some(Export::new(model, export)),
            });
        }
        let readers = model.files.iter().map(|path| Reader::open(path)).collect::<Result<Vec<_>, _>>()?;
        let mut stored: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        for (file, reader) in readers.iter().enumerate() {
            for (index, info) in reader.header().tensors.iter().enumerate() {
                let owner = match info.name.rsplit_once(':') {
                    Some((owner, _)) if model.packed.contains_key(owner) => owner,
                    _ => continue,
                };
                stored.entry(owner.to_string()).or_default().push((file, index));
            }
        }
        Ok(ModelData {
            path: model.path.clone(),
            readers,
            stored,
            constants: HashMap::new(),
            compressed: None,
            export: None,
        })
    }

    /// The bytes of a weight that is stored plainly: its elements, the last dimension fastest. They are those of the
    /// file, mapped, unless an export holds them in another order, or compressed.
    ///
    /// # Errors
    /// If the file has changed since the model was opened, or cannot be mapped.
    pub fn bytes(&self, weight: &Weight) -> Result<Cow<'_, [u8]>, ModelError> {
        if let Some(export) = &self.export {
            return export.bytes(&weight.name).unwrap_or_else(|| Err(self.missing(&weight.name)));
        }
        if let Some(bytes) = self.constants.get(&weight.name) {
            return Ok(Cow::Borrowed(bytes));
        }
        let reader = self.readers.get(weight.location.file).ok_or_else(|| self.missing(&weight.name))?;
        let info = reader.info(&weight.name)?;
        // The header was read once for the plan and once for the data: who plans by one must not get the other.
        let same = info.offset == weight.location.offset && info.bytes == weight.bytes && info.shape == weight.shape;
        if !same || info.dtype.dtype() != weight.dtype {
            return Err(SafetensorsError {
                path: reader.path().to_owned(),
                tensor: Some(weight.name.clone()),
                byte: None,
                fault: Fault::Changed,
            }
            .into());
        }
        Ok(Cow::Borrowed(reader.tensor(&weight.name)?))
    }

    /// The values of a constant that a program holds compressed; `None` for other weights.
    ///
    /// # Errors
    /// If the file cannot be read, or the constant's parts do not fit each other.
    pub fn decompressed(&self, weight: &Weight) -> Result<Option<Constant>, ModelError> {
        let Some((program, indices)) = &self.compressed else { return Ok(None) };
        let Some(&index) = indices.get(&weight.name) else { return Ok(None) };
        let broken = |source| ModelError::Compressed { weight: weight.name.clone(), source };
        program.decompress(index).map_err(broken)
    }

    /// The bytes of a stored tensor of one file.
    ///
    /// # Errors
    /// As [`ModelData::bytes`].
    pub fn tensor_in(&self, file: usize, name: &str) -> Result<Cow<'_, [u8]>, ModelError> {
        if let Some(bytes) = self.export.as_ref().and_then(|export| export.bytes(name)) {
            return bytes;
        }
        let reader = self.readers.get(file).ok_or_else(|| self.missing(name))?;
        Ok(Cow::Borrowed(reader.tensor(name)?))
    }

    /// A stored tensor by its name in whatever file: its element type and bytes.
    ///
    /// # Errors
    /// As [`ModelData::bytes`], and if there is none.
    pub fn tensor(&self, name: &str) -> Result<(DType, &[u8]), ModelError> {
        for reader in &self.readers {
            if let Some(index) = reader.header().index_of(name) {
                return Ok((reader.header().tensors[index].dtype.dtype(), reader.tensor_at(index)?));
            }
        }
        Err(self.missing(name))
    }

    /// The stored tensors of a weight: itself, or the parts of a packed one.
    pub fn stored(&self, weight: &Weight) -> Vec<&TensorInfo> {
        if let Some(export) = &self.export {
            let index = export.index.get(&weight.name);
            return index.and_then(|&index| export.infos.get(index)?.as_ref()).into_iter().collect();
        }
        let of = |&(file, index): &(usize, usize)| &self.readers[file].header().tensors[index];
        match self.stored.get(&weight.name) {
            Some(parts) => parts.iter().map(of).collect(),
            None => {
                let reader = self.readers.get(weight.location.file);
                reader.and_then(|reader| reader.info(&weight.name).ok()).into_iter().collect()
            }
        }
    }

    /// The metadata of a file.
    pub fn metadata(&self, file: usize) -> &[(String, String)] {
        match &self.export {
            Some(export) => &export.metadata,
            None => self.readers.get(file).map_or(&[], |reader| &reader.header().metadata),
        }
    }

    /// The one file, even where it was found in a directory; the directory of several.
    pub fn path(&self) -> &Path {
        match self.readers.as_slice() {
            [one] => one.path(),
            _ => &self.path,
        }
    }

    fn missing(&self, name: &str) -> ModelError {
        let path = self.path().to_owned();
        SafetensorsError { path, tensor: Some(name.to_string()), byte: None, fault: Fault::NoSuchTensor }.into()
    }
}
