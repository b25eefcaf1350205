//! Pruning together with quantization begins with iOS 18.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, needs, places, words};
use crate::coreml::feature::{Feature, features};
use crate::recipe::{Field, Rule as RecipeRule};
use crate::scheme::Scheme;

/// The rule.
pub const RULE: Rule = Rule {
    code: "sparse-joint-target",
    severity: Severity::Error,
    title: "pruning joined to quantization on a target that does not have it",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
Pruned weights whose remaining values are quantized or palettized are stored by `constexpr_sparse_blockwise_shift_scale`
and `constexpr_lut_to_sparse`. Both begin with CoreML8: iOS 18, macOS 15, watchOS 11 and tvOS 18.

On iOS 16 and 17 a weight is either pruned or quantized. coremltools says so late: `Joint compression is only supported
since iOS18`.
",
    examples: &[
        Example::recipe(
            "target iOS17\nlinear => int8 per-channel sparse 75%\n",
            "target iOS18\nlinear => int8 per-channel sparse 75%\n",
        ),
        Example::recipe(
            "target iOS16\nlinear => lut4 per-tensor sparse 75%\n",
            "target iOS18\nlinear => lut4 per-tensor sparse 75%\n",
        ),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS18/compression.py",
        "coremltools: optimize/coreml/_quantization_passes.py",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let lacks_joint = |rule: &RecipeRule, scheme: &Scheme| {
        let all = features(scheme);
        let needs_set = needs::lacks(context, rule, Feature::Joint);
        // A scheme whose quantization alone is too much for the target is told so by the rule for that.
        let others = all.iter().filter(|feature| !matches!(feature, Feature::Joint | Feature::Activations));
        let others = others.filter_map(|feature| needs::lacks(context, rule, *feature)).count();
        all.contains(&Feature::Joint) && needs_set.is_some() && others == 0
    };
    for asked in asked(context.recipe, Field::Sparse, lacks_joint) {
        let set = Feature::Joint.set();
        let finding = report.add(asked.place, format!("pruning together with quantization needs {}", words::ios(set)));
        finding.label_if(asked.origins.get(Field::Base), "quantized as well");
        asked.label_uses(finding);
        finding
            .help(format!("raise the target ({}), or do one of the two", set.systems()))
            .upstream("coremltools stops: `Joint compression is only supported since iOS18`");
        words::needs_set(finding, context, set);
        places::offer_without(finding, context.recipe, "do not prune", asked.place);
    }
}
