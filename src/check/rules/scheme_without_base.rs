//! Schemes that say how, but not what.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity};
use crate::recipe::Place;
use crate::recipe::problem::ProblemKind;
use crate::syntax::Span;

/// The rule.
pub const RULE: Rule = Rule {
    code: "scheme-without-base",
    severity: Severity::Error,
    title: "a scheme does not say what the weights become",
    binds: Binds::Language,
    needs: Needs::Recipe,
    page: "
Granularity, mapping and types of scales apply to something: integers such as `int4`, or a palette such as `lut4`.
There is no width that the language could assume: torchao's own default is `int8`, the default of coremltools'
palettization depends on the layer.

`sparse 50%` and `activations uint8` stand alone, since they leave the weights in float.
",
    examples: &[Example::recipe(
        "target iOS18\nlinear => per-group(32) symmetric\n",
        "target iOS18\nlinear => int4 per-group(32) symmetric\n",
    )],
    sources: &[
        "torchao: quantization/quant_api.py, IntxWeightOnlyConfig.weight_dtype",
        "coremltools: optimize/torch/palettization/palettization_config.py, n_bits",
    ],
    check,
};

fn check(context: &Context, report: &mut Report) {
    for problem in &context.recipe.problems {
        if !matches!(problem.kind, ProblemKind::NoBase) {
            continue;
        }
        let place = problem.place;
        let written = context.recipe.text(place);
        let finding = report.add(place, format!("`{written}` does not say what the weights become"));
        finding.help("begin with the type: integers such as `int4` or `int8`, or a palette such as `lut4`");
        let start = Place::new(place.file, Span::new(place.span.start, place.span.start));
        let of_palettes = ["per-grouped-channel", "vector", "scaled", "fit ", "entries "];
        let of_integers = ["symmetric", "per-group(", "scale ", "by "];
        if !of_palettes.iter().any(|part| written.contains(part)) {
            finding.suggest("make it 4-bit integers", start, "int4 ");
            finding.suggest("make it 8-bit integers", start, "int8 ");
        }
        if !of_integers.iter().any(|part| written.contains(part)) {
            finding.suggest("make it a palette of 16 values", start, "lut4 ");
        }
    }
}
