//! The texts that make up a recipe, and places in them.

use std::io;
use std::path::{Path, PathBuf};

use crate::syntax::{Allow, Span, tree};

/// One of the texts of a recipe: an index into `Recipe::sources`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FileId(pub u32);

/// A range of bytes in one of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Place {
    /// Which text.
    pub file: FileId,
    /// Where in it.
    pub span: Span,
}

impl Place {
    /// A place in a text.
    pub const fn new(file: FileId, span: Span) -> Self {
        Self { file, span }
    }

    /// The smallest place that covers both; `self` when they are in different texts.
    pub fn to(self, other: Place) -> Place {
        if self.file == other.file { Place::new(self.file, self.span.to(other.span)) } else { self }
    }
}

/// A value and the place that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub place: Place,
}

impl<T> Placed<T> {
    /// A value at a place.
    pub const fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}

/// One text: the recipe itself, an import, or the expansion of a preset.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path as given or as joined from the importing file; a preset's name in angle brackets.
    pub path: PathBuf,
    /// The text.
    pub text: String,
    /// Its tree.
    pub tree: tree::File,
    /// Comments that silence findings.
    pub allows: Vec<Allow>,
    /// The statement that brought it in; `None` for the recipe itself.
    pub included_at: Option<Place>,
    /// Whether it is the expansion of a preset, so that no reader ever sees its text.
    pub preset: bool,
}

/// Where imported recipes come from: a disk, an editor's unsaved buffers, a test.
pub trait Loader {
    /// The text of a recipe.
    ///
    /// # Errors
    /// Whatever reading it gives; text that is not UTF-8 is `InvalidData`.
    fn load(&self, path: &Path) -> io::Result<String>;

    /// A path in the form in which two names of one file are equal.
    fn canonical(&self, path: &Path) -> PathBuf {
        path.to_path_buf()
    }
}

/// A world without files: every import is missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoImports;

impl Loader for NoImports {
    fn load(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }
}
