//! The program of a model as rules look at it: what it is of, and where to tell what is about it.

use super::Context;
use super::finding::{Edit, Finding};
use super::needs;
use super::schemes::Share;
use super::words;
use crate::coreml::target::OperatorSet;
use crate::graph::function::Opset;
use crate::model::Model;
use crate::model::program::{ProgramFacts, Uses};
use crate::recipe::{ComputeUnits, Place, TargetChoice};

/// The facts about the program of the model, where it has one.
pub fn facts<'a>(context: &Context<'a>) -> Option<&'a ProgramFacts> {
    context.model?.0.facts.as_ref()
}

/// Where to tell what is about the program and not about a rule: at the model, else at the target, else at the first
/// rule. `None` for a recipe without any of them.
pub fn place(context: &Context) -> Option<Place> {
    let recipe = context.recipe;
    let model = recipe.model.as_ref().map(|model| model.place);
    let target = || recipe.target.as_ref().and_then(TargetChoice::place);
    model.or_else(target).or_else(|| recipe.rules.first().map(|rule| recipe.visible(rule.place)))
}

/// The operator set that the program is written in: the target's, or its own. `None` where neither is known.
pub fn written(context: &Context, facts: &ProgramFacts) -> Option<Opset> {
    let set = context.recipe.written_set().and_then(|set| Opset::by_name(set.name));
    // `target none` has no set, and the package keeps its own.
    set.or(facts.set)
}

/// How the program takes the weight of an index.
pub fn uses(model: &Model, index: usize) -> Option<&Uses> {
    model.facts.as_ref()?.uses.get(index)
}

/// Offers to raise the target to a set, or to say one where none is given.
pub fn offer_set(finding: &mut Finding, context: &Context, set: &OperatorSet) {
    needs::offer_first_target(finding, context, set);
    needs::offer_target(finding, context, "raise", set, |target| target.set.spec < set.spec);
}

/// Offers to keep the weights of a share as they are, where they are few and have plain names.
pub fn offer_keep(finding: &mut Finding, context: &Context, share: &Share) {
    let names = share.names();
    let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/".contains(&b));
    if names.len() <= 3 && names.iter().all(plain) {
        let recipe = context.recipe;
        let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let keep: Edit =
            words::insert_after(recipe, recipe.visible(share.rule.place), &format!("{} => keep", names.join(" or ")));
        finding.fix_with("leave them as they are", false, vec![keep]);
    }
}

/// Where a recipe says that the Neural Engine may be used.
pub fn neural_engine(context: &Context) -> Option<Place> {
    let compute = context.recipe.compute?;
    matches!(compute.value, ComputeUnits::All | ComputeUnits::CpuAndNe).then_some(compute.place)
}
