//! `check --watch`

#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::world::World;

/// Watches `a.bitmill` while something happens, and ends it by a signal. What happens may wait for lines.
fn watching(world: &World, happens: impl FnOnce(&dyn Fn(&[&str]))) {
    let mut command = world.command(&["check", "a.bitmill", "--watch"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (sender, lines) = mpsc::channel();
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let also = sender.clone();
    let listen = |stream: Box<dyn std::io::Read + Send>, sender: mpsc::Sender<String>| {
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        })
    };
    let listeners = [listen(Box::new(out), sender), listen(Box::new(err), also)];
    let wait_for = |wanted: &[&str]| {
        let mut missing: Vec<&str> = wanted.to_vec();
        let mut seen = Vec::new();
        while !missing.is_empty() {
            let line = lines.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("{missing:?}: {seen:#?}"));
            missing.retain(|wanted| !line.contains(wanted));
            seen.push(line);
        }
    };
    happens(&wait_for);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    for listener in listeners {
        listener.join().unwrap();
    }
}

#[test]
fn a_change_is_checked_and_a_signal_ends_it() {
    let world = World::new()
        .file("base.bitmill", "target iOS18\n")
        .file("a.bitmill", "import \"base.bitmill\"\nliner => int4 per-channel\n");
    let write = |name: &str, text: &str| std::fs::write(world.path(name), text).unwrap();
    watching(&world, |wait_for| {
        wait_for(&["unknown-kind", "watching a.bitmill; Ctrl-C ends"]);
        write("a.bitmill", "import \"base.bitmill\"\nlinear => int4 per-channel\n");
        wait_for(&["no findings", "watching"]);
        write("base.bitmill", "target iOS16\n");
        wait_for(&["affine-4bit-target", "watching"]);
        std::fs::remove_file(world.path("a.bitmill")).unwrap();
        wait_for(&["there is no such file", "watching"]);
        write("a.bitmill", "target iOS18\nlinear => int4 per-channel\n");
        wait_for(&["no findings", "watching"]);
    });
    assert_eq!(world.files(), ["a.bitmill", "base.bitmill"]);
}

#[test]
fn a_directory_that_goes_and_comes_back_is_watched_again() {
    let world = World::new()
        .file("sub/base.bitmill", "target iOS18\n")
        .file("a.bitmill", "import \"sub/base.bitmill\"\nlinear => int4 per-channel\n");
    let write = |text: &str| std::fs::write(world.path("sub/base.bitmill"), text).unwrap();
    watching(&world, |wait_for| {
        wait_for(&["no findings", "watching"]);
        std::fs::remove_dir_all(world.path("sub")).unwrap();
        wait_for(&["import-missing", "watching"]);
        std::fs::create_dir(world.path("sub")).unwrap();
        write("target iOS18\n");
        wait_for(&["no findings", "watching"]);
        write("target iOS16\n");
        wait_for(&["affine-4bit-target", "watching"]);
    });
}

#[test]
fn standard_input_cannot_be_watched() {
    assert_eq!(World::new().run("check - --watch").status, Some(2));
    assert_eq!(World::new().run("check a.bitmill --watch --fix").status, Some(2));
}
