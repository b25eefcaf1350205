//! What would have to change for other deployment targets: the checker's own answer for each.

use super::{Context, Finding, Severity, check};
use crate::coreml::target::{OPERATOR_SETS, OperatorSet, Platform, Target};
use crate::model::Model;
use crate::plan::Plan;
use crate::recipe::{Placed, Recipe, TargetChoice};

/// One operator set, and what stands in its way.
#[derive(Debug, Clone, PartialEq)]
pub struct ForTarget {
    /// The operator set; its systems are the targets.
    pub set: &'static OperatorSet,
    /// Whether it is the one of the recipe's target.
    pub current: bool,
    /// The errors that a recipe for it would have.
    pub errors: Vec<Finding>,
}

/// Checks a recipe for every operator set there is, oldest first.
pub fn for_every_target(recipe: &Recipe, model: Option<(&Model, &Plan)>) -> Vec<ForTarget> {
    let current = recipe.written_set();
    let place = recipe.target.as_ref().and_then(TargetChoice::place).unwrap_or_default();
    let mut trial = recipe.clone();
    let mut judge = |set: &'static OperatorSet| {
        let target = Target { platform: Platform::Ios, set };
        trial.target = Some(TargetChoice::Systems(vec![Placed::new(target, place)]));
        let context = Context { recipe: &trial, model, model_error: None, run: None };
        let mut errors = check(&context);
        errors.retain(|finding| finding.severity == Severity::Error);
        ForTarget { set, current: current == Some(set), errors }
    };
    OPERATOR_SETS.iter().map(&mut judge).collect()
}
