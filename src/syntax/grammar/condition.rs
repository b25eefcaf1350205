//! Conditions: what stands behind `where`.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::map;

use super::basics::{excerpt, number, replacement, text, token, word};
use super::input::{Parsed, Tokens, not_here};
use super::selector::{chain, ends_operand, negations};
use crate::syntax::token::{TokenKind, is_unit};
use crate::syntax::tree::{Comparison, Condition, Spanned, Term};
use crate::syntax::{Fix, Span, SyntaxErrorKind};

/// `a == 1 and not b > 2 or c < 3`; reports what is missing and does not fail.
pub(super) fn condition(input: Tokens<'_>) -> Parsed<'_, Condition> {
    let joined = |a, b| Condition::Or(Box::new(a), Box::new(b));
    chain(input, "or", joined_by_and, joined)
}

fn joined_by_and(input: Tokens<'_>) -> Parsed<'_, Condition> {
    let joined = |a, b| Condition::And(Box::new(a), Box::new(b));
    chain(input, "and", negated, joined)
}

fn negated(input: Tokens<'_>) -> Parsed<'_, Condition> {
    let (input, negations) = negations(input)?;
    let (input, operand) = alt((parens, compare)).parse(input)?;
    let negate = |operand: Condition, not: &Span| {
        let span = not.to(operand.span());
        Condition::Not(Spanned::new(Box::new(operand), span))
    };
    Ok((input, negations.iter().rev().fold(operand, negate)))
}

fn parens(input: Tokens<'_>) -> Parsed<'_, Condition> {
    let (inner, open) = input.open(TokenKind::OpenParen)?;
    let (inner, condition) = condition(inner)?;
    let rest = inner.close(open, "`and` or `or`");
    let span = rest.since(input);
    Ok((rest, Condition::Parens(Spanned::new(Box::new(condition), span))))
}

/// `in_features % 32 != 0`. Without an operator, the right side is missing too.
fn compare(input: Tokens<'_>) -> Parsed<'_, Condition> {
    let Ok((rest, left)) = term(input) else {
        input.report_expected("a condition", Some("for instance `params > 1M`".to_owned()));
        let missing = Condition::Missing(input.gap());
        let junk = input.count_until(ends_operand);
        return Ok((input.skip(junk), missing));
    };
    let Ok((rest, operator)) = operator(rest) else {
        return Ok(without_operator(rest, left));
    };
    let (rest, right) = right_side(rest);
    Ok((after_comparison(rest), Condition::Compare { left, operator, right }))
}

fn right_side(input: Tokens<'_>) -> (Tokens<'_>, Term) {
    match term(input) {
        Ok(found) => found,
        Err(_) => {
            input.report_expected("what to compare with", None);
            let missing = Term::Missing(input.gap());
            (input.skip(input.count_until(ends_operand)), missing)
        }
    }
}

/// `a % 32`, `1M`, `"x"`
fn term(input: Tokens<'_>) -> Parsed<'_, Term> {
    let (mut input, mut term) = operand(input)?;
    while let Ok((rest, _)) = token(TokenKind::Percent).parse(input) {
        let (rest, divisor) = match operand(rest) {
            Ok(found) => found,
            Err(_) => {
                rest.report_expected("the divisor", None);
                (rest, Term::Missing(rest.gap()))
            }
        };
        (input, term) = (rest, Term::Remainder(Box::new(term), Box::new(divisor)));
    }
    Ok((input, term))
}

fn operand(input: Tokens<'_>) -> Parsed<'_, Term> {
    let (rest, term) = alt((map(word, Term::Word), map(number, Term::Number), map(text, Term::Text))).parse(input)?;
    if let Term::Number(_) = term {
        return Ok((detached_unit(rest), term));
    }
    Ok((rest, term))
}

/// Takes a unit that should stand directly behind its number. In a condition, a word behind a blank may belong
/// to what follows: `expect linear where groups == 2 bits <= 4`.
fn detached_unit(input: Tokens<'_>) -> Tokens<'_> {
    let Some(unit) = input.word_ahead(0).filter(|word| is_unit(word) && *word != "bits") else {
        return input;
    };
    report_detached_unit(input, unit);
    input.skip(1)
}

/// Reports that the next token is a unit with a blank before it.
pub(super) fn report_detached_unit(input: Tokens<'_>, unit: &str) {
    let Some(token) = input.first() else { return };
    let fix = Fix {
        span: Span::new(input.previous().end, token.span.start),
        replacement: String::new(),
        title: "remove the blank".to_owned(),
    };
    let kind = SyntaxErrorKind::DetachedUnit { unit: unit.to_owned() };
    input.report(token.span, kind, Some(fix));
}

/// The comparison that a token stands for.
pub(super) fn operator(input: Tokens<'_>) -> Parsed<'_, Spanned<Comparison>> {
    let Some(token) = input.first() else {
        return not_here();
    };
    let operator = match token.kind {
        TokenKind::Equal | TokenKind::Assign => Comparison::Equal,
        TokenKind::NotEqual => Comparison::NotEqual,
        TokenKind::Less => Comparison::Less,
        TokenKind::LessOrEqual => Comparison::LessOrEqual,
        TokenKind::Greater => Comparison::Greater,
        TokenKind::GreaterOrEqual => Comparison::GreaterOrEqual,
        // `params => 1M => int4`: the first arrow was meant as a comparison.
        TokenKind::Arrow if input.peek(1) == Some(TokenKind::Number) && input.peek(2) == Some(TokenKind::Arrow) => {
            report_arrow_for_comparison(input, token.span);
            Comparison::GreaterOrEqual
        }
        _ => return not_here(),
    };
    Ok((input.skip(1), Spanned::new(operator, token.span)))
}

/// Reports that `=>` stands where `>=` is meant.
pub(super) fn report_arrow_for_comparison(input: Tokens<'_>, arrow: Span) {
    let found = input.written(arrow).to_owned();
    let kind = SyntaxErrorKind::WrongSign { found, meant: ">=" };
    input.report(arrow, kind, Some(replacement(arrow, ">=")));
}

fn without_operator(input: Tokens<'_>, left: Term) -> (Tokens<'_>, Condition) {
    let help = match left {
        // `linear where rank == 2 and "head"` reads on in the condition.
        Term::Text(_) => "a name cannot be a condition; put it before `where`, or behind a comma",
        _ => "for instance `== 2` or `> 1M`",
    };
    let gap = input.gap();
    let operator = Spanned::new(Comparison::Equal, gap);
    let right = match term(input) {
        Ok((rest, right)) => {
            input.report_between("a comparison such as `==`", None);
            return (after_comparison(rest), Condition::Compare { left, operator, right });
        }
        Err(_) => Term::Missing(gap),
    };
    let kind = SyntaxErrorKind::Expected {
        what: "a comparison",
        after: Some(excerpt(input.written(left.span()))),
        found: None,
    };
    input.report_with(left.span(), kind, None, Some(help.to_owned()));
    let junk = input.count_until(ends_operand);
    (input.skip(junk), Condition::Compare { left, operator, right })
}

/// `1 < a < 5` says something else in most languages, so it says nothing here. Not for `=` and `>=`, which are
/// more likely meant as the arrow of the rule.
fn after_comparison(input: Tokens<'_>) -> Tokens<'_> {
    if matches!(input.peek(0), Some(TokenKind::Arrow | TokenKind::Assign | TokenKind::GreaterOrEqual)) {
        return input;
    }
    let Ok((rest, _)) = operator(input).and_then(|(rest, _)| term(rest)) else {
        return input;
    };
    input.report_between("`and` with a second comparison", None);
    rest
}
