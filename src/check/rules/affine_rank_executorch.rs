//! Convolutions through torchao's `quantize_` and ExecuTorch.

use crate::check::schemes::{shares, weights_named};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::kind::{Kind, KindWord};
use crate::model::Weight;
use crate::recipe;
use crate::scheme::{Arithmetic, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "affine-rank-executorch",
    severity: Severity::Hint,
    title: "integer weights of convolutions, which ExecuTorch does not lower from torchao",
    binds: Binds::ExecuTorch,
    needs: Needs::Model,
    page: "
torchao's `quantize_` quantizes a two-dimensional convolution, but ExecuTorch's lowering then fails: `dequantize_affine
only supports rank 2 inputs`. A one-dimensional convolution fails in torchao already: `only works for 2-d and 4-d
Tensors, got: 3`. Through PT2E, which quantizes activations as well, convolutions go through.

bitmill's own lowering has no such limit. The hint appears only where the recipe asks for torchao's arithmetic by name
(`arithmetic torchao`) and quantizes weights only.
",
    examples: &[Example::with_model(
        "stem.conv.weight  conv2d  64x32x3x3  fp16\nhead.weight  linear  64x64  fp16\n",
        "target iOS16\narithmetic torchao\nconv or linear => int8 per-channel\n",
        "target iOS16\nconv or linear => int8 per-channel\n",
    )],
    sources: &["ExecuTorch: backends/apple/coreml/compiler/torch_ops.py:144-152"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(arithmetic) = context.recipe.arithmetic.filter(|a| a.value == Arithmetic::Torchao) else { return };
    let is_convolution = |kind: Kind| KindWord::Conv.covers(kind) || kind == Kind::ConvTranspose;
    let wanted = |rule: &recipe::Rule, weight: &Weight| {
        is_convolution(weight.kind)
            && rule
                .scheme
                .as_ref()
                .is_some_and(|scheme| scheme.activations.is_none() && matches!(scheme.weights, WeightScheme::Affine(_)))
    };
    for share in shares(context, |rule, weight, decision| decision.outcome.is_change() && wanted(rule, weight)) {
        let names = share.names();
        let message = format!("torchao with ExecuTorch does not lower {}: convolutions", weights_named(&names));
        let finding = report.add(share.rule.selector_place, message);
        finding
            .label(arithmetic.place, "torchao's arithmetic is asked for here")
            .upstream("lowering fails with `dequantize_affine only supports rank 2 inputs`")
            .help("bitmill's own lowering does it; for ExecuTorch use PT2E (with `, activations uint8`)")
            .weights(names);
    }
}
