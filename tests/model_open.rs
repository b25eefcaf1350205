//! Opening models: files, shards, directories, and what is none of these.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use bitmill::check::{self, Known};
use bitmill::dtype::DType;
use bitmill::formats::output::{Destination, PartialFile};
use bitmill::formats::safetensors::{TensorSpec, Writer};
use bitmill::kind::Kind;
use bitmill::model::{KnownBy, Model, ModelFormat, Role};
use bitmill::recipe::NoImports;

/// Writes a file of fp16 tensors of zeros.
fn save(path: &Path, tensors: &[(&str, &[usize])], metadata: &[(&str, &str)]) {
    let spec = |(name, shape): &(&str, &[usize])| TensorSpec {
        name: name.to_string(),
        dtype: DType::F16.into(),
        shape: shape.to_vec(),
        bytes: 2 * shape.iter().product::<usize>() as u64,
    };
    let specs: Vec<TensorSpec> = tensors.iter().map(spec).collect();
    let metadata: Vec<(String, String)> = metadata.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let partial = PartialFile::create(&Destination { path, overwrite: false, inputs: &[] }).unwrap();
    let writer = Writer::create(partial, &specs, &metadata).unwrap();
    for (index, spec) in specs.iter().enumerate() {
        writer.write_at(index, &vec![0; spec.bytes as usize]).unwrap();
    }
    writer.commit().unwrap();
}

/// The message and help for a path that is refused, without the directory's own name.
fn refusal(directory: &Path, name: &str) -> String {
    let error = Model::open(&directory.join(name)).expect_err("it is refused");
    let text = format!("{error}\n{}", error.help().unwrap_or("(no help)".into()));
    text.replace(&*directory.to_string_lossy(), "DIR")
}

