//! A target below the minimum of a built-in recipe.

use crate::check::needs::{self, MLPROGRAM};
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::coreml::feature::lowest_set;
use crate::coreml::target::Platform;

/// The rule.
pub const RULE: Rule = Rule {
    code: "preset-target-too-low",
    severity: Severity::Error,
    title: "a target below the minimum of a built-in recipe",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
Each of ExecuTorch's Core ML recipes has a minimum target: iOS 16 for int8 per channel through torchao, iOS 17 for
PT2E, iOS 18 for 4 bits, groups and codebooks. Given a lower one it raises a `ValueError`.

Mostly Core ML itself has no operators for the schemes on older systems, and then this is an error. Where Core ML has
them (PT2E's weight-only int8 would do on iOS 16, a codebook of one table too) only ExecuTorch refuses: that is a
warning, and a plain rule instead of the built-in recipe avoids it.
",
    examples: &[
        Example::recipe(
            "target iOS17\nextend \"coreml_torchao_int4_weight_only_per_group\" { group_size 32 }\n",
            "target iOS18\nextend \"coreml_torchao_int4_weight_only_per_group\" { group_size 32 }\n",
        ),
        Example::recipe(
            "calibrate \"c.safetensors\" { samples 1 }\nextend \"coreml_pt2e_int8_weight_only\" { target iOS16 }\n",
            "calibrate \"c.safetensors\" { samples 1 }\nextend \"coreml_pt2e_int8_weight_only\" { target iOS17 }\n",
        ),
        Example::recipe(
            "target iOS15\nextend \"coreml_torchao_int8_weight_only_per_channel\"\n",
            "target iOS16\nextend \"coreml_torchao_int8_weight_only_per_channel\"\n",
        ),
    ],
    sources: &[
        "ExecuTorch: backends/apple/coreml/recipes/coreml_recipe_provider.py, _validate_and_set_deployment_target",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let oldest = needs::oldest(context);
    if oldest.is_some_and(|target| target.value.set.spec < MLPROGRAM) {
        return;
    }
    // Without a target, a package is written for its own operator set.
    let Some(set) = recipe.written_set() else { return };
    let platform = oldest.map_or(Platform::Ios, |target| target.value.platform);
    let system = set.on(platform).unwrap_or_else(|| set.systems());
    let given = match oldest {
        Some(_) => format!("the target is {system}"),
        None => needs::package_is_of(set),
    };
    for extend in &recipe.extends {
        let Some((preset, own)) = extend.preset.zip(needs::preset_set(extend)) else { continue };
        if set.spec >= own.spec {
            continue;
        }
        let expanded = recipe.rules.iter().filter(|rule| Some(rule.place.file) == extend.expansion);
        let schemes = expanded.filter_map(|rule| rule.scheme.as_ref());
        let refused = schemes.into_iter().any(|scheme| lowest_set(scheme).spec > set.spec);
        let severity = if refused { Severity::Error } else { Severity::Warning };
        let entry = needs::parameter(extend, "minimum_deployment_target")
            .filter(|_| oldest.is_some_and(|oldest| extend.expansion == Some(oldest.place.file)));
        let minimum = own.on(platform).unwrap_or_else(|| own.systems());
        let finding = report.add_as(
            severity,
            entry.unwrap_or(extend.name.place),
            format!("`{}` needs {minimum}, and {given}", preset.name),
        );
        finding.label_if(oldest.map(|oldest| oldest.place), format!("{system} has the operators of {}", set.name));
        finding.upstream(format!("ExecuTorch raises a ValueError: the recipe's minimum is {minimum}")).help(
            if refused {
                format!("the first systems that have what it asks for are {}", own.systems())
            } else {
                "only ExecuTorch's recipe demands that; a rule with the same scheme would do for this target"
                    .to_string()
            },
        );
        match entry {
            Some(entry) => needs::offer_parameter(finding, context, entry, "raise", &minimum),
            None => {
                needs::offer_first_target(finding, context, own);
                needs::offer_target(finding, context, "raise", own, |target| target.set.spec < own.spec);
            }
        }
    }
}
