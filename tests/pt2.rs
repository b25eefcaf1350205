//! Exported programs as models: what is told of their weights, equal values, plans and runs, golden and hostile ones.
//!
//! `tests/data/pt2` holds exports of PyTorch 2.15. `zoo` has tied, transposed, cut and expanded tensors, recurrent and
//! attention layers, and parameters without modules; `core` was decomposed; `dynamic` has a dimension of any size;
//! `cond` runs graphs; `two` holds two programs; a weight of `torchao` is pickled. Paths of source files are cut.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bitmill::formats::safetensors::Reader;
use bitmill::kind::Kind;
use bitmill::model::{KnownBy, Model, ModelFormat, Role};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn data(name: &str) -> PathBuf {
    root().join("tests/data/pt2").join(name)
}

fn digits() -> PathBuf {
    root().join("examples/models/digits.pt2")
}

fn open(path: &Path) -> Model {
    Model::open(path).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs the binary in a directory: words divided by blanks. What it printed.
fn run(directory: &Path, line: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bitmill"));
    command.args(line.split(' ')).current_dir(directory).env("COLUMNS", "120").env("NO_COLOR", "1");
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    text.replace(&*directory.to_string_lossy(), "DIR")
}

/// Checks that a model's weights are those of a checkpoint, bit for bit.
#[track_caller]
fn holds(model: &Model, checkpoint: &Path) {
    let reader = Reader::open(checkpoint).unwrap();
    let values = model.open_data().unwrap();
    let mut names = 0;
    for weight in &model.weights {
        for name in std::iter::once(&weight.name).chain(&weight.tied) {
            let info = reader.info(name).unwrap();
            assert_eq!((&info.shape, info.dtype.dtype()), (&weight.shape, weight.dtype), "{name}");
            assert!(values.bytes(weight).unwrap() == reader.tensor(name).unwrap(), "{name}");
            names += 1;
        }
    }
    assert_eq!(names, reader.header().tensors.len());
}

#[test]
fn the_weights_are_those_of_the_checkpoint() {
    let model = open(&digits());
    assert_eq!(model.format, ModelFormat::Export);
    holds(&model, &root().join("examples/models/digits.safetensors"));
    // Transposed, cut, expanded and tied ones too.
    let zoo = open(&data("zoo.pt2"));
    holds(&zoo, &data("zoo.safetensors"));
}

#[test]
fn kinds_and_roles_are_the_truth() {
    let model = open(&data("zoo.pt2"));
    let told: Vec<String> = model
        .weights
        .iter()
        .map(|weight| {
            let tied =
                if weight.tied.is_empty() { String::new() } else { format!(" tied to {}", weight.tied.join(", ")) };
            let stored = if weight.transposed { " transposed" } else { "" };
            format!(
                "{}: {} {} by {}{stored}{tied}",
                weight.name,
                weight.kind,
                weight.role.word(),
                weight.known_by.word()
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
    let core = open(&data("core.pt2"));
    let kind = |name: &str| core.weight(name).map(|weight| (weight.kind, weight.role, weight.known_by));
    let program = |kind, role| Some((kind, role, KnownBy::Program));
    assert_eq!(kind("depthwise.weight"), program(Kind::Conv2d, Role::Weight));
    assert_eq!(kind("fc.weight"), program(Kind::Linear, Role::Weight));
    assert_eq!(kind("fc.bias"), program(Kind::Linear, Role::Bias));
    assert_eq!(kind("bn.running_var"), program(Kind::Norm, Role::Buffer));
}

#[test]
fn several_programs_share_one_archive() {
    let model = open(&data("two.pt2"));
    let names: Vec<&str> = model.weights.iter().map(|weight| weight.name.as_str()).collect();
    assert_eq!(names, ["decoder.0.bias", "decoder.0.weight", "encoder.bias", "encoder.weight"]);
    assert!(model.weights.iter().all(|weight| weight.kind == Kind::Linear && weight.known_by == KnownBy::Program));
}

#[test]
fn inspect_shows_weights_and_program() {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(digits(), directory.path().join("digits.pt2")).unwrap();
    insta::assert_snapshot!("inspect", run(directory.path(), "inspect digits.pt2"));
    fs::copy(data("dynamic.pt2"), directory.path().join("dynamic.pt2")).unwrap();
    insta::assert_snapshot!("inspect_dynamic", run(directory.path(), "inspect dynamic.pt2"));
    fs::copy(data("core.pt2"), directory.path().join("core.pt2")).unwrap();
    insta::assert_snapshot!("inspect_core", run(directory.path(), "inspect core.pt2"));
    let json: serde_json::Value = serde_json::from_str(&run(directory.path(), "inspect dynamic.pt2 --json")).unwrap();
    assert_eq!(json["format"], "pt2");
    assert_eq!(json["export"]["programs"][0]["ranges"][0]["value"], "2..64");
}

const RECIPE: &str =
    "model \"digits.pt2\"\ntarget iOS18\nconv where groups == 1 => int8 per-channel\nlinear => int4 per-group(32)\n";

#[test]
fn recipes_are_checked_planned_and_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::copy(digits(), path.join("digits.pt2")).unwrap();
    fs::copy(root().join("examples/models/digits.safetensors"), path.join("digits.safetensors")).unwrap();
    fs::write(path.join("q.bitmill"), RECIPE).unwrap();
    insta::assert_snapshot!("plan", run(path, "plan q.bitmill"));
    insta::assert_snapshot!("check", run(path, "check q.bitmill"));
    insta::assert_snapshot!(
        "refused",
        [
            run(path, "run q.bitmill --format mlpackage -o q.safetensors"),
            run(path, "run q.bitmill --format torchao -o q.mlpackage"),
            run(path, "run q.bitmill -o q.pt2"),
        ]
        .join("\n")
    );
    // A checkpoint does not tell that its first convolution, over one channel, is no depthwise one: the export does.
    fs::write(path.join("q.bitmill"), RECIPE.replace(" where groups == 1", "")).unwrap();
    for format in ["torchao", "packed", "dequantized"] {
        let told = run(path, &format!("run q.bitmill --format {format} -o export.safetensors --force"));
        assert!(told.contains("wrote export.safetensors"), "{told}");
        let model =
            format!("run q.bitmill --model digits.safetensors --format {format} -o checkpoint.safetensors --force");
        let told = run(path, &model);
        assert!(told.contains("wrote checkpoint.safetensors"), "{told}");
        let (ours, theirs) = (path.join("export.safetensors"), path.join("checkpoint.safetensors"));
        let (ours, theirs) = (Reader::open(&ours).unwrap(), Reader::open(&theirs).unwrap());
        let names = |reader: &Reader| {
            reader.header().tensors.iter().map(|t| (t.name.clone(), t.shape.clone())).collect::<Vec<_>>()
        };
        assert_eq!(names(&ours), names(&theirs), "{format}");
        for info in &ours.header().tensors {
            assert!(ours.tensor(&info.name).unwrap() == theirs.tensor(&info.name).unwrap(), "{format}: {}", info.name);
        }
    }
    let same = run(path, "diff digits.pt2 digits.safetensors");
    insta::assert_snapshot!("diff", same);
}

#[test]
fn activations_of_an_export_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(digits(), directory.path().join("digits.pt2")).unwrap();
    let recipe = "model \"digits.pt2\"\ntarget iOS17\ncalibrate \"c.safetensors\" { samples 8 }\n\
        linear => int8 per-channel, activations uint8\n";
    fs::write(directory.path().join("a.bitmill"), recipe).unwrap();
    insta::assert_snapshot!("activations", run(directory.path(), "check a.bitmill"));
}

/// What cannot be converted is told by the checker as it is by the run that would write a package, which then need not
/// begin; other files are written all the same.
#[test]
fn what_is_not_converted_is_a_finding() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::copy(data("zoo.pt2"), path.join("zoo.pt2")).unwrap();
    let recipe = "model \"zoo.pt2\"\ntarget iOS18\nlinear => int8 per-channel\n";
    fs::write(path.join("files.bitmill"), recipe).unwrap();
    fs::write(path.join("package.bitmill"), format!("{recipe}output \"q.mlpackage\"\n")).unwrap();
    let (files, package) = (run(path, "check files.bitmill"), run(path, "check package.bitmill"));
    assert!(files.contains("warning[operator-not-converted]"), "{files}");
    assert!(package.contains("error[operator-not-converted]"), "{package}");
    for told in ["aten.copy_.default", "export.py, line 46", "state is not converted"] {
        assert!(package.contains(told), "{told}: {package}");
    }
    let told = run(path, "run package.bitmill");
    assert!(told.contains("operator-not-converted") && !path.join("q.mlpackage").exists(), "{told}");
}

#[test]
fn a_run_keeps_ties() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::copy(data("zoo.pt2"), path.join("zoo.pt2")).unwrap();
    fs::write(path.join("q.bitmill"), "model \"zoo.pt2\"\ntarget iOS18\nall where rank == 2 => int8 per-channel\n")
        .unwrap();
    let told = run(path, "run q.bitmill --format packed -o out.safetensors");
    assert!(told.contains("wrote out.safetensors"), "{told}");
    let again = open(&path.join("out.safetensors"));
    assert_eq!(again.weight("head.weight").map(|weight| weight.name.as_str()), Some("embed.weight"));
}

