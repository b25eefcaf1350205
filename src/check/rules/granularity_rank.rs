//! Granularities that name axes which a weight does not have.

use crate::check::schemes::{Share, misfits, selector_where, weights_named};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::plan::{Misfit, Outcome};
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "granularity-rank",
    severity: Severity::Error,
    title: "a granularity with more or fewer axes than the weight",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
`block[16, -1]` has one extent for each axis: two for linear layers and embeddings, three, four and five for
convolutions of one, two and three dimensions. `per-channel(2)` names the third axis, which a matrix does not have. And
groups of channels need channels.

Through coremltools a block of the wrong length raises an error as well, at the first weight that it meets.

Limit the rule to the weights that have these axes (`conv or linear where rank == 2`), or choose a granularity that
counts no axes, such as `per-channel`.
",
    examples: &[
        Example::with_model(
            "stem.conv.weight  conv2d  32x16x3x3  fp16\nhead.weight  linear  64x64  fp16\n",
            "target iOS18\nconv or linear => int8 block[1, 16]\n",
            "target iOS18\nconv => int8 per-channel\nlinear => int8 block[1, 16]\n",
        ),
        Example::with_model(
            "head.weight  linear  64x64  fp16\n",
            "target iOS16\nlinear => int8 per-channel(2)\n",
            "target iOS16\nlinear => int8 per-channel\n",
        ),
    ],
    sources: &["coremltools: optimize/_utils.py:474-496"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let wanted = |misfit: &Misfit| matches!(misfit, Misfit::Rank { .. } | Misfit::Axis { .. } | Misfit::NoChannels);
    for share in misfits(context, |_, misfit| wanted(misfit)) {
        let Some(Outcome::Misfit(misfit)) = share.weights.first().map(|(_, decision)| &decision.outcome) else {
            continue;
        };
        tell(context, &share, misfit, report);
    }
}

fn tell(context: &Context, share: &Share, misfit: &Misfit, report: &mut Report) {
    let place = places::part(share.rule, Field::Granularity);
    let names = share.names();
    let of = weights_named(&names);
    let finding = match misfit {
        Misfit::Rank { given, rank } => {
            let finding = report.add(place, format!("{given} extents, but {rank} axes in {of}"));
            let selector = selector_where(context.recipe, share.rule, &format!("rank == {given}"));
            finding.help("give one extent for each axis, -1 for all of it, or limit the rule to weights of this rank");
            // Limiting a rule to nothing would mend nothing.
            let matches = |weight: &crate::model::Weight| weight.shape.len() == *given;
            if context.model.is_some_and(|(model, _)| model.weights.iter().any(matches)) {
                finding.suggest(format!("only weights of rank {given}"), share.rule.selector_place, selector);
            }
            finding
        }
        Misfit::Axis { axis, rank } => {
            let finding = report.add(place, format!("there is no axis {axis} among the {rank} of {of}"));
            finding.help("axes are counted from 0; `per-channel` alone takes that of the output channels");
            finding.suggest("use the output channels", place, "per-channel");
            finding
        }
        _ => {
            let finding = report.add(place, format!("no input and output channels are known of {of}"));
            finding.help("`per-tensor`, or `block` with the extents you mean, needs none");
            finding.suggest("use per-tensor", place, "per-tensor");
            finding
        }
    };
    finding.label(share.rule.selector_place, "these weights are meant");
    finding.weights(names);
}
