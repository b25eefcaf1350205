//! Several targets of different operator sets: the oldest decides.

use crate::check::needs;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, words};
use crate::recipe::TargetChoice;

/// The rule.
pub const RULE: Rule = Rule {
    code: "target-mixed",
    severity: Severity::Hint,
    title: "targets with different operators: the oldest decides",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
A model has one specification version, so of several targets the one with the oldest operators decides what schemes
may ask for. The newer ones gain nothing by standing beside it: the model runs on older systems of their platforms too.

`target iOS16, macOS15` therefore means what `target iOS16, macOS13` says. Where a platform needs more, write it a
recipe of its own that imports the common rules.
",
    examples: &[Example::recipe(
        "target iOS16, macOS15\nlinear => int8 per-channel\n",
        "target iOS16, macOS13\nlinear => int8 per-channel\n",
    )],
    sources: &["Core ML: mlmodel/format/Model.proto, specification versions"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let (Some(TargetChoice::Systems(systems)), Some(oldest)) = (&context.recipe.target, needs::oldest(context)) else {
        return;
    };
    let set = oldest.value.set;
    let newer: Vec<String> =
        systems.iter().filter(|t| t.value.set.spec > set.spec).map(|t| t.value.to_string()).collect();
    // A target that is too old for the rules is told as that, and then raised.
    if newer.is_empty() || needs::lowest(context.recipe).spec > set.spec {
        return;
    }
    let finding = report.add(
        oldest.place,
        format!("{} decides: the operators of {} are not used", oldest.value, words::list(&newer, 3)),
    );
    for target in systems.iter().filter(|t| t.value.set.spec > set.spec) {
        finding.label(target.place, format!("{} has the newer operators of {}", target.value, target.value.set.name));
    }
    finding
        .here(format!("the oldest: operators of {}", set.name))
        .help(format!("the model will run on {}; a recipe for each platform can use more", set.systems()));
    needs::offer_target(finding, context, "lower", set, |target| target.set.spec > set.spec);
}
