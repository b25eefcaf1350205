//! Static activations without samples to calibrate them.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, needs, places, programs, words};
use crate::recipe::{Field, TargetChoice};

/// The rule.
pub const RULE: Rule = Rule {
    code: "calibration-missing",
    severity: Severity::Error,
    title: "quantized activations without calibration",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
The scale of an activation is fixed when the model is written, so somebody must show the model what its activations look
like: `calibrate \"samples.safetensors\"` names representative inputs.

Upstream, a model that has seen no sample does not fail. Every scale of PT2E stays at its initial 1.0, the weights'
scales too, and so every weight rounds to 0: the export succeeds, and the model is destroyed without a word.
",
    examples: &[
        Example::recipe(
            "target iOS17\nconv => int8 per-channel, activations uint8\n",
            "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nconv => int8 per-channel, activations uint8\n",
        ),
        Example::recipe(
            "extend \"coreml_pt2e_int8_static\"\n",
            "extend \"coreml_pt2e_int8_static\"\ncalibrate \"calibration.safetensors\" { samples 128 }\n",
        ),
    ],
    sources: &["ExecuTorch: backends/apple/coreml/quantizer; PT2E without samples gives scale 1.0 everywhere"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    // Of a package they cannot be quantized at all: `activations-need-export`.
    if recipe.calibrate.is_some() || programs::facts(context).is_some() {
        return;
    }
    let asked = asked(recipe, Field::Activations, |_, scheme| places::is_static(scheme));
    let Some(first) = asked.first() else { return };
    let finding = report.add(first.place, "quantized activations need samples, and the recipe names none");
    for other in asked.iter().skip(1).take(2) {
        finding.label(other.place, "these too");
    }
    finding
        .here("their ranges must be observed")
        .help("`calibrate \"calibration.safetensors\" { samples 128 }` names representative inputs")
        .upstream("PT2E does not fail without samples: every scale stays 1.0 and all weights round to 0");
    let target = recipe.target.as_ref().and_then(TargetChoice::place).filter(|p| !needs::in_preset(recipe, *p));
    let anchor = target.unwrap_or_else(|| recipe.visible(first.place));
    let edit = words::insert_after(recipe, anchor, "calibrate \"calibration.safetensors\" { samples 128 }");
    finding.fix_with("add a `calibrate` statement", false, vec![edit]);
}
