//! Computed values beyond what the Neural Engine takes.

use super::weight_over_16384::is_too_long;
use crate::check::words::count;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, programs};
use crate::model::program::LONGEST;

/// The rule.
pub const RULE: Rule = Rule {
    code: "activation-over-16384",
    severity: Severity::Warning,
    title: "a computed value with a dimension above 16384, with the Neural Engine",
    binds: Binds::Hardware,
    needs: Needs::Model,
    page: "
Operations on tensors with a dimension above 16384 are reported to leave the Neural Engine: they run on the CPU or the GPU, and
the data moves there and back. A long sequence that was flattened is the usual one. Where a weight has such a dimension,
`weight-over-16384` tells it, and what comes of that weight is not told again.

It is a report, not a document. Reshape the tensor in the model, or say `compute cpu-and-gpu`.
",
    examples: &[Example::with_model(
        "program CoreML6\nlong flatten 65536\nfc.weight  linear  64x64  fp16\n",
        "compute cpu-and-ne\nlinear => int8 per-channel\n",
        "compute cpu-and-gpu\nlinear => int8 per-channel\n",
    )],
    sources: &["apple/coremltools#283", "apple/coremltools#1003", "microsoft/onnxruntime#19543"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let (Some((model, _)), Some(facts)) = (context.model, programs::facts(context)) else { return };
    let Some(place) = places::asks_neural_engine(context) else { return };
    if (0..model.weights.len()).any(|index| is_too_long(model, index)) {
        return;
    }
    let Some((operation, length)) = facts.long.iter().max_by_key(|(_, length)| *length) else { return };
    let message = match facts.long.len() {
        1 => format!("`{operation}` gives a dimension of {length}, and the Neural Engine takes at most {LONGEST}"),
        n => format!(
            "{} give dimensions above {LONGEST}, which the Neural Engine does not take, such as `{operation}` with {length}",
            count(n, "operation")
        ),
    };
    report
        .add(place, message)
        .here("with the Neural Engine")
        .upstream("Core ML runs such operations on the CPU or the GPU without a word")
        .help("reshape the tensor in the model, or allow the GPU instead; measure on the device")
        .suggest("use cpu-and-gpu", place, "compute cpu-and-gpu");
}
