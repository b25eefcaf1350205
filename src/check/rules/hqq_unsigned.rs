//! HQQ has signed integers only.

use crate::check::schemes::affine_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::ScaleSearch;

/// The rule.
pub const RULE: Rule = Rule {
    code: "hqq-unsigned",
    severity: Severity::Warning,
    title: "unsigned integers with `by hqq`",
    binds: Binds::Torchao,
    needs: Needs::Recipe,
    page: "
`by hqq` is torchao's `HQQ_SCALE_ONLY`, an option of `IntxWeightOnlyConfig`, whose types are `int1` to `int8`: there is
no unsigned form to agree with. With zero points of zero, unsigned codes could not stand for negative values at all;
bitmill shifts them by half their range, which gives the values of the signed form under another name.

Write the signed type.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => uint4 per-group(32) by hqq\n",
        "target iOS18\nlinear => int4 per-group(32) by hqq\n",
    )],
    sources: &["torchao: quantization/quant_api.py:1365-1476, weight_dtype"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for (part, affine) in affine_parts(context.recipe, Field::Base, |a| a.by == ScaleSearch::Hqq && !a.signed) {
        let signed = format!("int{}", affine.bits);
        let finding = report.add(part.place, format!("`by hqq` has no unsigned integers such as `u{signed}`"));
        finding
            .label_if(part.origins.get(Field::By), "torchao's search for scales of signed integers")
            .upstream("torchao's `IntxWeightOnlyConfig` has `int1` to `int8` only")
            .help(format!("use `{signed}`"));
        part.label_uses(finding);
        part.suggest(context.recipe, finding, format!("use {signed}"), &[(Field::Base, &signed)]);
    }
}
