//! Applying fixes to texts.

use super::finding::Edit;
use crate::recipe::FileId;

/// Applies edits to one text. Edits that overlap an earlier one are left out; the second value counts those
/// applied.
pub fn apply(text: &str, file: FileId, edits: &[&Edit]) -> (String, usize) {
    let mut sorted: Vec<&Edit> = edits.iter().copied().filter(|edit| edit.place.file == file).collect();
    sorted.sort_by_key(|edit| (edit.place.span.start, edit.place.span.end));
    let mut out = String::with_capacity(text.len());
    let (mut at, mut applied) = (0usize, 0);
    for edit in sorted {
        let range = edit.place.span.range();
        let (Some(before), true) = (text.get(at..range.start), range.end <= text.len()) else {
            continue;
        };
        out.push_str(before);
        out.push_str(&edit.text);
        at = range.end;
        applied += 1;
    }
    out.push_str(text.get(at..).unwrap_or(""));
    (out, applied)
}
