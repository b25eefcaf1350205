//! Packages that upstream's tools wrote, run on the inputs that were recorded with them.

use std::io::Read;
use std::path::{Path, PathBuf};

use bitmill::exec::{Executable, Tensor};
use bitmill::formats::coreml::Package;
use bitmill::formats::coreml::proto::ModelKind;
use bitmill::graph::{BlobRef, Blobs, ElementType, Program, TensorType, mil};
use bytes::Bytes;
use safetensors::{Dtype, SafeTensors};

struct Opened(Package);

impl Blobs for Opened {
    fn bytes(&self, blob: &BlobRef, ty: &TensorType) -> Option<Bytes> {
        self.0.bytes(blob, ty)
    }
}

fn open(path: &Path) -> (Program, Opened) {
    let package = Package::open(path).unwrap();
    let Some(ModelKind::MlProgram(message)) = &package.model().kind else { panic!("{}", path.display()) };
    (mil::import(message).unwrap(), Opened(package))
}

fn made(path: &Path) -> Executable {
    let (program, blobs) = open(path);
    Executable::new(&program, "main", &blobs).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A stored tensor, with integers of 64 bits as int32.
fn tensor(stored: &SafeTensors<'_>, name: &str) -> Tensor {
    let view = stored.tensor(name).unwrap();
    let element = if view.dtype() == Dtype::F32 { ElementType::Fp32 } else { ElementType::Int64 };
    let read = Tensor::from_bytes(element, view.shape().to_vec(), view.data()).unwrap();
    match read.as_ints() {
        Some(ints) => Tensor::ints(read.shape(), ints.to_vec()).unwrap(),
        None => read,
    }
}

/// Unpacks an archive of `tests/data` into a directory.
fn unpack(archive: &str, into: &Path) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(archive);
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(into).unwrap();
}

fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Runs a package on its one input and gives the largest difference from the recorded output, relative to the largest
/// recorded value.
fn error_of(package: &Path, recorded: &Path) -> f32 {
    let executable = made(package);
    let bytes = read(recorded);
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let name = executable.inputs().next().unwrap().name.to_string();
    let outputs = executable.run([(name.as_str(), tensor(&stored, "input"))]);
    let outputs = outputs.unwrap_or_else(|error| panic!("{}: {error}", package.display()));
    let expected = tensor(&stored, "output");
    assert_eq!(outputs[0].1.shape(), expected.shape());
    relative(outputs[0].1.as_floats().unwrap(), expected.as_floats().unwrap())
}

fn relative(found: &[f32], expected: &[f32]) -> f32 {
    assert!(found.iter().all(|value| value.is_finite()));
    let most = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
    let difference = found.iter().zip(expected).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
    difference / most
}

/// What a lowered model may differ by from the quantized PyTorch model. Weight-only ones compute in fp16 where PyTorch
/// computes in fp32. Activations that are quantized fall to the other side of a rounding here and there. In static
/// models of `tiny-cnn` upstream's converter reads the codes of one scale with those of another: the program is wrong,
/// and we run what it says.
fn tolerance(name: &str) -> f32 {
    match name {
        _ if name.ends_with("-fp32") => 5e-6,
        _ if name.starts_with("tiny-cnn") && !name.contains("weight-only") => 0.8,
        _ if name.contains("static") => 0.05,
        _ => 4e-3,
    }
}

fn check(cases: Vec<(String, PathBuf, PathBuf)>) {
    let mut failures = Vec::new();
    for (name, package, recorded) in cases {
        let error = error_of(&package, &recorded);
        if std::env::var_os("BITMILL_SHOW").is_some() {
            eprintln!("{name}: {error:e}");
        }
        if error > tolerance(&name) {
            failures.push(format!("{name}: {error}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn packages_give_what_the_quantized_models_give() {
    let directory = tempfile::tempdir().unwrap();
    unpack("conformance/lowered.tar.gz", directory.path());
    unpack("exec/packages.tar.gz", directory.path());
    let recorded = std::fs::read_dir(directory.path().join("exec/lowered")).unwrap();
    let cases = recorded.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name.clone(), directory.path().join("lowered").join(&name).join("model.mlpackage"), path)
    });
    let cases: Vec<_> = cases.collect();
    assert_eq!(cases.len(), 8);
    check(cases);
}

#[test]
fn packages_of_the_full_set_do_too() {
    let Some(root) = std::env::var_os("BITMILL_CONFORMANCE") else { return };
    let entries = std::fs::read_dir(PathBuf::from(root).join("lowered")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("model.mlpackage").is_dir());
    let cases: Vec<_> = paths
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, path.join("model.mlpackage"), path.join("io.safetensors"))
        })
        .collect();
    assert!(cases.len() >= 38);
    check(cases);
}

