//! What tests of the checker share: recipes in the world of an example, and findings as plain text.

#![allow(dead_code)] // Each test binary uses its part.

use std::fmt::Write;
use std::io;
use std::path::Path;

use bitmill::check::{self, Analysis, Example, Facts, Finding, Known};
use bitmill::model::Model;
use bitmill::recipe::{Loader, Place, Recipe};

/// Files that exist in a test only.
pub struct Files<'a>(pub &'a [(&'a str, &'a str)]);

impl Loader for Files<'_> {
    fn load(&self, path: &Path) -> io::Result<String> {
        let found = self.0.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| text.to_string()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Analyses a recipe in the world of an example. The model `!PATH: WHY` is none: a recipe that names PATH is
/// told WHY it cannot be read, any other knows no model.
pub fn analyze(example: &Example, text: &str) -> Analysis {
    let weights = example.facts.iter();
    let facts = Facts { weights: weights.map(|(name, fact)| (name.to_string(), *fact)).collect(), ..Facts::default() };
    let run = (!example.facts.is_empty()).then_some(&facts);
    analyze_with(example, text, run)
}

/// As [`analyze`], with everything that a run measured.
pub fn analyze_with(example: &Example, text: &str, run: Option<&Facts>) -> Analysis {
    let path = Path::new("recipe.bitmill");
    let recipe = bitmill::recipe::resolve(path, text, &Files(example.files));
    match example.model.strip_prefix('!') {
        Some(broken) => {
            let named = recipe.model.as_ref().map_or("", |model| &model.value);
            let known = match broken.split_once(": ") {
                Some((path, _)) if path == named => Known::Unreadable(broken),
                _ => Known::Nothing,
            };
            check::analyze_recipe(recipe, known, run)
        }
        None if example.model.is_empty() => check::analyze_recipe(recipe, Known::Nothing, run),
        None => {
            let model = Model::listing(example.model).expect("the listing reads");
            check::analyze_recipe(recipe, Known::Model(&model), run)
        }
    }
}

/// Everything that is found in a text, as plain text.
pub fn findings(example: &Example) -> String {
    let analysis = analyze(example, example.bad);
    render(&analysis.recipe, &analysis.findings)
}

/// Findings with every word that a reader sees: the message, the places with what they say, help, what happens
/// upstream, fixes (`fix`: applied unasked; `or`: a choice).
pub fn render(recipe: &Recipe, findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let head = (finding.severity.word(), finding.code, &finding.message);
        _ = writeln!(out, "{}[{}]: {}", head.0, head.1, head.2);
        let mut at = |place: Place, text: &str| {
            _ = writeln!(out, "  {} {}", position(recipe, place), quoted(recipe, place, text));
        };
        at(finding.place, finding.here.as_deref().unwrap_or(""));
        for label in &finding.labels {
            at(label.place, &label.text);
        }
        if let Some(help) = &finding.help {
            _ = writeln!(out, "  help: {help}");
        }
        if let Some(upstream) = &finding.upstream {
            _ = writeln!(out, "  upstream: {upstream}");
        }
        for fix in &finding.fixes {
            let word = if fix.safe { "fix" } else { "or" };
            _ = writeln!(out, "  {word}: {}", fix.title);
        }
    }
    out
}

fn quoted(recipe: &Recipe, place: Place, text: &str) -> String {
    let written = recipe.text(place);
    let first = written.lines().next().unwrap_or("");
    match text {
        "" => format!("| {first}"),
        text => format!("| {first} | {text}"),
    }
}

/// `2:5`, with the file's name where it is not the recipe itself.
fn position(recipe: &Recipe, place: Place) -> String {
    let source = &recipe.sources[place.file.0 as usize];
    let before = &source.text[..place.span.start as usize];
    let line = before.matches('\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
    match place.file.0 {
        0 => format!("{line}:{column}"),
        _ => format!("{}:{line}:{column}", source.path.display()),
    }
}
