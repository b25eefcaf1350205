//! What would have to change for other deployment targets: the checker's own answer for each.

use super::{Context, Finding, Severity, check};
use crate::coreml::target::{OPERATOR_SETS, OperatorSet, Platform, Target};
use crate::model::Model;
use crate::plan::{self, Plan};
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
    // What an experiment may do, a recipe for a target may not: there another plan holds.
    let deployed = |recipe: &Recipe, model: &Model| {
        let mut deployed = recipe.clone();
        deployed.target = Some(TargetChoice::Systems(Vec::new()));
        plan::plan(&deployed, model)
    };
    let replanned = model.filter(|_| recipe.is_experiment()).map(|(model, _)| deployed(recipe, model));
    let model = model.map(|(model, plan)| (model, replanned.as_ref().unwrap_or(plan)));
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::check::{Known, analyze};
    use crate::recipe::NoImports;

    /// What stands in the way of a target is what checking the recipe for it says, whatever the recipe is for now.
    #[test]
    fn an_experiment_is_judged_as_what_it_would_be_for_a_target() {
        let model = Model::listing("fc.weight  linear  64x64  bf16\nconv.weight  conv2d  8x8x3x3  fp32\n").unwrap();
        for rule in [
            "int8 per-channel",
            "int5 per-channel",
            "int8 per-channel scale bf16",
            "lut4",
            "lut4 vector(2)",
            "bf16",
            "fp8-e4m3",
        ] {
            let codes = |findings: &[Finding]| -> Vec<&str> {
                let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
                errors.map(|finding| finding.code).collect()
            };
            let known = Known::Model(&model);
            let of = |target: &str| {
                analyze(Path::new("a.bitmill"), &format!("target {target}\nall => {rule}\n"), &NoImports, known)
            };
            let experiment = of("none");
            let judged = for_every_target(&experiment.recipe, Some((&model, experiment.plan.as_ref().unwrap())));
            for one in judged {
                let target = one.set.on(Platform::Ios).unwrap();
                assert_eq!(codes(&one.errors), codes(&of(&target).findings), "{rule} for {target}");
            }
        }
    }
}
