//! Outputs that appear whole or not at all.
//!
//! Everything is written aside, as `.NAME.partial-…` in the directory of the destination, and renamed when it is
//! complete. What is dropped before that is removed, so an error or a cancelled run leaves nothing. A signal
//! handler that ends the process without unwinding calls [`remove_partials`].

mod directory;
mod error;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

pub use directory::PartialDirectory;
pub use error::OutputError;

/// Where an output goes, and what must survive it.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The file or directory to write. A symbolic link there is replaced, never written through.
    pub path: &'a Path,
    /// Whether what is there may be replaced.
    pub overwrite: bool,
    /// Files and directories that are being read: they are never replaced, through whatever link they are named.
    pub inputs: &'a [PathBuf],
}

impl Destination<'_> {
    /// The directory to write in and the name to write.
    fn split(&self) -> Result<(&Path, String), OutputError> {
        let name = self.path.file_name().ok_or_else(|| OutputError::NoName(self.path.to_owned()))?;
        let parent = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        if !parent.is_dir() {
            return Err(OutputError::NoParent { path: self.path.to_owned(), parent: parent.to_owned() });
        }
        // A directory of a checkpoint may take others beside it; what lies in a package is part of it.
        let is_package = |input: &Path| input.join("Manifest.json").is_file();
        if let Some(input) = self.inputs.iter().find(|input| is_within(parent, input) && is_package(input)) {
            return Err(OutputError::InInput { path: self.path.to_owned(), input: input.clone() });
        }
        Ok((parent, name.to_string_lossy().into_owned()))
    }

    /// What is at the destination now, the link itself if it is one.
    fn existing(&self) -> Result<Option<fs::Metadata>, OutputError> {
        match fs::symlink_metadata(self.path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.io(error)),
        }
    }

    fn check_inputs(&self, is_input: impl Fn(&Path) -> bool) -> Result<(), OutputError> {
        match self.inputs.iter().find(|input| is_input(input)) {
            Some(input) => Err(OutputError::IsInput { path: self.path.to_owned(), input: input.clone() }),
            None => Ok(()),
        }
    }

    fn io(&self, source: io::Error) -> OutputError {
        OutputError::from_io(self.path, source)
    }
}

/// Whether two paths lead to one file or directory, through links of both kinds.
fn is_same(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if let (Ok(a), Ok(b)) = (fs::metadata(a), fs::metadata(b)) {
            return (a.dev(), a.ino()) == (b.dev(), b.ino());
        }
    }
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Whether a path lies within a directory, links resolved.
fn is_within(path: &Path, directory: &Path) -> bool {
    matches!((path.canonicalize(), directory.canonicalize()), (Ok(p), Ok(d)) if p.starts_with(&d))
}

/// The start of the name of what is written aside for a name.
fn partial_prefix(name: &str) -> String {
    // File names have at most 255 bytes on all usual systems.
    let end = (0..=name.len().min(200)).rev().find(|&i| name.is_char_boundary(i)).unwrap_or(0);
    format!(".{}.partial-", &name[..end])
}

/// What is being written in this process.
static PARTIALS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Removes everything that is being written and is not complete. For the handler of a signal that ends the
/// process: it waits for what is just being put in its place, and what is removed can no longer be.
pub fn remove_partials() {
    let mut partials = PARTIALS.lock().unwrap_or_else(PoisonError::into_inner);
    for path in partials.drain(..) {
        // Removal is all that can be tried here: there is nobody left to tell.
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    }
}

/// An entry of [`PARTIALS`], as long as it lives.
#[derive(Debug)]
struct Registered(PathBuf);

impl Registered {
    fn new(path: &Path) -> Registered {
        // Absolute, so that it holds whatever becomes the current directory.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        PARTIALS.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
        Registered(path)
    }

