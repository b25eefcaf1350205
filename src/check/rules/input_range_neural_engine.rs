//! Inputs of any shape keep a model off the Neural Engine.

use crate::check::words::list;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, programs};
use crate::model::program::Shapes;

/// The rule.
pub const RULE: Rule = Rule {
    code: "input-range-neural-engine",
    severity: Severity::Hint,
    title: "an input whose shape varies within a range, with the Neural Engine",
    binds: Binds::Hardware,
    needs: Needs::Model,
    page: "
A model whose inputs have ranges of shapes runs on the CPU or the GPU. With enumerated shapes, at most 128 of them, it can run
on the Neural Engine. From iOS 17.4 on an app may set `reshapeFrequency` to `.infrequent`, and then ranges are possible too.

Shapes are settled when the model is converted. If the Neural Engine is not meant, say so: `compute cpu-and-gpu`.
",
    examples: &[Example::with_model(
        "program CoreML6\ninput tokens int32 range\noutput logits fp16\nfc.weight  linear  64x64  fp16\n",
        "compute cpu-and-ne\nlinear => int8 per-channel\n",
        "compute cpu-and-gpu\nlinear => int8 per-channel\n",
    )],
    sources: &[
        "coremltools: docs-guides/source/flexible-inputs.md",
        "ExecuTorch: docs/source/backends/coreml/coreml-partitioner.md",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let (Some(facts), Some(place)) = (programs::facts(context), places::asks_neural_engine(context)) else { return };
    let ranges = facts.inputs.iter().filter(|input| input.shapes == Shapes::Range);
    let names: Vec<&str> = ranges.map(|input| input.name.as_str()).collect();
    if names.is_empty() {
        return;
    }
    let has = if names.len() == 1 { "input" } else { "inputs" };
    let message = format!("{has} {} of any shape within a range: the Neural Engine is not used", list(&names, 2));
    report
        .add(place, message)
        .here("with the Neural Engine")
        .help("convert the model with a fixed shape or with enumerated ones, or say `compute cpu-and-gpu`")
        .suggest("use cpu-and-gpu", place, "compute cpu-and-gpu");
}
