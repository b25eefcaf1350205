//! Packages with quantized activations: what they compute, how they are written, what is refused.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use bitmill::exec::{Executable, Tensor};
use bitmill::graph::check::check;
use bitmill::model::Model;
use half::f16;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

use crate::{Golden, data, largest, tensor, unpack};

const STATIC: &str = "calibrate \"samples.safetensors\"\nall => int8 per-channel symmetric, activations uint8\n";

/// Runs the binary in a directory. Whether it ended well, and what it printed.
fn run(directory: &Path, recipe: &str, model: &Path, output: &str) -> (bool, String) {
    std::fs::write(directory.join("r.bitmill"), format!("model \"{}\"\n{recipe}", model.display())).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bitmill"))
        .args(["run", "r.bitmill", "--force", "-o", output])
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.success(), text)
}

fn executable(package: &Path) -> Executable {
    let model = Model::open(package).unwrap();
    let program = model.program.as_ref().unwrap();
    let problems = check(&program.program, &program.package);
    assert!(problems.is_empty(), "{}: {}", package.display(), problems[0]);
    Executable::new(&program.program, "main", &program.package).unwrap()
}

/// How often each operator runs in a package, constants and casts left out.
fn operators(package: &Path) -> BTreeMap<String, usize> {
    let model = Model::open(package).unwrap();
    let mut counts = BTreeMap::new();
    for one in &model.program.as_ref().unwrap().program.functions[0].block.operations {
        if !one.kind.starts_with("const") && &*one.kind != "cast" {
            *counts.entry(one.kind.to_string()).or_default() += 1;
        }
    }
    counts
}

/// Writes the recorded batches of a model as samples of an input.
fn write_samples(golden: &Golden, model: &str, input: &str, to: &Path) {
    let bytes = golden.samples(model);
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let batches = stored
        .tensors()
        .into_iter()
        .filter_map(|(name, view)| Some((format!("{input}.{}", name.strip_prefix("calibration.")?), view)));
    serialize_to_file(batches.collect::<Vec<_>>(), None, to).unwrap();
}

/// coremltools reads every operator, infers its types and finds those that are declared.
const LOADS: &str = include_str!("../upstream/load_packages.py");

const MODELS: [(&str, &str); 4] = [("tiny-cnn", "image"), ("residual-cnn", "image"), ("attention", "x"), ("mlp", "x")];

/// In fp32 a package computes what upstream's quantized model computes where nothing is quantized twice; where something
/// is, and in fp16, it stays within a few codes.
#[test]
fn packages_compute_what_the_quantized_models_compute() {
    let golden = Golden::new();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let mut packages: Vec<PathBuf> = Vec::new();
    let mut models = MODELS.to_vec();
    if golden.is_full {
        models.push(("mobilenet-v2-0.35", "x"));
    }
    for (name, input) in models {
        write_samples(&golden, name, input, &at.join("samples.safetensors"));
        let bytes = golden.samples(name);
        let stored = SafeTensors::deserialize(&bytes).unwrap();
        let quantized = std::fs::read(golden.root.join(format!("pt2e/{name}--static-8bit.safetensors")));
        // What is recorded of the model in float is further away.
        let bound = if quantized.is_ok() { 0.02 } else { 0.15 };
        let expected = match &quantized {
            Ok(bytes) => tensor(&SafeTensors::deserialize(bytes).unwrap(), "output"),
            Err(_) => tensor(&stored, "output"),
        };
        let expected = expected.as_floats().unwrap();
        let mut found: Vec<Vec<f32>> = Vec::new();
        for setting in ["target iOS17\nprecision fp32\n", "target iOS17\n", "target iOS18\n"] {
            packages.push(at.join(format!("{name}-{}.mlpackage", found.len())));
            let package = packages.last().unwrap();
            let (fine, text) = run(
                at,
                &format!("{setting}{STATIC}"),
                &golden.path(name),
                &package.file_name().unwrap().to_string_lossy(),
            );
            assert!(fine, "{name}: {text}");
            let outputs = executable(package).run([(input, tensor(&stored, "input"))]).unwrap();
            found.push(outputs[0].1.as_floats().unwrap().to_vec());
        }
        let most = largest(expected.iter().copied());
        let apart = |a: &[f32], b: &[f32]| largest(a.iter().zip(b).map(|(a, b)| a - b)) / most;
        let errors = [apart(&found[0], expected), apart(&found[1], &found[0]), apart(&found[2], &found[1])];
        println!("{name}: {errors:?}");
        assert!(errors[0] < bound && errors[1] < 0.02 && errors[2] < 1e-6, "{name}: {errors:?}");
    }
    let Some(python) = std::env::var_os("BITMILL_PYTHON") else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: packages are not loaded; set BITMILL_PYTHON");
        return;
    };
    let output = Command::new(python).args(["-c", LOADS]).args(&packages).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What operators take of stored tensors becomes codes in the operators that the target has for constants, and the
