//! Values, lists of them, and blocks of options.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::map;

use super::basics::{excerpt, insertion, number, replacement, text, token};
use super::input::{Parsed, Tokens, not_here};
use crate::syntax::token::{TokenKind, quote};
use crate::syntax::tree::{OptionEntry, Options, Spanned, Value, Word};
use crate::syntax::{Fix, SyntaxErrorKind};

/// `128`, `min-max`, `"a"`, `[16, -1]`
fn value(input: Tokens<'_>) -> Parsed<'_, Value> {
    alt((map(number, Value::Number), map(any_word, Value::Word), map(text, Value::Text), map(list, Value::List)))
        .parse(input)
}

/// A word, even one that joins selectors: in values it joins nothing.
fn any_word(input: Tokens<'_>) -> Parsed<'_, Word> {
    let (rest, token) = token(TokenKind::Word).parse(input)?;
    Ok((rest, Spanned::new(input.written(token.span).to_owned(), token.span)))
}

/// `[16, -1]`
pub(super) fn list(input: Tokens<'_>) -> Parsed<'_, Spanned<Vec<Value>>> {
    values(input, TokenKind::OpenBracket)
}

/// `(32)`
pub(super) fn arguments(input: Tokens<'_>) -> Parsed<'_, Spanned<Vec<Value>>> {
    values(input, TokenKind::OpenParen)
}

/// Values between brackets, with commas between them.
fn values(input: Tokens<'_>, bracket: TokenKind) -> Parsed<'_, Spanned<Vec<Value>>> {
    let (mut rest, open) = input.open(bracket)?;
    let mut values = Vec::new();
    loop {
        match value(rest) {
            Ok((after, value)) => {
                values.push(value);
                rest = after;
            }
            Err(_) => {
                rest.report_expected("a value", None);
                rest = rest.skip(rest.count_until(|kind, _| kind == TokenKind::Comma || kind.is_closer()));
            }
        }
        if let Ok((after, _)) = token(TokenKind::Comma).parse(rest) {
            rest = after;
        } else if !open.is_closed() || value(rest).is_err() {
            break;
        } else {
            report_missing_comma(rest);
        }
    }
    let rest = rest.close(open, "a comma");
    let span = rest.since(input);
    Ok((rest, Spanned::new(values, span)))
}

/// Reports that there is no comma before the next token.
pub(super) fn report_missing_comma(input: Tokens<'_>) {
    let fix = Fix { replacement: ",".to_owned(), ..insertion(input.previous().end, ",") };
    input.report_between("a comma", Some(fix));
}

/// `{ samples 128  observer min-max }`
pub(super) fn options(input: Tokens<'_>) -> Parsed<'_, Options> {
    let (mut rest, open) = input.open(TokenKind::OpenBrace)?;
    let mut entries = Vec::new();
    loop {
        while let Ok((after, _)) = token(TokenKind::Comma).parse(rest) {
            rest = after;
        }
        if rest.first().is_none_or(|token| token.kind.is_closer()) {
            break;
        }
        let Ok((after, entry)) = entry(rest) else {
            rest.report_expected("the name of an option", None);
            let next =
                |kind: TokenKind, word: Option<&str>| word.is_some() || kind == TokenKind::Comma || kind.is_closer();
            rest = rest.skip(rest.count_until(next).max(1));
            continue;
        };
        entries.push(entry);
        rest = after;
    }
    let rest = rest.close(open, "a comma");
    let span = rest.since(input);
    Ok((rest, Options { span, entries }))
}

/// `samples 128`: the value stands on the line of its key, so that a missing one is found.
fn entry(input: Tokens<'_>) -> Parsed<'_, OptionEntry> {
    let (mut rest, key) = any_word(input)?;
    if let Some(sign) = rest.first()
        && matches!(sign.kind, TokenKind::Colon | TokenKind::Assign | TokenKind::Equal)
    {
        let found = rest.written(sign.span).to_owned();
        let fix = Fix { span: sign.span, replacement: String::new(), title: format!("remove `{found}`") };
        rest.report(sign.span, SyntaxErrorKind::WrongSign { found, meant: "" }, Some(fix));
        rest = rest.skip(1);
    }
    let on_this_line = rest.first().is_some_and(|token| !token.after_newline);
    let (rest, value) = match on_this_line.then(|| value(rest)) {
        Some(Ok((after, value))) => (after, Some(value)),
        _ => {
            report_missing_value(rest, &key);
            (rest, None)
        }
    };
    let span = rest.since(input);
    Ok((rest, OptionEntry { key, value, span }))
}

fn report_missing_value(input: Tokens<'_>, key: &Word) {
    let kind =
        SyntaxErrorKind::Expected { what: "the value of the option", after: Some(key.value.clone()), found: None };
    input.report(key.span, kind, None);
}

/// A path or name in double quotes. Without quotes, everything up to the next blank is taken.
pub(super) fn quoted(input: Tokens<'_>) -> Parsed<'_, Spanned<String>> {
    if let Ok(found) = text(input) {
        return Ok(found);
    }
    let Some(first) = input.first().filter(|token| begins_path(token.kind)) else {
        return not_here();
    };
    let mut rest = input.skip(1);
    let mut span = first.span;
    let goes_on = |kind: TokenKind| kind.closer().is_none() && !kind.is_closer();
    while let Some(next) = rest.first().filter(|next| next.span.start == span.end && goes_on(next.kind)) {
        span = span.to(next.span);
        rest = rest.skip(1);
    }
    let written = input.written(span).to_owned();
    let fix = replacement(span, &quote(&written));
    input.report(span, SyntaxErrorKind::Unquoted { text: excerpt(&written) }, Some(fix));
    Ok((rest, Spanned::new(written, span)))
}

fn begins_path(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Word | TokenKind::Number | TokenKind::Regex)
}
