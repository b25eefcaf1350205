//! watchOS and visionOS are not among the systems of ExecuTorch's Core ML delegate.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, words};
use crate::coreml::target::Platform;
use crate::recipe::TargetChoice;

/// The rule.
pub const RULE: Rule = Rule {
    code: "target-platform-executorch",
    severity: Severity::Hint,
    title: "targets that ExecuTorch's Core ML delegate does not name",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
Core ML runs on watchOS and visionOS, and a Core ML package may be for these alone. ExecuTorch's Core ML delegate names
iOS, macOS and tvOS as the systems it runs on; watchOS and visionOS are not in its list.

So a recipe for these alone can become a Core ML package, but hardly a `.pte`.
",
    examples: &[Example::recipe(
        "target visionOS2\nlinear => int4 per-group(32)\n",
        "target visionOS2, iOS18\nlinear => int4 per-group(32)\n",
    )],
    sources: &["ExecuTorch: docs/source/backends/coreml/coreml-overview.md, target requirements"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let Some(choice @ TargetChoice::Systems(systems)) = &context.recipe.target else { return };
    let outside = |platform| matches!(platform, Platform::WatchOs | Platform::VisionOs);
    if systems.is_empty() || !systems.iter().all(|target| outside(target.value.platform)) {
        return;
    }
    let Some(place) = choice.place() else { return };
    let names: Vec<String> = systems.iter().map(|target| target.value.to_string()).collect();
    report
        .add(place, format!("ExecuTorch has no Core ML delegate for {}", words::list(&names, 3)))
        .help("a Core ML package is fine; a `.pte` is for iOS, macOS and tvOS");
}
