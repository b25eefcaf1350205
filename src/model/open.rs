//! From a path to a model: one file, shards with their index, a Hugging Face directory. Only headers are read.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;
use serde_json::Value;

use super::export;
use super::kinds::Names;
use super::package;
use super::packed::{self, PackedWeight};
use super::tied::tie;
use super::{Location, Model, ModelData, ModelError, ModelFormat, Weight, share_kinds};
use crate::formats::coreml::Package;
use crate::formats::natural::natural_order;
use crate::formats::safetensors::{Header, Reader, TensorInfo};
use crate::nearest::nearest_beside;
use crate::words::shown;

/// Larger configuration files and indices than anyone has; they are read whole.
const MOST_JSON: u64 = 256 << 20;

/// Formats that are not read, by the ending of the name.
const FORMATS: &[(&str, &str, &str)] = &[
    (
        "bin",
        "PyTorch's pickled checkpoints are not read: unpickling runs what the file says",
        "convert it: `from safetensors.torch import save_file; save_file(torch.load(\"model.bin\", weights_only=True), \"model.safetensors\")`",
    ),
    ("gguf", "GGUF files are quantized already", "quantize from the original safetensors checkpoint instead"),
    ("onnx", "ONNX models are not read", "quantize the PyTorch checkpoint that it was exported from"),
];

impl Model {
    /// Opens a model by its headers.
    ///
    /// # Errors
    /// If there is nothing there, or it is not a model, or its headers are broken.
    pub fn open(path: &Path) -> Result<Model, ModelError> {
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                ModelError::Missing { path: path.to_owned(), nearest: nearest_beside(path) }
            }
            _ => ModelError::Io { path: path.to_owned(), source: error },
        })?;
        if Package::is_one(path) {
            return package::open(path);
        }
        let is_export = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pt2"));
        if is_export && !metadata.is_dir() {
            return export::open(path);
        }
        refuse_other_formats(path)?;
        if !metadata.is_dir() {
            return from_files(path, vec![path.to_owned()], ModelFormat::Safetensors, None, None);
        }
        let config = read_json(&path.join("config.json"))?;
        let index = path.join("model.safetensors.index.json");
        let format = if config.is_some() { ModelFormat::HuggingFace } else { ModelFormat::Shards };
        if let Some(json) = read_json(&index)? {
            let (files, map) = shards(path, &index, &json)?;
            return from_files(path, files, format, config.as_ref(), Some((&index, map)));
        }
        let one = path.join("model.safetensors");
        let files = if one.is_file() { vec![one] } else { safetensors_in(path)? };
        match files.len() {
            0 => Err(other_format_in(path).unwrap_or_else(|| ModelError::NoTensors(path.to_owned()))),
            1 => from_files(path, files, format, config.as_ref(), None),
            count => Err(ModelError::Ambiguous { path: path.to_owned(), count }),
        }
    }

    /// Opens the files that hold the data. Nothing is read before it is asked for.
    ///
    /// # Errors
    /// If a file is gone, or is no longer what it was.
    pub fn open_data(&self) -> Result<ModelData, ModelError> {
        ModelData::open(self)
    }

    /// How a weight is packed, if it is.
    pub fn packed_weight(&self, name: &str) -> Option<&PackedWeight> {
        self.packed.get(name)
    }

    /// The weight of a full name, its own or a tied one.
    pub fn weight(&self, name: &str) -> Option<&Weight> {
        self.weights.iter().find(|w| w.name == name || w.tied.iter().any(|tied| tied == name))
    }
}

fn refuse_other_formats(path: &Path) -> Result<(), ModelError> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    let extension = if matches!(extension.as_str(), "pt" | "pth" | "ckpt" | "pkl") { "bin" } else { &extension };
    match FORMATS.iter().find(|(known, ..)| *known == extension) {
        Some((_, what, help)) => Err(ModelError::Format { path: path.to_owned(), what, help }),
        None => Ok(()),
    }
}

/// The error for a directory that holds a model in a format that is not read.
fn other_format_in(directory: &Path) -> Option<ModelError> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    // Written beside every trained model, and no model.
    let settings = |path: &PathBuf| path.file_name().is_some_and(|name| name == "training_args.bin");
    paths.iter().filter(|path| !settings(path)).find_map(|path| refuse_other_formats(path).err())
}

