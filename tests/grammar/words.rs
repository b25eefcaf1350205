//! The words of the language by what editors show alike, from the tables that the parser reads.

use bitmill::coreml::target::Platform;
use bitmill::glossary;
use bitmill::syntax::keywords::{ACTIVATIONS, METRICS, STATEMENTS, UNITS};

/// The words of the glossary that are any of these.
pub fn that_are(what: &[&str]) -> Vec<String> {
    let entries = glossary::entries().into_iter().filter(|entry| what.contains(&entry.what));
    let mut words: Vec<String> = entries.map(|entry| entry.word).collect();
    words.sort();
    words.dedup();
    assert!(!words.is_empty(), "no word is {what:?}");
    words
}

pub fn statements() -> Vec<String> {
    STATEMENTS.iter().map(|keyword| keyword.word.to_string()).collect()
}

/// Statements that name a file or a preset.
pub fn naming() -> Vec<String> {
    let naming = STATEMENTS.iter().filter(|keyword| keyword.form.split(' ').nth(1).is_some_and(|w| w.starts_with('"')));
    naming.map(|keyword| keyword.word.to_string()).collect()
}

pub fn connectives() -> Vec<String> {
    that_are(&["a connective of selectors and conditions"])
}

pub fn kinds() -> Vec<String> {
    that_are(&["a kind of module"])
}

pub fn facts() -> Vec<String> {
    that_are(&["a fact that `where` compares"])
}

/// What weights become: `int4`, `lut3`, `fp16`; without `keep`.
pub fn bases() -> Vec<String> {
    that_are(&["what weights become"]).into_iter().filter(|word| word != KEEP).collect()
}

/// The word for leaving a weight as it is.
pub const KEEP: &str = "keep";

/// `per-group`, `scale`, `activations`.
pub fn parts() -> Vec<String> {
    that_are(&["a part of a scheme"])
}

/// What a word of a scheme chooses: mappings, and the choices of `by` and `fit`.
pub fn choices_of_schemes() -> Vec<String> {
    that_are(&["a mapping", "a choice of `by`", "a choice of `fit`"])
}

/// What the statements of one word choose.
pub fn choices_of_statements() -> Vec<String> {
    let mut words = that_are(&["a choice of `compute`", "a choice of `arithmetic`"]);
    words.push("none".to_string());
    words
}

/// Words with a meaning in `expect` only, those of two words apart.
pub fn expectations() -> Vec<String> {
    let mut words = that_are(&["a word of `expect`"]);
    words.extend(METRICS.iter().flat_map(|metric| metric.word.split(' ').map(str::to_string)));
    words
}

/// Units that are words, not signs.
pub fn units() -> Vec<String> {
    let words = UNITS.iter().filter(|unit| unit.word.chars().all(char::is_alphabetic));
    words.map(|unit| unit.word.to_string()).collect()
}

pub fn platforms() -> Vec<String> {
    Platform::ALL.iter().map(|(_, name)| name.to_string()).collect()
}

pub fn activations() -> &'static str {
    ACTIVATIONS.word
}

/// Words as the alternatives of a regular expression, longer ones first, so that none hides another.
pub fn alternatives(words: &[String]) -> String {
    let mut words = words.to_vec();
    words.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
    words.join("|")
}
