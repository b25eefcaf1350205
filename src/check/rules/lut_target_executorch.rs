//! Palettes through ExecuTorch before iOS18.

use crate::check::needs::{self, BLOCKS, COMPRESSION, in_preset};
use crate::check::schemes::palette_parts;
use crate::check::words::needs_set;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::coreml::feature::lowest_set;
use crate::recipe::Field;
use crate::scheme::Arithmetic;

/// The rule.
pub const RULE: Rule = Rule {
    code: "lut-target-executorch",
    severity: Severity::Hint,
    title: "palettes that ExecuTorch lowers for iOS18 only",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
Core ML knows palettes with one table per weight from iOS16 on, and bitmill writes them. ExecuTorch lowers torchao's
codebooks for iOS18 only. For iOS16 it fails in a `cast` of the codes, for iOS17 with `To pack elements into 4-bit, the
max value is 7, but got 15`.

The hint appears only where the recipe asks for torchao's arithmetic by name (`arithmetic torchao`).
",
    examples: &[Example::recipe(
        "target iOS16\narithmetic torchao\nlinear => lut4\n",
        "target iOS18\narithmetic torchao\nlinear => lut4\n",
    )],
    sources: &["ExecuTorch: backends/apple/coreml/compiler/torch_ops.py, dequantize_codebook"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let Some(asked_for) = places::asks_for(context, Arithmetic::Torchao) else { return };
    let Some(have) = recipe.operator_set().filter(|set| (COMPRESSION..BLOCKS).contains(&set.spec)) else { return };
    let palettes = palette_parts(recipe, Field::Base, |_| true).into_iter().map(|(part, _)| part);
    // What the target does not have at all is told by rules of its own.
    let mut palettes = palettes.filter(|p| lowest_set(p.scheme).spec <= have.spec && !in_preset(recipe, p.place));
    let Some(first) = palettes.next() else { return };
    let need = needs::set(BLOCKS);
    let finding = report.add(first.place, format!("ExecuTorch lowers palettes from {} on", need.systems()));
    finding
        .label(asked_for, "torchao's arithmetic is asked for here")
        .upstream("for iOS16 lowering fails in a `cast`, for iOS17 with `To pack elements into 4-bit`")
        .help("bitmill's own lowering has one table per weight from iOS16 on; for ExecuTorch raise the target");
    first.label_uses(finding);
    for other in palettes.take(2) {
        finding.label(other.place, "this too");
    }
    needs_set(finding, context, need);
}
