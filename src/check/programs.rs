//! The program of a model as rules look at it: what it is of, and where to tell what is about it.

use super::Context;
use super::finding::Finding;
use super::needs;
use crate::coreml::target::OperatorSet;
use crate::model::Model;
use crate::model::program::{ProgramFacts, Uses};
use crate::recipe::{Place, TargetChoice};

/// The facts about the program of the model, where it has one.
pub fn facts<'a>(context: &Context<'a>) -> Option<&'a ProgramFacts> {
    context.model?.0.facts.as_ref()
}

/// Where to tell what is about the program and not about a rule: at the model, else at the target, else at the first
/// rule. `None` for a recipe without any of them.
pub fn place(context: &Context) -> Option<Place> {
    let recipe = context.recipe;
    let model = recipe.model_place();
    let target = || recipe.target.as_ref().and_then(TargetChoice::place);
    model.or_else(target).or_else(|| recipe.rules.first().map(|rule| recipe.visible(rule.place)))
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
