//! Two parts of one scheme about the same matter.

use crate::check::words::{remove_part, statement_at};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "scheme-conflict",
    severity: Severity::Error,
    title: "two parts of a scheme say different things about the same matter",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
Each part of a scheme settles one matter: what the weights become, who shares a scale or a table, the mapping, and so
on. Two parts about the same matter leave open which is meant.

A scheme that begins with the name of another is different: what it says itself replaces what it takes over, so that
`scheme w8 = w4 int8` is `w4` with 8 bits. It may name several schemes, where each settles matters of its own: with
`scheme half = sparse 50%`, `half w4` is `w4` pruned.
",
    examples: &[
        Example::recipe(
            "target iOS18\nlinear => int4 int8 per-group(32)\n",
            "target iOS18\nlinear => int4 per-group(32)\n",
        ),
        Example::recipe(
            "target iOS18\nlinear => int4 per-channel per-group(32)\n",
            "target iOS18\nlinear => int4 per-group(32)\n",
        ),
        Example::recipe(
            "target iOS18\nscheme w4 = int4 per-group(32)\nscheme w8 = int8 per-channel\nlinear => w4 w8\n\
             conv => w8\n",
            "target iOS18\nscheme w4 = int4 per-group(32)\nscheme w8 = int8 per-channel\nlinear => w4\n\
             conv => w8\n",
        ),
    ],
    sources: &["bitmill: grammar/bitmill.ebnf, scheme"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    for problem in &recipe.problems {
        let ProblemKind::Conflict { field, first } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let (one, other) = (recipe.text(*first), recipe.text(place));
        let message = format!("{} cannot be both `{one}` and `{other}`", field.name());
        let finding = report.add(place, message);
        finding.label(*first, format!("`{one}` is said here"));
        finding.help("a scheme settles each matter once: leave one of the two out");
        finding.fix_with(format!("remove `{other}`"), false, vec![remove_part(recipe, place)]);
        let same = |a, b| statement_at(recipe, a).zip(statement_at(recipe, b)).is_some_and(|(a, b)| a.span == b.span);
        if first.file == place.file && same(*first, place) {
            finding.fix_with(format!("remove `{one}`"), false, vec![remove_part(recipe, *first)]);
        }
    }
}
