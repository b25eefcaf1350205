//! coremltools prunes n:m only in linear layers and convolutions.

use crate::check::schemes::shares_of;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, words};
use crate::kind::Kind;
use crate::recipe::Field;
use crate::scheme::Sparsity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "sparse-operator",
    severity: Severity::Warning,
    title: "structured zeros outside linear layers and convolutions",
    binds: Binds::Coremltools,
    needs: Needs::Model,
    page: "
coremltools prunes `n_m_ratio` in weights of `linear` and `conv` only. For another type of operator that is set by name
it raises an error; under a global configuration it logs a warning and leaves the weight dense.

What bitmill writes itself is pruned as the rule says. But hardware gains from n:m in linear layers alone, so a share,
`sparse 75%`, or another scheme is the better choice elsewhere.
",
    examples: &[Example::with_model(
        "embed_tokens.weight  embedding  256x64  fp16\nlayers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
        "target iOS16\nlinear or embedding => sparse 2:4\n",
        "target iOS16\nlinear => sparse 2:4\nembedding => int8 per-channel\n",
    )],
    sources: &[
        "coremltools: optimize/coreml/_config.py and _quantization_passes.py, OpMagnitudePrunerConfig",
        "coremltools: docs-guides/source/opt-pruning-perf.md",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let others = shares_of(
        context,
        |rule, _| rule.scheme.as_ref().is_some_and(|s| matches!(s.sparse, Some(Sparsity::Ratio { .. }))),
        |_, weight, decision| {
            let taken = matches!(weight.kind, Kind::Linear | Kind::Conv1d | Kind::Conv2d | Kind::Conv3d);
            !taken && decision.outcome.is_change()
        },
    );
    for share in others {
        let rule = share.rule;
        let (names, first) = (share.names(), share.weights[0].0);
        let finding = report.add(
            places::part(rule, Field::Sparse),
            format!(
                "coremltools does not prune n:m in {}: {} is of kind {}",
                words::count(names.len(), "weight"),
                words::list(&names[..1], 1),
                first.kind
            ),
        );
        finding
            .label(rule.selector_place, "matches more than linear layers and convolutions")
            .help("give these weights a rule of their own")
            .upstream("coremltools logs a warning and leaves them dense")
            .weights(names);
    }
}
