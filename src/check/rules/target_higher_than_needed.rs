//! A newer target than the schemes need helps no device.

use super::{package_feature_target, shapes_several_inputs};
use crate::check::needs;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, programs};

/// The rule.
pub const RULE: Rule = Rule {
    code: "target-higher-than-needed",
    severity: Severity::Hint,
    title: "a target newer than what the rules need",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
The target is the *oldest* system a model must run on. One that is newer than the schemes need shuts out devices and
gains nothing: a model for iOS 16 runs on iOS 26 too.

There are exceptions, and nothing is said of them. iOS 17 brought faster kernels: compressed weights are decompressed as
they are needed, where iOS 16 does it once and gains on disk only. Palettes may be for iOS 18 although one table per weight is known
from iOS 16, since ExecuTorch lowers codebooks for iOS 18 only; int8 entries of palettes may be for iOS 26, which scales
them after the look-up. What the rest of a model needs is not seen from its recipe: a model with state, such as a cache
of keys and values, needs iOS 18 whatever its weights become. Then `# bitmill: allow(target-higher-than-needed)` says so.
",
    examples: &[
        Example::recipe(
            "target iOS18\nlinear => int8 per-channel\n",
            "target iOS17\nlinear => int8 per-channel\n",
        ),
        Example::recipe(
            "target iOS26, macOS26\nlinear => int4 per-group(32)\n",
            "target iOS18, macOS15\nlinear => int4 per-group(32)\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/{iOS16/constexpr_ops,iOS17/quantization_ops,iOS18/compression}.py",
        "coremltools: converters/mil/mil/passes/defs/optimize_quantization.py, the order of int8 tables",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let (Some(oldest), Some(useful)) = (needs::oldest(context), needs::useful(context.recipe)) else { return };
    let of_model = programs::facts(context).map(package_feature_target::features).unwrap_or_default();
    let of_inputs = if shapes_several_inputs::several(context).is_empty() { useful.spec } else { needs::BLOCKS };
    let useful = needs::set(of_model.iter().map(|feature| feature.spec).fold(useful.spec.max(of_inputs), i32::max));
    // With a preset that has a target of its own it is more than a hint: `target-recipe-override`.
    if oldest.value.set.spec <= useful.spec || context.recipe.extends.iter().any(|e| needs::preset_set(e).is_some()) {
        return;
    }
    let enough = useful.on(oldest.value.platform).unwrap_or_else(|| useful.systems());
    let lowest = needs::lowest(context.recipe);
    let message = match lowest.spec < useful.spec {
        true => format!("the rules gain nothing beyond {enough}"),
        false => format!("the rules need no more than {enough}"),
    };
    let finding = report.add(oldest.place, message);
    finding
        .here("older devices are shut out")
        .help(format!("all that the schemes ask for is in {}; a model with state needs iOS18", lowest.systems()));
    needs::offer_target(finding, context, "lower", useful, |target| target.set.spec > useful.spec);
}
