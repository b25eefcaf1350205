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

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bitmill::ide::semantic_tokens::TokenMeaning;
use bitmill::ide::{Hints, Level};

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

/// Every editor loads queries from a directory of its own, so that each has a copy.
#[test]
fn copies_of_queries_are_those_of_the_grammar() {
    let queries = "grammar/tree-sitter-bitmill/queries";
    for (name, copies) in [
        ("injections.scm", &["neovim/queries/bitmill", "helix/queries/bitmill", "zed/languages/bitmill"][..]),
        ("folds.scm", &["neovim/queries/bitmill"]),
        ("indents.scm", &["neovim/queries/bitmill"]),
        ("outline.scm", &["zed/languages/bitmill"]),
    ] {
        let wanted = fs::read_to_string(path(queries).join(name)).unwrap();
        for copy in copies {
            same_or_updated(&format!("editors/{copy}/{name}"), &wanted);
        }
    }
}

/// What the extension of VS Code says of the server is what the server says.
#[test]
fn the_extension_knows_the_server() {
    let package = fs::read_to_string(path("editors/vscode/package.json")).unwrap();
    let contributes = &serde_json::from_str::<serde_json::Value>(&package).unwrap()["contributes"];
    let scopes = contributes["semanticTokenScopes"][0]["scopes"].as_object().unwrap();
    // Themes colour these as the grammar's scopes.
    let standard = ["keyword", "operator", "comment", "number", "string", "regexp"];
    let meanings: Vec<&str> = TokenMeaning::ALL.iter().map(|(_, name)| *name).collect();
    for name in meanings.iter().filter(|name| !standard.contains(*name)) {
        assert!(scopes.contains_key(*name), "no scope for {name}");
    }
    let grammar = textmate::grammar();
    for (name, scopes) in scopes {
        assert!(meanings.contains(&name.as_str()), "{name} is sent by nobody");
        let scope = scopes[0].as_str().unwrap();
        assert!(grammar.contains(&format!("\"{scope}\"")), "{scope} is no scope of the grammar");
    }
    let settings = &contributes["configuration"]["properties"];
    let levels: BTreeSet<&str> = Level::ALL.iter().map(|(_, word)| *word).collect();
    let listed = settings["bitmill.severity"]["additionalProperties"]["enum"].as_array().unwrap();
    assert_eq!(listed.iter().map(|word| word.as_str().unwrap()).collect::<BTreeSet<_>>(), levels);
    let Hints { rules, total } = Hints::default();
    assert_eq!(settings["bitmill.inlayHints.rules"]["default"], rules);
    assert_eq!(settings["bitmill.inlayHints.total"]["default"], total);
}

/// The commands that editors send are those of the server.
#[test]
fn editors_send_the_commands_of_the_server() {
    let named = regex::Regex::new(r#"['"](bitmill\.[a-zA-Z]+)['"]"#).unwrap();
    for file in ["editors/neovim/plugin/bitmill.lua", "editors/emacs/bitmill-mode.el"] {
        let text = fs::read_to_string(path(file)).unwrap();
        let found: BTreeSet<&str> = named.captures_iter(&text).map(|found| found.get(1).unwrap().as_str()).collect();
        assert!(found.len() > 3, "{file}: {found:?}");
        for command in found {
            assert!(bitmill::lsp::COMMANDS.contains(&command), "{file}: {command}");
        }
    }
}
