//! Unified differences, and files replaced in place.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use similar::TextDiff;

use super::failure::Failure;
use crate::draw::terminal::{Painter, Style, clean};
use crate::formats::output::{Destination, OutputError, PartialFile};

/// A unified difference of two texts of one file.
pub fn unified(path: &Path, old: &str, new: &str, paint: Painter) -> String {
    let name = path.display().to_string();
    let diff = TextDiff::from_lines(old, new);
    let mut text = diff.unified_diff().context_radius(3).header(&format!("a/{name}"), &format!("b/{name}")).to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    if !paint.is_on() {
        // As `patch` wants it: what a terminal dislikes is not escaped here.
        return text;
    }
    let style = |line: &str| match line.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => Style::Bold,
        [b'+', ..] => Style::Good,
        [b'-', ..] => Style::Error,
        [b'@', ..] => Style::Hint,
        _ => Style::Plain,
    };
    text.lines().map(|line| paint.put(style(line), clean(line)) + "\n").collect()
}

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
