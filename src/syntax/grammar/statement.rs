//! One statement: which one it is, and what stands in it.

use nom::Parser;
use nom::combinator::opt;

use super::basics::{expect, insertion, is_reserved, replacement, token, word};
use super::expectation::{bound, expectation};
use super::input::{Parsed, Tokens, not_here};
use super::scheme::scheme;
use super::selector::{arrow, selector};
use super::value::{options, quoted, report_missing_comma};
use crate::nearest::nearest;
use crate::syntax::keywords::STATEMENTS;
use crate::syntax::outline::is_statement_keyword;
use crate::syntax::token::TokenKind;
use crate::syntax::tree::{Spanned, StatementKind, Text, Word};
use crate::syntax::{Span, SyntaxErrorKind};

/// Reads all tokens of a statement.
pub(in crate::syntax) fn statement(input: Tokens<'_>) -> StatementKind {
    if let Some(known) = statement_keyword(input) {
        return complete(keyword_statement(known, input.skip(1)), known);
    }
    if let Some(kind) = misspelt_statement(input) {
        return kind;
    }
    if begins_rule(input) {
        return complete(rule(input), "rule");
    }
    if input.first().is_some() {
        input.report_expected("a statement or a rule", None);
    }
    StatementKind::Error
}

/// The keyword that the statement begins with, unless what follows makes it the kind of a rule: `scale => keep`.
fn statement_keyword(input: Tokens<'_>) -> Option<&'static str> {
    let written = input.word_ahead(0)?;
    let known = STATEMENTS.iter().find(|keyword| keyword.word == written)?.word;
    let in_rule = matches!(input.peek(1), Some(TokenKind::Arrow | TokenKind::Comma)) || joins(input.word_ahead(1));
    (known == "expect" || !in_rule).then_some(known)
}

fn joins(word: Option<&str>) -> bool {
    matches!(word, Some("and" | "or" | "where"))
}

/// A statement whose first word is no keyword but should be one; reported, and read as the one that was meant if
/// that makes sense of it.
fn misspelt_statement(input: Tokens<'_>) -> Option<StatementKind> {
    let first = input.first()?;
    let written = input.word_ahead(0).filter(|word| !is_reserved(word))?;
    let second = input.peek(1);
    let literal = matches!(second, Some(TokenKind::Text | TokenKind::Number | TokenKind::Regex));
    let bare = second == Some(TokenKind::Word) && !input.word_ahead(1).is_some_and(is_reserved);
    if !(second.is_none() || literal || bare) {
        return None;
    }
    let meant = nearest(written, STATEMENTS.iter().map(|keyword| keyword.word));
    let has_arrow = input.count_until(|kind, _| kind == TokenKind::Arrow) < input.rest().len();
    let kind = match meant {
        Some(meant) if !has_arrow || meant == "expect" => speculate(meant, input.skip(1)),
        None if literal && !has_arrow => StatementKind::Error,
        _ => return None,
    };
    let fix = meant.map(|meant| replacement(first.span, meant));
    let word = input.written(first.span).to_owned();
    input.report(first.span, SyntaxErrorKind::UnknownStatement { word, nearest: meant }, fix);
    Some(kind)
}

/// The statement, if it has no mistake apart from its keyword.
fn speculate(meant: &'static str, input: Tokens<'_>) -> StatementKind {
    let before = input.findings();
    let kind = complete(keyword_statement(meant, input), meant);
    if input.findings() == before {
        return kind;
    }
    input.forget(before);
    StatementKind::Error
}

fn begins_rule(input: Tokens<'_>) -> bool {
    let first = input.peek(0);
    matches!(
        first,
        Some(TokenKind::Word | TokenKind::Text | TokenKind::Regex | TokenKind::OpenParen | TokenKind::Arrow)
    ) || input.count_until(|kind, _| kind == TokenKind::Arrow) < input.rest().len()
}

/// Reports what is left behind a statement.
fn complete(parsed: Parsed<'_, StatementKind>, name: &str) -> StatementKind {
    let Ok((rest, kind)) = parsed else {
        return StatementKind::Error;
    };
    rest.report_stray(&if name == "rule" { "the rule".to_owned() } else { format!("the `{name}` statement") });
    kind
}

/// What follows the keyword of a statement.
fn keyword_statement<'a>(keyword: &'static str, input: Tokens<'a>) -> Parsed<'a, StatementKind> {
    let form = STATEMENTS.iter().find(|known| known.word == keyword).map_or("", |known| known.form);
    match keyword {
        "model" => path(input, "the path of the model in double quotes", form, StatementKind::Model),
        "import" => path(input, "the path of the recipe in double quotes", form, StatementKind::Import),
        "output" => path(input, "the path of the output in double quotes", form, StatementKind::Output),
        "target" => targets(input, form),
        "compute" => choice(input, "the choice of processors", form, StatementKind::Compute),
        "precision" => choice(input, "the precision", form, StatementKind::Precision),
        "arithmetic" => choice(input, "the name of the arithmetic", form, StatementKind::Arithmetic),
        "threshold" => {
            let (rest, number) = expect(bound, "the number of elements", form).parse(input)?;
            Ok((rest, StatementKind::Threshold(number)))
        }
        "calibrate" => {
            let (rest, path) = expect(quoted, "the path of the samples in double quotes", form).parse(input)?;
            let (rest, options) = opt(options).parse(rest)?;
            Ok((rest, StatementKind::Calibrate { path, options }))
        }
        "extend" => {
            let (rest, preset) = expect(quoted, "the name of the preset in double quotes", form).parse(input)?;
            let (rest, options) = opt(options).parse(rest)?;
            Ok((rest, StatementKind::Extend { preset, options }))
        }
        "shapes" => {
            let (rest, inputs) = expect(options, "a block of inputs with their shapes", form).parse(input)?;
            Ok((rest, StatementKind::Shapes(inputs)))
        }
        "scheme" => definition(input, form),
        "expect" => {
            let (rest, expectation) = expectation(input)?;
            Ok((rest, StatementKind::Expect(expectation)))
        }
        _ => not_here(),
    }
}

fn path<'a>(
    input: Tokens<'a>,
    what: &'static str,
    form: &'static str,
    make: fn(Option<Text>) -> StatementKind,
) -> Parsed<'a, StatementKind> {
    let (rest, path) = expect(quoted, what, form).parse(input)?;
    Ok((rest, make(path)))
}

