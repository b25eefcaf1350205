//! A package computes in the type that it was converted to.

use crate::check::words::remove_lines;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, programs};
use crate::scheme::FloatType;

/// The rule.
pub const RULE: Rule = Rule {
    code: "precision-of-package",
    severity: Severity::Warning,
    title: "fp32 asked of a package that computes in fp16",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
In which type a model computes is settled when it is converted: every value of its program has a type. `precision fp16` makes
an fp32 program compute in fp16: weights that stay become fp16 too, and of those that are compressed already the scales and
tables, as coremltools' own conversion has it. The other way is closed: what was rounded to fp16 cannot be taken back, and `precision fp32`
changes nothing.

Convert the model again with the precision that is meant: `compute_precision=ct.precision.FLOAT32`.
",
    examples: &[Example::with_model(
        "program CoreML6\nfc.weight  linear  64x64  fp16\n",
        "precision fp32\nlinear => int8 per-channel\n",
        "linear => int8 per-channel\n",
    )],
    sources: &["coremltools: docs-guides/source/typed-execution.md"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let (Some(facts), Some(precision)) = (programs::facts(context), context.recipe.precision) else { return };
    if !facts.has_fp16 || precision.value != FloatType::Fp32 {
        return;
    }
    let finding = report.add(precision.place, "the package computes in fp16, and this does not change it");
    finding.label_if(context.recipe.model_place(), "converted to fp16");
    finding.help("what was rounded to fp16 cannot be taken back: convert the model again");
    finding.fix_with("leave out the precision", false, vec![remove_lines(context.recipe, precision.place)]);
}
