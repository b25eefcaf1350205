//! `sparse n:m` with numbers that prune nothing, everything, or more than there is.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::{Scheme, Sparsity};

/// The rule.
pub const RULE: Rule = Rule {
    code: "sparse-ratio",
    severity: Severity::Error,
    title: "a ratio of zeros that cannot be meant",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
`sparse 2:4` sets 2 of every 4 neighbours along the input channels to zero, those of the smallest magnitude. So the
first number is at least 1, or nothing is pruned, and no more than the second.

coremltools demands n ≤ m as well. Of n = m, which leaves nothing, `sparse-everything` speaks.
",
    examples: &[
        Example::recipe("target iOS16\nlinear => sparse 4:2\n", "target iOS16\nlinear => sparse 2:4\n"),
        Example::recipe("target iOS16\nlinear => sparse 0:4\n", "target iOS16\nlinear => sparse 2:4\n"),
    ],
    sources: &["coremltools: optimize/coreml/_config.py, OpMagnitudePrunerConfig"],
    check,
};

/// The numbers of a ratio that prunes nothing, or more than there is.
fn wrong(scheme: &Scheme) -> Option<(usize, usize)> {
    match scheme.sparse {
        Some(Sparsity::Ratio { n, m }) if n == 0 || n > m => Some((n, m)),
        _ => None,
    }
}

fn check(context: &Context, report: &mut Report) {
    for asked in asked(context.recipe, Field::Sparse, |_, scheme| wrong(scheme).is_some()) {
        let Some((n, m)) = wrong(asked.scheme) else { continue };
        let finding = report.add(
            asked.place,
            match n {
                0 => "0 zeros in a group prune nothing".to_string(),
                n => format!("a group of {m} has no room for {n} zeros"),
            },
        );
        asked.label_uses(finding);
        finding.help("`sparse 2:4` sets 2 of every 4 neighbours to zero");
        match n {
            n if n > m && m > 0 => {
                finding.suggest("swap the numbers", asked.place, format!("sparse {m}:{n}"));
            }
            _ if m > 1 => {
                finding.suggest("prune half of each group", asked.place, format!("sparse {}:{m}", m / 2));
            }
            _ => {}
        }
    }
}
