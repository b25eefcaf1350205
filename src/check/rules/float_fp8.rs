//! No documented Core ML target has 8-bit floats.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::{FloatType, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "float-fp8",
    severity: Severity::Error,
    title: "weights in 8-bit floats, which no Core ML operator takes",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
`Float8E4M3FN` and `Float8E5M2` have numbers in Core ML's file formats, but no operator lists them among its types and no
writer produces them: no documented target, iOS 26 included, can run such a model.

int8 with a scale per channel takes the same space. A palette, `lut8`, takes it too, and its 256 values may lie as
unevenly as those of a float.
",
    examples: &[Example::recipe("target iOS16\nlinear => fp8-e4m3\n", "target iOS16\nlinear => int8 per-channel\n")],
    sources: &["Core ML: mlmodel/format/MIL.proto", "coremltools: converters/mil/mil/types/type_mapping.py"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let asked = asked(context.recipe, Field::Base, |_, scheme| {
        matches!(scheme.weights, WeightScheme::Float(FloatType::Fp8E4m3 | FloatType::Fp8E5m2))
    });
    for asked in asked {
        let finding = report.add(asked.place, "no Core ML target has weights in 8-bit floats");
        asked.label_uses(finding);
        finding.help("`int8 per-channel` takes the same space; so does a palette, `lut8`").suggest(
            "use int8 per-channel",
            asked.place,
            "int8 per-channel",
        );
    }
}
