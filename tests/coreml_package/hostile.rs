//! Broken and hostile packages: each is a clear error with a place and a way out, never a panic.

use std::fs;
use std::path::{Path, PathBuf};

use bitmill::element::ElementType;
use bitmill::formats::coreml::proto::*;
use bitmill::formats::coreml::{
    Manifest, Package, PackageFault, PackageWriteError, PackageWriter, WEIGHT_FILE, decode_model,
};
use bitmill::formats::output::{Destination, OutputError};
use bytes::Bytes;
use prost::Message;
use tempfile::TempDir;

use crate::golden::*;

/// A package of its own that a test may break.
struct World {
    dir: TempDir,
}

const MODEL: &str = "Data/com.apple.CoreML/model.mlmodel";
const WEIGHTS: &str = "Data/com.apple.CoreML/weights/weight.bin";

impl World {
    fn new() -> World {
        let world = World { dir: tempfile::tempdir().unwrap() };
        let mut writer = writer(&world.package());
        let offset = writer.push(ElementType::Uint3, 10, &[0xd1, 0x58, 0x1f, 0x2f]).unwrap();
        writer.commit(&model(&[(WEIGHT_FILE, offset)])).unwrap();
        world
    }

    fn package(&self) -> PathBuf {
        self.dir.path().join("m.mlpackage")
    }

    fn join(&self, inner: &str) -> PathBuf {
        self.package().join(inner)
    }

    fn edit(&self, inner: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.join(inner)).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(self.join(inner), text.replace(from, to)).unwrap();
    }

    /// Message and help for a path in the directory of the package, without the directory's own.
    fn refusal(&self, path: &str) -> String {
        let error = Package::open(&self.dir.path().join(path)).unwrap_err();
        let text = format!("{error}\n{}", error.help().unwrap_or("(no help)"));
        text.replace(&*self.dir.path().to_string_lossy(), "DIR")
    }

    fn refusal_of_package(&self) -> String {
        self.refusal("m.mlpackage")
    }
}

fn writer(path: &Path) -> PackageWriter {
    PackageWriter::create(&Destination { path, overwrite: true, inputs: &[] }).unwrap()
}

