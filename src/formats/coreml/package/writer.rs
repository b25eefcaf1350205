//! Writing a package.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use prost::Message;

use crate::element::ElementType;
use crate::formats::byte_count;
use crate::formats::coreml::blob::{Blob, BlobWriteError, BlobWriter};
use crate::formats::coreml::manifest::{APPLE, Item, Manifest, inner_path};
use crate::formats::coreml::proto::{Kept, Model};
use crate::formats::output::{Destination, OutputError, PartialDirectory};

use super::reader::{check_inside, open_regular};
use super::{DATA, MANIFEST, MAX_MODEL, Package, PackageError, PackageFault, PackageWriteError};

/// The files of a package that is written, relative to its `Data` directory.
const MODEL_ITEM: &str = "com.apple.CoreML/model.mlmodel";
const WEIGHTS_ITEM: &str = "com.apple.CoreML/weights";
const WEIGHT_BIN: &str = "com.apple.CoreML/weights/weight.bin";

/// A package that is being written aside. Dropped before [`PackageWriter::commit`], it leaves nothing.
///
/// Blobs go to one file, to which programs refer as [`super::WEIGHT_FILE`]. It begins with the first blob: a package
/// without any has an empty directory `weights`, as upstream writes it. The bytes of a package depend on what was
/// written alone.
#[derive(Debug)]
pub struct PackageWriter {
    destination: PathBuf,
    directory: PartialDirectory,
    weights: Option<BlobWriter<BufWriter<File>>>,
    /// The items that are kept of another package, and what else its manifest holds.
    kept: Manifest,
}

impl PackageWriter {
    /// Begins a package.
    ///
    /// # Errors
    /// As [`PartialDirectory::create`].
    pub fn create(destination: &Destination) -> Result<PackageWriter, OutputError> {
        let directory = PartialDirectory::create(destination)?;
        let weights = directory.path().join(DATA).join(WEIGHTS_ITEM);
        fs::create_dir_all(weights).map_err(|error| OutputError::from_io(destination.path, error))?;
        let kept = Manifest::default();
        Ok(PackageWriter { destination: destination.path.to_owned(), directory, weights: None, kept })
    }

    /// Writes a blob and gives its offset, by which the program refers to it: [`BlobWriter::push`].
    ///
    /// # Errors
    /// As [`BlobWriter::push`].
    pub fn push(&mut self, element: ElementType, elements: u64, bytes: &[u8]) -> Result<u64, PackageWriteError> {
        self.with_weights(|weights| weights.push(element, elements, bytes))
    }

