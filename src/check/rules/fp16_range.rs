//! Weights too large for fp16 become infinite.

use crate::check::rule::Fact;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, words};
use crate::recipe::TargetChoice;
use crate::scheme::{FloatType, WeightScheme};

/// The rule.
pub const RULE: Rule = Rule {
    code: "fp16-range",
    severity: Severity::Warning,
    title: "values too large for fp16",
    binds: Binds::CoreMl,
    needs: Needs::Run,
    page: "
fp16 reaches to 65504. What is larger becomes infinite when it is converted, and one infinite weight makes infinite
or undefined outputs. fp16 is the default precision of both converters, coremltools' and ExecuTorch's.

Such weights are rare, and often no weights at all but masks that were stored as constants. Where they are real, say
`precision fp32`; the Neural Engine then takes no part.
",
    examples: &[Example {
        bad: "target iOS16\nlinear => int8 per-channel\n",
        good: "target iOS16\nprecision fp32\nlinear => int8 per-channel\n",
        model: "layers.{0..1}.q_proj.weight  linear  64x64  fp32\n",
        facts: &[("layers.0.q_proj.weight", Fact::BeyondFp16(3))],
        files: &[],
    }],
    sources: &["coremltools: docs-guides/source/typed-execution.md"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let beyond = places::measured(context, |fact| match fact {
        Fact::BeyondFp16(n) => Some(*n),
        _ => None,
    });
    let recipe = context.recipe;
    let is_fp32 = recipe.precision.is_some_and(|precision| precision.value == FloatType::Fp32);
    for group in beyond {
        let scheme = group.rule.and_then(|rule| rule.scheme.as_ref());
        let to_fp16 = scheme.is_some_and(|scheme| scheme.weights == WeightScheme::Float(FloatType::Fp16));
        if is_fp32 && !to_fp16 {
            continue;
        }
        let values = words::count(usize::try_from(group.total).unwrap_or(usize::MAX), "value");
        let message = format!("{values} of {} too large for fp16", words::list(&group.names, 2));
        let finding = report.add(group.place(context), message);
        finding
            .here("become infinite in fp16, which ends at 65504")
            .help(if to_fp16 {
                "keep these weights as they are, or use `fp32` for them"
            } else {
                "say `precision fp32`, if these values are meant"
            })
            .weights(group.names.iter().copied());
        let target = recipe.target.as_ref().and_then(TargetChoice::place);
        match (recipe.precision, target) {
            (Some(precision), _) if !is_fp32 && !to_fp16 => {
                finding.suggest("compute in fp32", precision.place, "precision fp32");
            }
            (None, Some(target)) if !to_fp16 => {
                let edit = words::insert_after(recipe, target, "precision fp32");
                finding.fix_with("compute in fp32", false, vec![edit]);
            }
            _ => {}
        }
    }
}
