//! Palettes on iOS16, which decompresses them when a model is loaded.

use crate::check::needs::{self, ACTIVATIONS, COMPRESSION};
use crate::check::schemes::palette_parts;
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::lowest_set;
use crate::recipe::{ComputeUnits, Field};

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-decompressed-early",
    severity: Severity::Hint,
    title: "palettes for the Neural Engine of iOS16, which gain on disk only",
    binds: Binds::Hardware,
    needs: Needs::Recipe,
    page: "
From iOS17 on, the Neural Engine looks values up in their tables as it goes: memory and latency both gain. A model whose
operators are those of iOS16 is decompressed when it is loaded. It is smaller on disk and for download, and takes as much
memory and time as a model in fp16.

Where that is enough, all is well; the hint appears where the recipe asks for the Neural Engine by name (`compute
cpu-and-ne`). It is advice as of iOS18 and macOS15: measure on the device. Palettized models that coremltools 9.0 writes
are reported by a few to crash or to give wrong results on macOS 26: look at the output there, and fall back on
`int8 per-channel` if need be.
",
    examples: &[Example::recipe(
        "target iOS16\ncompute cpu-and-ne\nlinear => lut4\n",
        "target iOS17\ncompute cpu-and-ne\nlinear => lut4\n",
    )],
    sources: &[
        "coremltools: docs-guides/source/opt-palettization-perf.md",
        "coremltools: docs-guides/source/opt-whats-new.md:10-11",
        "apple/coremltools#2716 (open), PR #2688 (open)",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let Some(compute) = recipe.compute.filter(|c| c.value == ComputeUnits::CpuAndNe) else { return };
    if recipe.written_set().is_none_or(|set| set.spec != COMPRESSION) {
        return;
    }
    let palettes = palette_parts(recipe, Field::Base, |_| true).into_iter().map(|(part, _)| part);
    // What iOS16 does not have at all is told by rules of its own.
    let mut palettes = palettes.filter(|part| lowest_set(part.scheme).spec <= COMPRESSION);
    let Some(first) = palettes.next() else { return };
    let finding =
        report.add(first.place, "iOS16 decompresses palettes when a model is loaded: only the file is smaller");
    finding
        .label(compute.place, "the Neural Engine is asked for here")
        .help("raise the target where speed and memory matter; a smaller file needs no change");
    first.label_uses(finding);
    for other in palettes.take(2) {
        finding.label(other.place, "this too");
    }
    needs_set(finding, context, needs::set(ACTIVATIONS));
}
