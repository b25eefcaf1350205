//! ExecuTorch's Core ML delegate runs from iOS 16 on, whatever the model needs.

use crate::check::needs::{self, COMPRESSION, MLPROGRAM};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::target::Platform;

/// The rule.
pub const RULE: Rule = Rule {
    code: "target-executorch-floor",
    severity: Severity::Hint,
    title: "a target on which ExecuTorch's Core ML delegate does not run",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
A model that stays in float may be for iOS 15, macOS 12 or tvOS 15, and a Core ML package for these is fine.

ExecuTorch is not: its Core ML delegate needs iOS 16, macOS 13 or tvOS 16 at run time, whatever specification version
the model has. A `.pte` for iOS 15 crashes when it is loaded (on iOS 15.5, for want of a selector).
",
    examples: &[Example::recipe("target iOS15\nlinear => fp16\n", "target iOS16\nlinear => fp16\n")],
    sources: &[
        "ExecuTorch: docs/source/backends/coreml/coreml-overview.md, target requirements",
        "pytorch/executorch#6984 (closed)",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let Some(oldest) = needs::oldest(context).filter(|target| target.value.set.spec == MLPROGRAM) else { return };
    let elsewhere = matches!(oldest.value.platform, Platform::WatchOs | Platform::VisionOs);
    let empty = recipe.rules.is_empty() && recipe.extends.is_empty();
    let untold = recipe.rules.iter().any(|rule| rule.scheme.as_ref().is_none_or(needs::quantizes));
    if elsewhere || empty || untold {
        return;
    }
    let first = needs::set(COMPRESSION);
    let finding = report.add(oldest.place, format!("ExecuTorch's Core ML delegate does not run on {}", oldest.value));
    finding
        .help("a Core ML package is fine; for a `.pte` the oldest systems are iOS16, macOS13 and tvOS16")
        .upstream("the `.pte` is written, and crashes when iOS 15 loads it");
    needs::offer_target(finding, context, "raise", first, |target| target.set.spec < first.spec);
}
