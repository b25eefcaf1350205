//! Weight files beyond what the Neural Engine loads.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};

/// The rule.
pub const RULE: Rule = Rule {
    code: "model-over-2gib",
    severity: Severity::Warning,
    title: "more than 2 GiB of weights with the Neural Engine",
    binds: Binds::Hardware,
    needs: Needs::Model,
    page: "
The Neural Engine is reported to refuse weight files of more than 2 147 483 648 bytes. `predict` failed above that size
in older versions, and wrong results are reported for very large files.

What counts is the size after quantization. Use fewer bits, or split the model into several packages. If the Neural
Engine is not meant, say so with `compute cpu-and-gpu`; without a word on `compute` it is a hint.
",
    examples: &[Example::with_model(
        "layers.{0..31}.mlp.up_proj.weight  linear  8192x8192  fp16\n",
        "target iOS16\nlinear => int8 per-channel\n",
        "target iOS18\nlinear => int4 per-channel\n",
    )],
    sources: &["apple/coremltools PR #2593", "apple/coremltools#1807", "apple/coremltools#2554"],
    check,
};

const MOST: u64 = 1 << 31;

fn check(context: &Context, report: &mut Report) {
    let Some((_, plan)) = context.model else { return };
    let recipe = context.recipe;
    let Some((place, severity)) = places::neural_engine(context) else { return };
    let after = plan.decisions.iter().fold(0u64, |sum, decision| sum.saturating_add(decision.after));
    if after <= MOST {
        return;
    }
    let message = format!(
        "{:.1} GiB of weights after quantization: the Neural Engine is reported to refuse more than 2",
        after as f64 / (1u64 << 30) as f64
    );
    let finding = report.add_as(severity, place, message);
    finding
        .upstream("Core ML reports it when the model is loaded on the device")
        .help("use fewer bits, split the model, or leave the Neural Engine out: `compute cpu-and-gpu`");
    if let Some(compute) = recipe.compute {
        finding.suggest("use cpu-and-gpu", compute.place, "compute cpu-and-gpu");
    }
}
