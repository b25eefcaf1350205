//! What a text is made of, and what the pieces say.

use super::Span;
use super::keywords::UNITS;

/// One piece of the text. The spans of all tokens, in order, are the whole text without gap or overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// What it is, or what it is taken for.
    pub kind: TokenKind,
    /// What is wrong with it, if anything.
    pub flaw: Option<Flaw>,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A byte order mark at the beginning of the text.
    Bom,
    /// Blanks and tabs.
    Blank,
    /// `\n`, `\r\n` or `\r`.
    Newline,
    /// `# …`, without blanks at its end.
    Comment,
    /// `linear`, `per-group`, `iOS18`, `macOS10.15`
    Word,
    /// `2048`, `-1`, `0.5`, `30%`, `2k`
    Number,
    /// `"…"`
    Text,
    /// `/…/`
    Regex,
    /// `=>`
    Arrow,
    /// `=`
    Assign,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `%` that is not part of a number
    Percent,
    /// `,`
    Comma,
    /// `:`
    Colon,
    /// `(`
    OpenParen,
    /// `)`
    CloseParen,
    /// `[`
    OpenBracket,
    /// `]`
    CloseBracket,
    /// `{`
    OpenBrace,
    /// `}`
    CloseBrace,
    /// Characters that begin no token.
    Unknown,
    /// What lies behind the [limit](super::MAX_TOKENS).
    Unread,
}

impl TokenKind {
    /// Whether it is blank: neither comment nor anything else to see.
    pub fn is_blank(self) -> bool {
        matches!(self, TokenKind::Bom | TokenKind::Blank | TokenKind::Newline)
    }

    /// The bracket that closes this one.
    pub fn closer(self) -> Option<TokenKind> {
        match self {
            TokenKind::OpenParen => Some(TokenKind::CloseParen),
            TokenKind::OpenBracket => Some(TokenKind::CloseBracket),
            TokenKind::OpenBrace => Some(TokenKind::CloseBrace),
            _ => None,
        }
    }

    /// Whether it is `)`, `]` or `}`.
    pub fn is_closer(self) -> bool {
        matches!(self, TokenKind::CloseParen | TokenKind::CloseBracket | TokenKind::CloseBrace)
    }
}

/// What can be wrong with a single token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// A string or regular expression goes on to the end of the line.
    Unterminated,
    /// A string in quotes other than `"`.
    WrongQuotes,
    /// A name or path without quotes: `layers.0.*`, `models/a.pt2`.
    Unquoted,
    /// A backslash in a string before something other than `"` and `\`.
    InvalidEscape,
    /// A number beyond all floats.
    TooLarge,
    /// A number with something behind it that is no unit.
    InvalidNumber,
    /// A sign of other languages, see [`LOOKALIKES`].
    WrongSign,
    /// A comment that begins with `//`.
    SlashComment,
    /// Characters that begin no token.
    Unknown,
    /// Text that was not read.
    Unread,
}

/// Signs of other languages: as written, what they are taken for, and what a recipe writes instead.
/// Longer ones first.
pub const LOOKALIKES: &[(&str, TokenKind, &str)] = &[
    ("->", TokenKind::Arrow, "=>"),
    (":=", TokenKind::Assign, "="),
    ("=<", TokenKind::LessOrEqual, "<="),
    ("<>", TokenKind::NotEqual, "!="),
    ("&&", TokenKind::Word, "and"),
    ("||", TokenKind::Word, "or"),
    ("→", TokenKind::Arrow, "=>"),
    ("⇒", TokenKind::Arrow, "=>"),
    ("≤", TokenKind::LessOrEqual, "<="),
    ("≥", TokenKind::GreaterOrEqual, ">="),
    ("≠", TokenKind::NotEqual, "!="),
    ("&", TokenKind::Word, "and"),
    ("|", TokenKind::Word, "or"),
    ("!", TokenKind::Word, "not"),
    (";", TokenKind::Unknown, ""),
];

/// What a recipe writes for a sign of another language; empty for one that is superfluous.
pub fn meant(sign: &str) -> Option<&'static str> {
    let row = LOOKALIKES.iter().find(|(written, ..)| *written == sign)?;
    Some(row.2)
}

/// The content of a string token, escapes resolved. A backslash before anything but `"` and `\` stays.
pub fn text_value(written: &str, flaw: Option<Flaw>) -> String {
    match flaw {
        Some(Flaw::Unquoted) => written.to_owned(),
        Some(Flaw::WrongQuotes) => {
            let mut content = written.chars();
            content.next();
            content.next_back();
            content.as_str().to_owned()
        }
        Some(Flaw::Unterminated) => unescape(written.strip_prefix('"').unwrap_or(written), &['"', '\\']),
        _ => unescape(between(written, '"'), &['"', '\\']),
    }
}

/// The content of a regular expression token: `\/` resolved, all other escapes kept.
pub fn regex_value(written: &str, flaw: Option<Flaw>) -> String {
    match flaw {
        Some(Flaw::Unterminated) => unescape(written.strip_prefix('/').unwrap_or(written), &['/']),
        _ => unescape(between(written, '/'), &['/']),
    }
}

fn between(written: &str, quote: char) -> &str {
    let inner = written.strip_prefix(quote).unwrap_or(written);
    inner.strip_suffix(quote).unwrap_or(inner)
}

fn unescape(content: &str, escapable: &[char]) -> String {
    let mut value = String::with_capacity(content.len());
    let mut characters = content.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            value.push(c);
            continue;
        }
        match characters.next() {
            Some(next) if escapable.contains(&next) => value.push(next),
            Some(next) => value.extend([c, next]),
            None => value.push(c),
        }
    }
    value
}

/// A string literal with this content.
pub fn quote(content: &str) -> String {
    let mut literal = String::with_capacity(content.len() + 2);
    literal.push('"');
    for c in content.chars() {
        if matches!(c, '"' | '\\') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal.push('"');
    literal
}

/// How many bytes of a number are its numeral: sign, digits (`_` between them allowed), fraction, exponent.
/// The rest is its unit.
pub fn numeral_length(written: &str) -> usize {
    let bytes = written.as_bytes();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    at = digits(bytes, at);
    if bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
        at = digits(bytes, at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        if bytes.get(at + 1 + sign).is_some_and(u8::is_ascii_digit) {
            at = digits(bytes, at + 1 + sign);
        }
    }
    at
}

fn digits(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(b'0'..=b'9') => at += 1,
            Some(b'_')
                if at > 0 && bytes[at - 1].is_ascii_digit() && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) =>
            {
                at += 1
            }
            _ => return at,
        }
    }
}

/// The value and the unit of a number token; numerals beyond all floats are infinite, what is none is NaN.
pub fn number_value(written: &str) -> (f64, &str) {
    let (numeral, unit) = written.split_at(numeral_length(written));
    let value = if numeral.contains('_') { numeral.replace('_', "").parse() } else { numeral.parse() };
    (value.unwrap_or(f64::NAN), unit)
}

/// Whether a word is one of the [units](UNITS).
pub fn is_unit(word: &str) -> bool {
    UNITS.iter().any(|unit| unit.word == word)
}
