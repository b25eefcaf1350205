//! Why a weight is treated as it is, and what other schemes would make of it.

use super::divides::SMALLEST_GROUP;
use super::needs::set;
use super::rules::weight_type_of_program::cast_of;
use super::{Context, Finding, Severity, check};
use crate::coreml::feature::lowest_set;
use crate::coreml::target::{OPERATOR_SETS, OperatorSet, Platform, Target};
use crate::model::program::ProgramFacts;
use crate::model::{Model, ModelFormat, Role, Weight};
use crate::plan::fit::better_extents;
use crate::plan::{self, Outcome};
use crate::recipe::{Place, Placed, Recipe, Rule, TargetChoice, fragment, selector::Selector};
use crate::scheme::{Scheme, WeightScheme};

/// What another scheme would make of a weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// The scheme.
    pub scheme: Scheme,
    /// Whether the recipe decided so.
    pub chosen: bool,
    /// Whether it could be.
    pub verdict: Verdict,
}

/// Whether a scheme could be applied to a weight.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It could.
    Fits {
        /// Bytes after.
        bytes: u64,
        /// The oldest operator set that has all it asks.
        set: &'static OperatorSet,
        /// Whether that is newer than the recipe's target.
        too_new: bool,
    },
    /// It could not; why.
    Refused(String),
}

impl Alternative {
    /// Average bits per element, where it fits a weight that has elements.
    pub fn bits(&self, weight: &Weight) -> Option<f64> {
        match self.verdict {
            Verdict::Fits { bytes, .. } if weight.elements() > 0 => Some(bytes as f64 * 8.0 / weight.elements() as f64),
            _ => None,
        }
    }
}

/// The weights that a name means: the tensor of that name, the one tied under it, or the tensors of the module.
/// Of a module's tensors only its weights, if it has some. Indices into the model's weights.
pub fn named(model: &Model, name: &str) -> Vec<usize> {
    let indices = |is: &dyn Fn(&Weight) -> bool| -> Vec<usize> {
        (0..model.weights.len()).filter(|&index| is(&model.weights[index])).collect()
    };
    let exact = indices(&|weight| weight.name == name || weight.tied.iter().any(|tied| tied == name));
    if !exact.is_empty() {
        return exact;
    }
    let module_of = |full: &str| full.rfind('.').map(|dot| &full[..dot] == name).unwrap_or(false);
    let of_module = indices(&|weight| {
        !name.is_empty() && (weight.module() == name || weight.tied.iter().any(|tied| module_of(tied)))
    });
    let weights: Vec<usize> =
        of_module.iter().copied().filter(|&index| model.weights[index].role == Role::Weight).collect();
    if weights.is_empty() { of_module } else { weights }
}

/// Schemes worth comparing, from most bits to fewest.
const CANDIDATES: &[&str] = &[
    "keep",
    "fp16",
    "int8 per-tensor",
    "int8 per-channel",
    "int8 per-group(32)",
    "int4 per-channel",
    "int4 per-group(32)",
    "lut8",
    "lut6",
    "lut4",
    "lut4 per-grouped-channel(16)",
    "lut3 per-grouped-channel(16)",
    "lut2 per-grouped-channel(16)",
    "lut4 vector(2)",
    "sparse 50%",
    "int8 per-channel sparse 50%",
];

/// What the usual schemes, and the one that the recipe chose, would make of a weight. Target and threshold of
/// the recipe are told apart from whether a scheme fits at all.
///
/// # Panics
/// If `index` is not one of `Model::weights`.
pub fn alternatives(recipe: &Recipe, model: &Model, index: usize, chosen: Option<&Scheme>) -> Vec<Alternative> {
    let weight = &model.weights[index];
    let mut schemes: Vec<Scheme> = CANDIDATES.iter().filter_map(|text| fragment::scheme(text).ok()).collect();
    let nearby = weight.in_features().filter(|n| n % 32 != 0).map(|n| better_extents(n, 32, SMALLEST_GROUP));
    if let Some(&extent) = nearby.as_ref().and_then(|extents| extents.first()) {
        schemes.extend(fragment::scheme(&format!("int4 per-group({extent})")));
    }
    if let Some(chosen) = chosen {
        schemes.retain(|scheme| scheme != chosen);
        schemes.insert(0, chosen.clone());
    }
    let mut trial = Trial::new(recipe, model, index);
    let judge =
        |scheme: Scheme| Alternative { chosen: Some(&scheme) == chosen, verdict: trial.verdict(&scheme), scheme };
    schemes.into_iter().map(judge).collect()
}

/// A recipe of one rule and a model of one weight, on which schemes are tried with the checker's own rules.
#[derive(Debug)]
pub struct Trial {
    recipe: Recipe,
    model: Model,
    target: Option<&'static OperatorSet>,
}

impl Trial {
    /// For a weight of a model, by its index, under the settings of a recipe.
    ///
    /// # Panics
    /// If `index` is not one of `Model::weights`.
    pub fn new(recipe: &Recipe, model: &Model, index: usize) -> Trial {
        let newest = OPERATOR_SETS.last().map(|set| Target { platform: Platform::Ios, set });
        let systems = newest.map(|target| Placed::new(target, Place::default())).into_iter().collect();
        Trial {
            recipe: Recipe {
                target: Some(TargetChoice::Systems(systems)),
                compute: recipe.compute,
                precision: recipe.precision,
                arithmetic: recipe.arithmetic,
                calibrate: recipe.calibrate.clone(),
                defaults: recipe.defaults,
                threshold: Some(Placed::new(0, Place::default())),
                ..Recipe::default()
            },
            model: Model {
                path: model.path.clone(),
                format: model.format,
                files: model.files.clone(),
                architecture: model.architecture.clone(),
                weights: vec![model.weights[index].clone()],
                packed: Default::default(),
                program: None,
                export: model.export.clone(),
                // What is wrong with the program whatever becomes of the weight is no fault of a scheme.
                facts: model.facts.as_ref().map(|facts| ProgramFacts {
                    set: facts.set,
                    functions: 1,
                    has_fp16: facts.has_fp16,
                    uses: facts.uses.get(index).cloned().into_iter().collect(),
                    ..ProgramFacts::default()
                }),
                takes: None,
                counted: Default::default(),
            },
            target: recipe.written_set(),
        }
    }

