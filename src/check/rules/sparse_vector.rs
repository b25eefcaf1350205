//! Pruned palettes of vectors.

use crate::check::schemes::palette_parts;
use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::recipe::Field;

/// The rule.
pub const RULE: Rule = Rule {
    code: "sparse-vector",
    severity: Severity::Warning,
    title: "pruning that makes palettes of vectors no smaller",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
The indices of a palette of vectors stand for several neighbours at once. Zeros among them cannot be left out one by one,
so that no mask is stored, and a pruned weight takes as much as one that is not: pruning costs accuracy and saves nothing.

Prune a palette of single values, or do not prune.
",
    examples: &[
        Example::recipe("target iOS18\nlinear => lut4 vector(2) sparse 75%\n", "target iOS18\nlinear => lut4 vector(2)\n"),
    ],
    sources: &[
        "coremltools: converters/mil/mil/ops/defs/iOS18/compression.py, constexpr_lut_to_sparse",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let pruned = palette_parts(recipe, Field::Sparse, |palette| palette.vector > 1);
    for (part, _) in pruned.into_iter().filter(|(part, _)| part.scheme.sparse.is_some()) {
        let finding = report.add(part.place, "pruning makes palettes of vectors no smaller: no zero is left out");
        part.label_uses(finding);
        finding
            .label_if(part.origins.get(Field::Vector), "one index for several elements")
            .help("do not prune, or use a palette of single values");
        places::offer_without(finding, recipe, "do not prune", part.place);
        part.suggest(recipe, finding, "single values", &[(Field::Vector, "")]);
    }
}
