//! Groups of output channels are for tables, not for scales.

use crate::check::schemes::affine_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::Granularity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "affine-granularity",
    severity: Severity::Error,
    title: "integers with one scale for several output channels",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`per-grouped-channel(16)` gives sixteen output channels one table; it is a granularity of palettes. Integers have a
scale per tensor, per channel, or per group of input channels within one output channel.

coremltools refuses it: `OpLinearQuantizerConfig` knows `per_tensor`, `per_channel` and `per_block`. torchao has no word
for it either.

`per-channel` is more exact at hardly any cost, since a scale takes two bytes where a table takes many. If a scale for
sixteen whole rows is really meant, `block[16, -1]` says so.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => int4 per-grouped-channel(16)\n",
        "target iOS18\nlinear => int4 per-channel\n",
    )],
    sources: &["coremltools: optimize/coreml/_config.py, OpLinearQuantizerConfig.granularity"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let is_grouped = |granularity: &Granularity| matches!(granularity, Granularity::PerGroupedChannel(_));
    for (part, affine) in affine_parts(context.recipe, Field::Granularity, |a| is_grouped(&a.granularity)) {
        let Granularity::PerGroupedChannel(size) = affine.granularity else { continue };
        let message =
            format!("`per-grouped-channel({size})` is for palettes: integers have a scale per channel or per group");
        let finding = report.add(part.place, message);
        finding
            .here(format!("one scale for {size} output channels"))
            .upstream("coremltools refuses: linear quantization knows per_tensor, per_channel and per_block")
            .help(format!("use `per-channel`, or `per-group({size})` for groups of input channels"));
        part.label_uses(finding);
        for granularity in ["per-channel".to_string(), format!("per-group({size})"), format!("block[{size}, -1]")] {
            part.suggest(context.recipe, finding, format!("use {granularity}"), &[(Field::Granularity, &granularity)]);
        }
    }
}
