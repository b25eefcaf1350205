//! What a person sees of a prompt: the screen of a terminal, as `tmux` shows it.

#![cfg(unix)]

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::world::World;

/// So long an answer may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal of its own with a prompt in it.
struct Screen {
    socket: String,
}

impl Screen {
    /// `None`, aloud, where there is no `tmux`.
    fn open(world: &World, size: (usize, usize), environment: &[(&str, &str)], arguments: &str) -> Option<Screen> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        if Command::new("tmux").arg("-V").output().is_err() {
            println!("SKIPPED: there is no tmux, so nothing shows what a person would see");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let screen = Screen { socket: format!("bitmill-{}-{number}", std::process::id()) };
        let mut command = Command::new("tmux");
        command.args(["-L", &screen.socket, "-f", "/dev/null", "new-session", "-d"]);
        command.args(["-x", &size.0.to_string(), "-y", &size.1.to_string()]).current_dir(world.path("."));
        let home = world.path("home");
        let mut line = format!("env -u NO_COLOR LC_ALL=C.UTF-8 HOME={0} XDG_STATE_HOME={0} PAGER=cat", home.display());
        for (name, value) in environment {
            line.push_str(&format!(" {name}={value}"));
        }
        line.push_str(&format!(" {} repl {arguments}; echo ended with $?; sleep 600", env!("CARGO_BIN_EXE_bitmill")));
        let made = command.arg(line).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        screen.until(|shown| shown.contains("bitmill>"));
        Some(screen)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux").args(["-L", &self.socket]).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a text, and waits until it stands there. What comes while the terminal changes its mode is lost.
    fn types(&self, text: &str) {
        let end: String = text.trim_end().chars().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect();
        for _ in 0..10 {
            self.tmux(&["send-keys", "-l", text]);
            let begun = Instant::now();
            while begun.elapsed() < PATIENCE / 10 {
                // Behind it, the history may hint at more.
                let shown = self.tmux(&["capture-pane", "-p", "-J"]);
                if shown.trim_end().lines().next_back().is_some_and(|line| line.contains(&end)) {
                    return;
                }
                sleep(Duration::from_millis(20));
            }
            self.key("C-u");
        }
        panic!("`{text}` does not appear:\n{}", self.shown());
    }

    fn key(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Types a line, and waits for the prompt behind its answer.
    fn line(&self, text: &str) -> String {
        self.tmux(&["clear-history"]);
        self.types(text);
        self.key("Enter");
        self.until(|shown| shown.trim_end().ends_with("\nbitmill>"))
    }

    fn shown(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// With what went out at the top, and lines that the terminal had to break in one piece.
    fn unbroken(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-J", "-S", "-"])
    }

    fn coloured(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    fn until(&self, fits: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let shown = self.shown();
            if fits(&shown) {
                return shown;
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain; the screen:\n{shown}");
            sleep(Duration::from_millis(20));
        }
    }

    /// Leaves by Ctrl-D.
    fn leave(&self) {
        let shown = self.until(|shown| {
            self.key("C-u");
            self.key("C-d");
            shown.contains("ended with")
        });
        assert!(shown.contains("ended with 0"), "{shown}");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn digits() -> World {
    World::new().model("digits.safetensors")
}

const DIGITS: &str = "--model digits.safetensors";

#[test]
fn completion_lists_what_there_is_in_wide_and_narrow_terminals() {
    for columns in [100, 44] {
        let world = digits();
        let Some(screen) = Screen::open(&world, (columns, 40), &[], DIGITS) else { return };
        screen.types("linear => int4 per-");
        screen.key("Tab");
        screen.key("Tab");
        let shown = screen.until(|shown| shown.contains("per-channel  ") && shown.contains("per-tensor  "));
        // The line that is being typed stands below the list, whole.
        assert!(shown.trim_end().ends_with("bitmill> linear => int4 per-"), "{columns}:\n{shown}");
        screen.types("ch");
        screen.key("Tab");
        screen.until(|shown| shown.contains("bitmill> linear => int4 per-channel"));
        screen.key("C-c");
        screen.line(":list");
        screen.leave();
    }
}

#[test]
fn colours_are_shown_unless_nobody_wants_them() {
    for (environment, is_coloured) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let world = digits();
        let Some(screen) = Screen::open(&world, (100, 40), environment, DIGITS) else { return };
        screen.line("linear => int8");
        screen.line("liner => int8");
        screen.types("# note");
        screen.until(|shown| shown.contains("bitmill> # note"));
        assert_eq!(screen.coloured().contains("\u{1b}[3"), is_coloured, "{}", screen.coloured());
        screen.key("C-c");
        screen.leave();
    }
}

#[test]
fn answers_follow_the_width_of_the_terminal() {
    let world = digits();
    let Some(screen) = Screen::open(&world, (120, 50), &[], DIGITS) else { return };
    screen.line("linear => int8");
    for columns in [120, 60, 44, 90] {
        screen.tmux(&["resize-window", "-x", &columns.to_string(), "-y", "50"]);
        for line in
            [":plan", ":worst 3", "linear", "int4 per-group(32)", ":sweep linear over int8, int4, lut4", ":hist hidden"]
        {
            // tmux tells the program of its new size a little later.
            let shown = |_| {
                screen.key("C-l");
                screen.until(|shown| shown.trim() == "bitmill>");
                screen.line(&format!("{line} "));
                let unbroken = screen.unbroken();
                let answers = unbroken.lines().filter(|line| !line.starts_with("bitmill>"));
                let longest = answers.map(|line| line.trim_end().chars().count()).max().unwrap_or(0);
                if longest > columns {
                    sleep(Duration::from_millis(500));
                    return Err(unbroken);
                }
                Ok(())
            };
            let mut tried = (0..6).map(shown);
            let last = tried.find(Result::is_ok);
            assert!(last.is_some(), "{columns} columns, `{line}`:\n{}", screen.unbroken());
        }
    }
    screen.leave();
}

#[test]
fn long_answers_are_paged() {
    if Command::new("less").arg("--version").output().is_err() {
        println!("SKIPPED: there is no less");
        return;
    }
    let world = digits();
    let Some(screen) = Screen::open(&world, (80, 12), &[("PAGER", "less")], DIGITS) else { return };
    screen.types(":help");
    screen.key("Enter");
    let first = screen.until(|shown| shown.trim_end().ends_with(':'));
    screen.key("Space");
    screen.until(|shown| shown != first);
    screen.key("q");
    screen.until(|shown| shown.trim_end().ends_with("bitmill>"));
    screen.line(":list");
    screen.leave();
}

#[test]
fn long_work_has_a_bar_and_ctrl_c_stops_it() {
    let world = World::new().model("bytes-lm.safetensors");
    let Some(screen) = Screen::open(&world, (100, 40), &[], "--model bytes-lm.safetensors") else { return };
    let schemes: Vec<String> = (1..=8).map(|bits| format!("lut{bits} vector(2)")).collect();
    screen.types(&format!(":sweep linear over {}, lut8 vector(4), lut8 vector(8)", schemes.join(", ")));
    screen.key("Enter");
    screen.until(|shown| shown.contains("Ctrl-C stops"));
    screen.key("C-c");
    let shown = screen.until(|shown| shown.trim_end().ends_with("bitmill>"));
    assert!(shown.contains("stopped") && !shown.contains("Ctrl-C stops"), "{shown}");
    screen.line("linear => int8");
    screen.leave();
}

#[test]
fn megabytes_and_junk_that_are_pasted_leave_the_session_alive() {
    let junk: String = (0u8..32).chain([127]).filter(|b| ![0, 10, 13, 27].contains(b)).map(char::from).collect();
    let world = digits().file("large", "x ".repeat(25_000) + &"y".repeat(950_000)).file("junk", junk.repeat(20));
    let Some(screen) = Screen::open(&world, (100, 30), &[], DIGITS) else { return };
    for name in ["junk", "large"] {
        screen.tmux(&["load-buffer", &world.path(name).display().to_string()]);
        screen.tmux(&["paste-buffer", "-p"]);
        screen.key("Enter");
        screen.until(|shown| shown.trim_end().ends_with("bitmill>"));
    }
    let shown = screen.line("int8");
    assert!(shown.contains("runs from"), "{shown}");
    screen.leave();
}
