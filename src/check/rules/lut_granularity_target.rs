//! More than one table came with iOS18.

use crate::check::schemes::{lacks, palette_parts};
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::Feature;
use crate::recipe::Field;
use crate::scheme::Granularity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-granularity-target",
    severity: Severity::Error,
    title: "several tables for one weight on a system that takes one",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
The `constexpr_lut_to_dense` of iOS16 has one table for the whole weight, a plain vector. Tables per group of channels
or per block came with the operator of iOS18, macOS15, watchOS11 and tvOS18.

coremltools refuses with `The pre-iOS18 palettization only supports per-tensor lut`.

For older systems use one table, `per-tensor`, perhaps with more bits.
",
    examples: &[Example::recipe(
        "target iOS17\nlinear => lut4 per-grouped-channel(16)\n",
        "target iOS18\nlinear => lut4 per-grouped-channel(16)\n",
    )],
    sources: &["coremltools: converters/mil/mil/ops/defs/iOS16/constexpr_ops.py:176-259"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(set) = lacks(context, Feature::PaletteGroups) else { return };
    // Of `per-group` with palettes another rule speaks.
    let has_many = |granularity: &Granularity| match granularity {
        Granularity::PerTensor | Granularity::PerGroup(_) => false,
        Granularity::PerChannel(_) | Granularity::PerGroupedChannel(_) => true,
        Granularity::Block(extents) => extents.iter().any(Option::is_some),
    };
    for (part, palette) in palette_parts(context.recipe, Field::Granularity, |p| has_many(&p.granularity)) {
        let message = format!("`{}` needs {}: older systems take one table", palette.granularity, set.systems());
        let finding = report.add(part.place, message);
        finding
            .here("several tables")
            .upstream("coremltools refuses: `The pre-iOS18 palettization only supports per-tensor lut`")
            .help("raise the target, or use `per-tensor`");
        part.label_uses(finding);
        needs_set(finding, context, set);
        part.suggest(context.recipe, finding, "use one table", &[(Field::Granularity, "per-tensor")]);
    }
}
