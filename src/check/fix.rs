//! Applying fixes to texts.

use super::finding::{Edit, Finding};
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

/// The edits of the first safe fix of each finding, for `check --fix`; fixes whose edits overlap those of an
/// earlier finding wait for the next round.
pub fn safe_edits(findings: &[Finding]) -> Vec<&Edit> {
    let mut edits: Vec<&Edit> = Vec::new();
    for finding in findings {
        let Some(fix) = finding.fixes.iter().find(|fix| fix.safe) else {
            continue;
        };
        let clashes = |new: &Edit| {
            edits.iter().any(|old| {
                let (a, b) = (old.place, new.place);
                a.file == b.file && (a.span == b.span || (a.span.start < b.span.end && b.span.start < a.span.end))
            })
        };
        if !fix.edits.iter().any(clashes) {
            edits.extend(&fix.edits);
        }
    }
    edits
}
