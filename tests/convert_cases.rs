//! Small programs, an operator or two each, converted and run, against what PyTorch computed: `tests/data/convert`, made
//! by `tests/upstream/convert_cases.py`; what is refused is listed, with the reason. And whole models, made small, by
//! `tests/upstream/convert_models.py`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use bitmill::exec::{Executable, Tensor};
use bitmill::graph::ElementType;
use bitmill::graph::check::check;
use bitmill::graph::function::Opset;
use bitmill::model::Model;
use bitmill::recipe::Recipe;
use bitmill::run::export::{Archived, converted};
use safetensors::{Dtype, SafeTensors};

/// The files of an archive by name.
fn archived(name: &str) -> BTreeMap<String, Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/convert").join(name);
    let archive = std::fs::File::open(path).unwrap();
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(archive)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(name, bytes);
    }
    files
}

fn tensor(stored: &SafeTensors<'_>, name: &str) -> Option<Tensor> {
    let view = stored.tensor(name).ok()?;
    let element = match view.dtype() {
        Dtype::F32 => ElementType::Fp32,
        Dtype::I32 => ElementType::Int32,
        Dtype::I64 => ElementType::Int64,
        other => panic!("{name}: {other:?}"),
    };
    let read = Tensor::from_bytes(element, view.shape().to_vec(), view.data()).unwrap();
    Some(match read.as_ints() {
        Some(ints) => Tensor::ints(read.shape(), ints.to_vec()).unwrap(),
        None => read,
    })
}

/// The largest difference, of values around 1 and below as they are, of larger ones relative to the largest.
fn difference(found: &Tensor, expected: &Tensor) -> Result<f32, String> {
    if found.shape() != expected.shape() {
        return Err(format!("shape {:?} for {:?}", found.shape(), expected.shape()));
    }
    let values = |tensor: &Tensor| match (tensor.as_floats(), tensor.as_ints()) {
        (Some(floats), _) => floats.to_vec(),
        (None, Some(ints)) => ints.iter().map(|value| *value as f32).collect(),
        (None, None) => panic!("neither floats nor integers"),
    };
    let (found, expected) = (values(found), values(expected));
    let most = expected.iter().fold(1f32, |most, value| most.max(value.abs()));
    let worst = found.iter().zip(&expected).fold(0f32, |worst, (a, b)| match a == b || (a.is_nan() && b.is_nan()) {
        true => worst,
        false if a.is_nan() || b.is_nan() => f32::INFINITY,
        false => worst.max((a - b).abs()),
    });
    Ok(worst / most)
}

/// A refusal without where in a script the operator was called.
fn without_places(why: &str) -> String {
    let mut parts = why.trim_start_matches("the export cannot be converted").split(" (");
    let first = parts.next().unwrap_or("").to_owned();
    parts.fold(first, |text, part| match part.split_once(')').filter(|(place, _)| place.contains(".py, line ")) {
        Some((_, rest)) => text + rest,
        None => text + " (" + part,
    })
}

/// What is wrong with a case, if anything; `Err` where it is refused. Cases with open sizes have others, too.
fn judge(model: &Model, stored: &SafeTensors<'_>, set: Opset) -> Result<Option<String>, String> {
    let converted = converted(model, &Recipe::default(), set).map_err(|error| error.to_string())?;
    let tensors = Archived { export: model.export.as_ref().unwrap(), program: 0 };
    if let Some(problem) = check(&converted.program, &converted.constants.blobs(&tensors)).first() {
        return Ok(Some(format!("the program: {problem}")));
    }
    let executable = match Executable::new(&converted.program, "main", &converted.constants.blobs(&tensors)) {
        Ok(executable) => executable,
        Err(error) => return Ok(Some(format!("not made ready: {error}"))),
    };
    for sizes in ["", "other_"] {
        let names = converted.inputs.iter().map(|input| &*input.name).enumerate();
        let inputs: Option<Vec<(&str, Tensor)>> =
            names.map(|(i, name)| Some((name, tensor(stored, &format!("{sizes}in{i}"))?))).collect();
        let Some(inputs) = inputs.filter(|inputs| sizes.is_empty() || !inputs.is_empty()) else { continue };
        let found = match executable.run(inputs) {
            Ok(found) => found,
            Err(error) => return Ok(Some(format!("not run: {error}"))),
        };
        for (i, (name, found)) in found.iter().enumerate() {
            let Some(expected) = tensor(stored, &format!("{sizes}out{i}")) else {
                return Ok(Some(format!("output {name} is one too many")));
            };
            match difference(found, &expected) {
                Ok(error) if error <= 2e-5 => {}
                Ok(error) => return Ok(Some(format!("{sizes}output {name} is off by {error:e}"))),
                Err(why) => return Ok(Some(format!("{sizes}output {name}: {why}"))),
            }
        }
    }
    Ok(None)
}