    /// As if the weight were one of another model, as far as that makes a difference to activations. Where there is
    /// none, it may be one that has a graph.
    pub fn within(mut self, model: Option<&Model>) -> Trial {
        self.model.format = model.map_or(ModelFormat::Export, |model| model.format);
        self.model.export = model.and_then(|model| model.export.clone());
        self
    }

    /// What a scheme would make of the weight.
    pub fn verdict(&mut self, scheme: &Scheme) -> Verdict {
        let weight = &self.model.weights[0];
        let target = self.target;
        let fits = |bytes, set: &'static OperatorSet| Verdict::Fits {
            bytes,
            set,
            too_new: target.is_some_and(|target| target.spec < set.spec),
        };
        let lowest = lowest_set(scheme);
        if scheme.weights == WeightScheme::Keep {
            return fits(plan::in_precision(&self.recipe, weight).bytes, lowest);
        }
        let weight = &*plan::in_precision(&self.recipe, weight);
        let fitted = match plan::outcome(&self.recipe, weight, scheme) {
            Outcome::Misfit(misfit) => return Verdict::Refused(misfit.to_string()),
            Outcome::Keep(reason) => return Verdict::Refused(reason.to_string()),
            Outcome::Change(fitted) => fitted,
        };
        let cast = self.model.facts.as_ref().and_then(|_| cast_of(&self.recipe, weight, &fitted)).map(set);
        let oldest = cast.filter(|cast| cast.spec > lowest.spec).unwrap_or(lowest);
        let verdict = fits(plan::size::bytes(weight, &fitted), oldest);
        // Samples are no part of a scheme: that they are missing, or do not fit, is told where they are named.
        let of_scheme = |code| !matches!(code, "calibration-missing" | "calibration-samples");
        let mut findings = self.findings(scheme).into_iter();
        match findings.find(|finding| finding.severity == Severity::Error && of_scheme(finding.code)) {
            Some(finding) => Verdict::Refused(finding.message),
            None => verdict,
        }
    }

    /// What the checker would warn of, if a scheme were applied to the weight: the first of the warnings that keeping the
    /// weight would not bring.
    pub fn warning(&mut self, scheme: &Scheme) -> Option<String> {
        let keep = Scheme { weights: WeightScheme::Keep, sparse: None, activations: None };
        let anyway: Vec<&str> = self.findings(&keep).into_iter().map(|finding| finding.code).collect();
        let is_new = |finding: &Finding| finding.severity == Severity::Warning && !anyway.contains(&finding.code);
        self.findings(scheme).into_iter().find(is_new).map(|finding| finding.message)
    }

    /// What the checker finds where every weight is given a scheme.
    fn findings(&mut self, scheme: &Scheme) -> Vec<Finding> {
        self.recipe.rules = vec![Rule {
            selector: Selector::Kind(crate::kind::KindWord::All, Place::default()),
            selector_place: Place::default(),
            scheme: Some(scheme.clone()),
            scheme_place: Place::default(),
            origins: Default::default(),
            place: Place::default(),
        }];
        let plan = plan::plan(&self.recipe, &self.model);
        let context = Context { recipe: &self.recipe, model: Some((&self.model, &plan)), model_error: None, run: None };
        check(&context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Known, with_defaults};
    use crate::recipe::{NoImports, resolve};

    /// What a scheme would make of the one weight of a model, under the settings of a recipe.
    fn verdict(model: &str, recipe: &str, scheme: &str) -> Verdict {
        let model = Model::listing(model).unwrap();
        let recipe = resolve(std::path::Path::new("a.bitmill"), recipe, &NoImports);
        let recipe = with_defaults(recipe, Known::Model(&model));
        Trial::new(&recipe, &model, 0).verdict(&fragment::scheme(scheme).unwrap())
    }

    #[test]
    fn a_program_is_asked_as_check_asks_it() {
        let half = "program CoreML8\nfc.weight  linear  64x64  fp16\n";
        assert!(matches!(verdict(half, "", "int4 per-group(32) scale fp32"), Verdict::Refused(_)));
        assert!(matches!(verdict(half, "", "int4 per-group(32)"), Verdict::Fits { too_new: false, .. }));
        let float = "program CoreML5 fp32\nfc.weight  linear  64x64  fp32\n";
        let set_of = |recipe, scheme| match verdict(float, recipe, scheme) {
            Verdict::Fits { set, too_new, .. } => (set.name, too_new),
            Verdict::Refused(why) => panic!("{why}"),
        };
        assert_eq!(set_of("", "fp16"), ("CoreML6", true));
        assert_eq!(set_of("target iOS16\n", "fp16"), ("CoreML6", false));
        assert_eq!(set_of("target iOS16\n", "fp16 sparse 50%"), ("CoreML8", true));
        let shared = "program CoreML8\nfc.weight  linear  64x64  fp16  handed-out\n";
        assert!(matches!(verdict(shared, "", "int8 per-channel"), Verdict::Refused(_)));
    }
}
