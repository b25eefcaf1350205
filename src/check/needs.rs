//! What the schemes of a recipe need of its target, and which rule tells it: one finding for one cause.
//!
//! - below iOS15 there is no ML Program: `target-no-mlprogram` tells it, whatever else is asked;
//! - iOS15 has no compression: `target-no-compression` tells it once for the whole recipe;
//! - what a preset asks for in vain is told by `preset-target-too-low`;
//! - the rest is told feature by feature, by rules that ask [`lacks`].

use super::Context;
use super::finding::{Edit, Finding};
use super::words;
use crate::coreml::feature::{Feature, features, lowest_set};
use crate::coreml::target::{OPERATOR_SETS, OperatorSet, Platform, Target};
use crate::graph::function::Opset;
use crate::recipe::{Extend, Place, Placed, Recipe, Rule, TargetChoice};
use crate::scheme::{ActivationScheme, FloatType, Granularity, Scheme, WeightScheme};

/// Specification version of CoreML5: ML Programs without compression.
pub const MLPROGRAM: i32 = 6;
/// Specification version of CoreML6: the first compressed weights.
pub const COMPRESSION: i32 = 7;
/// Specification version of CoreML7: quantized activations.
pub const ACTIVATIONS: i32 = 8;
/// Specification version of CoreML7: weights are decompressed just in time, and not when a model is loaded.
const FASTER_KERNELS: i32 = 8;
/// Specification version of CoreML8: 4-bit integers, blocks, many tables.
pub const BLOCKS: i32 = 9;
/// Specification version of CoreML9: int8 tables scaled after the look-up.
pub const SCALED_TABLES: i32 = 10;

/// The row of a program's operator set.
pub fn set_of(opset: Opset) -> &'static OperatorSet {
    set(opset.specification())
}

/// An operator set that is known to exist.
pub fn set(spec: i32) -> &'static OperatorSet {
    OperatorSet::by_spec(spec).unwrap_or(&OPERATOR_SETS[OPERATOR_SETS.len() - 1])
}

/// The target that decides, where the recipe names one.
pub fn oldest<'a>(context: &Context<'a>) -> Option<&'a Placed<Target>> {
    context.recipe.target.as_ref().and_then(TargetChoice::oldest)
}

/// Whether a place is in the expansion of a preset.
pub fn in_preset(recipe: &Recipe, place: Place) -> bool {
    recipe.sources.get(place.file.0 as usize).is_some_and(|source| source.preset)
}

/// Whether the target has no ML Programs at all.
pub fn has_no_mlprogram(recipe: &Recipe) -> bool {
    recipe.operator_set().is_some_and(|target| target.spec < MLPROGRAM)
}

/// The operator set that a feature of a rule's scheme needs, when the target has none of it and no other rule
/// tells so in general.
pub fn lacks(context: &Context, rule: &Rule, feature: Feature) -> Option<&'static OperatorSet> {
    let told_in_general = match context.recipe.written_set()?.spec {
        _ if has_no_mlprogram(context.recipe) => true,
        MLPROGRAM => rule.scheme.as_ref().is_some_and(compresses),
        _ => told_by_preset(context.recipe, rule),
    };
    beyond(context, feature).filter(|_| !told_in_general)
}

/// The operator set that a feature needs, when the target is older.
fn beyond(context: &Context, feature: Feature) -> Option<&'static OperatorSet> {
    let have = context.recipe.written_set()?;
    Some(feature.set()).filter(|need| have.spec < need.spec)
}

/// As [`lacks`], of any compressed weights: a target without any compression is told about in general. Which
/// rules are told about by their preset is for the caller, who has not looked at one yet.
pub fn compression_lacks(context: &Context, feature: Feature) -> Option<&'static OperatorSet> {
    let has_compression = !has_no_mlprogram(context.recipe) && context.recipe.written_set()?.spec >= COMPRESSION;
    beyond(context, feature).filter(|_| has_compression)
}

/// Whether weights become integers or palettes.
pub fn compresses(scheme: &Scheme) -> bool {
    matches!(scheme.weights, WeightScheme::Affine(_) | WeightScheme::Palette(_))
}

/// Whether a scheme changes more than the float type of weights.
pub fn quantizes(scheme: &Scheme) -> bool {
    compresses(scheme) || scheme.sparse.is_some() || scheme.activations.is_some()
}

/// The first operator set that has everything a recipe asks for, its presets' own targets and the package that is
/// the model included.
pub fn lowest(recipe: &Recipe) -> &'static OperatorSet {
    let schemes = recipe.rules.iter().filter_map(|rule| rule.scheme.as_ref());
    let own = recipe.defaults.set.map(|set| set.spec);
    let specs = schemes.map(|scheme| lowest_set(scheme).spec).chain(preset_specs(recipe)).chain(own);
    set(specs.max().unwrap_or(MLPROGRAM))
}