    /// Writes a blob piece by piece: [`BlobWriter::push_with`].
    ///
    /// # Errors
    /// As [`BlobWriter::push_with`].
    pub fn push_with(
        &mut self,
        element: ElementType,
        elements: u64,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<u64, PackageWriteError> {
        self.with_weights(|weights| weights.push_with(element, elements, write))
    }

    /// Writes a blob of another package as it is.
    ///
    /// # Errors
    /// As [`BlobWriter::copy`].
    pub fn copy(&mut self, blob: &Blob) -> Result<u64, PackageWriteError> {
        self.with_weights(|weights| weights.copy(blob))
    }

    /// Copies everything of a package that is neither its model nor weights: items of others, extra files, what its
    /// manifest holds and bitmill does not know. Files of weights are those that were opened through the package,
    /// and `weights/weight.bin`.
    ///
    /// # Errors
    /// If a file cannot be read or written, or is a link out of the package.
    pub fn keep_extras(&mut self, input: &Package) -> Result<(), PackageWriteError> {
        let weights = input.model_path().parent().unwrap_or(input.path()).join("weights/weight.bin");
        let mut left_out = input.opened_weights();
        left_out.extend([weights, input.model_path().to_owned(), input.path().join(MANIFEST)]);
        let mut inner_directories = vec![PathBuf::new()];
        while let Some(inner) = inner_directories.pop() {
            for name in sorted_names(&input.path().join(&inner))? {
                let inner = inner.join(name);
                let from = input.path().join(&inner);
                if left_out.contains(&from) || self.is_own(&inner) {
                    continue;
                }
                let metadata = fs::symlink_metadata(&from).map_err(|source| unreadable(&from, source))?;
                if metadata.is_dir() {
                    // The package that is being written, if it is written into the one that is read.
                    if matches!((from.canonicalize(), self.directory.path().canonicalize()), (Ok(a), Ok(b)) if a == b) {
                        continue;
                    }
                    fs::create_dir_all(self.directory.path().join(&inner)).map_err(|error| self.io(&inner, error))?;
                    inner_directories.push(inner);
                } else {
                    check_inside(input.path(), &from)?;
                    self.copy_file(&from, &inner)?;
                }
            }
        }
        let manifest = input.manifest();
        let is_own = |item: &Item| (item.author.as_str(), item.name.as_str()) == (APPLE, "weights");
        let items = manifest.items.iter().filter(|item| item.identifier != manifest.root && !is_own(item));
        // Only what was copied: upstream takes no package whose manifest names what is not there.
        let was_copied = |item: &&Item| {
            let inner = inner_path(&item.path).map(|path| Path::new(DATA).join(path));
            inner.is_some_and(|inner| !self.is_own(&inner) && self.directory.path().join(inner).exists())
        };
        self.kept.items = items.filter(was_copied).cloned().collect();
        self.kept.extra = manifest.extra.clone();
        Ok(())
    }

    /// Writes model and manifest, and puts the package in its place.
    ///
    /// # Errors
    /// If it cannot be written, or the model is larger than a model may be.
    pub fn commit(self, model: &Kept<Model>) -> Result<(), PackageWriteError> {
        let data = Path::new(DATA);
        let len = model.encoded_len() as u64;
        if len > MAX_MODEL {
            let (len, limit) = (byte_count(len), byte_count(MAX_MODEL));
            let why =
                format!("the program would have {len}, and may have {limit}: its constants belong into weight.bin");
            return Err(self.io(&data.join(MODEL_ITEM), io::Error::other(why)).into());
        }
        let model = model.encode_to_vec();
        self.write(&data.join(MODEL_ITEM), &model)?;
        self.write(Path::new(MANIFEST), self.manifest(&model).to_text().as_bytes())?;
        let PackageWriter { destination, directory, weights, .. } = self;
        if let Some(weights) = weights {
            let path = destination.join(DATA).join(WEIGHT_BIN);
            let out = weights.finish().map_err(|source| blob_error(&path, source))?;
            let file = out.into_inner().map_err(io::IntoInnerError::into_error);
            file.and_then(|file| file.sync_all()).map_err(|error| OutputError::from_io(&path, error))?;
        }
        Ok(directory.commit()?)
    }

    /// The manifest: the model, the weights, and what is kept.
    fn manifest(&self, model: &[u8]) -> Manifest {
        let mut manifest = self.kept.clone();
        let items = [
            (MODEL_ITEM, "model.mlmodel", "CoreML Model Specification"),
            (WEIGHTS_ITEM, "weights", "CoreML Model Weights"),
        ];
        for (path, name, description) in items {
            let mut salt = 0u8;
            let mut identifier = identifier(path, model, salt);
            while manifest.items.iter().any(|item| item.identifier == identifier) {
                salt = salt.wrapping_add(1);
                identifier = self::identifier(path, model, salt);
            }
            if path == MODEL_ITEM {
                manifest.root.clone_from(&identifier);
            }
            let (path, name, description) = (path.to_owned(), name.to_owned(), description.to_owned());
            let author = APPLE.to_owned();
            manifest.items.push(Item { identifier, path, name, author, description, extra: Default::default() });
        }
        manifest
    }

    /// Whether a path in the package is one that the writer itself writes.
    fn is_own(&self, inner: &Path) -> bool {
        let data = Path::new(DATA);
        inner == Path::new(MANIFEST) || inner == data.join(MODEL_ITEM) || inner == data.join(WEIGHT_BIN)
    }

    fn with_weights<T>(
        &mut self,
        write: impl FnOnce(&mut BlobWriter<BufWriter<File>>) -> Result<T, BlobWriteError>,
    ) -> Result<T, PackageWriteError> {
        let inner = Path::new(DATA).join(WEIGHT_BIN);
        let path = self.destination.join(&inner);
        let weights = match &mut self.weights {
            Some(weights) => weights,
            None => {
                let file = File::create(self.directory.path().join(&inner)).and_then(|file| {
                    // Large enough that writing large weights is writing large pieces.
                    BlobWriter::create(BufWriter::with_capacity(1 << 20, file))
                });
                self.weights.insert(file.map_err(|error| OutputError::from_io(&path, error))?)
            }
        };
        write(weights).map_err(|source| blob_error(&path, source))
    }

    fn copy_file(&self, from: &Path, inner: &Path) -> Result<(), PackageWriteError> {
        let mut input = open_regular(from)?;
        let out = File::create(self.directory.path().join(inner));
        let copied = out.and_then(|mut out| {
            io::copy(&mut input, &mut out)?;
            out.sync_all()
        });
        Ok(copied.map_err(|error| self.io(inner, error))?)
    }

    fn write(&self, inner: &Path, bytes: &[u8]) -> Result<(), OutputError> {
        let file = File::create(self.directory.path().join(inner));
        let written = file.and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(|error| self.io(inner, error))
    }

    fn io(&self, inner: &Path, error: io::Error) -> OutputError {
        OutputError::from_io(&self.destination.join(inner), error)
    }
}

fn blob_error(path: &Path, source: BlobWriteError) -> PackageWriteError {
    match source {
        BlobWriteError::Io(error) => OutputError::from_io(path, error).into(),
        source => PackageWriteError::Blob { path: path.to_owned(), source },
    }
}

fn unreadable(path: &Path, source: io::Error) -> PackageError {
    PackageError { path: path.to_owned(), fault: PackageFault::Io(source) }
}

/// The names in a directory, in an order that is always the same.
fn sorted_names(directory: &Path) -> Result<Vec<std::ffi::OsString>, PackageError> {
    let entries = fs::read_dir(directory).and_then(|entries| entries.map(|e| Ok(e?.file_name())).collect());
    let mut names: Vec<_> = entries.map_err(|source| unreadable(directory, source))?;
    names.sort();
    Ok(names)
}

/// A UUID (version 8 of RFC 9562, by FNV-1a) for an item of a package with a model.
fn identifier(path: &str, model: &[u8], salt: u8) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let bytes = path.as_bytes().iter().chain([&salt]).chain(model);
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
    let hash = (hash & !(0xf << 76) & !(0b11 << 62)) | (0x8 << 76) | (0b10 << 62);
    let hex = format!("{hash:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_uuids_of_version_8() {
        let id = identifier("a", b"model", 0);
        assert_eq!(id, identifier("a", b"model", 0));
        insta::assert_snapshot!(id, @"89a04ff4-0d4f-878d-a922-0a183976d081");
        let others = [identifier("b", b"model", 0), identifier("a", b"models", 0), identifier("a", b"model", 1)];
        assert!(others.iter().all(|other| *other != id && other.len() == 36));
        for id in others {
            assert!(id.as_bytes()[14] == b'8' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
        }
    }
}
