//! Runs on Core ML packages: every scheme, in every operator set that has it, on every way in which a weight lies in
//! a program. What is written is valid, decompresses to what was planned, and leaves the rest as it was.
//!
//! Where `BITMILL_PYTHON` names a Python with coremltools (`tests/upstream/install.sh` makes one), coremltools judges
//! the packages too, and does the same things itself.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod compared;
mod golden;
mod precision;
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
        let rules = case.rules.replace('\n', "; ");
        let name = format!("{}, {}: {rules}, compared", case.package, case.target);
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

/// Weights that are compressed already, in the form of CoreML6, stay what they are when the package is raised to a
/// newer operator set for the sake of others.
#[test]
fn a_package_that_is_partly_compressed_is_raised() {
    let (small, golden) = (Archive::open("run-packages"), Archive::open("lowered"));
    let at = tempfile::tempdir().unwrap();
    let directory = |name: &str| {
        let at = at.path().join(name);
        std::fs::create_dir(&at).unwrap();
        at
    };
    let first = "target iOS16\nthreshold 40\nlinear => lut4\nconv => sparse 50%\nmatmul => int8\nlstm => fp16\n\
        gru => lut6\nembedding => lut1\n";
    let first = prove(&small.package("operators"), first, &directory("first"));
    let mut jobs = Vec::new();
    for (name, package, rule) in [
        ("small-18", first.package.clone(), "\"operand\" => int4 per-group(16)\n\"up\" => lut3 sparse 50%\n"),
        ("small-26", first.package.clone(), "\"operand\" => lut4 entries int8\n"),
        ("golden-16", golden.package("tiny-lm--int8-axis--iOS16"), "embedding => int4 per-channel\n"),
        ("golden-17", golden.package("tiny-cnn--weight-only-8bit--iOS17"), "all => keep\n"),
    ] {
        let target = if name.ends_with("26") { "iOS26" } else { "iOS18" };
        let proved = prove(&package, &format!("target {target}\nthreshold 40\n{rule}"), &directory(name));
        jobs.push(serde_json::json!({ "name": name, "package": proved.package, "values": proved.values }));
    }
    let Some(judge) = Judge::found("raised packages are not judged by coremltools") else { return };
    assert_eq!(judge.packages(&jobs, at.path()).len(), jobs.len());
}
