//! The checker: rules over a recipe, a model and a run. One rule is one file in `rules/`, with its code, page,
//! examples and fix. Knows no editors and no terminals.

mod allow;
pub mod divides;
pub mod expectation;
pub mod exports;
pub mod finding;
pub mod fix;
pub mod needs;
pub mod pages;
pub mod places;
pub mod programs;
pub mod report;
pub mod rule;
pub mod rules;
pub mod schemes;
pub mod targets;
mod upstream;
pub mod why;
pub mod words;

use std::path::Path;

use rayon::prelude::*;

use crate::model::Model;
use crate::plan::{self, Plan};
use crate::recipe::{Defaults, Loader, Recipe, resolve};
pub use finding::{Edit, Finding, Fix, FixKind, Label, Report, Severity};
pub use rule::{Binds, Evaluated, Example, Fact, Facts, Measured, Needs, Rule};

/// Everything a rule may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The recipe, resolved.
    pub recipe: &'a Recipe,
    /// The model with its plan, where there is one.
    pub model: Option<(&'a Model, &'a Plan)>,
    /// Why the model that the recipe names cannot be read, where it cannot.
    pub model_error: Option<&'a str>,
    /// What a run measured, where there was one.
    pub run: Option<&'a Facts>,
}

/// A text with everything that can be told about it: an immutable answer to one state of the world.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// The recipe.
    pub recipe: Recipe,
    /// What becomes of each weight, where a model is given.
    pub plan: Option<Plan>,
    /// What the rules found, in the order of the text.
    pub findings: Vec<Finding>,
}

impl Analysis {
    /// Whether something was found that forbids a run.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// What is known of the model that a recipe is for.
#[derive(Debug, Clone, Copy, Default)]
pub enum Known<'a> {
    /// No model is given, or none is asked for.
    #[default]
    Nothing,
    /// Its headers.
    Model(&'a Model),
    /// It cannot be read; why, in words.
    Unreadable(&'a str),
}

/// Resolves and checks a recipe, against a model where one is given.
pub fn analyze(path: &Path, text: &str, loader: &dyn Loader, known: Known) -> Analysis {
    analyze_recipe(resolve(path, text, loader), known, None)
}

/// As [`analyze`], for a recipe that is resolved already, and with what a run has measured.
pub fn analyze_recipe(recipe: Recipe, known: Known, run: Option<&Facts>) -> Analysis {
    let recipe = with_defaults(recipe, known);
    let plan = match known {
        Known::Model(model) => Some(plan::plan(&recipe, model)),
        _ => None,
    };
    let findings = check(&context(&recipe, known, plan.as_ref(), run));
    Analysis { recipe, plan, findings }
}

/// A recipe with the defaults that hold for its model.
pub fn with_defaults(mut recipe: Recipe, known: Known) -> Recipe {
    recipe.defaults = match known {
        Known::Model(model) => match &model.facts {
            Some(facts) => Defaults { set: facts.set.map(needs::set_of), ..Defaults::PACKAGE },
            None => Defaults::CHECKPOINT,
        },
        _ => recipe.model.as_ref().map_or(Defaults::CHECKPOINT, |named| Defaults::of_path(Path::new(&named.value))),
    };
    recipe
}

/// What rules may look at, of what is known.
pub fn context<'a>(
    recipe: &'a Recipe,
    known: Known<'a>,
    plan: Option<&'a Plan>,
    run: Option<&'a Facts>,
) -> Context<'a> {
    let (model, model_error) = match known {
        Known::Nothing => (None, None),
        Known::Model(model) => (Some(model), None),
        Known::Unreadable(why) => (None, Some(why)),
    };
    Context { recipe, model: model.zip(plan), model_error, run }
}

/// Asks every rule that has what it needs, and silences what comments allow.
pub fn check(context: &Context) -> Vec<Finding> {
    check_until(context, &|| false).unwrap_or_default()
}

/// Weights from which on rules are asked side by side: of fewer, each is quicker than sharing the work.
const MANY_WEIGHTS: usize = 4096;

/// As [`check`], given up as soon as `stop`, asked before each rule, says so: then there is no answer.
pub fn check_until(context: &Context, stop: &(dyn Fn() -> bool + Sync)) -> Option<Vec<Finding>> {
    let ask = |rule: &&'static Rule| {
        if stop() {
            return None;
        }
        let has_needs = match rule.needs {
            Needs::Recipe => true,
            Needs::Model => context.model.is_some(),
            Needs::Run => context.run.is_some(),
        };
        let mut report = Report::new(rule, context.recipe);
        if has_needs {
            (rule.check)(context, &mut report);
        }
        Some(report.into_findings())
    };
    let many = context.model.is_some_and(|(model, _)| model.weights.len() >= MANY_WEIGHTS);
    let asked: Option<Vec<Vec<Finding>>> =
        if many { rules::RULES.par_iter().map(ask).collect() } else { rules::RULES.iter().map(ask).collect() };
    let mut findings: Vec<Finding> = asked?.into_iter().flatten().collect();
    allow::silence(context, &mut findings);
    // What comes of one expanded preset may be found at several of its statements, seen at one place.
    findings.sort_by(|a, b| (a.place, a.code, &a.message).cmp(&(b.place, b.code, &b.message)));
    findings.dedup_by(|a, b| a.place == b.place && a.code == b.code && a.message == b.message);
    Some(findings)
}