#[test]
fn what_is_not_there_has_a_nearest_name() {
    let dir = tempfile::tempdir().unwrap();
    save(&dir.path().join("model.safetensors"), &[("a", &[2])], &[]);
    insta::assert_snapshot!(refusal(dir.path(), "modle.safetensors"), @r"
DIR/modle.safetensors: there is no such file or directory
did you mean `model.safetensors`?
");
    insta::assert_snapshot!(refusal(dir.path(), "nothing/like/it"), @r"
DIR/nothing/like/it: there is no such file or directory
paths in a recipe are relative to the recipe's file; `--model` names another model
");
}

#[test]
fn other_formats_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    for extension in ["pt2", "pt", "pth", "bin", "ckpt", "gguf", "onnx", "mlmodel"] {
        let name = format!("m.{extension}");
        fs::write(dir.path().join(&name), "x").unwrap();
        let refused = refusal(dir.path(), &name);
        assert!(refused.lines().count() == 2 && !refused.contains("(no help)"), "{refused}");
    }
    fs::create_dir(dir.path().join("m.mlpackage")).unwrap();
    insta::assert_snapshot!(refusal(dir.path(), "m.mlpackage"), @"
    DIR/m.mlpackage: has no Manifest.json, so it is not a Core ML package
    name the .mlpackage directory itself; if it is one, it was not copied whole: fetch it again
    ");
    insta::assert_snapshot!(refusal(dir.path(), "m.pt2"), @"
    DIR/m.pt2: is not a zip archive, or was not copied whole: it has no directory at its end
    if it is an export, it was not copied whole: fetch it again
    ");
    insta::assert_snapshot!(refusal(dir.path(), "m.pth"), @r#"
DIR/m.pth: PyTorch's pickled checkpoints are not read: unpickling runs what the file says
convert it: `from safetensors.torch import save_file; save_file(torch.load("model.bin", weights_only=True), "model.safetensors")`
"#);
}

#[test]
fn directories_that_are_no_models() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("none")).unwrap();
    insta::assert_snapshot!(refusal(dir.path(), "none"), @r"
DIR/none: the directory holds no safetensors file
a model is a .safetensors file, a .pt2 file, or a directory with model.safetensors or its shards and index
");
    fs::write(dir.path().join("none/pytorch_model.bin"), "x").unwrap();
    insta::assert_snapshot!(refusal(dir.path(), "none"), @r#"
DIR/none/pytorch_model.bin: PyTorch's pickled checkpoints are not read: unpickling runs what the file says
convert it: `from safetensors.torch import save_file; save_file(torch.load("model.bin", weights_only=True), "model.safetensors")`
"#);
    let two = dir.path().join("two");
    fs::create_dir(&two).unwrap();
    save(&two.join("a.safetensors"), &[("a", &[2])], &[]);
    save(&two.join("b.safetensors"), &[("b", &[2])], &[]);
    insta::assert_snapshot!(refusal(dir.path(), "two"), @r"
DIR/two: the directory holds 2 safetensors files and no model.safetensors.index.json
name one of the files, or fetch the index that belongs to them
");
    save(&dir.path().join("empty.safetensors"), &[], &[]);
    insta::assert_snapshot!(refusal(dir.path(), "empty.safetensors"), @r"
DIR/empty.safetensors: holds no tensors
save the model's state dict anew with safetensors.torch.save_file
");
}

/// A directory of two shards with this index; the message for it.
fn sharded(index: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    save(&dir.path().join("one.safetensors"), &[("a.weight", &[2, 2]), ("b.weight", &[2])], &[]);
    save(&dir.path().join("two.safetensors"), &[("b.weight", &[2]), ("c.weight", &[2])], &[]);
    save(&dir.path().join("three.safetensors"), &[("c.weight", &[2])], &[]);
    fs::write(dir.path().join("model.safetensors.index.json"), index).unwrap();
    match Model::open(dir.path()) {
        Ok(model) => format!("{:?}: {} tensors", model.format, model.weights.len()),
        Err(error) => error.to_string().replace(&*dir.path().to_string_lossy(), "DIR"),
    }
}

#[test]
fn indices_of_shards_are_checked() {
    let map = |map: &str| sharded(&format!("{{\"metadata\":{{}},\"weight_map\":{map}}}"));
    let good = r#"{"a.weight":"one.safetensors","b.weight":"one.safetensors","c.weight":"three.safetensors"}"#;
    insta::assert_snapshot!(map(good), @"Shards: 3 tensors");
    insta::assert_snapshot!(sharded("{\"weight_map\":"), @"DIR/model.safetensors.index.json: is not JSON: EOF while parsing a value at line 1 column 14");
    insta::assert_snapshot!(sharded("[]"), @"DIR/model.safetensors.index.json: has no `weight_map`");
    insta::assert_snapshot!(map("{}"), @"DIR/model.safetensors.index.json: names no files");
    insta::assert_snapshot!(map(r#"{"a.weight":7}"#), @"DIR/model.safetensors.index.json: names no file for `a.weight`");
    insta::assert_snapshot!(map(r#"{"a.weight":"../one.safetensors"}"#), @"DIR/model.safetensors.index.json: names `../one.safetensors`, which is not a file beside it");
    insta::assert_snapshot!(map(r#"{"a.weight":"/etc/passwd"}"#), @"DIR/model.safetensors.index.json: names `/etc/passwd`, which is not a file beside it");
    insta::assert_snapshot!(map(r#"{"a.weight":"four.safetensors"}"#), @"DIR/model.safetensors.index.json: names `four.safetensors`, which is missing");
    insta::assert_snapshot!(map(r#"{"a.weight":"one.safetensors","x.weight":"one.safetensors"}"#), @"DIR/model.safetensors.index.json: says where to find `x.weight`, and the file named does not hold it");
    insta::assert_snapshot!(map(r#"{"a.weight":"one.safetensors","c.weight":"two.safetensors"}"#), @"DIR/model.safetensors.index.json: two of its files hold `b.weight`");
    insta::assert_snapshot!(sharded(&"[".repeat(1_000_000)), @"DIR/model.safetensors.index.json: is not JSON: recursion limit exceeded at line 1 column 128");
}

#[test]
fn a_directory_says_its_architecture() {
    let dir = tempfile::tempdir().unwrap();
    let config = r#"{"architectures":["GPT2LMHeadModel"],"x":NaN}"#;
    let tensors: &[(&str, &[usize])] =
        &[("wte.weight", &[9, 4]), ("h.0.attn.c_attn.weight", &[4, 12]), ("h.0.attn.bias", &[1, 1, 2, 2])];
    save(&dir.path().join("model.safetensors"), tensors, &[]);
    fs::write(dir.path().join("config.json"), config.replace("NaN", "1")).unwrap();
    let model = Model::open(dir.path()).unwrap();
    assert_eq!((model.format, model.architecture.as_deref()), (ModelFormat::HuggingFace, Some("GPT2LMHeadModel")));
    let of = |name: &str| model.weight(name).unwrap();
    assert_eq!(of("wte.weight").kind, Kind::Embedding);
    assert_eq!(of("h.0.attn.bias").role, Role::Buffer);
    let attention = of("h.0.attn.c_attn.weight");
    assert_eq!((attention.known_by, attention.out_features()), (KnownBy::Architecture, Some(12)));
    // GPT-2's configuration leaves out what is the default: the head is the embedding.
    assert_eq!(of("lm_head.weight").name, "wte.weight");
    fs::write(dir.path().join("config.json"), config).unwrap();
    insta::assert_snapshot!(refusal(dir.path(), ""), @r"
DIR/config.json: is not JSON: expected value at line 1 column 42
correct the file, or move it away: kinds of modules are then told from names and shapes
");
}

#[test]
fn aliases_of_save_model_are_tied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.safetensors");
    save(&path, &[("embed.weight", &[9, 4])], &[("format", "pt"), ("head.weight", "embed.weight")]);
    let model = Model::open(&path).unwrap();
    assert_eq!(model.weights[0].tied, ["head.weight"]);
    assert_eq!(model.open_data().unwrap().bytes(&model.weights[0]).unwrap().as_ref(), [0; 72]);
}

#[test]
fn a_file_swapped_for_another_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.safetensors");
    save(&path, &[("a.weight", &[2, 2])], &[]);
    let model = Model::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    save(&path, &[("a.weight", &[3, 2])], &[]);
    let read = model.open_data().and_then(|data| data.bytes(&model.weights[0]).map(|bytes| bytes.len()));
    assert!(read.unwrap_err().to_string().contains("changed"));
}

#[test]
fn the_shipped_models_are_told() {
    let of = |name: &str| Model::open(&Path::new("examples/models").join(name)).unwrap();
    let count = |model: &Model, kind: Kind| {
        model.weights.iter().filter(|w| w.kind == kind && w.never_quantized().is_none()).count()
    };
    let digits = of("digits.safetensors");
    assert_eq!((count(&digits, Kind::Conv2d), count(&digits, Kind::Linear), count(&digits, Kind::Other)), (6, 2, 0));
    let bytes = of("bytes-lm.safetensors");
    assert_eq!((count(&bytes, Kind::Embedding), count(&bytes, Kind::Linear), count(&bytes, Kind::Other)), (2, 29, 0));
}

#[test]
fn sizes_beyond_64_bits_are_as_large_as_can_be() {
    let text = "layers.{0..2}.fc.weight  linear  64x64  fp16\n";
    let mut model = Model::listing(text).unwrap();
    model.weights.iter_mut().for_each(|weight| weight.bytes = 1 << 63);
    assert_eq!(model.bytes(), u64::MAX);
    let recipe = "linear => int8 per-channel\nexpect size <= 10%\n\"layers.2.fc\" => keep\n";
    let analysis = check::analyze(Path::new("test.bitmill"), recipe, &NoImports, Known::Model(&model));
    let plan = analysis.plan.unwrap();
    assert_eq!(plan.totals(&model, |_| true).before, u64::MAX);
    assert_eq!(plan.rules[0].plus(plan.rules[1]).before, u64::MAX);
}
