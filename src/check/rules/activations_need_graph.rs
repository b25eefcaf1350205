//! A checkpoint has no graph in which activations could be observed.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "activations-need-graph",
    severity: Severity::Error,
    title: "quantized activations for a model without a graph",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
Activations are what flows between the operators of a model. To observe and quantize them the operators must be known,
and a checkpoint (a `.safetensors` file, a directory with `config.json`) holds named tensors only.

The graph is in the export of a model: `torch.export.save` writes a `.pt2`, which bitmill runs on the samples of
`calibrate`. Name that as the `model`, or quantize the weights only.
",
    examples: &[Example::with_model(
        "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
        "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
        "target iOS16\nlinear => int8 per-channel\n",
    )],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on models"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    if context.model.is_none_or(|(model, _)| model.is_package() || model.is_export()) {
        return;
    }
    for asked in asked(recipe, Field::Activations, |_, scheme| places::is_static(scheme)) {
        let finding = report.add(asked.place, "the model is a checkpoint: it has no graph to observe activations in");
        finding.label_if(recipe.model_place(), "tensors alone");
        asked.label_uses(finding);
        finding.help("quantize the weights only, or name an export of the model: `torch.export.save` writes a `.pt2`");
        places::offer_without(finding, recipe, "quantize the weights only", asked.place);
    }
}
