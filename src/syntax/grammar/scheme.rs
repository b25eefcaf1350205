//! Schemes: what is done with what a rule matches. A scheme ends where its statement ends.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::opt;
use nom::sequence::preceded;

use super::basics::{excerpt, is_reserved, number, replacement, token, word};
use super::input::{Parsed, Tokens, not_here};
use super::value::{arguments, list, report_missing_comma};
use crate::nearest::nearest;
use crate::syntax::keywords::{ACTIVATIONS, Keyword, OPERAND_PARTS};
use crate::syntax::token::TokenKind;
use crate::syntax::tree::{Activations, Operand, Part, Scheme, Spanned, Value, Word};
use crate::syntax::{Fix, Span, SyntaxErrorKind};

const EXAMPLE: &str = "for instance `int4 per-group(32)`";

/// `int4 per-group(32) symmetric, activations uint8`; `None` when there is nothing of a scheme, which is reported.
pub(in crate::syntax) fn scheme(input: Tokens<'_>) -> Parsed<'_, Option<Scheme>> {
    if input.first().is_none() {
        input.report_expected("the scheme", Some(EXAMPLE.to_owned()));
        return Ok((input, None));
    }
    let mut scheme = Scheme { span: input.gap(), parts: Vec::new(), activations: None };
    let mut rest = input;
    while rest.first().is_some() {
        if let Ok((after, activations)) = activations(rest, scheme.parts.is_empty()) {
            scheme.activations = Some(activations);
            rest = after;
            break;
        }
        rest = match part(rest) {
            Ok((after, part)) => {
                scheme.parts.push(part);
                after
            }
            Err(_) => junk(rest, &scheme.parts),
        };
    }
    let mut spans = scheme.parts.iter().map(|part| part.span).chain(scheme.activations.as_ref().map(|a| a.span));
    let Some(first) = spans.next() else {
        return Ok((rest, None));
    };
    scheme.span = spans.next_back().map_or(first, |last| first.to(last));
    Ok((rest, Some(scheme)))
}

/// Reports and takes what is no part of a scheme.
fn junk<'a>(input: Tokens<'a>, parts: &[Part]) -> Tokens<'a> {
    let Some(first) = input.first() else {
        return input;
    };
    if first.kind == TokenKind::Comma {
        return junk_comma(input, first.span);
    }
    if parts.is_empty() {
        input.report_expected("the scheme", Some(EXAMPLE.to_owned()));
    } else {
        let text = excerpt(input.written(first.span));
        input.report(first.span, SyntaxErrorKind::StrayText { text, behind: "the scheme".to_owned() }, None);
    }
    let next = |kind, word: Option<&str>| kind == TokenKind::Comma || word.is_some_and(|word| !is_reserved(word));
    input.skip(input.count_until(next).max(1))
}

