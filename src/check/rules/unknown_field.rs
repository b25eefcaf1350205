//! Words behind `where` that are no fact of a weight.

use crate::check::words::{list, offer_nearest, offer_word};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::problem::ProblemKind;
use crate::recipe::selector::Fact;

/// The rule.
pub const RULE: Rule = Rule {
    code: "unknown-field",
    severity: Severity::Error,
    title: "a condition asks for a fact that weights do not have",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
Behind `where` stand facts that the headers of a model tell of each weight: how many elements (`params`) and bytes
it has, its `rank`, `in_features` and `out_features`, the `kernel` and `groups` of a convolution, the number of its
`layer`, its `dtype`, and the kind of the operators that use it (`ops`).

What a weight is called is no condition: patterns of names are selectors of their own, joined by `and`:
`linear and \"*.mlp.*\" where in_features > 1024`.
",
    examples: &[
        Example::recipe(
            "target iOS18\nlinear where in_feature % 32 == 0 => int4 per-group(32)\n",
            "target iOS18\nlinear where in_features % 32 == 0 => int4 per-group(32)\n",
        ),
        Example::recipe(
            "target iOS18\nlinear where numel > 1M => int4 per-group(32)\n",
            "target iOS18\nlinear where params > 1M => int4 per-group(32)\n",
        ),
    ],
    sources: &["bitmill: the table of facts in src/recipe/selector.rs"],
    check,
};

/// What other tools call the facts.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("numel", "params"),
    ("elements", "params"),
    ("parameters", "params"),
    ("size", "bytes"),
    ("ndim", "rank"),
    ("dim", "rank"),
    ("dims", "rank"),
    ("in_channels", "in_features"),
    ("in", "in_features"),
    ("out_channels", "out_features"),
    ("out", "out_features"),
    ("kernel_size", "kernel"),
    ("depth", "layer"),
    ("kind", "ops"),
    ("op", "ops"),
    ("type", "dtype"),
];

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::UnknownField { word } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let finding = report.add(place, format!("weights have no `{word}` that a condition could ask for"));
        let facts = Fact::ALL.iter().map(|(_, word, _)| *word);
        let facts: Vec<&str> = facts.chain(Fact::WORDS.iter().map(|(word, _)| *word)).collect();
        let folded = word.to_lowercase();
        if matches!(folded.as_str(), "name" | "module" | "path") {
            finding.help("names are selectors of their own, joined by `and`: `linear and \"*.mlp.*\"`");
            continue;
        }
        match OTHER_NAMES.iter().find(|(name, _)| *name == folded) {
            // Elements or bytes: the number behind it is right for one of the two only.
            Some(("size", _)) => {
                for meant in ["params", "bytes"] {
                    finding.suggest(format!("write `{meant}`"), place, meant);
                }
            }
            Some((_, meant)) => offer_word(finding, place, word, meant),
            None => _ = offer_nearest(finding, place, word, facts.iter().copied()),
        }
        finding.help(format!("conditions can ask for {}", list(&facts, usize::MAX)));
    }
}
