//! Checkpoints that another tool has quantized.

use std::collections::HashSet;

use crate::check::schemes::weights_named;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::dtype::DType;
use crate::model::Weight;
use crate::scheme::WeightScheme;

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-already-quantized",
    severity: Severity::Warning,
    title: "weights that another tool has quantized stay as they are",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
Some checkpoints hold integers already: `qweight` with `qzeros` and `scales`, as GPTQ and AWQ write them, or `weight` in
int8 or uint8 with `SCB`, `weight_scale` or `weight.absmax` beside it, as bitsandbytes and others do. These integers are
packed in the way of the tool that wrote them. bitmill copies them byte for byte and quantizes the other weights.

Quantize the checkpoint as it was before, in floats. If the rest is really all that is meant, a comment says so:
`# bitmill: allow(weight-already-quantized)`.
",
    examples: &[Example::with_model(
        "layers.{0..3}.q_proj.qweight  8x64  int32\nlayers.{0..3}.q_proj.qzeros  1x8  int32\nlayers.{0..3}.q_proj.scales  1x64  fp16\nlm_head.weight  linear  64x64  fp16\n",
        "target iOS16\nlinear => int8 per-channel\n",
        "target iOS16\nlinear => int8 per-channel  # bitmill: allow(weight-already-quantized)\n",
    )],
    sources: &["checkpoints as published by GPTQ, AWQ and bitsandbytes"],
    check,
};

/// Tensors that hold the scales of integers in the same module.
const SCALES: &[&str] = &["scales", "qzeros", "SCB", "weight_scale", "absmax"];

fn check(context: &Context, report: &mut Report) {
    let Some((model, _)) = context.model else { return };
    let is_scale = |weight: &&Weight| SCALES.contains(&weight.parameter());
    // `q_proj.weight.absmax` belongs to `q_proj`.
    let module = |weight: &'_ Weight| weight.module().strip_suffix(".weight").unwrap_or(weight.module()).len();
    let scaled: HashSet<&str> = model.weights.iter().filter(is_scale).map(|w| &w.name[..module(w)]).collect();
    if scaled.is_empty() {
        return;
    }
    let is_packed = |weight: &&Weight| {
        matches!(weight.dtype, DType::I8 | DType::U8 | DType::I32)
            && matches!(weight.parameter(), "weight" | "qweight")
            && scaled.contains(weight.module())
    };
    let names: Vec<&str> = model.weights.iter().filter(is_packed).map(|weight| weight.name.as_str()).collect();
    let changes = context.recipe.rules.iter().find(|rule| {
        rule.scheme.as_ref().is_some_and(|scheme| !matches!(scheme.weights, WeightScheme::Keep))
    });
    if let (Some(rule), false) = (changes, names.is_empty()) {
        let (is, stay) = if names.len() == 1 { ("is", "stays as it is") } else { ("are", "stay as they are") };
        let message = format!("{} {is} quantized already and {stay}", weights_named(&names));
        let finding = report.add(rule.selector_place, message);
        finding.label_if(context.recipe.model.as_ref().map(|model| model.place), "in this model");
        finding.help("quantize the checkpoint in floats from which this one was made").weights(names);
    }
}
