//! Reading a package.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

use crate::formats::coreml::manifest::{Manifest, inner_path};
use crate::formats::coreml::proto::{BlobFileValue, Kept, ML_PROGRAM, MODEL_KINDS, Model};

use super::meter::Metered;
use super::{
    DATA, MANIFEST, MAX_MANIFEST, MAX_MODEL, MAX_STEPS, MODEL_PATH, ModelKindName, PackageError, PackageFault,
    StoredBlob, WeightFile,
};

/// A package that is open: its manifest and its model read, its files of weights opened when asked for.
#[derive(Debug)]
pub struct Package {
    path: PathBuf,
    manifest: Manifest,
    model: Kept<Model>,
    /// The file of the model.
    model_path: PathBuf,
    /// Files of weights by the reference to them.
    weights: Mutex<BTreeMap<String, Arc<WeightFile>>>,
}

impl Package {
    /// Whether a path is to be read as a Core ML model: by the endings that those have, or by the manifest in a
    /// directory of another name.
    pub fn is_one(path: &Path) -> bool {
        let endings = ["mlpackage", "mlmodel", "mlmodelc"];
        path.extension().is_some_and(|found| endings.iter().any(|ending| found.eq_ignore_ascii_case(ending)))
            || path.join(MANIFEST).is_file()
            || package_around(path).is_some_and(|package| package.extension().is_some_and(|found| found == "mlpackage"))
    }

    /// Opens a package with an ML Program.
    ///
    /// # Errors
    /// If it is no package, is damaged, or holds a model of another kind: [`PackageFault`].
    pub fn open(path: &Path) -> Result<Package, PackageError> {
        check_is_package(path)?;
        let manifest_path = path.join(MANIFEST);
        let text = read_limited(path, &manifest_path, MAX_MANIFEST)?;
        let broken = |fault| PackageError { path: manifest_path.clone(), fault };
        let manifest = Manifest::parse(&text).map_err(|fault| broken(fault.into()))?;
        // `parse` let nothing else pass.
        let root = manifest.root_item().and_then(|item| inner_path(&item.path));
        let model_path = path.join(DATA).join(root.unwrap_or_default());
        if model_path.is_dir() {
            return Err(PackageError { path: model_path, fault: PackageFault::ModelIsDirectory });
        }
        let bytes = read_limited(path, &model_path, MAX_MODEL).map_err(|error| match error.fault {
            PackageFault::Missing => PackageError { fault: PackageFault::NoModel, ..error },
            _ => error,
        })?;
        let model = decode_model(&bytes).map_err(|fault| PackageError { path: model_path.clone(), fault })?;
        Ok(Package { path: path.to_owned(), manifest, model, model_path, weights: Mutex::default() })
    }

    /// The package.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The file of the model.
    pub fn model_path(&self) -> &Path {
        &self.model_path
    }

    /// The model. It is an ML Program.
    pub fn model(&self) -> &Kept<Model> {
        &self.model
    }

    /// The blob to which a program refers.
    ///
    /// # Errors
    /// If the reference leads to no file of the model, or to no blob in it.
    pub fn blob(&self, reference: &BlobFileValue) -> Result<StoredBlob, PackageError> {
        self.weight_file(&reference.file_name)?.read(reference.offset)
    }

