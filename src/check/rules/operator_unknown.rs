//! Operators that are passed on unseen.

use crate::check::words::{count, list};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, programs};

/// The rule.
pub const RULE: Rule = Rule {
    code: "operator-unknown",
    severity: Severity::Hint,
    title: "operators that are not known and pass through as they are",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
The program has operations of operators that bitmill does not know: custom layers, or operators that are newer than it.
They are written as they were read. What they demand of their operands cannot be checked, and constants that only they take
count as no weights of a kind; a rule that names them still takes them.
",
    examples: &[Example::with_model(
        "program CoreML6\noperator my_attention\nfc.weight  linear  64x64  fp16\n",
        "linear => int8 per-channel\n",
        "linear => int8 per-channel  # bitmill: allow(operator-unknown)\n",
    )],
    sources: &["coremltools: converters/mil/mil/ops/defs"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(facts) = programs::facts(context).filter(|facts| !facts.unknown_operators.is_empty()) else { return };
    let Some(place) = programs::place(context) else { return };
    let operators = &facts.unknown_operators;
    let message = format!(
        "{} not known: {}",
        match operators.len() {
            1 => "1 operator is".to_owned(),
            n => format!("{} are", count(n, "operator")),
        },
        list(operators, 3)
    );
    report.add(place, message).help("such operations pass through as they are; what they demand is not checked");
}
