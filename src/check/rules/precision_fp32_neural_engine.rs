//! The Neural Engine computes in fp16 only.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::ComputeUnits;
use crate::scheme::FloatType;

/// The rule.
pub const RULE: Rule = Rule {
    code: "precision-fp32-neural-engine",
    severity: Severity::Warning,
    title: "fp32 computation keeps a model off the Neural Engine",
    binds: Binds::Hardware,
    needs: Needs::Recipe,
    page: "
The Neural Engine computes in fp16 only. An operator that is typed fp32 runs in fp32 wherever it runs, and so never
there; one that is typed fp16 may run in either.

With `compute cpu-and-ne` nothing would be left to the Neural Engine at all, which is a warning. With `compute all` the
CPU and the GPU remain, which is a hint. `precision fp32` also doubles the size of scales and tables.
",
    examples: &[
        Example::recipe(
            "target iOS16\ncompute cpu-and-ne\nprecision fp32\nlinear => int8 per-channel\n",
            "target iOS16\ncompute cpu-and-ne\nprecision fp16\nlinear => int8 per-channel\n",
        ),
        Example::recipe(
            "target iOS16\ncompute all\nprecision fp32\nlinear => int8 per-channel\n",
            "target iOS16\ncompute cpu-and-gpu\nprecision fp32\nlinear => int8 per-channel\n",
        ),
    ],
    sources: &[
        "ExecuTorch: docs/source/backends/coreml/coreml-partitioner.md",
        "coremltools: docs-guides/source/typed-execution.md",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let (Some(precision), Some(compute)) = (context.recipe.precision, context.recipe.compute) else { return };
    let severity = match compute.value {
        ComputeUnits::CpuAndNe => Severity::Warning,
        ComputeUnits::All => Severity::Hint,
        ComputeUnits::Cpu | ComputeUnits::CpuAndGpu => return,
    };
    if precision.value != FloatType::Fp32 {
        return;
    }
    let finding = report.add_as(severity, precision.place, "the Neural Engine does not compute in fp32");
    finding.label(compute.place, "the Neural Engine would be allowed");
    finding
        .help("compute in fp16, which is the default, or say `compute cpu-and-gpu`")
        .suggest("compute in fp16", precision.place, "precision fp16")
        .suggest("leave the Neural Engine out", compute.place, "compute cpu-and-gpu");
}
