//! Vectors have no even spacing.

use crate::check::schemes::palette_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::PaletteFit;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-vector-uniform",
    severity: Severity::Error,
    title: "evenly spaced entries of vectors",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`fit uniform` spaces the entries of a table evenly between the smallest and the largest value. Vectors have no smallest
and largest one, so that there is no such table.

coremltools raises NotImplementedError for `uniform` with `cluster_dim` above 1.

Use `fit kmeans`, or single values.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => lut4 vector(2) fit uniform\n",
        "target iOS18\nlinear => lut4 vector(2)\n",
    )],
    sources: &["coremltools: optimize/coreml/_quantization_passes.py:928-933"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let is_wrong = |vector: u32, fit| vector > 1 && fit == PaletteFit::Uniform;
    for (part, palette) in palette_parts(context.recipe, Field::Fit, |p| is_wrong(p.vector, p.fit)) {
        let finding = report.add(part.place, "vectors cannot be spaced evenly: `fit uniform` is for single values");
        finding
            .label_if(part.origins.get(Field::Vector), format!("entries of {} values", palette.vector))
            .upstream("coremltools raises NotImplementedError")
            .help("use `fit kmeans`, or leave `vector` away");
        part.label_uses(finding);
        part.suggest(context.recipe, finding, "use fit kmeans", &[(Field::Fit, "fit kmeans")]);
        part.suggest(context.recipe, finding, "single values", &[(Field::Vector, "")]);
    }
}
