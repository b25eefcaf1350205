//! Unified differences of texts.

use std::path::Path;

use similar::TextDiff;

use super::terminal::{Painter, Style, clean};

/// A unified difference of two texts of one file.
pub fn unified(path: &Path, old: &str, new: &str, paint: Painter) -> String {
    let name = path.display().to_string();
    let diff = TextDiff::from_lines(old, new);
    let mut text = diff.unified_diff().context_radius(3).header(&format!("a/{name}"), &format!("b/{name}")).to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    if !paint.is_on() {
        // As `patch` wants it: what a terminal dislikes is not escaped here.
        return text;
    }
    let style = |line: &str| match line.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => Style::Bold,
        [b'+', ..] => Style::Good,
        [b'-', ..] => Style::Error,
        [b'@', ..] => Style::Hint,
        _ => Style::Plain,
    };
    text.lines().map(|line| paint.put(style(line), clean(line)) + "\n").collect()
}
