//! ExecuTorch's recipes set their own minimum target, also where a higher one is given.

use crate::check::needs;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};

/// The rule.
pub const RULE: Rule = Rule {
    code: "target-recipe-override",
    severity: Severity::Warning,
    title: "a target above the one that ExecuTorch's recipe sets",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
Each of ExecuTorch's Core ML recipes has a minimum target. It refuses a lower one, and it does not keep a higher one:
`_validate_and_set_deployment_target` always assigns the recipe's own. `coreml_pt2e_int8_static` with iOS 26 is
lowered for iOS 17, `coreml_torchao_int8_weight_only_per_channel` with iOS 18 for iOS 16.

The same function turns `take_over_mutable_buffer` off when the result is below iOS 18, so that a model with state is
lowered in another way than the target suggests.

What bitmill writes itself has the target that the recipe says. For ExecuTorch, either say the recipe's own target, or
export to an explicit partitioner with its compile specs instead of a recipe call.
",
    examples: &[
        Example::recipe(
            "target iOS18\nextend \"coreml_torchao_int8_weight_only_per_channel\"\n",
            "target iOS16\nextend \"coreml_torchao_int8_weight_only_per_channel\"\n",
        ),
        Example::recipe(
            "extend \"coreml_torchao_int4_weight_only_per_channel\" { target iOS26 }\n",
            "extend \"coreml_torchao_int4_weight_only_per_channel\" { target iOS18 }\n",
        ),
    ],
    sources: &[
        "ExecuTorch: backends/apple/coreml/recipes/coreml_recipe_provider.py, _validate_and_set_deployment_target",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let (Some(oldest), Some(useful)) = (needs::oldest(context), needs::useful(recipe)) else { return };
    let given = oldest.value;
    // Rules besides the preset may need the higher target; then the recipe is no plain call of upstream's.
    if given.set.spec <= useful.spec {
        return;
    }
    for extend in &recipe.extends {
        let Some((preset, own)) = extend.preset.zip(needs::preset_set(extend)) else { continue };
        let inherited = needs::in_preset(recipe, oldest.place);
        let entry = needs::parameter(extend, "minimum_deployment_target")
            .filter(|_| extend.expansion == Some(oldest.place.file));
        if inherited && entry.is_none() {
            continue;
        }
        let minimum = own.on(given.platform).unwrap_or_else(|| own.systems());
        let finding = report.add(
            entry.unwrap_or(oldest.place),
            format!("ExecuTorch lowers `{}` for {minimum}, not for {given}", preset.name),
        );
        finding.label(extend.name.place, format!("sets {minimum} whatever higher target is given"));
        finding.help(format!("say {minimum}, or export to an explicit partitioner instead of a recipe call")).upstream(
            format!("`_validate_and_set_deployment_target` silently assigns the recipe's own minimum, {minimum}"),
        );
        match entry {
            Some(entry) => needs::offer_parameter(finding, context, entry, "lower", &minimum),
            None => needs::offer_target(finding, context, "lower", useful, |target| target.set.spec > useful.spec),
        }
    }
}
