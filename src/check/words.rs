//! Phrases and edits that several rules need.

use super::Context;
use super::finding::{Edit, Finding};
use crate::coreml::target::{OperatorSet, Platform};
use crate::recipe::{Place, Recipe, TargetChoice};
use crate::syntax::Span;

/// `a`, `b` and 3 more: the first few of many names, in backquotes.
pub fn list<S: AsRef<str>>(names: &[S], show: usize) -> String {
    let shown: Vec<String> = names.iter().take(show).map(|name| format!("`{}`", name.as_ref())).collect();
    match (shown.as_slice(), names.len().saturating_sub(show)) {
        ([], _) => String::new(),
        ([one], 0) => one.clone(),
        ([head @ .., last], 0) => format!("{} and {last}", head.join(", ")),
        (all, more) => format!("{} and {more} more", all.join(", ")),
    }
}

/// `1 weight`, `3 weights`.
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// Labels the target that makes it so and offers to raise it to an operator set: on every platform that the
/// recipe names and that is older.
pub fn needs_set(finding: &mut Finding, context: &Context, set: &'static OperatorSet) {
    let Some(TargetChoice::Systems(systems)) = &context.recipe.target else {
        return;
    };
    let Some(oldest) = context.recipe.target.as_ref().and_then(TargetChoice::oldest) else {
        return;
    };
    let has = format!("{} has the operators of {}", oldest.value, oldest.value.set.name);
    finding.label(oldest.place, has);
    let older = systems.iter().filter(|target| target.value.set.spec < set.spec);
    let edits: Option<Vec<Edit>> =
        older.map(|target| Some(Edit { place: target.place, text: set.on(target.value.platform)? })).collect();
    if let Some(edits) = edits.filter(|edits| !edits.is_empty()) {
        let to: Vec<&str> = edits.iter().map(|edit| edit.text.as_str()).collect();
        finding.fix_with(format!("raise the target to {}", to.join(", ")), false, edits);
    }
}

/// "iOS18, macOS15, watchOS11, tvOS18, visionOS2": where an operator set begins, for a sentence.
pub fn systems(set: &OperatorSet) -> String {
    set.systems()
}

/// The iOS name of an operator set, the one that upstream's messages use.
pub fn ios(set: &OperatorSet) -> String {
    set.on(Platform::Ios).unwrap_or_default()
}

/// The place directly behind a statement's line, where a new statement can be inserted as `"STATEMENT\n"`
/// after a line end; with the text to put before it when the file does not end its last line.
pub fn line_after(recipe: &Recipe, place: Place) -> (Place, &'static str) {
    let text = recipe.sources.get(place.file.0 as usize).map_or("", |source| source.text.as_str());
    let end = place.span.end as usize;
    match text.get(end..).and_then(|rest| rest.find('\n')) {
        Some(offset) => {
            let at = (end + offset + 1) as u32;
            (Place::new(place.file, Span::new(at, at)), "")
        }
        None => {
            let at = text.len() as u32;
            (Place::new(place.file, Span::new(at, at)), "\n")
        }
    }
}

/// The edit that adds a statement behind another.
pub fn insert_after(recipe: &Recipe, place: Place, statement: &str) -> Edit {
    let (at, before) = line_after(recipe, place);
    Edit { place: at, text: format!("{before}{statement}\n") }
}
