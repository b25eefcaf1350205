//! PT2E quantizes weights to 8 bits, whatever it is told.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::recipe::Field;
use crate::scheme::{Scheme, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "pt2e-weight-bits",
    severity: Severity::Warning,
    title: "quantized activations with weights that are not 8-bit integers",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
Weights and activations are quantized together by PT2E and its `CoreMLQuantizer`, and there weights become integers of
8 bits. `weight_dtype=\"qint4\"` is accepted, and silently gives 8 bits: the name is mapped to `qint8` and the number of
bits is ignored.

Weights in float are no way out. `weight_dtype=torch.float32` means \"do not annotate\", and then activations stay in
float as well: activations cannot be quantized alone.

So say `int8` together with `activations`, or quantize weights only.
",
    examples: &[
        Example::recipe(
            "target iOS18\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int4 per-channel, activations uint8\n",
            "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
        ),
        Example::recipe(
            "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => fp16, activations uint8\n",
            "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
        ),
    ],
    sources: &["ExecuTorch: backends/apple/coreml/quantizer/_annotation_config.py"],
    check,
};

/// Palettes have a rule of their own, and so have integers that Core ML lacks.
fn is_wrong(scheme: &Scheme) -> bool {
    let wrong = match &scheme.weights {
        WeightScheme::Affine(affine) => affine.bits == 4,
        WeightScheme::Palette(_) => false,
        WeightScheme::Keep | WeightScheme::Float(_) | WeightScheme::Sparse => true,
    };
    wrong && places::is_static(scheme)
}

fn check(context: &Context, report: &mut Report) {
    for asked in asked(context.recipe, Field::Base, |_, scheme| is_wrong(scheme)) {
        let scheme = asked.scheme;
        let four = matches!(scheme.weights, WeightScheme::Affine(_));
        let finding = report.add(
            asked.place,
            if four {
                "PT2E has no 4-bit weights together with quantized activations"
            } else {
                "PT2E quantizes activations only together with the weights"
            },
        );
        finding.label_if(asked.origins.get(Field::Activations), "quantized activations go through PT2E");
        asked.label_uses(finding);
        if four {
            finding.upstream("CoreMLQuantizer accepts `qint4` and silently gives 8 bits");
        } else {
            finding.upstream("CoreMLQuantizer does not annotate what has float weights: activations stay in float too");
        }
        finding.help("`int8` goes with activations; or quantize the weights only");
        // A scheme of pruning or activations alone has no base that could be replaced.
        if let Some(base) = asked.origins.get(Field::Base) {
            finding.suggest("use int8", base, "int8");
            if let Some(activations) = asked.origins.get(Field::Activations) {
                places::offer_without(finding, context.recipe, "leave activations in float", activations);
            }
        }
    }
}
