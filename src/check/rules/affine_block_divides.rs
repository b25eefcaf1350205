//! Groups and blocks of integers must divide their axis.

use crate::check::divides;
use crate::check::schemes::misfits;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::plan::Misfit;
use crate::recipe::Field;
use crate::scheme::{Granularity, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "affine-block-divides",
    severity: Severity::Error,
    title: "groups or blocks that do not divide an axis of a weight",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
Core ML tells the size of a block from the shape of the scales: `data.shape[i] % scale.shape[i] == 0` on every axis. A
group of 32 fits 64 input channels and cannot fit 48.

torchao stops with an AssertionError (`Expecting input size at 1 dimension: 64 to be divisible by block_size`).
coremltools only logs a warning and leaves the weight uncompressed, so that the package is larger than planned.

Choose a divisor of all the lengths, a multiple of 16 or 32 where there is one, or add a rule for the weights that do
not fit: `linear where in_features % 32 != 0 => int8 per-channel`.
",
    examples: &[
        Example::with_model(
            "layers.{0..3}.q_proj.weight  linear  64x64  fp16\nlayers.{0..3}.o_proj.weight  linear  64x48  fp16\n",
            "target iOS18\nlinear => int4 per-group(32)\n",
            "target iOS18\nlinear => int4 per-group(16)\n",
        ),
        Example::with_model(
            "fc1.weight  linear  64x64  fp16\nfc2.weight  linear  10x50  fp16\n",
            "target iOS18\nscheme w4 = int4 per-group(32)\nlinear or embedding => w4\n",
            "target iOS18\nscheme w4 = int4 per-group(32)\nlinear => w4\nlinear where in_features % 32 != 0 => int8 per-channel\n",
        ),
        Example::with_model(
            "fc1.weight  linear  64x64  fp16\n",
            "target iOS18\n\"fc*\" => int8 block[1, 24]\n",
            "target iOS18\n\"fc*\" => int8 block[1, 16]\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS18/compression.py:97-105",
        "torchao: quantization/quant_primitives.py, `Expecting input size at`",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let wanted = |weights: &WeightScheme, misfit: &Misfit| {
        matches!((weights, misfit), (WeightScheme::Affine(_), Misfit::Divides { .. }))
    };
    for share in misfits(context, |scheme, misfit| wanted(&scheme.weights, misfit)) {
        let WeightScheme::Affine(affine) = &share.scheme.weights else { continue };
        let granularity = &affine.granularity;
        let finding = report.add(divides::place(&share), divides::message(&share, granularity));
        finding.here(format!("`{granularity}`")).label(share.rule.selector_place, "these weights are meant");
        finding
            .upstream(
                "torchao stops with an AssertionError; coremltools logs a warning and leaves the weights in float",
            )
            .help("take a size that divides every one of them, or add a rule for those that do not fit");
        divides::suggest_extents(context, &share, granularity, finding);
        if let Granularity::PerGroup(size) = granularity {
            divides::suggest_exception(context, share.rule, "in_features", *size, "int8 per-channel", finding);
        } else if let Some(place) = share.rule.origins.get(Field::Granularity) {
            finding.suggest("use one scale for each channel", place, "per-channel");
        }
        finding.weights(share.names());
    }
}
