//! The tree-sitter grammar finds no error exactly where the parser finds none, and knows the same words.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ::tree_sitter::{Language, Parser, Query, Tree};
use bitmill::check::rules::RULES;
use bitmill::syntax::keywords::{ACTIVATIONS, CONNECTIVES, EXPECTATIONS, METRICS, OPERAND_PARTS, STATEMENTS, UNITS};
use bitmill::syntax::token::Flaw;
use bitmill::syntax::{self, lex};
use proptest::prelude::*;

use crate::{path, queries, same_or_updated};

const DIRECTORY: &str = "grammar/tree-sitter-bitmill";

fn language() -> Language {
    tree_sitter_bitmill::LANGUAGE.into()
}

fn tree(text: &str) -> Tree {
    let mut parser = Parser::new();
    parser.set_language(&language()).unwrap();
    parser.parse(text, None).unwrap()
}

/// What both parsers say, where they do not say the same.
fn disagreement(text: &str) -> Option<String> {
    let errors = syntax::parse(text).errors;
    let tree = tree(text);
    (errors.is_empty() == tree.root_node().has_error()).then(|| {
        let found: Vec<_> = errors.iter().map(|error| error.message()).collect();
        format!("---\n{text}\n{found:?}\n{}\n", tree.root_node())
    })
}

fn recipes(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            recipes(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "bitmill") {
            found.push(path);
        }
    }
}

/// Every recipe that ships and both examples of every rule.
fn texts() -> Vec<String> {
    let mut files = Vec::new();
    recipes(&path("examples"), &mut files);
    recipes(&path("tests/grammar/scopes"), &mut files);
    let mut texts: Vec<String> = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for example in RULES.iter().flat_map(|rule| rule.examples) {
        texts.extend([example.bad.to_string(), example.good.to_string()]);
        texts.extend(example.files.iter().map(|(_, text)| text.to_string()));
    }
    texts
}

#[test]
fn agrees_on_examples() {
    let texts = texts();
    assert!(texts.len() > 150, "{}", texts.len());
    let wrong: String = texts.iter().filter_map(|text| disagreement(text)).collect();
    assert!(wrong.is_empty(), "{wrong}");
}

