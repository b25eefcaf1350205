//! The group of `sparse n:m` must divide the input channels.

use crate::check::schemes::shares;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, words};
use crate::plan::{Misfit, Outcome};
use crate::recipe::Field;
use crate::scheme::Sparsity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "sparse-ratio-divides",
    severity: Severity::Error,
    title: "a group of zeros that does not divide the input channels",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
`sparse n:m` counts n zeros in every m neighbours along the input channels, so m must divide their number. It does not
for a first convolution over 3 colours, or for depthwise convolutions, which have one input channel.

Leave such weights out with a rule of their own, choose a smaller group, or prune a share: `sparse 50%` fits every shape.
",
    examples: &[Example::with_model(
        "layers.{0..3}.proj.weight  linear  64x50  fp16\n",
        "target iOS16\nlinear => sparse 2:4\n",
        "target iOS16\nlinear => sparse 1:2\n",
    )],
    sources: &["coremltools: optimize/coreml/_quantization_passes.py, n:m pruning"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let ratio = |rule: &crate::recipe::Rule| match rule.scheme.as_ref()?.sparse? {
        // Other ratios are nonsense by themselves: `sparse-ratio`.
        Sparsity::Ratio { n, m } if n > 0 && n < m => Some((n, m)),
        _ => None,
    };
    let misfits = shares(context, |rule, _, decision| {
        matches!(decision.outcome, Outcome::Misfit(Misfit::Ratio { .. })) && ratio(rule).is_some()
    });
    for share in misfits {
        let rule = share.rule;
        let Some((n, m)) = ratio(rule) else { continue };
        let place = places::part(rule, Field::Sparse);
        let (names, first) = (share.names(), share.weights[0].0);
        let length = first.in_features().unwrap_or(0);
        let finding = report.add(
            place,
            format!(
                "groups of {m} do not divide the {length} input channels of {} ({})",
                words::list(&names, 2),
                words::count(names.len(), "weight")
            ),
        );
        finding.label(rule.selector_place, "matches them");
        finding.help("choose a group that divides, or a share: `sparse 50%` fits every shape");
        let common = share.weights.iter().filter_map(|(weight, _)| weight.in_features()).fold(0, gcd);
        let smaller = (2..m).rev().find(|size| common.is_multiple_of(*size) && (n * size).is_multiple_of(m));
        if let Some(size) = smaller {
            finding.suggest(
                format!("use groups of {size}"),
                place,
                format!("sparse {}:{size}", n * size / m),
            );
        }
        let share = format!("sparse {}%", n as f64 * 100.0 / m as f64);
        finding.suggest(format!("use `{share}`"), place, share).weights(names);
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
