//! `lower_full_graph` with an ExecuTorch recipe for less than iOS 18 always fails.

use crate::check::needs::{self, BLOCKS};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Extend;
use crate::recipe::preset::ParameterValue;

/// The rule.
pub const RULE: Rule = Rule {
    code: "recipe-full-graph",
    severity: Severity::Error,
    title: "`lower_full_graph` with a built-in recipe below iOS 18",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
`lower_full_graph` demands that Core ML takes over mutable buffers. ExecuTorch's recipes whose own target is below iOS 18
(both of PT2E, and int8 per channel of torchao) turn `take_over_mutable_buffer` off and offer no way to turn it on. So
the combination always fails: `you must set take_over_mutable_buffer=True`.

A higher target does not help, since these recipes replace it by their own. Leave the option out, or export to an
explicit partitioner instead of a recipe call.
",
    examples: &[Example::recipe(
        "extend \"coreml_torchao_int8_weight_only_per_channel\" { lower_full_graph true }\n",
        "extend \"coreml_torchao_int8_weight_only_per_channel\"\n",
    )],
    sources: &[
        "ExecuTorch: backends/apple/coreml/recipes/coreml_recipe_provider.py",
        "ExecuTorch: backends/apple/coreml/partition/coreml_partitioner.py",
    ],
    check,
};

/// Whether `lower_full_graph true` is given.
fn is_full(extend: &Extend) -> bool {
    extend.parameters.iter().any(|(key, value, _)| *key == "lower_full_graph" && *value == ParameterValue::Flag(true))
}

fn check(context: &Context, report: &mut Report) {
    for extend in context.recipe.extends.iter().filter(|extend| is_full(extend)) {
        let own = needs::preset_set(extend).filter(|set| set.spec < BLOCKS);
        let (Some(own), Some(entry)) = (own, needs::parameter(extend, "lower_full_graph")) else { continue };
        let ios = crate::check::words::ios(own);
        let finding = report.add(entry, format!("`{}` cannot lower the full graph", extend.name.value));
        finding.label(extend.name.place, format!("sets {ios}, and leaves mutable buffers outside below iOS18"));
        finding
            .help("leave the option out, or export to an explicit partitioner")
            .upstream("ExecuTorch stops: `you must set take_over_mutable_buffer=True`, which the recipe does not offer")
            .suggest("do not lower the full graph", entry, "lower_full_graph false");
    }
}