fn choice<'a>(
    input: Tokens<'a>,
    what: &'static str,
    form: &'static str,
    make: fn(Option<Word>) -> StatementKind,
) -> Parsed<'a, StatementKind> {
    let (rest, choice) = expect(word, what, form).parse(input)?;
    Ok((rest, make(choice)))
}

/// `iOS18, macOS15`
fn targets<'a>(input: Tokens<'a>, form: &'static str) -> Parsed<'a, StatementKind> {
    let mut targets = Vec::new();
    let mut rest = input;
    loop {
        let (after, target) = expect(target, "the name of a target", form).parse(rest)?;
        targets.extend(target);
        rest = after;
        if let Ok((after, _)) = token(TokenKind::Comma).parse(rest) {
            rest = after;
        } else if !targets.is_empty() && !rest.word_ahead(0).is_none_or(is_statement_keyword) && word(rest).is_ok() {
            report_missing_comma(rest);
        } else {
            return Ok((rest, StatementKind::Target(targets)));
        }
    }
}

/// `iOS18`; `iOS 18` is reported, and read as meant.
fn target(input: Tokens<'_>) -> Parsed<'_, Word> {
    let (rest, name) = word(input)?;
    let Ok((after, number)) = token(TokenKind::Number).parse(rest) else {
        return Ok((rest, name));
    };
    let meant = format!("{}{}", name.value, rest.written(number.span));
    let span = name.span.to(number.span);
    let fix = replacement(span, &meant);
    rest.report(span, SyntaxErrorKind::WrongForm { meant: meant.clone() }, Some(fix));
    Ok((after, Spanned::new(meant, span)))
}

/// `w4 = int4 per-group(32)`
fn definition<'a>(input: Tokens<'a>, form: &'static str) -> Parsed<'a, StatementKind> {
    let (rest, name) = expect(word, "the name of the scheme", form).parse(input)?;
    let rest = match rest.first() {
        Some(sign) if sign.kind == TokenKind::Assign => rest.skip(1),
        Some(sign) if matches!(sign.kind, TokenKind::Equal | TokenKind::Arrow | TokenKind::Colon) => {
            let found = rest.written(sign.span).to_owned();
            let fix = replacement(sign.span, "=");
            rest.report(sign.span, SyntaxErrorKind::WrongSign { found, meant: "=" }, Some(fix));
            rest.skip(1)
        }
        Some(_) => {
            rest.report_between("`=`", Some(insertion(rest.previous().end, "=")));
            rest
        }
        None => {
            rest.report_expected("`=` with a scheme", Some(format!("for instance `{form}`")));
            return Ok((rest, StatementKind::Scheme { name, scheme: None }));
        }
    };
    let (rest, scheme) = scheme(rest)?;
    Ok((rest, StatementKind::Scheme { name, scheme }))
}

/// `SELECTOR => SCHEME`
fn rule(input: Tokens<'_>) -> Parsed<'_, StatementKind> {
    let (rest, selector) = selector(input)?;
    let (rest, arrow) = match arrow(rest) {
        Ok((after, arrow)) => (after, Some(arrow)),
        Err(_) => without_arrow(rest),
    };
    let (rest, scheme) = match arrow {
        None if rest.first().is_none() => (rest, None),
        _ => scheme(rest)?,
    };
    Ok((rest, StatementKind::Rule { selector, arrow, scheme }))
}

/// Reports what is wrong where the arrow should be, and finds it further on.
fn without_arrow(input: Tokens<'_>) -> (Tokens<'_>, Option<Span>) {
    let junk = input.count_until(|kind, _| kind == TokenKind::Arrow);
    if let Some(arrow) = input.rest().get(junk) {
        let fix = insertion(input.previous().end, "and");
        input.report_between("`and`, `or` or a comma", Some(fix));
        return (input.skip(junk + 1), Some(arrow.span));
    }
    if word(input).is_ok() {
        input.report_between("`=>`", Some(insertion(input.previous().end, "=>")));
        return (input, None);
    }
    input.report_expected("`=>` with a scheme", Some("for instance `linear => int4`".to_owned()));
    (input.skip(input.rest().len()), None)
}
