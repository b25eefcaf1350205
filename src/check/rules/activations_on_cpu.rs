//! Quantized activations gain on the Neural Engine, and lose elsewhere.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::recipe::{ComputeUnits, Field};

/// The rule.
pub const RULE: Rule = Rule {
    code: "activations-on-cpu",
    severity: Severity::Warning,
    title: "quantized activations without the Neural Engine",
    binds: Binds::Hardware,
    needs: Needs::Recipe,
    page: "
Quantized activations speed a model up where it runs fully or mostly on the Neural Engine, and there above all on the
A17 Pro, the M4 and later. On the CPU, and on some GPUs, weights and activations are dequantized while the model runs:
it becomes slower than it was in float.

With `compute cpu` or `compute cpu-and-gpu` the Neural Engine is shut out. Quantize weights only, or let the model use
it. Measure on the device.
",
    examples: &[Example::recipe(
        "target iOS17\ncompute cpu-and-gpu\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
        "target iOS17\ncompute cpu-and-ne\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
    )],
    sources: &[
        "coremltools: docs-guides/source/opt-quantization-perf.md",
        "coremltools: docs-guides/source/opt-overview.md",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(compute) = context.recipe.compute else { return };
    if !matches!(compute.value, ComputeUnits::Cpu | ComputeUnits::CpuAndGpu) {
        return;
    }
    let asked = asked(context.recipe, Field::Activations, |_, scheme| places::is_static(scheme));
    let Some(first) = asked.first() else { return };
    let finding = report.add(compute.place, "quantized activations slow a model down without the Neural Engine");
    finding.label(first.place, "dequantized while the model runs");
    finding
        .here("no Neural Engine")
        .help("quantize the weights only, or let the model use the Neural Engine: `compute cpu-and-ne`")
        .suggest("use the Neural Engine", compute.place, "compute cpu-and-ne");
}
