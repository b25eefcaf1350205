//! The grammars for editors: made from the tables of words, and in agreement with the parser.
//!
//! `UPDATE_GRAMMAR=1` writes what is made from the tables instead of comparing.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

mod lists;
mod queries;
mod textmate;
mod tree_sitter;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of this repository.
fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Compares a file with what it should hold, or writes that.
fn same_or_updated(relative: &str, wanted: &str) {
    if std::env::var_os("UPDATE_GRAMMAR").is_some() {
        fs::create_dir_all(path(relative).parent().unwrap()).unwrap();
        fs::write(path(relative), wanted).unwrap();
    }
    let found = fs::read_to_string(path(relative)).unwrap_or_default();
    assert!(found == wanted, "{relative} is out of date; UPDATE_GRAMMAR=1 cargo test --test grammar updates it");
}

#[test]
fn the_textmate_grammar_has_the_words_of_the_tables() {
    same_or_updated("grammar/bitmill.tmLanguage.json", &textmate::grammar());
}

#[test]
fn lists_of_words_are_those_of_the_tables() {
    same_or_updated("editors/neovim/syntax/bitmill.vim", &lists::vim());
    same_or_updated("editors/emacs/bitmill-words.el", &lists::emacs());
}

/// The snippets of VS Code, with what they suggest, are recipes.
#[test]
fn snippets_are_recipes() {
    let snippets = fs::read_to_string(path("editors/vscode/snippets/bitmill.json")).unwrap();
    let snippets: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&snippets).unwrap();
    let placeholder = regex::Regex::new(r"\$\{\d+(?::([^}]*)|\|([^,|]*)[^}]*)\}|\$\d").unwrap();
    for (name, snippet) in snippets {
        let lines: Vec<_> = snippet["body"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let text = placeholder.replace_all(&lines.join("\n"), "$1$2").to_string();
        assert_eq!(bitmill::syntax::parse(&text).errors, [], "{name}: {text}");
        assert_eq!(bitmill::syntax::format(&text).trim_end(), text.trim_end(), "{name} is not formatted");
    }
}
