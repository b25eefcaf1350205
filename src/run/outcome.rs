//! Where a run writes when nobody says so, and what it did in a line.

use std::path::{Path, PathBuf};

use super::statics::is_static;
use super::{OutputFormat, Report};
use crate::check::needs;
use crate::coreml::target::Platform;
use crate::model::Model;
use crate::recipe::Recipe;
use crate::words::{count, counted, percent, shown, size};

/// What a run did, in a line: `31 weights changed, 18 tensors copied: 1.87 MB to 567 kB, 30.3 %; 4.82 bits/weight,
/// 30.6 dB`.
pub fn summary(report: &Report) -> String {
    let total = report.total();
    let share = report.after as f64 / report.before.max(1) as f64;
    let mut line = format!(
        "{} changed, {} copied{}: {} to {}, {}",
        count(total.weights, "weight"),
        count(report.copied, "tensor"),
        if report.as_fp16 > 0 { format!(", {} of them as fp16", report.as_fp16) } else { String::new() },
        size(report.before),
        size(report.after),
        percent(share)
    );
    if total.weights > 0 {
        line += &format!("; {:.2} bits/weight, {}", total.bits(), decibels(total.error.sqnr()));
    }
    line
}

/// What it did to activations, where they are quantized: `activations: codes at 21 places, with 21 ranges from 128
/// samples`.
pub fn activations(report: &Report) -> Option<String> {
    let activations = report.activations?;
    let samples = counted(usize::try_from(activations.samples).unwrap_or(usize::MAX), "sample", "samples");
    let batches = match activations.batches as u64 == activations.samples {
        true => String::new(),
        false => format!(" in {}", counted(activations.batches, "batch", "batches")),
    };
    Some(format!(
        "activations: codes at {}, with {} from {samples}{batches}",
        count(activations.places, "place"),
        count(activations.ranges, "range")
    ))
}

/// What it could not write: `left out: freqs of complex128, which safetensors files have no name for`.
pub fn left_out(report: &Report) -> Option<String> {
    const LISTED: usize = 5;
    let all = &report.left_out;
    let mut listed: Vec<String> =
        all.iter().take(LISTED).map(|(name, dtype)| format!("`{}` of {dtype}", shown(name))).collect();
    if all.len() > LISTED {
        listed.push(format!("{} more", all.len() - LISTED));
    }
    (!all.is_empty()).then(|| format!("left out: {}, which safetensors files have no name for", listed.join(", ")))
}

/// What it wrote, and how long it took.
pub fn written(report: &Report) -> String {
    format!("{} in {:.2} s{}", what(report), report.elapsed.as_secs_f64(), whom(report))
}

/// What it wrote.
pub fn wrote(report: &Report) -> String {
    what(report) + &whom(report)
}

fn what(report: &Report) -> String {
    let (output, format) = (report.output.display(), report.format.word());
    format!("wrote {output} ({format}, {})", size(report.written))
}

/// For which system it is, where the recipe does not say.
fn whom(report: &Report) -> String {
    let told = report.chosen.map(needs::set_of).map(|set| {
        let system = set.on(Platform::Ios).unwrap_or_else(|| set.name.to_owned());
        format!(", for {system} since the recipe names no target")
    });
    told.unwrap_or_default()
}

/// A ratio in dB: `exact` where nothing is lost, `destroyed` where nothing is left, as where a finite value has become
/// NaN.
pub fn decibels(sqnr: f64) -> String {
    match sqnr {
        f64::INFINITY => "exact".into(),
        f64::NEG_INFINITY => "destroyed".into(),
        _ => format!("{sqnr:.1} dB"),
    }
}

/// How and where a run writes: as it is `asked` for, else by the recipe's `output`, else what the model can become. An
/// export becomes a package where the output is called so, or where its activations are quantized, which nothing else
/// holds.
pub fn output(
    recipe: &Recipe,
    model: &Model,
    asked: (Option<PathBuf>, Option<OutputFormat>),
) -> (OutputFormat, PathBuf) {
    let (path, format) = asked;
    let named = path.clone().or_else(|| recipe.output.as_ref().map(|path| recipe.path(path)));
    let format = format.unwrap_or_else(|| match &named {
        None if model.export.is_some() && is_static(recipe) => OutputFormat::MlPackage,
        named => OutputFormat::for_output(model, named.as_deref()),
    });
    (format, path.unwrap_or_else(|| default_output(recipe, model, format)))
}

