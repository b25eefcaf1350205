//! Which recipes a recipe is made of, and which are made of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::workspace::{Unavailable, canonical};
use super::{Analysis, Cancel, Cancelled, World};
use crate::recipe::problem::ProblemKind;
use crate::recipe::{FileId, Place};

/// A recipe and those that it imports.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportNode {
    /// The file.
    pub path: PathBuf,
    /// The statement that imports it; `None` for the recipe itself.
    pub place: Option<Place>,
    /// Why it cannot be read, where it cannot.
    pub missing: Option<String>,
    /// Those that it imports itself, in order.
    pub children: Vec<ImportNode>,
}

/// The tree of imports, the recipe itself at its root. Presets are no files and not in it.
pub fn tree(analysis: &Analysis) -> ImportNode {
    node(analysis, FileId(0))
}

/// The recipe that the import at an offset brings in; the recipe itself where there is none.
pub fn meant(analysis: &Analysis, offset: usize) -> PathBuf {
    let statement = analysis.statement_at(offset).map(|(_, statement)| analysis.place(statement.span));
    let import = tree(analysis).children.into_iter().find(|child| child.place.is_some() && child.place == statement);
    import.map_or_else(|| analysis.path().to_owned(), |child| child.path)
}

/// A recipe with the statements of it that import another one.
pub type Importer = (Arc<Analysis>, Vec<Place>);

/// The recipes that import a file themselves.
///
/// # Errors
/// When the answer is no longer wanted.
pub fn importers(world: &World, path: &Path, cancel: &Cancel) -> Result<Vec<Importer>, Cancelled> {
    let wanted = canonical(path);
    let mut found = Vec::new();
    for path in world.recipes() {
        cancel.check()?;
        let analysis = match world.analysis(&path, cancel) {
            Ok(analysis) => analysis,
            Err(Unavailable::Cancelled(cancelled)) => return Err(cancelled),
            Err(Unavailable::Unreadable(_)) => continue,
        };
        let imports = tree(&analysis).children.into_iter().filter(|child| canonical(&child.path) == wanted);
        let places: Vec<Place> = imports.filter_map(|child| child.place).collect();
        if !places.is_empty() {
            found.push((analysis, places));
        }
    }
    Ok(found)
}

fn node(analysis: &Analysis, file: FileId) -> ImportNode {
    let recipe = analysis.recipe();
    let mut children: Vec<ImportNode> = (0..)
        .map(FileId)
        .zip(&recipe.sources)
        .filter(|(_, source)| !source.preset && source.included_at.is_some_and(|at| at.file == file))
        .map(|(child, _)| node(analysis, child))
        .collect();
    let failed = recipe.problems.iter().filter(|problem| problem.place.file == file);
    children.extend(failed.filter_map(|problem| {
        let (path, why) = match &problem.kind {
            ProblemKind::ImportFailed { path, why, .. } => (path.clone(), why.clone()),
            ProblemKind::ImportCycle { chain } => (chain.last()?.clone(), "it imports itself".to_string()),
            _ => return None,
        };
        Some(ImportNode { path, place: Some(problem.place), missing: Some(why), children: Vec::new() })
    }));
    children.sort_by_key(|child| child.place);
    let place = analysis.source(file).and_then(|source| source.included_at);
    ImportNode { path: analysis.path_of(file).to_owned(), place, missing: None, children }
}
