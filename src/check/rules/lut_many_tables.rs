//! Many small tables slow a palette down.

use crate::check::schemes::palette_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::{Granularity, Scheme, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-many-tables",
    severity: Severity::Hint,
    title: "a table for fewer than eight channels",
    binds: Binds::Hardware,
    needs: Needs::Recipe,
    page: "
The more tables a weight has, the slower it is decompressed. Apple's guide says of groups of 8 or 16 channels that they
usually keep what palettes gain in speed; below that the gain shrinks, and the tables themselves take space.

It is advice as of iOS18 and macOS15: measure on the device. Use `per-grouped-channel(8)` or `per-grouped-channel(16)`.
",
    examples: &[
        Example::recipe(
            "target iOS18\nlinear => lut4 per-grouped-channel(2)\n",
            "target iOS18\nlinear => lut4 per-grouped-channel(16)\n",
        ),
        Example::recipe("target iOS18\nlinear => lut4 block[-1, 4]\n", "target iOS18\nlinear => lut4 block[-1, 16]\n"),
    ],
    sources: &["coremltools: docs-guides/source/opt-palettization-perf.md:9-10"],
    check,
};

/// Channels of a table from which the gain is usually kept.
const FEW: std::ops::Range<usize> = 1..8;

fn is_small(granularity: &Granularity) -> bool {
    match granularity {
        Granularity::PerGroupedChannel(size) => FEW.contains(size),
        Granularity::PerChannel(_) => true,
        Granularity::Block(extents) => extents.iter().flatten().any(|extent| FEW.contains(extent)),
        _ => false,
    }
}

/// Whether it is a palette with a table for every few channels.
pub(super) fn has_many_tables(scheme: &Scheme) -> bool {
    matches!(&scheme.weights, WeightScheme::Palette(palette) if is_small(&palette.granularity))
}

/// The same with so many channels to a table.
fn widened(granularity: &Granularity, size: usize) -> String {
    match granularity {
        Granularity::Block(extents) => {
            let widen = |extent: &Option<usize>| extent.map(|n| if FEW.contains(&n) { size } else { n });
            Granularity::Block(extents.iter().map(widen).collect()).to_string()
        }
        _ => format!("per-grouped-channel({size})"),
    }
}

fn check(context: &Context, report: &mut Report) {
    for (part, palette) in palette_parts(context.recipe, Field::Granularity, |p| is_small(&p.granularity)) {
        let finding =
            report.add(part.place, format!("`{}` makes many small tables, which are slow", palette.granularity));
        finding
            .here("a table for each few channels")
            .help("groups of 8 or 16 channels usually keep the gain in speed; measure on the device");
        part.label_uses(finding);
        for size in [8, 16] {
            let granularity = widened(&palette.granularity, size);
            part.suggest(context.recipe, finding, format!("use {granularity}"), &[(Field::Granularity, &granularity)]);
        }
    }
}
