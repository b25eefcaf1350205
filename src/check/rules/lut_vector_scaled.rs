//! Vectors and scales per channel exclude each other.

use crate::check::schemes::palette_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-vector-scaled",
    severity: Severity::Error,
    title: "vectors of a palette with a scale per channel",
    binds: Binds::Coremltools,
    needs: Needs::Recipe,
    page: "
With `vector(2)` one entry stands for two neighbouring channels, with `scaled` each channel has a scale of its own.
coremltools' `ModulePostTrainingPalettizerConfig` forbids the two together: `enable_per_channel_scale` not with
`cluster_dim` above 1.

Leave one of them away.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => lut4 vector(2) scaled\n",
        "target iOS18\nlinear => lut4 vector(2)\n",
    )],
    sources: &["coremltools: optimize/torch/palettization/post_training_palettization.py:60-146"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (part, palette) in palette_parts(context.recipe, Field::Scaled, |p| p.vector > 1 && p.scaled) {
        let finding = report.add(part.place, "a scale per channel does not go with vectors of channels");
        finding
            .label_if(part.origins.get(Field::Vector), format!("entries of {} channels", palette.vector))
            .upstream("coremltools refuses `enable_per_channel_scale` with `cluster_dim` above 1")
            .help("leave one of them away");
        part.label_uses(finding);
        part.suggest(context.recipe, finding, "leave `scaled` away", &[(Field::Scaled, "")]);
        part.suggest(context.recipe, finding, "single values", &[(Field::Vector, "")]);
    }
}
