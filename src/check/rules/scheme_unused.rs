//! Named schemes that nothing uses.

use crate::check::words::remove_lines;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::FileId;
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "scheme-unused",
    severity: Severity::Hint,
    title: "a named scheme that nothing uses",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
A scheme gets a name so that several rules can share it, and so that changing it changes all of them. One that no rule
and no other scheme uses changes nothing; often a rule says another name than it should.

Nothing is said of schemes in imported files, nor in a file without rules, which others may import.
",
    examples: &[Example::recipe(
        "target iOS18\nscheme w4 = int4 per-group(32)\nscheme w4b = lut4 per-grouped-channel(16)\nlinear => w4\n",
        "target iOS18\nscheme w4 = int4 per-group(32)\nlinear => w4\n",
    )],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on schemes"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    // A rule that could not be read, or that misspells a scheme, may be the one that uses it.
    let may_be_used = recipe.problems.iter().any(|problem| {
        matches!(
            problem.kind,
            ProblemKind::Syntax(_)
                | ProblemKind::UnknownPart { .. }
                | ProblemKind::Conflict { .. }
                | ProblemKind::Duplicate { .. }
        )
    });
    if may_be_used || recipe.rules.is_empty() {
        return;
    }
    let own = recipe.schemes.iter().filter(|scheme| scheme.name.place.file == FileId(0));
    for scheme in own.filter(|scheme| scheme.uses.is_empty()) {
        let name = &scheme.name.value;
        let finding = report.add(scheme.name.place, format!("no rule uses the scheme `{name}`"));
        finding.help("use it in a rule, or remove it");
        // A recipe that imports this one may use it, so that this is for the author to say.
        finding.fix_with(format!("remove `{name}`"), false, vec![remove_lines(recipe, scheme.place)]);
    }
}
