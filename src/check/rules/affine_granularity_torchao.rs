//! What torchao's weight-only configuration cannot express.

use crate::check::schemes::affine_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::{Arithmetic, Granularity};

/// The rule.
pub const RULE: Rule = Rule {
    code: "affine-granularity-torchao",
    severity: Severity::Hint,
    title: "a granularity that torchao's `IntxWeightOnlyConfig` does not have",
    binds: Binds::Torchao,
    needs: Needs::Recipe,
    page: "
torchao's `IntxWeightOnlyConfig` knows two granularities: `PerAxis(0)`, which is `per-channel`, and `PerGroup(n)`, which
is `per-group(n)`. A scale per tensor, per channel of another axis, or per block of several axes has no translation.

Core ML holds all of them, and bitmill writes them. The hint appears only where the recipe asks for torchao's arithmetic
by name (`arithmetic torchao`), since such a recipe is usually meant to be compared with torchao.
",
    examples: &[Example::recipe(
        "target iOS16\narithmetic torchao\nlinear => int8 per-tensor\n",
        "target iOS16\narithmetic torchao\nlinear => int8 per-channel\n",
    )],
    sources: &["torchao: quantization/quant_api.py:1398-1414"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(arithmetic) = context.recipe.arithmetic.filter(|a| a.value == Arithmetic::Torchao) else { return };
    let has_none = |granularity: &Granularity| match granularity.plain() {
        Granularity::PerTensor | Granularity::PerChannel(Some(1..)) => true,
        // So many neighbours within one row: `PerGroup` of a matrix.
        Granularity::Block(extents) => !matches!(extents[..], [Some(1), Some(_)]),
        _ => false,
    };
    for (part, affine) in affine_parts(context.recipe, Field::Granularity, |a| has_none(&a.granularity)) {
        let finding = report.add(part.place, format!("torchao has no `{}` for integers", affine.granularity));
        finding
            .label(arithmetic.place, "torchao's arithmetic is asked for here")
            .help("bitmill writes it all the same; for an export to torchao use `per-channel` or `per-group(32)`")
            .upstream("`IntxWeightOnlyConfig` takes `PerAxis(0)` and `PerGroup(n)` only");
        part.suggest(context.recipe, finding, "use per-channel", &[(Field::Granularity, "per-channel")]);
    }
}
