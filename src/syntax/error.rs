//! What can be wrong with the text of a recipe, and how that is said.

use std::borrow::Cow;

use super::Span;

/// One mistake in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntaxError {
    /// What is wrong there; when something is missing, what stands before the gap.
    pub span: Span,
    /// What it is.
    pub kind: SyntaxErrorKind,
    /// An edit that mends it, where one is likely to be meant.
    pub fix: Option<Fix>,
    /// What to do, where the message does not say it.
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
        behind: Cow<'static, str>,
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
    /// Something needed between two parts.
    MissingBetween {
        /// What, with its article: "a comma".
        what: &'static str,
        /// The text before.
        before: String,
        /// The text behind.
        behind: String,
    },
    /// A part that is written in another form.
    WrongForm {
        /// As it should be written.
        meant: String,
    },
    /// A comment in the style of other languages.
    SlashComment,
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
    /// What is wrong, as one would say it.
    pub fn message(&self) -> String {
        match &self.kind {
            SyntaxErrorKind::Expected { what, after, found } => {
                let place = after.as_ref().map_or(String::new(), |after| format!(" after `{after}`"));
                match found {
                    Some(found) => format!("{what} should stand{place}, not `{found}`"),
                    None => format!("{what} is missing{place}"),
                }
            }
            SyntaxErrorKind::MissingBetween { what, before, behind } => {
                format!("{what} is missing between `{before}` and `{behind}`")
            }
            SyntaxErrorKind::StrayText { text, behind } => format!("`{text}` does not belong behind {behind}"),
            SyntaxErrorKind::UnknownStatement { word, nearest: Some(nearest) } => {
                format!("no statement begins with `{word}`; did you mean `{nearest}`?")
            }
            SyntaxErrorKind::UnknownStatement { word, nearest: None } => format!("no statement begins with `{word}`"),
            SyntaxErrorKind::UnknownWord { word, nearest } => {
                format!("`{word}` means nothing here; did you mean `{nearest}`?")
            }
            SyntaxErrorKind::WrongForm { meant } => format!("this is written `{meant}`"),
            SyntaxErrorKind::WrongSign { found, meant: "" } => format!("`{found}` is superfluous here"),
            SyntaxErrorKind::WrongSign { found, meant } => format!("recipes write `{meant}`, not `{found}`"),
            SyntaxErrorKind::UnknownCharacter { text } => format!("`{text}` means nothing in a recipe"),
            SyntaxErrorKind::UnterminatedString => "the string has no closing quote on its line".into(),
            SyntaxErrorKind::UnterminatedRegex => "the regular expression has no closing `/` on its line".into(),
            SyntaxErrorKind::WrongQuotes => "strings stand in double quotes: `\"…\"`".into(),
            SyntaxErrorKind::Unquoted { text } => format!("names and paths stand in quotes: `\"{text}\"`"),
            SyntaxErrorKind::InvalidEscape { character } => {
                format!("a string has no escape `\\{character}`: only `\\\"` and `\\\\`")
            }
            SyntaxErrorKind::NumberTooLarge { text } => format!("the number `{text}` is too large"),
            SyntaxErrorKind::InvalidNumber { text } => format!("`{text}` is no number"),
            SyntaxErrorKind::UnknownUnit { unit, .. } => format!("there is no unit `{unit}`"),
            SyntaxErrorKind::DetachedUnit { unit } => format!("`{unit}` stands directly behind its number"),
            SyntaxErrorKind::UnclosedBracket { open } => format!("`{open}` is never closed"),
            SyntaxErrorKind::UnopenedBracket { close } => format!("`{close}` closes nothing"),
            SyntaxErrorKind::SlashComment => "comments begin with `#`, not with `//`".into(),
            SyntaxErrorKind::TooDeep => "the statement is nested or joined too deeply: more than anyone writes".into(),
            SyntaxErrorKind::TooLong => "the recipe is too long; the rest was not read".into(),
            SyntaxErrorKind::TooMany { more } => format!("{more} more mistakes are not listed"),
        }
    }
}
