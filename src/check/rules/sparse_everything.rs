//! Pruning that leaves nothing.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::Sparsity;

/// The rule.
pub const RULE: Rule = Rule {
    code: "sparse-everything",
    severity: Severity::Warning,
    title: "pruning that sets every value to zero",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`sparse 75%` says how much becomes zero, not how much stays. `sparse 100%` therefore leaves nothing of a weight: the
model runs, and what it computes does not depend on that weight any more. `sparse 4:4` does the same.
",
    examples: &[
        Example::recipe("target iOS16\nlinear => sparse 100%\n", "target iOS16\nlinear => sparse 75%\n"),
        Example::recipe("target iOS16\nlinear => sparse 4:4\n", "target iOS16\nlinear => sparse 2:4\n"),
    ],
    sources: &["coremltools: optimize/coreml/_config.py, OpMagnitudePrunerConfig, target_sparsity"],
    check,
};

fn leaves_nothing(sparse: Option<Sparsity>) -> bool {
    match sparse {
        Some(Sparsity::Share(share)) => share >= 1.0,
        Some(Sparsity::Ratio { n, m }) => n == m && n > 0,
        _ => false,
    }
}

fn check(context: &Context, report: &mut Report) {
    let all = asked(context.recipe, Field::Sparse, |_, scheme| leaves_nothing(scheme.sparse));
    for asked in all {
        let finding = report.add(asked.place, "every value becomes zero: nothing of these weights is left");
        asked.label_uses(finding);
        finding.help("the share is of zeros: `sparse 75%` keeps a quarter").suggest(
            "prune 75%",
            asked.place,
            "sparse 75%",
        );
    }
}
