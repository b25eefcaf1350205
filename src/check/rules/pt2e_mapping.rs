//! PT2E takes one mapping for the whole model.

use crate::check::{Binds, Context, Example, Needs, Report, Rule, Severity, places};
use crate::recipe::{Field, Place, Rule as RecipeRule};
use crate::scheme::{ActivationScheme, Mapping, WeightScheme};
use std::collections::HashSet;

/// The rule.
pub const RULE: Rule = Rule {
    code: "pt2e-mapping",
    severity: Severity::Warning,
    title: "different mappings among rules with quantized activations",
    binds: Binds::ExecuTorch,
    needs: Needs::Recipe,
    page: "
`CoreMLQuantizer` takes one `quantization_scheme`, symmetric or affine, for the whole model: for every module, and for
weights and activations alike. With two it stops: the scheme `cannot be different between different module level
configs`.

Outputs of relu and relu6 are asymmetric even under `symmetric`, so `symmetric` loses little there.
",
    examples: &[Example::recipe(
        "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nconv => int8 per-channel symmetric, activations uint8\nlinear => int8 per-channel asymmetric, activations uint8\n",
        "target iOS17\ncalibrate \"calibration.safetensors\" { samples 128 }\nconv => int8 per-channel symmetric, activations uint8\nlinear => int8 per-channel symmetric, activations uint8\n",
    )],
    sources: &["ExecuTorch: backends/apple/coreml/quantizer/_coreml_quantizer.py"],
    check,
};

/// The mappings that a rule with static activations asks for, with the place of each.
fn mappings(rule: &RecipeRule) -> Vec<(Mapping, Place)> {
    let mut all = Vec::new();
    let Some(scheme) = rule.scheme.as_ref().filter(|scheme| places::is_static(scheme)) else { return all };
    if let WeightScheme::Affine(affine) = &scheme.weights {
        all.push((affine.mapping, places::part(rule, Field::Mapping)));
    }
    if let Some(ActivationScheme::Static { mapping: Some(mapping), .. }) = scheme.activations {
        all.push((mapping, places::part(rule, Field::Activations)));
    }
    all
}

fn check(context: &Context, report: &mut Report) {
    let mut first: Option<(Mapping, Place)> = None;
    let mut told = HashSet::new();
    for (rule, (mapping, place)) in
        context.recipe.rules.iter().flat_map(|rule| mappings(rule).into_iter().map(move |m| (rule, m)))
    {
        let (other, other_place) = *first.get_or_insert((mapping, place));
        if mapping == other || !told.insert(place) {
            continue;
        }
        let finding = report.add(place, format!("PT2E takes one mapping for all: this is {mapping}, another {other}"));
        finding.label(other_place, format!("{other} here"));
        finding
            .help(format!("say `{other}` in every rule with activations"))
            .upstream("CoreMLQuantizer stops: the scheme `cannot be different between different module level configs`");
        if rule.origins.get(Field::Mapping) == Some(place) {
            finding.suggest(format!("use {other}"), place, other.word());
        }
    }
}
