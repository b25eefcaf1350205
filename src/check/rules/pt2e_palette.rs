//! PT2E knows no palettes.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::recipe::Field;
use crate::scheme::WeightScheme;

/// The rule.
pub const RULE: Rule = Rule {
    code: "pt2e-palette",
    severity: Severity::Warning,
    title: "quantized activations with palettized weights",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
Weights and activations are quantized together by PT2E and its `CoreMLQuantizer`, and it knows integers only: palettes
do not come out of it.

Core ML has both in one model, and palettes with int8 entries use the fast int8 path of the A17 Pro and the M4. Upstream,
the way there is coremltools: `palettize_weights`, then `linear_quantize_activations`, which must run on a Mac.
",
    examples: &[Example::recipe(
        "target iOS18\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => lut4 per-grouped-channel(16), activations uint8\n",
        "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
    )],
    sources: &[
        "ExecuTorch: backends/apple/coreml/quantizer/_annotation_config.py",
        "coremltools: docs-guides/source/opt-joint-compression.md",
        "coremltools: optimize/coreml/_post_training_quantization.py, linear_quantize_activations",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let palettes = asked(context.recipe, Field::Base, |_, scheme| {
        matches!(scheme.weights, WeightScheme::Palette(_)) && places::is_static(scheme)
    });
    for asked in palettes {
        let activations = asked.origins.get(Field::Activations);
        let finding = report.add(asked.place, "PT2E has no palettes together with quantized activations");
        finding.label_if(activations, "quantized activations go through PT2E");
        asked.label_uses(finding);
        finding
            .help("`int8 per-channel` goes with activations; or keep the palette and leave activations in float")
            .upstream("ExecuTorch's CoreMLQuantizer knows integers only; coremltools can do both, on a Mac");
        if let Some(activations) = activations {
            places::offer_without(finding, context.recipe, "leave activations in float", activations);
        }
    }
}
