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
fn errors_forbid_a_run_and_failed_expectations_are_findings() {
    let world = digits().file("bad.bitmill", format!("{RECIPE}liner => keep\n"));
    let ran = world.run("run bad.bitmill -o out.safetensors");
    assert_eq!((ran.status, world.path("out.safetensors").exists()), (Some(1), false), "{}", ran.all());
    let world = world.file("high.bitmill", format!("{RECIPE}expect sqnr >= 90 dB\n"));
    let ran = world.run("run high.bitmill -o out.safetensors");
    assert!(ran.status == Some(1) && ran.stdout.contains("[expect-failed]"), "{}", ran.all());
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
