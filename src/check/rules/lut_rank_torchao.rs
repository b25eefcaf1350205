//! Palettes of convolutions through torchao.

use crate::check::schemes::{shares, weights_named};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::plan::{Fitted, Outcome};
use crate::scheme::{Arithmetic, Granularity, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-rank-torchao",
    severity: Severity::Hint,
    title: "palettes of weights that are no matrices, which torchao does not make",
    binds: Binds::Torchao,
    needs: Needs::Model,
    page: "
torchao's `CodebookWeightOnlyConfig` makes palettes of matrices only: a block has two extents, and ExecuTorch's lowering
takes codes of rank 2. A convolution, whose weight has three to five axes, fails.

bitmill's palettes have no such limit. The hint appears only where the recipe asks for torchao's arithmetic by name
(`arithmetic torchao`).
",
    examples: &[Example::with_model(
        "stem.conv.weight  conv2d  64x32x3x3  fp16\nhead.weight  linear  64x64  fp16\n",
        "target iOS18\narithmetic torchao\nconv or linear => lut4\n",
        "target iOS18\narithmetic torchao\nlinear => lut4\nconv => keep\n",
    )],
    sources: &[
        "torchao: prototype/quantization/codebook_coreml/codebook_ops.py:126-152",
        "ExecuTorch: backends/apple/coreml/compiler/torch_ops.py:202-223",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(asked_for) = places::asks_for(context, Arithmetic::Torchao) else { return };
    let others = shares(context, |rule, weight, decision| {
        // Blocks of other than two extents are told by `lut-block-torchao`.
        let told = rule.scheme.as_ref().is_some_and(|scheme| match &scheme.weights {
            WeightScheme::Palette(p) => matches!(&p.granularity, Granularity::Block(extents) if extents.len() != 2),
            _ => false,
        });
        !told && weight.shape.len() != 2 && matches!(decision.outcome, Outcome::Change(Fitted::Palette { .. }))
    });
    for share in others {
        let names = share.names();
        let message = format!("torchao makes palettes of matrices only: {}", weights_named(&names));
        let finding = report.add(share.rule.selector_place, message);
        finding
            .label(asked_for, "torchao's arithmetic is asked for here")
            .upstream("`CodebookWeightOnlyConfig` fails for weights of other than two axes")
            .help("bitmill makes them all the same; for an export to torchao keep these weights")
            .weights(names);
    }
}
