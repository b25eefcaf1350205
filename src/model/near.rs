//! The names of a model that are nearest to a pattern that matches none.

use std::collections::HashSet;

use super::{Model, Role};
use crate::nearest::nearest;

/// Up to `most` names of modules or weights that `pattern` may have meant, best first.
///
/// Dotted components are compared one by one, from the last: `"*.q_prj"` finds `layers.0.attention.q_proj`.
pub fn nearest_names(model: &Model, pattern: &str, most: usize) -> Vec<String> {
    let mut seen = HashSet::new();
    let weights = || model.weights.iter().filter(|w| w.role == Role::Weight);
    // The words that names are made of are few, even in a model of many weights.
    let mut words: Vec<&str> = Vec::new();
    for component in weights().flat_map(|w| w.name.split('.')) {
        if seen.insert(component) {
            words.push(component);
        }
    }
    let special = |c: char| matches!(c, '*' | '?' | '{' | '}' | '[' | ']' | '\\');
    let wanted: Vec<&str> = pattern.split('.').filter(|part| !part.is_empty() && !part.contains(special)).collect();
    let corrected: Vec<(&str, bool)> = wanted
        .iter()
        .filter_map(|part| {
            if seen.contains(part) { Some((*part, true)) } else { Some((nearest(part, words.iter().copied())?, false)) }
        })
        .collect();
    if corrected.is_empty() {
        return Vec::new();
    }
    let score = |name: &str| corrected.iter().filter(|(part, _)| name.split('.').any(|c| c == *part)).count();
    let names = weights().map(|w| if w.module_len > 0 { w.module() } else { w.name.as_str() });
    let mut found: Vec<(usize, &str)> = names.map(|name| (score(name), name)).filter(|(score, _)| *score > 0).collect();
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.dedup();
    found.into_iter().take(most).map(|(_, name)| name.to_string()).collect()
}
