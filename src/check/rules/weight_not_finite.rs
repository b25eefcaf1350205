//! Weights that hold NaN or infinities.

use crate::check::rule::Fact;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, needs, places, words};

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-not-finite",
    severity: Severity::Warning,
    title: "weights with NaN or infinite values",
    binds: Binds::Model,
    needs: Needs::Run,
    page: "
An infinite value leaves no finite scale for its block, and NaN compares with nothing: what is quantized from them
means nothing. Most often such a tensor is no weight but an attention mask that was stored as a constant, and should stay
as it is; else the checkpoint is damaged.

coremltools skips weights with infinite values silently, and leaves them as they are.
",
    examples: &[Example {
        bad: "target iOS16\nlinear => int8 per-channel\n",
        good: "target iOS16\nlinear => int8 per-channel\n\"layers.0.q_proj\" => keep\n",
        model: "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
        facts: &[("layers.0.q_proj.weight", Fact::NotFinite(2))],
        files: &[],
    }],
    sources: &["coremltools: optimize/coreml/_quantization_passes.py, weights with infinite values"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let broken = places::measured(context, |fact| match fact {
        Fact::NotFinite(n) => Some(*n),
        _ => None,
    });
    for group in broken {
        // What no rule changes stays byte for byte, whatever it holds.
        let Some(rule) = group.rule else { continue };
        if !rule.scheme.as_ref().is_some_and(needs::changes) {
            continue;
        }
        let values = words::count(usize::try_from(group.total).unwrap_or(usize::MAX), "NaN or infinite value");
        let finding = report.add(group.place(context), format!("{values} in {}", words::list(&group.names, 2)));
        finding
            .label(rule.selector_place, "matches them")
            .help("leave such a tensor as it is if it is a mask; else look at the checkpoint")
            .upstream("coremltools skips weights with infinite values silently")
            .weights(group.names.iter().copied());
        places::offer_keep(finding, context.recipe, rule, &group.names);
    }
}
