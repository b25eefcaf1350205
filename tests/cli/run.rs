//! `run`: the report, what is never overwritten, what a signal leaves.

use super::world::World;

const RECIPE: &str = "model \"digits.safetensors\"\n\
    target iOS18\n\
    conv => int8 per-channel\n\
    \"hidden\" => lut4 per-grouped-channel(16)\n\
    expect size <= 30%\n";

fn digits() -> World {
    World::new().model("digits.safetensors").file("a.bitmill", RECIPE)
}

#[test]
fn a_run_reports_and_what_was_there_stays_unless_forced() {
    let world = digits();
    let ran = world.run("run a.bitmill -o out.safetensors");
    let report = ran.stdout.rsplit_once(" in ").map(|(report, _)| report).unwrap_or_default().to_string();
    insta::assert_snapshot!(report);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    let again = world.run("run a.bitmill -o out.safetensors --format packed");
    assert!(again.status == Some(3) && again.stderr.contains("--force"), "{}", again.all());
    let forced = world.run("run a.bitmill -o out.safetensors --format packed --force");
    assert_eq!(forced.status, Some(0), "{}", forced.all());
    // What was packed is a model again.
    assert!(world.run("inspect out.safetensors").stdout.contains("  packed, 32 tensors"));
    assert_eq!(world.files(), ["a.bitmill", "digits.safetensors", "out.safetensors"]);
}

/// Who asks for a document gets one where nothing is run, too.
#[test]
fn errors_are_a_document() {
    let world = digits().file("b.bitmill", RECIPE.replace("lut4", "lut44"));
    let ran = world.run("run b.bitmill -o out.safetensors --json");
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(ran.status, Some(1), "{}", ran.all());
    assert_eq!(document["findings"][0]["code"], "unknown-part");
    let checked = world.run("check b.bitmill --format json");
    assert_eq!(checked.stdout, ran.stdout);
    assert_eq!(world.files(), ["a.bitmill", "b.bitmill", "digits.safetensors"]);
}

#[test]
fn inputs_are_never_outputs() {
    let world = digits();
    let before = std::fs::read(world.path("digits.safetensors")).unwrap();
    for line in ["run a.bitmill -o digits.safetensors --force", "run a.bitmill -o a.bitmill --force"] {
        assert_eq!(world.run(line).status, Some(3), "{line}");
    }
    assert_eq!(std::fs::read(world.path("digits.safetensors")).unwrap(), before);
    assert_eq!(world.read("a.bitmill"), RECIPE);
}

#[test]
fn what_does_not_go_together_is_wrong_usage() {
    let world = digits().file("p.bitmill", "target iOS18\nlinear => int8 per-channel\n");
    let package = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/digits.mlpackage");
    for line in [
        "run a.bitmill -o out.mlpackage".to_string(),
        "run a.bitmill -o out --format mlpackage".to_string(),
        format!("run p.bitmill -m {package} -o out.safetensors"),
        format!("run p.bitmill -m {package} -o out --format packed"),
    ] {
        let ran = world.run(&line);
        assert!(ran.status == Some(2) && ran.stdout.is_empty(), "{line}: {}", ran.all());
    }
    assert_eq!(world.files(), ["a.bitmill", "digits.safetensors", "p.bitmill"]);
}

#[cfg(unix)]
#[test]
fn a_limit_on_the_size_of_files_is_a_failed_write() {
    let world = digits();
    let mut shell = std::process::Command::new("sh");
    let script = "ulimit -f 8; exec \"$0\" run a.bitmill -o out.safetensors";
    let ran = shell.args(["-c", script, env!("CARGO_BIN_EXE_bitmill")]).current_dir(world.path(".")).output().unwrap();
    let says = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.code() == Some(3) && says.contains("`ulimit -f`"), "{:?}: {says}", ran.status);
    assert_eq!(world.files(), ["a.bitmill", "digits.safetensors"]);
}

#[test]
fn errors_forbid_a_run_and_failed_expectations_are_findings() {
    let world = digits().file("bad.bitmill", format!("{RECIPE}liner => keep\n"));
    let ran = world.run("run bad.bitmill -o out.safetensors");
    assert_eq!((ran.status, world.path("out.safetensors").exists()), (Some(1), false), "{}", ran.all());
    let world = world.file("high.bitmill", format!("{RECIPE}expect sqnr >= 90 dB\n"));
    let ran = world.run("run high.bitmill -o out.safetensors");
    assert!(ran.status == Some(1) && ran.stdout.contains("[expect-failed]"), "{}", ran.all());
}

