//! Exports that become packages: what they compute against what PyTorch gave, names and types at the edges, weights
//! under the names of the export, refusals. `tests/data/pt2` holds some exports; where `BITMILL_CONFORMANCE` names the
//! full set, its models run too, and where `BITMILL_PYTHON` names a Python with coremltools, that loads the packages.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use bitmill::convert::Converted;
use bitmill::exec::{Executable, Tensor};
use bitmill::graph::ElementType;
use bitmill::graph::check::check;
use bitmill::graph::function::Opset;
use bitmill::model::Model;
use bitmill::recipe::{NoImports, Recipe, resolve};
use bitmill::run::export::{Archived, converted};
use safetensors::{Dtype, SafeTensors};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pt2").join(name)
}

/// A model converted for a set; the checker of programs must find nothing wrong with it.
fn made(model: &Model, set: Opset) -> Converted {
    let converted =
        converted(model, &Recipe::default(), set).unwrap_or_else(|error| panic!("{}: {error}", model.path.display()));
    let tensors = Archived { export: model.export.as_ref().unwrap(), program: 0 };
    let problems = check(&converted.program, &converted.constants.blobs(&tensors));
    assert!(problems.is_empty(), "{}: {}", model.path.display(), problems[0]);
    assert_eq!(converted.origins.len(), converted.program.functions[0].block.operations.len());
    converted
}

fn executable(model: &Model, set: Opset) -> Executable {
    let converted = made(model, set);
    let tensors = Archived { export: model.export.as_ref().unwrap(), program: 0 };
    Executable::new(&converted.program, "main", &converted.constants.blobs(&tensors)).unwrap()
}

fn tensor(stored: &SafeTensors<'_>, name: &str) -> Tensor {
    let view = stored.tensor(name).unwrap();
    let element = match view.dtype() {
        Dtype::F32 => ElementType::Fp32,
        Dtype::I32 => ElementType::Int32,
        _ => ElementType::Int64,
    };
    let read = Tensor::from_bytes(element, view.shape().to_vec(), view.data()).unwrap();
    match read.as_ints() {
        Some(ints) => Tensor::ints(read.shape(), ints.to_vec()).unwrap(),
        None => read,
    }
}

/// The largest difference, relative to the largest expected value.
fn relative(found: &Tensor, expected: &Tensor) -> f32 {
    assert_eq!(found.shape(), expected.shape());
    let (found, expected) = (found.as_floats().unwrap(), expected.as_floats().unwrap());
    assert!(found.iter().all(|value| value.is_finite()));
    let most = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
    found.iter().zip(expected).fold(0f32, |worst, (a, b)| worst.max((a - b).abs())) / most
}

/// The golden models, where the full set is.
fn golden() -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("BITMILL_CONFORMANCE") else { return Vec::new() };
    let entries = std::fs::read_dir(PathBuf::from(root).join("models")).unwrap();
    let mut paths: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|p| p.extension().unwrap() == "pt2").collect();
    paths.sort();
    assert_eq!(paths.len(), 6);
    paths
}

#[test]
fn golden_models_compute_what_pytorch_computes() {
    for path in golden() {
        let bytes = std::fs::read(path.with_extension("safetensors")).unwrap();
        let stored = SafeTensors::deserialize(&bytes).unwrap();
        let model = Model::open(&path).unwrap();
        for set in [Opset::CoreML5, Opset::CoreML7, Opset::CoreML8] {
            let executable = executable(&model, set);
            let name = executable.inputs().next().unwrap().name.to_string();
            let found = executable.run([(name.as_str(), tensor(&stored, "input"))]).unwrap();
            let error = relative(&found[0].1, &tensor(&stored, "output"));
            assert!(error < 1e-5, "{} for {set}: {error:e}", path.display());
        }
    }
}

#[test]
fn programs_are_valid_in_every_operator_set() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models/digits.pt2");
    let others = ["attention", "mlp", "residual-cnn", "tiny-cnn", "digits-batched"];
    let others = others.map(|name| data(&format!("{name}.pt2")));
    for path in others.into_iter().chain([example]) {
        let model = Model::open(&path).unwrap();
        for set in Opset::ALL {
            made(&model, set);
        }
    }
}

