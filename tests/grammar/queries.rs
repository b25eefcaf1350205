//! Highlight queries, made from the tables of words for each editor in the names that its themes know.

use std::fmt::Write;

use crate::words;

/// Where a query stands, and which names differ from those of tree-sitter there.
pub struct Flavour {
    pub path: &'static str,
    names: &'static [(&'static str, &'static str)],
}

/// The queries there are.
pub const FLAVOURS: &[Flavour] = &[
    Flavour { path: "grammar/tree-sitter-bitmill/queries/highlights.scm", names: &[] },
    Flavour { path: "editors/neovim/queries/bitmill/highlights.scm", names: &[] },
    Flavour {
        path: "editors/helix/queries/bitmill/highlights.scm",
        names: &[
            ("number", "constant.numeric"),
            ("string.escape", "constant.character.escape"),
            ("property", "variable.other.member"),
            ("type.definition", "type"),
        ],
    },
    Flavour {
        path: "editors/zed/languages/bitmill/highlights.scm",
        names: &[("string.regexp", "string.regex"), ("type.definition", "type"), ("function.builtin", "function")],
    },
];

const COMMENTS: &str = "(comment) @comment\n(allow) @comment\n";
const STATEMENTS: &str = "\
(target (word) @constant.builtin)
(compute choice: (word) @constant.builtin)
(precision choice: (word) @constant.builtin)
(arithmetic choice: (word) @constant.builtin)
(definition name: (word) @type.definition)
(option name: (word) @variable.parameter)
(option value: (word) @constant)
";
const SELECTORS: &str = "\
(kind (word) @type)
(comparison left: (fact) @property)
(remainder (fact) @property)
(comparison right: (fact) @constant)
(operator) @operator
[\"=>\" \"=\" \"%\"] @operator
";
const EXPECTATIONS: &str = "(metric) @property\n";
const OPERANDS: &str = "\
(operand_part name: (word) @function.builtin)
(operand_part operand: (word) @constant)
";
const LITERALS: &str = "\
(string) @string
(escape) @string.escape
(regex) @string.regexp
(number) @number
(quantity) @number
(unit) @number
[\",\" \":\"] @punctuation.delimiter
[\"(\" \")\" \"[\" \"]\" \"{\" \"}\"] @punctuation.bracket
";

/// A highlight query as the file holds it. No two of its patterns are about the same node, since editors differ in
/// which of two wins.
pub fn highlights(flavour: &Flavour) -> String {
    let mut query = format!("; Made from the tables of words in src/ by tests/grammar.\n\n{COMMENTS}");
    _ = write!(query, "\n; Statements\n{}{STATEMENTS}", anonymous(&words::statements(), "keyword"));
    _ = write!(query, "\n; Selectors\n{}{SELECTORS}", anonymous(&words::connectives(), "keyword.operator"));
    let expectations = words::that_are(&["a word of `expect`"]);
    _ = write!(query, "\n; Expectations\n{}{EXPECTATIONS}", anonymous(&expectations, "keyword"));
    _ = write!(query, "\n; Schemes\n{}{OPERANDS}\"{}\" @function.builtin\n", parts(), words::activations());
    let bases = words::bases();
    query += &chosen("(activations (word)", "type.builtin", "any-of", &bases);
    query += &chosen("(activations (word)", "constant", "not-any-of", &bases);
    _ = write!(query, "\n; Literals\n{LITERALS}");
    flavour.names.iter().fold(query, |query, (name, here)| renamed(&query, name, here))
}

/// The words that stand alone in a scheme; others are names of schemes.
fn parts() -> String {
    let keep = vec![words::KEEP.to_string()];
    let groups = [
        ("constant.builtin", keep),
        ("type.builtin", words::bases()),
        ("function.builtin", words::parts()),
        ("constant", words::choices_of_schemes()),
    ];
    let mut query = String::new();
    for (capture, words) in &groups {
        query += &chosen("(part name: (word)", capture, "any-of", words);
    }
    let known: Vec<String> = groups.into_iter().flat_map(|(_, words)| words).collect();
    query + &chosen("(part name: (word)", "type", "not-any-of", &known)
}

fn chosen(node: &str, capture: &str, predicate: &str, words: &[String]) -> String {
    format!("({node} @{capture})\n  (#{predicate}? @{capture}{}))\n", listed(words))
}

fn renamed(query: &str, name: &str, here: &str) -> String {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    let (mut rest, mut out) = (query, String::new());
    let capture = format!("@{name}");
    while let Some((before, behind)) = rest.split_once(&capture) {
        out += before;
        out += &if ends(behind) { format!("@{here}") } else { capture.clone() };
        rest = behind;
    }
    out + rest
}

fn anonymous(words: &[String], capture: &str) -> String {
    format!("[{}\n] @{capture}\n", listed(words))
}

fn listed(words: &[String]) -> String {
    words.iter().map(|word| format!("\n  \"{word}\"")).collect()
}
