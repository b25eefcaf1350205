//! Selectors: what a rule or an expectation matches.
//!
//! From loose to tight: the comma, `where`, `or`, `and`, `not`. None of these functions fails: what is missing
//! is reported and [`Selector::Missing`].

use nom::Parser;
use nom::branch::alt;
use nom::combinator::map;
use nom::multi::many0;

use super::basics::{keyword, regex, replacement, text, token, word};
use super::condition::condition;
use super::input::{Parsed, Tokens, not_here};
use crate::syntax::token::TokenKind;
use crate::syntax::tree::{Selector, Spanned};
use crate::syntax::{Span, SyntaxErrorKind};

/// What an operand is called when it is missing.
const OPERAND: &str = "a selector";

/// `a, b where c, d`
pub(in crate::syntax) fn selector(input: Tokens<'_>) -> Parsed<'_, Selector> {
    let (input, first) = item(input)?;
    let (input, more) = many0(|input| {
        let (input, _) = token(TokenKind::Comma).parse(input)?;
        item(input)
    })
    .parse(input)?;
    let joined = |a, b| Selector::Or(Box::new(a), Box::new(b));
    Ok((input, more.into_iter().fold(first, joined)))
}

/// `a or b where c`
fn item(input: Tokens<'_>) -> Parsed<'_, Selector> {
    let (mut input, mut selector) = joined_by_or(input)?;
    while let Ok((rest, _)) = keyword("where").parse(input) {
        let (rest, condition) = condition(rest)?;
        (input, selector) = (rest, Selector::Where(Box::new(selector), condition));
    }
    Ok((input, selector))
}

fn joined_by_or(input: Tokens<'_>) -> Parsed<'_, Selector> {
    let joined = |a, b| Selector::Or(Box::new(a), Box::new(b));
    chain(input, "or", joined_by_and, joined)
}

fn joined_by_and(input: Tokens<'_>) -> Parsed<'_, Selector> {
    let joined = |a, b| Selector::And(Box::new(a), Box::new(b));
    chain(input, "and", negated, joined)
}

/// `a WORD b WORD c`, as a tree that leans to the left.
pub(super) fn chain<'a, T>(
    input: Tokens<'a>,
    joiner: &'static str,
    mut operand: impl FnMut(Tokens<'a>) -> Parsed<'a, T>,
    join: impl Fn(T, T) -> T,
) -> Parsed<'a, T> {
    let (mut input, mut joined) = operand(input)?;
    while let Ok((rest, _)) = keyword(joiner).parse(input) {
        let (rest, right) = operand(rest)?;
        (input, joined) = (rest, join(joined, right));
    }
    Ok((input, joined))
}

/// `not not a`. A loop, since nothing bounds the stack as brackets do.
pub(super) fn negations(input: Tokens<'_>) -> Parsed<'_, Vec<Span>> {
    many0(keyword("not")).parse(input)
}

fn negated(input: Tokens<'_>) -> Parsed<'_, Selector> {
    let (input, negations) = negations(input)?;
    let (input, operand) = operand(input)?;
    let negate = |operand: Selector, not: &Span| {
        let span = not.to(operand.span());
        Selector::Not(Spanned::new(Box::new(operand), span))
    };
    Ok((input, negations.iter().rev().fold(operand, negate)))
}

fn operand(input: Tokens<'_>) -> Parsed<'_, Selector> {
    if let Ok(found) = alt((atom, parens)).parse(input) {
        return Ok(found);
    }
    input.report_expected(OPERAND, None);
    let missing = Selector::Missing(input.gap());
    let junk = input.count_until(ends_operand);
    Ok((input.skip(junk), missing))
}

/// A kind, a glob or a regular expression.
pub(super) fn atom(input: Tokens<'_>) -> Parsed<'_, Selector> {
    alt((map(word, Selector::Kind), map(text, Selector::Glob), map(regex, Selector::Regex))).parse(input)
}

fn parens(input: Tokens<'_>) -> Parsed<'_, Selector> {
    let (inner, open) = input.open(TokenKind::OpenParen)?;
    let (inner, selector) = selector(inner)?;
    let rest = inner.close(open, "`and`, `or` or a comma");
    let span = rest.since(input);
    Ok((rest, Selector::Parens(Spanned::new(Box::new(selector), span))))
}

/// Whether a token goes on with a selector or a rule after an operand, be it there or not.
pub(super) fn ends_operand(kind: TokenKind, word: Option<&str>) -> bool {
    matches!(kind, TokenKind::Arrow | TokenKind::Comma)
        || kind.is_closer()
        || matches!(word, Some("and" | "or" | "not" | "where"))
}

/// The arrow of a rule, or a sign that is often written for it.
pub(super) fn arrow(input: Tokens<'_>) -> Parsed<'_, Span> {
    let Some(sign) = input.first() else {
        return not_here();
    };
    match sign.kind {
        TokenKind::Arrow => {}
        TokenKind::Assign | TokenKind::Equal | TokenKind::Colon | TokenKind::GreaterOrEqual => {
            let found = input.written(sign.span).to_owned();
            let kind = SyntaxErrorKind::WrongSign { found, meant: "=>" };
            input.report(sign.span, kind, Some(replacement(sign.span, "=>")));
        }
        _ => return not_here(),
    }
    Ok((input.skip(1), sign.span))
}
