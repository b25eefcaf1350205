//! Paths of models, recipes and samples.

use std::fs;
use std::path::{MAIN_SEPARATOR, Path};

use super::{CompletionKind, List};
use crate::formats::natural::natural_order;
use crate::ide::Analysis;
use crate::syntax::Span;
use crate::words::size;

/// Entries of a directory that are looked at, and those that are offered.
const MOST_ENTRIES: usize = 10_000;
const MOST_OFFERED: usize = 200;

/// Files and directories that a statement can name, as the recipe's directory sees them; models in the directories
/// of the settings too.
pub(super) fn paths(analysis: &Analysis, keyword: &str, list: &mut List) {
    let own = analysis.path().parent().unwrap_or(Path::new("")).to_owned();
    let mut roots = vec![own];
    if keyword == "model" {
        roots.extend(analysis.settings().model_paths.iter().cloned());
    }
    let prefix = list.state.prefix.clone();
    let prefix = if list.state.in_text { prefix.as_str() } else { "" };
    let cut = prefix.rfind(['/', MAIN_SEPARATOR]).map_or(0, |at| at + 1);
    let (directory, begun) = prefix.split_at(cut);
    let at = list.state.span.start + cut as u32;
    let behind = analysis.text_at(Span::new(at + begun.len() as u32, list.state.span.end));
    let end = at + begun.len() as u32 + behind.find('/').unwrap_or(behind.len()) as u32;
    let span = Span::new(at, if list.state.in_text { end } else { list.state.span.end });
    for (group, root) in ('b'..='x').zip(roots) {
        list_directory(&root.join(directory), keyword, analysis.path(), |kind, name, detail| {
            let item = list.text(group, kind, name, detail);
            item.span = span;
        });
    }
}

/// Offers what a directory holds.
fn list_directory(directory: &Path, keyword: &str, recipe: &Path, mut offer: impl FnMut(CompletionKind, &str, &str)) {
    let directory = if directory == Path::new("") { Path::new(".") } else { directory };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(MOST_ENTRIES);
    let mut found: Vec<(bool, String, String)> = Vec::new();
    for entry in entries {
        let (path, Ok(name)) = (entry.path(), entry.file_name().into_string()) else { continue };
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        let is_package = ending == "mlpackage";
        let wanted = match keyword {
            "import" => ending == "bitmill" && path != recipe,
            "calibrate" => ending == "safetensors",
            "model" => matches!(ending, "safetensors" | "pt2") || is_package,
            _ => ending == "safetensors" || is_package,
        };
        if name.starts_with('.') {
            continue;
        }
        if metadata.is_dir() && is_package && !matches!(keyword, "model" | "output") {
            continue;
        }
        if metadata.is_dir() {
            let is_model = is_package || path.join("config.json").is_file();
            let detail = if is_model && keyword == "model" { "a model" } else { "" };
            found.push((!is_model, name + if is_package { "" } else { "/" }, detail.to_string()));
        } else if wanted {
            found.push((false, name, size(metadata.len())));
        }
    }
    found.sort_by(|a, b| (a.0.cmp(&b.0)).then_with(|| natural_order(&a.1, &b.1)));
    for (_, name, detail) in found.into_iter().take(MOST_OFFERED) {
        let kind = if name.ends_with('/') { CompletionKind::Directory } else { CompletionKind::File };
        offer(kind, &name, &detail);
    }
}
