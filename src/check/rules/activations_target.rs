//! Quantized activations begin with iOS 17.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, needs, places, programs, words};
use crate::coreml::feature::Feature;
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "activations-target",
    severity: Severity::Error,
    title: "quantized activations on a target that does not have them",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
Activations are quantized by the operators `quantize` and `dequantize`, which begin with CoreML7: iOS 17, macOS 14,
watchOS 10 and tvOS 17.

On iOS 16 only weights can be quantized. `coremltools.optimize.coreml.linear_quantize_activations` raises the target of
a package to iOS 17 without saying so; ExecuTorch's PT2E recipes refuse anything below iOS 17.
",
    examples: &[Example::recipe(
        "target iOS16\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
        "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
    )],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS17/quantization_ops.py",
        "coremltools: optimize/coreml/_post_training_quantization.py, where the target is raised",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    // Of a package they cannot be quantized for any target: `activations-need-export`.
    if programs::facts(context).is_some() {
        return;
    }
    let asked = asked(recipe, Field::Activations, |rule, scheme| {
        places::is_static(scheme) && needs::lacks(context, rule, Feature::Activations).is_some()
    });
    for asked in asked {
        let set = Feature::Activations.set();
        let finding = report.add(asked.place, format!("quantized activations need {}", words::ios(set)));
        asked.label_uses(finding);
        finding
            .help(format!("raise the target ({}), or quantize the weights only", set.systems()))
            .upstream("coremltools raises the target to iOS17 without saying so");
        words::needs_set(finding, context, set);
        places::offer_without(finding, recipe, "quantize the weights only", asked.place);
    }
}
