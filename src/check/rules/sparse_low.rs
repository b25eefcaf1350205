//! So few zeros that the mask costs more than they save.

use crate::check::schemes::{asked, shares};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::model::Weight;
use crate::plan::fit::{storage_bits, working_type};
use crate::plan::size::float_bytes;
use crate::recipe::{self, Field};
use crate::scheme::{FloatType, Scheme, Sparsity, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "sparse-low",
    severity: Severity::Warning,
    title: "too few zeros to pay for their mask",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
A sparse weight is a mask of one bit per element and the values that stayed. So it becomes smaller only when each
element, on average, saves more than that bit: with fp16 values from more than 1/16 of zeros on, with int8 from more
than 1/8, with 4 bits from more than 1/4.

Below that the file grows, and accuracy is lost for nothing. coremltools' `OpThresholdPrunerConfig` leaves a weight
dense that has less than half of zeros.
",
    examples: &[
        Example::recipe("target iOS16\nlinear => sparse 5%\n", "target iOS16\nlinear => sparse 75%\n"),
        Example::recipe(
            "target iOS18\nlinear => int4 per-group(32) sparse 20%\n",
            "target iOS18\nlinear => int4 per-group(32)\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS18/compression.py, constexpr_sparse_to_dense",
        "coremltools: optimize/coreml/_config.py, OpThresholdPrunerConfig",
    ],
    check,
};

/// Bits of a value that stays; what keeps its float type has the weight's, or 16, the usual number, where no model is
/// known.
pub(super) fn value_bits(scheme: &Scheme, weight: Option<&Weight>) -> f64 {
    let float = |float: FloatType| 8 * float_bytes(float);
    f64::from(match &scheme.weights {
        WeightScheme::Affine(affine) => affine.bits,
        WeightScheme::Palette(palette) => storage_bits(palette.bits),
        WeightScheme::Float(named) => float(*named) as u8,
        WeightScheme::Keep | WeightScheme::Sparse => {
            weight.map_or(16, |weight| float(working_type(weight.dtype)) as u8)
        }
    })
}

/// The share of zeros, where it is known and not nonsense.
fn share(scheme: &Scheme) -> Option<f64> {
    match scheme.sparse? {
        Sparsity::Share(share) => Some(share),
        Sparsity::Ratio { n, m } if n > 0 && n <= m => Some(n as f64 / m as f64),
        Sparsity::Ratio { .. } | Sparsity::Below(_) => None,
    }
}

/// Whether the zeros that a scheme makes save no more than their mask takes. Palettes of vectors have no mask:
/// `sparse-vector`.
pub(super) fn has_too_few(scheme: &Scheme, weight: Option<&Weight>) -> bool {
    let is_vector = matches!(&scheme.weights, WeightScheme::Palette(palette) if palette.vector > 1);
    !is_vector && share(scheme).is_some_and(|share| share < 1.0 && share * value_bits(scheme, weight) <= 1.0)
}

fn check(context: &Context, report: &mut Report) {
    let prunes = |rule: &recipe::Rule| rule.scheme.as_ref().is_some_and(|scheme| scheme.sparse.is_some());
    if !context.recipe.rules.iter().any(prunes) {
        return;
    }
    // What the weights are decides where a model is known, as far as the rules reach any.
    let reached = shares(context, |_, _, decision| decision.outcome.is_change());
    let first_of = |rule: &recipe::Rule| {
        let share = reached.iter().find(|share| share.rule.place == rule.place)?;
        let few = share.weights.iter().find(|(weight, _)| has_too_few(share.scheme, Some(weight)));
        Some((few.is_some(), few.or(share.weights.first())?.0))
    };
    let too_few = |rule: &recipe::Rule, scheme: &Scheme| match first_of(rule) {
        Some((is_few, _)) => is_few,
        None => has_too_few(scheme, None),
    };
    for asked in asked(context.recipe, Field::Sparse, too_few) {
        let scheme = asked.scheme;
        let weight = asked.rules.first().and_then(|rule| first_of(rule)).map(|(_, weight)| weight);
        let bits = value_bits(scheme, weight);
        let finding = report.add(asked.place, "so few zeros save nothing: their mask takes as much or more");
        asked.label_uses(finding);
        finding.here("one bit for every element").help(match bits > 1.0 {
            true => format!(
                "with values of {bits} bits a weight becomes smaller when more than {}% are zero",
                (10_000.0 / bits).round() / 100.0
            ),
            false => "a value of 1 bit is as large as its bit of the mask: pruning never makes it smaller".to_string(),
        });
        if bits * 0.75 > 1.0 {
            finding.suggest("prune 75%", asked.place, "sparse 75%");
        }
        if asked.origins.get(Field::Base).is_some() {
            places::offer_without(finding, context.recipe, "do not prune", asked.place);
        }
    }
}
