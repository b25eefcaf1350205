//! What can be wrong with the text of a recipe, and how that is said.

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
        behind: &'static str,
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
