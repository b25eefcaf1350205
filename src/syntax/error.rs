//! What can be wrong with the text of a recipe, and how that is said.

use super::Span;
use super::outline::{MAX_JOINED, MAX_NESTING};

/// One mistake in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntaxError {
    /// What is wrong there; when something is missing, what stands before the gap.
    pub span: Span,
    /// What it is.
    pub kind: SyntaxErrorKind,
    /// An edit that mends it, where one is likely to be meant.
    pub fix: Option<Fix>,
    /// What may be done, or an example, where the message does not say it already.
    pub help: Option<String>,
}

/// An edit of the text that mends a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What is replaced; empty for an insertion.
    pub span: Span,
    /// By what.
    pub replacement: String,
    /// What the edit does, in the imperative: "write `target`".
    pub title: String,
}

/// The kinds of mistakes. Each has a [name](SyntaxErrorKind::name) that stays.
#[derive(Debug, Clone, PartialEq)]
pub enum SyntaxErrorKind {
    /// Something needed is not there.
    Expected {
        /// What, with its article: "the scheme".
        what: &'static str,
        /// The text directly before, as written.
        after: Option<String>,
        /// What stands in its place; `None` when the statement ends there.
        found: Option<String>,
    },
    /// Text that is not part of the statement it stands in.
    StrayText {
        /// The text, perhaps shortened.
        text: String,
        /// What it was found behind: "the `target` statement", "the scheme".
        behind: String,
    },
    /// Something that belongs between two pieces of text is not there.
    MissingBetween {
        /// What, with its article: "a comma".
        what: &'static str,
        /// The text before.
        before: String,
        /// The text behind.
        behind: String,
    },
    /// Something is written in another form than recipes have for it, such as `scale(fp16)`.
    WrongForm {
        /// The right form.
        meant: String,
    },
    /// A line begins with a word that begins no statement and no rule.
    UnknownStatement {
        /// The word.
        word: String,
        /// The statement that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A word at a place where only a few are possible.
    UnknownWord {
        /// The word.
        word: String,
        /// The one that was probably meant.
        nearest: &'static str,
    },
    /// A sign that is written differently here, such as `->` for `=>`.
    WrongSign {
        /// As written.
        found: String,
        /// As it should be; empty when the sign is superfluous.
        meant: &'static str,
    },
    /// A sign or letter that no recipe contains.
    UnknownCharacter {
        /// The text, perhaps shortened.
        text: String,
    },
    /// A string without its closing quote.
    UnterminatedString,
    /// A regular expression without its closing slash.
    UnterminatedRegex,
    /// A string in quotes of another kind than `"`.
    WrongQuotes,
    /// A name or path without quotes.
    Unquoted {
        /// As written.
        text: String,
    },
    /// A backslash before something other than `"` and `\`.
    InvalidEscape {
        /// The character behind the backslash.
        character: char,
    },
    /// A number that no 64-bit float holds.
    NumberTooLarge {
        /// As written.
        text: String,
    },
    /// A word that begins with a digit and is no number with a unit.
    InvalidNumber {
        /// As written.
        text: String,
    },
    /// A number with a unit that does not exist.
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The unit that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A unit that has to stand directly behind its number, and does not.
    DetachedUnit {
        /// The unit.
        unit: String,
    },
    /// A bracket that is never closed; the span is the bracket.
    UnclosedBracket {
        /// As written.
        open: char,
    },
    /// A closing bracket that closes nothing.
    UnopenedBracket {
        /// As written.
        close: char,
    },
    /// A comment in the style of other languages.
    SlashComment,
    /// A comment that begins with `bitmill:` and says nothing that is understood.
    InvalidDirective,
    /// More nested or joined parts than a statement may have.
    TooDeep,
    /// More text than a recipe may have; the rest was not read.
    TooLong,
    /// More mistakes than are worth listing.
    TooMany {
        /// How many are not listed.
        more: usize,
    },
}

impl SyntaxError {
    /// What is wrong, in one line, as a user would say it.
    pub fn message(&self) -> String {
        self.kind.message()
    }
}

impl SyntaxErrorKind {
    /// The name of the kind, which never changes.
    pub const fn name(&self) -> &'static str {
        match self {
            SyntaxErrorKind::Expected { .. } => "expected",
            SyntaxErrorKind::StrayText { .. } => "stray-text",
            SyntaxErrorKind::MissingBetween { .. } => "missing-between",
            SyntaxErrorKind::WrongForm { .. } => "wrong-form",
            SyntaxErrorKind::UnknownStatement { .. } => "unknown-statement",
            SyntaxErrorKind::UnknownWord { .. } => "unknown-word",
            SyntaxErrorKind::WrongSign { .. } => "wrong-sign",
            SyntaxErrorKind::UnknownCharacter { .. } => "unknown-character",
            SyntaxErrorKind::UnterminatedString => "unterminated-string",
            SyntaxErrorKind::UnterminatedRegex => "unterminated-regex",
            SyntaxErrorKind::WrongQuotes => "wrong-quotes",
            SyntaxErrorKind::Unquoted { .. } => "unquoted",
            SyntaxErrorKind::InvalidEscape { .. } => "invalid-escape",
            SyntaxErrorKind::NumberTooLarge { .. } => "number-too-large",
            SyntaxErrorKind::InvalidNumber { .. } => "invalid-number",
            SyntaxErrorKind::UnknownUnit { .. } => "unknown-unit",
            SyntaxErrorKind::DetachedUnit { .. } => "detached-unit",
            SyntaxErrorKind::UnclosedBracket { .. } => "unclosed-bracket",
            SyntaxErrorKind::UnopenedBracket { .. } => "unopened-bracket",
            SyntaxErrorKind::SlashComment => "slash-comment",
            SyntaxErrorKind::InvalidDirective => "invalid-directive",
            SyntaxErrorKind::TooDeep => "too-deep",
            SyntaxErrorKind::TooLong => "too-long",
            SyntaxErrorKind::TooMany { .. } => "too-many",
        }
    }

