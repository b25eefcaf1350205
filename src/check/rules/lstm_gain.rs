//! What quantizing a recurrent layer gains.

use crate::check::schemes::{shares, weights_named};
use crate::check::words::insert_after;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::kind::Kind;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lstm-gain",
    severity: Severity::Hint,
    title: "recurrent layers gain size, not speed",
    binds: Binds::Hardware,
    needs: Needs::Model,
    page: "
A quantized LSTM is smaller in the file, and reported to run no faster. If speed is what the recipe is for, keep it in
float; if size is, nothing is wrong, and a comment says so: `# bitmill: allow(lstm-gain)`.
",
    examples: &[Example::with_model(
        "encoder.lstm.weight_ih_l0  lstm  256x64  fp16\nencoder.lstm.weight_hh_l0  lstm  256x64  fp16\n",
        "target iOS16\nlstm => int8 per-channel\n",
        "target iOS16\nlstm => int8 per-channel  # bitmill: allow(lstm-gain)\n",
    )],
    sources: &["apple/coremltools#1294"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    if context.model.is_none_or(|(model, _)| !model.census().has_kind(Kind::Lstm)) {
        return;
    }
    for share in shares(context, |_, weight, decision| weight.kind == Kind::Lstm && decision.outcome.is_change()) {
        let names = share.names();
        let finding = report.add(
            share.rule.selector_place,
            format!("a quantized LSTM is smaller, but no faster: {}", weights_named(&names)),
        );
        finding.help("keep it in float where speed is what counts; measure on the device");
        let edit = insert_after(recipe, recipe.visible(share.rule.place), "lstm => keep");
        finding.fix_with("keep it in float", false, vec![edit]);
        finding.weights(names);
    }
}
