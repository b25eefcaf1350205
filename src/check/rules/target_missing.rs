//! Recipes that quantize and do not say for which system.

use std::cmp::Reverse;

use crate::check::words::insert_setting;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::{Feature, features, lowest_set};
use crate::coreml::target::Platform;

/// The rule.
pub const RULE: Rule = Rule {
    code: "target-missing",
    severity: Severity::Error,
    title: "a recipe quantizes and names no deployment target",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
Which operators a model may use depends on the oldest system it must run on. Compressed weights begin with iOS 16,
quantized activations with iOS 17, 4-bit integers and scales per block with iOS 18. So a recipe says it:
`target iOS18`, or several systems, `target iOS18, macOS15`.

ExecuTorch's documentation says that without a target the smallest sufficient one is chosen. In fact coremltools'
default for ML Programs is taken, which is iOS 15, and iOS 15 has no compressed weights at all: every quantized model
fails, at the very end of the export.

A Core ML package says itself for which system it is: without `target` it is written again for the same.

`target none` is for experiments that will not be deployed: then the limits of Core ML are hints, and only outputs
that are not Core ML can be written.
",
    examples: &[
        Example::recipe("linear => int4 per-group(32)\n", "target iOS18\nlinear => int4 per-group(32)\n"),
        Example::recipe(
            "model \"llama-3.2-1b/\"\nlinear => lut3 per-grouped-channel(16)\n",
            "model \"llama-3.2-1b/\"\ntarget iOS18\nlinear => lut3 per-grouped-channel(16)\n",
        ),
    ],
    sources: &[
        "coremltools: converters/_converters_entry.py, the default target of ML Programs",
        "ExecuTorch: docs/source/backends/coreml/coreml-partitioner.md",
        "pytorch/executorch#13305 (open)",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    // A package has an operator set of its own, in which it is written again.
    if recipe.target.is_some() || recipe.defaults.is_package {
        return;
    }
    let quantizing = recipe.rules.iter().filter_map(|rule| {
        let scheme = rule.scheme.as_ref()?;
        (!features(scheme).is_empty()).then(|| (rule, scheme, lowest_set(scheme)))
    });
    // The first of those that need most.
    let Some((rule, scheme, set)) = quantizing.min_by_key(|(_, _, set)| Reverse(set.spec)) else {
        return;
    };
    let ios = set.on(Platform::Ios).unwrap_or_default();
    let finding = report.add(rule.scheme_place, "this recipe quantizes, but does not say for which system");
    let needs = features(scheme).into_iter().map(Feature::need).find(|need| need.spec == set.spec);
    if let Some(need) = needs {
        finding.here(format!("{} need {}", need.name, set.systems()));
    }
    let edit = insert_setting(recipe, &format!("target {ios}"));
    finding
        .help(format!("the lowest that suffices is `target {ios}`; `target none` is for experiments"))
        .upstream("ExecuTorch takes iOS15 when no target is given, and lowering fails: iOS15 has no compressed weights")
        .fix_with(format!("add `target {ios}`"), true, vec![edit]);
}