/// A comma that no activations follow: parts are separated by blanks.
fn junk_comma(input: Tokens<'_>, comma: Span) -> Tokens<'_> {
    let rest = input.skip(1);
    if rest.first().is_none() {
        let help = format!("for instance `{}`", ACTIVATIONS.form);
        rest.report_expected("`activations` with a type", Some(help));
        return rest;
    }
    let fix = Fix { span: comma, replacement: String::new(), title: "remove the comma".to_owned() };
    let kind = SyntaxErrorKind::WrongSign { found: ",".to_owned(), meant: "" };
    let help = "a comma in a scheme only stands before `activations`".to_owned();
    input.report_with(comma, kind, Some(fix), Some(help));
    rest
}

/// `, activations uint8 symmetric`, with or without its comma; `alone` when no part stands before it.
fn activations(input: Tokens<'_>, alone: bool) -> Parsed<'_, Activations> {
    let (rest, comma) = opt(token(TokenKind::Comma)).parse(input)?;
    let (after, name) = word(rest)?;
    if name.value != ACTIVATIONS.word {
        // Behind a comma nothing else is possible; elsewhere it may be the name of a scheme.
        if comma.is_none() || nearest(&name.value, [ACTIVATIONS.word]).is_none() {
            return not_here();
        }
        let fix = replacement(name.span, ACTIVATIONS.word);
        let kind = SyntaxErrorKind::UnknownWord { word: name.value, nearest: ACTIVATIONS.word };
        rest.report(name.span, kind, Some(fix));
    } else if alone {
        input.report_expected("the scheme of the weights", Some(format!("for instance `{}`", ACTIVATIONS.form)));
    } else if comma.is_none() {
        report_missing_comma(input);
    }
    let (after, parts) = activation_parts(after);
    if parts.is_empty() {
        after.report_expected("the type of the activations", Some(format!("for instance `{}`", ACTIVATIONS.form)));
    }
    let span = parts.last().map_or(name.span, |last| name.span.to(last.span));
    Ok((after, Activations { span, parts }))
}

fn activation_parts(mut input: Tokens<'_>) -> (Tokens<'_>, Vec<Word>) {
    let mut parts = Vec::new();
    while let Some(first) = input.first() {
        if let Ok((rest, part)) = word(input) {
            parts.push(part);
            input = rest;
        } else {
            let text = excerpt(input.written(first.span));
            input.report(first.span, SyntaxErrorKind::StrayText { text, behind: "the activations".to_owned() }, None);
            let junk = input.count_until(|_, word| word.is_some_and(|word| !is_reserved(word)));
            input = input.skip(junk.max(1));
        }
    }
    (input, parts)
}

/// `int4`, `per-group(32)`, `block[16, -1]`, `scale fp16`
fn part(input: Tokens<'_>) -> Parsed<'_, Part> {
    let (rest, word) = word(input)?;
    let (mut rest, mut arguments) = opt(alt((arguments, list))).parse(rest)?;
    let mut operand = None;
    if let Some(keyword) = OPERAND_PARTS.iter().find(|part| part.word == word.value) {
        (rest, operand) = match arguments.take() {
            Some(given) => (rest, operand_in_brackets(input, &word, given)),
            None => required_operand(rest, keyword),
        };
    } else if arguments.is_none() {
        (rest, arguments) = bare_argument(rest, &word);
    }
    let span = rest.since(input);
    Ok((rest, Part { span, word, arguments, operand }))
}

fn required_operand<'a>(input: Tokens<'a>, part: &Keyword) -> (Tokens<'a>, Option<Operand>) {
    if let Ok((rest, found)) = operand(input) {
        return (rest, Some(found));
    }
    let what = match part.word {
        "scale" => "the type of the scales",
        "by" => "the way to choose the scales",
        "fit" => "the way to find the entries",
        "entries" => "the type of the entries",
        "sparse-below" => "the bound of the magnitudes",
        _ => "the share to prune",
    };
    input.report_expected(what, Some(format!("for instance `{}`", part.form)));
    (input, None)
}

/// `fp16`, `50%`, `2:4`
fn operand(input: Tokens<'_>) -> Parsed<'_, Operand> {
    if let Ok((rest, word)) = word(input) {
        return Ok((rest, Operand::Word(word)));
    }
    let (rest, first) = number(input)?;
    let Ok((rest, _)) = token(TokenKind::Colon).parse(rest) else {
        return Ok((rest, Operand::Number(first)));
    };
    let Ok((rest, second)) = number(rest) else {
        rest.report_expected("the second number of the ratio", Some("for instance `2:4`".to_owned()));
        return Ok((rest, Operand::Number(first)));
    };
    let span = first.span.to(second.span);
    Ok((rest, Operand::Ratio(Spanned::new((first, second), span))))
}

/// `scale(fp16)` for `scale fp16`: reported, and read as meant.
fn operand_in_brackets(input: Tokens<'_>, word: &Word, mut given: Spanned<Vec<Value>>) -> Option<Operand> {
    let operand = match (given.value.pop(), given.value.is_empty()) {
        (Some(Value::Word(word)), true) => Some(Operand::Word(word)),
        (Some(Value::Number(number)), true) => Some(Operand::Number(number)),
        _ => None,
    };
    let value = operand.as_ref().map_or("…", |operand| input.written(operand.span()));
    let meant = format!("{} {value}", word.value);
    let span = word.span.to(given.span);
    let fix = operand.is_some().then(|| replacement(span, &meant));
    input.report(span, SyntaxErrorKind::WrongForm { meant }, fix);
    operand
}

/// `per-group 32` and `per-group=32` for `per-group(32)`: reported, and read as meant.
fn bare_argument<'a>(input: Tokens<'a>, word: &Word) -> (Tokens<'a>, Option<Spanned<Vec<Value>>>) {
    // A type takes no number: `int4 32` lacks more than brackets.
    if word.value.ends_with(|c: char| c.is_ascii_digit()) {
        return (input, None);
    }
    let sign = alt((token(TokenKind::Assign), token(TokenKind::Colon)));
    let Ok((rest, number)) = preceded(opt(sign), number).parse(input) else {
        return (input, None);
    };
    let meant = format!("{}({})", word.value, input.written(number.span));
    let span = word.span.to(number.span);
    let fix = replacement(span, &meant);
    let arguments = Spanned::new(vec![Value::Number(number.clone())], number.span);
    input.report(number.span, SyntaxErrorKind::WrongForm { meant }, Some(fix));
    (rest, Some(arguments))
}
