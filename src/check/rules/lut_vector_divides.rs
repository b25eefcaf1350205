//! Vectors of a palette must divide the channels of a table.

use crate::check::schemes::{common_divisor, misfits, weights_named};
use crate::check::words::remove_part;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::plan::{Misfit, Outcome};
use crate::recipe::Field;
use crate::scheme::WeightScheme;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-vector-divides",
    severity: Severity::Error,
    title: "vectors that do not divide the channels of a table",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
With `vector(4)` one index stands for four neighbours along the channel axis. So the channels that share a table must be
a multiple of four: all output channels of the weight, or those of one group.

coremltools wants `cluster_dim` to divide the group size, and for convolutions the channels of each group; otherwise it
logs a warning and leaves the weight uncompressed.

Choose a shorter vector, or a group that is a multiple of it.
",
    examples: &[Example::with_model(
        "layers.{0..3}.q_proj.weight  linear  66x64  fp16\n",
        "target iOS18\nlinear => lut4 vector(4)\n",
        "target iOS18\nlinear => lut4 vector(2)\n",
    )],
    sources: &["coremltools: optimize/coreml/_quantization_passes.py:752-757, optimize/_utils.py:617-639"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for share in misfits(context, |_, misfit| matches!(misfit, Misfit::Vector { .. })) {
        let WeightScheme::Palette(palette) = &share.scheme.weights else { continue };
        let lengths = share.weights.iter().filter_map(|(_, decision)| match decision.outcome {
            Outcome::Misfit(Misfit::Vector { length, .. }) => Some(length),
            _ => None,
        });
        let common = common_divisor(lengths.clone());
        let length = lengths.min().unwrap_or(0);
        let names = share.names();
        let vector = palette.vector;
        let place = places::part(share.rule, Field::Vector);
        let message =
            format!("vectors of {vector} do not divide the {length} channels of a table of {}", weights_named(&names));
        let finding = report.add(place, message);
        finding
            .here(format!("{vector} neighbouring channels an entry"))
            .label(share.rule.selector_place, "these weights are meant")
            .label_if(share.rule.origins.get(Field::Granularity), "the channels of a table")
            .upstream("coremltools logs a warning and leaves the weights in float")
            .help("take a shorter vector, or tables for a multiple of it");
        // A divisor of the vector as well suits the weights for which the vector is right.
        let shorter =
            (2..vector as usize).rev().find(|n| common.is_multiple_of(*n) && (vector as usize).is_multiple_of(*n));
        if let Some(shorter) = shorter {
            finding.suggest(format!("use vector({shorter})"), place, format!("vector({shorter})"));
        }
        finding.fix_with("single values", false, vec![remove_part(context.recipe, place)]);
        finding.weights(names);
    }
}
