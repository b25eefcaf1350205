//! What a compressed weight gives must have the type that the program computes in.

use crate::check::needs::{self, BLOCKS, COMPRESSION};
use crate::check::schemes::{Share, shares, weights_named};
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Finding, Needs, Report, Rule, Severity, places, programs};
use crate::dtype::DType;
use crate::model::Weight;
use crate::plan::{self, Decision, Fitted, Outcome};
use crate::recipe::{Field, Recipe};
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

/// The float type that a program computes with a weight, in the precision that the recipe asks for.
fn type_in_program(recipe: &Recipe, weight: &Weight) -> Option<FloatType> {
    match plan::in_precision(recipe, weight).dtype {
        DType::F16 => Some(FloatType::Fp16),
        DType::F32 => Some(FloatType::Fp32),
        _ => None,
    }
}

/// The float type that comes of what a weight is stored as.
fn type_of(fitted: &Fitted) -> FloatType {
    match fitted {
        Fitted::Affine { scale, .. } => *scale,
        Fitted::Palette { entry, .. } => *entry,
        Fitted::Float(float) | Fitted::Sparse { float, .. } => *float,
    }
}

/// The specification version that casts what is stored as fp16 to the fp32 that a program computes in; `None` for what
/// is never cast.
fn cast_since(has: FloatType, fitted: &Fitted) -> Option<i32> {
    match (has, fitted) {
        (FloatType::Fp32, Fitted::Float(FloatType::Fp16)) => Some(COMPRESSION),
        (FloatType::Fp32, Fitted::Sparse { float: FloatType::Fp16, .. }) => Some(BLOCKS),
        _ => None,
    }
}

/// The specification version that has a cast for what a weight of a program becomes; `None` where none is needed.
pub(in crate::check) fn cast_of(recipe: &Recipe, weight: &Weight, fitted: &Fitted) -> Option<i32> {
    cast_since(type_in_program(recipe, weight)?, fitted)
}

fn check(context: &Context, report: &mut Report) {
    let Some(facts) = programs::facts(context) else { return };
    let changed = |decision: &'_ Decision| match &decision.outcome {
        Outcome::Change(fitted) => Some(fitted.clone()),
        _ => None,
    };
    for share in shares(context, |_, weight, decision| {
        let (Some(fitted), Some(has)) = (changed(decision), type_in_program(context.recipe, weight)) else {
            return false;
        };
        let would = type_of(&fitted);
        // Types that Core ML does not have at all are told by rules of their own.
        let known = matches!(would, FloatType::Fp16 | FloatType::Fp32);
        known && would != has && cast_since(has, &fitted).is_none()
    }) {
        other(context, report, &share);
    }
    for share in
        shares(context, |_, weight, one| one.outcome.is_change() && type_in_program(context.recipe, weight).is_none())
    {
        let names = share.names();
        let has = share.weights[0].0.dtype;
        let message = format!("no operator of Core ML computes with {has}: {}", weights_named(&names));
        let finding = report.add(share.rule.scheme_place, message);
        finding.help("only fp16 and fp32 weights of a package can be compressed: keep the others");
        places::offer_keep(finding, context.recipe, share.rule, &names);
        finding.weights(names);
    }
    let Some(written) = context.recipe.written_opset(facts.set).map(needs::set_of) else { return };
    let since = |weight: &Weight, decision: &Decision| {
        let need = cast_of(context.recipe, weight, &changed(decision)?)?;
        (need > written.spec).then_some(need)
    };
    for share in shares(context, |_, weight, decision| since(weight, decision).is_some()) {
        let names = share.names();
        let set =
            needs::set(share.weights.iter().filter_map(|(weight, one)| since(weight, one)).max().unwrap_or(BLOCKS));
        let place = places::part(share.rule, Field::Base);
        let finding = report.add(place, format!("fp16 weights in a program of fp32 need {}", set.systems()));
        finding.help(format!("{} is the first operator set that casts them", set.name)).weights(names);
        needs_set(finding, context, set);
        finding.suggest("keep them as they are", share.rule.scheme_place, "keep");
    }
}

fn other(context: &Context, report: &mut Report, share: &Share) {
    let names = share.names();
    let (weight, decision) = share.weights[0];
    let is_float = matches!(decision.outcome, Outcome::Change(Fitted::Float(_)));
    let field = if is_float { Field::Base } else { Field::Scale };
    let place = places::part(share.rule, field);
    let (is, it) = if names.len() == 1 { ("is", "it") } else { ("are", "them") };
    let has = plan::in_precision(context.recipe, weight).dtype;
    let named = weights_named(&names);
    let message = format!("the program computes with {named} as {has}, and this would give {it} another type");
    let finding = report.add(place, message);
    finding.label(share.rule.selector_place, format!("{is} {has} in the program"));
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
