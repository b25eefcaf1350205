//! Palettes of 3 bits came with iOS18.

use crate::check::schemes::{lacks, palette_parts};
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::Feature;
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut3-target",
    severity: Severity::Error,
    title: "3-bit palettes for a system that has none",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
The `constexpr_lut_to_dense` of iOS16 takes tables of 2, 4, 16, 64 or 256 entries. Tables of 8 came with the operator of
iOS18, macOS15, watchOS11 and tvOS18.

coremltools refuses with `Parameter lut should be a vector of size from one of {2, 4, 16, 64, 256}`.

For older systems use `lut4`, or `lut2` where the loss can be borne.
",
    examples: &[
        Example::recipe("target iOS16\nlinear => lut3\n", "target iOS16\nlinear => lut4\n"),
        Example::recipe("target tvOS17\nlinear => lut3\n", "target tvOS18\nlinear => lut3\n"),
    ],
    sources: &["coremltools: converters/mil/mil/ops/defs/iOS16/constexpr_ops.py:197-199"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(set) = lacks(context, Feature::Palette3) else { return };
    for (part, _) in palette_parts(context.recipe, Field::Base, |palette| palette.bits == 3) {
        let finding = report.add(part.place, format!("palettes of 3 bits need {}", set.systems()));
        finding
            .here("a table of 8 entries")
            .upstream("coremltools refuses: `Parameter lut should be a vector of size from one of {2, 4, 16, 64, 256}`")
            .help("raise the target, or use `lut4` or `lut2`");
        part.label_uses(finding);
        needs_set(finding, context, set);
        part.suggest(context.recipe, finding, "use lut4", &[(Field::Base, "lut4")]);
        part.suggest(context.recipe, finding, "use lut2", &[(Field::Base, "lut2")]);
    }
}
