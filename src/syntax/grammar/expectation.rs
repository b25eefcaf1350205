//! What stands behind `expect`.

use nom::Parser;

use super::basics::{expect, insertion, is_comparison, number, replacement, token};
use super::condition::{operator, report_arrow_for_comparison, report_detached_unit};
use super::input::{Parsed, Tokens, not_here};
use super::scheme::scheme;
use super::selector::selector;
use crate::nearest::nearest;
use crate::syntax::keywords::METRICS;
use crate::syntax::token::{TokenKind, is_unit};
use crate::syntax::tree::{Comparison, Expectation, Number, Selector, Spanned, Word};
use crate::syntax::{Fix, Span, SyntaxErrorKind};

const STATES: [&str; 2] = ["quantized", "kept"];

/// `size <= 30%`, `linear matches 112`, `"head" => keep`, `every linear quantized`
pub(super) fn expectation(input: Tokens<'_>) -> Parsed<'_, Option<Expectation>> {
    if input.first().is_none() {
        input.report_expected("what is expected", Some("for instance `size <= 30%`".to_owned()));
        return Ok((input, None));
    }
    if let Ok((rest, metric)) = metric(input, Spelling::Exact) {
        return measured(rest, None, metric);
    }
    let first = input.word_ahead(0);
    if let (Some("every" | "no"), Some(token)) = (first, input.first()) {
        let quantifier = Spanned::new(input.written(token.span).to_owned(), token.span);
        return quantified(input.skip(1), quantifier);
    }
    // The words of expectations are not reserved, so that a missing selector has to be looked for.
    let counts = |kind| kind == TokenKind::Number || matches!(kind, TokenKind::Assign) || is_comparison(kind);
    if first == Some("matches") && input.peek(1).is_some_and(counts) {
        return about(input, missing_selector(input));
    }
    let (rest, selector) = selector(input)?;
    if let Selector::Kind(word) = &selector
        && rest.peek(0).is_some_and(is_comparison)
        && let Ok((rest, metric)) = metric(input, Spelling::Near)
        && !METRICS.iter().any(|known| known.word == word.value)
    {
        return measured(rest, None, metric);
    }
    about(rest, selector)
}

fn missing_selector(input: Tokens<'_>) -> Selector {
    if let Some(next) = input.first() {
        let kind = SyntaxErrorKind::Expected {
            what: "a selector",
            after: None,
            found: Some(input.written(next.span).to_owned()),
        };
        input.report(next.span, kind, None);
    } else {
        input.report_expected("a selector", None);
    }
    Selector::Missing(input.gap())
}

/// What is said about a selector.
fn about(input: Tokens<'_>, selector: Selector) -> Parsed<'_, Option<Expectation>> {
    if let Ok((rest, arrow)) = token(TokenKind::Arrow).parse(input) {
        let (rest, scheme) = scheme(rest)?;
        return Ok((rest, Some(Expectation::Decides { selector, arrow: arrow.span, scheme })));
    }
    if let Ok((rest, metric)) = metric(input, Spelling::Exact) {
        return measured(rest, Some(selector), metric);
    }
    if let Ok((rest, _)) = one_of(input, &["matches"], Spelling::Near) {
        return counted(rest, selector);
    }
    if let Ok((rest, _)) = one_of(input, &STATES, Spelling::Near) {
        report_missing_quantifier(input, &selector);
        return Ok((rest, None));
    }
    if let Ok((rest, metric)) = metric(input, Spelling::Near) {
        return measured(rest, Some(selector), metric);
    }
    let help = "for instance `matches 112`, `=> keep` or `sqnr >= 30 dB`".to_owned();
    input.report_expected("what is expected of it", Some(help));
    Ok((input, None))
}

/// `linear quantized` says neither that all are nor that some are.
fn report_missing_quantifier(input: Tokens<'_>, selector: &Selector) {
    let start = selector.span().start;
    let fix =
        Fix { span: Span::new(start, start), replacement: "every ".to_owned(), title: "insert `every`".to_owned() };
    let kind = SyntaxErrorKind::Expected { what: "`every` or `no`", after: Some("expect".to_owned()), found: None };
    input.report(selector.span(), kind, Some(fix));
}

/// `<= 30%`
fn measured<'a>(input: Tokens<'a>, selector: Option<Selector>, metric: Word) -> Parsed<'a, Option<Expectation>> {
    let (rest, operator) = bound_operator(input);
    let (rest, bound) = expect(bound, "the bound", "<= 30%").parse(rest)?;
    Ok((rest, Some(Expectation::Metric { selector, metric, operator, bound })))
}

