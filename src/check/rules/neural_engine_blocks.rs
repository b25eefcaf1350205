//! Integers with scales per block on the Neural Engine.

use crate::check::schemes::affine_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::{ComputeUnits, Field};
use crate::scheme::{Affine, Granularity};

/// The rule.
pub const RULE: Rule = Rule {
    code: "neural-engine-blocks",
    severity: Severity::Warning,
    title: "integers with scales per group on the Neural Engine",
    binds: Binds::Hardware,
    needs: Needs::Recipe,
    page: "
4-bit integers with scales per group or block are made for the GPU, that of Macs above all. With `compute cpu-and-ne`
they are reported not to reach the Neural Engine: the compilers of newer tools crash or fall back, while palettes of the
same width compile.

Apple's guide prefers scales per channel on the Neural Engine, and palettes of any width. With 8 bits it is a hint, since
nothing worse than lost speed is known. It is advice as of iOS18 and macOS15: measure on the device.
",
    examples: &[
        Example::recipe(
            "target iOS18\ncompute cpu-and-ne\nlinear => int4 per-group(32)\n",
            "target iOS18\ncompute cpu-and-ne\nlinear => lut4 per-grouped-channel(16)\n",
        ),
        Example::recipe(
            "target iOS18\ncompute cpu-and-ne\nlinear => int8 per-group(32)\n",
            "target iOS17\ncompute cpu-and-ne\nlinear => int8 per-channel\n",
        ),
    ],
    sources: &[
        "apple/coreai-models#55",
        "apple/coreai-models#205",
        "kasper0406/stablehlo-coreml PR #110",
        "coremltools: docs-guides/source/opt-quantization-perf.md:18-21",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(compute) = context.recipe.compute.filter(|c| c.value == ComputeUnits::CpuAndNe) else { return };
    let is_block = |a: &Affine| matches!(a.granularity.plain(), Granularity::PerGroup(_) | Granularity::Block(_));
    for (part, affine) in affine_parts(context.recipe, Field::Granularity, |a| matches!(a.bits, 4 | 8) && is_block(a)) {
        let written = &affine.granularity;
        let (severity, message) = match affine.bits {
            4 => {
                (RULE.severity, format!("4-bit integers with `{written}` are reported not to run on the Neural Engine"))
            }
            _ => (Severity::Hint, format!("the Neural Engine prefers scales per channel to `{written}`")),
        };
        let finding = report.add_as(severity, part.place, message);
        finding.label(compute.place, "the Neural Engine is asked for here");
        match affine.bits {
            4 => finding
                .upstream("compilers for the Neural Engine crash on them or fall back, while palettes compile")
                .help("use a palette such as `lut4 per-grouped-channel(16)`, or `per-channel`; measure on the device"),
            _ => finding.help("use `per-channel`, or let Core ML choose the processor; measure on the device"),
        };
        part.label_uses(finding);
        part.suggest(context.recipe, finding, "use per-channel", &[(Field::Granularity, "per-channel")]);
        finding.suggest("let Core ML choose the processor", compute.place, "compute all");
    }
}
