//! Lists of words for editors without tree-sitter and TextMate grammars: Vim's syntax, Emacs' font lock.

use std::fmt::Write;

use crate::words;

/// Groups of words, with Vim's group for each and the name of Emacs' list.
fn groups() -> Vec<(&'static str, &'static str, Vec<String>)> {
    let mut constants = words::choices_of_schemes();
    constants.extend([words::KEEP.to_string(), "none".to_string()]);
    vec![
        ("Connective", "connectives", words::connectives()),
        ("Kind", "kinds", words::kinds()),
        ("Fact", "facts", words::facts()),
        ("Base", "bases", words::bases()),
        ("Part", "parts", words::parts()),
        ("Constant", "constants", constants),
    ]
}

/// `editors/neovim/syntax/bitmill.vim`
pub fn vim() -> String {
    let statements = words::statements().join(r"\|");
    let expectations = words::expectations().join(r"\|");
    let platforms = words::platforms().join(r"\|");
    let units = words::alternatives(&words::units()).replace('|', r"\|");
    let mut keywords = String::new();
    for (group, _, words) in groups() {
        _ = writeln!(keywords, "syntax keyword bitmill{group} {}", words.join(" "));
    }
    format!(
        r##"" Made from the tables of words in src/ by tests/grammar.
" What Neovim shows without the tree-sitter parser.

if exists('b:current_syntax')
  finish
endif

syntax iskeyword @,48-57,192-255,_,-

{keywords}
syntax match bitmillStatement /^\s*\%({statements}\)\>\%(\s*\%(=>\|,\|\%(and\|or\|where\)\>\)\)\@!/
syntax match bitmillExpectation /\%(^\s*expect\s.*\)\@<=\<\%({expectations}\)\>/
syntax match bitmillTarget /\<\%({platforms}\)\d\+\%(\.\d\+\)*\>/
syntax match bitmillScheme /\%(^\s*scheme\s\+\)\@<=\k\+/
syntax match bitmillNumber /\%(\k\|\.\)\@<!-\?\d[0-9_]*\%(\.\d\+\)\?\%([eE][+-]\?\d\+\)\?\%(%\|\s*\%({units}\)\>\)\?/
syntax match bitmillOperator /=>\|==\|!=\|<=\|>=\|[=<>%]/
syntax match bitmillWildcard /[*?]\|{{[^}}"]*}}\|\[[^]"]*\]/ contained
syntax match bitmillEscape /\\["\\]/ contained
syntax region bitmillString start=/"/ skip=/\\./ end=/"/ oneline contains=bitmillEscape,bitmillWildcard
syntax match bitmillRegex +/\%([^/\\]\|\\.\)\+/+
syntax match bitmillDirective /bitmill:\s*allow\ze\s*(/ contained
syntax match bitmillComment /#.*$/ contains=bitmillDirective,@Spell

highlight default link bitmillStatement Statement
highlight default link bitmillExpectation Keyword
highlight default link bitmillConnective Operator
highlight default link bitmillKind Type
highlight default link bitmillFact Identifier
highlight default link bitmillBase Type
highlight default link bitmillPart Function
highlight default link bitmillConstant Constant
highlight default link bitmillTarget Constant
highlight default link bitmillScheme Typedef
highlight default link bitmillNumber Number
highlight default link bitmillOperator Operator
highlight default link bitmillWildcard SpecialChar
highlight default link bitmillEscape SpecialChar
highlight default link bitmillString String
highlight default link bitmillRegex String
highlight default link bitmillDirective PreProc
highlight default link bitmillComment Comment

let b:current_syntax = 'bitmill'
"##
    )
}

/// `editors/emacs/bitmill-words.el`
pub fn emacs() -> String {
    let mut lists = groups();
    lists.push(("", "statements", words::statements()));
    lists.push(("", "expectations", words::expectations()));
    lists.push(("", "units", words::units()));
    lists.push(("", "platforms", words::platforms()));
    let mut text = String::from(
        ";;; bitmill-words.el --- The words of bitmill recipes  -*- lexical-binding: t; -*-\n\n\
         ;; Made from the tables of words in src/ by tests/grammar.\n\n;;; Code:\n",
    );
    for (_, name, words) in lists {
        let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        _ = write!(text, "\n(defconst bitmill-words-{name}\n  '({}))\n", quoted.join("\n    "));
    }
    text + "\n(provide 'bitmill-words)\n;;; bitmill-words.el ends here\n"
}
