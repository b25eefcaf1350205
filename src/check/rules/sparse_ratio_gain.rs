//! Structured zeros that processors do not gain from.

use super::sparse_low::has_too_few;
use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::{Scheme, Sparsity};

/// The rule.
pub const RULE: Rule = Rule {
    code: "sparse-ratio-gain",
    severity: Severity::Hint,
    title: "groups of zeros from which no processor gains speed",
    binds: Binds::Hardware,
    needs: Needs::Recipe,
    page: "
`sparse n:m` makes linear layers faster on newer CPUs when m divides 16 and at least half of each group is zero: 1:2, 2:4,
4:8, 12:16. Other ratios make the file smaller and nothing else, and a share, `sparse 50%`, does that with less loss,
since it is free to choose.

It is advice as of iOS 18 and macOS 15: measure on the device.
",
    examples: &[
        Example::recipe("target iOS16\nlinear => sparse 1:4\n", "target iOS16\nlinear => sparse 2:4\n"),
        Example::recipe("target iOS16\nlinear => sparse 3:6\n", "target iOS16\nlinear => sparse 4:8\n"),
    ],
    sources: &[
        "coremltools: docs-guides/source/opt-pruning-perf.md:6-11",
    ],
    check,
};

fn ratio(scheme: &Scheme) -> Option<(usize, usize)> {
    match scheme.sparse? {
        Sparsity::Ratio { n, m } if n > 0 && n < m && !has_too_few(scheme, None) => Some((n, m)),
        _ => None,
    }
}

fn check(context: &Context, report: &mut Report) {
    let is_slow = |scheme: &Scheme| ratio(scheme).is_some_and(|(n, m)| 16 % m != 0 || 2 * n < m);
    for asked in asked(context.recipe, Field::Sparse, |_, scheme| is_slow(scheme)) {
        let Some((_, m)) = ratio(asked.scheme) else { continue };
        let message = match 16 % m {
            0 => "processors gain from groups of which at least half is zero".to_string(),
            _ => format!("processors gain from groups that divide 16, and {m} does not"),
        };
        let finding = report.add(asked.place, message);
        asked.label_uses(finding);
        finding.help("use a ratio such as 2:4, or a share of zeros, which loses less; measure on the device").suggest(
            "use 2:4",
            asked.place,
            "sparse 2:4",
        );
    }
}
