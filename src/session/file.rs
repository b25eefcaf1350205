//! Recipes of files: read, written, and looked at when they change elsewhere.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Answer, Cause, Change, Failure, Halt, Outcome, State, Work};
use crate::formats::output::{Destination, OutputError, PartialFile};
use crate::project::{read_text, relative};
use crate::syntax::token::quote;
use crate::syntax::tree::{StatementKind, Text};
use crate::syntax::{format, parse};

/// Goes on with the recipe of a file.
pub(super) fn load(state: &State, path: &Path, work: Work) -> Result<Answer, Halt> {
    let text = read_text(path).map_err(Failure::from)?;
    let next = state.loaded(path, &text, work.cancel)?;
    let change = Change::between(Cause::Loaded(path.to_path_buf()), state.analysis(), next.analysis());
    Ok(Answer { state: Some(next), outcome: Outcome::Changed(Box::new(change)) })
}

/// Writes the recipe, formatted.
pub(super) fn save(state: &State, path: Option<&Path>, force: bool, work: Work) -> Result<Answer, Halt> {
    let Some(path) = path.or_else(|| state.file()) else {
        return Err(Failure::new("the recipe has no file yet").help("`:save FILE` names one").into());
    };
    let there_from = |text: &str| moved(text, directory(state.path()), directory(path));
    let text = format(&there_from(state.text()));
    let is_own = state.file().is_some_and(|own| is_same(own, path));
    let there = match fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // Writing tells what is wrong with that.
        Err(_) if path.is_dir() => None,
        Err(error) => return Err(Failure::new(format!("{}: cannot be read: {error}", path.display())).into()),
    };
    if let Some(bytes) = &there
        && !force
    {
        let known = state.on_disk().filter(|_| is_own);
        if known.map(str::as_bytes) != Some(bytes.as_slice()) && bytes != text.as_bytes() {
            let why = if is_own { "has changed meanwhile" } else { "is there already" };
            let help = format!("`:save! {}` replaces it", path.display());
            return Err(Failure::new(format!("{}: {why}, and is left alone", path.display())).help(help).into());
        }
    }
    write(path, &text, state)
        .map_err(|error| Failure { message: error.to_string(), help: error.help().map(str::to_string) })?;
    let next = state.saved(path, &text, there_from, work.cancel)?;
    let lines = crate::words::count(text.lines().count(), "line");
    Ok(Answer { state: Some(next), outcome: Outcome::Said(format!("wrote {} ({lines})", path.display())) })
}

/// Writes a text in one step. A link stays a link, and a file keeps its permissions.
fn write(path: &Path, text: &str, state: &State) -> Result<(), OutputError> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let permissions = fs::metadata(&real).ok().map(|metadata| metadata.permissions());
    // What the recipe reads must survive it; its own file is what is written.
    let inputs: Vec<PathBuf> = state.analysis().files().into_iter().skip(1).collect();
    let mut file = PartialFile::create(&Destination { path: &real, overwrite: true, inputs: &inputs })?;
    let io = |error: io::Error| OutputError::from_io(path, error);
    file.write_all(text.as_bytes()).map_err(io)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions).map_err(io)?;
    }
    file.commit()
}

/// Whether two paths are one file.
fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// A recipe with its paths as they are written in another directory.
fn moved(text: &str, from: &Path, to: &Path) -> String {
    let real = |path: &Path| if path == Path::new("") { PathBuf::from(".") } else { path.to_path_buf() };
    if is_same(&real(from), &real(to)) {
        return text.to_string();
    }
    let mut whole = text.to_string();
    let parsed = parse(text);
    let paths = parsed.file.statements.iter().filter_map(|statement| match &statement.kind {
        StatementKind::Model(path) | StatementKind::Import(path) | StatementKind::Output(path) => path.as_ref(),
        StatementKind::Calibrate { path, .. } => path.as_ref(),
        _ => None,
    });
    let paths: Vec<&Text> = paths.collect();
    // From the last to the first, so that the places of the others stay.
    for path in paths.into_iter().rev() {
        let written = Path::new(&path.value);
        if written.is_absolute() || path.value.is_empty() {
            continue;
        }
        let new = seen_from(&from.join(written), to);
        if let Some(new) = new.to_str().filter(|new| *new != path.value) {
            // Recipes are read on every system.
            let new = if cfg!(windows) { new.replace('\\', "/") } else { new.to_string() };
            whole.replace_range(path.span.range(), &quote(&new));
        }
    }
    whole
}

/// A path as a directory sees it, whether there is something or not.
fn seen_from(path: &Path, directory: &Path) -> PathBuf {
    if path.exists() {
        return relative(path, directory);
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => relative(parent, directory).join(name),
        _ => path.to_path_buf(),
    }
}

/// Takes over what has changed elsewhere.
pub(super) fn look(state: &State, work: Work) -> Result<Answer, Halt> {
    let own = match (state.file(), state.on_disk()) {
        (Some(path), Some(known)) => match read_text(path) {
            Ok(text) if text != known => Some((path.to_path_buf(), text)),
            _ => None,
        },
        _ => None,
    };
    let Some((path, on_disk)) = own else {
        // What it imports, or its model.
        let analysis = state.analyse(state.text(), work.cancel)?;
        let file = state.path().to_path_buf();
        let change = Change::between(Cause::TakenOver(file), state.analysis(), &analysis);
        let next = state.seen_again(analysis);
        let outcome = if change.is_nothing() { Outcome::Nothing } else { Outcome::Changed(Box::new(change)) };
        return Ok(Answer { state: Some(next), outcome });
    };
    // What was typed since stays behind what the file says now.
    let known = state.on_disk().unwrap_or("");
    let typed = state.text().strip_prefix(known).unwrap_or("");
    let whole = super::language::appended(&on_disk, typed);
    let whole = if typed.is_empty() { on_disk.clone() } else { whole };
    let analysis = state.analyse(&whole, work.cancel)?;
    let change = Change::between(Cause::TakenOver(path), state.analysis(), &analysis);
    Ok(Answer { state: Some(state.taken_over(&on_disk, analysis)), outcome: Outcome::Changed(Box::new(change)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_rewritten_for_another_directory() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        fs::write(root.path().join("a/m.safetensors"), "").unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        let text = "model \"m.safetensors\" # the model\noutput \"new.safetensors\"\nlinear => int8\n";
        assert_eq!(moved(text, &a, &a), text);
        let there = moved(text, &a, &b);
        assert!(there.contains("m.safetensors\" # the model") && there != text, "{there}");
        assert!(!there.contains("\"new.safetensors\""), "{there}");
    }
}
