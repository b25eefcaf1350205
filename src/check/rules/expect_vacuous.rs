//! Expectations about weights that do not exist.

use super::rule_matches_nothing::Explainer;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::{Claim, Metric};

/// The rule.
pub const RULE: Rule = Rule {
    code: "expect-vacuous",
    severity: Severity::Warning,
    title: "an expectation is about weights that the model does not have",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
What is said of every weight that a selector matches holds when it matches none, and so does any bound on their size.
Such an expectation passes whatever the recipe does, most often because a name is misspelt.

`expect \"…\" matches 0` says that there is none, and is taken at its word.
",
    examples: &[
        Example::with_model(
            "lm_head.weight  linear  64x64  fp16\nlayers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            "target iOS18\nlinear => int4 per-group(32)\n\"lm_head\" => keep\nexpect \"head\" => keep\n",
            "target iOS18\nlinear => int4 per-group(32)\n\"lm_head\" => keep\nexpect \"lm_head\" => keep\n",
        ),
        Example::with_model(
            "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            "target iOS18\nlinear => int4 per-group(32)\nexpect every embedding quantized\n",
            "target iOS18\nlinear => int4 per-group(32)\nexpect embedding matches 0\n",
        ),
    ],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on expectations"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some((model, plan)) = context.model else {
        return;
    };
    let mut explainer = Explainer::new(model);
    for expect in &context.recipe.expects {
        let selector = match &expect.claim {
            Claim::Decides { selector, .. } | Claim::Quantified { selector, .. } => selector,
            Claim::Metric { selector: Some(selector), .. } => selector,
            // That there is none is said on purpose; any other number that holds for none is a bound.
            Claim::Matches { selector, operator, count } if *count > 0 && operator.holds(&0, count) => selector,
            Claim::Metric { selector: None, metric: Metric::Bits, .. } => {
                if context.recipe.problems.is_empty() && plan.totals(model, |_| true).changed == 0 {
                    report.add(expect.place, "this holds for nothing: no weight is quantized");
                }
                continue;
            }
            Claim::Matches { .. } | Claim::Metric { selector: None, .. } => continue,
        };
        if selector.is_readable() && !model.weights.iter().any(|weight| selector.matches(weight)) {
            let message = "this expectation is about weights that the model does not have";
            let finding = report.add(expect.place, message);
            explainer.explain(finding, selector);
        }
    }
}
