//! Scales and tables in fp32, where they are a good part of a weight.

use crate::check::schemes::{shares, weights_named};
use crate::check::{Binds, Context, Edit, Example, Needs, Report, Rule, Severity, places};
use crate::model::{Weight, total};
use crate::plan::fit::storage_bits;
use crate::plan::{Decision, Fitted, Outcome};
use crate::recipe::{Field, Place, Recipe};
use crate::scheme::{FloatType, WeightScheme};
use crate::syntax::Span;

/// The rule.
pub const RULE: Rule = Rule {
    code: "precision-fp32-scales",
    severity: Severity::Hint,
    title: "scales and tables in fp32 that take much of a weight",
    binds: Binds::CoreMl,
    needs: Needs::Model,
    page: "
A program that computes in fp32 has its scales and tables in fp32, twice the size of fp16. With one scale per channel that
is next to nothing. With one for every 32 codes of 4 bits, scales in fp32 take a bit per weight instead of half a bit: a
tenth of the file. Nor does the Neural Engine compute in fp32.

Compute in fp16, which is the default, or say `scale fp16` where a checkpoint is quantized. The hint appears where a
recipe says `precision fp32` and a twentieth of a weight or more would be saved.
",
    examples: &[
        Example::with_model(
            "fc.weight  linear  64x64  fp32\n",
            "target iOS18\nprecision fp32\nlinear => int4 per-group(32)\n",
            "target iOS18\nprecision fp32\nlinear => int4 per-group(32) scale fp16\n",
        ),
        Example::with_model(
            "program CoreML8 fp32\nfc.weight  linear  64x64  fp32\n",
            "precision fp32\nlinear => int4 per-group(32)\n",
            "precision fp16\nlinear => int4 per-group(32)\n",
        ),
    ],
    sources: &[
        "coremltools: docs-guides/source/typed-execution.md:78-95",
        "coremltools: converters/mil/mil/ops/defs/iOS18/compression.py, constexpr_blockwise_shift_scale",
    ],
    check,
};

/// Bytes that fp16 would save in the scales or tables of a weight.
fn saved(weight: &Weight, decision: &Decision) -> u64 {
    let groups = |block: &[usize]| weight.elements() / block.iter().map(|&n| n as u64).product::<u64>().max(1);
    match &decision.outcome {
        Outcome::Change(Fitted::Affine { block, scale: FloatType::Fp32, .. }) => groups(block).saturating_mul(2),
        Outcome::Change(Fitted::Palette {
            block, entry: FloatType::Fp32, int8_entries: false, bits, vector, ..
        }) => {
            let values = (1u64 << storage_bits(*bits)) * u64::from(*vector);
            groups(block).saturating_mul(values).saturating_mul(2)
        }
        _ => 0,
    }
}

/// Where a part can be added to what is said of weights at a place: behind it, but before the comma and the activations
/// that it may hold as well.
fn weights_end(recipe: &Recipe, rule: &crate::recipe::Rule, place: Place) -> Place {
    let activations = rule
        .origins
        .get(Field::Activations)
        .filter(|at| at.file == place.file && at.span.start > place.span.start && at.span.start < place.span.end);
    let end = activations.map_or(place.span.end, |at| {
        let before = recipe.text(Place::new(place.file, Span::new(place.span.start, at.span.start)));
        let before = before.trim_end().trim_end_matches("activations").trim_end().trim_end_matches(',').trim_end();
        place.span.start + before.len() as u32
    });
    Place::new(place.file, Span::new(end, end))
}

fn check(context: &Context, report: &mut Report) {
    let recipe = context.recipe;
    let Some(precision) = recipe.precision.filter(|written| written.value == FloatType::Fp32) else { return };
    // Where the Neural Engine is asked for, `precision-fp32-neural-engine` tells of the same statement.
    if places::asks_neural_engine(context).is_some() || recipe.is_experiment() {
        return;
    }
    let is_package = context.model.is_some_and(|(model, _)| model.is_package());
    let large = shares(context, |rule, weight, decision| {
        let is_written = rule.origins.get(Field::Scale).is_some();
        !is_written && saved(weight, decision).saturating_mul(20) >= decision.after.max(1)
    });
    for share in large {
        let bytes = total(share.weights.iter().map(|(weight, decision)| saved(weight, decision)));
        let all = total(share.weights.iter().map(|(_, decision)| decision.after));
        let (names, is_affine) = (share.names(), matches!(share.scheme.weights, WeightScheme::Affine(_)));
        let what = if is_affine { "scales" } else { "tables" };
        let percent = bytes.saturating_mul(100) / all.max(1);
        let place = places::part(share.rule, Field::Granularity);
        let message = format!("{what} in fp16 would save {percent}% of {}", weights_named(&names));
        let finding = report.add(place, message);
        finding.label(precision.place, format!("{what} are fp32 as well"));
        let end = weights_end(recipe, share.rule, place);
        match is_affine && !is_package {
            true => {
                let edit = Edit { place: end, text: " scale fp16".into() };
                finding.help("say `scale fp16`").fix_with("use scales in fp16", false, vec![edit]);
            }
            false => {
                finding.help("compute in fp16, or let more elements share them");
            }
        }
        if is_package {
            finding.suggest("compute in fp16", precision.place, "precision fp16");
        }
        finding.weights(names);
    }
}
