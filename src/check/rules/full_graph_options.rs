//! Options that contradict `lower_full_graph`.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::recipe::preset::ParameterValue;

/// The rule.
pub const RULE: Rule = Rule {
    code: "full-graph-options",
    severity: Severity::Error,
    title: "options that contradict `lower_full_graph`",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
`lower_full_graph` says that Core ML takes the whole graph. So ExecuTorch's partitioner refuses it together with a list
of operators to skip, and demands that Core ML takes over constant data and mutable buffers.

Take one of the two away.
",
    examples: &[
        Example::recipe(
            "extend \"coreml_torchao_int4_weight_only_per_channel\" { lower_full_graph true  take_over_constant_data false }\n",
            "extend \"coreml_torchao_int4_weight_only_per_channel\" { lower_full_graph true }\n",
        ),
        Example::recipe(
            "extend \"coreml_torchao_int4_weight_only_per_channel\" {\n  lower_full_graph true\n  skip_ops_for_coreml_delegation \"aten.topk.default\"\n}\n",
            "extend \"coreml_torchao_int4_weight_only_per_channel\" {\n  lower_full_graph true\n}\n",
        ),
    ],
    sources: &["ExecuTorch: backends/apple/coreml/partition/coreml_partitioner.py"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for extend in &context.recipe.extends {
        let full = extend
            .parameters
            .iter()
            .find(|(key, value, _)| *key == "lower_full_graph" && *value == ParameterValue::Flag(true));
        let Some((.., full)) = full else { continue };
        for (key, value, entry) in &extend.parameters {
            let skips = *key == "skip_ops_for_coreml_delegation"
                && matches!(value, ParameterValue::Text(text) if !text.trim().is_empty());
            let refuses = *key == "take_over_constant_data" && *value == ParameterValue::Flag(false);
            if !skips && !refuses {
                continue;
            }
            let message = if skips {
                "the full graph cannot be lowered with operators left out"
            } else {
                "the full graph cannot be lowered without its constant data"
            };
            let finding = report.add(*entry, message);
            finding.label(*full, "all of it goes to Core ML");
            finding
                .help("take one of the two options away")
                .upstream("ExecuTorch's partitioner raises an error")
                .suggest("do not lower the full graph", *full, "lower_full_graph false");
            places::offer_without(finding, context.recipe, &format!("remove `{key}`"), *entry);
        }
    }
}
