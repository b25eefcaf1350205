//! Operators of an export that become no Core ML program.

use crate::check::exports::{operator_set, refusals_for};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, programs};
use crate::graph::aten::RefusedKind;
use crate::recipe::TargetChoice;
use crate::words::{count, shown};

/// The rule.
pub const RULE: Rule = Rule {
    code: "operator-not-converted",
    severity: Severity::Error,
    title: "operators that are not converted to Core ML",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
A run that writes a Core ML package of an exported program converts every operator. Some have no counterpart in the
operator set that is written, others have one for some arguments only, and sizes that are known only when the program
runs can be more than either can say: then nothing is written. All of it is told at once: each operator with how often it
occurs, and of the first the module, the line of code and the reason. Nothing of the weights is read for it.

It is an error where the recipe names a package as its `output` or quantizes activations, and a warning where it names a
target only: a run may write other files too, for which nothing is converted.

Write the model without the operator, and export it again; export it with fixed sizes where sizes are the reason; or name
a newer target where one has the operator.
",
    examples: &[Example::with_model(
        "export\nrefused aten.unique.default unique of=head at=model.py:12 why=no operator of Core ML is known for it\nfc.weight  linear  64x64  fp32\n",
        "target iOS17\nlinear => int8 per-channel\noutput \"quantized.mlpackage\"\n",
        "target none\nlinear => int8 per-channel\n",
    )],
    sources: &["coremltools: converters/mil/frontend/torch/ops.py"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let Some((model, _)) = context.model.filter(|(model, _)| model.is_export()) else { return };
    let ending = recipe.output.as_ref().and_then(|output| output.value.rsplit_once('.'));
    let is_package = ending.is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("mlpackage"));
    let is_static = recipe.rules.iter().filter_map(|rule| rule.scheme.as_ref()).any(places::is_static);
    let is_deployed = matches!(recipe.target, Some(TargetChoice::Systems(_)));
    if recipe.is_experiment() || !(is_package || is_static || is_deployed) {
        return;
    }
    let Some(place) = programs::place(context) else { return };
    let set = operator_set(recipe);
    for kind in RefusedKind::group(&refusals_for(recipe, model, set)) {
        let first = kind.first;
        let times = if kind.count == 1 { String::new() } else { format!(", {}", count(kind.count, "time")) };
        let which = if kind.count == 1 { "" } else { "the first is " };
        let message = format!(
            "{} is not converted to Core ML{times}: {which}{}: {}",
            shown(&first.what),
            first.place(),
            first.why
        );
        let severity = if is_package || is_static { Severity::Error } else { Severity::Warning };
        report
            .add_as(severity, place, message)
            .help(format!("a package for {set} cannot be written; write the model without it, and export it again"));
    }
}
