//! Weights that stay because they are small.

use std::collections::BTreeMap;

use crate::check::words::{self, list};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::plan::{Outcome, Reason};

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-below-threshold",
    severity: Severity::Hint,
    title: "weights stay as they are because they are no larger than the threshold",
    binds: Binds::Coremltools,
    needs: Needs::Model,
    page: "
`threshold 2048` leaves weights alone that have no more than 2048 elements: scales and tables would take back what
codes save, and small weights are often sensitive. A weight of exactly as many elements stays too.

2048 is the default of coremltools (`weight_threshold`) and of recipes for Core ML packages; torchao has no threshold,
and neither has a recipe for a checkpoint that does not say one. Depthwise convolutions are the usual case.
",
    examples: &[Example::with_model(
        "layers.{0..3}.q_proj.weight  linear  64x64  fp16\nlayers.{0..3}.gate.weight  linear  8x64  fp16\n",
        "target iOS18\nthreshold 2048\nlinear => int4 per-group(32)\n",
        "target iOS18\nthreshold 256\nlinear => int4 per-group(32)\n",
    )],
    sources: &["coremltools: optimize/coreml/_config.py, weight_threshold"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some((model, plan)) = context.model else { return };
    if plan.rules.iter().all(|did| did.small == 0) {
        return;
    }
    let threshold = context.recipe.threshold_or_default();
    let mut small: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    let mut smallest = u64::MAX;
    for (weight, decision) in model.weights.iter().zip(&plan.decisions) {
        if let (Some(rule), Outcome::Keep(Reason::BelowThreshold)) = (decision.rule, &decision.outcome) {
            small.entry(rule).or_default().push(&weight.name);
            smallest = smallest.min(weight.elements());
        }
    }
    for (index, names) in small {
        let rule = &context.recipe.rules[index];
        let of_all = plan.rules[index].decides;
        let (have, stay) = if names.len() == 1 { ("has", "stays as it is") } else { ("have", "stay as they are") };
        let message = format!(
            "{} of {of_all} weights that this rule decides {have} no more than {threshold} elements and {stay}",
            names.len()
        );
        let finding = report.add(rule.selector_place, message);
        finding.here(list(&names, 3));
        let lower = smallest.saturating_sub(1);
        match context.recipe.threshold {
            Some(written) => {
                finding.label(written.place, format!("weights of up to {threshold} elements stay"));
                finding.help("small weights cost little: keep them, or lower the threshold");
                finding.suggest(format!("lower the threshold to {lower}"), written.place, format!("threshold {lower}"));
            }
            None => {
                finding.help(format!("{threshold} is the threshold of Core ML packages where the recipe says none"));
                let line = words::insert_above(context.recipe, rule.place, &format!("threshold {lower}"));
                finding.fix_with(format!("say `threshold {lower}`"), false, vec![line]);
            }
        }
        finding.weights(names);
    }
}
