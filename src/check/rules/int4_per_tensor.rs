//! One scale for a whole weight of 4 bits.

use crate::check::schemes::affine_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::Granularity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "int4-per-tensor",
    severity: Severity::Hint,
    title: "4-bit integers with one scale for the whole weight",
    binds: Binds::Hardware,
    needs: Needs::Recipe,
    page: "
With one scale for the whole weight, the largest value anywhere decides how coarse the sixteen steps are everywhere.
Apple's guide says that 8 bits with a scale per channel usually keep the accuracy, and that 4 bits need scales per
block.

`per-group(32)` costs half a bit a weight with fp16 scales, `per-channel` next to nothing; neither needs a newer system
than 4-bit integers do.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => int4 per-tensor\n",
        "target iOS18\nlinear => int4 per-group(32)\n",
    )],
    sources: &["coremltools: docs-guides/source/opt-quantization-algos.md:43"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let is_wanted = |bits: u8, granularity: &Granularity| bits == 4 && granularity.plain() == Granularity::PerTensor;
    for (part, _) in affine_parts(context.recipe, Field::Granularity, |a| is_wanted(a.bits, &a.granularity)) {
        let finding = report.add(part.place, "4 bits with one scale for the whole weight usually lose much accuracy");
        finding.here("one scale").help("use `per-group(32)`, or at least `per-channel`");
        part.label_uses(finding);
        for granularity in ["per-group(32)", "per-channel"] {
            part.suggest(context.recipe, finding, format!("use {granularity}"), &[(Field::Granularity, granularity)]);
        }
    }
}
