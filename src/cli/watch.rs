//! `bitmill check --watch`

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::args::{CheckArgs, Format};
use super::check::Round;
use super::failure::Failure;
use super::terminal::{Style, Terminal};
use super::{Exit, is_stdin};

/// Editors write in several steps: changes that follow each other so closely are one.
const QUIET: Duration = Duration::from_millis(80);
/// So long a wait for quiet is enough.
const LONGEST_QUIET: Duration = Duration::from_secs(1);

/// Checks again and again, until a signal ends the process.
pub fn run(args: &CheckArgs, recipes: &[PathBuf], terminal: &mut Terminal) -> Result<Exit, Failure> {
    if recipes.iter().any(|path| is_stdin(path)) {
        return Err(Failure::usage("standard input cannot be watched", "name a file"));
    }
    let (sender, changes) = mpsc::channel();
    let refused = |error: notify::Error| Failure::broken(format!("files cannot be watched: {error}"));
    let mut watcher = notify::recommended_watcher(move |event| {
        // When nobody listens any more, the process is about to end.
        let _ = sender.send(event);
    })
    .map_err(refused)?;
    let mut watched: HashSet<PathBuf> = HashSet::new();
    loop {
        let files = match Round::new(args, recipes, terminal, false) {
            Ok(round) => {
                clear(args, terminal)?;
                round.show(args, terminal)?;
                round.projects.iter().flat_map(|project| project.files()).collect()
            }
            // A model on the command line that is being written cannot be read for a while.
            Err(failure @ Failure::Broken { .. }) => {
                clear(args, terminal)?;
                failure.tell(terminal);
                Vec::new()
            }
            Err(failure) => return Err(failure),
        };
        let files: HashSet<PathBuf> =
            files.into_iter().chain(recipes.iter().cloned()).chain(args.model.clone()).map(|p| absolute(&p)).collect();
        watch(&mut watcher, &mut watched, &files);
        if args.format == Format::Text {
            let names = if recipes.len() == 1 { recipes[0].display().to_string() } else { "recipes".to_string() };
            terminal.note(terminal.paint_err.put(Style::Dim, format!("watching {names}; Ctrl-C ends")));
        }
        terminal.flush()?;
        if !wait(&changes, &files) {
            return Err(Failure::broken("files can no longer be watched"));
        }
    }
}

/// Clears a terminal for a new round, the lines above it excepted; elsewhere nothing is cleared.
fn clear(args: &CheckArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    if terminal.is_terminal && args.format == Format::Text {
        terminal.text("\x1b[2J\x1b[H")?;
    }
    Ok(())
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_path_buf())
}

/// Watches the directories of files: editors replace files, and a new file has to be seen too.
fn watch(watcher: &mut RecommendedWatcher, watched: &mut HashSet<PathBuf>, files: &HashSet<PathBuf>) {
    for file in files {
        let directory = if file.is_dir() { Some(file.as_path()) } else { file.parent() };
        if let Some(directory) = directory
            && !watched.contains(directory)
            && watcher.watch(directory, RecursiveMode::NonRecursive).is_ok()
        {
            watched.insert(directory.to_path_buf());
        }
    }
}

/// Waits until one of the files has changed and nothing has for a moment. False when nothing will ever come.
fn wait(changes: &Receiver<notify::Result<notify::Event>>, files: &HashSet<PathBuf>) -> bool {
    let concerns = |event: &notify::Result<notify::Event>| match event {
        Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
        Ok(event) => {
            let is_ours = |path: &PathBuf| files.contains(path) || path.parent().is_some_and(|p| files.contains(p));
            event.need_rescan() || event.paths.iter().any(is_ours)
        }
        Err(_) => true,
    };
    loop {
        match changes.recv() {
            Ok(event) if concerns(&event) => break,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    // A directory in which something changes all the time must not put it off for ever.
    let begun = Instant::now();
    while begun.elapsed() < LONGEST_QUIET && changes.recv_timeout(QUIET).is_ok() {}
    true
}
