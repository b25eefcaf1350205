//! int8 entries of one table, without quantized activations.

use super::lut_entries_small::is_small;
use crate::check::schemes::{lacks, palette_parts};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::Feature;
use crate::recipe::Field;
use crate::scheme::Granularity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-entries-activations",
    severity: Severity::Hint,
    title: "int8 entries of one table, without quantized activations",
    binds: Binds::Hardware,
    needs: Needs::Recipe,
    page: "
int8 entries pay off together with int8 activations: newer processors (A17 Pro, M4) then compute with the entries as they
are. Without them the entries are scaled back to fp16, and all that is left is a smaller table. One table for a whole
weight takes 512 bytes at most: there is next to nothing to gain, and precision to lose.

Of palettes with many tables nothing is said: there the tables may be a good part of the file. It is advice as of iOS18
and macOS15.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => lut6 entries int8\n",
        "target iOS18\nlinear => lut6\n",
    )],
    sources: &["coremltools: docs-guides/source/opt-joint-compression.md:29-34"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    // A system that cannot have them at all is told about by `lut-joint-target`.
    if lacks(context, Feature::PaletteInt8).is_some() {
        return;
    }
    let is_one = |granularity: &Granularity| granularity.plain() == Granularity::PerTensor;
    let wanted =
        palette_parts(context.recipe, Field::Entries, |p| p.int8_entries && is_one(&p.granularity) && !is_small(p));
    // Three steps of compression are told by `joint-three-steps`.
    for (part, _) in wanted.into_iter().filter(|(p, _)| p.scheme.activations.is_none() && p.scheme.sparse.is_none()) {
        let finding = report.add(part.place, "int8 entries of one table gain nothing without quantized activations");
        finding
            .label_if(part.origins.get(Field::Base), "one table for a whole weight")
            .help("leave `entries int8` away");
        part.label_uses(finding);
        part.suggest(context.recipe, finding, "leave `entries int8` away", &[(Field::Entries, "")]);
    }
}
