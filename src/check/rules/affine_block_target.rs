//! Scales per group and block came with iOS18, for 8 bits too.

use crate::check::schemes::{affine_parts, lacks};
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::Feature;
use crate::recipe::Field;
use crate::scheme::Granularity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "affine-block-target",
    severity: Severity::Error,
    title: "scales per group or block for a system that has none",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
Before iOS18 a quantized weight has one scale, or one for each channel of one axis: `constexpr_affine_dequantize` takes
a scalar or a vector. Groups and blocks need `constexpr_blockwise_shift_scale`, which came with iOS18, macOS15,
watchOS11 and tvOS18. The width does not matter: `int8 per-group(32)` needs it as well.

coremltools refuses with `The more fine-grained quantization (such as blockwise) is only supported since iOS18`.

For older systems use `per-channel`. Of 4-bit integers, which need iOS18 in any case, `affine-4bit-target` speaks.
",
    examples: &[Example::recipe(
        "target iOS17\nlinear => int8 per-group(32)\n",
        "target iOS18\nlinear => int8 per-group(32)\n",
    )],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS16/constexpr_ops.py, constexpr_affine_dequantize",
        "pytorch/executorch#13122, cited in backends/apple/coreml/recipes/coreml_recipe_provider.py",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(set) = lacks(context, Feature::Blocks) else { return };
    let is_block =
        |granularity: &Granularity| matches!(granularity.plain(), Granularity::PerGroup(_) | Granularity::Block(_));
    for (part, affine) in affine_parts(context.recipe, Field::Granularity, |a| a.bits == 8 && is_block(&a.granularity))
    {
        let written = &affine.granularity;
        let finding = report.add(part.place, format!("`{written}` needs {}, with 8 bits too", set.systems()));
        finding
            .here("more than one scale along a channel")
            .upstream("coremltools refuses: `The more fine-grained quantization (such as blockwise) is only supported since iOS18`")
            .help("raise the target, or use `per-channel`");
        part.label_uses(finding);
        needs_set(finding, context, set);
        part.suggest(context.recipe, finding, "use per-channel", &[(Field::Granularity, "per-channel")]);
    }
}