#[test]
fn operators_compute_what_pytorch_computes() {
    let files = archived("cases.tar.gz");
    let directory = tempfile::tempdir().unwrap();
    let (mut refused, mut wrong) = (Vec::new(), Vec::new());
    let mut right = 0;
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".pt2")) {
        let stem = name.strip_suffix(".pt2").unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let stored = SafeTensors::deserialize(&files[&format!("{stem}.safetensors")]).unwrap();
        let model = match Model::open(&path) {
            Ok(model) => model,
            Err(error) => {
                refused.push(format!("{stem}: {error}"));
                continue;
            }
        };
        for set in [Opset::CoreML6, Opset::CoreML8] {
            match judge(&model, &stored, set) {
                Ok(None) => right += 1,
                Ok(Some(why)) => wrong.push(format!("{stem} for {set}: {why}")),
                Err(why) => {
                    let why = format!("{stem}{}", without_places(&why).replace('\n', " "));
                    if refused.last() != Some(&why) {
                        refused.push(why);
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{right} are right, {} wrong:\n{}", wrong.len(), wrong.join("\n"));
    insta::assert_snapshot!(refused.join("\n"));
}

/// Models as they are built, made small, some of them with open sizes or decomposed: none is refused.
#[test]
fn models_compute_what_pytorch_computes() {
    let files = archived("models.tar.gz");
    let directory = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".pt2")) {
        let stem = name.strip_suffix(".pt2").unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let values = &files[&format!("{}.safetensors", stem.trim_end_matches(".core"))];
        let stored = SafeTensors::deserialize(values).unwrap();
        let model = Model::open(&path).unwrap();
        for set in [Opset::CoreML7, Opset::CoreML8] {
            count += 1;
            match judge(&model, &stored, set) {
                Ok(None) => {}
                Ok(Some(why)) => wrong.push(format!("{stem} for {set}: {why}")),
                Err(why) => wrong.push(format!("{stem} for {set} is refused: {why}")),
            }
        }
    }
    assert!(wrong.is_empty(), "of {count}, {} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 80, "{count}");
}

/// What packages of fp16 give for some models, in the first operator set and in the last, and that coremltools loads them
/// where `BITMILL_PYTHON` names a Python that has it.
#[test]
fn models_become_packages_of_fp16() {
    let files = archived("models.tar.gz");
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let mut packages = Vec::new();
    for stem in ["bert_open", "decoder", "efficientnet", "gru", "llama_mask", "lstm", "rnn", "swin", "unet_odd"] {
        std::fs::write(at.join("m.pt2"), &files[&format!("{stem}.pt2")]).unwrap();
        let stored = SafeTensors::deserialize(&files[&format!("{stem}.safetensors")]).unwrap();
        let export = Model::open(&at.join("m.pt2")).unwrap();
        let inputs = bitmill::convert::interfaces(&export.export.as_ref().unwrap().programs[0]);
        for target in ["iOS15", "iOS18"] {
            let package = format!("{stem}-{target}.mlpackage");
            let recipe = format!("model \"m.pt2\"\ntarget {target}\nall => keep\noutput \"{package}\"\n");
            std::fs::write(at.join("r.bitmill"), recipe).unwrap();
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bitmill"));
            let output = command.args(["run", "r.bitmill"]).current_dir(at).output().unwrap();
            assert!(output.status.success(), "{package}: {}", String::from_utf8_lossy(&output.stderr));
            let model = Model::open(&at.join(&package)).unwrap();
            let program = model.program.as_ref().unwrap();
            let problems = check(&program.program, &program.package);
            assert!(problems.is_empty(), "{package}: {}", problems[0]);
            let executable = Executable::new(&program.program, "main", &program.package).unwrap();
            let given =
                inputs.iter().enumerate().map(|(i, one)| (&*one.name, tensor(&stored, &format!("in{i}")).unwrap()));
            for (i, (name, found)) in executable.run(given).unwrap().iter().enumerate() {
                let error = difference(found, &tensor(&stored, &format!("out{i}")).unwrap());
                assert!(error.as_ref().is_ok_and(|error| *error < 1e-2), "{package}, {name}: {error:?}");
            }
            packages.push(at.join(package));
        }
    }
    let Some(python) = std::env::var_os("BITMILL_PYTHON") else { return };
    let loads = include_str!("upstream/load_packages.py");
    let output = std::process::Command::new(python).args(["-c", loads]).args(&packages).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
