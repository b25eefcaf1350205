//! Which recipes a recipe is made of.

use std::path::PathBuf;

use super::Analysis;
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
