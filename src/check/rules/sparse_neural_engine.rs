//! The Neural Engine gains from many zeros only.

use super::sparse_low::has_too_few;
use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::{ComputeUnits, Field};
use crate::scheme::{Scheme, Sparsity};

/// The rule.
pub const RULE: Rule = Rule {
    code: "sparse-neural-engine",
    severity: Severity::Hint,
    title: "fewer zeros than the Neural Engine gains from",
    binds: Binds::Hardware,
    needs: Needs::Recipe,
    page: "
As of iOS 18 and macOS 15, the Neural Engine runs a pruned model faster when at least 75% of the weights are zero, or
when whole blocks are. With fewer, the file is smaller and nothing else.

`sparse n:m` helps linear layers on newer CPUs, with m dividing 16 and at least half of each group zero. Measure on the
device.
",
    examples: &[Example::recipe(
        "target iOS16\ncompute cpu-and-ne\nlinear => sparse 50%\n",
        "target iOS16\ncompute cpu-and-ne\nlinear => sparse 75%\n",
    )],
    sources: &["coremltools: docs-guides/source/opt-pruning-perf.md"],
    check,
};

/// Enough for the Neural Engine.
const ENOUGH: f64 = 0.75;

/// Shares from which nothing is gained at all are told by `sparse-low`.
fn is_low(scheme: &Scheme) -> bool {
    matches!(scheme.sparse, Some(Sparsity::Share(share)) if share < ENOUGH) && !has_too_few(scheme, None)
}

fn check(context: &Context, report: &mut Report) {
    let Some(compute) = context.recipe.compute.filter(|compute| compute.value == ComputeUnits::CpuAndNe) else {
        return;
    };
    for asked in asked(context.recipe, Field::Sparse, |_, scheme| is_low(scheme)) {
        let finding = report.add(asked.place, "the Neural Engine runs faster from 75% of zeros on");
        finding.label(compute.place, "the Neural Engine is meant");
        asked.label_uses(finding);
        finding.help("prune 75% or more, or expect a smaller file only").suggest(
            "prune 75%",
            asked.place,
            "sparse 75%",
        );
    }
}
