//! Signed 8-bit integers of iOS16 and iOS17 that upstream writes.

use crate::check::needs::{BLOCKS, COMPRESSION, in_preset, set};
use crate::check::schemes::affine_parts;
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::{ComputeUnits, Field};
use crate::scheme::{Affine, Arithmetic, Granularity, Mapping};

/// The rule.
pub const RULE: Rule = Rule {
    code: "int8-signed",
    severity: Severity::Hint,
    title: "signed 8-bit integers that upstream writes for iOS16 or iOS17",
    binds: Binds::Coremltools,
    needs: Needs::Recipe,
    page: "
For iOS16 and iOS17, coremltools and ExecuTorch write symmetric int8 weights as `constexpr_affine_dequantize` with signed
codes and the zero point 0. That form is reported to give wrong results on the GPU and the Neural Engine, where unsigned
codes with a zero point in their middle give the right ones.

bitmill moves signed codes up by 128 for these systems: the values are the same, and nothing needs to be done about its
packages. The hint is about recipes for upstream: it appears where the recipe asks for a tool's arithmetic by name or
extends one of ExecuTorch's presets, and says by `compute` that more than the CPU is meant. `uint8` makes coremltools
write the safe form; from iOS18 on another operator is used.
",
    examples: &[
        Example::recipe(
            "target iOS16\narithmetic coremltools\ncompute cpu-and-ne\nlinear => int8 per-channel\n",
            "target iOS16\narithmetic coremltools\ncompute cpu-and-ne\nlinear => uint8 per-channel\n",
        ),
        Example::recipe(
            "target iOS16\ncompute cpu-and-gpu\nextend \"coreml_torchao_int8_weight_only_per_channel\"\n",
            "target iOS16\ncompute cpu\nextend \"coreml_torchao_int8_weight_only_per_channel\"\n",
        ),
    ],
    sources: &["apple/coremltools#2114 (closed)", "apple/coremltools PR #2675, #2677 (open)"],
    check,
};

/// Codes without a zero point, in an encoding of CoreML6.
fn is_signed(affine: &Affine) -> bool {
    let channels = matches!(affine.granularity.plain(), Granularity::PerTensor | Granularity::PerChannel(_));
    affine.bits == 8 && affine.signed && affine.mapping != Mapping::Asymmetric && channels
}

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let Some(compute) = recipe.compute.filter(|compute| compute.value != ComputeUnits::Cpu) else { return };
    if recipe.written_set().is_none_or(|set| !(COMPRESSION..BLOCKS).contains(&set.spec)) {
        return;
    }
    for (part, _) in affine_parts(recipe, Field::Base, is_signed) {
        let is_upstream = recipe.arithmetic.is_some() || in_preset(recipe, part.place);
        if !is_upstream || part.scheme.activations.is_some() {
            continue;
        }
        let message = "upstream's signed int8 is reported to give wrong results on the GPU and the Neural Engine";
        let finding = report.add(part.place, message);
        finding
            .label(compute.place, "more than the CPU is meant")
            .label_if(recipe.arithmetic.map(|written| written.place), "the arithmetic of a tool is asked for here")
            .upstream("for iOS16 and iOS17 they write `constexpr_affine_dequantize` with signed codes")
            .help("nothing needs to be done for what bitmill writes: it moves the codes up by 128");
        part.label_uses(finding);
        if recipe.arithmetic.is_some_and(|written| written.value == Arithmetic::Coremltools) {
            part.suggest(recipe, finding, "use uint8", &[(Field::Base, "uint8")]);
        }
        needs_set(finding, context, set(BLOCKS));
    }
}
