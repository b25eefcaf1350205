//! More distinct values than a table holds.

use std::collections::{BTreeMap, HashMap};

use crate::check::schemes::weights_named;
use crate::check::{Binds, Context, Example, Fact, Needs, Report, Rule, Severity, places};
use crate::plan::{Decision, Fitted, Outcome};
use crate::recipe::Field;
use crate::scheme::PaletteFit;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-unique-distinct",
    severity: Severity::Warning,
    title: "more distinct values than the table has entries",
    binds: Binds::Model,
    needs: Needs::Run,
    page: "
`fit unique` makes a table of the distinct values themselves, so that nothing is lost. That is possible for weights with
few of them only, such as weights that were clustered before. A weight with more stays in float, and the output is
larger than planned. Only a run can tell.

coremltools skips weights of more than 256 distinct values in the same way.

Use more bits, or `fit kmeans`, which finds the best table for any weight.
",
    examples: &[Example {
        bad: "target iOS18\nlinear => lut3 fit unique\n",
        good: "target iOS18\nlinear => lut3\n",
        model: "layers.0.q_proj.weight  linear  64x64  fp16\n",
        facts: &[("layers.0.q_proj.weight", Fact::Distinct(3120))],
        files: &[],
    }],
    sources: &["coremltools: optimize/coreml/_quantization_passes.py:942-954"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let (Some((model, plan)), Some(run)) = (context.model, context.run) else { return };
    let many: HashMap<&str, u64> = run
        .weights
        .iter()
        .filter_map(|(name, fact)| match fact {
            Fact::Distinct(values) => Some((name.as_str(), *values)),
            _ => None,
        })
        .collect();
    let is_unique = |decision: &Decision| {
        matches!(decision.outcome, Outcome::Change(Fitted::Palette { fit: PaletteFit::Unique, .. }))
    };
    let mut by_rule: BTreeMap<usize, (Vec<&str>, u64)> = BTreeMap::new();
    for (weight, decision) in model.weights.iter().zip(&plan.decisions) {
        if let (Some(index), Some(values)) = (decision.rule, many.get(weight.name.as_str()))
            && is_unique(decision)
        {
            let (names, most) = by_rule.entry(index).or_default();
            names.push(&weight.name);
            *most = (*most).max(*values);
        }
    }
    for (index, (names, most)) in by_rule {
        let rule = &context.recipe.rules[index];
        let place = places::part(rule, Field::Fit);
        let what = weights_named(&names);
        let message = format!("up to {most} distinct values: more than fit into a table, so float remains for {what}");
        let finding = report.add(place, message);
        finding
            .label(rule.selector_place, "these weights are meant")
            .label_if(rule.origins.get(Field::Base), "the width of the table")
            .upstream("coremltools skips weights of more than 256 distinct values")
            .help("use `fit kmeans`, or more bits where that is enough")
            .suggest("use fit kmeans", place, "fit kmeans")
            .weights(names);
    }
}