    /// What is wrong, in one line, as a user would say it.
    pub fn message(&self) -> String {
        let did_you_mean = |nearest: &Option<&str>| match nearest {
            Some(word) => format!("; did you mean `{word}`?"),
            None => String::new(),
        };
        match self {
            SyntaxErrorKind::Expected { what, after: None, found: Some(found) } if is_joiner(found) => {
                format!("{what} is missing before `{found}`")
            }
            SyntaxErrorKind::Expected { what, found: Some(found), .. } => {
                format!("{what} should stand here, not `{found}`")
            }
            SyntaxErrorKind::Expected { what, after: Some(after), .. } => format!("{what} is missing after `{after}`"),
            SyntaxErrorKind::Expected { what, .. } => format!("{what} is missing"),
            SyntaxErrorKind::StrayText { text, behind } => {
                format!("`{text}` is no part of {behind}")
            }
            SyntaxErrorKind::MissingBetween { what, before, behind } => {
                format!("{what} is missing between `{before}` and `{behind}`")
            }
            SyntaxErrorKind::WrongForm { meant } => format!("this is written `{meant}`"),
            SyntaxErrorKind::UnknownStatement { word, nearest: None } => {
                format!("no statement begins with `{word}`, and no `=>` makes this a rule")
            }
            SyntaxErrorKind::UnknownStatement { word, nearest } => {
                format!("no statement begins with `{word}`{}", did_you_mean(nearest))
            }
            SyntaxErrorKind::UnknownWord { word, nearest } => {
                format!("`{word}` has no meaning here{}", did_you_mean(&Some(nearest)))
            }
            SyntaxErrorKind::WrongSign { found, meant: "" } => {
                format!("`{found}` does not belong here")
            }
            SyntaxErrorKind::WrongSign { found, meant } => {
                format!("recipes write `{meant}` for `{found}`")
            }
            SyntaxErrorKind::UnknownCharacter { text } => unknown_character(text),
            SyntaxErrorKind::UnterminatedString => "the string has no closing `\"` on its line".to_owned(),
            SyntaxErrorKind::UnterminatedRegex => "the regular expression has no closing `/` on its line".to_owned(),
            SyntaxErrorKind::WrongQuotes => "strings stand in double quotes".to_owned(),
            SyntaxErrorKind::Unquoted { text } => {
                format!("names and paths stand in double quotes: `\"{text}\"`")
            }
            SyntaxErrorKind::InvalidEscape { character } => {
                format!("`\\{character}` means nothing in a string; a backslash is written `\\\\`")
            }
            SyntaxErrorKind::NumberTooLarge { text } => format!("the number `{text}` is too large"),
            SyntaxErrorKind::InvalidNumber { text } => format!("`{text}` is no number"),
            SyntaxErrorKind::UnknownUnit { unit, nearest } => {
                format!("there is no unit `{unit}`{}", did_you_mean(nearest))
            }
            SyntaxErrorKind::DetachedUnit { unit } => {
                format!("`{unit}` has to stand directly behind its number")
            }
            SyntaxErrorKind::UnclosedBracket { open } => format!("`{open}` is never closed"),
            SyntaxErrorKind::UnopenedBracket { close } => format!("`{close}` closes nothing"),
            SyntaxErrorKind::SlashComment => "comments begin with `#`".to_owned(),
            SyntaxErrorKind::InvalidDirective => {
                "this comment is read as `# bitmill: allow(CODE, …)`, but is none".to_owned()
            }
            SyntaxErrorKind::TooDeep => format!(
                "this statement is too complex: more than {MAX_NESTING} nested brackets or {MAX_JOINED} joined selectors"
            ),
            SyntaxErrorKind::TooLong => "this text is too long for a recipe; the rest is not read".to_owned(),
            SyntaxErrorKind::TooMany { more } => format!("and {more} more mistakes in the text"),
        }
    }
}

/// Whether something can only stand behind something else.
fn is_joiner(written: &str) -> bool {
    matches!(written, "=>" | "," | "and" | "or" | "where" | "matches" | "quantized" | "kept")
}

/// Invisible characters are named by their number.
fn unknown_character(text: &str) -> String {
    match text.chars().find(|c| c.is_control() || !c.is_ascii() && !is_seen(*c)) {
        Some(c) => format!("the invisible character U+{:04X} has no meaning in a recipe", c as u32),
        None => format!("`{text}` has no meaning in a recipe"),
    }
}

/// Whether a character leaves a mark. `Debug` escapes those that do not.
fn is_seen(c: char) -> bool {
    c.escape_debug().len() == 1
}
