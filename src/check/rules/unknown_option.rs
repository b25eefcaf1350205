//! Options that their block does not know.

use crate::check::words::{list, offer_nearest};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::problem::ProblemKind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "unknown-option",
    severity: Severity::Error,
    title: "a block of options holds one that it does not know",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
The options in braces behind `calibrate` and `extend` are fixed: `calibrate` has `samples`, `observer`, `averaging`
and `observe`; a built-in recipe has the parameters that it has in ExecuTorch.

There, a parameter that a recipe does not have is not refused. ExecuTorch logs `ignoring unexpected parameters` and
goes on: `group_size` given to a recipe that works per channel changes nothing, and nobody notices. Here it is an
error, since an option that is written down is meant.
",
    examples: &[
        Example::recipe(
            "extend \"coreml_torchao_int4_weight_only_per_group\" { groupsize 64 }\n",
            "extend \"coreml_torchao_int4_weight_only_per_group\" { group_size 64 }\n",
        ),
        Example::recipe(
            "extend \"coreml_torchao_int4_weight_only_per_channel\" { group_size 32 }\n",
            "extend \"coreml_torchao_int4_weight_only_per_group\" { group_size 32 }\n",
        ),
    ],
    sources: &["ExecuTorch: backends/apple/coreml/recipes/coreml_recipe_provider.py, `ignoring unexpected parameters`"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        let ProblemKind::UnknownOption { key, owner, choices } = &problem.kind else {
            continue;
        };
        let place = problem.place;
        let finding = report.add(place, format!("`{owner}` has no option `{key}`"));
        offer_nearest(finding, place, key, choices.iter().copied());
        finding.help(format!("its options are {}", list(choices, usize::MAX)));
        if owner != "calibrate" {
            finding.upstream("ExecuTorch ignores it: only the log says `ignoring unexpected parameters`");
        }
    }
}