/// The recipe's `output`, relative to the file that says so; else a name made of the model's and the recipe's, in
/// the current directory: `digits-int8.safetensors`. A path joined from relative ones counts from there too.
pub fn default_output(recipe: &Recipe, model: &Model, format: OutputFormat) -> PathBuf {
    if let Some(output) = &recipe.output {
        return recipe.path(output);
    }
    let source = recipe.sources.first().map_or(Path::new(""), |source| source.path.as_path());
    if format == OutputFormat::MlPackage || model.is_package() {
        let name = joined(&stem(&model.path), &stem(source).replace(['<', '>'], ""), format);
        return PathBuf::from(format!("{name}.mlpackage"));
    }
    let is_directory = model.path.is_dir() || model.files.len() > 1;
    let model_name = if is_directory { whole_name(&model.path) } else { stem(&model.path) };
    let name = joined(&model_name, &stem(source).replace(['<', '>'], ""), format);
    PathBuf::from(if is_directory { name } else { format!("{name}.safetensors") })
}

/// A name made of the model's and a word, in the current directory: `digits-decompressed.safetensors`.
pub fn named_after(model: &Model, word: &str) -> PathBuf {
    if model.is_package() {
        return PathBuf::from(format!("{}-{word}.mlpackage", stem(&model.path)));
    }
    match model.path.is_dir() || model.files.len() > 1 {
        true => PathBuf::from(format!("{}-{word}", whole_name(&model.path))),
        false => PathBuf::from(format!("{}-{word}.safetensors", stem(&model.path))),
    }
}

/// `digits-int8` for a model `digits`, whether the recipe is called so or just `int8`. A recipe that is called as
/// its model is must not write over it.
fn joined(model: &str, recipe: &str, format: OutputFormat) -> String {
    match recipe.strip_prefix(model) {
        Some("") => format!("{model}-{}", format.word()),
        Some(rest) if rest.starts_with(['-', '_', '.']) => recipe.to_string(),
        _ => format!("{model}-{recipe}"),
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or("model".into(), |stem| stem.to_string_lossy().into_owned())
}

/// The name of a directory, dots and all: `Llama-3.2-1B`. `.` has the name that it has from outside.
fn whole_name(directory: &Path) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let real = || directory.canonicalize().ok();
    name(directory).or_else(|| name(&real()?)).unwrap_or_else(|| "model".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::resolve;
    use crate::recipe::source::NoImports;

    #[track_caller]
    fn is(recipe: &str, model: &str, output: &str) {
        let mut opened = Model::listing("a.weight  linear  4x4  fp16\n").unwrap();
        opened.path = PathBuf::from(model);
        if !model.ends_with(".safetensors") {
            opened.files = vec![PathBuf::new(); 2];
        }
        let recipe = resolve(Path::new(recipe), "", &NoImports);
        assert_eq!(default_output(&recipe, &opened, OutputFormat::Packed), Path::new(output));
    }

    #[test]
    fn names_tell_the_model_and_the_recipe() {
        is("q.bitmill", "models/Llama-3.2-1B", "Llama-3.2-1B-q");
        is("q.bitmill", "models/Llama-3.2-1B/", "Llama-3.2-1B-q");
        is("q.bitmill", "digits.v2.safetensors", "digits.v2-q.safetensors");
        is("digits-int8.bitmill", "digits.safetensors", "digits-int8.safetensors");
        is("alpha.bitmill", "a.safetensors", "a-alpha.safetensors");
        is("<stdin>", "a.safetensors", "a-stdin.safetensors");
        is("m.bitmill", "m.safetensors", "m-packed.safetensors");
        assert_ne!(whole_name(Path::new(".")), "model");
    }
}
