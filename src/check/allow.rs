//! `# bitmill: allow(CODE)`: silencing warnings and hints.

use super::finding::{Finding, Severity};
use crate::recipe::{Place, Recipe};

/// Removes warnings and hints that a comment allows at their place. Errors stay.
pub(super) fn silence(recipe: &Recipe, findings: &mut Vec<Finding>) {
    if recipe.sources.iter().all(|source| source.allows.is_empty()) {
        return;
    }
    findings.retain(|finding| finding.severity == Severity::Error || !is_allowed(recipe, finding.place, finding.code));
}

/// Whether a comment allows a code at a place.
fn is_allowed(recipe: &Recipe, place: Place, code: &str) -> bool {
    let source = recipe.sources.get(place.file.0 as usize);
    source.is_some_and(|source| {
        source
            .allows
            .iter()
            .any(|allow| allow.applies_to.touches(place.span.start) && allow.codes.iter().any(|c| c.value == code))
    })
}
