//! A wider float than the weights have.

use crate::check::schemes::shares_of;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, words};
use crate::recipe::{self, Field};
use crate::scheme::WeightScheme;

/// The rule.
pub const RULE: Rule = Rule {
    code: "float-grows",
    severity: Severity::Hint,
    title: "a float type wider than the weights have",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
A scheme of a wider float type makes weights bigger and not one bit more exact: fp32 for weights that are stored in fp16
doubles them. `keep` leaves them as they are.

How a model computes is said by `precision`, not by the type of its weights.
",
    examples: &[Example::with_model(
        "layers.{0..3}.q_proj.weight  linear  64x64  fp16\nlm_head.weight  linear  256x64  fp16\n",
        "target iOS16\nlinear => int8 per-channel\n\"lm_head\" => fp32\n",
        "target iOS16\nlinear => int8 per-channel\n\"lm_head\" => keep\n",
    )],
    sources: &["coremltools: docs-guides/source/typed-execution.md"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    // In a program it is more than a hint: `weight-type-of-program`.
    if context.recipe.defaults.is_package {
        return;
    }
    let is_float = |rule: &recipe::Rule| {
        rule.scheme.as_ref().is_some_and(|scheme| matches!(scheme.weights, WeightScheme::Float(_)))
    };
    let grown = shares_of(
        context,
        |rule, did| did.grows > 0 && is_float(rule),
        |_, _, decision| decision.after > decision.before,
    );
    for share in grown {
        let rule = share.rule;
        let place = places::part(rule, Field::Base);
        let (names, first) = (share.names(), share.weights[0].0);
        let finding = report.add(
            place,
            format!(
                "`{}` makes {} bigger: {}",
                context.recipe.text(place),
                words::count(names.len(), "weight"),
                words::list(&names, 2)
            ),
        );
        finding
            .label(rule.selector_place, format!("stored as {}", first.dtype))
            .help("`keep` leaves them as they are; `precision` says how a model computes")
            .weights(names)
            .suggest("keep them as they are", place, "keep");
    }
}
