//! Comparisons of things that cannot be compared.

use std::collections::HashSet;

use crate::check::words::statement_at;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::problem::ProblemKind;
use crate::recipe::{Place, Recipe};

/// The rule.
pub const RULE: Rule = Rule {
    code: "bad-comparison",
    severity: Severity::Error,
    title: "a condition compares things that cannot be compared",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
Most facts behind `where` are numbers, and are compared as numbers: `params > 1M`, `in_features % 32 != 0`. `dtype`
and `ops` are words: they are equal to a word or not, and never smaller.

Names are matched outside of `where`, by patterns in quotes: `linear and \"*.mlp.*\" where params > 1M`.

A weight that lacks the fact, such as the `kernel` of a linear layer, is not matched by the comparison, nor by its
opposite.
",
    examples: &[
        Example::recipe(
            "target iOS18\nlinear where dtype < fp16 => int4 per-group(32)\n",
            "target iOS18\nlinear where dtype == fp16 => int4 per-group(32)\n",
        ),
        Example::recipe(
            "target iOS18\nlinear where in_features % 0 == 0 => int4 per-group(32)\n",
            "target iOS18\nlinear where in_features % 32 == 0 => int4 per-group(32)\n",
        ),
    ],
    sources: &["bitmill: grammar/bitmill.ebnf, condition"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    // `name == "head"` is one mistake, which the unknown word explains.
    let start = |place: Place| statement_at(recipe, place).map(|s| (place.file, s.span));
    let unknown = recipe.problems.iter().filter(|p| matches!(p.kind, ProblemKind::UnknownField { .. }));
    let explained: HashSet<_> = unknown.filter_map(|p| start(p.place)).collect();
    for problem in &recipe.problems {
        let ProblemKind::BadComparison { why } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let is_text = recipe.text(place).starts_with('"');
        if is_text && start(place).is_some_and(|statement| explained.contains(&statement)) {
            continue;
        }
        let finding = report.add(place, why.as_str());
        if is_operator(recipe, place) {
            finding.suggest("compare with `==`", place, "==");
            finding.suggest("compare with `!=`", place, "!=");
        } else if is_text {
            finding.help("join the pattern to the selector before `where`: `linear and \"*.mlp.*\" where …`");
        }
    }
}

fn is_operator(recipe: &Recipe, place: Place) -> bool {
    matches!(recipe.text(place), "<" | "<=" | ">" | ">=")
}
