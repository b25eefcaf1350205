//! Groups of zeros that are long for the input channels.

use crate::check::schemes::{shares_of, weights_named};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::kind::Kind;
use crate::model::Weight;
use crate::plan::Decision;
use crate::recipe::{self, Field};
use crate::scheme::Sparsity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "sparse-ratio-channels",
    severity: Severity::Warning,
    title: "groups of zeros longer than half of the input channels",
    binds: Binds::Coremltools,
    needs: Needs::Model,
    page: "
`sparse n:m` sets n of every m neighbours along the input channels to zero. Where m does not divide their number, the last
group is filled up with zeros, and those go first: a first convolution over 3 colours, or a depthwise one with a single
input channel, loses little or nothing.

bitmill prunes such weights so, as Core ML holds any mask. coremltools skips every weight with m above half of its
channels: it logs a warning and leaves it dense.

Give such weights a rule of their own, or prune a share: `sparse 50%` fits every shape.
",
    examples: &[
        Example::with_model(
            "stem.weight  conv2d  64x3x3x3  fp16\nbody.weight  conv2d  64x64x3x3  fp16\n",
            "target iOS16\nconv => sparse 2:4\n",
            "target iOS16\nconv => sparse 2:4\nconv where in_features < 8 => int8 per-channel\n",
        ),
    ],
    sources: &[
        "coremltools: optimize/coreml/_quantization_passes.py:369-376, 415-419",
    ],
    check,
};

/// The ratio of a rule, where it is no nonsense.
fn ratio(sparse: Option<Sparsity>) -> Option<(usize, usize)> {
    match sparse? {
        Sparsity::Ratio { n, m } if n > 0 && n < m => Some((n, m)),
        _ => None,
    }
}

fn check(context: &Context, report: &mut Report) {
    let group_of = |rule: &recipe::Rule| ratio(rule.scheme.as_ref().and_then(|scheme| scheme.sparse));
    let is_skipped = |rule: &recipe::Rule, weight: &Weight, decision: &Decision| {
        // Others than linear layers and convolutions are told by `sparse-operator`.
        let taken = matches!(weight.kind, Kind::Linear | Kind::Conv1d | Kind::Conv2d | Kind::Conv3d);
        let group = group_of(rule).map(|(_, m)| m);
        let is_long = group.zip(weight.in_features()).is_some_and(|(m, channels)| m > channels / 2);
        taken && is_long && decision.outcome.is_change()
    };
    for share in shares_of(context, |rule, _| group_of(rule).is_some(), is_skipped) {
        let Some((n, m)) = ratio(share.scheme.sparse) else { continue };
        let (names, first) = (share.names(), share.weights[0].0);
        let place = places::part(share.rule, Field::Sparse);
        let channels = first.in_features().unwrap_or(0);
        let message = format!(
            "coremltools does not prune groups of {m} with {channels} input channels: {}",
            weights_named(&names)
        );
        let finding = report.add(place, message);
        let percent = (n as f64 * 10_000.0 / m as f64).round() / 100.0;
        finding
            .label(share.rule.selector_place, "matches them")
            .upstream("coremltools logs a warning and leaves them dense")
            .help("give these weights a rule of their own, or prune a share, which fits every shape")
            .suggest(format!("prune {percent}%"), place, format!("sparse {percent}%"))
            .weights(names);
    }
}
