//! Pruning by a bound that found few values below it.

use std::collections::HashMap;

use super::sparse_low::value_bits;
use crate::check::rule::Fact;
use crate::check::schemes::{Share, shares, weights_named};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::model::Weight;
use crate::recipe::{self, Field};
use crate::scheme::{Sparsity, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "sparse-below-few",
    severity: Severity::Warning,
    title: "a bound that leaves too few zeros to pay for their mask",
    binds: Binds::CoreMl,
    needs: Needs::Run,
    page: "
How many values `sparse-below` sets to zero is known when a run has seen them. A sparse weight is a mask of one bit per
element and the values that stayed: with fp16 values it becomes smaller only from 1/16 of zeros on, with int8 from 1/8,
with 4 bits from 1/4. Below that the file grows, and accuracy is lost for nothing.

Between that and a half it is a hint: coremltools' `OpThresholdPrunerConfig` leaves a weight dense that has less than half
of zeros (`minimum_sparsity_percentile`), so that what it makes of the same bound is another model.

Raise the bound, or name a share, `sparse 75%`.
",
    examples: &[
        Example {
            bad: "target iOS16\nlinear => sparse-below 0.001\n",
            good: "target iOS16\nlinear => sparse 75%\n",
            model: "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            facts: &[("layers.0.q_proj.weight", Fact::Zeros { zeros: 100, of: 4096 })],
            files: &[],
        },
        Example {
            bad: "target iOS16\nlinear => sparse-below 0.01\n",
            good: "target iOS16\nlinear => sparse 75%\n",
            model: "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            facts: &[("layers.0.q_proj.weight", Fact::Zeros { zeros: 1000, of: 4096 })],
            files: &[],
        },
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS18/compression.py, constexpr_sparse_to_dense",
        "coremltools: optimize/coreml/_config.py, OpThresholdPrunerConfig",
    ],
    check,
};

/// How much the zeros of a weight are worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gain {
    /// No more than their mask takes.
    None,
    /// Less than coremltools asks for.
    Little,
    Enough,
}

fn check(context: &Context, report: &mut Report) {
    let Some(run) = context.run else { return };
    let zeros = run.weights.iter().filter_map(|(name, fact)| match fact {
        Fact::Zeros { zeros, of } => Some((name.as_str(), (*zeros, *of))),
        _ => None,
    });
    let zeros: HashMap<&str, (u64, u64)> = zeros.collect();
    let gain = |rule: &recipe::Rule, weight: &Weight| {
        let scheme = rule.scheme.as_ref().filter(|scheme| matches!(scheme.sparse, Some(Sparsity::Below(_))))?;
        let (zeros, of) = *zeros.get(weight.name.as_str())?;
        // Palettes of vectors have no mask: `sparse-vector`.
        let is_vector = matches!(&scheme.weights, WeightScheme::Palette(palette) if palette.vector > 1);
        let saved = zeros as f64 * value_bits(scheme, Some(weight));
        (!is_vector).then_some(match saved <= of as f64 {
            true => Gain::None,
            false if zeros.saturating_mul(2) < of => Gain::Little,
            false => Gain::Enough,
        })
    };
    for share in shares(context, |rule, weight, _| gain(rule, weight) == Some(Gain::None)) {
        let message =
            format!("so few zeros save nothing: their mask takes as much or more in {}", weights_named(&share.names()));
        let finding = report.add(places::part(share.rule, Field::Sparse), message);
        finding.help("raise the bound, prune a share, or leave these weights as they are");
        finish(context, &share, &zeros, finding);
    }
    for share in shares(context, |rule, weight, _| gain(rule, weight) == Some(Gain::Little)) {
        let message = format!("less than half is zero in {}", weights_named(&share.names()));
        let finding = report.add_as(Severity::Hint, places::part(share.rule, Field::Sparse), message);
        finding
            .upstream("coremltools leaves such weights dense (`minimum_sparsity_percentile` is 0.5)")
            .help("raise the bound, or prune a share");
        finish(context, &share, &zeros, finding);
    }
}

fn finish(context: &Context, share: &Share, zeros: &HashMap<&str, (u64, u64)>, finding: &mut crate::check::Finding) {
    let names = share.names();
    let (some, of) = names
        .iter()
        .filter_map(|name| zeros.get(name))
        .fold((0u64, 0u64), |(some, all), (zeros, of)| (some.saturating_add(*zeros), all.saturating_add(*of)));
    finding
        .here(format!("{:.1}% of the values are below", some as f64 * 100.0 / of.max(1) as f64))
        .label(share.rule.selector_place, "these weights are meant")
        .weights(names.iter().copied());
    let place = places::part(share.rule, Field::Sparse);
    finding.suggest("prune 75%", place, "sparse 75%");
    places::offer_keep(finding, context.recipe, share.rule, &names);
}