#[test]
fn what_nothing_measured_is_not_met() {
    let world = digits().file("a.bitmill", format!("{RECIPE}expect accuracy drop <= 0.5%\nexpect sqnr >= 90 dB\n"));
    let ran = world.run("run a.bitmill -o out.safetensors");
    let line = "1 of 3 expectations met; 1 failed; not measured: `accuracy drop <= 0.5%` (only an evaluation tells)\n";
    assert!(ran.status == Some(1) && ran.stdout.contains(line), "{}", ran.all());
    let ran = world.run("run a.bitmill -o out.safetensors --force --json");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let verdicts: Vec<_> = report["expectations"].as_array().unwrap().iter().map(|e| e["verdict"].clone()).collect();
    assert_eq!(verdicts, ["met", "not-measured", "failed"]);
    assert_eq!(report["expectations"][1]["claim"], "accuracy drop <= 0.5%");
    assert_eq!(report["expectations"][1]["why"], "only an evaluation tells");
}

#[test]
fn how_much_sparse_below_leaves_is_judged_after_the_run() {
    let rules = "model \"digits.safetensors\"\ntarget iOS18\nconv or linear => sparse-below 0.05\n";
    let kept = "expect size <= 90%\nexpect conv size <= 99%\nexpect bits <= 31\n";
    let world = digits().file("a.bitmill", format!("{rules}{kept}")).file("b.bitmill", format!("{rules}{kept}"));
    assert_eq!(world.run("check a.bitmill --deny warnings").status, Some(0));
    let ran = world.run("run a.bitmill");
    assert!(ran.status == Some(0) && ran.stdout.contains("3 expectations met"), "{}", ran.all());
    // What no number of zeros could reach is told before, and what this number does not reach, after.
    let world = world.file("c.bitmill", format!("{rules}expect size >= 200%\n"));
    assert!(world.run("run c.bitmill").stdout.is_empty());
    let world = world.file("d.bitmill", format!("{rules}expect conv size <= 1%\nexpect bits <= 1\n"));
    assert_eq!(world.run("check d.bitmill").status, Some(0));
    let ran = world.run("run d.bitmill");
    assert!(ran.status == Some(1) && ran.stdout.contains("0 of 2 expectations met; 2 failed"), "{}", ran.all());
}

