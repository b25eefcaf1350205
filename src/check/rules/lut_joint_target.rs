//! int8 entries and scales beside a palette came with iOS18.

use crate::check::schemes::{PartUse, lacks, parts};
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::Feature;
use crate::coreml::target::OperatorSet;
use crate::recipe::Field;
use crate::scheme::{Palette, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-joint-target",
    severity: Severity::Error,
    title: "int8 entries or channel scales of a palette for a system that has none",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
`entries int8` and `scaled` join a table to scales: `constexpr_lut_to_dense` together with
`constexpr_blockwise_shift_scale`. Operators that feed one another so came with iOS18, macOS15, watchOS11 and tvOS18.

coremltools refuses with `Joint compression is only supported since iOS18` and `Palettization with per-channel-scale is
only supported since iOS18`.

For older systems leave them away: entries are then fp16.
",
    examples: &[
        Example::recipe("target iOS17\nlinear => lut6 entries int8\n", "target iOS17\nlinear => lut6\n"),
        Example::recipe("target iOS16\nlinear => lut4 scaled\n", "target iOS16\nlinear => lut4\n"),
    ],
    sources: &[
        "coremltools: docs-guides/source/opt-whats-new.md",
        "coremltools: optimize/coreml/_quantization_passes.py",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let palette = |wanted: fn(&Palette) -> bool| move |scheme: &crate::scheme::Scheme| matches!(&scheme.weights, WeightScheme::Palette(p) if wanted(p));
    if let Some(set) = lacks(context, Feature::PaletteInt8) {
        for part in parts(context.recipe, Field::Entries, palette(|p| p.int8_entries)) {
            tell(context, &part, Field::Entries, "int8 palette entries", set, report);
        }
    }
    if let Some(set) = lacks(context, Feature::PaletteScaled) {
        for part in parts(context.recipe, Field::Scaled, palette(|p| p.scaled)) {
            tell(context, &part, Field::Scaled, "scales beside a palette", set, report);
        }
    }
}

fn tell(context: &Context, part: &PartUse, field: Field, what: &str, set: &'static OperatorSet, report: &mut Report) {
    let finding = report.add(part.place, format!("{what} need {}", set.systems()));
    finding
        .here("a table joined to scales")
        .upstream("coremltools refuses: `… is only supported since iOS18`")
        .help("raise the target, or leave it away: entries are then fp16, without scales");
    part.label_uses(finding);
    needs_set(finding, context, set);
    let written = context.recipe.text(part.place).to_string();
    part.suggest(context.recipe, finding, format!("leave `{written}` away"), &[(field, "")]);
}
