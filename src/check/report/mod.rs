//! Findings for other programs: JSON, SARIF, annotations of a GitHub workflow. Knows no terminals.

mod github;
pub mod json;
mod sarif;

use std::cell::OnceCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::recipe::{Place, Recipe};
use crate::syntax::{LineIndex, Unit};
pub use github::github;
pub use json::Document;
pub use sarif::sarif;

/// A checked recipe: what a report is made of.
#[derive(Debug)]
pub struct Checked<'a> {
    /// The recipe's path as given.
    pub path: &'a Path,
    /// The recipe.
    pub recipe: &'a Recipe,
    /// What was found, in the order of the text.
    pub findings: Vec<&'a Finding>,
}

/// A line and a column, in characters (Unicode scalar values), both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A recipe that could not be read.
#[derive(Debug, Clone)]
pub struct Failed {
    /// As given.
    pub path: PathBuf,
    /// Why, path and place included.
    pub message: String,
}

/// Leaves out what an earlier recipe has reported already, of files that several import.
pub fn distinct(checked: &mut [Checked], canonical: impl Fn(&Path) -> PathBuf) {
    let mut seen = HashSet::new();
    for one in checked {
        let sources = &one.recipe.sources;
        let paths: Vec<PathBuf> = sources.iter().map(|source| canonical(&source.path)).collect();
        one.findings.retain(|finding| {
            let path = paths.get(finding.place.file.0 as usize).cloned();
            seen.insert((path, finding.place.span, finding.code, finding.message.clone()))
        });
    }
}

/// A place as other programs name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region<'a> {
    /// The file.
    pub path: &'a Path,
    /// Where it begins.
    pub start: Position,
    /// Just behind its last character.
    pub end: Position,
}

/// The texts of a recipe with their lines, found when they are first asked for.
#[derive(Debug)]
pub struct Texts<'a> {
    recipe: &'a Recipe,
    lines: Vec<OnceCell<LineIndex>>,
}

impl<'a> Texts<'a> {
    /// The texts of a recipe.
    pub fn new(recipe: &'a Recipe) -> Self {
        Self { recipe, lines: recipe.sources.iter().map(|_| OnceCell::new()).collect() }
    }

    /// Where a place is. What lies in an expanded preset is shown where the preset is extended.
    pub fn region(&self, place: Place) -> Region<'a> {
        let place = self.recipe.visible(place);
        let path = self.recipe.sources.get(place.file.0 as usize).map_or(Path::new(""), |source| &source.path);
        Region { path, start: self.position(place, place.span.start), end: self.position(place, place.span.end) }
    }

    /// Where something is written, in few letters: `line 7`, or `base.bitmill:7` in an imported file.
    pub fn location(&self, place: Place) -> String {
        let region = self.region(place);
        let main = self.recipe.sources.first().map(|source| source.path.as_path());
        if main == Some(region.path) {
            format!("line {}", region.start.line)
        } else {
            format!("{}:{}", region.path.display(), region.start.line)
        }
    }

    /// The lines of the text that a place lies in.
    pub fn lines(&self, place: Place) -> Option<&LineIndex> {
        let index = place.file.0 as usize;
        let source = self.recipe.sources.get(index)?;
        Some(self.lines.get(index)?.get_or_init(|| LineIndex::new(&source.text)))
    }

    fn position(&self, place: Place, offset: u32) -> Position {
        let index = place.file.0 as usize;
        match (self.recipe.sources.get(index), self.lines(place)) {
            (Some(source), Some(lines)) => {
                let at = lines.place(&source.text, offset, Unit::Utf32);
                Position { line: at.line as usize + 1, column: at.column as usize + 1 }
            }
            _ => Position { line: 1, column: 1 },
        }
    }
}
