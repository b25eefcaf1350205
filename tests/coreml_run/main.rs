//! Runs on Core ML packages: every scheme, in every operator set that has it, on every way in which a weight lies in
//! a program. What is written is valid, decompresses to what was planned, and leaves the rest as it was.
//!
//! Where `BITMILL_PYTHON` names a Python with coremltools (`tests/upstream/install.sh` makes one), coremltools judges
//! the packages too, and does the same things itself.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod prove;
mod schemes;
mod upstream;

use std::path::Path;

use prove::{Archive, Proved, files, prove, root};
use rayon::prelude::*;
use upstream::Judge;

/// A package with a recipe, and what of coremltools asks for the same.
struct Case {
    package: String,
    recipe: String,
    upstream: Option<serde_json::Value>,
}

impl Case {
    fn new(package: &str, recipe: impl Into<String>) -> Case {
        Case { package: package.to_string(), recipe: recipe.into(), upstream: None }
    }
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = schemes::recipes().into_iter().map(|recipe| Case::new("operators", recipe)).collect();
    for package in ["floats", "nested", "functions"] {
        cases.extend(schemes::few(package).into_iter().map(|recipe| Case::new(package, recipe)));
    }
    cases
}

#[test]
fn what_is_written_is_what_was_planned() {
    let archive = Archive::open("run-packages");
    let at = tempfile::tempdir().unwrap();
    let cases = cases();
    let proved: Vec<Proved> = (cases.par_iter().enumerate())
        .map(|(number, case)| {
            let at = at.path().join(number.to_string());
            std::fs::create_dir(&at).unwrap();
            let package = archive.package(&case.package);
            let proved = prove(&package, &case.recipe, &at);
            assert!(proved.changed > 0, "{}", case.recipe);
            proved
        })
        .collect();
    let Some(judge) = Judge::found("packages are not judged by coremltools") else { return };
    let jobs = cases.iter().zip(&proved).map(|(case, proved)| {
        let name = format!("{}: {}", case.package, case.recipe.replace('\n', "; "));
        let mut job = serde_json::json!({ "name": name, "package": proved.package, "values": proved.values });
        if let Some(upstream) = &case.upstream {
            job["upstream"] = upstream.clone();
        }
        job
    });
    let counts = judge.packages(jobs.collect(), at.path());
    assert_eq!(counts.len(), cases.len());
}

/// Everything that no rule changes is in the output byte for byte, its place in the file included.
#[test]
fn a_package_that_is_kept_is_the_same_package() {
    let archive = Archive::open("run-packages");
    let at = tempfile::tempdir().unwrap();
    for package in ["operators", "floats", "functions", "nested"] {
        let at = at.path().join(package);
        std::fs::create_dir(&at).unwrap();
        let proved = prove(&archive.package(package), "all => keep\n", &at);
        assert_eq!(proved.changed, 0);
        let weights = Path::new("Data/com.apple.CoreML/weights/weight.bin");
        let (before, after) = (files(&archive.package(package)), files(&proved.package));
        match package {
            // Where two constants share a blob, nobody refers to the one that coremltools wrote for the second.
            "operators" => assert_eq!(before[weights].len() - after[weights].len(), 64 + 2 * 32 * 48),
            _ => assert!(before[weights] == after[weights], "{package}"),
        }
    }
}

#[test]
fn examples_are_quantized() {
    let at = tempfile::tempdir().unwrap();
    for (number, (model, recipe, changed)) in schemes::examples().into_iter().enumerate() {
        let at = at.path().join(number.to_string());
        std::fs::create_dir(&at).unwrap();
        let proved = prove(&root().join("examples/models").join(model), recipe, &at);
        assert_eq!(proved.changed, changed, "{recipe}");
    }
}
