//! Scales are fp16 or fp32 in Core ML.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::{FloatType, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "scale-bf16",
    severity: Severity::Error,
    title: "scales in bfloat16, which no Core ML operator takes",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
Scales of `constexpr_affine_dequantize` and `constexpr_blockwise_shift_scale` are fp16 or fp32. torchao takes any float
type for `scale_dtype`, bfloat16 included, and coremltools then maps no type to it.

With `target none`, for packed checkpoints that PyTorch loads, bfloat16 scales are fine.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => int4 per-group(32) scale bf16\n",
        "target iOS18\nlinear => int4 per-group(32) scale fp16\n",
    )],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS16/constexpr_ops.py and iOS18/compression.py, scale",
        "torchao: quantization/quant_api.py, IntxWeightOnlyConfig",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let asked = asked(context.recipe, Field::Scale, |_, scheme| match &scheme.weights {
        WeightScheme::Affine(affine) => affine.scale == Some(FloatType::Bf16),
        _ => false,
    });
    for asked in asked {
        let finding = report.add(asked.place, "Core ML has no scales in bfloat16");
        asked.label_uses(finding);
        finding
            .help("`scale fp16` takes the same space; `scale fp32` holds every bfloat16 exactly")
            .upstream("torchao takes bfloat16 scales, and the conversion to Core ML has no type for them")
            .suggest("use fp16 scales", asked.place, "scale fp16")
            .suggest("use fp32 scales", asked.place, "scale fp32");
    }
}
