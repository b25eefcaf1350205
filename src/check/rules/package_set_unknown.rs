//! Packages of operator sets that came after this program.

use crate::check::needs;
use crate::check::words::either;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, programs};

/// The rule.
pub const RULE: Rule = Rule {
    code: "package-set-unknown",
    severity: Severity::Error,
    title: "a package of an operator set that is not known",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
The functions of a program name their operator set: CoreML5 to CoreML9. One that is not known is newer than bitmill, or the
package is damaged. Which operators it has, and in which form compressed weights stand in it, cannot be told, so such a
package is not changed. It can be looked at all the same.
",
    examples: &[Example::with_model(
        "program CoreML77\nfc.weight  linear  64x64  fp16\n",
        "linear => int8 per-channel\n",
        "linear => keep\n",
    )],
    sources: &["Core ML: mlmodel/format/Model.proto, specification versions"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(facts) = programs::facts(context).filter(|facts| !facts.unknown_sets.is_empty()) else { return };
    let rules = context.recipe.rules.iter();
    let Some(rule) = rules.into_iter().find(|rule| rule.scheme.as_ref().is_some_and(needs::changes)) else { return };
    let sets = either(&facts.unknown_sets);
    let finding = report.add(rule.scheme_place, format!("the package is of {sets}, an operator set that is not known"));
    finding.label_if(context.recipe.model_place(), "this package");
    finding.help("a newer bitmill may know it; or convert the model for a target that is known");
}
