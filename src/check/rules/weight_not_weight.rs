//! `all` takes tables and states too.

use crate::check::schemes::{shares, weights_named};
use crate::check::words::insert_after;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::kind::{Kind, KindWord};
use crate::recipe::selector::Selector;

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-not-weight",
    severity: Severity::Hint,
    title: "a rule for all also takes tensors that belong to no layer",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
`all` means everything of rank 2 and more that could be quantized. That includes tensors which are no weights of a
layer: tables of positions, initial states, constants that are added. Quantizing them gains little and may cost much.

coremltools' global configuration does the same, silently: it takes every constant of more than 2048 elements, whatever
that feeds, the initial states of recurrent layers included.

Keep them by name, or by kind: `other => keep`.
",
    examples: &[Example::with_model(
        "pos_table  64x64  fp16\nlayers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
        "target iOS16\nall => int8 per-channel\n",
        "target iOS16\nall => int8 per-channel\n\"pos_table\" => keep\n",
    )],
    sources: &["coremltools: optimize/coreml/_quantization_passes.py:150-155"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    if context.model.is_none_or(|(model, _)| !model.census().has_kind(Kind::Other)) {
        return;
    }
    let recipe = context.recipe;
    let says_other = |selector: &Selector| {
        let leaves = selector.leaves();
        leaves.iter().any(|leaf| matches!(leaf, Selector::Kind(KindWord::One(Kind::Other), _)))
    };
    let found = shares(context, |rule, weight, decision| {
        weight.kind == Kind::Other
            && decision.outcome.is_change()
            && !rule.selector.names_it(weight)
            && !says_other(&rule.selector)
    });
    for share in found {
        let names = share.names();
        let belong = if names.len() == 1 { "belongs" } else { "belong" };
        let message = format!(
            "{} {belong} to no layer that is known, and this rule takes it all the same",
            weights_named(&names)
        );
        let message = if names.len() == 1 { message } else { message.replace("takes it", "takes them") };
        let finding = report.add(share.rule.selector_place, message);
        finding
            .upstream("coremltools takes every large constant as well, and says nothing")
            .help("keep what is no weight: positions, states, masks");
        let selector = match names.len() {
            1..=3 => names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", "),
            _ => "other".to_string(),
        };
        let edit = insert_after(recipe, recipe.visible(share.rule.place), &format!("{selector} => keep"));
        finding.fix_with(format!("keep {selector}"), false, vec![edit]);
        finding.weights(names);
    }
}