#[test]
fn outputs_that_nobody_names_never_replace_the_model() {
    let world = digits().file("digits.bitmill", RECIPE).file("sub/base.bitmill", "output \"named.safetensors\"\n");
    let ran = world.run("run digits.bitmill");
    assert!(ran.status == Some(0) && world.path("digits-torchao.safetensors").exists(), "{}", ran.all());
    // What an import says counts from the import.
    let world = world.file("b.bitmill", format!("import \"sub/base.bitmill\"\n{RECIPE}"));
    let ran = world.run("run b.bitmill");
    assert!(ran.status == Some(0) && world.path("sub/named.safetensors").exists(), "{}", ran.all());
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_nothing_behind() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let world = World::new().file("a.bitmill", "model \"m.safetensors\"\ntarget iOS18\nlinear => lut4 fit uniform\n");
    let (side, many) = (1024u64, 256u64);
    let entry = |i: u64| {
        let (begin, end) = (i * side * side * 4, (i + 1) * side * side * 4);
        format!(
            "\"l.{i}.q_proj.weight\":{{\"dtype\":\"F32\",\"shape\":[{side},{side}],\"data_offsets\":[{begin},{end}]}}"
        )
    };
    let header = format!("{{{}}}", (0..many).map(entry).collect::<Vec<_>>().join(","));
    // The data is a hole in the file: a gigabyte that takes no room.
    let mut file = std::fs::File::create(world.path("m.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + many * side * side * 4).unwrap();

    let mut command = world.command(&["run", "a.bitmill", "-o", "out.safetensors"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while world.files().len() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing is being written");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(world.files(), ["a.bitmill", "m.safetensors"]);
}

/// A directory with two shards of zeros, their index and a configuration.
#[cfg(unix)]
fn shards() -> World {
    let weight: &[usize] = &[256, 256];
    let map = r#"{"weight_map":{"a.proj.weight":"1.safetensors","b.proj.weight":"2.safetensors"}}"#;
    World::new()
        .file("model/1.safetensors", super::world::zeros(&[("a.proj.weight", weight)]))
        .file("model/2.safetensors", super::world::zeros(&[("b.proj.weight", weight)]))
        .file("model/model.safetensors.index.json", map)
        .file("model/config.json", format!("{{\"text\": \"{}\"}}", "x".repeat(9000)))
        .file("a.bitmill", "model \"model\"\ntarget iOS18\nlinear => int8\n")
}

/// Runs a line where no file can be longer than so many KiB: what a full disk does, at a size.
#[cfg(unix)]
fn run_limited(world: &World, kib: u32, line: &str) -> std::process::Output {
    let binary = env!("CARGO_BIN_EXE_bitmill");
    // `ulimit -f` counts 512 bytes; the signal is ignored, so that the write fails as on a full disk.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec '{binary}' {line}", kib * 2);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script]).current_dir(world.path("")).output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_write_that_fails_names_the_destination_and_leaves_nothing() {
    let world = digits();
    let ran = run_limited(&world, 8, "run a.bitmill -o out.safetensors");
    let told = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(3), "{told}");
    assert!(told.contains("error: out.safetensors: cannot be written: "), "{told}");
    assert_eq!(world.files(), ["a.bitmill", "digits.safetensors"]);

    let world = shards();
    let names = ["a.bitmill", "model"];
    for (kib, name) in [(1, "out/1.safetensors"), (8, "out/1.safetensors")] {
        let ran = run_limited(&world, kib, "run a.bitmill -o out");
        let told = String::from_utf8(ran.stderr).unwrap();
        assert!(
            ran.status.code() == Some(3) && told.contains(&format!("error: {name}: cannot be written: ")),
            "{told}"
        );
        assert_eq!(world.files(), names);
    }
    let _ = std::fs::remove_file(world.path("model/config.json"));
    let world = world.file("model/tokenizer.json", "x".repeat(200 << 10));
    let ran = run_limited(&world, 150, "run a.bitmill -o out");
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(told.contains("error: out/tokenizer.json: cannot be written: "), "{told}");
    assert_eq!((ran.status.code(), world.files()), (Some(3), names.map(String::from).to_vec()));
}

#[cfg(unix)]
#[test]
fn a_file_beside_the_tensors_that_cannot_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let world = shards();
    let config = world.path("model/notes.txt");
    std::fs::write(&config, "x").unwrap();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(&config).is_ok() {
        // Who may read everything meets no such error.
        return;
    }
    let ran = world.run("run a.bitmill -o out");
    assert!(ran.status == Some(3) && ran.stderr.contains("model/notes.txt: cannot be read: "), "{}", ran.all());
    assert_eq!(world.files(), ["a.bitmill", "model"]);
}

#[cfg(unix)]
#[test]
fn a_directory_that_may_not_be_written_to_is_told() {
    use std::os::unix::fs::PermissionsExt;

    let world = digits();
    let closed = world.path("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(closed.join("probe"), "x").is_ok() {
        // Who may write everywhere meets no such error; the system's own directories refuse even them.
        if !std::path::Path::new("/proc/self").is_dir() {
            return;
        }
        let ran = world.run("run a.bitmill -o /proc/out.safetensors");
        assert!(
            ran.status == Some(3) && ran.stderr.contains("/proc/out.safetensors: cannot be written: "),
            "{}",
            ran.all()
        );
        return;
    }
    let ran = world.run("run a.bitmill -o closed/out.safetensors");
    assert!(
        ran.status == Some(3) && ran.stderr.contains("closed/out.safetensors: cannot be written: "),
        "{}",
        ran.all()
    );
    assert!(ran.stderr.contains("name an output in a directory that you may write to"), "{}", ran.all());
    assert!(!ran.stderr.contains(".partial-"), "{}", ran.all());
    assert_eq!(std::fs::read_dir(&closed).unwrap().count(), 0);
}

/// What the README shows is what a run prints, but for the time.
#[test]
fn a_calibrated_run_is_as_the_readme_has_it() {
    let root = env!("CARGO_MANIFEST_DIR");
    let world = World::new();
    let ran = world.run(&format!("run {root}/examples/digits-static.bitmill -o digits-static.mlpackage"));
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{}", ran.all());
    let report = ran.stdout.rsplit_once(" in ").unwrap().0;
    let readme = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    assert!(readme.contains(report), "{report}");
    let planned = world.run(&format!("plan {root}/examples/digits-static.bitmill"));
    assert!(planned.stdout.contains("activations: codes at 13 places, with 12 ranges to be observed in the samples"));
    // Weights alone would be half of what was asked for.
    let weights = world.run(&format!("run {root}/examples/digits-static.bitmill -o weights.safetensors"));
    assert_eq!(weights.status, Some(2), "{}", weights.all());
    assert_eq!(world.files(), ["digits-static.mlpackage"]);
}

/// A checkpoint that cannot hold a tensor says so, and does not count it.
#[test]
fn what_a_checkpoint_cannot_hold_is_told() {
    let root = env!("CARGO_MANIFEST_DIR");
    let recipe = format!("model \"{root}/tests/data/pt2/complex.pt2\"\ntarget iOS16\nlinear => int8 per-channel\n");
    let world = World::new().file("a.bitmill", recipe);
    let ran = world.run("run a.bitmill -o a.safetensors");
    assert_eq!(ran.status, Some(0), "{}", ran.all());
    let told = "left out: `freqs` of complex128, which safetensors files have no name for";
    assert!(ran.stdout.contains(told) && ran.stdout.contains("1 weight changed, 1 tensor copied"), "{}", ran.stdout);
    let ran = world.run("run a.bitmill -o b.safetensors --json");
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&document["left_out"][0], &document["copied"]), (&"freqs".into(), &1.into()), "{document}");
}
