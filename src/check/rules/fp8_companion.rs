//! 8-bit floats that are only half of a weight.

use std::collections::HashSet;

use crate::check::schemes::{selector_where, shares, weights_named};
use crate::check::words::insert_after;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::dtype::DType;
use crate::model::Weight;

/// The rule.
pub const RULE: Rule = Rule {
    code: "fp8-companion",
    severity: Severity::Warning,
    title: "8-bit floats whose scale is a tensor of its own",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
Checkpoints in fp8 store a weight in two tensors: `weight`, in 8-bit floats, and `weight_scale` or `weight_scale_inv`,
by which its blocks must be multiplied. The first alone is not the weight. Quantizing it changes its numbers and leaves
the scales beside it, and what reads the result must know of both.

bitmill quantizes each tensor by itself. Multiply the scales in first, by converting the checkpoint to bf16 or fp16, or
keep these weights.
",
    examples: &[Example::with_model(
        "layers.0.q_proj.weight  linear  64x64  fp8-e4m3\nlayers.0.q_proj.weight_scale_inv  1x1  fp32\nlm_head.weight  linear  64x64  fp16\n",
        "target iOS16\nlinear => int8 per-channel\n",
        "target iOS16\nlinear where dtype != fp8-e4m3 => int8 per-channel\n",
    )],
    sources: &["safetensors checkpoints in fp8, as published: `weight_scale`, `weight_scale_inv`"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some((model, _)) = context.model else { return };
    const FP8: &[DType] = &[DType::F8E4M3, DType::F8E5M2];
    if !model.census().has_dtype(FP8) {
        return;
    }
    let recipe = context.recipe;
    let is_scale = |weight: &&Weight| matches!(weight.parameter(), "weight_scale" | "weight_scale_inv");
    let scaled: HashSet<&str> = model.weights.iter().filter(is_scale).map(Weight::module).collect();
    if scaled.is_empty() {
        return;
    }
    let is_half = |weight: &Weight| {
        FP8.contains(&weight.dtype) && weight.parameter() == "weight" && scaled.contains(weight.module())
    };
    for share in shares(context, |_, weight, decision| is_half(weight) && decision.outcome.is_change()) {
        let names = share.names();
        let (is, scale) = if names.len() == 1 { ("is", "its scale is") } else { ("are", "their scales are") };
        let message = format!("{} {is} only half of what counts: {scale} in tensors beside", weights_named(&names));
        let finding = report.add(share.rule.selector_place, message);
        finding.help("convert the checkpoint to bf16 or fp16 first, or keep these weights");
        let types: HashSet<DType> = share.weights.iter().map(|(weight, _)| weight.dtype).collect();
        let mut types: Vec<DType> = types.into_iter().collect();
        types.sort();
        let condition: Vec<String> = types.iter().map(|dtype| format!("dtype == {dtype}")).collect();
        let selector = selector_where(recipe, share.rule, &condition.join(" or "));
        let edit = insert_after(recipe, recipe.visible(share.rule.place), &format!("{selector} => keep"));
        finding.fix_with("keep the 8-bit floats", false, vec![edit]);
        finding.weights(names);
    }
}
