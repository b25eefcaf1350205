//! `fit unique` in coremltools for older systems.

use crate::check::schemes::{lacks, palette_parts};
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::Feature;
use crate::recipe::Field;
use crate::scheme::PaletteFit;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-unique-3bit",
    severity: Severity::Warning,
    title: "tables of the distinct values, which coremltools may make 3 bits wide",
    binds: Binds::Coremltools,
    needs: Needs::Recipe,
    page: "
coremltools' mode `unique` takes no width: it picks the smallest of 1, 2, 3, 4, 6 and 8 bits that holds all distinct
values, although its documentation names 1, 2, 4, 6 and 8. A weight of five to eight distinct values gets 3 bits, and
below iOS18, which brought those, the conversion fails.

bitmill keeps the width that the recipe says. For an export to coremltools raise the target, or use `fit kmeans`, which
finds the distinct values too when they are few enough.
",
    examples: &[Example::recipe("target iOS16\nlinear => lut4 fit unique\n", "target iOS16\nlinear => lut4\n")],
    sources: &["coremltools: optimize/coreml/_quantization_passes.py:624, 942-954"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(set) = lacks(context, Feature::Palette3) else { return };
    for (part, _) in palette_parts(context.recipe, Field::Fit, |p| p.fit == PaletteFit::Unique && p.bits != 3) {
        let finding =
            report.add(part.place, "through coremltools, weights of 5 to 8 distinct values fail on this target");
        finding
            .here("coremltools picks the width itself, 3 bits too")
            .upstream("coremltools picks 3 bits and fails: `Parameter lut should be a vector of size from one of {2, 4, 16, 64, 256}`")
            .help("bitmill keeps the width as written; `fit kmeans` finds few distinct values as well");
        part.label_uses(finding);
        needs_set(finding, context, set);
        part.suggest(context.recipe, finding, "use fit kmeans", &[(Field::Fit, "fit kmeans")]);
    }
}
