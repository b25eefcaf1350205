//! Models that are quantized already.

use std::collections::HashSet;

use crate::check::schemes::{shares, weights_named};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, programs};
use crate::dtype::DType;
use crate::model::Weight;
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

A Core ML package may hold weights that `constexpr_` operators give. Of those bitmill takes the values that they stand for,
and quantizes these again: the second rounding comes on top of the first, and the error of the report counts the second
only. `keep` leaves them as they are.

Quantize the model as it was before, in floats. If the rest is really all that is meant, a comment says so:
`# bitmill: allow(weight-already-quantized)`.
",
    examples: &[Example::with_model(
        "layers.{0..3}.q_proj.qweight  8x64  int32\nlayers.{0..3}.q_proj.qzeros  1x8  int32\nlayers.{0..3}.q_proj.scales  1x64  fp16\nlm_head.weight  linear  64x64  fp16\n",
        "target iOS16\nlinear => int8 per-channel\n",
        "target iOS16\nlinear => int8 per-channel  # bitmill: allow(weight-already-quantized)\n",
    ),
    Example::with_model(
        "program CoreML8\nfc.weight  linear  64x64  fp16  by=constexpr_lut_to_dense\nhead.weight  linear  64x64  fp16\n",
        "linear => int4 per-group(32)\n",
        "linear => int4 per-group(32)\n\"fc\" => keep\n",
    )],
    sources: &["checkpoints as published by GPTQ, AWQ and bitsandbytes"],
    check,
};

/// Tensors that hold the scales of integers in the same module.
const SCALES: &[&str] = &["scales", "qzeros", "SCB", "weight_scale", "absmax"];

fn check(context: &Context, report: &mut Report) {
    let Some((model, _)) = context.model else { return };
    if model.facts.is_some() {
        return in_package(context, report);
    }
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

/// Constants of a package that `constexpr_` operators give, and that a rule changes.
fn in_package(context: &Context, report: &mut Report) {
    let Some((model, _)) = context.model else { return };
    let compressed = programs::compressed(model);
    let again = shares(context, |_, weight, decision| {
        decision.outcome.is_change() && compressed.contains_key(weight.name.as_str())
    });
    for share in again {
        let names = share.names();
        let (is, it) = if names.len() == 1 { ("is", "its") } else { ("are", "their") };
        let message = format!("{} {is} compressed already, and {it} values are rounded a second time", weights_named(&names));
        let finding = report.add(share.rule.scheme_place, message);
        let operator = names.first().and_then(|name| compressed.get(name)).copied().unwrap_or("constexpr_");
        finding
            .label_if(context.recipe.model.as_ref().map(|model| model.place), format!("holds `{operator}`"))
            .help("quantize the package in floats from which this one was made, or keep them as they are");
        programs::offer_keep(finding, context, &share);
        finding.weights(names);
    }
}
