//! Activations are unsigned integers of 8 bits, or floats.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::ActivationScheme;

/// The rule.
pub const RULE: Rule = Rule {
    code: "activations-dtype",
    severity: Severity::Error,
    title: "activations of a type that cannot be exported",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
Core ML's `quantize` knows int8 and uint8: there are no activations of 4 or 16 bits.

Of the two, ExecuTorch's `CoreMLQuantizer` takes `torch.quint8` only (or `torch.float32`, which leaves activations
alone) and refuses `torch.qint8`. Nothing is lost by that: a zero point of 128 is rewritten to int8 without a zero
point when the model is lowered, and outputs of relu stay unsigned, which suits them better. So `int8` is a warning,
and every other type an error.
",
    examples: &[
        Example::recipe(
            "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations int8\n",
            "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
        ),
        Example::recipe(
            "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint4\n",
            "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS17/quantization_ops.py",
        "coremltools: optimize/torch/quantization/quantization_config.py, activation_dtype",
        "pytorch/executorch#7587 (closed)",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let wrong = asked(
        context.recipe,
        Field::Activations,
        |_, scheme| matches!(scheme.activations, Some(ActivationScheme::Static { signed, bits, .. }) if signed || bits != 8),
    );
    for asked in wrong {
        let Some(ActivationScheme::Static { signed, bits, mapping }) = asked.scheme.activations else { continue };
        let mapping = mapping.map_or(String::new(), |mapping| format!(" {mapping}"));
        let unsigned = format!("activations uint8{mapping}");
        if bits == 8 {
            let finding = report.add_as(Severity::Warning, asked.place, "ExecuTorch refuses activations of type int8");
            asked.label_uses(finding);
            finding
                .help("`uint8` says the same: lowering turns it into int8 where that is equal")
                .upstream("CoreMLQuantizer takes `torch.quint8` or `torch.float32` only, and refuses `torch.qint8`")
                .fix("use uint8", asked.place, unsigned);
        } else {
            let sign = if signed { "" } else { "u" };
            let finding = report.add(asked.place, format!("Core ML has no activations of type {sign}int{bits}"));
            asked.label_uses(finding);
            finding.help("activations have 8 bits: `activations uint8`").suggest("use uint8", asked.place, unsigned);
        }
    }
}
