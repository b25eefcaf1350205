//! Experiments are not written as Core ML packages.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, programs};
use crate::recipe::TargetChoice;

/// The rule.
pub const RULE: Rule = Rule {
    code: "target-none-package",
    severity: Severity::Warning,
    title: "a package without a target can only be written in floats",
    binds: Binds::Language,
    needs: Needs::Model,
    page: "
`target none` is for experiments that will not be deployed: the limits of Core ML are hints then, and only outputs that are
not Core ML's compressed weights can be written. Of a package that is `run --format dequantized`: the same package with
plain weights that have the values of the quantized ones, to measure what a scheme costs.

To write a compressed package, name a target, or none at all: then it stays in its own operator set.
",
    examples: &[Example::with_model(
        "program CoreML6\nfc.weight  linear  64x64  fp16\n",
        "target none\nlinear => int8 per-channel\n",
        "linear => int8 per-channel\n",
    )],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on targets"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let (Some(_), Some(TargetChoice::None(place))) = (programs::facts(context), &context.recipe.target) else { return };
    let finding = report.add(*place, "with `target none` no compressed package is written");
    finding.help(
        "`run --format dequantized` writes the package with plain weights; without `target` it keeps its operator set",
    );
    let removed = crate::check::words::remove_lines(context.recipe, *place);
    finding.fix_with("leave out the target", false, vec![removed]);
}
