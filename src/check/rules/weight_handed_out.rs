//! Constants that a block hands out.

use crate::check::schemes::{shares, weights_named};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, programs};

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-handed-out",
    severity: Severity::Error,
    title: "a compressed weight that is an output of the program",
    binds: Binds::CoreMl,
    needs: Needs::Model,
    page: "
A constant may be an output of a program, or of a block inside it, without any operation in between. Core ML cannot hand
out what a `constexpr_` operator gives, so such a constant must stay plain. coremltools leaves it alone without a word.

Say `keep` for it.
",
    examples: &[Example::with_model(
        "program CoreML6\nfc.weight  linear  64x64  fp16\ntable.weight  linear  64x64  fp16  handed-out\n",
        "linear => int8 per-channel\n",
        "linear => int8 per-channel\n\"table\" => keep\n",
    )],
    sources: &["coremltools: optimize/coreml/_config.py:1005-1009"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some((model, plan)) = context.model.filter(|(model, _)| model.is_package()) else { return };
    let changed = model.weights.iter().zip(&plan.decisions).enumerate().filter(|(_, (_, one))| one.outcome.is_change());
    let handed_out = changed.filter(|(index, _)| programs::uses(model, *index).is_some_and(|uses| uses.is_output));
    let names: std::collections::HashSet<&str> = handed_out.map(|(_, (weight, _))| weight.name.as_str()).collect();
    for share in shares(context, |_, weight, _| names.contains(weight.name.as_str())) {
        let names = share.names();
        let (is, an) = if names.len() == 1 { ("is", "an output") } else { ("are", "outputs") };
        let message = format!("{} {is} {an} of the program, and must stay plain", weights_named(&names));
        let finding = report.add(share.rule.scheme_place, message);
        finding
            .label(share.rule.selector_place, "taken by this rule")
            .upstream("coremltools leaves such constants alone without a word")
            .help("Core ML hands out no compressed constants: keep it, or let an operation stand in between");
        places::offer_keep(finding, context.recipe, share.rule, &names);
        finding.weights(names);
    }
}