fn bound_operator(input: Tokens<'_>) -> (Tokens<'_>, Option<Spanned<Comparison>>) {
    if let Ok((rest, operator)) = operator(input) {
        return (rest, Some(operator));
    }
    match (input.first(), input.peek(1)) {
        (Some(arrow), Some(TokenKind::Number)) if arrow.kind == TokenKind::Arrow => {
            report_arrow_for_comparison(input, arrow.span);
            (input.skip(1), Some(Spanned::new(Comparison::GreaterOrEqual, arrow.span)))
        }
        (Some(next), _) if next.kind == TokenKind::Number => {
            input.report_between("a comparison such as `<=`", None);
            (input, None)
        }
        _ => {
            input.report_expected("a comparison", Some("for instance `<= 30%`".to_owned()));
            (input, None)
        }
    }
}

/// A number with its unit glued or one blank behind it.
pub(super) fn bound(input: Tokens<'_>) -> Parsed<'_, Number> {
    let (rest, number) = number(input)?;
    let Some(unit) = rest.first().filter(|_| number.unit.is_empty()) else {
        return Ok((rest, number));
    };
    let written = rest.written(unit.span);
    if unit.kind == TokenKind::Percent {
        report_detached_unit(rest, written);
    } else if !is_unit(written) {
        return Ok((rest, number));
    }
    let span = number.span.to(unit.span);
    Ok((rest.skip(1), Number { unit: written.to_owned(), span, ..number }))
}

/// `112`, `>= 100`
fn counted(input: Tokens<'_>, selector: Selector) -> Parsed<'_, Option<Expectation>> {
    let (rest, operator) = match operator(input) {
        Ok(found) => found,
        Err(_) => (input, Spanned::new(Comparison::Equal, input.gap())),
    };
    let (rest, count) = expect(number, "the number of weights", "matches 112").parse(rest)?;
    Ok((rest, Some(Expectation::Matches { selector, operator, count })))
}

/// `linear quantized`, behind `every` or `no`
fn quantified(input: Tokens<'_>, quantifier: Word) -> Parsed<'_, Option<Expectation>> {
    let only_a_state = input.rest().len() == 1 && one_of(input, &STATES, Spelling::Exact).is_ok();
    let (rest, selector) =
        if only_a_state || input.first().is_none() { (input, missing_selector(input)) } else { selector(input)? };
    let (rest, state) = match one_of(rest, &STATES, Spelling::Near) {
        Ok((after, state)) => (after, Some(state)),
        Err(_) => {
            rest.report_expected("`quantized` or `kept`", None);
            (rest, None)
        }
    };
    Ok((rest, Some(Expectation::Quantified { quantifier, selector, state })))
}

/// Whether a misspelt word is taken for what it probably means, and reported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Exact,
    Near,
}

/// One of some words.
fn one_of<'a>(input: Tokens<'a>, words: &[&'static str], spelling: Spelling) -> Parsed<'a, Word> {
    let (Some(written), Some(token)) = (input.word_ahead(0), input.first()) else {
        return not_here();
    };
    let exact = words.iter().find(|word| **word == written).copied();
    let near = || nearest(written, words.iter().copied()).filter(|_| spelling == Spelling::Near);
    let Some(word) = exact.or_else(near) else {
        return not_here();
    };
    if exact.is_none() {
        let kind = SyntaxErrorKind::UnknownWord { word: written.to_owned(), nearest: word };
        input.report(token.span, kind, Some(replacement(token.span, word)));
    }
    Ok((input.skip(1), Spanned::new(word.to_owned(), token.span)))
}

/// `size`, `accuracy drop`: the words of the table, joined by one blank.
fn metric(input: Tokens<'_>, spelling: Spelling) -> Parsed<'_, Word> {
    for metric in METRICS {
        let (first, second) = metric.word.split_once(' ').unwrap_or((metric.word, ""));
        let Ok((rest, word)) = one_of(input, &[first], spelling) else {
            continue;
        };
        if second.is_empty() {
            return Ok((rest, word));
        }
        let (rest, span) = match one_of(rest, &[second], Spelling::Near) {
            Ok((rest, second)) => (rest, word.span.to(second.span)),
            Err(_) => {
                let what = if second == "drop" { "`drop`" } else { "`rise`" };
                rest.report_between(what, Some(insertion(word.span.end, second)));
                (rest, word.span)
            }
        };
        return Ok((rest, Spanned::new(metric.word.to_owned(), span)));
    }
    not_here()
}
