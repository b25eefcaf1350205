//! Files replaced in place.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::failure::Failure;
use crate::formats::output::{Destination, OutputError, PartialFile};

/// Replaces the text of a file, in one step: whole or not at all. The file keeps its permissions, and a link
/// stays a link.
///
/// # Errors
/// If the file is write-protected, has changed since `old` was read from it, or cannot be written.
pub fn replace(path: &Path, old: &str, new: &str) -> Result<(), Failure> {
    let real = path.canonicalize().map_err(|error| OutputError::from_io(path, error))?;
    let metadata = fs::metadata(&real).map_err(|error| OutputError::from_io(path, error))?;
    if metadata.permissions().readonly() {
        let source = io::Error::new(io::ErrorKind::PermissionDenied, "it is write-protected");
        return Err(OutputError::from_io(path, source).into());
    }
    if fs::read(&real).map_err(|error| Failure::unreadable(path, &error))? != old.as_bytes() {
        return Err(Failure::broken(format!("{}: has changed meanwhile and is left alone", path.display())));
    }
    let mut file = PartialFile::create(&Destination { path: &real, overwrite: true, inputs: &[] })?;
    let written = file.write_all(new.as_bytes()).and_then(|()| file.as_file().set_permissions(metadata.permissions()));
    written.map_err(|error| OutputError::from_io(path, error))?;
    Ok(file.commit()?)
}

/// Writes a new file, whole or not at all.
///
/// # Errors
/// If something is there and may not be replaced, or the file cannot be written.
pub fn create(path: &Path, text: &str, overwrite: bool, inputs: &[std::path::PathBuf]) -> Result<(), Failure> {
    let mut file = PartialFile::create(&Destination { path, overwrite, inputs })?;
    file.write_all(text.as_bytes()).map_err(|error| OutputError::from_io(path, error))?;
    Ok(file.commit()?)
}
