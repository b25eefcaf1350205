//! Palettes without the Neural Engine.

use crate::check::schemes::palette_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::{ComputeUnits, Field};

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-gpu",
    severity: Severity::Hint,
    title: "palettes without the Neural Engine",
    binds: Binds::Hardware,
    needs: Needs::Recipe,
    page: "
Palettes of any width work best on the Neural Engine, which decompresses them as it goes from iOS17 on: memory and
latency both gain. On the GPU they may save memory; nothing is said of speed.

With `compute cpu-and-gpu` 4-bit integers with scales per group are what Apple's guide suggests, on Macs above all. It
is advice as of iOS18 and macOS15: measure on the device.
",
    examples: &[Example::recipe(
        "target iOS18\ncompute cpu-and-gpu\nlinear => lut4 per-grouped-channel(16)\n",
        "target iOS18\ncompute cpu-and-gpu\nlinear => int4 per-group(32)\n",
    )],
    sources: &["coremltools: docs-guides/source/opt-overview.md:100-105"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(compute) = context.recipe.compute.filter(|c| c.value == ComputeUnits::CpuAndGpu) else { return };
    for (part, _) in palette_parts(context.recipe, Field::Base, |_| true) {
        let finding =
            report.add(part.place, "palettes save memory on the GPU, but gain speed on the Neural Engine only");
        finding
            .label(compute.place, "the Neural Engine is left out here")
            .help("use `int4 per-group(32)` for the GPU, or let the Neural Engine take part; measure on the device");
        part.label_uses(finding);
        finding.suggest("let Core ML choose the processor", compute.place, "compute all");
    }
}
