//! Sparse weights begin with iOS 16.

use crate::check::schemes::asked;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, needs, words};
use crate::coreml::feature::Feature;
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "sparse-target",
    severity: Severity::Error,
    title: "sparse weights on a target that does not have them",
    binds: Binds::CoreMl,
    needs: Needs::Recipe,
    page: "
Pruned weights are stored by `constexpr_sparse_to_dense`: a mask of one bit per element, and the values that stayed. It
begins with CoreML6: iOS 16, macOS 13, watchOS 9 and tvOS 16.

On iOS 15 a pruned weight would be stored dense, zeros and all, and gain nothing. `coremltools.optimize.coreml` returns
a package for iOS 16 without saying so.
",
    examples: &[Example::recipe("target iOS15\nlinear => sparse 75%\n", "target iOS16\nlinear => sparse 75%\n")],
    sources: &["coremltools: converters/mil/mil/ops/defs/iOS16/constexpr_ops.py, constexpr_sparse_to_dense"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let asked = asked(context.recipe, Field::Sparse, |rule, scheme| {
        scheme.sparse.is_some() && needs::lacks(context, rule, Feature::Sparse).is_some()
    });
    for asked in asked {
        let set = Feature::Sparse.set();
        let finding = report.add(asked.place, format!("sparse weights need {}", words::ios(set)));
        asked.label_uses(finding);
        finding
            .help(format!("the first systems that have them are {}", set.systems()))
            .upstream("coremltools.optimize returns a package for iOS16 without saying so");
        words::needs_set(finding, context, set);
    }
}
