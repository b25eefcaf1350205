//! What a compressed weight gives must have the type that the program computes in.

use crate::check::needs::{self, COMPRESSION};
use crate::check::schemes::{Share, shares, weights_named};
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Finding, Needs, Report, Rule, Severity, places, programs};
use crate::dtype::DType;
use crate::model::Weight;
use crate::plan::{Fitted, Outcome};
use crate::recipe::Field;
use crate::scheme::FloatType;

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-type-of-program",
    severity: Severity::Error,
    title: "a weight that would get another type than its program has",
    binds: Binds::CoreMl,
    needs: Needs::Model,
    page: "
In a program every value has a type, and an operator takes operands of one type. What a compressed weight gives has the type
of its scales, or of the entries of its table. So these have the type that the weight has in the program: `scale fp32` for a
weight of an fp16 program would give a `linear` with an fp16 input and an fp32 weight, which Core ML refuses.

The same holds for plain floats. An fp32 program may store a weight in fp16 (`constexpr_cast`, from iOS 16 on); an fp16
program has no use for fp32 weights.
",
    examples: &[
        Example::with_model(
            "program CoreML8\nfc.weight  linear  64x64  fp16\n",
            "linear => int4 per-group(32) scale fp32\n",
            "linear => int4 per-group(32)\n",
        ),
        Example::with_model(
            "program CoreML5 fp32\nfc.weight  linear  64x64  fp32\n",
            "linear => fp16\n",
            "linear => keep\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS16/constexpr_ops.py and iOS18/compression.py, types of results",
    ],
    check,
};

/// The type that a weight would have in the program, where it is not the one it has.
fn other_type(weight: &Weight, fitted: &Fitted) -> Option<FloatType> {
    let has = match weight.dtype {
        DType::F16 => FloatType::Fp16,
        DType::F32 => FloatType::Fp32,
        _ => return None,
    };
    let would = match fitted {
        Fitted::Affine { scale, .. } => *scale,
        Fitted::Palette { entry, .. } => *entry,
        Fitted::Float(FloatType::Fp16) if has == FloatType::Fp32 => has,
        Fitted::Float(float) => *float,
        Fitted::Sparse(_) => has,
    };
    (would != has).then_some(would)
}

fn check(context: &Context, report: &mut Report) {
    let Some(facts) = programs::facts(context) else { return };
    // Types that Core ML does not have at all are told by rules of their own.
    let known = |float| matches!(float, FloatType::Fp16 | FloatType::Fp32);
    let wrong = shares(context, |_, weight, decision| match &decision.outcome {
        Outcome::Change(fitted) => other_type(weight, fitted).is_some_and(known),
        _ => false,
    });
    for share in wrong {
        other(context, report, &share);
    }
    let strange = shares(context, |_, weight, decision| {
        decision.outcome.is_change() && !matches!(weight.dtype, DType::F16 | DType::F32)
    });
    for share in strange {
        let names = share.names();
        let has = share.weights[0].0.dtype;
        let message = format!("no operator of Core ML computes with {has}: {}", weights_named(&names));
        let finding = report.add(share.rule.scheme_place, message);
        finding.help("only fp16 and fp32 weights of a package can be compressed: keep the others");
        programs::offer_keep(finding, context, &share);
        finding.weights(names);
    }
    let written = programs::written(context, facts).map(needs::set_of);
    if written.is_none_or(|set| set.spec >= COMPRESSION) {
        return;
    }
    let halved = shares(context, |_, weight, decision| {
        weight.dtype == DType::F32 && matches!(decision.outcome, Outcome::Change(Fitted::Float(FloatType::Fp16)))
    });
    for share in halved {
        let names = share.names();
        let set = needs::set(COMPRESSION);
        let place = places::part(share.rule, Field::Base);
        let message = format!("fp16 weights in a program of fp32 need {}", set.systems());
        let finding = report.add(place, message);
        finding.help("`constexpr_cast`, which gives them back as fp32, came with CoreML6").weights(names);
        needs_set(finding, context, set);
        finding.suggest("keep them as they are", place, "keep");
    }
}

fn other(context: &Context, report: &mut Report, share: &Share) {
    let names = share.names();
    let (weight, decision) = share.weights[0];
    let is_float = matches!(decision.outcome, Outcome::Change(Fitted::Float(_)));
    let field = if is_float { Field::Base } else { Field::Scale };
    let place = places::part(share.rule, field);
    let (is, it) = if names.len() == 1 { ("is", "it") } else { ("are", "them") };
    let message = format!("the program computes with {} as {}, and this would give {it} another type", weights_named(&names), weight.dtype);
    let finding = report.add(place, message);
    finding.label(share.rule.selector_place, format!("{is} {} in the program", weight.dtype));
    finding.upstream("Core ML refuses an operator whose operands have different types");
    offer(context, share, is_float, finding);
    finding.weights(names);
}

fn offer(context: &Context, share: &Share, is_float: bool, finding: &mut Finding) {
    let recipe = context.recipe;
    match (is_float, share.rule.origins.get(Field::Scale)) {
        (true, _) => {
            finding.help("`keep` leaves them as they are");
            finding.suggest("keep them as they are", places::part(share.rule, Field::Base), "keep");
        }
        (false, Some(scale)) => {
            finding.help("without a type of its own, a scale has that of the weight");
            places::offer_without(finding, recipe, "let the scale have the weight's type", scale);
        }
        (false, None) => {
            finding.help("scales and tables have the type of the weight");
        }
    }
}
