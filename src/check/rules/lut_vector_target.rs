//! Palettes of vectors came with iOS18.

use crate::check::schemes::{lacks, palette_parts};
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::Feature;
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-vector-target",
    severity: Severity::Error,
    title: "palettes of vectors for a system that has none",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
A table whose entries are vectors (`vector(2)`, coremltools' `cluster_dim`) needs the `constexpr_lut_to_dense` of iOS18,
macOS15, watchOS11 and tvOS18; the older operator looks up single values.

coremltools refuses with `The vector palettization …`.

For older systems leave `vector` away and choose fewer bits for the same size: `lut4 vector(2)` takes two bits an
element, as `lut2` does.
",
    examples: &[Example::recipe(
        "target iOS16\nlinear => lut4 vector(2)\n",
        "target iOS18\nlinear => lut4 vector(2)\n",
    )],
    sources: &["coremltools: converters/mil/mil/ops/defs/iOS18/compression.py, constexpr_lut_to_dense"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(set) = lacks(context, Feature::PaletteVectors) else { return };
    for (part, palette) in palette_parts(context.recipe, Field::Vector, |palette| palette.vector > 1) {
        let finding = report.add(part.place, format!("palettes of vectors need {}", set.systems()));
        finding
            .here(format!("entries of {} values", palette.vector))
            .upstream("coremltools refuses: `The vector palettization …` is for iOS18")
            .help("raise the target, or leave `vector` away");
        part.label_uses(finding);
        needs_set(finding, context, set);
        part.suggest(context.recipe, finding, "single values", &[(Field::Vector, "")]);
    }
}