#[test]
fn golden_exports_are_read() {
    let mut directories = vec![root().join("tests/data/pt2"), root().join("examples/models")];
    if let Some(conformance) = std::env::var_os("BITMILL_CONFORMANCE").map(PathBuf::from) {
        directories
            .extend(["models", "pt2e", "../models/digits", "../models/bytes-lm"].map(|name| conformance.join(name)));
    }
    let mut read = 0;
    for entry in directories.iter().flat_map(|directory| fs::read_dir(directory).unwrap()) {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "pt2") || path.ends_with("torchao.pt2") {
            continue;
        }
        let model = open(&path);
        let values = model.open_data().unwrap();
        for weight in &model.weights {
            assert_eq!(values.bytes(weight).unwrap().len() as u64, weight.bytes, "{}", weight.name);
        }
        // Every tensor that an operator takes has a kind that the program tells.
        let weights = || model.weights.iter().filter(|weight| weight.role == Role::Weight && weight.shape.len() > 1);
        let guessed: Vec<&str> =
            weights().filter(|weight| weight.known_by != KnownBy::Program).map(|w| &*w.name).collect();
        let after_pt2e = path.to_string_lossy().contains("--");
        assert!(guessed.is_empty() || guessed == ["unused"] || after_pt2e, "{}: {guessed:?}", path.display());
        read += 1;
    }
    assert!(read >= 11, "{read}");
}

