//! Weights that stay in a float type that Core ML does not have.

use crate::check::schemes::{shares, weights_named};
use crate::check::words;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::dtype::DType;
use crate::plan::{Outcome, Reason};
use crate::recipe::Field;
use crate::scheme::WeightScheme;

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-float-type",
    severity: Severity::Warning,
    title: "weights kept in bfloat16, fp8 or fp64, which Core ML does not have",
    binds: Binds::CoreMl,
    needs: Needs::Model,
    page: "
A weight that is kept stays byte for byte what it was, bfloat16 included. Core ML has fp16 and fp32: no operator takes
bfloat16, 8-bit or 64-bit floats, and coremltools maps no type to them. A PyTorch model in bfloat16 fails in lowering with
`KeyError: torch.bfloat16`.

Where a model is converted to another type before it is lowered, all is well, and `allow` says so. Otherwise write `fp16`
instead of `keep`: it takes the same space as bfloat16 and reaches to 65504. The finding is about weights that a rule
keeps; norms and biases always stay in their type.
",
    examples: &[
        Example::with_model(
            "fc1.weight  linear  64x64  bf16\nhead.weight  linear  256x64  bf16\n",
            "target iOS16\nlinear => int8 per-channel\n\"head\" => keep\n",
            "target iOS16\nlinear => int8 per-channel\n\"head\" => fp16\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/types/type_mapping.py:162-192",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    if context.recipe.is_experiment() {
        return;
    }
    const OTHERS: &[DType] = &[DType::BF16, DType::F64, DType::F8E4M3, DType::F8E5M2];
    if context.model.is_none_or(|(model, _)| !model.census().has_dtype(OTHERS)) {
        return;
    }
    let kept = shares(context, |rule, weight, decision| {
        let has_none = OTHERS.contains(&weight.dtype);
        let is_kept = rule.scheme.as_ref().is_some_and(|scheme| scheme.weights == WeightScheme::Keep);
        // A model of other floats is told here as well, though nothing could change it.
        let could_change = weight.never_quantized().is_none() || weight.dtype == DType::F64;
        has_none
            && is_kept
            && could_change
            && matches!(decision.outcome, Outcome::Keep(Reason::Kept | Reason::Never(_)))
    });
    for share in kept {
        let (names, first) = (share.names(), share.weights[0].0);
        let verb = if names.len() == 1 { "stays" } else { "stay" };
        let message = format!("{} {verb} {}, which Core ML does not have", weights_named(&names), first.dtype);
        let place = places::part(share.rule, Field::Base);
        let finding = report.add(place, message);
        finding
            .label(share.rule.selector_place, words::count(names.len(), "weight"))
            .upstream("lowering a bfloat16 model fails with `KeyError: torch.bfloat16`")
            .help("use `fp16`, or convert the model before it is lowered");
        if first.never_quantized().is_none() {
            finding.suggest("use fp16", place, "fp16");
        }
        finding.weights(names);
    }
}
