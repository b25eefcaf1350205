//! Weights that a rule means by name or kind, and that stay in float all the same.

use std::collections::BTreeMap;

use crate::check::words::{count, list};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::plan::{Outcome, Reason};

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-not-quantized",
    severity: Severity::Hint,
    title: "a rule names weights that stay in float",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
A kind such as `linear` means the weights that can be quantized, and passes over the biases beside them. A name means
exactly what it fits, and `norm` the parameters of normalisation: when these stay in float all the same, it is said,
so that nothing is skipped silently.

Biases, the parameters of normalisation and everything else of rank 0 and 1 stay in float: coremltools skips constants
of rank 1, whatever its configuration says, because of a bug in Core ML. Integers, statistics and masks are no weights.
",
    examples: &[Example::with_model(
        "layers.{0..3}.q_proj.weight  linear  64x64  fp16\nlayers.{0..3}.norm.weight  norm  64  fp16\n",
        "target iOS18\n\"layers.*\" => int4 per-group(32)\n",
        "target iOS18\nlinear and \"layers.*\" => int4 per-group(32)\n",
    )],
    sources: &["coremltools: optimize/coreml/_quantization_passes.py, rdar 113860800"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some((model, plan)) = context.model else {
        return;
    };
    if plan.rules.iter().all(|did| did.never == 0) {
        return;
    }
    // Rule by rule and reason by reason.
    let mut staying: BTreeMap<(usize, &str), Vec<&str>> = BTreeMap::new();
    for (weight, decision) in model.weights.iter().zip(&plan.decisions) {
        // Weights that are compressed already are told by `weight-already-quantized`.
        if let (Some(rule), Outcome::Keep(Reason::Never(why)), None) =
            (decision.rule, &decision.outcome, &weight.compressed)
        {
            staying.entry((rule, why)).or_default().push(&weight.name);
        }
    }
    for ((index, why), names) in staying {
        let rule = &context.recipe.rules[index];
        let stay = if names.len() == 1 { "stays" } else { "stay" };
        let message = format!("{} that this rule names {stay} as they are: {why}", count(names.len(), "tensor"));
        let finding = report.add(rule.selector_place, message);
        finding.here(list(&names, 3));
        finding.help("join a kind to the name, as in `linear and \"…\"`, or let them be kept by a rule of their own");
        finding.weights(names);
    }
}
