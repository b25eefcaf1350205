//! Inputs of any shape keep a model off the Neural Engine.

use crate::check::words::list;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, programs};
use crate::graph::aten::Dim;
use crate::graph::aten::shapes::{Settled, Takes};
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

Shapes are settled when the model is converted: for an export of PyTorch, `shapes` chooses them. If the Neural Engine is not
meant, say so: `compute cpu-and-gpu`.
",
    examples: &[
        Example::with_model(
            "program CoreML6\ninput tokens int32 range\noutput logits fp16\nfc.weight  linear  64x64  fp16\n",
            "compute cpu-and-ne\nlinear => int8 per-channel\n",
            "compute cpu-and-gpu\nlinear => int8 per-channel\n",
        ),
        Example::with_model(
            "export\ninput tokens 1xn\nrange n 1 128\nfc.weight  linear  64x64  fp32\n",
            "target iOS17\ncompute cpu-and-ne\nlinear => int8 per-channel\n",
            "target iOS17\ncompute cpu-and-ne\nshapes { tokens [[1, 64], [1, 128]] }\nlinear => int8 per-channel\n",
        ),
    ],
    sources: &[
        "coremltools: docs-guides/source/flexible-inputs.md",
        "ExecuTorch: docs/source/backends/coreml/coreml-partitioner.md",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(place) = places::asks_neural_engine(context) else { return };
    let names: Vec<String> = match (programs::facts(context), context.model) {
        (Some(facts), _) => {
            let ranges = facts.inputs.iter().filter(|input| input.shapes == Shapes::Range);
            ranges.map(|input| input.name.clone()).collect()
        }
        (None, Some((model, _))) => model.takes.as_ref().map_or(Vec::new(), |takes| open_inputs(context, takes)),
        (None, None) => return,
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if names.is_empty() {
        return;
    }
    let has = if names.len() == 1 { "input" } else { "inputs" };
    let message = format!("{has} {} of any shape within a range: the Neural Engine is not used", list(&names, 2));
    let help = match programs::facts(context).is_some() {
        true => "convert the model with a fixed shape or with enumerated ones, or say `compute cpu-and-gpu`",
        false => "choose one shape or several, `shapes { INPUT [1, 64] }`, or say `compute cpu-and-gpu`",
    };
    let finding = report.add(place, message);
    finding.here("with the Neural Engine").help(help);
    finding.suggest("use cpu-and-gpu", place, "compute cpu-and-gpu");
}

/// The inputs of an export whose sizes stay open. Shapes that do not fit are told by the rule for them.
fn open_inputs(context: &Context, takes: &Takes) -> Vec<String> {
    let settled = match context.recipe.shapes.as_ref().map(|shapes| shapes.bind(takes)) {
        Some(Ok(settled)) => settled,
        Some(Err(_)) => return Vec::new(),
        None => Settled::default(),
    };
    let is_open = |dim: &Dim| match dim {
        Dim::Known(_) => false,
        Dim::Symbolic { expr, .. } => expr.symbols().iter().any(|name| !settled.settled.contains_key(*name)),
    };
    let is_enumerated = |name: &str| settled.enumerated.iter().any(|(known, _)| &**known == name);
    let open = takes.inputs.iter().filter(|(name, dims)| dims.iter().any(is_open) && !is_enumerated(name));
    open.map(|(name, _)| name.to_string()).collect()
}
