//! Selectors and schemes on their own, as a prompt or a command line takes them.

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use super::problem::Problem;
use super::selector::Selector;
use super::source::NoImports;
use super::{NamedScheme, Recipe, Rule, glob, resolve};
use crate::kind::KindWord;
use crate::model::Weight;
use crate::scheme::Scheme;
use crate::syntax;
use crate::syntax::token::{Token, TokenKind};

/// Reads a selector: `linear where in_features % 32 != 0`, `"*.q_proj"`.
///
/// # Errors
/// What is wrong with it; nothing when the text is more or less than one selector.
pub fn selector(text: &str) -> Result<Selector, Vec<Problem>> {
    let rule = only_rule(&format!("{text} => keep\n"))?;
    // `linear => int4 #` would comment the rest of the rule out.
    if syntax::parse_selector(text).1.is_empty() { Ok(rule.selector) } else { Err(Vec::new()) }
}

/// Reads a scheme that uses no named schemes: `int4 per-group(32)`.
///
/// # Errors
/// As [`selector`].
pub fn scheme(text: &str) -> Result<Scheme, Vec<Problem>> {
    only_rule(&format!("all => {text}\n"))?.scheme.ok_or_else(Vec::new)
}

/// Reads a list of schemes, `int8, int4 per-group(32)`, which may be named ones. Each is taken once.
///
/// # Errors
/// The first part that is no scheme.
pub fn schemes(text: &str, named: &[NamedScheme]) -> Result<Vec<Scheme>, String> {
    let mut known = String::new();
    for one in named {
        if let Some(scheme) = &one.scheme {
            known += &format!("scheme {} = {scheme}\n", one.name.value);
        }
    }
    let mut found: Vec<Scheme> = Vec::new();
    for (from, to) in pieces(text, 0) {
        let part = text[from..to].trim();
        let is_open = part.is_empty() || part.contains(['#', '\n', '\r']) || part.contains("=>");
        let read = (!is_open).then(|| resolve(Path::new(""), &format!("{known}all => {part}\n"), &NoImports));
        let read = read.filter(|recipe| recipe.problems.is_empty() && recipe.rules.len() == 1);
        let scheme = read.and_then(|mut recipe| recipe.rules.pop()?.scheme).ok_or_else(|| part.to_owned())?;
        if !found.contains(&scheme) {
            found.push(scheme);
        }
    }
    if found.is_empty() { Err(text.trim().to_owned()) } else { Ok(found) }
}

/// The parts of a list between its commas, from an offset on. One that begins with `activations` belongs to the scheme
/// before it, and those in brackets divide nothing.
pub fn pieces(text: &str, from: usize) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let (mut begin, mut depth) = (from, 0usize);
    let seen = syntax::lex(text).into_iter().filter(|token| !token.kind.is_blank());
    let tokens: Vec<Token> = seen.filter(|token| token.span.start as usize >= from).collect();
    for (at, token) in tokens.iter().enumerate() {
        if token.kind.closer().is_some() {
            depth += 1;
        } else if token.kind.is_closer() {
            depth = depth.saturating_sub(1);
        } else if token.kind == TokenKind::Comma && depth == 0 {
            let next = tokens.get(at + 1).map_or("", |next| &text[next.span.range()]);
            if next != "activations" {
                parts.push((begin, token.span.start as usize));
                begin = token.span.end as usize;
            }
        }
    }
    if !text[begin..].trim().is_empty() {
        parts.push((begin, text.len()));
    }
    parts
}

/// What a command or a prompt means by a pattern: tensors to be shown, not to be quantized, so that a name means
/// a module with its bias.
#[derive(Debug, Clone)]
pub struct Pattern(Selector);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// It looks like a selector and is none.
    #[error("it is no selector, such as `linear where rank == 2`")]
    Selector,
    /// It is a glob with a mistake; which, in words.
    #[error("{0}")]
    Glob(String),
}

impl Pattern {
    /// Reads a pattern: a selector as in recipes, or a bare glob over names, `*.q_proj`.
    ///
    /// # Errors
    /// Why it is neither.
    pub fn read(text: &str) -> Result<Pattern, PatternError> {
        let is_selector = text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '/' | ',' | '('))
            || KindWord::from_word(text).is_some();
        if is_selector {
            return selector(text).map(Pattern).map_err(|_| PatternError::Selector);
        }
        let glob = glob::Pattern::glob(text).map_err(PatternError::Glob)?;
        Ok(Pattern(Selector::Name(Arc::new(glob), text.to_string(), Default::default())))
    }

    /// Whether a tensor is meant.
    pub fn matches(&self, weight: &Weight) -> bool {
        match &self.0 {
            Selector::Name(glob, ..) => glob.matches(weight.module()) || glob.matches(&weight.name),
            selector => selector.matches(weight),
        }
    }
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
    fn patterns_are_selectors_or_globs() {
        let model = crate::model::Model::listing("a.weight  linear  4x4  fp16\na.bias  linear  4  fp16\n").unwrap();
        let many = |text: &str| model.weights.iter().filter(|w| Pattern::read(text).unwrap().matches(w)).count();
        assert_eq!(["a", "*.bias", "linear", "\"a\"", "linear where rank == 2", "b"].map(many), [2, 1, 1, 2, 1, 0]);
        assert_eq!(Pattern::read("linear where").unwrap_err(), PatternError::Selector);
        assert_eq!(Pattern::read("a[").unwrap_err(), PatternError::Glob("`[` is not closed".into()));
    }

    #[test]
    fn lists_of_schemes_are_taken_apart() {
        let text = "linear over int8, block[16, -1] int4,int8, activations uint8, (lut4, x";
        let parts: Vec<&str> = pieces(text, 11).into_iter().map(|(from, to)| text[from..to].trim()).collect();
        assert_eq!(parts, ["int8", "block[16, -1] int4", "int8, activations uint8", "(lut4, x"]);
    }

    #[test]
    fn lists_of_schemes_know_named_ones() {
        let recipe = resolve(Path::new(""), "scheme w4 = int4 per-group(32)\nlinear => w4\n", &NoImports);
        let read = |text: &str| schemes(text, &recipe.schemes).map(|all| all.iter().map(Scheme::to_string).collect());
        assert_eq!(
            read("w4 by mse, lut4, w4 by mse, int8 per-channel"),
            Ok(vec![
                "int4 per-group(32) symmetric by mse".to_owned(),
                "lut4 per-tensor".to_owned(),
                "int8 per-channel symmetric".to_owned(),
            ])
        );
        for wrong in ["", "int8,,lut4", "w5", "int4 #", "int4 => int8", "int4\nall => keep"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn fragments_are_one_selector_and_one_scheme() {
        assert!(selector("linear or \"*.head\" where rank == 2").is_ok());
        assert!(selector("lineer").is_err_and(|problems| problems.len() == 1));
        assert_eq!(scheme("int4 per-group(32)").unwrap().to_string(), "int4 per-group(32) symmetric");
        for more in ["", "all => keep\nlinear", "# all", "target iOS18\nall", "linear => int4 #"] {
            assert!(selector(more).is_err(), "{more:?}");
        }
    }
}
