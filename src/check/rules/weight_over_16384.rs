//! Dimensions beyond what the Neural Engine takes.

use crate::check::schemes::weights_named;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, programs};
use crate::kind::Kind;
use crate::model::program::LONGEST;
use crate::model::{Model, Role};

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-over-16384",
    severity: Severity::Warning,
    title: "a dimension above 16384 with the Neural Engine",
    binds: Binds::Hardware,
    needs: Needs::Model,
    page: "
Layers with a dimension above 16384 are reported to leave the Neural Engine: they run on the CPU or the GPU, and the
data moves there and back. The output layer of a language model is the usual one, with one row for each token of its
vocabulary. ONNX Runtime refuses such layers for Core ML altogether.

It is a report, not a document; nothing in the file is wrong. Splitting the layer into several of at most 16384 rows is
the known remedy. If the model may run elsewhere, say so: `compute cpu-and-gpu`. Without a word on `compute` it is a hint.
",
    examples: &[
        Example::with_model(
            "lm_head.weight  linear  32000x64  fp16\n",
            "target iOS16\ncompute cpu-and-ne\nlinear => int8 per-channel\n",
            "target iOS16\ncompute cpu-and-gpu\nlinear => int8 per-channel\n",
        ),
        Example::with_model(
            "program CoreML6\nembed.weight  embedding  20000x64  fp16  also=linear\n",
            "compute cpu-and-ne\nembedding => int8 per-channel\n",
            "compute cpu-and-gpu\nembedding => int8 per-channel\n",
        ),
    ],
    sources: &["apple/coremltools#283", "apple/coremltools#1003", "microsoft/onnxruntime#19543"],
    check,
};

/// Whether the Neural Engine does not take a weight of a model because of its dimensions.
pub(super) fn is_too_long(model: &Model, index: usize) -> bool {
    let Some(weight) = model.weights.get(index) else { return false };
    // The look-up of an embedding is not the Neural Engine's business, unless a layer shares the table.
    let is_shared = !weight.tied.is_empty() || programs::uses(model, index).is_some_and(|uses| uses.kinds.len() > 1);
    let is_looked_up = weight.kind == Kind::Embedding && !is_shared;
    let is_long = |length: &usize| *length as u64 > LONGEST;
    weight.role == Role::Weight && weight.shape.len() >= 2 && !is_looked_up && weight.shape.iter().any(is_long)
}

fn check(context: &Context, report: &mut Report) {
    let Some((model, _)) = context.model else { return };
    if model.census().longest as u64 <= LONGEST {
        return;
    }
    let Some((place, severity)) = places::neural_engine(context) else { return };
    let indices = (0..model.weights.len()).filter(|&index| is_too_long(model, index));
    let names: Vec<&str> = indices.map(|index| model.weights[index].name.as_str()).collect();
    if names.is_empty() {
        return;
    }
    let has = if names.len() == 1 { "has" } else { "have" };
    let message =
        format!("{} {has} a dimension above {LONGEST}, which the Neural Engine does not take", weights_named(&names));
    let finding = report.add_as(severity, place, message);
    finding
        .here("with the Neural Engine")
        .upstream("Core ML runs such layers on the CPU or the GPU without a word")
        .help("split the layer in the model, or allow the GPU instead; measure on the device")
        .weights(names);
    if let Some(compute) = context.recipe.compute {
        finding.suggest("use cpu-and-gpu", compute.place, "compute cpu-and-gpu");
    }
}
