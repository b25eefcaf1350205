//! `repl` without a terminal: transcripts, scripts, and what strangers may type.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bitmill::session::command::COMMANDS;

use super::world::World;

const PROMPT: &str = "bitmill> ";
const CONTINUED: &str = "     ... ";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A directory with the shipped examples, which a transcript may write over.
fn world() -> World {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            if from.is_dir() { copy(&from, &to) } else { _ = fs::copy(&from, &to).unwrap() }
        }
    }
    let world = World::new();
    copy(&root().join("examples"), &world.path("examples"));
    world
}

/// What a transcript looks like when its lines are typed again.
fn replayed(transcript: &str) -> String {
    let first = transcript.lines().next().unwrap_or("");
    let words: Vec<&str> = first.strip_prefix("$ ").expect("a transcript begins with a command").split(' ').collect();
    let at = words.iter().position(|word| *word == "bitmill").expect("the command is bitmill");
    let mut arguments = words[at + 1..].to_vec();
    arguments.extend(["--echo", "--keep-going"]);
    let mut script = String::new();
    for line in transcript.lines() {
        if let Some(typed) = line.strip_prefix(PROMPT).or_else(|| line.strip_prefix(CONTINUED)) {
            script += typed;
            script.push('\n');
        }
    }
    let world = world();
    let mut command = world.command(&arguments);
    command.env("COLUMNS", "100");
    for setting in &words[..at] {
        let (name, value) = setting.split_once('=').unwrap();
        command.env(name, value);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The script may end before all of it is read.
    let _ = child.stdin.take().unwrap().write_all(script.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    format!("{first}\n{}", String::from_utf8(output.stdout).unwrap())
}

fn transcripts() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/transcripts")).unwrap();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

/// The transcripts of a page: what stands in a block of code that begins with the command.
fn blocks(page: &str) -> Vec<&str> {
    page.split("```text\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(block, _)| block)
        .filter(|block| block.starts_with("$ bitmill repl"))
        .collect()
}

fn is_update() -> bool {
    std::env::var_os("UPDATE_TRANSCRIPTS").is_some()
}

#[test]
fn transcripts_come_out_again() {
    for path in transcripts() {
        let transcript = fs::read_to_string(&path).unwrap();
        let again = replayed(&transcript);
        if is_update() {
            // What was never reached is still typed.
            let leaves = |line: &&str| line.starts_with(PROMPT) && line.ends_with(":quit");
            let missing = transcript.lines().skip_while(|line| !leaves(line)).skip(1);
            let rest: Vec<&str> = missing.filter(|line| line.starts_with(PROMPT)).collect();
            let rest = rest.iter().map(|line| format!("{line}\n")).collect::<String>();
            fs::write(&path, again + &rest).unwrap();
        } else {
            let expected = transcript.replace("bitmill> never reached\n", "");
            assert!(again == expected, "{}: UPDATE_TRANSCRIPTS=1 writes this:\n{again}", path.display());
        }
    }
}

#[test]
fn the_readme_tells_the_truth() {
    let path = root().join("README.md");
    let page = fs::read_to_string(&path).unwrap();
    let all = blocks(&page);
    assert!(!all.is_empty());
    let mut mended = page.clone();
    for block in all {
        let again = replayed(block);
        if is_update() {
            mended = mended.replace(block, &again);
        } else {
            assert!(again == block, "UPDATE_TRANSCRIPTS=1 writes this:\n{again}");
        }
    }
    if mended != page {
        fs::write(path, mended).unwrap();
    }
}

#[test]
fn every_command_is_in_a_transcript() {
    let all: String = transcripts().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for entry in COMMANDS {
        let said = format!("{PROMPT}:{}", entry.name);
        assert!(
            all.lines().any(|line| line.strip_prefix(&said).is_some_and(|rest| !rest.starts_with(char::is_alphabetic))),
            "{}",
            entry.name
        );
    }
}

#[test]
fn lines_of_the_command_line_are_answered() {
    let world = World::new().model("digits.safetensors");
    let ran = |lines: &[&str], more: &[&str]| {
        let mut arguments = vec!["repl", "--model", "digits.safetensors"];
        lines.iter().for_each(|line| arguments.extend(["-c", line]));
        arguments.extend(more);
        let output = world.command(&arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, text) = ran(&["linear => int8 per-channel", ":worst 1"], &[]);
    assert!(status == Some(0) && text.contains("as int8 per-channel symmetric"), "{text}");
    let (status, text) = ran(&["lineer => int8", ":list"], &[]);
    assert!(status == Some(1) && text.contains("unknown-kind") && !text.contains("is empty"), "{text}");
    let (status, text) = ran(&["lineer => int8", ":list"], &["--keep-going"]);
    assert!(status == Some(1) && text.contains("not taken") && text.contains("is empty"), "{text}");
    let (status, text) = ran(&["linear", ":quit", ":list"], &[]);
    assert!(status == Some(0) && !text.contains("is empty"), "{text}");
    let (status, text) = ran(&["linear", "linear where"], &["--json"]);
    assert_eq!(status, Some(1));
    let answers: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.iter().map(|answer| &answer["answer"]).collect::<Vec<_>>(), ["matches", "findings"]);
}

#[test]
fn what_cannot_be_opened_is_told() {
    let world = World::new();
    for line in ["repl nowhere.bitmill", "repl --model nowhere.safetensors"] {
        let ran = world.run(line);
        assert!(ran.status == Some(3) && ran.stderr.contains("nowhere"), "{ran:?}");
    }
}

#[test]
fn junk_gets_an_answer_and_the_session_lives() {
    let world = World::new();
    let long = format!("{}\n", "linear or ".repeat(100_000));
    let mut script: Vec<u8> = Vec::new();
    for junk in
        ["\u{1b}[2J\u{7}", "((((((", "))))", "\"", ":", ":::", "=> =>", "\u{202e}", "{", "\u{0}\u{1}", ":hist \u{1b}"]
    {
        script.extend(junk.as_bytes());
        script.extend(b"\n\n)\n");
    }
    script.extend(b"\xff\xfe\x80 => int8\n");
    script.extend(long.as_bytes());
    script.extend(format!("{} => int8\n", "(".repeat(100_000)).as_bytes());
    script.extend(b")\nint8\n");
    fs::write(world.path("script"), &script).unwrap();
    let input = fs::File::open(world.path("script")).unwrap();
    let output = world.command(&["repl", "--keep-going"]).stdin(input).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}') && !text.contains('\u{202e}'));
    assert!(text.trim_end().contains("int8 per-channel symmetric"), "{}", &text[text.len().saturating_sub(2000)..]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// A session that is answered line by line.
struct Talk {
    child: std::process::Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Talk {
    fn new(world: &World, arguments: &[&str]) -> Talk {
        let mut command = world.command(&[&["repl", "--json", "--keep-going"], arguments].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Talk { child, answers }
    }

    /// Types a line and reads so many answers.
    fn say(&mut self, line: &str, many: usize) -> Vec<serde_json::Value> {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut read = || {
            let mut answer = String::new();
            self.answers.read_line(&mut answer).unwrap();
            serde_json::from_str(&answer).unwrap()
        };
        (0..many).map(|_| read()).collect()
    }

    fn end(mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code()
    }
}

#[test]
fn a_file_that_changes_elsewhere_is_taken_over() {
    let world =
        World::new().model("digits.safetensors").file("a.bitmill", "model \"digits.safetensors\"\ntarget iOS18\n");
    let mut talk = Talk::new(&world, &["a.bitmill"]);
    talk.say("\"head\" => keep", 1);
    fs::write(world.path("a.bitmill"), "model \"digits.safetensors\"\ntarget iOS18\nlinear => int8\n").unwrap();
    let answers = talk.say(":list", 2);
    assert_eq!((&answers[0]["answer"], &answers[0]["cause"]), (&"changed".into(), &"taken-over".into()));
    let text = answers[1]["text"].as_str().unwrap();
    assert!(text.contains("linear => int8") && text.trim_end().ends_with("\"head\" => keep"), "{text}");
    // A model that vanishes is told, and what does not need it goes on.
    fs::remove_file(world.path("digits.safetensors")).unwrap();
    let answers = talk.say(":worst", 2);
    assert_eq!(answers[0]["findings"][0]["code"], "model-unreadable");
    assert_eq!(answers[1]["answer"], "failed");
    assert_eq!(talk.say("conv => int8", 1)[0]["answer"], "changed");
    assert_eq!(talk.say("int8", 1)[0]["answer"], "scheme");
    assert_eq!(talk.end(), Some(1));
}

#[test]
fn what_is_there_is_not_written_over() {
    let world = World::new().file("a.bitmill", "target iOS18 # mine\nall=>int8\n").file("b.bitmill", "precious");
    let mut talk = Talk::new(&world, &["a.bitmill"]);
    assert_eq!(talk.say(":save b.bitmill", 1)[0]["answer"], "failed");
    assert_eq!(world.read("b.bitmill"), "precious");
    talk.say("conv => keep", 1);
    assert_eq!(talk.say(":save", 1)[0]["answer"], "said");
    assert_eq!(world.read("a.bitmill"), "target iOS18  # mine\nall  => int8\nconv => keep\n");
    assert_eq!(talk.say(":save! b.bitmill", 1)[0]["answer"], "said");
    assert_eq!(world.read("b.bitmill"), world.read("a.bitmill"));
    assert_eq!(talk.say(":save no/such/directory.bitmill", 1)[0]["answer"], "failed");
    assert_eq!(world.files(), ["a.bitmill", "b.bitmill"]);
    talk.end();
}

#[test]
fn exports_become_packages_at_the_prompt() {
    let world = World::new().model("digits.pt2").model("digits-calibration.safetensors");
    let world = world.file("a.bitmill", "model \"digits.pt2\"\ntarget iOS17\n");
    let mut talk = Talk::new(&world, &["a.bitmill"]);
    // Samples are no part of a scheme, and the export has a graph.
    let scheme = &talk.say("int8 per-channel, activations uint8", 1)[0];
    assert!(scheme["answer"] == "scheme" && scheme["unfit"].is_null(), "{scheme}");
    talk.say("calibrate \"digits-calibration.safetensors\" { samples 4 }", 1);
    talk.say("all => int8 per-channel, activations uint8", 1);
    let operations = &talk.say("add", 1)[0];
    assert!(operations["text"].as_str().is_some_and(|told| told.contains("2 operations")), "{operations}");
    assert_eq!(talk.say(":run small.mlpackage", 1)[0]["answer"], "ran");
    // Nothing else holds activations.
    let ran = &talk.say(":run", 1)[0];
    assert_eq!((&ran["answer"], &ran["format"]), (&"ran".into(), &"mlpackage".into()), "{ran}");
    assert_eq!(talk.say(":plan", 1)[0]["activations"]["values"].as_array().unwrap().len(), 13);
    // What is taken back is told as what was typed is.
    let undone = &talk.say(":undo", 1)[0];
    assert_eq!(undone["moves"].as_array().map(Vec::len), Some(1), "{undone}");
    assert!(undone.get("model").is_none_or(serde_json::Value::is_null), "{undone}");
    // A directory is told as one.
    fs::create_dir(world.path("here")).unwrap();
    let failed = &talk.say(":save here", 1)[0];
    assert!(failed["message"].as_str().is_some_and(|told| told.contains("is a directory")), "{failed}");
    assert_eq!(talk.end(), Some(1));
}
