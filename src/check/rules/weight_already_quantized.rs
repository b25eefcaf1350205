//! Models that are quantized already.

use std::collections::HashSet;

use crate::check::schemes::{shares, weights_named};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::dtype::DType;
use crate::model::Weight;
use crate::plan::{Outcome, Reason};
use crate::scheme::WeightScheme;

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-already-quantized",
    severity: Severity::Warning,
    title: "weights that are quantized already",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
Some checkpoints hold integers already: `qweight` with `qzeros` and `scales`, as GPTQ and AWQ write them, or `weight` in
int8 or uint8 with `SCB`, `weight_scale` or `weight.absmax` beside it, as bitsandbytes and others do. These integers are
packed in the way of the tool that wrote them. bitmill copies them byte for byte and quantizes the other weights.

A Core ML package may hold weights that `constexpr_` operators give. They stay as they are too, since a second rounding would
come on top of the first. `bitmill decompress` writes the package with plain weights.

Quantize the model as it was before, in floats. If the rest is really all that is meant, a comment says so:
`# bitmill: allow(weight-already-quantized)`.
",
    examples: &[Example::with_model(
        "layers.{0..3}.q_proj.qweight  8x64  int32\nlayers.{0..3}.q_proj.qzeros  1x8  int32\nlayers.{0..3}.q_proj.scales  1x64  fp16\nlm_head.weight  linear  64x64  fp16\n",
        "target iOS16\nlinear => int8 per-channel\n",
        "target iOS16\nlinear => int8 per-channel  # bitmill: allow(weight-already-quantized)\n",
    ),
    Example::with_model(
        "program CoreML8\nfc.weight  linear  64x64  fp16  compressed\nhead.weight  linear  64x64  fp16\n",
        "linear => int4 per-group(32)\n",
        "linear => int4 per-group(32)  # bitmill: allow(weight-already-quantized)\n",
    )],
    sources: &["checkpoints as published by GPTQ, AWQ and bitsandbytes"],
    check,
};

/// Tensors that hold the scales of integers in the same module.
const SCALES: &[&str] = &["scales", "qzeros", "SCB", "weight_scale", "absmax"];

fn check(context: &Context, report: &mut Report) {
    let Some((model, _)) = context.model else { return };
    if model.is_package() {
        return in_package(context, report);
    }
    const INTEGERS: &[DType] = &[DType::I8, DType::U8, DType::I32];
    if !model.census().has_dtype(INTEGERS) {
        return;
    }
    let is_scale = |weight: &&Weight| SCALES.contains(&weight.parameter());
    // `q_proj.weight.absmax` belongs to `q_proj`.
    let module = |weight: &'_ Weight| weight.module().strip_suffix(".weight").unwrap_or(weight.module()).len();
    let scaled: HashSet<&str> = model.weights.iter().filter(is_scale).map(|w| &w.name[..module(w)]).collect();
    if scaled.is_empty() {
        return;
    }
    let is_packed = |weight: &&Weight| {
        INTEGERS.contains(&weight.dtype)
            && matches!(weight.parameter(), "weight" | "qweight")
            && scaled.contains(weight.module())
    };
    let names: Vec<&str> = model.weights.iter().filter(is_packed).map(|weight| weight.name.as_str()).collect();
    let changes = context
        .recipe
        .rules
        .iter()
        .find(|rule| rule.scheme.as_ref().is_some_and(|scheme| !matches!(scheme.weights, WeightScheme::Keep)));
    if let (Some(rule), false) = (changes, names.is_empty()) {
        let (is, stay) = if names.len() == 1 { ("is", "stays as it is") } else { ("are", "stay as they are") };
        let message = format!("{} {is} quantized already and {stay}", weights_named(&names));
        let finding = report.add(rule.selector_place, message);
        finding.label_if(context.recipe.model_place(), "in this model");
        finding.help("quantize the checkpoint in floats from which this one was made").weights(names);
    }
}

/// Constants of a package that `constexpr_` operators give, and that a rule would change otherwise.
fn in_package(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    if context.model.is_none_or(|(model, _)| !model.census().has_compressed) {
        return;
    }
    let stays = |outcome: &Outcome| matches!(outcome, Outcome::Keep(Reason::Never(_)));
    for share in shares(context, |_, weight, decision| weight.compressed.is_some() && stays(&decision.outcome)) {
        let names = share.names();
        let (is, stay) = if names.len() == 1 { ("is", "stays as it is") } else { ("are", "stay as they are") };
        let message = format!("{} {is} compressed already and {stay}", weights_named(&names));
        let finding = report.add(share.rule.selector_place, message);
        if let Some(compressed) = share.weights.first().and_then(|(weight, _)| weight.compressed.as_ref()) {
            finding.label_if(recipe.model_place(), format!("holds {compressed}"));
        }
        finding
            .upstream("coremltools leaves constants that are compressed already alone without a word")
            .help("quantize the package in floats from which this one was made, or decompress it first")
            .weights(names);
    }
}