/// package computes what upstream's quantized model computes, within a few codes.
#[test]
fn stored_tensors_become_codes_where_operators_take_them() {
    let golden = Golden::more();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    write_samples(&golden, "constants", "x", &at.join("samples.safetensors"));
    let (samples, bytes) = (golden.samples("constants"), golden.root.join("pt2e/constants--static-8bit.safetensors"));
    let stored = SafeTensors::deserialize(&samples).unwrap();
    let upstream = std::fs::read(bytes).unwrap();
    let expected = tensor(&SafeTensors::deserialize(&upstream).unwrap(), "output");
    let expected = expected.as_floats().unwrap();
    let settings = [
        ("target iOS17\nprecision fp32\n", "constexpr_affine_dequantize"),
        ("target iOS17\n", "constexpr_affine_dequantize"),
        ("target iOS18\n", "constexpr_blockwise_shift_scale"),
    ];
    let mut packages = Vec::new();
    for (setting, operator) in settings {
        let name = format!("{}.mlpackage", packages.len());
        packages.push(at.join(&name));
        let (fine, text) = run(at, &format!("{setting}{STATIC}"), &golden.path("constants"), &name);
        assert!(fine && text.contains("activations: codes at"), "{text}");
        let model = Model::open(&at.join(&name)).unwrap();
        let operations = &model.program.as_ref().unwrap().program.functions[0].block.operations;
        let compressed = operations.iter().filter(|one| &*one.kind == operator).count();
        // Three weights, of which two are those of products, and four tensors that are added or multiplied.
        assert_eq!(compressed, 7, "{setting}{text}");
        let outputs = executable(&at.join(&name)).run([("x", tensor(&stored, "input"))]).unwrap();
        let found = outputs[0].1.as_floats().unwrap();
        let error = largest(found.iter().zip(expected).map(|(a, b)| a - b)) / largest(expected.iter().copied());
        println!("{setting}{error}");
        assert!(error < 0.05, "{setting}{error}");
    }
    let Some(python) = std::env::var_os("BITMILL_PYTHON") else { return };
    let output = Command::new(python).args(["-c", LOADS]).args(&packages).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// As upstream's packages but for what is quantized twice there, values that become floats again once for each who takes
/// them, and codes that are reshaped and read back as other ones.
#[test]
fn operators_are_those_of_upstreams_packages() {
    let golden = Golden::new();
    if !golden.is_full {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for (name, input) in MODELS.into_iter().chain([("mobilenet-v2-0.35", "x")]) {
        write_samples(&golden, name, input, &at.join("samples.safetensors"));
        let (fine, text) = run(at, &format!("target iOS17\n{STATIC}"), &golden.path(name), "out.mlpackage");
        assert!(fine, "{text}");
        let mut own = operators(&at.join("out.mlpackage"));
        let mut theirs = operators(&golden.root.join(format!("lowered/{name}--static-8bit--iOS17/model.mlpackage")));
        let quantizers = [&mut own, &mut theirs].map(|all| (all.remove("quantize"), all.remove("dequantize")));
        println!("{name}: {quantizers:?}");
        assert_eq!(own, theirs, "{name}");
    }
}

/// The trained classifier with quantized activations, on images that it has not seen.
#[test]
fn a_quantized_classifier_is_as_accurate_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    std::fs::copy(examples.join("models/digits-calibration.safetensors"), at.join("samples.safetensors")).unwrap();
    unpack("exec/packages.tar.gz", at);
    let full = std::env::var_os("BITMILL_CONFORMANCE").map(|root| Path::new(&root).join("../models/digits"));
    let bytes = std::fs::read(full.as_deref().unwrap_or(&at.join("exec/digits")).join("test.safetensors")).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let (images, labels) = (tensor(&stored, "image"), stored.tensor("label").unwrap());
    let labels: Vec<usize> = labels.data().chunks_exact(8).map(|raw| usize::from(raw[0])).collect();
    for recipe in [format!("target iOS17\n{STATIC}"), "all => keep\n".to_owned()] {
        let (fine, text) = run(at, &recipe, &examples.join("models/digits.pt2"), "out.mlpackage");
        assert!(fine, "{text}");
        let executable = executable(&at.join("out.mlpackage"));
        let right = images.as_floats().unwrap().chunks_exact(64).zip(&labels).filter(|(image, label)| {
            let image = Tensor::floats(&[1, 1, 8, 8], image.to_vec()).unwrap();
            let outputs = executable.run([("image", image)]).unwrap();
            let logits = outputs[0].1.as_floats().unwrap();
            (0..10).fold(0, |best, at| if logits[at] > logits[best] { at } else { best }) == **label
        });
        let right = right.count();
        println!("{right} of {}", labels.len());
        assert!(right * 100 >= labels.len() * 96, "{right} of {}", labels.len());
    }
}

/// Samples that do not fit are told by name before anything is run, and nothing is left behind.
#[test]
fn samples_that_do_not_fit_are_refused() {
    let golden = Golden::new();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let floats =
        |count: usize, value: f32| vec![value; count].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let good = floats(2 * 3 * 256, 0.5);
    let mut nan = good.clone();
    nan[4 * 800..4 * 801].copy_from_slice(&f32::NAN.to_le_bytes());
    let cases: [(&str, Dtype, Vec<usize>, &[u8]); 6] = [
        ("picture", Dtype::F32, vec![2, 3, 16, 16], &good),
        ("image", Dtype::F32, vec![2, 3, 256], &good),
        ("image", Dtype::F32, vec![3, 2, 16, 16], &good),
        ("image", Dtype::I32, vec![2, 3, 16, 16], &good),
        ("image", Dtype::F32, vec![2, 3, 16, 16], &nan),
        ("image", Dtype::F32, vec![0, 3, 16, 16], &[]),
    ];
    let mut told = String::new();
    for (name, dtype, shape, bytes) in cases {
        let view = TensorView::new(dtype, shape, bytes).unwrap();
        serialize_to_file([(name, view)], None, &at.join("samples.safetensors")).unwrap();
        let (fine, text) = run(at, &format!("target iOS17\n{STATIC}"), &golden.path("tiny-cnn"), "out.mlpackage");
        assert!(!fine && !at.join("out.mlpackage").exists(), "{text}");
        told.push_str(&text);
    }
    std::fs::remove_file(at.join("samples.safetensors")).unwrap();
    told.push_str(&run(at, &format!("target iOS17\n{STATIC}"), &golden.path("tiny-cnn"), "out.mlpackage").1);
    insta::assert_snapshot!(told.replace(&*at.to_string_lossy(), "DIRECTORY"));
    let left = std::fs::read_dir(at).unwrap().count();
    assert_eq!(left, 1);
}

/// The compressed constants of a package.
fn compressed(package: &Path) -> Vec<String> {
    let model = Model::open(package).unwrap();
    let operations = &model.program.as_ref().unwrap().program.functions[0].block.operations;
    let compressed = operations.iter().filter(|one| one.is_constexpr());
    compressed.map(|one| one.outputs[0].name.to_string()).collect()
}

/// The constant of a weight, whose name has a number where a normalization is folded into it.
fn constant<'n>(names: &'n [String], weight: &str) -> &'n str {
    let wish = weight.replace('.', "_");
    let is_it = |name: &&String| {
        name.strip_prefix(&wish).is_some_and(|rest| rest.chars().all(|c| c == '_' || c.is_ascii_digit()))
    };
    names.iter().find(is_it).unwrap_or_else(|| panic!("{weight}: {names:?}"))
}