/// Texts that differ in lines, brackets, units and comments.
#[test]
fn agrees_on_lines_and_tokens() {
    let wrong: String = include_str!("agreement.txt").split("\n---\n").filter_map(disagreement).collect();
    assert!(wrong.is_empty(), "{wrong}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// A token of an example removed, doubled or put elsewhere.
    #[test]
    fn agrees_on_mistakes(which in any::<prop::sample::Index>(), token in any::<prop::sample::Index>(),
                          other in any::<prop::sample::Index>(), change in 0..3) {
        let texts = texts();
        let text = which.get(&texts);
        let tokens = lex(text);
        prop_assume!(!tokens.is_empty());
        let mut pieces: Vec<&str> = tokens.iter().map(|token| &text[token.span.range()]).collect();
        let (token, other) = (token.index(pieces.len()), other.index(pieces.len()));
        match change {
            0 => _ = pieces.remove(token),
            1 => pieces.insert(token, pieces[token]),
            _ => pieces.insert(token, pieces[other]),
        }
        let text = pieces.concat();
        prop_assume!(!has_path_without_quotes(&text));
        prop_assert_eq!(disagreement(&text), None);
    }
}

/// What an editor shows while a statement is being written: the others keep their colours.
#[test]
fn a_mistake_stays_in_its_statement() {
    let unfinished = [
        "linear",
        "linear =>",
        "linear => int4 per-group(",
        "(linear",
        "extend \"x\" {",
        "calibrate \"x\" { samples",
        "linear => 'a'",
        "\"*.q => int4",
        "foo bar",
        "scheme",
        "scheme a",
        "target",
        "linear where",
        "linear => block[16,",
        "a.b => int4",
        "threshold 12abc",
        "linear => int4, ",
        "=> int4",
        "model x",
    ];
    for line in unfinished {
        let text = format!("target iOS18\n{line}\nembedding => keep\nscheme w4 = int4\n");
        let tree = tree(&text);
        let root = tree.root_node();
        let kinds: Vec<_> = root.children(&mut root.walk()).map(|node| node.kind()).collect();
        assert!(root.has_error(), "{line}");
        assert_eq!(kinds.first(), Some(&"target"), "{line}: {root}");
        assert!(kinds.ends_with(&["rule", "definition"]), "{line}: {root}");
    }
}

/// `and/x/`, which is a path for the parser and a word with a regular expression for tree-sitter.
fn has_path_without_quotes(text: &str) -> bool {
    let unquoted = lex(text).into_iter().filter(|token| token.flaw == Some(Flaw::Unquoted));
    unquoted.into_iter().any(|token| text[token.span.range()].contains('/'))
}

#[test]
fn has_the_words_of_the_tables() {
    let grammar = fs::read_to_string(path(DIRECTORY).join("src/grammar.json")).unwrap();
    let grammar: serde_json::Value = serde_json::from_str(&grammar).unwrap();
    let mut found = BTreeSet::new();
    literals(&grammar["rules"], &mut found);
    let tables = [STATEMENTS, CONNECTIVES, EXPECTATIONS, METRICS, OPERAND_PARTS, &[ACTIVATIONS], UNITS];
    let words = tables.into_iter().flatten().flat_map(|keyword| keyword.word.split(' '));
    let wanted: BTreeSet<String> = words.filter(|word| *word != "%").map(str::to_string).collect();
    assert_eq!(found, wanted);
    // The scanner has the units once more, which it takes directly behind a number.
    for unit in UNITS {
        let number = tree(&format!("threshold 1{}", unit.word)).root_node().to_sexp();
        assert!(number.contains("(quantity)"), "{}: {number}", unit.word);
    }
}

/// All words that stand in the rules of a grammar.
fn literals(value: &serde_json::Value, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            let text = fields.get("value").and_then(|text| text.as_str());
            if let (Some("STRING"), Some(text)) = (fields.get("type").and_then(|kind| kind.as_str()), text)
                && text.starts_with(char::is_alphabetic)
            {
                found.insert(text.to_string());
            }
            fields.values().for_each(|value| literals(value, found));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| literals(value, found)),
        _ => {}
    }
}

#[test]
fn highlights_have_the_words_of_the_tables() {
    for flavour in queries::FLAVOURS {
        same_or_updated(flavour.path, &queries::highlights(flavour));
    }
}

#[test]
fn queries_fit_the_grammar() {
    let directories = [
        "grammar/tree-sitter-bitmill/queries",
        "editors/neovim/queries/bitmill",
        "editors/helix/queries/bitmill",
        "editors/zed/languages/bitmill",
    ];
    for directory in directories {
        let mut count = 0;
        for entry in fs::read_dir(path(directory)).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "scm") {
                let query = fs::read_to_string(&file).unwrap();
                assert!(
                    Query::new(&language(), &query).is_ok(),
                    "{}: {:?}",
                    file.display(),
                    Query::new(&language(), &query)
                );
                count += 1;
            }
        }
        assert!(count >= 3, "{directory} has {count} queries");
    }
}

/// The format of `tree-sitter test`: a title between lines of `=`, a text, `---`, its tree.
#[test]
fn trees_of_the_corpus() {
    let mut count = 0;
    for entry in fs::read_dir(path(DIRECTORY).join("test/corpus")).unwrap() {
        let corpus = fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut parts = corpus.split("==================\n").skip(1);
        while let (Some(title), Some(body)) = (parts.next(), parts.next()) {
            let (text, wanted) = body.split_once("\n---\n").unwrap();
            let wanted = wanted.split_whitespace().collect::<Vec<_>>().join(" ").replace(" )", ")");
            assert_eq!(tree(text).root_node().to_sexp(), wanted, "{title}");
            count += 1;
        }
    }
    assert!(count >= 10, "{count} trees");
}
