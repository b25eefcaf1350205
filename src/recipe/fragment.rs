//! Selectors and schemes on their own, as a prompt or a command line takes them.

use std::path::Path;

use super::problem::Problem;
use super::selector::Selector;
use super::source::NoImports;
use super::{Recipe, Rule, resolve};
use crate::scheme::Scheme;

/// Reads a selector: `linear where in_features % 32 != 0`, `"*.q_proj"`.
///
/// # Errors
/// What is wrong with it; nothing when the text is more or less than one selector.
pub fn selector(text: &str) -> Result<Selector, Vec<Problem>> {
    only_rule(&format!("{text} => keep\n")).map(|rule| rule.selector)
}

/// Reads a scheme that uses no named schemes: `int4 per-group(32)`.
///
/// # Errors
/// As [`selector`].
pub fn scheme(text: &str) -> Result<Scheme, Vec<Problem>> {
    only_rule(&format!("all => {text}\n"))?.scheme.ok_or_else(Vec::new)
}

/// The rule that a text consists of.
fn only_rule(text: &str) -> Result<Rule, Vec<Problem>> {
    let Recipe { sources, mut rules, problems, .. } = resolve(Path::new(""), text, &NoImports);
    let statements = sources.first().map_or(0, |source| source.tree.statements.len());
    match rules.pop() {
        Some(rule) if problems.is_empty() && statements == 1 => Ok(rule),
        _ => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_one_selector_and_one_scheme() {
        assert!(selector("linear or \"*.head\" where rank == 2").is_ok());
        assert!(selector("lineer").is_err_and(|problems| problems.len() == 1));
        assert_eq!(scheme("int4 per-group(32)").unwrap().to_string(), "int4 per-group(32) symmetric");
        for more in ["", "all => keep\nlinear", "# all", "target iOS18\nall"] {
            assert!(selector(more).is_err(), "{more:?}");
        }
    }
}
