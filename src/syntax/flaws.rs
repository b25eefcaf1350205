//! What is wrong with a single token or bracket, in words and with an edit that mends it.

use super::grammar::excerpt;
use super::keywords::UNITS;
use super::token::{Flaw, Token, TokenKind, meant, numeral_length, quote, text_value};
use super::{Fix, Span, SyntaxError, SyntaxErrorKind};
use crate::nearest::nearest;

/// The error of a token with a flaw.
pub(super) fn error(text: &str, token: &Token, flaw: Flaw) -> SyntaxError {
    let written = &text[token.span.range()];
    let replace = |by: String| {
        let title = format!("write `{}`", excerpt(&by));
        Some(Fix { span: token.span, replacement: by, title })
    };
    let (kind, fix) = match flaw {
        Flaw::Unterminated if token.kind == TokenKind::Regex => {
            (SyntaxErrorKind::UnterminatedRegex, close(written, token.span, '/'))
        }
        Flaw::Unterminated => (SyntaxErrorKind::UnterminatedString, close(written, token.span, '"')),
        Flaw::WrongQuotes => (SyntaxErrorKind::WrongQuotes, replace(quote(&text_value(written, token.flaw)))),
        Flaw::Unquoted => (SyntaxErrorKind::Unquoted { text: excerpt(written) }, replace(quote(written))),
        Flaw::InvalidEscape => invalid_escape(written, token),
        Flaw::TooLarge => (SyntaxErrorKind::NumberTooLarge { text: excerpt(written) }, None),
        Flaw::InvalidNumber => invalid_number(written, token),
        Flaw::WrongSign => {
            let meant = meant(written).unwrap_or_default();
            let mut fix = replace(meant.to_owned());
            if let Some(fix) = fix.as_mut().filter(|_| meant.is_empty()) {
                fix.title = format!("remove `{written}`");
            }
            (SyntaxErrorKind::WrongSign { found: written.to_owned(), meant }, fix)
        }
        Flaw::SlashComment => {
            let span = Span::new(token.span.start, token.span.start + 2);
            let fix = Fix { span, replacement: "#".to_owned(), title: "write `#`".to_owned() };
            (SyntaxErrorKind::SlashComment, Some(fix))
        }
        Flaw::Unknown => (SyntaxErrorKind::UnknownCharacter { text: excerpt(written) }, None),
        Flaw::Unread => (SyntaxErrorKind::TooLong, None),
    };
    SyntaxError { span: token.span, kind, fix, help: None }
}

/// An edit that closes a string: before what cannot have been meant as part of it, or at its end.
fn close(written: &str, span: Span, quote: char) -> Option<Fix> {
    let content = written.get(1..)?;
    let end = [" =>", " #", " {", " and ", " or ", " where ", ", ", ")"]
        .iter()
        .filter_map(|behind| content.find(behind))
        .min()
        .unwrap_or(content.len());
    // A backslash at the end would escape the quote.
    let end = content[..end].trim_end().len();
    if end == 0 || content[..end].ends_with('\\') {
        return None;
    }
    let at = span.start + 1 + end as u32;
    Some(Fix { span: Span::new(at, at), replacement: quote.to_string(), title: format!("insert `{quote}`") })
}

/// One finding for all escapes of a string; its edit doubles the backslashes that escape nothing.
fn invalid_escape(written: &str, token: &Token) -> (SyntaxErrorKind, Option<Fix>) {
    let mut mended = String::with_capacity(written.len() + 1);
    let mut first = None;
    let mut characters = written.chars();
    while let Some(c) = characters.next() {
        mended.push(c);
        if c != '\\' {
            continue;
        }
        let Some(next) = characters.next() else { break };
        if !matches!(next, '"' | '\\') {
            first.get_or_insert(next);
            mended.push('\\');
        }
        mended.push(next);
    }
    let kind = SyntaxErrorKind::InvalidEscape { character: first.unwrap_or('\\') };
    let fix = Fix { span: token.span, replacement: mended, title: "double the backslash".to_owned() };
    (kind, Some(fix))
}

fn invalid_number(written: &str, token: &Token) -> (SyntaxErrorKind, Option<Fix>) {
    let numeral = numeral_length(written);
    let unit = &written[numeral..];
    if !unit.chars().all(char::is_alphabetic) {
        return (SyntaxErrorKind::InvalidNumber { text: excerpt(written) }, None);
    }
    let nearest = nearest(unit, UNITS.iter().map(|unit| unit.word));
    let span = Span::new(token.span.start + numeral as u32, token.span.end);
    let fix = nearest.map(|unit| Fix {
        span,
        replacement: unit.to_owned(),
        title: format!("write `{}{unit}`", &written[..numeral]),
    });
    (SyntaxErrorKind::UnknownUnit { unit: excerpt(unit), nearest }, fix)
}

/// The error of a bracket that should be closed at `at`.
pub(super) fn unclosed(text: &str, open: Span, at: u32) -> SyntaxError {
    let (open_sign, close) = match &text[open.range()] {
        "(" => ('(', ")"),
        "[" => ('[', "]"),
        _ => ('{', " }"),
    };
    let fix = Fix {
        span: Span::new(at, at),
        replacement: close.to_owned(),
        title: format!("insert `{}`", close.trim_start()),
    };
    let kind = SyntaxErrorKind::UnclosedBracket { open: open_sign };
    SyntaxError { span: open, kind, fix: Some(fix), help: None }
}

/// The error of a bracket that closes nothing.
pub(super) fn unopened(text: &str, close: Span) -> SyntaxError {
    let sign = text[close.range()].chars().next().unwrap_or(')');
    let fix = Fix { span: close, replacement: String::new(), title: format!("remove `{sign}`") };
    let kind = SyntaxErrorKind::UnopenedBracket { close: sign };
    SyntaxError { span: close, kind, fix: Some(fix), help: None }
}
