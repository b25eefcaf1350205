//! Activations of a package are not calibrated.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, programs};
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "activations-need-export",
    severity: Severity::Error,
    title: "quantized activations for a Core ML package",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
To quantize activations, a model runs over samples while the ranges of its values are observed. bitmill does that with
exports of PyTorch (`.pt2`), whose operators it knows as PyTorch's PT2E knows them, and not with packages: a recipe that
asks for it on one is refused, rather than obeyed in part.

Name the export as the `model`: what is written is a package. Or quantize the weights of the package only. coremltools
calibrates packages with `linear_quantize_activations`, on macOS only, since it has Core ML itself run them.
",
    examples: &[Example::with_model(
        "program CoreML7\nfc.weight  linear  64x64  fp16\n",
        "calibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
        "linear => int8 per-channel\n",
    )],
    sources: &["coremltools: optimize/coreml/experimental/_post_training_quantization.py, linear_quantize_activations"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    if programs::facts(context).is_none() {
        return;
    }
    for asked in asked(recipe, Field::Activations, |_, scheme| places::is_static(scheme)) {
        let finding = report.add(asked.place, "activations of a Core ML package are not calibrated");
        finding.label_if(recipe.model_place(), "a package");
        asked.label_uses(finding);
        finding
            .help("name the export that the package was made of (`.pt2`) as the model, or quantize the weights only");
        finding.upstream("coremltools calibrates packages on macOS only, by running them");
        places::offer_without(finding, recipe, "quantize the weights only", asked.place);
    }
}
