//! A package computes in the type that it was converted to.

use crate::check::words::remove_lines;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, programs};
use crate::scheme::FloatType;

/// The rule.
pub const RULE: Rule = Rule {
    code: "precision-of-package",
    severity: Severity::Warning,
    title: "a precision that the package does not have",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
In which type a model computes is settled when it is converted: every value of its program has a type. `precision fp32`
cannot give a package of fp16 back what was rounded away. `precision fp16` for a package of fp32 would mean to convert every
operation of it, and a run leaves the operations as they are.

Convert the model again with the precision that is meant: `compute_precision=ct.precision.FLOAT32`. An fp32 program may hold
its weights in fp16: `all => fp16`.
",
    examples: &[
        Example::with_model(
            "program CoreML6\nfc.weight  linear  64x64  fp16\n",
            "precision fp32\nlinear => int8 per-channel\n",
            "linear => int8 per-channel\n",
        ),
        Example::with_model(
            "program CoreML6 fp32\nfc.weight  linear  64x64  fp32\n",
            "precision fp16\nlinear => int8 per-channel\n",
            "precision fp32\nlinear => int8 per-channel\n",
        ),
    ],
    sources: &["coremltools: docs-guides/source/typed-execution.md"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let (Some(facts), Some(precision)) = (programs::facts(context), context.recipe.precision) else { return };
    let (has, help) = match (facts.is_fp32, precision.value) {
        (false, FloatType::Fp32) => ("fp16", "what was rounded to fp16 cannot be taken back: convert the model again"),
        (true, FloatType::Fp16) => ("fp32", "a run leaves its operations as they are: convert the model again"),
        _ => return,
    };
    let message = format!("the package computes in {has}, and `{}` does not change that", context.recipe.text(precision.place));
    let finding = report.add(precision.place, message);
    finding.label_if(context.recipe.model.as_ref().map(|model| model.place), format!("converted to {has}"));
    finding.help(help);
    finding.fix_with("leave out the precision", false, vec![remove_lines(context.recipe, precision.place)]);
}
