//! Constants whose takers see other channels in them.

use std::collections::HashSet;

use crate::check::schemes::{shares, weights_named};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, programs};
use crate::recipe::Field;
use crate::scheme::{Granularity, Scheme, Sparsity, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "weight-axes-conflict",
    severity: Severity::Warning,
    title: "one constant with two axes of output channels",
    binds: Binds::Coremltools,
    needs: Needs::Model,
    page: "
Which axis of a weight holds its output channels depends on the operator that takes it: axis 0 for `linear` and `conv`, axis
1 for `conv_transpose`, the last one for the right side of `matmul`. Where operators share one constant and see other
channels in it, \"per channel\" is not one thing. bitmill takes the axes of the first of them; coremltools skips the weight
with a warning.

Name the axes: `per-channel(0)` or `block[1, -1]` are the same whoever takes the weight.
",
    examples: &[Example::with_model(
        "program CoreML6\nembed.weight  linear  64x64  fp16  axes=1,0\n",
        "linear => int8 per-channel\n",
        "linear => int8 per-channel(0)\n",
    )],
    sources: &["coremltools: optimize/_utils.py:536-614"],
    check,
};

/// Whether what a scheme does depends on which axis holds the channels.
fn asks_for_channels(scheme: &Scheme) -> bool {
    let of = |granularity: &Granularity| match granularity {
        Granularity::PerChannel(axis) => axis.is_none(),
        Granularity::PerGroup(_) | Granularity::PerGroupedChannel(_) => true,
        Granularity::PerTensor | Granularity::Block(_) => false,
    };
    let weights = match &scheme.weights {
        WeightScheme::Affine(affine) => of(&affine.granularity),
        WeightScheme::Palette(palette) => of(&palette.granularity) || palette.vector > 1 || palette.scaled,
        WeightScheme::Keep | WeightScheme::Float(_) | WeightScheme::Sparse => false,
    };
    weights || matches!(scheme.sparse, Some(Sparsity::Ratio { .. }))
}

fn check(context: &Context, report: &mut Report) {
    let Some((model, _)) = context.model.filter(|(model, _)| model.is_package()) else { return };
    let indices = (0..model.weights.len()).filter(|&i| programs::uses(model, i).is_some_and(|u| u.axes.len() > 1));
    let torn: HashSet<&str> = indices.map(|index| model.weights[index].name.as_str()).collect();
    let found = shares(context, |rule, weight, decision| {
        let asks = rule.scheme.as_ref().is_some_and(asks_for_channels);
        asks && decision.outcome.is_change() && torn.contains(weight.name.as_str())
    });
    for share in found {
        let names = share.names();
        let place = places::part(share.rule, Field::Granularity);
        let message = format!("the operators that share {} see different channels in it", weights_named(&names));
        let finding = report.add(place, message);
        let axis = share.weights[0].0.channel_axis().unwrap_or(0);
        finding
            .here(format!("taken along axis {axis}, as the first of them has it"))
            .upstream("coremltools skips such weights with a warning")
            .help("name the axes: `per-channel(0)` or `block[1, -1]` are the same for all");
        let granularity = match &share.scheme.weights {
            WeightScheme::Affine(affine) => Some(&affine.granularity),
            _ => None,
        };
        let written = share.rule.origins.get(Field::Granularity);
        if let (Some(Granularity::PerChannel(None)), Some(written)) = (granularity, written)
            && !matches!(share.scheme.sparse, Some(Sparsity::Ratio { .. }))
        {
            let named = format!("per-channel({axis})");
            finding.suggest(format!("write `{named}`"), written, named);
        }
        finding.weights(names);
    }
}
