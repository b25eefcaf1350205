//! Blocks of zeros, or of values too small for their scale's type.

use crate::check::rule::Fact;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, needs, places, words};

/// The rule.
pub const RULE: Rule = Rule {
    code: "dead-blocks",
    severity: Severity::Hint,
    title: "channels or blocks that hold nothing but zeros",
    binds: Binds::Coremltools,
    needs: Needs::Run,
    page: "
A channel or block that is all zero has no scale of its own, and one whose values are so small that the scale is zero in
its type (about 1e-6 and less, in fp16) becomes zero. It does no harm; but a layer with many of them is worth a look: it
may be pruned, or never have been trained.

coremltools divides 0 by 0 there and stores the scale 0, with numpy's warnings about NaN.
",
    examples: &[Example {
        bad: "target iOS16\nlinear => int8 per-channel\n",
        good: "target iOS16\nlinear => int8 per-channel\n\"layers.0.q_proj\" => keep\n",
        model: "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
        facts: &[("layers.0.q_proj.weight", Fact::DeadBlocks(5))],
        files: &[],
    }],
    sources: &["apple/coremltools#2853 (open), PR #2851 (open)"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let dead = places::measured(context, |fact| match fact {
        Fact::DeadBlocks(n) => Some(*n),
        _ => None,
    });
    for group in dead {
        let Some(rule) = group.rule.filter(|rule| rule.scheme.as_ref().is_some_and(needs::changes)) else { continue };
        let blocks = words::count(usize::try_from(group.total).unwrap_or(usize::MAX), "block");
        let finding = report
            .add(group.place(context), format!("{blocks} of nothing but zeros in {}", words::list(&group.names, 2)));
        finding
            .label(rule.selector_place, "matches them")
            .help("nothing needs to be done; many of them may mean that a layer is pruned, or was never trained")
            .upstream("coremltools divides 0 by 0 and stores the scale 0")
            .weights(group.names.iter().copied());
        places::offer_keep(finding, context.recipe, rule, &group.names);
    }
}