/// Codes are upstream's and scales are upstream's in fp16, for weights alone as well: what a package holds of a weight is
/// their product, rounded once.
#[test]
fn weights_of_packages_are_those_of_upstream() {
    let golden = Golden::new();
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let weights_only = "linear or conv => int8 per-channel symmetric\n";
    let mut compared = 0;
    for (name, input) in MODELS {
        let case = golden.root.join(format!("pt2e/{name}--static-8bit"));
        let Ok(text) = std::fs::read(case.with_extension("json")) else { continue };
        let text: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let bytes = std::fs::read(case.with_extension("safetensors")).unwrap();
        let stored = SafeTensors::deserialize(&bytes).unwrap();
        write_samples(&golden, name, input, &at.join("samples.safetensors"));
        for (recipe, set) in [(STATIC, "iOS17"), (STATIC, "iOS18"), (weights_only, "iOS17"), (weights_only, "iOS18")] {
            let (fine, told) = run(at, &format!("target {set}\n{recipe}"), &golden.path(name), "out.mlpackage");
            assert!(fine, "{name}: {told}");
            let names: Vec<String> = compressed(&at.join("out.mlpackage"));
            let executable = executable(&at.join("out.mlpackage"));
            for (weight, view) in stored.tensors().iter().filter_map(|(n, v)| Some((n.strip_suffix("/int")?, v))) {
                let node = text["nodes"].as_array().unwrap().iter().find(|node| node["weight"] == weight).unwrap();
                let scales = node["scale"].as_array().unwrap().iter();
                let scales: Vec<f32> = scales.map(|s| f16::from_f64(s.as_f64().unwrap()).to_f32()).collect();
                let found = executable.constant(constant(&names, weight)).unwrap().unwrap();
                let row = view.data().len() / scales.len();
                let codes = view.data().iter().map(|code| f32::from(code.cast_signed())).enumerate();
                let expected = codes.map(|(i, code)| f16::from_f32(code * scales[i / row]).to_f32());
                let pairs = found.as_floats().unwrap().iter().zip(expected);
                assert!(pairs.into_iter().all(|(a, b)| *a == b), "{name} {weight} for {set}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 4 * 8);
}

/// What `calibrate` says of samples and observers holds.
#[test]
fn options_of_calibration_hold() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models");
    std::fs::copy(examples.join("digits-calibration.safetensors"), at.join("samples.safetensors")).unwrap();
    let mut programs = Vec::new();
    for options in [
        "samples 5",
        "samples 5  averaging 0.5",
        "samples 5  observer min-max",
        "samples 5  observe float",
        "samples 5  observer min-max  observe float",
        "observer min-max",
    ] {
        let recipe = format!(
            "target iOS17\n{}",
            STATIC.replacen(".safetensors\"", &format!(".safetensors\" {{ {options} }}"), 1)
        );
        let (fine, text) = run(at, &recipe, &data("pt2/digits-batched.pt2"), "out.mlpackage");
        assert!(fine, "{text}");
        // Two at once: the fifth fills no batch.
        let told = if options.contains('5') { "from 5 samples in 2 batches" } else { "from 128 samples in 64 batches" };
        assert!(text.contains(told), "{text}");
        programs.push(std::fs::read(at.join("out.mlpackage/Data/com.apple.CoreML/model.mlmodel")).unwrap());
    }
    for (at, program) in programs.iter().enumerate() {
        assert!(!programs[..at].contains(program), "{at}");
    }
}