/// A model whose only operations are constants in files of weights.
fn model(constants: &[(&str, u64)]) -> Kept<Model> {
    let operations = constants.iter().map(|(file, offset)| {
        let blob = BlobFileValue { file_name: (*file).to_owned(), offset: *offset };
        let value = Value { value: Some(ValueKind::BlobFile(blob.into())), ..Default::default() };
        let attributes = vec![AttributeEntry::entry("val".to_owned(), value.into()).into()];
        Operation { r#type: "const".to_owned(), attributes, ..Default::default() }.into()
    });
    let block = Block { operations: operations.collect(), ..Default::default() };
    let entry = BlockEntry::entry("CoreML8".to_owned(), block.into()).into();
    let function = Function { opset: "CoreML8".to_owned(), block_specializations: vec![entry], ..Default::default() };
    let functions = vec![FunctionEntry::entry("main".to_owned(), function.into()).into()];
    let program = Program { version: 1, functions, ..Default::default() };
    Model { specification_version: 9, kind: Some(ModelKind::MlProgram(program.into())), ..Default::default() }.into()
}

#[test]
fn what_is_no_package() {
    let world = World::new();
    let dir = world.dir.path();
    insta::assert_snapshot!(world.refusal("nothing"), @"
    DIR/nothing: there is no such file or directory
    check the path
    ");
    fs::write(dir.join("notes.txt"), "notes").unwrap();
    insta::assert_snapshot!(world.refusal("notes.txt"), @"
    DIR/notes.txt: is a file; a Core ML package is a directory with a Manifest.json
    name the .mlpackage directory
    ");
    fs::create_dir(dir.join("empty")).unwrap();
    insta::assert_snapshot!(world.refusal("empty"), @"
    DIR/empty: has no Manifest.json, so it is not a Core ML package
    name the .mlpackage directory itself; if it is one, it was not copied whole: fetch it again
    ");
    insta::assert_snapshot!(world.refusal("."), @"
    DIR/.: is not a Core ML package itself; it holds the package m.mlpackage
    name the package itself
    ");
    fs::create_dir(dir.join("m.mlmodelc")).unwrap();
    insta::assert_snapshot!(world.refusal("m.mlmodelc"), @"
    DIR/m.mlmodelc: is a compiled Core ML model (.mlmodelc), which has no weights that could be changed
    name the .mlpackage from which it was compiled
    ");
    fs::write(dir.join("empty/coremldata.bin"), "x").unwrap();
    assert!(world.refusal("empty").contains("compiled Core ML model"));
    insta::assert_snapshot!(world.refusal("m.mlpackage/Data/com.apple.CoreML/model.mlmodel"), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/model.mlmodel: is a file in the package DIR/m.mlpackage
    name the package itself
    ");
    insta::assert_snapshot!(world.refusal("m.mlpackage/Data"), @"
    DIR/m.mlpackage/Data: has no Manifest.json, so it is not a Core ML package
    name the .mlpackage directory itself; if it is one, it was not copied whole: fetch it again
    ");
}

#[test]
fn models_in_single_files_and_of_other_kinds() {
    let world = World::new();
    // Version 4, an empty description, and a model of some kind.
    let of_kind = |tag: u32| {
        let mut wire = vec![0x08, 4, 0x12, 0];
        prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut wire);
        wire.extend([3, 1, 2, 3]);
        wire
    };
    let mut seen = vec![];
    for (tag, name) in MODEL_KINDS {
        fs::write(world.dir.path().join("m.mlmodel"), of_kind(*tag)).unwrap();
        let refusal = world.refusal("m.mlmodel");
        assert!(refusal.contains(&format!("in a single file ({name})")), "{refusal}");
        if *tag != ML_PROGRAM {
            fs::write(world.join(MODEL), of_kind(*tag)).unwrap();
            let refusal = world.refusal_of_package();
            assert!(refusal.contains(&format!("of the kind \"{name}\"")), "{refusal}");
            seen.push(refusal);
        }
    }
    insta::assert_snapshot!(world.refusal("m.mlmodel"), @r#"
    DIR/m.mlmodel: is a Core ML model in a single file (serialized model); bitmill reads ML Programs in packages (.mlpackage)
    convert the original model again with coremltools.convert(..., convert_to="mlprogram", minimum_deployment_target=coremltools.target.iOS15) or a later target
    "#);
    insta::assert_snapshot!(seen[2], @r#"
    DIR/m.mlpackage/Data/com.apple.CoreML/model.mlmodel: the model is of the kind "pipeline"; bitmill reads ML Programs
    take the models out of the pipeline, save each as its own package, and run bitmill on them one by one; build the pipeline again from the results with coremltools.utils.make_pipeline
    "#);
    insta::assert_snapshot!(seen.iter().find(|text| text.contains("\"neural network\"")).unwrap(), @r#"
    DIR/m.mlpackage/Data/com.apple.CoreML/model.mlmodel: the model is of the kind "neural network"; bitmill reads ML Programs
    convert the original model again with coremltools.convert(..., convert_to="mlprogram", minimum_deployment_target=coremltools.target.iOS15) or a later target
    "#);
    // Cut off in the middle of its weights, as the beginning of a large file is.
    let large = [&of_kind(500)[..6], &[0xff, 0xff, 0xff, 0x7f, 1]].concat();
    fs::write(world.dir.path().join("m.mlmodel"), &large).unwrap();
    assert!(world.refusal("m.mlmodel").contains("in a single file (neural network)"));
    fs::write(world.dir.path().join("m.mlmodel"), of_kind(502)).unwrap();
    insta::assert_snapshot!(world.refusal("m.mlmodel"), @r#"
    DIR/m.mlmodel: is a Core ML model in a single file (ML Program); bitmill reads ML Programs in packages (.mlpackage)
    save it as a package: coremltools.models.MLModel("model.mlmodel").save("model.mlpackage")
    "#);
    fs::write(world.join(MODEL), [0x08, 4, 0x12, 0]).unwrap();
    insta::assert_snapshot!(world.refusal_of_package(), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/model.mlmodel: the model has no kind, such as ML Program: it is damaged, or of a kind newer than bitmill knows
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
}

#[test]
fn manifests_that_are_missing_or_lie() {
    let world = World::new();
    let text = fs::read_to_string(world.join("Manifest.json")).unwrap();
    let root = Manifest::parse(text.as_bytes()).unwrap().root;
    let say = |from: &str, to: &str| {
        fs::write(world.join("Manifest.json"), text.replace(from, to)).unwrap();
        world.refusal_of_package().replace(&root, "ROOT")
    };
    insta::assert_snapshot!(say("{", "["), @"
    DIR/m.mlpackage/Manifest.json: cannot be understood: it is not JSON: expected `,` or `]` at line 2 column 24
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
    insta::assert_snapshot!(say("1.0.0", "1.1.0"), @"
    DIR/m.mlpackage/Manifest.json: cannot be understood: `fileFormatVersion` is `1.1.0`; versions up to 1.0.0 are known
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
    insta::assert_snapshot!(say("com.apple.CoreML/model.mlmodel", "../../../secret"), @"
    DIR/m.mlpackage/Manifest.json: cannot be understood: `itemInfoEntries.ROOT.path` is `../../../secret`, which leads out of the package
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
    insta::assert_snapshot!(say("com.apple.CoreML/model.mlmodel", "/etc/passwd"), @"
    DIR/m.mlpackage/Manifest.json: cannot be understood: `itemInfoEntries.ROOT.path` is `/etc/passwd`, which leads out of the package
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
    insta::assert_snapshot!(say("com.apple.CoreML/model.mlmodel", "com.apple.CoreML/other.mlmodel"), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/other.mlmodel: the manifest names this file as the model, and it is not there
    the package was not copied whole; fetch it again
    ");
    insta::assert_snapshot!(say("com.apple.CoreML/model.mlmodel", "com.apple.CoreML/weights"), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/weights: is a directory where the manifest names the model; a package in a package is not read
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
    insta::assert_snapshot!(say(&format!("Identifier\": \"{root}"), "Identifier\": \"\\u001b[2J"), @r"
    DIR/m.mlpackage/Manifest.json: cannot be understood: `rootModelIdentifier` is `\u{1b}[2J`, and no entry has this identifier
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
    fs::write(world.join("Manifest.json"), vec![b' '; (1 << 20) + 1]).unwrap();
    insta::assert_snapshot!(world.refusal_of_package(), @"
    DIR/m.mlpackage/Manifest.json: has 1,048,577 bytes; such a file has at most 1,048,576 bytes
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
    fs::remove_file(world.join("Manifest.json")).unwrap();
    insta::assert_snapshot!(world.refusal_of_package(), @"
    DIR/m.mlpackage: has no Manifest.json, so it is not a Core ML package
    name the .mlpackage directory itself; if it is one, it was not copied whole: fetch it again
    ");
    fs::create_dir(world.join("Manifest.json")).unwrap();
    insta::assert_snapshot!(world.refusal_of_package(), @"
    DIR/m.mlpackage/Manifest.json: is not a regular file
    (no help)
    ");
}

#[cfg(unix)]
#[test]
fn links_lead_nowhere_else() {
    use std::os::unix::fs::symlink;
    let world = World::new();
    let outside = world.dir.path().join("outside");
    for inner in ["Manifest.json", MODEL, WEIGHTS] {
        fs::rename(world.join(inner), &outside).unwrap();
        symlink(&outside, world.join(inner)).unwrap();
        let refusal = match Package::open(&world.package()) {
            Err(error) => error,
            Ok(package) => package.weight_file(WEIGHT_FILE).unwrap_err(),
        };
        assert!(matches!(refusal.fault, PackageFault::Link(_)), "{refusal}");
        assert!(refusal.help().unwrap().contains("cp -RL"));
        fs::remove_file(world.join(inner)).unwrap();
        fs::rename(&outside, world.join(inner)).unwrap();
    }
    insta::assert_snapshot!({
        fs::write(&outside, "secret").unwrap();
        symlink(&outside, world.join("extra.json")).unwrap();
        let input = Package::open(&world.package()).unwrap();
        let error = writer(&world.dir.path().join("out.mlpackage")).keep_extras(&input).unwrap_err();
        error.to_string().replace(&*world.dir.path().to_string_lossy(), "DIR")
    }, @"DIR/m.mlpackage/extra.json: is a link that leads out of the package DIR/m.mlpackage");
    fs::remove_file(world.join("extra.json")).unwrap();
    // Within the package they are what they lead to, and a package may be a link itself.
    fs::rename(world.join(WEIGHTS), world.join("Data/real.bin")).unwrap();
    symlink("../../real.bin", world.join(WEIGHTS)).unwrap();
    symlink("m.mlpackage", world.dir.path().join("link.mlpackage")).unwrap();
    let package = Package::open(&world.dir.path().join("link.mlpackage")).unwrap();
    assert_eq!(package.blob(references(program(package.model()))[0]).unwrap().elements(), 10);
}

#[test]
fn references_to_weights_that_lie() {
    let world = World::new();
    let package = Package::open(&world.package()).unwrap();
    let say = |file_name: &str, offset| {
        let error = package.blob(&BlobFileValue { file_name: file_name.to_owned(), offset }).unwrap_err();
        let text = format!("{error}\n{}", error.help().unwrap_or("(no help)"));
        text.replace(&*world.dir.path().to_string_lossy(), "DIR")
    };
    for leaves in [
        "",
        "@model_path/",
        "weights/weight.bin",
        "@model_path/../model.mlmodel",
        "@model_path//etc/passwd/..",
        "/etc/passwd",
    ] {
        assert!(say(leaves, 64).contains("stays below"), "{leaves}");
    }
    insta::assert_snapshot!(say("@model_path/../\u{1b}[2J", 64), @r"
    DIR/m.mlpackage/Data/com.apple.CoreML/model.mlmodel: the program refers to weights in `@model_path/../\u{1b}[2J`; such a reference begins with `@model_path/` and stays below
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
    insta::assert_snapshot!(say("@model_path/weights/other.bin", 64), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/weights/other.bin: the program refers to weights in this file, and it is not there
    the package was not copied whole; fetch it again
    ");
    insta::assert_snapshot!(say("@model_path/weights", 64), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/weights: is not a regular file
    (no help)
    ");
    insta::assert_snapshot!(say("@model_path/model.mlmodel", 64), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/model.mlmodel: at byte 4: this is not a file of weights: the version is 0x12010858 where version 2 stands
    the package is damaged, or its parts come from different models; fetch it again or convert it again
    ");
    insta::assert_snapshot!(say(WEIGHT_FILE, 128), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/weights/weight.bin: at byte 128: no blob begins here: the file ends at byte 132
    the file may be cut short, as after an interrupted download or copy, or belong to another model; fetch the whole package again
    ");
    insta::assert_snapshot!(say(WEIGHT_FILE, 1 << 40), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/weights/weight.bin: at byte 1099511627776: no blob begins here: the file ends at byte 132
    the file may be cut short, as after an interrupted download or copy, or belong to another model; fetch the whole package again
    ");
    insta::assert_snapshot!(say(WEIGHT_FILE, 65), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/weights/weight.bin: at byte 65: no blob begins here: blobs begin at multiples of 64, the first at 64
    the package is damaged, or its parts come from different models; fetch it again or convert it again
    ");
    fs::write(world.join("Data/com.apple.CoreML/weights/empty.bin"), "").unwrap();
    insta::assert_snapshot!(say("@model_path/weights/empty.bin", 64), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/weights/empty.bin: at byte 0: the file has only 0 bytes; the header of a file of weights takes 64
    the file may be cut short, as after an interrupted download or copy, or belong to another model; fetch the whole package again
    ");
    let mut old = fs::read(world.join(WEIGHTS)).unwrap();
    old[4] = 1;
    fs::write(world.join("Data/com.apple.CoreML/weights/old.bin"), &old).unwrap();
    insta::assert_snapshot!(say("@model_path/weights/old.bin", 64), @r#"
    DIR/m.mlpackage/Data/com.apple.CoreML/weights/old.bin: at byte 4: the file has version 1, that of neural networks; ML Programs use version 2
    convert the original model again with coremltools and convert_to="mlprogram", minimum_deployment_target=ct.target.iOS15 or later
    "#);
    // Grown since it was opened.
    fs::write(world.join(WEIGHTS), [&old[..], &[0; 64]].concat()).unwrap();
    insta::assert_snapshot!(say(WEIGHT_FILE, 64), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/weights/weight.bin: the file was changed while it was being read
    wait until what writes the package has ended, then run again
    ");
}

#[test]
fn models_that_are_damaged() {
    let world = World::new();
    let say = |wire: &[u8]| {
        fs::write(world.join(MODEL), wire).unwrap();
        world.refusal_of_package()
    };
    insta::assert_snapshot!(say(b"not a model at all"), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/model.mlmodel: is not a Core ML model, or is damaged: invalid wire type value: 6
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
    insta::assert_snapshot!(say(b""), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/model.mlmodel: the model has no kind, such as ML Program: it is damaged, or of a kind newer than bitmill knows
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
    insta::assert_snapshot!(say(&[0xb2, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/model.mlmodel: is not a Core ML model, or is damaged: buffer underflow in Model.kind
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
    insta::assert_snapshot!(say(&model_with(&nested_blocks(10_000))), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/model.mlmodel: is not a Core ML model, or is damaged: recursion limit reached in Model.kind > Program.functions > … > Operation.blocks
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
    let mut truncated = model(&[(WEIGHT_FILE, 64)]).encode_to_vec();
    truncated.truncate(40);
    insta::assert_snapshot!(say(&truncated), @"
    DIR/m.mlpackage/Data/com.apple.CoreML/model.mlmodel: is not a Core ML model, or is damaged: buffer underflow in Model.kind
    the package is damaged or was written by a faulty program; fetch it again, or convert it again with coremltools
    ");
}

#[test]
fn a_program_of_too_many_fields_is_refused() {
    // Two bytes of a file may be a message of hundreds in memory. Here they are truth values, which are not.
    let bools = RepeatedBools { values: vec![true; 17 << 20] };
    let tensor = TensorValue { value: Some(TensorElements::Bools(bools.into())) };
    let immediate = ImmediateValue { value: Some(ImmediateKind::Tensor(tensor.into())) };
    let value = Value { value: Some(ValueKind::Immediate(immediate.into())), ..Default::default() };
    let attributes = vec![AttributeEntry::entry("val".to_owned(), value.into()).into()];
    let block = Block { attributes, ..Default::default() }.encode_to_vec();
    let error = decode_model(&Bytes::from(model_with(&block))).unwrap_err();
    assert!(matches!(error, PackageFault::TooManyFields), "{error}");
}

/// A model whose only function has a block given by its bytes.
fn model_with(block: &[u8]) -> Vec<u8> {
    let wrap = |tag: u32, inner: &[u8]| {
        let mut wire = vec![];
        prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut wire);
        prost::encoding::encode_varint(inner.len() as u64, &mut wire);
        wire.extend(inner);
        wire
    };
    // Entry, function, entry, program, model.
    [2, 3, 2, 2, ML_PROGRAM].iter().fold(block.to_vec(), |inner, tag| wrap(*tag, &inner))
}

fn nested_blocks(depth: usize) -> Vec<u8> {
    let mut reversed = vec![];
    for level in 0..2 * depth {
        let mut head = vec![if level % 2 == 0 { 0x22 } else { 0x1a }];
        prost::encoding::encode_varint(reversed.len() as u64, &mut head);
        reversed.extend(head.iter().rev());
    }
    reversed.reverse();
    reversed
}

#[test]
fn a_model_cut_at_any_byte_or_changed_at_any_byte_is_no_panic() {
    let golden = Golden::from_archive("lowered");
    let path = golden.package("tiny-cnn--weight-only-8bit--iOS17").join(MODEL);
    let wire = Bytes::from(fs::read(path).unwrap());
    assert!(decode_model(&wire).is_ok());
    for len in 0..wire.len() {
        assert!(decode_model(&wire.slice(..len)).is_err(), "{len}");
    }
    for at in 0..wire.len() {
        for flip in [0xff, 0x80, 0x01] {
            let mut changed = wire.to_vec();
            changed[at] ^= flip;
            // What is still a model is written as something that is read as the same.
            if let Ok(model) = decode_model(&Bytes::from(changed)) {
                let written = model.encode_to_vec();
                let again = decode_model(&Bytes::from(written.clone())).unwrap().encode_to_vec();
                assert!(again == written, "{at}");
            }
        }
    }
}

#[test]
fn a_package_without_blobs_has_an_empty_directory_and_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.mlpackage");
    writer(&path).commit(&model(&[])).unwrap();
    assert_eq!(fs::read_dir(path.join("Data/com.apple.CoreML/weights")).unwrap().count(), 0);
    assert_eq!(Package::open(&path).unwrap().model(), &model(&[]));
    let first = fs::read(path.join("Manifest.json")).unwrap();
    writer(&path).commit(&model(&[])).unwrap();
    assert_eq!(fs::read(path.join("Manifest.json")).unwrap(), first);
}

#[test]
fn what_a_package_holds_besides_is_kept() {
    let world = World::new();
    fs::write(world.join("executorch_debug_handle_mapping.json"), "{}").unwrap();
    fs::create_dir_all(world.join("Data/org.example/deep/empty")).unwrap();
    fs::write(world.join("Data/org.example/deep/notes.txt"), "notes").unwrap();
    fs::write(world.join("Data/com.apple.CoreML/weights/other.bin"), "not opened").unwrap();
    let item = r#""itemInfoEntries": {
        "X": {"path": "org.example/deep", "name": "deep", "author": "org.example", "description": "d", "more": 1},
        "Y": {"path": "org.example/gone", "name": "gone", "author": "org.example", "description": "d"},"#;
    world.edit("Manifest.json", "\"itemInfoEntries\": {", item);
    world.edit("Manifest.json", "\"fileFormat", "\"zoo\": [1], \"fileFormat");
    let input = Package::open(&world.package()).unwrap();
    let out = world.dir.path().join("out.mlpackage");
    let mut writer = writer(&out);
    writer.keep_extras(&input).unwrap();
    writer.commit(input.model()).unwrap();

    let output = Package::open(&out).unwrap();
    let kept: Vec<_> = output.manifest().items.iter().map(|item| item.path.as_str()).collect();
    assert_eq!(kept.len(), 3, "{kept:?}");
    let item = output.manifest().items.iter().find(|item| item.identifier == "X").unwrap();
    assert_eq!((item.extra["more"].as_i64(), output.manifest().extra["zoo"][0].as_i64()), (Some(1), Some(1)));
    assert_eq!(fs::read_to_string(out.join("Data/org.example/deep/notes.txt")).unwrap(), "notes");
    assert!(out.join("Data/org.example/deep/empty").is_dir());
    assert!(out.join("executorch_debug_handle_mapping.json").is_file());
    assert!(out.join("Data/com.apple.CoreML/weights/other.bin").is_file());
    // No blob was written, and that of the input is not an extra.
    assert!(!out.join(WEIGHTS).exists());
}

#[test]
fn a_package_written_into_its_input_does_not_copy_itself() {
    let world = World::new();
    let input = Package::open(&world.package()).unwrap();
    let mut writer = writer(&world.join("out.mlpackage"));
    writer.keep_extras(&input).unwrap();
    writer.commit(input.model()).unwrap();
    let names = fs::read_dir(world.join("out.mlpackage")).unwrap().map(|e| e.unwrap().file_name());
    assert_eq!(names.count(), 2);
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let world = World::new();
    let path = world.package();
    let destination = Destination { path: &path, overwrite: false, inputs: &[] };
    assert!(matches!(PackageWriter::create(&destination), Err(OutputError::Exists(_))));
    let inputs = [path.clone()];
    let destination = Destination { path: &path, overwrite: true, inputs: &inputs };
    assert!(matches!(PackageWriter::create(&destination), Err(OutputError::IsInput { .. })));

    let mut writer = writer(&world.dir.path().join("out.mlpackage"));
    let error = writer.push_with(ElementType::Uint8, 4, |out| out.write_all(b"abc")).unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(&*world.dir.path().to_string_lossy(), "DIR"), @"DIR/out.mlpackage/Data/com.apple.CoreML/weights/weight.bin: uint8[4] takes 4 bytes, and 3 bytes were given");
    assert!(matches!(writer.commit(&model(&[])), Err(PackageWriteError::Blob { .. })));
    let names: Vec<_> = fs::read_dir(world.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["m.mlpackage"]);
}
