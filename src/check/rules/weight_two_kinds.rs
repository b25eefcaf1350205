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
    let mut found: BTreeMap<(usize, usize, Kind, Kind), Vec<&str>> = BTreeMap::new();
    for (index, (weight, decision)) in model.weights.iter().zip(&plan.decisions).enumerate() {
        let (Some(winner), Some(uses)) = (decision.rule, programs::uses(model, index)) else { continue };
        for &kind in uses.kinds.iter().filter(|kind| **kind != weight.kind) {
            let other = plan::decide(recipe, &Weight { kind, ..weight.clone() }).rule;
            if let Some(other) = other.filter(|other| *other != winner && scheme(*other) != scheme(winner)) {
                found.entry((winner, other, weight.kind, kind)).or_default().push(&weight.name);
            }
        }
    }
    for ((winner, other, first, kind), names) in found {
        let (named, first, kind) = (weights_named(&names), first.word(), kind.word());
        let message = match names.len() {
            1 => format!("{named} is shared by operators of the kinds `{first}` and `{kind}`, and counts as the first"),
            _ => format!("{named} are shared by operators of the kinds `{first}` and `{kind}`, and count as the first"),
        };
        let finding = report.add(recipe.rules[winner].selector_place, message);
        finding
            .here("decides")
            .label(
                recipe.rules[other].selector_place,
                format!("would decide if {} `{kind}`", if names.len() == 1 { "it were" } else { "they were" }),
            )
            .upstream("coremltools stops: `compression config conflict detected between ops`")
            .help("name the constant in a rule of its own, below these")
            .weights(names);
    }
}
