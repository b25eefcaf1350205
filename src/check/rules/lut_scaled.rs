//! Palettes with a scale per channel.

use crate::check::schemes::{lacks, palette_parts};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::Feature;
use crate::recipe::Field;
use crate::scheme::Granularity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-scaled",
    severity: Severity::Warning,
    title: "palettes with a scale per channel, which upstream breaks in three ways",
    binds: Binds::Coremltools,
    needs: Needs::Recipe,
    page: "
`scaled` divides each output channel by its largest magnitude, and one table serves all. The idea is good; what becomes
of it in coremltools (`enable_per_channel_scale`) is not.

First, it reduces over the channel axis: the scales come out one per *input* channel, contrary to its documentation, and
a later pass folds them into one table per input column, as large as the indices themselves. Second, when the weight is
skipped afterwards, because a group does not divide, it has already been divided in place: the log says `Skipped`, and
the model is numerically destroyed. Third, packages for iOS18 with such weights are reported not to load on the Neural
Engine under macOS 26.

Tables for small groups of channels, `per-grouped-channel(16)`, serve the same end everywhere.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => lut4 scaled\n",
        "target iOS18\nlinear => lut4 per-grouped-channel(16)\n",
    )],
    sources: &[
        "coremltools: optimize/coreml/_quantization_passes.py:1067-1071",
        "apple/coremltools PR #2777",
        "apple/coremltools PR #2688",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    // A system that cannot have it at all, and vectors, are told about by rules of their own.
    if lacks(context, Feature::PaletteScaled).is_some() {
        return;
    }
    for (part, palette) in palette_parts(context.recipe, Field::Scaled, |p| p.scaled && p.vector == 1) {
        let finding = report
            .add(part.place, "palettes with a scale per channel are reported broken on devices and in coremltools");
        finding
            .here("a scale per channel")
            .upstream(
                "coremltools computes the scales per input channel, destroys weights that it then skips, and its packages \
                 are reported not to load on the Neural Engine under macOS 26",
            )
            .help("tables for small groups of channels serve the same end: `per-grouped-channel(16)`");
        part.label_uses(finding);
        if palette.granularity == Granularity::PerTensor {
            let with = [(Field::Scaled, ""), (Field::Granularity, "per-grouped-channel(16)")];
            part.suggest(context.recipe, finding, "use per-grouped-channel(16) instead", &with);
        }
        part.suggest(context.recipe, finding, "leave `scaled` away", &[(Field::Scaled, "")]);
    }
}
