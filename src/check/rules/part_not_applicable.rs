//! Parts of a scheme that do not go with what the weights become.

use crate::check::words::remove_part;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "part-not-applicable",
    severity: Severity::Error,
    title: "a part of a scheme does not go with what the weights become",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
Integers have a mapping, scales of some type, and a way in which the scales are chosen. Palettes have entries of some
type, a way in which they are found, and perhaps vectors or a scale for each channel. Neither has what the other has:
a palette holds its values in a table and needs no `symmetric`, integers have no table whose entries could be `int8`.

`keep` leaves a weight as it is, and takes no parts about weights at all.

A scheme that extends another may change the family: parts that it merely inherits and that no longer apply are
dropped without a word.
",
    examples: &[
        Example::recipe(
            "target iOS18\nlinear => lut4 per-grouped-channel(16) symmetric\n",
            "target iOS18\nlinear => lut4 per-grouped-channel(16)\n",
        ),
        Example::recipe(
            "target iOS18\nlinear => int4 per-group(32) fit uniform\n",
            "target iOS18\nlinear => int4 per-group(32)\n",
        ),
    ],
    sources: &["coremltools: optimize/coreml/_config.py, OpLinearQuantizerConfig and OpPalettizerConfig"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::NotForThis { part, base, goes_with } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let finding = report.add(place, format!("`{part}` does not go with `{}`", base.value));
        finding
            .here(format!("goes with {goes_with}"))
            .label(base.place, "this is what the weights become")
            .help(format!("leave `{part}` out, or change what the weights become"))
            .fix_with(format!("remove `{part}`"), false, vec![remove_part(context.recipe, place)]);
    }
}
