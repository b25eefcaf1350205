//! The TextMate grammar, made from the tables of words.

use serde_json::{Value, json};

use crate::words;

/// What stands before and behind a word, since words have hyphens.
const BEFORE: &str = r"(?<![\w.-])";
const BEHIND: &str = r"(?![\w-])";
/// Behind the first word of a rule, whatever the word is.
const NO_RULE: &str = r"(?!\s*(?:=>|,|(?:and|or|where)(?![\w-])))";
/// A word of any script.
const WORD: &str = r"[\p{L}_][\p{L}\p{N}_]*(?:(?:-[\p{L}\p{N}]|(?<=\d)\.(?=\d))[\p{L}\p{N}_]*)*";
const NUMERAL: &str = r"-?\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?";
/// A scheme ends with its line, unless that ends in the middle of something.
const END_OF_SCHEME: &str = r"(?<![=>,\s])(?=\s*(?:#|$))";

/// The grammar as the file holds it.
pub fn grammar() -> String {
    let repository = json!({
        "comment": comment(),
        "statement": statements(),
        "definition": definition(),
        "expectation": expectation(),
        "arrow": arrow(),
        "selector": { "patterns": [
            include("comment"), include("glob"), include("regex"), include("parentheses"), include("condition-word"),
            include("number"), include("operator"), include("comma"),
        ] },
        "scheme": { "patterns": [
            include("comment"), include("scheme-word"), include("arguments"), include("list"), include("number"),
            include("ratio"), include("comma"),
        ] },
        "glob": glob(),
        "path": path(),
        "escape": { "name": "constant.character.escape.bitmill", "match": r#"\\["\\]"# },
        "regex": regex(),
        "parentheses": brackets(r"\(", r"\)", "parens", &["selector"]),
        "arguments": brackets(r"\(", r"\)", "parens", &["value"]),
        "list": brackets(r"\[", r"\]", "brackets", &["value"]),
        "options": options(),
        "value": { "patterns": [
            include("comment"), include("list"), include("number"), include("path"), include("comma"),
            word("constant.other", words::alternatives(&words::bases())),
            { "name": "constant.other.bitmill", "match": WORD },
        ] },
        "condition-word": { "patterns": [
            word("keyword.operator.logical", words::alternatives(&words::connectives())),
            word("support.class.kind", words::alternatives(&words::kinds())),
            word("variable.other.fact", words::alternatives(&words::facts())),
        ] },
        "scheme-word": scheme_words(),
        "target": {
            "name": "constant.language.target.bitmill",
            "match": format!(r"{BEFORE}(?:{})\d+(?:\.\d+)*{BEHIND}", words::alternatives(&words::platforms())),
        },
        "number": number(),
        "operator": { "name": "keyword.operator.comparison.bitmill", "match": r"==|!=|<=|>=|[<>%]|=(?!>)" },
        "ratio": { "name": "punctuation.separator.ratio.bitmill", "match": ":" },
        "comma": { "name": "punctuation.separator.bitmill", "match": "," },
    });
    let grammar = json!({
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "information_for_contributors": [
            "Made from the tables of words in src/ by tests/grammar. To change it: UPDATE_GRAMMAR=1 cargo test --test grammar",
        ],
        "name": "bitmill",
        "scopeName": "source.bitmill",
        "fileTypes": ["bitmill"],
        "patterns": [
            include("comment"), include("definition"), include("expectation"), include("statement"),
            include("arrow"), include("options"), include("target"), include("selector"),
        ],
        "repository": repository,
    });
    let mut text = serde_json::to_string_pretty(&grammar).unwrap();
    text.push('\n');
    text
}

fn include(name: &str) -> Value {
    json!({ "include": format!("#{name}") })
}

fn word(scope: &str, alternatives: String) -> Value {
    json!({ "name": format!("{scope}.bitmill"), "match": format!("{BEFORE}(?:{alternatives}){BEHIND}") })
}

fn comment() -> Value {
    json!({ "patterns": [
        {
            "name": "comment.line.number-sign.bitmill",
            "match": r"(#)\s*(bitmill:)\s*(allow)\s*\(([^)\r\n]*)\).*",
            "captures": {
                "1": { "name": "punctuation.definition.comment.bitmill" },
                "2": { "name": "keyword.other.directive.bitmill" },
                "3": { "name": "keyword.other.directive.bitmill" },
                "4": { "name": "constant.other.code.bitmill" },
            },
        },
        {
            "name": "comment.line.number-sign.bitmill",
            "match": "(#).*",
            "captures": { "1": { "name": "punctuation.definition.comment.bitmill" } },
        },
    ] })
}

/// Keywords at the beginning of a line, with the words that only they can choose.
fn statements() -> Value {
    let naming = words::alternatives(&words::naming());
    let other: Vec<_> = words::statements().into_iter().filter(|word| !words::naming().contains(word)).collect();
    let choices = words::alternatives(&words::choices_of_statements());
    let floats = words::alternatives(&words::that_are(&["what weights become", "a type of elements"]));
    json!({ "patterns": [
        {
            "match": format!(r#"^\s*({naming})(?![\w-])\s*("(?:[^"\\]|\\.)*"?)"#),
            "captures": {
                "1": { "name": "keyword.control.statement.bitmill" },
                "2": { "patterns": [include("path")] },
            },
        },
        {
            "match": format!(r"^\s*(target|compute|precision|arithmetic)\s+({choices}|{floats}){BEHIND}"),
            "captures": {
                "1": { "name": "keyword.control.statement.bitmill" },
                "2": { "name": "constant.language.choice.bitmill" },
            },
        },
        {
            "match": format!(r"^\s*({}|{naming}){BEHIND}{NO_RULE}", words::alternatives(&other)),
            "captures": { "1": { "name": "keyword.control.statement.bitmill" } },
        },
    ] })
}

fn definition() -> Value {
    json!({
        "begin": format!(r"^\s*(scheme)\s+({WORD})\s*(=)(?!>)"),
        "beginCaptures": {
            "1": { "name": "keyword.control.statement.bitmill" },
            "2": { "name": "entity.name.type.scheme.bitmill" },
            "3": { "name": "keyword.operator.assignment.bitmill" },
        },
        "end": END_OF_SCHEME,
        "patterns": [include("scheme")],
    })
}

fn expectation() -> Value {
    json!({
        "begin": r"^\s*(expect)(?![\w-])",
        "beginCaptures": { "1": { "name": "keyword.control.statement.bitmill" } },
        "end": r"(?=$)",
        "patterns": [
            include("arrow"),
            word("keyword.other.expectation", words::alternatives(&words::expectations())),
            include("selector"),
        ],
    })
}

fn arrow() -> Value {
    json!({
        "begin": "=>",
        "beginCaptures": { "0": { "name": "keyword.operator.arrow.bitmill" } },
        "end": END_OF_SCHEME,
        "patterns": [include("scheme")],
    })
}

fn scheme_words() -> Value {
    json!({ "patterns": [
        {
            "match": format!(r"(,)\s*({}){BEHIND}", words::activations()),
            "captures": {
                "1": { "name": "punctuation.separator.bitmill" },
                "2": { "name": "keyword.other.part.bitmill" },
            },
        },
        word("constant.language.keep", words::KEEP.to_string()),
        word("storage.type.base", words::alternatives(&words::bases())),
        word("keyword.other.part", words::alternatives(&words::parts())),
        word("storage.modifier.choice", words::alternatives(&words::choices_of_schemes())),
        { "name": "entity.name.type.scheme.bitmill", "match": WORD },
    ] })
}

/// A string that names weights: its wildcards stand out.
fn glob() -> Value {
    json!({
        "name": "string.quoted.double.glob.bitmill",
        "begin": "\"",
        "beginCaptures": { "0": { "name": "punctuation.definition.string.begin.bitmill" } },
        "end": "(\")|$",
        "endCaptures": { "1": { "name": "punctuation.definition.string.end.bitmill" } },
        "patterns": [
            include("escape"),
            { "name": "keyword.operator.wildcard.bitmill", "match": "[*?]" },
            { "name": "constant.other.alternatives.bitmill", "match": r#"\{[^}"]*\}|\[[^\]"]*\]"# },
        ],
    })
}

/// A string that names a file or a preset.
fn path() -> Value {
    json!({
        "name": "string.quoted.double.bitmill",
        "begin": "\"",
        "beginCaptures": { "0": { "name": "punctuation.definition.string.begin.bitmill" } },
        "end": "(\")|$",
        "endCaptures": { "1": { "name": "punctuation.definition.string.end.bitmill" } },
        "patterns": [include("escape")],
    })
}

fn regex() -> Value {
    json!({
        "name": "string.regexp.bitmill",
        "match": r"(/)((?:[^/\\\r\n]|\\.)+)(/)",
        "captures": {
            "1": { "name": "punctuation.definition.string.begin.bitmill" },
            "2": { "patterns": [
                { "name": "constant.character.escape.bitmill", "match": r"\\." },
                { "name": "keyword.operator.quantifier.regexp.bitmill", "match": r"[*+?|^$]|\{\d+(?:,\d*)?\}" },
                { "name": "constant.other.character-class.set.regexp.bitmill", "match": r"\[[^\]]*\]" },
            ] },
            "3": { "name": "punctuation.definition.string.end.bitmill" },
        },
    })
}

fn brackets(open: &str, close: &str, name: &str, inside: &[&str]) -> Value {
    json!({
        "begin": open,
        "beginCaptures": { "0": { "name": format!("punctuation.section.{name}.begin.bitmill") } },
        "end": close,
        "endCaptures": { "0": { "name": format!("punctuation.section.{name}.end.bitmill") } },
        "patterns": inside.iter().map(|name| include(name)).collect::<Vec<_>>(),
    })
}

/// `{ samples 128  observer min-max }`: names and values take turns.
fn options() -> Value {
    let mut options = brackets(r"\{", r"\}", "braces", &["comment"]);
    options["patterns"] = json!([
        include("comment"),
        {
            "match": format!(r"({WORD})[ \t]+({WORD})"),
            "captures": {
                "1": { "name": "variable.parameter.option.bitmill" },
                "2": { "name": "constant.other.bitmill" },
            },
        },
        { "name": "variable.parameter.option.bitmill", "match": format!(r"(?<![\w.-]){WORD}") },
        include("value"),
    ]);
    options
}

fn number() -> Value {
    json!({
        "match": format!(r"(?<![\w.])({NUMERAL})(?:\s*({})(?![\w-])|(%))?", words::alternatives(&words::units())),
        "captures": {
            "1": { "name": "constant.numeric.bitmill" },
            "2": { "name": "keyword.other.unit.bitmill" },
            "3": { "name": "keyword.other.unit.bitmill" },
        },
    })
}
