//! ExecuTorch's weight-only recipe of PT2E, which upstream needs samples for.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, words};

/// The preset that quantizes weights only and is calibrated upstream all the same.
pub(super) const WEIGHT_ONLY: &str = "coreml_pt2e_int8_weight_only";

/// The rule.
pub const RULE: Rule = Rule {
    code: "pt2e-samples",
    severity: Severity::Hint,
    title: "`coreml_pt2e_int8_weight_only` without samples, which upstream needs",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
bitmill computes the scales of weights from the weights, and needs no samples. The recipe of that name in ExecuTorch goes
through PT2E, whose observers learn a scale when the model is called. A model that has seen no sample does not fail: every
scale stays at its initial 1.0, all weights round to 0, and the export succeeds.

Whoever calls upstream with this recipe must give it a sample at least. A `calibrate` statement says which.
",
    examples: &[Example::recipe(
        "extend \"coreml_pt2e_int8_weight_only\"\n",
        "extend \"coreml_pt2e_int8_weight_only\"\ncalibrate \"calibration.safetensors\" { samples 1 }\n",
    )],
    sources: &["ExecuTorch: backends/apple/coreml/quantizer; PT2E without samples gives scale 1.0 everywhere"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    if recipe.calibrate.is_some() {
        return;
    }
    let Some(extend) = recipe.extends.iter().find(|extend| extend.name.value == WEIGHT_ONLY) else { return };
    let place = recipe.visible(extend.place);
    let finding = report.add(place, "upstream's recipe of this name needs at least one sample");
    finding
        .help("nothing needs to be done for what bitmill writes: the scales of weights need no samples")
        .upstream("PT2E does not fail without samples: every scale stays 1.0 and all weights round to 0");
    let statement = "calibrate \"calibration.safetensors\" { samples 1 }";
    finding.fix_with("add a `calibrate` statement", false, vec![words::insert_after(recipe, place, statement)]);
}
