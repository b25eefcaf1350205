//! The written grammar names what the tables name.

use std::collections::BTreeSet;

use bitmill::syntax::keywords::{ACTIVATIONS, CONNECTIVES, EXPECTATIONS, METRICS, OPERAND_PARTS, STATEMENTS, UNITS};

const GRAMMAR: &str = include_str!("../../grammar/bitmill.ebnf");

/// The grammar without its comments.
fn productions() -> String {
    let mut rest = GRAMMAR;
    let mut productions = String::new();
    while let Some((before, behind)) = rest.split_once("(*") {
        productions += before;
        rest = behind.split_once("*)").expect("a comment ends").1;
    }
    productions + rest
}

/// What stands in quotes.
fn terminals() -> BTreeSet<String> {
    let quoted = regex::Regex::new(r#""([^"\n]+)"|'([^'\n]+)'"#).unwrap();
    let productions = productions();
    let found = quoted.captures_iter(&productions);
    found.map(|one| one.get(1).or(one.get(2)).unwrap().as_str().to_owned()).collect()
}

#[test]
fn names_exactly_the_keywords() {
    let tables = [STATEMENTS, CONNECTIVES, EXPECTATIONS, METRICS, OPERAND_PARTS, UNITS, &[ACTIVATIONS]];
    let keywords = tables.iter().flat_map(|table| table.iter()).flat_map(|keyword| keyword.word.split(' '));
    let keywords: BTreeSet<_> = keywords.filter(|word| word.starts_with(char::is_alphabetic)).collect();
    let terminals = terminals();
    let words = terminals.iter().map(String::as_str).filter(|word| word.starts_with(char::is_alphabetic));
    // The exponent of a number is no keyword.
    let words: BTreeSet<_> = words.filter(|word| !matches!(*word, "e" | "E")).collect();
    assert_eq!(words, keywords);
}

#[test]
fn defines_what_it_uses() {
    let productions = productions();
    let literals = regex::Regex::new(r#""[^"\n]*"|'[^'\n]*'|\?[^?]*\?"#).unwrap();
    let bare = literals.replace_all(&productions, " ");
    let names = regex::Regex::new(r"[a-z][a-z_]*").unwrap();
    let defined = regex::Regex::new(r"(?m)^([a-z][a-z_]*)\s*=").unwrap();
    let defined: BTreeSet<_> = defined.captures_iter(&bare).map(|one| one.get(1).unwrap().as_str()).collect();
    let used: BTreeSet<_> = names.find_iter(&bare).map(|one| one.as_str()).collect();
    assert_eq!(used, defined);
}
