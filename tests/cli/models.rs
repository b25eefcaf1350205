//! `decompress`, `diff`, and `inspect` of packages.

use std::fs;
use std::path::Path;

use super::world::World;

/// A world with a package that ExecuTorch and coremltools made, as `model.mlpackage`.
fn with_package(case: &str) -> World {
    let world = World::new();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conformance/lowered.tar.gz");
    let unpacked = tempfile::tempdir().unwrap();
    let file = fs::File::open(archive).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(unpacked.path()).unwrap();
    copy(&unpacked.path().join("lowered").join(case).join("model.mlpackage"), &world.path("model.mlpackage"));
    world
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let inner = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &inner),
            false => _ = fs::copy(entry.path(), inner).unwrap(),
        }
    }
}

#[test]
fn packages_are_inspected() {
    let world = with_package("tiny-cnn--affine--iOS17");
    insta::assert_snapshot!(world.run("inspect model.mlpackage").all());
    let shown = world.run("inspect model.mlpackage conv --values");
    assert_eq!((shown.status, shown.stdout.matches("conv2d").count()), (Some(0), 0), "{}", shown.all());
    assert!(!shown.stdout.contains("not read as numbers") && !shown.stdout.contains("function"), "{}", shown.all());
    let json: serde_json::Value = serde_json::from_str(&world.run("inspect model.mlpackage --json").stdout).unwrap();
    assert_eq!(json["program"]["specification_version"], 8);
    assert_eq!(json["program"]["functions"][0]["inputs"].as_array().unwrap().len(), 1);
    let compressed = json["tensors"].as_array().unwrap().iter().filter(|tensor| !tensor["compression"].is_null());
    let first = compressed.map(|tensor| tensor["compression"].clone()).next().unwrap();
    assert_eq!((&first["method"], &first["bits"]), (&"integers".into(), &8.into()));
}

#[test]
fn packages_are_decompressed_and_compared() {
    let world = with_package("tiny-lm--int4-group32-asymmetric--iOS18");
    let ran = world.run("decompress model.mlpackage");
    insta::assert_snapshot!(ran.stdout.rsplit_once(" in ").unwrap().0);
    assert_eq!(
        (ran.status, world.files()),
        (Some(0), vec!["model-decompressed.mlpackage".into(), "model.mlpackage".into()])
    );
    let again = world.run("decompress model.mlpackage --json");
    assert!(again.status == Some(3) && again.stderr.contains("--force"), "{}", again.all());
    let onto = world.run("decompress model.mlpackage -o model.mlpackage --force");
    assert_eq!(onto.status, Some(3), "{}", onto.all());
    let json = world.run("decompress model.mlpackage --json --force").stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["weights"][0]["compression"]["scheme"], "int4 per-group(32) asymmetric");
    insta::assert_snapshot!(world.run("diff model.mlpackage model-decompressed.mlpackage").all());
    let plain = world.run("decompress model-decompressed.mlpackage -o other.mlpackage");
    assert_eq!((plain.status, world.files().len()), (Some(0), 2), "{}", plain.all());
    assert_eq!(plain.stdout, "model-decompressed.mlpackage: no weight is compressed; nothing was written\n");
    let same = world.run("diff model.mlpackage model.mlpackage");
    assert_eq!(same.status, Some(0), "{}", same.all());
}

#[test]
fn checkpoints_are_compared() {
    let world = World::new().model("digits.safetensors").file(
        "a.bitmill",
        "model \"digits.safetensors\"\ntarget iOS18\nconv => int8 per-channel\n\"hidden\" => lut4 per-grouped-channel(16)\n",
    );
    assert_eq!(world.run("run a.bitmill -o packed.safetensors --format packed").status, Some(0));
    insta::assert_snapshot!(world.run("diff digits.safetensors packed.safetensors").all());
    let json = world.run("diff digits.safetensors packed.safetensors --json");
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.status, &report["same"], &report["only_after"]), (Some(1), &false.into(), &serde_json::json!([])));
    assert!(report["weights"][0]["sqnr"].as_f64().unwrap() < report["weights"][1]["sqnr"].as_f64().unwrap());
    assert_eq!(report["weights"][0]["after"]["compression"]["scheme"], "lut4 per-grouped-channel(16)");
    assert_eq!(world.run("decompress packed.safetensors").status, Some(0));
    let diff = world.run("diff packed.safetensors packed-decompressed.safetensors --all");
    assert!(
        diff.status == Some(1) && diff.stdout.contains("; ") && diff.stdout.contains(" 0 changed"),
        "{}",
        diff.all()
    );
    let world = world.file("broken.safetensors", "nothing");
    assert_eq!(world.run("diff digits.safetensors broken.safetensors").status, Some(3));
}

/// Nothing is written into a package that is read, and no package under a name that Core ML does not take.
#[test]
fn outputs_lie_beside_packages_and_are_called_so() {
    let world =
        with_package("tiny-lm--int4-group32-asymmetric--iOS18").file("a.bitmill", "target iOS18\nall => keep\n");
    for output in ["model.mlpackage/Data/out.mlpackage", "model.mlpackage/out.mlpackage"] {
        for line in
            [format!("run a.bitmill -m model.mlpackage -o {output}"), format!("decompress model.mlpackage -o {output}")]
        {
            let ran = world.run(&line);
            assert_eq!(ran.status, Some(3), "{}", ran.all());
            let told = format!("error: {output}: the output would lie in the input model.mlpackage\n");
            assert!(ran.stderr.contains(&told), "{}", ran.all());
            assert!(!world.path(output).exists());
        }
    }
    for line in ["run a.bitmill -m model.mlpackage -o out", "decompress model.mlpackage -o out.bin"] {
        let ran = world.run(line);
        assert_eq!(ran.status, Some(2), "{}", ran.all());
        assert!(ran.stderr.contains("name an output that ends in `.mlpackage`"), "{}", ran.all());
    }
    assert_eq!(world.files(), ["a.bitmill", "model.mlpackage"]);
}

#[test]
fn files_of_a_package_are_known_as_such() {
    let world = with_package("tiny-lm--int4-group32-asymmetric--iOS18");
    for file in ["Manifest.json", "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin"] {
        let ran = world.run(&format!("inspect model.mlpackage/{file}"));
        assert_eq!(ran.status, Some(3));
        assert!(
            ran.stderr.contains("is a file in the package") && ran.stderr.contains("name the package itself"),
            "{}",
            ran.all()
        );
    }
}
