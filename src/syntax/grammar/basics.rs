//! The small parsers that all others are made of, and the edits that mend what they miss.

use nom::Parser;

use super::input::{NotHere, Parsed, Tokens, not_here};
use crate::syntax::outline::Significant;
use crate::syntax::token::{TokenKind, number_value, regex_value, text_value};
use crate::syntax::tree::{Number, Spanned, Text, Word};
use crate::syntax::{Fix, Span};

/// Whether a token compares. `=` does so only in some places.
pub(super) fn is_comparison(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Equal
            | TokenKind::NotEqual
            | TokenKind::Less
            | TokenKind::LessOrEqual
            | TokenKind::Greater
            | TokenKind::GreaterOrEqual
    )
}

/// An edit that puts text behind what stands before `at`.
pub(super) fn insertion(at: u32, text: &str) -> Fix {
    Fix { span: Span::new(at, at), replacement: format!(" {text}"), title: format!("insert `{text}`") }
}

/// An edit that writes something else.
pub(super) fn replacement(span: Span, text: &str) -> Fix {
    Fix { span, replacement: text.to_owned(), title: format!("write `{text}`") }
}

/// Text for a message: one line, not too long.
pub(in crate::syntax) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 40;
    let line = text.split(['\n', '\r']).next().unwrap_or_default();
    let mut short: String = line.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// A token of a kind.
pub(super) fn token<'a>(kind: TokenKind) -> impl Parser<Tokens<'a>, Output = Significant, Error = NotHere> {
    move |input: Tokens<'a>| match input.first() {
        Some(token) if token.kind == kind => Ok((input.skip(1), token)),
        _ => not_here(),
    }
}

/// A certain word.
pub(super) fn keyword<'a>(word: &'static str) -> impl Parser<Tokens<'a>, Output = Span, Error = NotHere> {
    move |input: Tokens<'a>| match input.first() {
        Some(token) if input.word_ahead(0) == Some(word) => Ok((input.skip(1), token.span)),
        _ => not_here(),
    }
}

/// Whether a word joins selectors and conditions, and so names nothing.
pub(super) fn is_reserved(word: &str) -> bool {
    matches!(word, "and" | "or" | "not" | "where")
}

/// Any word that can name something.
pub(super) fn word(input: Tokens<'_>) -> Parsed<'_, Word> {
    match (input.word_ahead(0), input.first()) {
        (Some(word), Some(token)) if !is_reserved(word) => {
            Ok((input.skip(1), Spanned::new(word.to_owned(), token.span)))
        }
        _ => not_here(),
    }
}

pub(super) fn text(input: Tokens<'_>) -> Parsed<'_, Text> {
    let (rest, token) = token(TokenKind::Text).parse(input)?;
    let value = text_value(input.written(token.span), token.flaw);
    Ok((rest, Spanned::new(value, token.span)))
}

pub(super) fn regex(input: Tokens<'_>) -> Parsed<'_, Text> {
    let (rest, token) = token(TokenKind::Regex).parse(input)?;
    let value = regex_value(input.written(token.span), token.flaw);
    Ok((rest, Spanned::new(value, token.span)))
}

pub(super) fn number(input: Tokens<'_>) -> Parsed<'_, Number> {
    let (rest, token) = token(TokenKind::Number).parse(input)?;
    let (value, unit) = number_value(input.written(token.span));
    // What is too large has been reported; later stages count on finite numbers.
    let value = value.clamp(f64::MIN, f64::MAX);
    Ok((rest, Number { value, unit: unit.to_owned(), span: token.span }))
}

/// For use after a commitment: reports what is missing once, takes nothing, and goes on with `None`.
pub(super) fn expect<'a, T>(
    mut parser: impl Parser<Tokens<'a>, Output = T, Error = NotHere>,
    what: &'static str,
    help: &'static str,
) -> impl Parser<Tokens<'a>, Output = Option<T>, Error = NotHere> {
    move |input: Tokens<'a>| match parser.parse(input) {
        Ok((rest, value)) => Ok((rest, Some(value))),
        Err(_) => {
            let help = (!help.is_empty()).then(|| format!("for instance `{help}`"));
            input.report_expected(what, help);
            Ok((input, None))
        }
    }
}