    /// Puts what was written aside in its place, while the handler of a signal waits: between the two renames of
    /// a directory neither the old nor the new one is where it belongs. What else is to be removed if a signal
    /// ends the process afterwards may be added to the list.
    fn complete<T>(
        &self,
        destination: &Path,
        step: impl FnOnce(&mut Vec<PathBuf>) -> Result<T, OutputError>,
    ) -> Result<T, OutputError> {
        let mut partials = PARTIALS.lock().unwrap_or_else(PoisonError::into_inner);
        if !partials.contains(&self.0) {
            return Err(OutputError::from_io(destination, io::Error::from(io::ErrorKind::Interrupted)));
        }
        step(&mut partials)
    }
}

/// Makes the names in a directory reach the disk, where the system can.
fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    match File::open(path).and_then(|directory| directory.sync_all()) {
        // Some file systems cannot, and some directories may be written and not read.
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied) => {
            return Err(error);
        }
        _ => {}
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// As [`sync_directory`], for the directory in which an output has just been put: that the output is there can no
/// longer be undone, so a failure is not told.
fn sync_parent(path: &Path) {
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let _ = sync_directory(parent);
}

impl Drop for Registered {
    fn drop(&mut self) {
        PARTIALS.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| *path != self.0);
    }
}

/// A file that is being written aside. Dropped before [`PartialFile::commit`], it leaves nothing.
#[derive(Debug)]
pub struct PartialFile {
    /// What messages call it: of a file in a directory that is itself written aside, its place in the end.
    path: PathBuf,
    /// Where it is put when it is complete.
    place: PathBuf,
    overwrite: bool,
    file: NamedTempFile,
    registered: Registered,
}

impl PartialFile {
    /// Begins a file.
    ///
    /// # Errors
    /// If the destination exists and may not be replaced, is not a regular file, is an input, or cannot be
    /// written to.
    pub fn create(destination: &Destination) -> Result<PartialFile, OutputError> {
        let (parent, name) = destination.split()?;
        let path = destination.path;
        if let Some(existing) = destination.existing()? {
            destination.check_inputs(|input| is_same(path, input))?;
            if existing.is_dir() || path.is_dir() {
                return Err(OutputError::IsDirectory(path.to_owned()));
            }
            if !existing.is_file() && !existing.is_symlink() {
                return Err(OutputError::NotRegular(path.to_owned()));
            }
            if !destination.overwrite {
                return Err(OutputError::Exists(path.to_owned()));
            }
        }
        Self::begin(parent, &name, path, path, destination.overwrite)
    }

    /// Begins a file `name` in a directory, to be put at `place`, which messages call `path`.
    fn begin(
        parent: &Path,
        name: &str,
        place: &Path,
        path: &Path,
        overwrite: bool,
    ) -> Result<PartialFile, OutputError> {
        let prefix = partial_prefix(name);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As for any new file, the umask decides; by itself `tempfile` lets only the owner read.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(parent).map_err(|error| OutputError::from_tempfile(path, error))?;
        let registered = Registered::new(file.path());
        Ok(PartialFile { path: path.to_owned(), place: place.to_owned(), overwrite, file, registered })
    }

    /// The destination, as messages call it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file as it is being written.
    pub fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// Puts the complete file in its place, in one step, after its bytes have reached the disk.
    ///
    /// # Errors
    /// If the system refuses, or meanwhile something else took the place and may not be replaced.
    pub fn commit(self) -> Result<(), OutputError> {
        let PartialFile { path, place, overwrite, file, registered } = self;
        let io = |error| OutputError::from_io(&path, error);
        file.as_file().sync_all().map_err(io)?;
        registered.complete(&path, |_| {
            if overwrite {
                return file.persist(&place).map(drop).map_err(|e| io(e.error));
            }
            match file.persist_noclobber(&place) {
                Ok(_) => Ok(()),
                Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Err(OutputError::Exists(path.clone())),
                // Some file systems can rename, but neither link nor rename without replacing.
                Err(e) if fs::symlink_metadata(&place).is_err() => {
                    e.file.persist(&place).map(drop).map_err(|e| io(e.error))
                }
                Err(e) => Err(io(e.error)),
            }
        })?;
        sync_parent(&place);
        Ok(())
    }
}

impl Write for PartialFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

#[cfg(test)]
mod tests;
