//! Directories that appear whole or not at all.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{
    Destination, OutputError, PartialFile, Registered, is_same, is_within, partial_prefix, sync_directory, sync_parent,
};

/// A directory that is being written aside. Dropped before [`PartialDirectory::commit`], it leaves nothing.
#[derive(Debug)]
pub struct PartialDirectory {
    destination: PathBuf,
    overwrite: bool,
    directory: TempDir,
    registered: Registered,
}

impl PartialDirectory {
    /// Begins a directory. Its files are written under [`PartialDirectory::path`].
    ///
    /// An old directory is replaced only if it holds a model, and nothing but what model directories hold, so that
    /// a mistyped path does not cost a home directory, or one of notes.
    ///
    /// # Errors
    /// If the destination exists and may not be replaced, is a file, is or holds an input, or cannot be written
    /// to.
    pub fn create(destination: &Destination) -> Result<PartialDirectory, OutputError> {
        let (parent, name) = destination.split()?;
        let path = destination.path;
        if let Some(existing) = destination.existing()? {
            destination.check_inputs(|input| is_same(path, input) || is_within(input, path))?;
            if !existing.is_dir() {
                return Err(OutputError::NotDirectory(path.to_owned()));
            }
            if !destination.overwrite {
                return Err(OutputError::Exists(path.to_owned()));
            }
            check_replaceable(destination)?;
        }
        let prefix = partial_prefix(&name);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        let directory = builder.tempdir_in(parent).map_err(|error| OutputError::from_tempfile(path, error))?;
        let registered = Registered::new(directory.path());
        Ok(PartialDirectory { destination: path.to_owned(), overwrite: destination.overwrite, directory, registered })
    }

    /// The directory to write into.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Begins a file in the directory. Messages call it by its place in the end.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn file(&self, name: impl AsRef<OsStr>) -> Result<PartialFile, OutputError> {
        let (inside, name) = (self.path(), name.as_ref());
        let prefix = name.to_string_lossy();
        PartialFile::begin(inside, &prefix, &inside.join(name), &self.destination.join(name), false)
    }

    /// Puts the complete directory in its place. An old one is moved aside first and removed last, and moved back
    /// if the new one cannot take its place.
    ///
    /// # Errors
    /// If the system refuses, or meanwhile something else took the place and may not be replaced.
    pub fn commit(self) -> Result<(), OutputError> {
        let PartialDirectory { destination, overwrite, directory, registered } = self;
        let io = |error| OutputError::from_io(&destination, error);
        sync_directory(directory.path()).map_err(io)?;
        let aside = registered.complete(&destination, |partials| match fs::symlink_metadata(&destination) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::rename(directory.path(), &destination).map_err(io)?;
                Ok(None)
            }
            Err(error) => Err(io(error)),
            Ok(_) if !overwrite => Err(OutputError::Exists(destination.clone())),
            Ok(existing) if !existing.is_dir() => Err(OutputError::NotDirectory(destination.clone())),
            Ok(_) => {
                let aside = replace(directory.path(), &destination)?;
                let absolute = std::path::absolute(&aside).unwrap_or_else(|_| aside.clone());
                partials.push(absolute.clone());
                Ok(Some((aside, Registered(absolute))))
            }
        })?;
        // It has another name now, under which it stays.
        let _ = directory.keep();
        sync_parent(&destination);
        if let Some((aside, _registered)) = aside {
            // The new directory is in its place: that remains of the old one cannot be removed is no failure of it.
            let _ = fs::remove_dir_all(&aside);
        }
        Ok(())
    }
}

/// Puts `new` in the place of the directory `old`, and returns where the old one is now.
fn replace(new: &Path, old: &Path) -> Result<PathBuf, OutputError> {
    let io = |error| OutputError::from_io(old, error);
    let mut aside = new.as_os_str().to_owned();
    aside.push(".old");
    let aside = PathBuf::from(aside);
    fs::rename(old, &aside).map_err(io)?;
    if let Err(source) = fs::rename(new, old) {
        return Err(match fs::rename(&aside, old) {
            Ok(()) => io(source),
            Err(_) => OutputError::LeftAside { path: old.to_owned(), aside, source },
        });
    }
    Ok(aside)
}

/// Names that directories of models hold: Core ML packages, checkpoints, tokenizers, their descriptions.
const NAMES: &[&str] = &["executorch_debug_handle_mapping.json", ".DS_Store", ".gitattributes", "LICENSE"];
const EXTENSIONS: &[&str] =
    &["safetensors", "json", "jsonl", "txt", "md", "model", "jinja", "tiktoken", "bitmill", "lock"];
/// What a Core ML package holds: its manifest, and the directory that the manifest describes.
const MANIFEST: &str = "Manifest.json";
const DATA: &str = "Data";

/// Refuses to replace a directory that holds no model, or anything that is not part of one.
fn check_replaceable(destination: &Destination) -> Result<(), OutputError> {
    let path = destination.path;
    let io = |error| destination.io(error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        entries.push((PathBuf::from(entry.file_name()), entry.file_type().map_err(io)?.is_dir()));
    }
    // The first in order is named, whatever order the system lists them in.
    entries.sort();
    let has_extension = |name: &Path, known: &str| name.extension() == Some(OsStr::new(known));
    let is_file = |name: &str| entries.iter().any(|(entry, directory)| !directory && entry == Path::new(name));
    let is_package = is_file(MANIFEST);
    let is_known = |(name, directory): &(PathBuf, bool)| match directory {
        true => is_package && name == Path::new(DATA),
        false => {
            NAMES.iter().any(|known| name == Path::new(known))
                || EXTENSIONS.iter().any(|known| has_extension(name, known))
        }
    };
    if let Some((entry, _)) = entries.iter().find(|entry| !is_known(entry)) {
        return Err(OutputError::NotAModel { path: path.to_owned(), entry: entry.clone() });
    }
    let has_tensors = entries.iter().any(|(name, directory)| !directory && has_extension(name, "safetensors"));
    // An empty directory is nobody's loss.
    if !entries.is_empty() && !is_package && !has_tensors {
        return Err(OutputError::NoModel(path.to_owned()));
    }
    Ok(())
}
