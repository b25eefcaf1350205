//! Samples that nothing needs.

use super::pt2e_samples::WEIGHT_ONLY;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, words};

/// The rule.
pub const RULE: Rule = Rule {
    code: "calibration-unused",
    severity: Severity::Hint,
    title: "calibration that no rule needs",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
Samples are there to observe the ranges of activations. A recipe whose rules quantize weights only does not read them:
the scales and tables of weights come from the weights themselves.

Either a rule should say `, activations uint8`, or the `calibrate` statement can go.
",
    examples: &[Example::recipe(
        "target iOS16\ncalibrate \"calibration.safetensors\" { samples 128 }\nlinear => int8 per-channel\n",
        "target iOS16\nlinear => int8 per-channel\n",
    )],
    sources: &["bitmill: README.md and grammar/bitmill.ebnf, on calibration"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let Some(calibrate) = &recipe.calibrate else { return };
    let no_rules = recipe.rules.is_empty();
    // Upstream's recipe of weights alone needs samples nevertheless: `pt2e-samples`.
    if recipe.extends.iter().any(|extend| extend.name.value == WEIGHT_ONLY) {
        return;
    }
    // What could not be told, and dynamic activations, might yet become static ones.
    let may_need = |rule: &crate::recipe::Rule| rule.scheme.as_ref().is_none_or(|s| s.activations.is_some());
    if no_rules || !recipe.problems.is_empty() || recipe.rules.iter().any(may_need) {
        return;
    }
    report
        .add(calibrate.place, "no rule quantizes activations: these samples are not read")
        .help("say `, activations uint8` in a rule, or remove the statement")
        .fix_with("remove it", false, vec![words::remove_lines(recipe, calibrate.place)]);
}