fn argmax(values: &[f32]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// How many of the images a classifier gets right, and the largest difference from recorded logits, relative.
fn classified(executable: &Executable, images: &Tensor, labels: &[i32], logits: &[f32]) -> (usize, f32) {
    let name = executable.inputs().next().unwrap().name.to_string();
    let area = images.len() / labels.len();
    let (mut right, mut worst) = (0, 0f32);
    for (i, image) in images.as_floats().unwrap().chunks_exact(area).enumerate() {
        let image = Tensor::floats(&[1, 1, 8, 8], image.to_vec()).unwrap();
        let outputs = executable.run([(name.as_str(), image)]).unwrap();
        let found = outputs[0].1.as_floats().unwrap();
        worst = worst.max(relative(found, &logits[i * 10..(i + 1) * 10]));
        right += usize::from(argmax(found) == labels[i] as usize);
    }
    (right, worst)
}

#[test]
fn a_classifier_is_as_accurate_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    unpack("exec/packages.tar.gz", directory.path());
    let digits = directory.path().join("exec/digits");
    let executable = made(&digits.join("digits.mlpackage"));
    let mut sets = vec![(digits.join("test.safetensors"), 96)];
    if let Some(models) = models() {
        sets.push((models.join("digits/test.safetensors"), 495));
    }
    for (path, expected) in sets {
        let bytes = read(&path);
        let stored = SafeTensors::deserialize(&bytes).unwrap();
        let (labels, logits) = (tensor(&stored, "label"), tensor(&stored, "logits"));
        let images = tensor(&stored, "image");
        let (right, worst) = classified(&executable, &images, labels.as_ints().unwrap(), logits.as_floats().unwrap());
        assert!(right >= expected, "{right} right, {expected} expected");
        assert!(worst < 1e-2, "{worst}");
    }
}

/// The directory of models that are too large to lie here.
fn models() -> Option<PathBuf> {
    let models = PathBuf::from(std::env::var_os("BITMILL_MODELS")?);
    assert!(models.is_dir());
    Some(models)
}

#[test]
fn a_language_model_is_as_sure_as_it_was() {
    let Some(models) = models() else { return };
    let executable = made(&models.join("bytes-lm/bytes-lm.mlpackage"));
    let bytes = read(&models.join("bytes-lm/test.safetensors"));
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let (tokens, labels) = (tensor(&stored, "tokens"), tensor(&stored, "label"));
    let (tokens, labels) = (tokens.as_ints().unwrap(), labels.as_ints().unwrap());
    let first = tensor(&stored, "logits_first");
    let windows = tokens.len() / 128;
    let windows = if cfg!(debug_assertions) { 16.min(windows) } else { windows };
    let name = executable.inputs().next().unwrap().name.to_string();
    let (mut loss, mut count) = (0f64, 0);
    for window in 0..windows {
        let range = window * 128..(window + 1) * 128;
        let input = Tensor::ints(&[1, 128], tokens[range.clone()].to_vec()).unwrap();
        let outputs = executable.run([(name.as_str(), input)]).unwrap();
        let logits = outputs[0].1.as_floats().unwrap();
        if window == 0 {
            let error = relative(logits, first.as_floats().unwrap());
            assert!(error < 5e-3, "{error}");
        }
        for (row, label) in logits.chunks_exact(logits.len() / 128).zip(&labels[range]) {
            let most = row.iter().fold(f32::MIN, |most, value| most.max(*value));
            let sum: f64 = row.iter().map(|value| f64::from(value - most).exp()).sum();
            loss += sum.ln() + f64::from(most - row[*label as usize]);
            count += 1;
        }
    }
    let perplexity = (loss / f64::from(count)).exp();
    eprintln!("perplexity {perplexity} of {windows} windows");
    let near = if windows == 64 { 0.01 } else { 0.6 };
    assert!((perplexity - 4.123).abs() < near, "{perplexity}");
}
