//! Integers of 4 bits came with iOS18.

use crate::check::schemes::{affine_parts, lacks};
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::Feature;
use crate::recipe::Field;
use crate::scheme::Granularity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "affine-4bit-target",
    severity: Severity::Error,
    title: "4-bit integers for a system that has none",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
Weights of 4-bit integers need `constexpr_blockwise_shift_scale`, which came with iOS18, macOS15, watchOS11 and tvOS18.
That holds for every granularity, one scale per channel included: the older `constexpr_affine_dequantize` takes 8 bits
only.

coremltools refuses with `The 4-bit quantization is supported since iOS18`.

For older systems `lut4` has the same number of bits, with one table per tensor, and runs better on the Neural Engine;
`int8 per-channel` keeps more precision in twice the space.
",
    examples: &[
        Example::recipe("target iOS16\nlinear => int4 per-channel\n", "target iOS18\nlinear => int4 per-channel\n"),
        Example::recipe(
            "target macOS13, iOS18\nscheme w4 = int4 per-group(32) symmetric\nembedding => w4\nlinear => w4\n",
            "target macOS15, iOS18\nscheme w4 = int4 per-group(32) symmetric\nembedding => w4\nlinear => w4\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS18/compression.py, constexpr_blockwise_shift_scale",
        "coremltools: docs-guides/source/opt-whats-new.md",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(set) = lacks(context, Feature::Int4) else { return };
    // Of integers with one scale for many output channels another rule speaks first.
    let is_wanted =
        |bits, granularity: &Granularity| bits == 4 && !matches!(granularity, Granularity::PerGroupedChannel(_));
    for (part, affine) in affine_parts(context.recipe, Field::Base, |a| is_wanted(a.bits, &a.granularity)) {
        let sign = if affine.signed { "" } else { "u" };
        let finding = report.add(part.place, format!("4-bit integers need {}", set.systems()));
        finding
            .here("4-bit integers")
            .upstream("coremltools refuses: `The 4-bit quantization is supported since iOS18`")
            .help(format!("raise the target, or use `{sign}int8 per-channel` or `lut4`, which older systems have"));
        part.label_uses(finding);
        needs_set(finding, context, set);
        let granularity = match affine.granularity {
            Granularity::PerTensor | Granularity::PerChannel(_) => Vec::new(),
            _ => vec![(Field::Granularity, "per-channel")],
        };
        let base = format!("{sign}int8");
        let mut wide = vec![(Field::Base, base.as_str())];
        wide.extend(granularity);
        part.suggest(context.recipe, finding, format!("use {base} with a scale per channel"), &wide);
        let palette = part.edits_to_palette(context.recipe, 4);
        finding.fix_with("use lut4 with one table per tensor", false, palette);
    }
}
