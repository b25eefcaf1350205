//! What is wrong with single tokens and brackets, whatever statement they are in.

use super::outline::Outline;
use super::token::{Flaw, Token, meant, numeral_length, quote};
use super::{Fix, Span, SyntaxError, SyntaxErrorKind};

/// Text of a message, cut where it is long.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = text.chars().take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// The mistakes of tokens, and closing brackets that close nothing.
pub(super) fn flaws(text: &str, tokens: &[Token], outline: &Outline) -> Vec<SyntaxError> {
    let flawed = tokens.iter().filter_map(|token| Some(flaw(text, token.span, token.flaw?)));
    let mut errors: Vec<SyntaxError> = flawed.collect();
    errors.extend(outline.unopened.iter().map(|&span| {
        let close = text[span.range()].chars().next().unwrap_or(')');
        let fix = Fix { span, replacement: String::new(), title: format!("remove `{close}`") };
        SyntaxError { span, kind: SyntaxErrorKind::UnopenedBracket { close }, fix: Some(fix), help: None }
    }));
    errors
}

fn flaw(text: &str, span: Span, flaw: Flaw) -> SyntaxError {
    let written = &text[span.range()];
    let put = |replacement: String| {
        let title = format!("write `{replacement}`");
        Some(Fix { span, replacement, title })
    };
    let (kind, fix) = match flaw {
        Flaw::Unterminated if written.starts_with('/') => (SyntaxErrorKind::UnterminatedRegex, None),
        Flaw::Unterminated => (SyntaxErrorKind::UnterminatedString, put(format!("{}\"", written.trim_end()))),
        Flaw::WrongQuotes => {
            let inside =
                written.trim_matches(|c| matches!(c, '\'' | '“' | '”' | '‘' | '’' | '„' | '«' | '»' | '`' | '"'));
            (SyntaxErrorKind::WrongQuotes, put(quote(inside)))
        }
        Flaw::Unquoted => (SyntaxErrorKind::Unquoted { text: excerpt(written) }, put(quote(written))),
        Flaw::InvalidEscape => {
            let mut chars = written.chars();
            let mut bad = '\\';
            while let Some(c) = chars.next() {
                if c == '\\' {
                    match chars.next() {
                        Some('"' | '\\') => {}
                        Some(other) => {
                            bad = other;
                            break;
                        }
                        None => break,
                    }
                }
            }
            (SyntaxErrorKind::InvalidEscape { character: bad }, None)
        }
        Flaw::TooLarge => (SyntaxErrorKind::NumberTooLarge { text: excerpt(written) }, None),
        Flaw::InvalidNumber => {
            let unit = &written[numeral_length(written)..];
            let kind = match unit {
                "" => SyntaxErrorKind::InvalidNumber { text: excerpt(written) },
                unit => SyntaxErrorKind::UnknownUnit { unit: excerpt(unit), nearest: None },
            };
            (kind, None)
        }
        Flaw::WrongSign => {
            let meant = meant(written).unwrap_or("");
            let title = if meant.is_empty() { format!("remove `{written}`") } else { format!("write `{meant}`") };
            let fix = Fix { span, replacement: meant.to_string(), title };
            (SyntaxErrorKind::WrongSign { found: written.to_string(), meant }, Some(fix))
        }
        Flaw::SlashComment => {
            let slashes = Span::new(span.start, span.start + 2);
            let fix = Fix { span: slashes, replacement: "#".into(), title: "begin the comment with `#`".into() };
            (SyntaxErrorKind::SlashComment, Some(fix))
        }
        Flaw::Unknown => (SyntaxErrorKind::UnknownCharacter { text: excerpt(written) }, None),
        Flaw::Unread => (SyntaxErrorKind::TooLong, None),
    };
    SyntaxError { span, kind, fix, help: None }
}

/// An opening bracket that is never closed; `at` is where it should be.
pub(super) fn unclosed(text: &str, span: Span, at: u32) -> SyntaxError {
    let open = text[span.range()].chars().next().unwrap_or('(');
    let close = match open {
        '[' => "]",
        '{' => " }",
        _ => ")",
    };
    let title = format!("close it with `{}`", close.trim());
    let fix = Fix { span: Span::new(at, at), replacement: close.to_string(), title };
    SyntaxError { span, kind: SyntaxErrorKind::UnclosedBracket { open }, fix: Some(fix), help: None }
}
