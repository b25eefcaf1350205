//! `bitmill check --watch`

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::args::{CheckArgs, Format};
use super::check::Round;
use super::failure::Failure;
use super::{Exit, is_stdin};
use crate::draw::terminal::{Style, Terminal};

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
    let watcher = notify::recommended_watcher(move |event| {
        // When nobody listens any more, the process is about to end.
        let _ = sender.send(event);
    })
    .map_err(refused)?;
    let mut watched = Watched { watcher, directories: HashSet::new() };
    let mut files: HashSet<PathBuf> = HashSet::new();
    loop {
        // What is written while it is being read must not be missed.
        watched.add(&files);
        let mut exit = Exit::Broken;
        let found = match Round::new(args, recipes, terminal, false) {
            Ok(round) => {
                clear(args, terminal)?;
                round.show(args, terminal)?;
                exit = round.exit(args);
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
        files = found
            .into_iter()
            .chain(recipes.iter().cloned())
            .chain(args.project.model.clone())
            .map(|p| absolute(&p))
            .collect();
        watched.add(&files);
        if args.format == Format::Text {
            let names = if recipes.len() == 1 { recipes[0].display().to_string() } else { "recipes".to_string() };
            terminal.note(terminal.paint_err.put(Style::Dim, format!("watching {names}; Ctrl-C ends")));
        }
        terminal.flush()?;
        if terminal.is_closed() {
            return Ok(exit);
        }
        if !watched.wait(&changes, &files) {
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

/// Directories that are watched.
struct Watched {
    watcher: RecommendedWatcher,
    directories: HashSet<PathBuf>,
}

impl Watched {
    /// Watches the directories of files: editors replace files, and a new file has to be seen too. Where there is
    /// no such directory, the nearest above it is watched, in which it may appear.
    fn add(&mut self, files: &HashSet<PathBuf>) {
        for file in files {
            let above = if file.is_dir() { file.as_path() } else { file.parent().unwrap_or(file) };
            let Some(directory) = above.ancestors().find(|directory| directory.is_dir()) else { continue };
            if !self.directories.contains(directory)
                && self.watcher.watch(directory, RecursiveMode::NonRecursive).is_ok()
            {
                self.directories.insert(directory.to_path_buf());
            }
        }
    }

    /// Forgets directories that are gone: another one of the same name is watched anew.
    fn forget(&mut self, event: &notify::Result<notify::Event>) {
        let Ok(event) = event else { return };
        if matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) {
            let is_gone = |directory: &PathBuf| event.paths.iter().any(|path| directory.starts_with(path));
            for directory in self.directories.extract_if(|directory| is_gone(directory)) {
                // Gone or not, it may have no watch left.
                let _ = self.watcher.unwatch(&directory);
            }
        }
    }

    /// Waits until one of the files has changed and nothing has for a moment. False when nothing will ever come.
    fn wait(&mut self, changes: &Receiver<notify::Result<notify::Event>>, files: &HashSet<PathBuf>) -> bool {
        loop {
            let Ok(event) = changes.recv() else { return false };
            self.forget(&event);
            if concerns(&event, files) {
                break;
            }
        }
        // A directory in which something changes all the time must not put it off for ever.
        let begun = Instant::now();
        while begun.elapsed() < LONGEST_QUIET
            && let Ok(event) = changes.recv_timeout(QUIET)
        {
            self.forget(&event);
        }
        true
    }
}

/// Whether something has happened to one of the files, or to a directory that it lies in.
fn concerns(event: &notify::Result<notify::Event>, files: &HashSet<PathBuf>) -> bool {
    match event {
        Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
        Ok(event) => {
            let is_ours = |path: &PathBuf| {
                path.parent().is_some_and(|parent| files.contains(parent))
                    || files.iter().any(|file| file.starts_with(path))
            };
            event.need_rescan() || event.paths.iter().any(is_ours)
        }
        Err(_) => true,
    }
}