#[test]
fn what_cannot_be_read_says_what_to_do() {
    let refused = |path: &Path| {
        let error = Model::open(path).expect_err("it is refused");
        let directory = path.parent().unwrap().to_string_lossy().into_owned();
        format!("{error}\n{}", error.help().unwrap()).replace(&directory, "DIR")
    };
    insta::assert_snapshot!(refused(&data("torchao.pt2")), @"
    DIR/torchao.pt2: `data/weights/model_weights_config.json`: the tensor `0.weight` is pickled, as those of special types are (quantized ones of torchao, for example)
    export the plain model, before it is quantized or wrapped: bitmill does the quantizing
    ");
}

/// Every archive with one byte changed, or cut: read or refused, and no more.
#[test]
fn damaged_exports_are_read_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.pt2");
    let good = fs::read(data("dynamic.pt2")).unwrap();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for round in 0..400 {
        let mut bytes = good.clone();
        match round % 4 {
            0 => bytes.truncate(random(good.len())),
            _ => {
                for _ in 0..1 + random(3) {
                    let at = random(bytes.len());
                    bytes[at] = b"0159,\"[]{}\0\xff"[random(12)];
                }
            }
        }
        fs::write(&path, &bytes).unwrap();
        match Model::open(&path) {
            Err(error) => {
                let message = error.to_string();
                assert!(message.len() < 10_000 && !message.contains(char::is_control), "{message:?}");
            }
            Ok(model) => {
                let values = model.open_data().unwrap();
                for weight in &model.weights {
                    assert_eq!(values.bytes(weight).unwrap().len() as u64, weight.bytes);
                }
            }
        }
    }
}
