//! Every recipe in `examples/` is formatted and free of errors: with its model where that is shipped, else alone.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use bitmill::check::{self, Known, Severity};
use bitmill::model::Model;
use bitmill::project::Disk;
use bitmill::recipe::preset::PRESETS;
use bitmill::syntax;

fn recipes(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "bitmill")).collect();
    found.sort();
    found
}

#[test]
fn examples_are_formatted_and_without_errors() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut all = recipes(&examples);
    all.extend(recipes(&examples.join("presets")));
    assert!(all.len() >= 7 + PRESETS.len(), "{all:?}");
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(syntax::format(&text), text, "{} is not formatted", path.display());
        let alone = check::analyze(&path, &text, &Disk, Known::Nothing);
        let named = alone.recipe.model.as_ref().map(|model| path.parent().unwrap().join(&model.value));
        let model = named.filter(|path| path.exists()).map(|path| Model::open(&path).unwrap());
        let known = model.as_ref().map_or(Known::Nothing, Known::Model);
        let findings = check::analyze(&path, &text, &Disk, known).findings;
        let worse: Vec<_> = findings.iter().filter(|finding| finding.severity > Severity::Hint).collect();
        assert!(worse.is_empty(), "{}: {worse:#?}", path.display());
    }
}

#[test]
fn every_preset_has_an_example() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/presets");
    for preset in PRESETS {
        let text = fs::read_to_string(directory.join(format!("{}.bitmill", preset.name))).unwrap();
        assert!(text.contains(&format!("extend \"{}\"", preset.name)));
    }
}
