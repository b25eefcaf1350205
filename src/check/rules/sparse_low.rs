//! So few zeros that the mask costs more than they save.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::plan::fit::storage_bits;
use crate::recipe::Field;
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
    sources: &["coremltools: converters/mil/mil/ops/defs/iOS18/compression.py, constexpr_sparse_to_dense", "coremltools: optimize/coreml/_config.py, OpThresholdPrunerConfig"],
    check,
};

/// Bits of a value that stays; 16 for what keeps its float type, the usual one.
fn value_bits(scheme: &Scheme) -> f64 {
    f64::from(match &scheme.weights {
        WeightScheme::Affine(affine) => affine.bits,
        WeightScheme::Palette(palette) => storage_bits(palette.bits),
        WeightScheme::Float(FloatType::Fp32) => 32,
        WeightScheme::Float(FloatType::Fp8E4m3 | FloatType::Fp8E5m2) => 8,
        WeightScheme::Float(FloatType::Fp16 | FloatType::Bf16) | WeightScheme::Keep | WeightScheme::Sparse => 16,
    })
}

/// The share of zeros, where it is known and not nonsense.
fn share(scheme: &Scheme) -> Option<f64> {
    match scheme.sparse? {
        Sparsity::Share(share) => Some(share),
        Sparsity::Ratio { n, m } if n > 0 && n < m => Some(n as f64 / m as f64),
        Sparsity::Ratio { .. } | Sparsity::Below(_) => None,
    }
}

fn check(context: &Context, report: &mut Report) {
    let too_few = |scheme: &Scheme| share(scheme).is_some_and(|share| share * value_bits(scheme) <= 1.0);
    for asked in asked(context.recipe, Field::Sparse, |_, scheme| too_few(scheme)) {
        let scheme = asked.scheme;
        let bits = value_bits(scheme);
        let finding = report.add(asked.place, "so few zeros save nothing: their mask takes as much or more");
        asked.label_uses(finding);
        finding.here("one bit for every element").help(format!(
            "with values of {bits} bits a weight becomes smaller when more than {}% are zero",
            (10_000.0 / bits).round() / 100.0
        ));
        finding.suggest("prune 75%", asked.place, "sparse 75%");
        if asked.origins.get(Field::Base).is_some() {
            places::offer_without(finding, context.recipe, "do not prune", asked.place);
        }
    }
}
