//! Groups of input channels are for scales, not for tables.

use crate::check::schemes::palette_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::Granularity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-granularity",
    severity: Severity::Error,
    title: "palettes with a table for each group of input channels",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`per-group(32)` gives 32 neighbours along the input channels a scale of their own, within one output channel. For a
table that is far too little: sixteen fp16 entries for 32 elements take 8 bits an element.

Palettes are grouped by whole channels: `per-grouped-channel(32)` gives 32 output channels one table, `block[-1, 32]`
32 input channels. coremltools' `OpPalettizerConfig` knows `per_tensor` and `per_grouped_channel` only; torchao's
`block_size` must cover one of the two axes.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => lut4 per-group(32)\n",
        "target iOS18\nlinear => lut4 per-grouped-channel(32)\n",
    )],
    sources: &[
        "coremltools: optimize/coreml/_config.py:574-779",
        "torchao: prototype/quantization/codebook_coreml/codebook_ops.py:126-152",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let is_group = |granularity: &Granularity| matches!(granularity, Granularity::PerGroup(_));
    for (part, palette) in palette_parts(context.recipe, Field::Granularity, |p| is_group(&p.granularity)) {
        let Granularity::PerGroup(size) = palette.granularity else { continue };
        let message = format!("`per-group({size})` is for integers: palettes have tables for whole channels");
        let finding = report.add(part.place, message);
        finding
            .here(format!("a table of {} entries for {size} elements", 1u32 << palette.bits))
            .upstream("coremltools knows per_tensor and per_grouped_channel for palettes, torchao blocks of whole rows or columns")
            .help(format!("use `per-grouped-channel({size})` for output channels or `block[-1, {size}]` for input channels"));
        part.label_uses(finding);
        for granularity in [format!("per-grouped-channel({size})"), format!("block[-1, {size}]")] {
            part.suggest(context.recipe, finding, format!("use {granularity}"), &[(Field::Granularity, &granularity)]);
        }
    }
}
