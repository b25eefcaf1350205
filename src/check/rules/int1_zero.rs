//! Signed integers of one bit lose everything.

use crate::check::schemes::affine_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::{Arithmetic, Mapping};

/// The rule.
pub const RULE: Rule = Rule {
    code: "int1-zero",
    severity: Severity::Warning,
    title: "1-bit integers whose codes are all zero",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
The codes of `int1` are -1 and 0. With `symmetric` the scale is the largest magnitude divided by half the range, so that
no weight divided by it is beyond 0.5, and every one rounds to the code 0: the weight is all zeros. With
`symmetric-no-clipping` the formula divides by the largest code, which is 0, and what comes out is not a number.

torchao computes both without a word. In experiments (`target none`) use `asymmetric`, or `lut1`, a table of two values,
which Core ML has as well. For a deployment `int1` is refused in any case: `affine-bits`.
",
    examples: &[
        Example::recipe(
            "target none\nlinear => int1 per-channel  # bitmill: allow(affine-bits)\n",
            "target none\nlinear => lut1\n",
        ),
        Example::recipe(
            "target none\narithmetic coremltools\nlinear => int1 symmetric  # bitmill: allow(affine-bits)\n",
            "target none\narithmetic coremltools\nlinear => int1 asymmetric  # bitmill: allow(affine-bits)\n",
        ),
    ],
    sources: &["torchao: quantization/quant_primitives.py:1442-1484"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    if !context.recipe.is_experiment() {
        return;
    }
    let loses_all = |bits, signed, mapping| bits == 1 && signed && mapping != Mapping::Asymmetric;
    for (part, affine) in affine_parts(context.recipe, Field::Base, |a| loses_all(a.bits, a.signed, a.mapping)) {
        let is_coremltools = context.recipe.arithmetic_or_default() == Arithmetic::Coremltools;
        let (severity, becomes) = match affine.mapping {
            _ if is_coremltools => (Severity::Error, "there is no code left: coremltools divides by the largest, 0"),
            Mapping::SymmetricNoClipping => (RULE.severity, "every weight becomes NaN: the scale is divided by 0"),
            _ => (RULE.severity, "every weight becomes 0: none is more than half a scale"),
        };
        let finding = report.add_as(severity, part.place, format!("with `int1 {}` {becomes}", affine.mapping));
        finding
            .label_if(part.origins.get(Field::Mapping), "with this mapping")
            .upstream("torchao computes it without a word")
            .help("use `lut1`, a table of two values, or `asymmetric`");
        part.label_uses(finding);
        finding.fix_with("use lut1", false, part.edits_to_palette(context.recipe, 1));
    }
}
