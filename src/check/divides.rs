//! Blocks that do not divide an axis: what integers and palettes have in common.

use std::collections::BTreeSet;

use super::Context;
use super::finding::{Edit, Finding};
use super::places;
use super::schemes::{Share, common_divisor, selector_where, users_of, weights_named, with_extent};
use super::words::insert_after;
use crate::model::Weight;
use crate::plan::fit::{better_extents, block};
use crate::plan::{Misfit, Outcome};
use crate::recipe::{Field, Place, Rule};
use crate::scheme::{Granularity, Scheme, WeightScheme};

/// Elements of a group below which scales cost too much to be worth offering.
pub const SMALLEST_GROUP: usize = 16;

/// Channels of a table below which palettes are slow and large.
const SMALLEST_TABLE: usize = 8;

fn compresses_to_palette(scheme: &Scheme) -> bool {
    matches!(scheme.weights, WeightScheme::Palette(_))
}

/// Axis, length and extent of each weight of a share whose block does not divide.
fn failing(share: &Share) -> Vec<(usize, usize, usize)> {
    let of = |outcome: &Outcome| match *outcome {
        Outcome::Misfit(Misfit::Divides { axis, length, extent }) => Some((axis, length, extent)),
        _ => None,
    };
    share.weights.iter().filter_map(|(_, decision)| of(&decision.outcome)).collect()
}

/// Where the granularity of a share is written.
pub fn place(share: &Share) -> Place {
    places::part(share.rule, Field::Granularity)
}

/// What is wrong: "groups of 32 do not divide the 48 input channels of `a`".
pub fn message(share: &Share, granularity: &Granularity) -> String {
    let failing = failing(share);
    let extent = failing.first().map_or(0, |(.., extent)| *extent);
    let lengths: BTreeSet<usize> = failing.iter().map(|(_, length, _)| *length).collect();
    let mut shown: Vec<String> = lengths.iter().take(3).map(usize::to_string).collect();
    if lengths.len() > 3 {
        shown.push("other".into());
    }
    let last = shown.pop().unwrap_or_default();
    let shown = if shown.is_empty() { last } else { format!("{} and {last}", shown.join(", ")) };
    let (blocks, along) = match granularity {
        Granularity::PerGroup(_) => ("groups", "input channels"),
        Granularity::PerGroupedChannel(_) => ("groups", "output channels"),
        _ => ("blocks", "elements along the axis"),
    };
    format!("{blocks} of {extent} do not divide the {shown} {along} of {}", weights_named(&share.names()))
}

/// Offers extents that suit every weight of every rule that uses this granularity.
pub fn suggest_extents(context: &Context, share: &Share, granularity: &Granularity, finding: &mut Finding) {
    let Some(place) = share.rule.origins.get(Field::Granularity) else { return };
    let failing = failing(share);
    let Some(&(axis, _, extent)) = failing.first() else { return };
    let least = if compresses_to_palette(share.scheme) { SMALLEST_TABLE } else { SMALLEST_GROUP };
    let users = users_of(context, place);
    let lengths = users.iter().filter_map(|weight| match granularity {
        Granularity::PerGroup(_) => weight.in_features(),
        Granularity::PerGroupedChannel(_) => weight.out_features(),
        _ => weight.shape.get(axis).copied(),
    });
    let suits = |candidate: &Granularity| users.iter().all(|weight: &&Weight| block(weight, candidate).is_ok());
    let candidates = better_extents(common_divisor(lengths), extent, least).into_iter();
    let candidates = candidates.filter_map(|extent| with_extent(granularity, axis, extent));
    for candidate in candidates.filter(suits).take(2) {
        finding.suggest(format!("use {candidate}: it divides all of them"), place, candidate.to_string());
    }
}

/// Offers a rule behind this one that treats the weights that do not fit in another way.
pub fn suggest_exception(
    context: &Context,
    rule: &Rule,
    fact: &str,
    extent: usize,
    scheme: &str,
    finding: &mut Finding,
) {
    let recipe = context.recipe;
    let selector = selector_where(recipe, rule, &format!("{fact} % {extent} != 0"));
    let edit: Edit = insert_after(recipe, recipe.visible(rule.place), &format!("{selector} => {scheme}"));
    finding.fix_with(format!("add a rule for the others: {scheme}"), false, vec![edit]);
}
