//! CPU and Neural Engine alone, on systems without that choice.

use crate::check::needs::{self, COMPRESSION, MLPROGRAM, quantizes};
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::ComputeUnits;

/// The rule.
pub const RULE: Rule = Rule {
    code: "compute-unit-target",
    severity: Severity::Warning,
    title: "`compute cpu-and-ne` for a system without that choice",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
`CPU_AND_NE` came with iOS16, macOS13, watchOS9 and tvOS16. Whoever loads a model on an older system can choose the CPU,
the CPU and the GPU, or all; coremltools refuses the name on such a Mac.

The model itself runs there. Say `compute all`, or a newer target.
",
    examples: &[Example::recipe(
        "target macOS12  # bitmill: allow(target-executorch-floor)\ncompute cpu-and-ne\nlinear => fp16\n",
        "target macOS12  # bitmill: allow(target-executorch-floor)\ncompute all\nlinear => fp16\n",
    )],
    sources: &["coremltools: __init__.py:74-83, ComputeUnit"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let Some(compute) = recipe.compute.filter(|compute| compute.value == ComputeUnits::CpuAndNe) else { return };
    // Older targets, and compressed weights, are told by rules of their own: the newer target that they ask for is enough.
    let is_old = recipe.written_set().is_some_and(|set| (MLPROGRAM..COMPRESSION).contains(&set.spec));
    let told = recipe.rules.iter().filter_map(|rule| rule.scheme.as_ref()).any(quantizes);
    if !is_old || told {
        return;
    }
    let need = needs::set(COMPRESSION);
    let finding = report.add(compute.place, format!("`cpu-and-ne` needs {}", need.systems()));
    finding.help("say `compute all`, or a newer target").suggest(
        "let Core ML choose the processor",
        compute.place,
        "compute all",
    );
    needs_set(finding, context, need);
}
