//! Pruning, a palette and int8 entries at once.

use crate::check::schemes::{lacks, palette_parts};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::coreml::feature::Feature;
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "joint-three-steps",
    severity: Severity::Hint,
    title: "pruning, a palette and int8 entries at once, of which coremltools joins two",
    binds: Binds::Coremltools,
    needs: Needs::Recipe,
    page: "
Core ML's operators of iOS18 feed one another: a palette of a pruned weight, a table of integers with a scale. bitmill
writes all three steps together. coremltools joins two of them, each as a call of its own with `joint_compression=True`,
and has no way to a third.

Leave one of them away where a recipe is meant to be compared with coremltools.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => lut6 per-grouped-channel(16) entries int8 sparse 75%\n",
        "target iOS18\nlinear => lut6 per-grouped-channel(16) sparse 75%\n",
    )],
    sources: &["coremltools: optimize/coreml/_quantization_passes.py:267-278, 632-658, 1220-1248"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    // A system that cannot have them at all is told about by `lut-joint-target`, vectors by `sparse-vector`.
    if lacks(context, Feature::PaletteInt8).is_some() {
        return;
    }
    let all = palette_parts(context.recipe, Field::Entries, |p| p.int8_entries && p.vector == 1);
    for (part, _) in all {
        let (Some(_), sparse) = (part.scheme.sparse, part.origins.get(Field::Sparse)) else { continue };
        let finding = report.add(part.place, "coremltools joins two steps of compression, and these are three");
        finding
            .label_if(part.origins.get(Field::Base), "a palette")
            .label_if(sparse, "pruned")
            .upstream("`joint_compression=True` takes a second step, and no third")
            .help("bitmill writes it all the same; for coremltools leave one of them away");
        part.label_uses(finding);
        part.suggest(context.recipe, finding, "leave `entries int8` away", &[(Field::Entries, "")]);
        if let Some(sparse) = sparse {
            places::offer_without(finding, context.recipe, "do not prune", sparse);
        }
    }
}