    /// The file of weights to which a program refers by `@model_path/…`.
    ///
    /// # Errors
    /// If the reference leads out of the model's directory, or to no file of weights.
    pub fn weight_file(&self, reference: &str) -> Result<Arc<WeightFile>, PackageError> {
        let mut weights = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = weights.get(reference) {
            return Ok(Arc::clone(file));
        }
        let inner = reference.strip_prefix(MODEL_PATH).and_then(inner_path).ok_or_else(|| PackageError {
            path: self.model_path.clone(),
            fault: PackageFault::Reference(reference.to_owned()),
        })?;
        let path = self.model_path.parent().unwrap_or(&self.path).join(inner);
        check_inside(&self.path, &path).map_err(|error| match error.fault {
            PackageFault::Missing => PackageError { fault: PackageFault::NoWeights, ..error },
            _ => error,
        })?;
        let file = Arc::new(WeightFile::open(&path)?);
        weights.insert(reference.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    /// The files of weights that were opened so far.
    pub(super) fn opened_weights(&self) -> Vec<PathBuf> {
        let weights = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
        weights.values().map(|file| file.path().to_owned()).collect()
    }
}

/// Decodes a model, the contents of `model.mlmodel`. Bytes of immediate values are shared with `bytes`.
///
/// # Errors
/// If it is no ML Program: [`PackageFault::Kind`], [`PackageFault::NoKind`], [`PackageFault::Decode`]; if it would
/// take too much memory: [`PackageFault::TooManyFields`].
pub fn decode_model(bytes: &Bytes) -> Result<Kept<Model>, PackageFault> {
    // Before everything is decoded: the weights of a neural network lie in the model itself.
    match kind_of(bytes) {
        Some((ML_PROGRAM, _)) => decode_limited(bytes),
        Some((_, kind)) => Err(PackageFault::Kind(kind)),
        None => decode_limited(bytes).and(Err(PackageFault::NoKind)),
    }
}

fn decode_limited(bytes: &Bytes) -> Result<Kept<Model>, PackageFault> {
    let mut buffer = Metered::new(bytes.clone(), MAX_STEPS);
    let model = Kept::<Model>::decode(&mut buffer);
    // First, since what was read then is neither whole nor an error of the file.
    if buffer.is_exhausted() { Err(PackageFault::TooManyFields) } else { Ok(model?) }
}

/// What kind of model the beginning of a file is, if it is one. A model of several kinds, which no writer writes, is
/// of the first that is no ML Program.
fn kind_of(mut bytes: &[u8]) -> Option<(u32, ModelKindName)> {
    let mut found = None;
    while !bytes.is_empty() {
        let Ok((tag, wire_type)) = decode_key(&mut bytes) else { break };
        if let Some((tag, name)) = MODEL_KINDS.iter().find(|(known, _)| *known == tag) {
            found = Some((*tag, ModelKindName(name)));
            if *tag != ML_PROGRAM {
                break;
            }
        }
        if skip_field(wire_type, tag, &mut bytes, DecodeContext::default()).is_err() {
            break;
        }
    }
    found
}

/// Checks that a path is a directory with a manifest, and says what else it is.
fn check_is_package(path: &Path) -> Result<(), PackageError> {
    let error = |fault| Err(PackageError { path: path.to_owned(), fault });
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(source) => return error(PackageFault::from_io(source)),
    };
    if metadata.is_file() {
        return error(what_file(path));
    }
    if !metadata.is_dir() {
        return error(PackageFault::NotRegular);
    }
    if fs::symlink_metadata(path.join(MANIFEST)).is_ok() {
        return Ok(());
    }
    let has_extension = |path: &Path, extension| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension));
    if has_extension(path, "mlmodelc") || path.join("coremldata.bin").exists() {
        return error(PackageFault::Compiled);
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut packages = entries.map(|entry| PathBuf::from(entry.file_name())).filter(|n| has_extension(n, "mlpackage"));
    match packages.next() {
        Some(name) => error(PackageFault::Holds(name.display().to_string())),
        None => error(PackageFault::NoManifest),
    }
}

/// The package that something lies in.
fn package_around(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut around = absolute.ancestors().skip(1).take(8);
    around.find(|directory| directory.join(MANIFEST).is_file()).map(Path::to_owned)
}

/// What a file is that was taken for a package.
fn what_file(path: &Path) -> PackageFault {
    // The kind stands behind the description, before the layers and weights.
    const BEGINNING: u64 = 1 << 20;
    if let Some(package) = package_around(path) {
        return PackageFault::PartOfPackage(package);
    }
    let mut beginning = vec![];
    let read = File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning));
    match (read, kind_of(&beginning)) {
        (Err(source), _) => PackageFault::Io(source),
        // A model begins with its version, a small number in the first field: other files may look like fields too.
        (Ok(_), Some((_, kind))) if beginning.first() == Some(&0x08) => PackageFault::SingleFile(kind),
        _ => PackageFault::NotDirectory,
    }
}

/// Checks that what lies at a path of a package lies in the package, links resolved.
pub(super) fn check_inside(package: &Path, path: &Path) -> Result<(), PackageError> {
    let resolve = |path: &Path| {
        path.canonicalize()
            .map_err(|source| PackageError { path: path.to_owned(), fault: PackageFault::from_io(source) })
    };
    match resolve(path)?.starts_with(resolve(package)?) {
        true => Ok(()),
        false => Err(PackageError { path: path.to_owned(), fault: PackageFault::Link(package.to_owned()) }),
    }
}

/// Reads a whole file of a package.
fn read_limited(package: &Path, path: &Path, limit: u64) -> Result<Bytes, PackageError> {
    let error = |fault| PackageError { path: path.to_owned(), fault };
    check_inside(package, path)?;
    let file = open_regular(path)?;
    let len = file.metadata().map_err(|source| error(PackageFault::Io(source)))?.len();
    if len > limit {
        return Err(error(PackageFault::TooLarge { len, limit }));
    }
    let mut bytes = Vec::with_capacity(len as usize);
    // One more than it had, so that a file that grows is noticed.
    file.take(len + 1).read_to_end(&mut bytes).map_err(|source| error(PackageFault::Io(source)))?;
    if bytes.len() as u64 != len {
        return Err(error(PackageFault::Changed));
    }
    Ok(bytes.into())
}

/// Opens a file, and no pipe or device, on which opening might wait for ever.
pub(super) fn open_regular(path: &Path) -> Result<File, PackageError> {
    let error = |fault| PackageError { path: path.to_owned(), fault };
    let metadata = fs::metadata(path).map_err(|source| error(PackageFault::from_io(source)))?;
    if !metadata.is_file() {
        return Err(error(PackageFault::NotRegular));
    }
    File::open(path).map_err(|source| error(PackageFault::from_io(source)))
}

impl PackageFault {
    /// The fault for what the system said when something was to be read.
    fn from_io(source: io::Error) -> PackageFault {
        match source.kind() {
            io::ErrorKind::NotFound => PackageFault::Missing,
            _ => PackageFault::Io(source),
        }
    }
}
