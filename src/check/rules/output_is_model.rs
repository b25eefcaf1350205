//! Recipes that would write over their model.

use std::path::{Component, Path, PathBuf};

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::{Placed, Recipe};

/// The rule.
pub const RULE: Rule = Rule {
    code: "output-is-model",
    severity: Severity::Error,
    title: "the output has the same path as the model",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
A run reads the model while it writes the output, so the two cannot be one file. And what quantization throws away is
gone: a model that is written over cannot be quantized again in another way.

Paths are compared as they are written, each from the directory of the file that holds the statement.
",
    examples: &[Example::recipe(
        "model \"digits.safetensors\"\ntarget iOS18\nlinear => int4 per-group(32)\noutput \"./digits.safetensors\"\n",
        "model \"digits.safetensors\"\ntarget iOS18\nlinear => int4 per-group(32)\noutput \"digits-quantized.safetensors\"\n",
    )],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on output"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let Some(output) = &recipe.output else {
        return;
    };
    let to = resolved(recipe, output);
    let model = recipe.model.as_ref();
    let is_model = model.is_some_and(|model| resolved(recipe, model) == to);
    let files = context.model.map_or(&[][..], |(model, _)| &model.files);
    if !is_model && !files.iter().any(|file| tidy(file) == to) {
        return;
    }
    let finding = report.add(output.place, "the output would be written over the model");
    finding.label_if(recipe.model_place(), "the model is read from here");
    finding.help("write it beside the model, under another name");
    if let Some(name) = another_name(&output.value) {
        finding.suggest(format!("write to `{name}`"), output.place, format!("\"{name}\""));
    }
}

/// A path as the file that holds it means it.
fn resolved(recipe: &Recipe, path: &Placed<String>) -> PathBuf {
    let source = recipe.sources.get(path.place.file.0 as usize);
    let directory = source.and_then(|source| source.path.parent()).unwrap_or(Path::new(""));
    tidy(&directory.join(&path.value))
}

/// The path without `.` and `..`, as far as the text tells.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if tidy.file_name().is_some() => _ = tidy.pop(),
            other => tidy.push(other),
        }
    }
    tidy
}

/// `digits-quantized.safetensors` for `digits.safetensors`.
fn another_name(path: &str) -> Option<String> {
    let path = path.trim_end_matches('/');
    if path.is_empty() || path.contains(['"', '\\']) {
        return None;
    }
    let name_at = path.rfind('/').map_or(0, |slash| slash + 1);
    Some(match path[name_at..].rfind('.').filter(|dot| *dot > 0) {
        Some(dot) => format!("{}-quantized{}", &path[..name_at + dot], &path[name_at + dot..]),
        None => format!("{path}-quantized"),
    })
}