/// Sizes that an export leaves open, chosen by a recipe: what the program then takes, and what it computes.
#[test]
fn shapes_settle_what_an_export_leaves_open() {
    let stored = std::fs::read(data("open-sizes.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&stored).unwrap();
    let model = Model::open(&data("open-sizes.pt2")).unwrap();
    let tensors = Archived { export: model.export.as_ref().unwrap(), program: 0 };
    let cases = [
        ("", vec![16, 32]),
        ("shapes { tokens [1, 16] }", vec![16]),
        ("shapes { tokens [[1, 16], [1, 32]] }", vec![16, 32]),
    ];
    let mut told = String::new();
    for (text, lengths) in cases {
        let recipe = resolve(Path::new("r"), &format!("{text}\n"), &NoImports);
        assert!(recipe.problems.is_empty());
        let made = converted(&model, &recipe, Opset::CoreML8).unwrap();
        let problems = check(&made.program, &made.constants.blobs(&tensors));
        assert!(problems.is_empty(), "{text}: {}", problems[0]);
        let executable = Executable::new(&made.program, "main", &made.constants.blobs(&tensors)).unwrap();
        for length in lengths {
            let of = |name: &str| tensor(&stored, &format!("{name}.{length}"));
            let found = executable.run([("tokens", of("tokens")), ("mask", of("mask"))]).unwrap();
            let error = relative(&found[0].1, &of("out"));
            assert!(error < 1e-5, "{text} with {length}: {error:e}");
        }
        let operations = &made.program.functions[0].block.operations;
        told += &format!("{text}: {:?}\n", operators(operations.iter().map(|one| &*one.kind)));
        for input in &made.program.functions[0].inputs {
            told += &format!("  {} {}\n", input.name, input.ty);
        }
        for input in &made.inputs {
            told += &format!("  {} {:?}\n", input.name, input.shapes);
        }
    }
    insta::assert_snapshot!(told);
    let wrong = resolve(Path::new("r"), "shapes { tokens [1, 65] }\n", &NoImports);
    let error = converted(&model, &wrong, Opset::CoreML8).unwrap_err().to_string();
    assert_eq!(error, "the shapes of the recipe do not fit the export: dimension 1 was exported for 2..64");
}

/// How often each operator runs, constants and casts left out.
fn operators<'a>(kinds: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for kind in kinds.filter(|kind| !kind.starts_with("const") && *kind != "cast") {
        *counts.entry(kind.to_owned()).or_default() += 1;
    }
    counts
}

/// Upstream's packages of weights that were quantized before, which have the operators of the float models. Since
/// CoreML7 it resolves negative indices of embeddings, which PyTorch does not allow: the package for iOS16 has none.
#[test]
fn operators_are_those_of_upstreams_packages() {
    for path in golden() {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (case, set) = match &*stem {
            "tiny-lm" => ("tiny-lm--int8-axis--iOS16".to_owned(), Opset::CoreML6),
            _ => (format!("{stem}--weight-only-8bit--iOS17"), Opset::CoreML7),
        };
        let listing = path.parent().unwrap().join("../lowered").join(case).join("model.mil.json");
        let listing: serde_json::Value = serde_json::from_slice(&std::fs::read(listing).unwrap()).unwrap();
        let upstream = listing["functions"]["main"]["operations"].as_array().unwrap();
        let upstream = operators(upstream.iter().map(|one| one["type"].as_str().unwrap()));
        let model = Model::open(&path).unwrap();
        let converted = made(&model, set);
        let own = operators(converted.program.functions[0].block.operations.iter().map(|one| &*one.kind));
        assert_eq!(own, upstream, "{stem}");
    }
}

/// Where the larger models lie.
fn models() -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("BITMILL_CONFORMANCE")?).join("../models"))
}

