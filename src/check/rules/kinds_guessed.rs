//! Kinds that only shapes suggest.

use crate::check::schemes::{shares, weights_named};
use crate::check::words::literal;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::kind::{Kind, KindWord};
use crate::model::{KnownBy, Weight};
use crate::recipe::selector::Selector;

/// The rule.
pub const RULE: Rule = Rule {
    code: "kinds-guessed",
    severity: Severity::Hint,
    title: "a rule by kind takes weights whose kind is a guess",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
A checkpoint stores tensors, not layers. What kind of layer a weight belongs to is told by `config.json` or by its name;
where neither says anything, only the shape suggests it: a matrix is taken for a linear layer, four axes for a
two-dimensional convolution. An embedding with an unusual name looks just like a linear layer, and a transposed
convolution like a plain one, whose channels are on another axis.

Name these weights in the rule, so that it says what it means: `\"hidden\" => int8 per-channel`.
",
    examples: &[Example::with_model(
        "hidden.weight  64x64  fp16\nlm_head.weight  64x64  fp16\n",
        "target iOS16\nlinear => int8 per-channel\n",
        "target iOS16\nlinear or \"hidden\" => int8 per-channel\n",
    )],
    sources: &["bitmill: kinds told from architectures, names and shapes"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    if context.model.is_none_or(|(model, _)| !model.census().has_guessed) {
        return;
    }
    let recipe = context.recipe;
    let by_kind = |selector: &Selector, kind: Kind| {
        let leaves = selector.leaves();
        let is_meant = |word: KindWord| word != KindWord::All && word.covers(kind);
        leaves.iter().any(|leaf| matches!(leaf, Selector::Kind(word, _) if is_meant(*word)))
    };
    let is_guess = |weight: &Weight| weight.known_by == KnownBy::Shape && weight.kind != Kind::Other;
    let found = shares(context, |rule, weight, decision| {
        is_guess(weight)
            && decision.outcome.is_change()
            && by_kind(&rule.selector, weight.kind)
            && !rule.selector.names_it(weight)
    });
    for share in found {
        let names = share.names();
        let (is, it) = if names.len() == 1 { ("is", "its kind is") } else { ("are", "their kinds are") };
        let message = format!("{} {is} taken by kind, but {it} guessed from shapes alone", weights_named(&names));
        let finding = report.add(share.rule.selector_place, message);
        finding.help("name them in the rule, or see that `plan` shows the kinds you expect");
        let modules = share.weights.iter().map(|(weight, _)| match weight.module() {
            "" => literal(&weight.name),
            module => literal(module),
        });
        if names.len() <= 3
            && let Some(modules) = modules.collect::<Option<Vec<String>>>()
        {
            let selector = format!("{}, {}", recipe.text(share.rule.selector_place), modules.join(", "));
            finding.suggest("name them", share.rule.selector_place, selector);
        }
        finding.weights(names);
    }
}
