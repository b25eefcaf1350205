//! Fewer samples than ranges can be told from.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};

/// Below this many samples a word is due: a moving average with constant 0.01 needs tens.
const FEW: u64 = 16;

/// The rule.
pub const RULE: Rule = Rule {
    code: "calibration-few",
    severity: Severity::Hint,
    title: "few samples for calibration",
    binds: Binds::Torchao,
    needs: Needs::Recipe,
    page: "
Ranges of activations are as good as the samples they are observed from. With a handful, values that the samples happen
not to show are clipped.

The default observer, a moving average with constant 0.01, also needs tens of samples before the first one is
forgotten. Upstream's own examples use from 1 to 128; 128 is the default of coremltools' GPTQ.
",
    examples: &[Example::recipe(
        "target iOS17\ncalibrate \"calibration.safetensors\" { samples 4 }\nlinear => int8 per-channel, activations uint8\n",
        "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
    )],
    sources: &["torch: observers, averaging_constant 0.01", "coremltools: optimize/torch/layerwise_compression"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let Some(samples) = recipe.calibrate.as_ref().and_then(|calibrate| calibrate.samples) else { return };
    let any_static = recipe.rules.iter().filter_map(|rule| rule.scheme.as_ref()).any(places::is_static);
    if samples.value >= FEW || !any_static {
        return;
    }
    report.add(samples.place, few(samples.value)).help("about a hundred representative samples are usual").suggest(
        "use 128 samples",
        samples.place,
        "128",
    );
}

fn few(samples: u64) -> String {
    match samples {
        1 => "one sample says little about the ranges of activations".to_string(),
        n => format!("{n} samples say little about the ranges of activations"),
    }
}