#[test]
fn the_language_model_computes_what_pytorch_computes() {
    let Some(models) = models() else { return };
    let bytes = std::fs::read(models.join("bytes-lm/test.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let tokens = tensor(&stored, "tokens").as_ints().unwrap()[..128].to_vec();
    let model = Model::open(&models.join("bytes-lm/bytes-lm.pt2")).unwrap();
    for set in [Opset::CoreML7, Opset::CoreML8] {
        let input = Tensor::ints(&[1, 128], tokens.clone()).unwrap();
        let found = executable(&model, set).run([("tokens", input)]).unwrap();
        let expected = tensor(&stored, "logits_first");
        let found = Tensor::floats(expected.shape(), found[0].1.as_floats().unwrap().to_vec()).unwrap();
        assert!(relative(&found, &expected) < 1e-5, "{set}: {}", relative(&found, &expected));
    }
}

#[test]
fn the_classifier_computes_what_pytorch_computes_in_batches() {
    let Some(models) = models() else { return };
    let bytes = std::fs::read(models.join("digits/test.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let model = Model::open(&models.join("digits/digits-batched.pt2")).unwrap();
    let found = executable(&model, Opset::CoreML7).run([("image", tensor(&stored, "image"))]).unwrap();
    let error = relative(&found[0].1, &tensor(&stored, "logits"));
    assert!(error < 1e-5, "{error:e}");
}

#[test]
fn what_is_not_converted_is_told_all_at_once() {
    let model = Model::open(&data("zoo.pt2")).unwrap();
    let error = converted(&model, &Recipe::default(), Opset::CoreML7).unwrap_err().to_string();
    insta::assert_snapshot!(error);
    let model = Model::open(&data("cond.pt2")).unwrap();
    let error = converted(&model, &Recipe::default(), Opset::CoreML7).unwrap_err().to_string();
    insta::assert_snapshot!(error);
}

#[test]
fn state_is_not_converted() {
    let model = Model::open(&data("core.pt2")).unwrap();
    let error = converted(&model, &Recipe::default(), Opset::CoreML7).unwrap_err().to_string();
    insta::assert_snapshot!(error);
}

/// Runs the binary in a directory. Whether it ended well, and what it printed.
fn run(directory: &Path, recipe: &str, model: &Path, output: &str) -> (bool, String) {
    std::fs::write(directory.join("r.bitmill"), format!("model \"{}\"\n{recipe}", model.display())).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bitmill"))
        .args(["run", "r.bitmill", "-o", output])
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.success(), text)
}

/// What a package gives for the golden input, relative to what PyTorch gave.
fn error_of(package: &Path, golden: &Path) -> f32 {
    let model = Model::open(package).unwrap();
    let program = model.program.as_ref().unwrap();
    let executable = Executable::new(&program.program, "main", &program.package).unwrap();
    let bytes = std::fs::read(golden.with_extension("safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let name = executable.inputs().next().unwrap().name.to_string();
    let found = executable.run([(name.as_str(), tensor(&stored, "input"))]).unwrap();
    relative(&found[0].1, &tensor(&stored, "output"))
}

const LOADS: &str = include_str!("upstream/load_packages.py");

#[test]
fn packages_are_written_quantized_and_loaded_by_coremltools() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let mut packages = Vec::new();
    for golden in golden() {
        let stem = golden.file_stem().unwrap().to_str().unwrap().to_owned();
        let schemes = [
            ("float", "all => keep\n", 4e-3),
            ("fp32", "precision fp32\nall => keep\n", 1e-5),
            ("int8", "target iOS18\nall => int8 per-channel\n", 0.05),
            ("lut", "target iOS16\nprecision fp32\nall => lut8 per-tensor\n", 0.2),
        ];
        for (name, recipe, bound) in schemes {
            // Palettes of larger models take long in a build for tests.
            if name == "lut" && stem.starts_with("mobilenet") {
                continue;
            }
            let file = format!("{stem}-{name}.mlpackage");
            let (fine, text) = run(at, recipe, &golden, &file);
            assert!(fine, "{file}: {text}");
            let error = error_of(&at.join(&file), &golden);
            if std::env::var_os("BITMILL_SHOW").is_some() {
                eprintln!("{file}: {error:e}");
            }
            assert!(error < bound, "{file}: {error:e}\n{text}");
            packages.push(at.join(&file));
        }
    }
    // Nothing is left aside.
    let left =
        std::fs::read_dir(at).unwrap().filter(|e| !e.as_ref().unwrap().path().to_str().unwrap().ends_with("mlpackage"));
    assert_eq!(left.count(), usize::from(!packages.is_empty()), "the recipe, where there is one");
    let Some(python) = std::env::var_os("BITMILL_PYTHON").filter(|_| !packages.is_empty()) else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: packages of exports are not loaded; set BITMILL_PYTHON");
        return;
    };
    let output = Command::new(python).args(["-c", LOADS]).args(&packages).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    if std::env::var_os("BITMILL_SHOW").is_some() {
        eprintln!("{lines}");
    }
    assert_eq!(lines.lines().count(), packages.len());
}
