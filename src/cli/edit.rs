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
    let failed = |error: OutputError| {
        let help = match error {
            OutputError::NotWritable { .. } => {
                "let yourself write to it and to its directory: it is replaced as a whole"
            }
            OutputError::DiskFull(_) => "free some space; the recipe is as it was",
            error => return Failure::from(error),
        };
        Failure::Broken { message: error.to_string(), help: Some(help.to_owned()) }
    };
    let io = |error| failed(OutputError::from_io(path, error));
    // A link leads to the file that is replaced; any other is called as it was named.
    let is_link = fs::symlink_metadata(path).map_err(io)?.is_symlink();
    let real = if is_link { path.canonicalize().map_err(io)? } else { path.to_path_buf() };
    let metadata = fs::metadata(&real).map_err(io)?;
    if metadata.permissions().readonly() {
        return Err(io(io::Error::new(io::ErrorKind::PermissionDenied, "it is write-protected")));
    }
    if fs::read(&real).map_err(|error| Failure::unreadable(path, &error))? != old.as_bytes() {
        return Err(Failure::broken(format!("{}: has changed meanwhile and is left alone", path.display())));
    }
    let mut file = PartialFile::create(&Destination { path: &real, overwrite: true, inputs: &[] }).map_err(failed)?;
    let written = file.write_all(new.as_bytes()).and_then(|()| file.as_file().set_permissions(metadata.permissions()));
    written.map_err(io)?;
    file.commit().map_err(failed)
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