fn safetensors_in(directory: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let io = |source| ModelError::Io { path: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|e| e == "safetensors") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The content of a JSON file; `None` when there is no such file.
fn read_json(path: &Path) -> Result<Option<Value>, ModelError> {
    let broken = |why: String| ModelError::Index { path: path.to_owned(), why };
    match fs::metadata(path) {
        Err(_) => return Ok(None),
        Ok(metadata) if !metadata.is_file() => return Err(broken("is not a regular file".into())),
        Ok(metadata) if metadata.len() > MOST_JSON => return Err(broken("is larger than 256 MiB".into())),
        Ok(_) => {}
    }
    let text = fs::read(path).map_err(|source| ModelError::Io { path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map(Some).map_err(|error| broken(format!("is not JSON: {error}")))
}

/// The files that an index names, and which of them holds which tensor.
fn shards(directory: &Path, index: &Path, json: &Value) -> Result<(Vec<PathBuf>, HashMap<String, usize>), ModelError> {
    let broken = |why: String| ModelError::Index { path: index.to_owned(), why };
    let map = json.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| broken("has no `weight_map`".into()))?;
    let mut names: Vec<&str> = Vec::new();
    for (tensor, file) in map {
        let file = file.as_str().ok_or_else(|| broken(format!("names no file for `{}`", shown(tensor))))?;
        names.push(file);
    }
    names.sort_by(|a, b| natural_order(a, b));
    names.dedup();
    if names.is_empty() {
        return Err(broken("names no files".into()));
    }
    for name in &names {
        // A name, not a path: what a stranger's index says must not lead out of the directory.
        let mut components = Path::new(name).components();
        if !matches!((components.next(), components.next()), (Some(Component::Normal(_)), None)) {
            return Err(broken(format!("names `{}`, which is not a file beside it", shown(name))));
        }
        if !directory.join(name).is_file() {
            return Err(broken(format!("names `{}`, which is missing", shown(name))));
        }
    }
    let position: HashMap<&str, usize> = names.iter().enumerate().map(|(i, name)| (*name, i)).collect();
    let places = map.iter().filter_map(|(tensor, file)| Some((tensor.clone(), *position.get(file.as_str()?)?)));
    Ok((names.iter().map(|name| directory.join(name)).collect(), places.collect()))
}

fn from_files(
    path: &Path,
    files: Vec<PathBuf>,
    format: ModelFormat,
    config: Option<&Value>,
    index: Option<(&Path, HashMap<String, usize>)>,
) -> Result<Model, ModelError> {
    let read = |file: &PathBuf| Ok(Reader::open(file)?.into_header());
    let mut headers = files.iter().map(read).collect::<Result<Vec<_>, ModelError>>()?;
    if let Some((index, map)) = &index {
        check_index(index, map, &headers)?;
    }
    if headers.iter().all(|header| header.tensors.is_empty()) {
        return Err(ModelError::Empty(path.to_owned()));
    }
    let architecture = config.and_then(|c| c.get("architectures")?.get(0)?.as_str().map(str::to_string));
    let mut packed = HashMap::new();
    for (file, header) in files.iter().zip(&headers) {
        read_packed(file, header, &mut packed)?;
    }
    let all = || headers.iter().flat_map(|header| &header.tensors);
    let names = Names::new(architecture.as_deref(), all().map(|info| info.name.as_str()));
    if let Some(info) = all().find(|info| packed.contains_key(&info.name)) {
        return Err(ModelError::broken_packed(path, &info.name, "a tensor of its own name stands beside its parts"));
    }
    let mut weights: Vec<Weight> = Vec::new();
    let mut parts: HashMap<String, Vec<(usize, TensorInfo)>> = HashMap::new();
    for (file, header) in headers.iter_mut().enumerate() {
        let mut plain = std::mem::take(&mut header.tensors);
        for info in plain.extract_if(.., |info| is_part(&info.name, &packed)) {
            let owner = info.name.rsplit_once(':').map_or("", |(owner, _)| owner);
            parts.entry(owner.to_owned()).or_default().push((file, info));
        }
        weights.par_extend(plain.into_par_iter().map(|info| weight(&names, file, info)));
    }
    let broken = |weight: &PackedWeight| {
        let parts = parts.get(weight.name.as_str()).into_iter().flatten();
        let stored: Vec<&TensorInfo> = parts.map(|(_, info)| info).collect();
        Some((weight.name.clone(), weight.check_parts(&stored).err()?))
    };
    // The first by name, so that the message is always the same.
    if let Some((name, why)) = packed.values().filter_map(broken).min() {
        return Err(ModelError::broken_packed(path, &name, &why));
    }
    weights.extend(packed.values().map(|p| packed_weight(&names, p, parts.get(p.name.as_str()).map_or(&[], |v| v))));
    weights.par_sort_by(|a, b| natural_order(&a.name, &b.name));
    share_kinds(&mut weights);
    let tied_in_config = config.and_then(|c| {
        // Models of several parts have the configuration of their language model in a section.
        let of = |section: &Value| section.get("tie_word_embeddings")?.as_bool();
        of(c).or_else(|| of(c.get("text_config")?))
    });
    tie(&mut weights, &headers, architecture.as_deref(), tied_in_config);
    let format = if packed.is_empty() { format } else { ModelFormat::Packed };
    Ok(Model {
        path: path.to_owned(),
        format,
        files,
        architecture,
        weights,
        packed,
        program: None,
        export: None,
        facts: None,
        refused: Default::default(),
        takes: None,
        counted: Default::default(),
    })
}

fn check_index(index: &Path, map: &HashMap<String, usize>, headers: &[Header]) -> Result<(), ModelError> {
    let broken = |why: String| ModelError::Index { path: index.to_owned(), why };
    let mut seen: HashSet<&str> = HashSet::new();
    for header in headers {
        for info in &header.tensors {
            if !seen.insert(&info.name) {
                return Err(broken(format!("two of its files hold `{}`", shown(&info.name))));
            }
        }
    }
    let mut missing: Vec<&String> = map
        .iter()
        .filter(|(tensor, file)| headers.get(**file).is_none_or(|header| header.index_of(tensor).is_none()))
        .map(|(tensor, _)| tensor)
        .collect();
    missing.sort();
    match missing.first() {
        Some(tensor) => {
            let more = if missing.len() > 1 { format!(" and {} more", missing.len() - 1) } else { String::new() };
            Err(broken(format!("says where to find `{}`{more}, and the file named does not hold it", shown(tensor))))
        }
        None => Ok(()),
    }
}

/// Whether a stored tensor is a part of a packed weight.
fn is_part(name: &str, packed: &HashMap<String, PackedWeight>) -> bool {
    !packed.is_empty() && name.rsplit_once(':').is_some_and(|(owner, _)| packed.contains_key(owner))
}

fn read_packed(path: &Path, header: &Header, packed: &mut HashMap<String, PackedWeight>) -> Result<(), ModelError> {
    let Some((_, text)) = header.metadata.iter().find(|(key, _)| key == packed::KEY) else {
        return Ok(());
    };
    let broken = |why: String| ModelError::Index { path: path.to_owned(), why };
    let index: packed::Index = serde_json::from_str(text)
        .map_err(|error| broken(format!("its index of packed weights is broken: {error}")))?;
    if index.version > packed::VERSION {
        return Err(broken(format!(
            "its packed weights are of version {}, which is newer than this program",
            index.version
        )));
    }
    for weight in index.weights {
        weight.check().map_err(|why| ModelError::broken_packed(path, &weight.name, why))?;
        if let Some(first) = packed.insert(weight.name.clone(), weight) {
            return Err(ModelError::broken_packed(path, &first.name, "the index names it twice"));
        }
    }
    Ok(())
}

fn weight(names: &Names, file: usize, info: TensorInfo) -> Weight {
    let told = names.tell(&info.name, &info.shape);
    Weight {
        module_len: info.name.rfind('.').unwrap_or(0),
        name: info.name,
        tied: Vec::new(),
        kind: told.kind,
        known_by: told.known_by,
        role: told.role,
        transposed: told.transposed,
        groups: None,
        shape: info.shape,
        dtype: info.dtype.dtype(),
        bytes: info.bytes,
        halved: None,
        compressed: None,
        location: Location { file, offset: info.offset },
    }
}

fn packed_weight(names: &Names, packed: &PackedWeight, parts: &[(usize, TensorInfo)]) -> Weight {
    let told = names.tell(&packed.name, &packed.shape);
    let location =
        parts.first().map_or(Location::default(), |(file, info)| Location { file: *file, offset: info.offset });
    Weight {
        name: packed.name.clone(),
        tied: Vec::new(),
        module_len: packed.name.rfind('.').unwrap_or(0),
        kind: told.kind,
        known_by: told.known_by,
        role: told.role,
        transposed: told.transposed,
        groups: None,
        shape: packed.shape.clone(),
        dtype: packed.dtype().unwrap_or(crate::dtype::DType::F32),
        bytes: super::total(parts.iter().map(|(_, info)| info.bytes)),
        halved: None,
        compressed: None,
        location,
    }
}
