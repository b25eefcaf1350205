//! One tensor under two names that different rules decide.

use std::collections::BTreeMap;

use crate::check::words::literal;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::model::Weight;
use crate::recipe::Recipe;
use crate::scheme::Scheme;

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-tied",
    severity: Severity::Warning,
    title: "a tied weight whose names are treated differently",
    binds: Binds::Torchao,
    needs: Needs::Model,
    page: "
Many language models use one tensor twice: as the table of the embedding and as the weight of the output layer. It is
stored once, and in bitmill the last rule that matches any of its names decides for the tensor. A rule that matches one
of the names only says something that it does not do, or does more than it says.

torchao unties the two when it quantizes one: an int8 table and an fp16 copy for the other, which may be larger than
before. coremltools reports `compression config conflict detected between ops`.

Write one rule for both names.
",
    examples: &[
        Example::with_model(
            "embed_tokens.weight  embedding  256x64  fp16  tied=lm_head.weight\nlayers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            "target iOS18\nlinear => int4 per-group(32)\n\"embed_tokens\" => int8 per-channel\n",
            "target iOS18\nlinear => int4 per-group(32)\n\"embed_tokens\", \"lm_head\" => int8 per-channel\n",
        ),
        Example::with_model(
            "embed_tokens.weight  embedding  256x64  fp16  tied=lm_head.weight\nlayers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            "target iOS16\nall => int8 per-channel\n\"lm_head\" => keep\n",
            "target iOS16\nall => int8 per-channel\n\"lm_head\" or \"embed_tokens\" => keep\n",
        ),
    ],
    sources: &["pytorch/executorch#21856", "coremltools: `compression config conflict detected between ops`"],
    check,
};

/// The rule that would decide for a weight if it had this name only.
fn decides(recipe: &Recipe, weight: &Weight, name: &str) -> Option<usize> {
    (0..recipe.rules.len()).rev().find(|&index| recipe.rules[index].selector.matches_as(weight, name))
}

/// Tied weights under one of their names, by the rule that decides and the rule, or none, that would decide under
/// that name.
type Disagreements<'m> = BTreeMap<(usize, Option<usize>), Vec<(&'m Weight, &'m str)>>;

fn check(context: &Context, report: &mut Report) {
    let Some((model, plan)) = context.model else { return };
    let recipe = context.recipe;
    let scheme = |index: Option<usize>| -> Option<&Scheme> { recipe.rules[index?].scheme.as_ref() };
    let mut found = Disagreements::new();
    let tied = model.census().tied.iter().map(|&index| (&model.weights[index], &plan.decisions[index]));
    for (weight, decision) in tied {
        let Some(winner) = decision.rule else { continue };
        for name in std::iter::once(&weight.name).chain(&weight.tied) {
            let other = decides(recipe, weight, name);
            if other != Some(winner) && scheme(other) != scheme(Some(winner)) {
                found.entry((winner, other)).or_default().push((weight, name));
            }
        }
    }
    for ((winner, other), weights) in found {
        let rule = &recipe.rules[winner];
        let (weight, name) = weights[0];
        let same = std::iter::once(weight.name.as_str()).chain(weight.tied.iter().map(String::as_str));
        let matched = same.into_iter().find(|n| decides(recipe, weight, n) == Some(winner)).unwrap_or(&weight.name);
        let message = format!("`{matched}` and `{name}` are one tensor, and this rule decides for both");
        let finding = report.add(rule.selector_place, message);
        finding.here(format!("takes `{matched}`"));
        match other {
            Some(other) => finding.label(recipe.rules[other].selector_place, format!("would take `{name}`")),
            None => finding.help(format!("no rule takes `{name}`; name both in one rule")),
        };
        if other.is_some() {
            finding.help("name both in one rule");
        }
        finding.upstream("torchao unties the two and stores the tensor twice; coremltools reports a conflict");
        let modules: Option<Vec<String>> = weights
            .iter()
            .map(|(_, name)| literal(name.rsplit_once('.').map_or(*name, |(module, _)| module)))
            .collect();
        if let Some(modules) = modules.filter(|modules| modules.len() <= 3) {
            let selector = format!("{}, {}", recipe.text(rule.selector_place), modules.join(", "));
            finding.suggest("take both names", rule.selector_place, selector);
        }
        finding.weights(weights.iter().map(|(weight, _)| weight.name.clone()));
    }
}
