//! Runs on Core ML packages: every scheme, in every operator set that has it, on every way in which a weight lies in
//! a program. What is written is valid, decompresses to what was planned, and leaves the rest as it was.
//!
//! Where `BITMILL_PYTHON` names a Python with coremltools (`tests/upstream/install.sh` makes one), coremltools judges
//! the packages too, and does the same things itself.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod compared;
mod prove;
mod schemes;
mod upstream;

use std::path::Path;

use prove::{Archive, Proved, files, prove, root};
use rayon::prelude::*;
use upstream::Judge;

/// A package with a recipe.
struct Case {
    package: String,
    recipe: String,
}

impl Case {
    fn new(package: &str, recipe: impl Into<String>) -> Case {
        Case { package: package.to_string(), recipe: recipe.into() }
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
        serde_json::json!({ "name": name, "package": proved.package, "values": proved.values })
    });
    let mut jobs: Vec<serde_json::Value> = jobs.collect();
    jobs.extend(compared_jobs(&archive, at.path()));
    let counts = judge.packages(&jobs, at.path());
    assert_eq!(counts.len(), jobs.len());
}

/// What coremltools is asked to do itself: on the package as it is, but of the operator set of the target.
fn compared_jobs(archive: &Archive, at: &Path) -> Vec<serde_json::Value> {
    let directory = |name: String| {
        let at = at.join(name);
        std::fs::create_dir(&at).unwrap();
        at
    };
    let jobs = compared::compared().into_iter().enumerate().map(|(number, case)| {
        let package = archive.package(case.package);
        let head = format!("target {}\nthreshold {}\n", case.target, compared::THRESHOLD);
        let original = directory(format!("original-{number}"));
        let original = prove(&package, &format!("{head}all => keep\n"), &original).package;
        let proved = prove(&package, &format!("{head}{}\n", case.rules), &directory(format!("compared-{number}")));
        let name = format!("{}, {}: {}, compared", case.package, case.target, case.rules);
        // Evenly spaced entries are computed in fp16 there. Most values lie near zero, and so it matters how the
        // entry next to it happens to be rounded.
        // Clusters of vectors are local optima, sometimes better here and sometimes there.
        let slack = match case.rules {
            rules if rules.contains("fit uniform") => 0.05,
            rules if rules.contains("vector") => 0.15,
            _ => 1e-9,
        };
        let upstream = serde_json::json!({ "original": original, "passes": case.passes, "slack": slack });
        serde_json::json!({ "name": name, "package": proved.package, "upstream": upstream })
    });
    jobs.collect()
}

/// Everything that no rule changes is in the output byte for byte, its place in the file included.
#[test]
fn a_package_that_is_kept_is_the_same_package() {
    let archive = Archive::open("run-packages");
    let at = tempfile::tempdir().unwrap();
    for package in ["operators", "floats", "functions", "nested"] {
        let at = at.path().join(package);
        std::fs::create_dir(&at).unwrap();
        let proved = prove(&archive.package(package), "target none\nall => keep\n", &at);
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
