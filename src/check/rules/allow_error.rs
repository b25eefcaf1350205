//! Comments that allow an error.

use super::allow_unused::removal;
use crate::check::allow::Idle;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};

/// The rule.
pub const RULE: Rule = Rule {
    code: "allow-error",
    severity: Severity::Warning,
    title: "a comment allows an error, which nothing can",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`# bitmill: allow(CODE)` silences warnings and hints. Errors stand for what cannot run or would certainly go wrong on
the device, and a comment does not change that.

What Core ML cannot hold may still be worth measuring: with `target none` a recipe is an experiment, and the limits of
Core ML become hints.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => int4 per-group(32) # bitmill: allow(affine-bits)\n",
        "target iOS18\nlinear => int4 per-group(32)\n",
    )],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on comments"],
    // Asked by the driver, once it knows what the comments silence.
    check: |_, _| {},
};

/// Reports the idle codes of rules whose findings are errors.
pub(in crate::check) fn find(context: &Context, idle: &[Idle], report: &mut Report) {
    for idle in idle.iter().filter(|idle| is_error(context, idle.rule)) {
        let code = idle.rule.code;
        let finding = report.add(idle.place(), format!("`{code}` is an error, and errors cannot be allowed"));
        finding
            .here(idle.rule.title)
            .help("mend what it finds; `target none` makes hints of Core ML's limits, for experiments")
            .fix_with("remove it from the comment", true, vec![removal(context.recipe, idle)]);
    }
}

/// Whether a rule finds errors in this recipe: in an experiment, what only deployment demands is a hint.
pub(super) fn is_error(context: &Context, rule: &Rule) -> bool {
    let deployment = !matches!(rule.binds, Binds::Language | Binds::Model);
    rule.severity == Severity::Error && !(deployment && context.recipe.is_experiment())
}
