//! Paths in a recipe that lead somewhere.

use std::path::{Path, PathBuf};

use super::walk::{self, Role};
use super::{Analysis, ModelState};
use crate::syntax::Span;

/// A text that names a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The path as written, without its quotes.
    pub span: Span,
    /// The file, which is there.
    pub path: PathBuf,
    /// What opening it shows.
    pub tooltip: &'static str,
}

/// The paths of models, imports, samples and outputs that are there.
pub fn document_links(analysis: &Analysis) -> Vec<Link> {
    let directory = analysis.path().parent().unwrap_or(Path::new(""));
    let leaves = analysis.statements().iter().flat_map(walk::leaves);
    let link = |leaf: walk::Leaf| {
        let (path, tooltip) = match leaf.role {
            Role::ModelPath => match analysis.model_state() {
                // Where settings say where it was found.
                ModelState::Open(open) => (open.model.path.clone(), "the model"),
                _ => (directory.join(leaf.text), "the model"),
            },
            Role::ImportPath => (directory.join(leaf.text), "the imported recipe"),
            Role::OtherPath => (directory.join(leaf.text), "the file"),
            _ => return None,
        };
        let is_imported = analysis.recipe().sources.iter().any(|source| source.path == path);
        let span = Span::new(leaf.span.start + 1, leaf.span.end.saturating_sub(1).max(leaf.span.start + 1));
        (!leaf.text.is_empty() && (is_imported || path.exists())).then_some(Link { span, path, tooltip })
    };
    leaves.filter_map(link).collect()
}
