//! What a newer operator set brought cannot be taken back.

use crate::check::needs::{self, MLPROGRAM};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, programs};

/// The rule.
pub const RULE: Rule = Rule {
    code: "target-older-than-package",
    severity: Severity::Error,
    title: "a target older than the package's operator set",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
A Core ML package is written in an operator set: CoreML6 for iOS 16, CoreML8 for iOS 18. A newer set has operators, and
forms of operators, that an older system does not know, so a package cannot be written for an older system than it was
made for. Raising it is possible.

Convert the model again for the older system (`minimum_deployment_target=ct.target.iOS16`), or raise the target. Without
`target`, the package stays in its own operator set.
",
    examples: &[
        Example::with_model(
            "program CoreML8\nfc.weight  linear  64x64  fp16\n",
            "target iOS16\nlinear => int8 per-channel\n",
            "target iOS18\nlinear => int8 per-channel\n",
        ),
        Example::with_model(
            "program CoreML8\nfc.weight  linear  64x64  fp16\n",
            "target macOS13, iOS18\nlinear => int4 per-group(32)\n",
            "linear => int4 per-group(32)\n",
        ),
    ],
    sources: &["Core ML: mlmodel/format/Model.proto, specification versions", "coremltools: models/utils.py"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(facts) = programs::facts(context) else { return };
    let Some((own, oldest)) = facts.set.map(needs::set_of).zip(needs::oldest(context)) else { return };
    // Systems without ML Programs have a rule of their own.
    if oldest.value.set.spec >= own.spec || oldest.value.set.spec < MLPROGRAM {
        return;
    }
    let message = format!("{}, and cannot be written for {}", needs::package_is_of(own), oldest.value);
    let finding = report.add(oldest.place, message);
    finding.here(format!("has the operators of {}", oldest.value.set.name));
    finding.label_if(context.recipe.model_place(), format!("of {}", own.name));
    finding.help(format!("raise the target to {}, or convert the model again for the older system", own.systems()));
    programs::offer_set(finding, context, own);
}
