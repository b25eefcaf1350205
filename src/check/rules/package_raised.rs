//! A package that becomes one for newer systems.

use crate::check::needs;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, programs};

/// The rule.
pub const RULE: Rule = Rule {
    code: "package-raised",
    severity: Severity::Hint,
    title: "a package that is written for newer systems than before",
    binds: Binds::Model,
    needs: Needs::Model,
    page: "
The target is newer than the operator set of the package, and the schemes need it to be. So the result no longer runs on
systems on which the package did. bitmill writes the new operator set into it, and compressed constants in their new form.

`coremltools.optimize` does the same without a word: an iOS 15 package goes in, one for iOS 16 comes out.

Where this is what is meant, `# bitmill: allow(package-raised)` says so. A scheme that the package's own operator set has
keeps the old systems.
",
    examples: &[Example::with_model(
        "program CoreML6\nfc.weight  linear  64x64  fp16\n",
        "target iOS18\nlinear => int4 per-group(32)\n",
        "target iOS16\nlinear => int8 per-channel\n",
    )],
    sources: &["coremltools: models/utils.py and optimize/coreml/_post_training_quantization.py"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(facts) = programs::facts(context) else { return };
    let Some((own, oldest)) = facts.set.map(needs::set_of).zip(needs::oldest(context)) else { return };
    let target = oldest.value;
    // A target that no scheme needs is told by `target-higher-than-needed`; one that the model itself needs mends it.
    let told = needs::useful(context.recipe).is_none_or(|useful| useful.spec < target.set.spec);
    let mends = super::package_feature_target::features(facts).iter().any(|feature| feature.spec > own.spec);
    if target.set.spec <= own.spec || told || mends || !super::package_raise_breaks::broken(context).is_empty() {
        return;
    }
    let message = format!("{}, and becomes one for {target}", needs::package_is_of(own));
    let finding = report.add(oldest.place, message);
    finding
        .here("older systems are shut out")
        .help("if it shall run where it runs now, choose schemes that its own operator set has")
        .upstream("coremltools.optimize raises the operator set without saying so");
    finding.label_if(context.recipe.model_place(), format!("of {}", own.name));
}
