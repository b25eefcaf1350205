//! HQQ chooses scales only.

use crate::check::schemes::affine_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Field;
use crate::scheme::{Mapping, ScaleSearch};

/// The rule.
pub const RULE: Rule = Rule {
    code: "hqq-mapping",
    severity: Severity::Warning,
    title: "a mapping that `by hqq` ignores",
    binds: Binds::Torchao,
    needs: Needs::Recipe,
    page: "
`by hqq` is torchao's `HQQ_SCALE_ONLY`: it looks for the best scale, and its zero points are zero. `asymmetric` beside
it has no effect; the integers are the same as with `symmetric`.

torchao says nothing about it. For a zero point of its own in each group use `by min-max` or `by mse`.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => int4 per-group(32) asymmetric by hqq\n",
        "target iOS18\nlinear => int4 per-group(32) asymmetric by mse\n",
    )],
    sources: &["torchao: quantization/quant_api.py:1365-1476, intx_choose_qparams_algorithm"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let ignored = |mapping, by| by == ScaleSearch::Hqq && mapping != Mapping::Symmetric;
    for (part, affine) in affine_parts(context.recipe, Field::Mapping, |a| ignored(a.mapping, a.by)) {
        let message = format!("`{}` has no effect with `by hqq`, whose zero points are zero", affine.mapping);
        let finding = report.add(part.place, message);
        finding
            .label_if(part.origins.get(Field::By), "this looks for scales only")
            .upstream("torchao takes both and ignores the mapping")
            .help("write `symmetric`, or look for scales with `by mse`, which has zero points");
        part.label_uses(finding);
        finding.fix_with("use symmetric", true, part.edits(context.recipe, &[(Field::Mapping, "symmetric")]));
        part.suggest(context.recipe, finding, "use by mse", &[(Field::By, "by mse")]);
    }
}
