//! Blocks of palettes that torchao and coremltools refuse.

use crate::check::schemes::palette_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::Granularity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-block-torchao",
    severity: Severity::Hint,
    title: "palette blocks that torchao and coremltools do not take",
    binds: Binds::Torchao,
    needs: Needs::Recipe,
    page: "
Core ML's `constexpr_lut_to_dense` can hold tables on several axes at once, and bitmill writes them. torchao's
`CodebookWeightOnlyConfig` cannot: its `block_size` has exactly two entries, of which at least one covers its whole axis.
`block[16, -1]` is sixteen rows, `block[-1, 16]` sixteen columns; `block[8, 16]` stops it with a bare AssertionError.

coremltools refuses several axes too: `General block-wise palettization is not supported`.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => lut4 block[16, 32]\n",
        "target iOS18\nlinear => lut4 block[16, -1]\n",
    )],
    sources: &["torchao: prototype/quantization/codebook_coreml/codebook_ops.py:126-152"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let is_refused = |granularity: &Granularity| match granularity {
        Granularity::Block(extents) => extents.len() != 2 || extents.iter().all(Option::is_some),
        _ => false,
    };
    for (part, palette) in palette_parts(context.recipe, Field::Granularity, |p| is_refused(&p.granularity)) {
        let Granularity::Block(extents) = &palette.granularity else { continue };
        let why = match extents.len() {
            2 => "one of the two must be -1",
            _ => "it takes two extents only",
        };
        let finding = report.add(part.place, format!("torchao has no tables for `{}`: {why}", palette.granularity));
        finding
            .upstream("`CodebookWeightOnlyConfig` stops with an AssertionError without a text; coremltools refuses as well")
            .help("bitmill and Core ML take it; for an export use `block[16, -1]` or `block[-1, 16]`");
        part.label_uses(finding);
        if let [Some(rows), Some(columns)] = extents[..] {
            for granularity in [format!("block[{rows}, -1]"), format!("block[-1, {columns}]")] {
                let title = format!("use {granularity}");
                part.suggest(context.recipe, finding, title, &[(Field::Granularity, &granularity)]);
            }
        }
    }
}
