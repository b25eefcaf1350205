//! Groups of channels and blocks of palettes must divide their axis.

use crate::check::divides;
use crate::check::schemes::misfits;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::plan::Misfit;
use crate::recipe::Field;
use crate::scheme::{Granularity, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-group-divides",
    severity: Severity::Error,
    title: "tables for groups of channels that do not divide the weight",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
A table serves as many channels as every other: the number of channels must be a multiple of the group. The usual
victims are embeddings and output layers whose vocabulary is odd.

torchao stops with an AssertionError (`Tensor rows (33) not divisible by row block size (16)`). coremltools logs `Can't
perform palettization: The number of channels at 0th axis … is not divisible by channel_group_size`, and leaves the
weight uncompressed.

Choose a divisor of all the lengths, one table for the whole weight, or `block[-1, 16]`, groups along the other axis,
where that divides.
",
    examples: &[
        Example::with_model(
            "embed_tokens.weight  embedding  1000x64  fp16\n",
            "target iOS18\nembedding => lut8 per-grouped-channel(64)\n",
            "target iOS18\nembedding => lut8 per-grouped-channel(50)\n",
        ),
        Example::with_model(
            "embed_tokens.weight  embedding  32001x64  fp16\nlayers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
            "target iOS18\nembedding or linear => lut3 per-grouped-channel(16)\n",
            "target iOS18\nembedding => lut3\nlinear => lut3 per-grouped-channel(16)\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS18/compression.py, constexpr_lut_to_dense",
        "torchao: prototype/quantization/codebook_coreml/codebook_ops.py:126-152",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let wanted = |weights: &WeightScheme, misfit: &Misfit| {
        matches!((weights, misfit), (WeightScheme::Palette(_), Misfit::Divides { .. }))
    };
    for share in misfits(context, |scheme, misfit| wanted(&scheme.weights, misfit)) {
        let WeightScheme::Palette(palette) = &share.scheme.weights else { continue };
        let granularity = &palette.granularity;
        // `per-group` is refused for palettes whatever the lengths are.
        if matches!(granularity, Granularity::PerGroup(_)) {
            continue;
        }
        let finding = report.add(divides::place(&share), divides::message(&share, granularity));
        finding.here(format!("`{granularity}`")).label(share.rule.selector_place, "these weights are meant");
        finding
            .upstream(
                "torchao stops with an AssertionError; coremltools logs a warning and leaves the weights in float",
            )
            .help("take a size that divides every one of them, or one table for those that do not fit");
        divides::suggest_extents(context, &share, granularity, finding);
        if let Granularity::PerGroupedChannel(size) = granularity {
            let one_table = format!("lut{} per-tensor", palette.bits);
            divides::suggest_exception(context, share.rule, "out_features", *size, &one_table, finding);
        } else if let Some(place) = share.rule.origins.get(Field::Granularity) {
            finding.suggest("use one table", place, "per-tensor");
        }
        finding.weights(share.names());
    }
}
