//! Recipes without a rule.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::{FileId, Place};
use crate::syntax::Span;

/// The rule.
pub const RULE: Rule = Rule {
    code: "no-rules",
    severity: Severity::Hint,
    title: "a recipe that has no rule changes nothing",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
What is done with a model is said by rules, `SELECTOR => SCHEME`: its own, those of an imported recipe, or those of a
built-in one that it extends. A recipe that has none of these leaves every weight as it is.

A file of named schemes that others import needs no rule: `# bitmill: allow(no-rules)` above its first statement says
that this is meant.
",
    examples: &[Example::recipe(
        "model \"llama-3.2-1b/\"\ntarget iOS18\n",
        "model \"llama-3.2-1b/\"\ntarget iOS18\nlinear => int4 per-group(32)\n",
    )],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on rules"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    // What could not be read, or imported, may have been a rule.
    if recipe.rules.is_empty() && recipe.extends.is_empty() && recipe.problems.is_empty() {
        let statements = recipe.sources.first().map_or(&[][..], |source| &source.tree.statements);
        let first = statements.first().map_or(Span::default(), |statement| statement.span);
        let finding = report.add(Place::new(FileId(0), first), "this recipe has no rule: it changes nothing");
        finding.help("a rule says what becomes of which weights: `linear => int8 per-channel`");
    }
}
