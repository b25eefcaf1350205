//! int8 codes that coremltools stores in 4 bits.

use crate::check::needs::BLOCKS;
use crate::check::rule::Fact;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places, words};
use crate::scheme::WeightScheme;

/// The rule.
pub const RULE: Rule = Rule {
    code: "codes-narrow",
    severity: Severity::Hint,
    title: "8-bit codes that would fit into 4 bits",
    binds: Binds::Coremltools,
    needs: Needs::Run,
    page: "
From iOS 18 on, coremltools' converter looks at the values of 8-bit codes: where all of them lie in -8 to 7 (or 0 to 15,
unsigned) it stores 4-bit integers. The file is smaller than the recipe says, and its types are others.

Values are the same either way. But a weight that uses 16 of its 256 codes is coarse for what it costs: a few large
values may have stretched the scale.
",
    examples: &[Example {
        bad: "target iOS18\nlinear => int8 per-group(32)\n",
        good: "target iOS18\nlinear => int8 per-group(32)\n\"layers.0.q_proj\" => int4 per-group(32)\n",
        model: "layers.{0..3}.q_proj.weight  linear  64x64  fp16\n",
        facts: &[("layers.0.q_proj.weight", Fact::Narrow)],
        files: &[],
    }],
    sources: &["coremltools: converters/mil/frontend/_utils.py"],
    check,
};

fn check(context: &Context, report: &mut Report) {
    // Older operator sets have no 4-bit integers to store them in.
    if context.recipe.written_set().is_some_and(|set| set.spec < BLOCKS) {
        return;
    }
    let narrow = places::measured(context, |fact| match fact {
        Fact::Narrow => Some(1),
        _ => None,
    });
    for group in narrow {
        let scheme = group.rule.and_then(|rule| rule.scheme.as_ref());
        if !matches!(scheme.map(|scheme| &scheme.weights), Some(WeightScheme::Affine(affine)) if affine.bits == 8) {
            continue;
        }
        let finding = report.add(
            group.place(context),
            format!("the 8-bit codes of {} all fit into 4 bits", words::list(&group.names, 2)),
        );
        finding
            .help("look whether a few large values stretch the scale: smaller groups would help")
            .upstream("from iOS18 on coremltools stores them in 4 bits: the file is smaller than the recipe says")
            .weights(group.names.iter().copied());
    }
}
