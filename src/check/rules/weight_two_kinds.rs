//! One constant that is the weight of modules of several kinds.

use std::collections::BTreeMap;

use crate::check::schemes::weights_named;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, programs};
use crate::kind::Kind;
use crate::model::Weight;
use crate::plan;

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-two-kinds",
    severity: Severity::Warning,
    title: "a shared constant that rules for its kinds treat differently",
    binds: Binds::Coremltools,
    needs: Needs::Model,
    page: "
A language model often uses one constant twice: as the table of its embedding and as the weight of its last layer. In a
package it is stored once, and counts as the kind of the first operator that takes it. A rule for the other kind would
decide otherwise, and does not decide at all.

coremltools stops: `compression config conflict detected between ops`.

Name the constant in a rule of its own.
",
    examples: &[Example::with_model(
        "program CoreML8\nembed.weight  embedding  256x64  fp16  also=linear\nfc.weight  linear  64x64  fp16\n",
        "embedding => int8 per-channel\nlinear => int4 per-group(32)\n",
        "linear => int4 per-group(32)\n\"embed\" => int8 per-channel\n",
    )],
    sources: &["coremltools: `compression config conflict detected between ops`", "pytorch/executorch#21856"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some((model, plan)) = context.model.filter(|(model, _)| model.is_package()) else { return };
    let recipe = context.recipe;
    let scheme = |index: usize| recipe.rules[index].scheme.as_ref();
    let mut found: BTreeMap<(usize, usize), Vec<(&Weight, Kind)>> = BTreeMap::new();
    for (index, (weight, decision)) in model.weights.iter().zip(&plan.decisions).enumerate() {
        let (Some(winner), Some(uses)) = (decision.rule, programs::uses(model, index)) else { continue };
        for &kind in uses.kinds.iter().filter(|kind| **kind != weight.kind) {
            let other = plan::decide(recipe, &Weight { kind, ..weight.clone() }).rule;
            if let Some(other) = other.filter(|other| *other != winner && scheme(*other) != scheme(winner)) {
                found.entry((winner, other)).or_default().push((weight, kind));
            }
        }
    }
    for ((winner, other), weights) in found {
        let (weight, kind) = weights[0];
        let names: Vec<&str> = weights.iter().map(|(weight, _)| weight.name.as_str()).collect();
        let word = |kind: Kind| Kind::ALL.iter().find(|(known, ..)| *known == kind).map_or("", |(_, word, ..)| word);
        let message = format!(
            "{} is shared by operators of the kinds `{}` and `{}`, and counts as the first",
            weights_named(&names),
            word(weight.kind),
            word(kind)
        );
        let finding = report.add(recipe.rules[winner].selector_place, message);
        finding
            .here("decides")
            .label(recipe.rules[other].selector_place, format!("would decide if it were `{}`", word(kind)))
            .upstream("coremltools stops: `compression config conflict detected between ops`")
            .help("name the constant in a rule of its own, below these")
            .weights(names);
    }
}
