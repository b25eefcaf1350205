//! Pipes that close, full disks, colours, signals.

use std::io::Read;
use std::process::Stdio;

use super::world::World;

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let world = World::new();
    let mut command = world.command(&["rules", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn a_reader_that_leaves_does_not_hide_findings() {
    let world = World::new().file("bad.bitmill", "target iOS18\nliner => int8\n").file("a.bitmill", "target iOS18\n");
    let cases: [(&[&str], i32); 5] = [
        (&["check", "bad.bitmill"], 1),
        (&["check", "bad.bitmill", "--format", "json"], 1),
        (&["fmt", "--diff", "gone.bitmill"], 3),
        (&["rules"], 0),
        (&["explain", "nonsens"], 2),
    ];
    for (line, status) in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = world.command(line).stdout(writer).stderr(Stdio::null()).status().unwrap();
        assert_eq!(ended.code(), Some(status), "{line:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure() {
    let world = World::new().file("a.bitmill", "target iOS18\nlinear => int8\n");
    for line in [&["rules", "--json"][..], &["check", "a.bitmill"], &["completions", "bash"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = world.command(line).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{line:?}");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: standard output: "));
    }
}

#[test]
fn colours_follow_the_conventions() {
    let world = World::new().file("a.bitmill", "targt iOS18\n");
    let colored = |line: &str, environment: &[(&str, &str)]| {
        let ran = world.run_with(line, environment);
        assert_eq!(ran.status, Some(1));
        ran.stdout.contains('\u{1b}')
    };
    assert!(!colored("check a.bitmill", &[]));
    assert!(colored("check a.bitmill", &[("CLICOLOR_FORCE", "1")]));
    assert!(!colored("check a.bitmill", &[("CLICOLOR_FORCE", "0")]));
    assert!(!colored("check a.bitmill", &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(colored("check a.bitmill --color always", &[("NO_COLOR", "1")]));
    assert!(!colored("check --color=never a.bitmill", &[("CLICOLOR_FORCE", "1")]));
}

#[test]
fn what_strangers_wrote_does_not_reach_the_terminal() {
    let world = World::new().file("a.bitmill", "target iOS18\n\u{1b}[2J\u{202e}linear => int8 # \u{1b}]0;x\u{7}\n");
    let ran = world.run("check a.bitmill");
    assert_eq!(ran.status, Some(1));
    assert!(!ran.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{}", ran.stdout);
}
