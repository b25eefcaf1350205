//! Text that does not follow the grammar.

use crate::check::{Binds, Context, Edit, Example, Needs, Report, Rule, Severity};
use crate::recipe::Place;
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "syntax",
    severity: Severity::Error,
    title: "text that does not follow the grammar",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
A recipe holds one statement a line: a setting such as `target iOS18`, a named scheme, an expectation, or a rule
`SELECTOR => SCHEME`. Paths and names of modules stand in quotes; words of the language do not.

A mistake spoils only the statement it stands in. Everything else is read, checked and completed as if the broken
statement had been understood as far as it goes, so that five mistakes give five findings and not one.

The same mistakes in YAML or in Python keyword arguments surface later, as a `KeyError` or as a field that is
ignored; here nothing is ignored.
",
    examples: &[
        Example::recipe("target iOS18\nlinear -> int4 per-group(32)\n", "target iOS18\nlinear => int4 per-group(32)\n"),
        Example::recipe("targt iOS18\nlinear => int4 per-group(32)\n", "target iOS18\nlinear => int4 per-group(32)\n"),
    ],
    sources: &["bitmill: grammar/bitmill.ebnf"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::Syntax(error) = &problem.kind else {
            continue;
        };
        let finding = report.add(problem.place, error.message());
        if let Some(fix) = &error.fix {
            let edit = Edit { place: Place::new(problem.place.file, fix.span), text: fix.replacement.clone() };
            finding.fix_with(fix.title.clone(), true, vec![edit]);
        }
    }
}
