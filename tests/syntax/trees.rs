//! Trees as texts, and the leaves of trees.

use std::sync::LazyLock;

use bitmill::syntax::tree::{
    Condition, Expectation, Operand, Options, Scheme, Selector, Statement, StatementKind, Term, Value,
};
use bitmill::syntax::{Span, parse};
use regex::Regex;

/// A statement without its places, so that what two texts say can be compared.
pub fn shape(statement: &Statement) -> String {
    static SPANS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"Span \{ start: \d+, end: \d+ \}").unwrap());
    SPANS.replace_all(&format!("{:?}", statement.kind), "_").into_owned()
}

/// The shapes of all statements of a text.
pub fn shapes(text: &str) -> Vec<String> {
    parse(text).file.statements.iter().map(shape).collect()
}

/// The places of everything in a statement that has no parts, in the order of the tree.
pub fn leaves(statement: &Statement) -> Vec<Span> {
    let mut leaves = Vec::new();
    match &statement.kind {
        StatementKind::Model(text) | StatementKind::Import(text) | StatementKind::Output(text) => {
            leaves.extend(text.iter().map(|text| text.span));
        }
        StatementKind::Target(words) => leaves.extend(words.iter().map(|word| word.span)),
        StatementKind::Compute(word) | StatementKind::Precision(word) | StatementKind::Arithmetic(word) => {
            leaves.extend(word.iter().map(|word| word.span));
        }
        StatementKind::Threshold(number) => leaves.extend(number.iter().map(|number| number.span)),
        StatementKind::Calibrate { path: text, options: block }
        | StatementKind::Extend { preset: text, options: block } => {
            leaves.extend(text.iter().map(|text| text.span));
            block.iter().for_each(|block| options(block, &mut leaves));
        }
        StatementKind::Shapes(block) => block.iter().for_each(|block| options(block, &mut leaves)),
        StatementKind::Scheme { name, scheme: parts } => {
            leaves.extend(name.iter().map(|name| name.span));
            parts.iter().for_each(|parts| scheme(parts, &mut leaves));
        }
        StatementKind::Rule { selector: matched, arrow, scheme: parts } => {
            selector(matched, &mut leaves);
            leaves.extend(arrow);
            parts.iter().for_each(|parts| scheme(parts, &mut leaves));
        }
        StatementKind::Expect(expectation) => {
            expectation.iter().for_each(|expectation| expected(expectation, &mut leaves));
        }
        StatementKind::Error => {}
    }
    leaves
}

fn options(options: &Options, leaves: &mut Vec<Span>) {
    for entry in &options.entries {
        leaves.push(entry.key.span);
        entry.value.iter().for_each(|one| value(one, leaves));
    }
}

fn value(one: &Value, leaves: &mut Vec<Span>) {
    match one {
        Value::List(list) => list.value.iter().for_each(|one| value(one, leaves)),
        _ => leaves.push(one.span()),
    }
}

fn scheme(scheme: &Scheme, leaves: &mut Vec<Span>) {
    for part in &scheme.parts {
        leaves.push(part.word.span);
        part.arguments.iter().flat_map(|list| &list.value).for_each(|one| value(one, leaves));
        match &part.operand {
            Some(Operand::Ratio(ratio)) => leaves.extend([ratio.value.0.span, ratio.value.1.span]),
            Some(operand) => leaves.push(operand.span()),
            None => {}
        }
    }
    leaves.extend(scheme.activations.iter().flat_map(|activations| &activations.parts).map(|part| part.span));
}

fn selector(one: &Selector, leaves: &mut Vec<Span>) {
    match one {
        Selector::Or(a, b) | Selector::And(a, b) => {
            selector(a, leaves);
            selector(b, leaves);
        }
        Selector::Not(a) | Selector::Parens(a) => selector(&a.value, leaves),
        Selector::Where(a, c) => {
            selector(a, leaves);
            condition(c, leaves);
        }
        Selector::Kind(_) | Selector::Glob(_) | Selector::Regex(_) | Selector::Missing(_) => leaves.push(one.span()),
    }
}

fn condition(one: &Condition, leaves: &mut Vec<Span>) {
    match one {
        Condition::Or(a, b) | Condition::And(a, b) => {
            condition(a, leaves);
            condition(b, leaves);
        }
        Condition::Not(a) | Condition::Parens(a) => condition(&a.value, leaves),
        Condition::Compare { left, operator, right } => {
            term(left, leaves);
            leaves.push(operator.span);
            term(right, leaves);
        }
        Condition::Missing(span) => leaves.push(*span),
    }
}

fn term(one: &Term, leaves: &mut Vec<Span>) {
    match one {
        Term::Remainder(a, b) => {
            term(a, leaves);
            term(b, leaves);
        }
        _ => leaves.push(one.span()),
    }
}

fn expected(one: &Expectation, leaves: &mut Vec<Span>) {
    match one {
        Expectation::Metric { selector: matched, metric, operator, bound } => {
            matched.iter().for_each(|matched| selector(matched, leaves));
            leaves.push(metric.span);
            leaves.extend(operator.iter().map(|operator| operator.span));
            leaves.extend(bound.iter().map(|bound| bound.span));
        }
        Expectation::Matches { selector: matched, operator, count } => {
            selector(matched, leaves);
            leaves.push(operator.span);
            leaves.extend(count.iter().map(|count| count.span));
        }
        Expectation::Decides { selector: matched, arrow, scheme: parts } => {
            selector(matched, leaves);
            leaves.push(*arrow);
            parts.iter().for_each(|parts| scheme(parts, leaves));
        }
        Expectation::Quantified { quantifier, selector: matched, state } => {
            leaves.push(quantifier.span);
            selector(matched, leaves);
            leaves.extend(state.iter().map(|state| state.span));
        }
    }
}
