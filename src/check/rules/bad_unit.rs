//! Expectations with a unit that their metric does not have.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "bad-unit",
    severity: Severity::Error,
    title: "an expectation has a unit that its metric does not have",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`size` is a share of the model's size before (`30%`) or a number of bytes (`12 MB`). `bits` are bits per weight and
need no unit. `sqnr` is in decibels (`30 dB`). `accuracy drop` and `perplexity rise` are in percent: an accuracy that
falls from 0.76 to 0.75 has dropped by 1%.

A bound without its unit could mean either of two things that differ by a factor of 100.
",
    examples: &[
        Example::recipe(
            "target iOS18\nlinear => int4 per-group(32)\nexpect size <= 30\n",
            "target iOS18\nlinear => int4 per-group(32)\nexpect size <= 30%\n",
        ),
        Example::recipe(
            "target iOS18\nlinear => int4 per-group(32)\nexpect sqnr >= 30%\n",
            "target iOS18\nlinear => int4 per-group(32)\nexpect sqnr >= 30 dB\n",
        ),
    ],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on expectations"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::BadUnit { metric, unit, may_be } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let message = if unit.is_empty() {
            format!("`{metric}` needs a unit")
        } else {
            format!("`{metric}` is not measured in `{unit}`")
        };
        let finding = report.add(place, message);
        finding.help(format!("its unit is {may_be}"));
        let written = context.recipe.text(place);
        let number = written.strip_suffix(unit.as_str()).unwrap_or(written).trim_end();
        let mut offer = |text: String| _ = finding.suggest(format!("write `{text}`"), place, text);
        match *metric {
            "size" => {
                offer(format!("{number}%"));
                offer(format!("{number} MB"));
            }
            "bits" => offer(number.to_string()),
            "sqnr" => offer(format!("{number} dB")),
            _ => offer(format!("{number}%")),
        }
    }
}
