//! Texts of recipes from disk and from streams, and why there may be none.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::model::ModelError;
use crate::nearest::nearest_beside;
use crate::recipe::Loader;

/// Most bytes of a recipe: more is a mistaken file, not a recipe.
pub const LARGEST_RECIPE: u64 = 64 << 20;

/// Why a recipe or its model cannot be read.
#[derive(Debug, Error)]
pub enum ProjectError {
    /// There is no such file.
    #[error("{}: there is no such file", path.display())]
    Missing {
        /// As given.
        path: PathBuf,
        /// A file beside it with nearly the same name.
        nearest: Option<PathBuf>,
    },
    /// A directory is where a recipe should be.
    #[error("{}: is a directory, not a recipe", .0.display())]
    Directory(PathBuf),
    /// Bytes that are no text.
    #[error("{}:{line}:{column}: is not UTF-8 text: byte {offset} is {byte:#04x}", path.display())]
    NotUtf8 {
        /// As given.
        path: PathBuf,
        /// Where, in bytes from the start.
        offset: usize,
        /// The byte there.
        byte: u8,
        /// Its line, counted from 1.
        line: usize,
        /// Its column in characters, counted from 1.
        column: usize,
    },
    /// More bytes than a recipe has.
    #[error("{}: is larger than the {} MB that a recipe may have", .0.display(), LARGEST_RECIPE >> 20)]
    TooLarge(PathBuf),
    /// Whatever else the system says.
    #[error("{}: cannot be read: {source}", path.display())]
    Io {
        /// As given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The model that was asked for cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl ProjectError {
    /// What to do about it, where something can be said.
    pub fn help(&self) -> Option<String> {
        match self {
            ProjectError::Missing { nearest: Some(near), .. } => {
                Some(format!("there is {}, with nearly that name", near.display()))
            }
            ProjectError::Directory(path) => Some(match recipes_in(path).as_slice() {
                [] => "name a recipe, a file that ends in .bitmill".to_string(),
                [first, ..] => format!("name a recipe in it, such as {}", first.display()),
            }),
            ProjectError::NotUtf8 { byte, .. } => Some(match byte {
                0xfe | 0xff => "save it as UTF-8; it looks like UTF-16".to_string(),
                _ => "save it as UTF-8, or name the recipe and not the model".to_string(),
            }),
            _ => None,
        }
    }
}

/// The recipes directly in a directory, sorted by name.
pub fn recipes_in(directory: &Path) -> Vec<PathBuf> {
    let directory = if directory == Path::new("") { Path::new(".") } else { directory };
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let is_recipe = |path: &PathBuf| path.extension().is_some_and(|e| e == "bitmill") && path.is_file();
    let mut recipes: Vec<PathBuf> = paths.filter(is_recipe).collect();
    recipes.sort();
    recipes.into_iter().map(|path| path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path)).collect()
}

/// Reads the text of a recipe.
///
/// # Errors
/// See [`ProjectError`].
pub fn read_text(path: &Path) -> Result<String, ProjectError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ProjectError::Missing {
            path: path.to_path_buf(),
            nearest: nearest_beside(path).map(|name| path.with_file_name(name)),
        },
        io::ErrorKind::IsADirectory => ProjectError::Directory(path.to_path_buf()),
        _ => ProjectError::Io { path: path.to_path_buf(), source },
    };
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(ProjectError::Directory(path.to_path_buf()));
    }
    read_from(path, file)
}

/// Reads the text of a recipe from a stream, such as standard input; `path` is what messages call it.
///
/// # Errors
/// See [`ProjectError`].
pub fn read_from(path: &Path, stream: impl Read) -> Result<String, ProjectError> {
    let mut bytes = Vec::new();
    let read = stream.take(LARGEST_RECIPE + 1).read_to_end(&mut bytes);
    read.map_err(|source| ProjectError::Io { path: path.to_path_buf(), source })?;
    if bytes.len() as u64 > LARGEST_RECIPE {
        return Err(ProjectError::TooLarge(path.to_path_buf()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = String::from_utf8_lossy(&bytes[..offset]);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ProjectError::NotUtf8 {
            path: path.to_path_buf(),
            offset,
            byte: bytes.get(offset).copied().unwrap_or(0),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    })
}

/// Recipes on disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Loader for Disk {
    fn load(&self, path: &Path) -> io::Result<String> {
        read_text(path).map_err(|error| match error {
            ProjectError::Missing { .. } => io::Error::new(io::ErrorKind::NotFound, "there is no such file"),
            ProjectError::Directory(_) => io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"),
            ProjectError::NotUtf8 { offset, byte, .. } => io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it is not UTF-8 text: byte {offset} is {byte:#04x}"),
            ),
            ProjectError::TooLarge(_) => io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than any recipe"),
            ProjectError::Io { source, .. } => source,
            ProjectError::Model(error) => io::Error::other(error.to_string()),
        })
    }

    fn canonical(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
    }
}
