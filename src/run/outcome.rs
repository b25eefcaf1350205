//! Where a run writes when nobody says so.

use std::path::{Path, PathBuf};

use crate::model::Model;
use crate::recipe::Recipe;

/// The recipe's `output`, relative to the recipe's file; else a name made of the model's and the recipe's, in
/// the current directory: `digits-int8.safetensors`.
pub fn default_output(recipe: &Recipe, model: &Model) -> PathBuf {
    let source = recipe.sources.first().map_or(Path::new(""), |source| source.path.as_path());
    if let Some(output) = &recipe.output {
        return source.parent().unwrap_or(Path::new("")).join(&output.value);
    }
    let stem = |path: &Path| path.file_stem().map_or("model".into(), |stem| stem.to_string_lossy().into_owned());
    let model_stem = stem(&model.path);
    let recipe_stem = stem(source).replace(['<', '>'], "");
    // `digits-int8` for a model `digits` is clear enough without saying `digits` twice.
    let name = match recipe_stem.strip_prefix(&model_stem) {
        Some(_) => recipe_stem,
        None => format!("{model_stem}-{recipe_stem}"),
    };
    let directory = model.path.is_dir() || model.files.len() > 1;
    PathBuf::from(if directory { name } else { format!("{name}.safetensors") })
}
