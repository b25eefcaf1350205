//! PT2E knows scales per tensor and per channel only.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::recipe::Field;
use crate::scheme::{Granularity, Scheme, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "pt2e-granularity",
    severity: Severity::Warning,
    title: "quantized activations with weights in groups or blocks",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
Weights and activations are quantized together by PT2E and its `CoreMLQuantizer`, whose configuration says
`weight_per_channel`, true or false: one scale for each output channel, or one for the whole weight. Groups and blocks
cannot be said there. Activations always have one scale for the whole tensor.

Groups are for weight-only schemes, through torchao's `quantize_` or `coremltools.optimize`.
",
    examples: &[Example::recipe(
        "target iOS18\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-group(32), activations uint8\n",
        "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
    )],
    sources: &["coremltools: optimize/torch/quantization/quantization_config.py, weight_per_channel"],
    check,
};

fn is_wrong(scheme: &Scheme) -> bool {
    let WeightScheme::Affine(affine) = &scheme.weights else { return false };
    let grouped = matches!(
        affine.granularity,
        Granularity::PerGroup(_) | Granularity::PerGroupedChannel(_) | Granularity::Block(_)
    );
    grouped && places::is_static(scheme)
}

fn check(context: &Context, report: &mut Report) {
    for asked in asked(context.recipe, Field::Granularity, |_, scheme| is_wrong(scheme)) {
        let written = context.recipe.text(asked.place);
        let finding =
            report.add(asked.place, format!("PT2E has no weights `{written}` together with quantized activations"));
        finding.label_if(asked.origins.get(Field::Activations), "quantized activations go through PT2E");
        asked.label_uses(finding);
        finding
            .help("`per-channel` goes with activations; groups are for weights only")
            .upstream("CoreMLQuantizer's configuration knows `weight_per_channel`, and nothing of groups")
            .suggest("use per-channel", asked.place, "per-channel");
    }
}
