//! `repl` in a terminal, as a person sees it: what is typed, what comes back.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rexpect::reader::Options;
use rexpect::session::{PtySession, spawn_with_options};

use super::world::World;

/// So long an answer may take, on a machine that does much else.
const PATIENCE: u64 = 30_000;

/// A prompt in a terminal, with a history of its own.
fn prompt(world: &World, arguments: &[&str], plain: bool) -> PtySession {
    let mut command = world.command(&[&["repl"], arguments].concat());
    command.env("TERM", "xterm-256color").env("XDG_STATE_HOME", world.path("state")).env("PAGER", "cat");
    command.env("HOME", world.path("home")).stdin(Stdio::inherit());
    let options = Options::new().timeout_ms(Some(PATIENCE)).strip_ansi_escape_codes(plain);
    let mut session = spawn_with_options(command, options).unwrap();
    session.exp_string("bitmill> ").unwrap();
    session
}

/// Gives the line up, and waits for the next one: what is typed in between is lost to the terminal's change of mode.
fn give_up(session: &mut PtySession) {
    session.send_control('c').unwrap();
    session.exp_string("\n").unwrap();
    session.exp_string("bitmill> ").unwrap();
}

fn ends_well(mut session: PtySession) {
    session.exp_eof().unwrap();
    let status = format!("{:?}", session.process().wait().unwrap());
    assert!(status.starts_with("Exited") && status.ends_with(", 0)"), "{status}");
}

#[test]
fn lines_are_answered_and_ctrl_d_leaves() {
    let world = World::new().model("digits.safetensors");
    let mut session = prompt(&world, &["--model", "digits.safetensors"], true);
    session.send_line("linear => int8").unwrap();
    session.exp_string("int8 per-channel symmetric").unwrap();
    session.exp_string("the model: ").unwrap();
    session.exp_string("bitmill> ").unwrap();
    session.send_control('d').unwrap();
    ends_well(session);
}

#[test]
fn words_are_coloured_while_they_are_typed() {
    let world = World::new();
    let mut session = prompt(&world, &[], false);
    session.send("linear => int8").unwrap();
    session.flush().unwrap();
    session.exp_string("\u{1b}[36mint8\u{1b}[0m").unwrap();
    give_up(&mut session);
    session.send_line(":quit").unwrap();
    ends_well(session);
}

#[test]
fn tab_lists_what_there_is_with_what_it_means() {
    let world = World::new().model("digits.safetensors");
    let mut session = prompt(&world, &["--model", "digits.safetensors"], true);
    session.send(":sw\t").unwrap();
    session.flush().unwrap();
    session.exp_string(":sweep ").unwrap();
    session.send("linear over int\t\t").unwrap();
    session.flush().unwrap();
    session.exp_string("int4  4.").unwrap();
    session.exp_string(" bits, ").unwrap();
    give_up(&mut session);
    session.send(":save nowhere/\t").unwrap();
    session.flush().unwrap();
    give_up(&mut session);
    session.send_line(":quit").unwrap();
    ends_well(session);
}

#[test]
fn an_open_bracket_goes_on_in_the_next_line() {
    let world = World::new().model("digits.safetensors");
    let mut session = prompt(&world, &["--model", "digits.safetensors"], true);
    session.send_line("(linear or").unwrap();
    session.send_line("conv) where rank == 2").unwrap();
    session.exp_regex("[0-9]+ weights, ").unwrap();
    session.exp_string("bitmill> ").unwrap();
    // What is pasted is one text, and stays one.
    session.send("\u{1b}[200~linear => int8\nconv => keep\n\u{1b}[201~").unwrap();
    session.send_line("").unwrap();
    session.exp_string("the model: ").unwrap();
    session.exp_string("bitmill> ").unwrap();
    session.send_line(":list").unwrap();
    session.exp_string("conv   => keep").unwrap();
    session.exp_string("bitmill> ").unwrap();
    session.send_control('d').unwrap();
    ends_well(session);
}

#[test]
fn the_history_outlives_a_session_and_is_its_owners_alone() {
    let world = World::new();
    let mut session = prompt(&world, &[], true);
    session.send_line(":help keys").unwrap();
    // The prompt is drawn with every key: the next one comes behind the answer.
    session.exp_string("in shells").unwrap();
    session.exp_string("bitmill> ").unwrap();
    session.send_control('d').unwrap();
    ends_well(session);
    let place = world.path("state/bitmill/history");
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
    let mut session = prompt(&world, &[], true);
    session.send("\u{1b}[A").unwrap();
    session.flush().unwrap();
    session.exp_string(":help keys").unwrap();
    give_up(&mut session);
    session.send_control('r').unwrap();
    session.send("key").unwrap();
    session.flush().unwrap();
    session.exp_string(":help keys").unwrap();
    give_up(&mut session);
    session.send_control('d').unwrap();
    ends_well(session);
    // One that is no text is put aside, and told.
    fs::write(&place, b"\xff\xfe\x00").unwrap();
    let mut command = world.command(&["repl"]);
    command.env("TERM", "xterm-256color").env("XDG_STATE_HOME", world.path("state")).stdin(Stdio::inherit());
    let options = Options::new().timeout_ms(Some(PATIENCE)).strip_ansi_escape_codes(true);
    let mut session = spawn_with_options(command, options).unwrap();
    session.exp_string("was put aside").unwrap();
    session.exp_string("bitmill> ").unwrap();
    session.send_line("int8").unwrap();
    session.exp_string("runs from").unwrap();
    session.exp_string("bitmill> ").unwrap();
    session.send_control('d').unwrap();
    ends_well(session);
}

#[test]
fn ctrl_c_stops_a_computation_and_keeps_the_session() {
    let world = World::new().model("bytes-lm.safetensors");
    let mut session = prompt(&world, &["--model", "bytes-lm.safetensors"], true);
    session.send_line("linear => int8").unwrap();
    session.exp_string("the model: ").unwrap();
    session.exp_string("bitmill> ").unwrap();
    // Long enough for any machine.
    let schemes: Vec<String> = (1..=8).map(|bits| format!("lut{bits} vector(2)")).collect();
    let schemes = format!("{}, lut8 vector(4), lut8 vector(8)", schemes.join(", "));
    session.send_line(&format!(":sweep linear over {schemes}")).unwrap();
    sleep(Duration::from_millis(400));
    let begun = Instant::now();
    session.send_control('c').unwrap();
    session.exp_string("stopped").unwrap();
    session.exp_string("bitmill> ").unwrap();
    let took = begun.elapsed();
    // 50 ms where the machine does nothing else; tests share theirs.
    assert!(took < Duration::from_secs(10), "{took:?}");
    session.send_line(":list").unwrap();
    session.exp_string("linear => int8").unwrap();
    session.exp_string("bitmill> ").unwrap();
    session.send_control('d').unwrap();
    ends_well(session);
}

#[test]
fn ctrl_c_gives_a_line_up() {
    let world = World::new();
    let mut session = prompt(&world, &[], true);
    session.send("linear => int").unwrap();
    give_up(&mut session);
    session.send_line(":list").unwrap();
    session.exp_string("the recipe is empty").unwrap();
    session.exp_string("bitmill> ").unwrap();
    session.send_control('d').unwrap();
    ends_well(session);
}