/// The first operator set on which a recipe is at its best; `None` when it quantizes nothing, or when it holds
/// something that could not be told.
///
/// Whatever is compressed runs faster from iOS17 on, which decompresses weights as they are needed. A palette may
/// need no more than iOS16, but ExecuTorch's lowering takes codebooks from iOS18 only; int8 entries
/// are scaled in the better order from iOS26.
pub fn useful(recipe: &Recipe) -> Option<&'static OperatorSet> {
    if !recipe.problems.is_empty() {
        return None;
    }
    let mut spec = preset_specs(recipe).max();
    for rule in &recipe.rules {
        let scheme = rule.scheme.as_ref().filter(|scheme| exists(scheme))?;
        if quantizes(scheme) && !in_preset(recipe, rule.place) {
            spec = spec.max(Some(useful_spec(scheme)));
        }
    }
    spec.max(recipe.defaults.set.filter(|_| spec.is_some()).map(|set| set.spec)).map(set)
}

/// Whether Core ML has such weights on any target.
fn exists(scheme: &Scheme) -> bool {
    match &scheme.weights {
        WeightScheme::Affine(affine) => {
            matches!(affine.bits, 4 | 8) && !matches!(affine.granularity, Granularity::PerGroupedChannel(_))
        }
        WeightScheme::Palette(palette) => !matches!(palette.granularity, Granularity::PerGroup(_)),
        WeightScheme::Float(float) => matches!(float, FloatType::Fp16 | FloatType::Fp32),
        WeightScheme::Keep | WeightScheme::Sparse => true,
    }
}

fn useful_spec(scheme: &Scheme) -> i32 {
    let special = match &scheme.weights {
        WeightScheme::Palette(palette) if palette.int8_entries => SCALED_TABLES,
        WeightScheme::Palette(_) => BLOCKS,
        _ => FASTER_KERNELS,
    };
    let dynamic = if scheme.activations == Some(ActivationScheme::Dynamic) { ACTIVATIONS } else { MLPROGRAM };
    features(scheme).iter().map(|feature| feature.need().spec).fold(special.max(dynamic), i32::max)
}

fn preset_specs(recipe: &Recipe) -> impl Iterator<Item = i32> + '_ {
    recipe.extends.iter().filter_map(|extend| Some(preset_set(extend)?.spec))
}

/// Whether a rule is a preset's and asks for more than the target has: `preset-target-too-low` tells so at the
/// `extend` statement, and the target must be mended before anything else of the preset is worth a word.
pub fn told_by_preset(recipe: &Recipe, rule: &Rule) -> bool {
    let (Some(have), Some(scheme)) = (recipe.written_set(), &rule.scheme) else { return false };
    in_preset(recipe, rule.place) && have.spec < lowest_set(scheme).spec
}

/// The operator set of the target that upstream sets for a preset.
pub fn preset_set(extend: &Extend) -> Option<&'static OperatorSet> {
    let target = Target::parse(extend.preset?.target?).ok()?;
    Some(target.set)
}

/// "the package is of CoreML6 (iOS16)"
pub fn package_is_of(set: &OperatorSet) -> String {
    format!("the package is of {} ({})", set.name, set.on(Platform::Ios).unwrap_or_default())
}

/// Offers a target where none is given and the model is a package, which is then written for that.
pub fn offer_first_target(finding: &mut Finding, context: &Context, set: &OperatorSet) {
    if context.recipe.target.is_none()
        && let Some(system) = set.on(Platform::Ios)
    {
        let edit = words::insert_setting(context.recipe, &format!("target {system}"));
        finding.fix_target(format!("add `target {system}`: the package is written for it"), vec![edit]);
    }
}

/// Offers to move every target that `moves` selects to an operator set, where their platforms have it.
pub fn offer_target(
    finding: &mut Finding,
    context: &Context,
    verb: &str,
    set: &OperatorSet,
    moves: impl Fn(&Target) -> bool,
) {
    let Some(TargetChoice::Systems(systems)) = &context.recipe.target else {
        return;
    };
    let moved = systems.iter().filter(|target| moves(&target.value));
    let edits: Option<Vec<Edit>> =
        moved.map(|target| Some(Edit { place: target.place, text: set.on(target.value.platform)? })).collect();
    if let Some(edits) = edits.filter(|edits| !edits.is_empty()) {
        let to: Vec<&str> = edits.iter().map(|edit| edit.text.as_str()).collect();
        finding.fix_target(format!("{verb} the target to {}", to.join(", ")), edits);
    }
}

/// Offers to move the target that is a parameter of a preset.
pub fn offer_parameter(finding: &mut Finding, context: &Context, entry: Place, verb: &str, to: &str) {
    let key = context.recipe.text(entry).split_whitespace().next().unwrap_or("target");
    let edit = Edit { place: entry, text: format!("{key} {to}") };
    finding.fix_target(format!("{verb} the target to {to}"), vec![edit]);
}

/// Where an `extend` statement gives a parameter, by upstream's name.
pub fn parameter(extend: &Extend, name: &str) -> Option<Place> {
    extend.parameters.iter().find(|(key, ..)| *key == name).map(|(.., place)| *place)
}

/// Whether a scheme changes weights at all.
pub fn changes(scheme: &Scheme) -> bool {
    scheme.weights != WeightScheme::Keep
}
