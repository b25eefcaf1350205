//! Core ML has no dynamic quantization of activations.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Edit, Example, Needs, Report, Rule, Severity, places, words};
use crate::recipe::{Field, TargetChoice};
use crate::scheme::ActivationScheme;

/// The rule.
pub const RULE: Rule = Rule {
    code: "dynamic-activations",
    severity: Severity::Error,
    title: "activations quantized with scales found at run time",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
Core ML's `quantize` takes a scale that is fixed when the model is written. Scales computed from the values at run time,
as in torchao's `Int8DynamicActivationIntxWeightConfig`, cannot be said at all, on any target.

The static form, `activations uint8`, has scales that calibration finds from representative samples; it needs iOS 17,
macOS 14, watchOS 10 or tvOS 17. Where there are no samples, quantize the weights only.
",
    examples: &[
        Example::recipe(
            "target iOS17\nlinear => int8 per-channel, activations dynamic\n",
            "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
        ),
        Example::recipe(
            "target iOS17\nscheme dyn = int8 per-channel, activations dynamic\nlinear => dyn\nconv => dyn\n",
            "target iOS16\nscheme w8 = int8 per-channel\nlinear => w8\nconv => w8\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS17/quantization_ops.py, quantize",
        "torchao: quantization/quant_api.py, Int8DynamicActivationIntxWeightConfig",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let dynamic = asked(recipe, Field::Activations, |_, scheme| scheme.activations == Some(ActivationScheme::Dynamic));
    for asked in dynamic {
        let finding = report.add(asked.place, "Core ML cannot quantize activations dynamically");
        asked.label_uses(finding);
        finding
            .here("scales would have to be found at run time")
            .help("give samples and use `activations uint8`, or quantize the weights only")
            .upstream("torchao quantizes so, and no lowering to Core ML takes it");
        let mut edits = vec![Edit { place: asked.place, text: "activations uint8".into() }];
        let target = recipe.target.as_ref().and_then(TargetChoice::place);
        if recipe.calibrate.is_none()
            && let Some(target) = target
        {
            edits.push(words::insert_after(recipe, target, "calibrate \"calibration.safetensors\" { samples 128 }"));
        }
        finding.fix_with("quantize statically, with calibration", false, edits);
        places::offer_without(finding, recipe, "quantize the weights only", asked.place);
    }
}
