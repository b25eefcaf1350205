//! What can go wrong with an output, and the way out.

use std::io;
use std::path::{Path, PathBuf};

/// Why an output could not be written. Whatever stood there before still stands there.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Something is there already, and overwriting was not asked for.
    #[error("{}: exists already", .0.display())]
    Exists(PathBuf),
    /// A directory is where a file should be written.
    #[error("{}: is a directory; a file is to be written", .0.display())]
    IsDirectory(PathBuf),
    /// A file is where a directory should be written.
    #[error("{}: is a file; a directory is to be written", .0.display())]
    NotDirectory(PathBuf),
    /// A device, a pipe or the like is where a file should be written.
    #[error("{}: is not a regular file; it cannot be replaced", .0.display())]
    NotRegular(PathBuf),
    /// The path has no last name: `/`, `..` or nothing.
    #[error("`{}`: does not name a file or directory to write", .0.display())]
    NoName(PathBuf),
    /// The output would replace what is being read.
    #[error("{}: the output would replace the input {}", path.display(), input.display())]
    IsInput {
        /// The output.
        path: PathBuf,
        /// The input that it is, or that lies within it.
        input: PathBuf,
    },
    /// The output would come to lie in a package that is being read.
    #[error("{}: the output would lie in the input {}", path.display(), input.display())]
    InInput {
        /// The output.
        path: PathBuf,
        /// The package.
        input: PathBuf,
    },
    /// The directory to write in does not exist.
    #[error("{}: cannot be written: the directory {} does not exist", path.display(), parent.display())]
    NoParent {
        /// The output.
        path: PathBuf,
        /// The directory that is missing.
        parent: PathBuf,
    },
    /// The old directory holds what no model directory holds.
    #[error("{}: will not be replaced: it holds {}, which is not part of a model", path.display(), entry.display())]
    NotAModel {
        /// The output.
        path: PathBuf,
        /// The first entry that is foreign.
        entry: PathBuf,
    },
    /// The old directory holds no model.
    #[error("{}: will not be replaced: the directory holds no model", .0.display())]
    NoModel(PathBuf),
    /// No room.
    #[error("{}: cannot be written: the disk is full, or the quota used up", .0.display())]
    DiskFull(PathBuf),
    /// More than the process may write into one file.
    #[error("{}: cannot be written: a file may not become so large", .0.display())]
    TooLarge(PathBuf),
    /// No right to write there.
    #[error("{}: cannot be written: {source}", path.display())]
    NotWritable {
        /// The output.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else that the system refused.
    #[error("{}: cannot be written: {source}", path.display())]
    Io {
        /// The output.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory was moved aside to be replaced and could be neither replaced nor moved back.
    #[error("{}: could not be replaced ({source}); what was there is now {}", path.display(), aside.display())]
    LeftAside {
        /// The output.
        path: PathBuf,
        /// Where the old directory is now.
        aside: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OutputError {
    /// The error for what the system said when an output was being written.
    pub fn from_io(path: &Path, source: io::Error) -> OutputError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OutputError::DiskFull(path),
            io::ErrorKind::FileTooLarge => OutputError::TooLarge(path),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                OutputError::NotWritable { path, source }
            }
            _ => OutputError::Io { path, source },
        }
    }

    /// The error for what `tempfile` said when something was to be created aside: without the path that it adds,
    /// which nobody knows.
    pub(super) fn from_tempfile(path: &Path, error: io::Error) -> OutputError {
        let text = error.to_string();
        let plain = text.split_once(" at path ").map(|(plain, _)| io::Error::new(error.kind(), plain));
        Self::from_io(path, plain.unwrap_or(error))
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        Some(match self {
            OutputError::Exists(_) => "name another output, or overwrite this one with --force",
            OutputError::IsDirectory(_) | OutputError::NotDirectory(_) | OutputError::NotRegular(_) => {
                "name another output, or move away what is there"
            }
            OutputError::NoName(_) => "end the path in the name to write",
            OutputError::InInput { .. } => "name an output elsewhere: nothing is written into an input",
            OutputError::IsInput { .. } => "name another output: an input is never overwritten, not even with --force",
            OutputError::NoParent { .. } => "create the directory first, or correct the path",
            OutputError::NotAModel { .. } | OutputError::NoModel(_) => {
                "name another output, or remove the old directory yourself"
            }
            OutputError::DiskFull(_) => "free some space, or name an output on another disk; nothing was left behind",
            OutputError::TooLarge(_) => {
                "raise the limit of the shell (`ulimit -f`), or write to a file system that holds larger files; \
                 nothing was left behind"
            }
            OutputError::NotWritable { .. } => "name an output in a directory that you may write to",
            OutputError::LeftAside { .. } => "rename it back once the cause is mended",
            OutputError::Io { .. } => return None,
        })
    }
}
