//! What a scheme would make of the weights that a statement is about, for this target: the checker's own answer.

use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

use super::Analysis;
use crate::check::programs;
use crate::check::why::{Trial, Verdict};
use crate::coreml::feature::lowest_set;
use crate::coreml::target::Platform;
use crate::element::ElementType;
use crate::graph::function::Opset;
use crate::lower::encode::{Shaped, encode};
use crate::model::{Model, Weight};
use crate::plan::words::change;
use crate::plan::{self, Outcome};
use crate::recipe::{FileId, NoImports, Place, Recipe, Rule, resolve};
use crate::scheme::{Scheme, WeightScheme};

/// Different shapes of weights that are tried: the ones with most bytes. More would keep an editor waiting.
const MOST_SHAPES: usize = 4;

/// Weights that are alike for every scheme.
struct Alike<'a> {
    weight: &'a Weight,
    many: usize,
    /// Tries schemes on it.
    trial: Trial,
}

/// The weights that a statement is about.
pub(super) struct Prospects<'a> {
    analysis: &'a Analysis,
    shapes: Vec<Alike<'a>>,
    /// Whether the weights are those of the model, and not one that stands for any.
    is_told: bool,
}

/// What a scheme would make of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Prospect {
    /// Bytes before and after, and bits per weight: of weights of the model.
    pub sizes: Option<(u64, u64, f64)>,
    /// Why it does not fit.
    pub unfit: Option<String>,
}

/// A layer that stands for any where there is no model.
pub(super) static ANY: LazyLock<Option<Model>> =
    LazyLock::new(|| Model::listing("any.weight linear 4096x4096 fp16").ok());

impl<'a> Prospects<'a> {
    /// Of the statement of the recipe itself that begins at an offset: the weights that a rule matches, or those of
    /// every rule that uses a scheme.
    pub fn of(analysis: &'a Analysis, statement: u32) -> Prospects<'a> {
        let recipe = analysis.recipe();
        let begins = |place: Place| place.file == FileId(0) && place.span.start == statement;
        let named = recipe.schemes.iter().find(|scheme| begins(scheme.place));
        let uses = |rule: &Rule| {
            let is_inside = |inner: &Place| {
                let outer = rule.place;
                inner.file == outer.file && outer.span.start <= inner.span.start && inner.span.end <= outer.span.end
            };
            named.is_some_and(|scheme| scheme.uses.iter().any(is_inside))
        };
        let rules: Vec<usize> =
            (0..recipe.rules.len()).filter(|&at| begins(recipe.rules[at].place) || uses(&recipe.rules[at])).collect();
        Prospects::of_rules(analysis, &rules)
    }

    /// Of a layer that stands for any.
    pub fn of_any(analysis: &'a Analysis) -> Prospects<'a> {
        Prospects::of_rules(analysis, &[])
    }

    /// Of the weights that one of these rules matches.
    fn of_rules(analysis: &'a Analysis, rules: &[usize]) -> Prospects<'a> {
        let mut groups: HashMap<_, (usize, usize)> = HashMap::new();
        let planned = analysis.planned();
        if let Some((model, plan)) = planned.filter(|_| !rules.is_empty()) {
            for (index, (weight, decision)) in model.weights.iter().zip(&plan.decisions).enumerate() {
                let is_meant =
                    weight.never_quantized().is_none() && decision.matched().any(|rule| rules.contains(&rule));
                if is_meant {
                    let alike = (weight.kind, &weight.shape, weight.dtype, programs::uses(model, index));
                    groups.entry(alike).or_insert((index, 0)).1 += 1;
                }
            }
        }
        let is_told = !groups.is_empty();
        let mut alike: Vec<(usize, usize)> = groups.into_values().collect();
        let model = if is_told { planned.map(|(model, _)| model) } else { ANY.as_ref() };
        let Some(model) = model else { return Prospects { analysis, shapes: Vec::new(), is_told } };
        if !is_told {
            alike.extend(model.weights.first().map(|_| (0, 1)));
        }
        let bytes = |&(index, many): &(usize, usize)| model.weights[index].bytes.saturating_mul(many as u64);
        let name = |&(index, _): &(usize, usize)| &model.weights[index].name;
        alike.sort_by(|a, b| bytes(b).cmp(&bytes(a)).then_with(|| name(a).cmp(name(b))));
        let shapes = alike.into_iter().take(MOST_SHAPES).map(|(index, many)| {
            let trial = Trial::new(analysis.recipe(), model, index);
            // A layer that stands for any stands in the model that is there.
            let trial = if is_told { trial } else { trial.within(planned.map(|(model, _)| model)) };
            Alike { weight: &model.weights[index], many, trial }
        });
        Prospects { analysis, shapes: shapes.collect(), is_told }
    }

    /// The weights, one for each shape.
    pub fn weights(&self) -> impl Iterator<Item = &'a Weight> + '_ {
        self.shapes.iter().map(|shape| shape.weight)
    }

    /// Whether they are weights of the model.
    pub fn is_told(&self) -> bool {
        self.is_told
    }

    /// The scheme that a text stands for, with the named schemes of the recipe; `None` where it stands for none.
    pub fn scheme(&self, text: &str) -> Option<Scheme> {
        let known = &self.analysis.recipe().schemes;
        let mut recipe = String::new();
        for scheme in known.iter().filter(|scheme| text.split(' ').any(|word| word == scheme.name.value)) {
            let spelled = scheme.scheme.as_ref()?;
            recipe.push_str(&format!("scheme {} = {spelled}\n", scheme.name.value));
        }
        recipe.push_str(&format!("all => {text}\n"));
        let Recipe { rules, problems, .. } = resolve(Path::new(""), &recipe, &NoImports);
        rules.into_iter().next_back()?.scheme.filter(|_| problems.is_empty())
    }

    /// The operators that one of the weights would become in the oldest set that has them, the recipe's at least.
    pub fn operators(&self, scheme: &Scheme) -> Vec<&'static str> {
        let recipe = self.analysis.recipe();
        let needed = lowest_set(scheme).spec.max(recipe.written_set().map_or(0, |set| set.spec));
        let (Some(weight), Some(set)) = (self.weights().next(), Opset::by_specification(needed)) else {
            return Vec::new();
        };
        let Outcome::Change(fitted) = plan::outcome(recipe, weight, scheme) else { return Vec::new() };
        // The operators do not depend on the type of the program, which a checkpoint does not tell.
        let chain = [ElementType::Fp16, ElementType::Fp32].into_iter().find_map(|element| {
            let survivors = weight.elements() as usize;
            encode(Shaped { shape: &weight.shape, element, survivors }, &fitted, set).ok()
        });
        chain.map_or(Vec::new(), |chain| chain.operators())
    }

    /// What a scheme would make of the weights.
    pub fn judge(&mut self, scheme: &Scheme) -> Prospect {
        let recipe = self.analysis.recipe();
        let target = recipe.target.as_ref().and_then(|target| target.oldest()).map(|target| target.value);
        let (mut before, mut after, mut elements) = (0u64, 0u64, 0u64);
        for shape in &mut self.shapes {
            let many = shape.many as u64;
            match shape.trial.verdict(scheme) {
                Verdict::Refused(why) => {
                    return Prospect { sizes: None, unfit: Some(why) };
                }
                Verdict::Fits { set, too_new: true, .. } => {
                    let platform = target.map_or(Platform::Ios, |target| target.platform);
                    let first = set.on(platform).unwrap_or_else(|| set.name.to_string());
                    let have =
                        target.map_or("the package is older".to_string(), |have| format!("the target is {have}"));
                    return Prospect { sizes: None, unfit: Some(format!("needs {first}; {have}")) };
                }
                Verdict::Fits { bytes, .. } => {
                    before = before.saturating_add(shape.weight.bytes.saturating_mul(many));
                    after = after.saturating_add(bytes.saturating_mul(many));
                    elements = elements.saturating_add(shape.weight.elements().saturating_mul(many));
                }
            }
        }
        let bits = after as f64 * 8.0 / elements.max(1) as f64;
        let sizes = (self.is_told && scheme.weights != WeightScheme::Keep).then_some((before, after, bits));
        Prospect { sizes, unfit: None }
    }
}

impl Prospect {
    /// The sizes in few words: `4.50 bits, 98.3 kB to 27.6 kB`.
    pub fn detail(&self) -> Option<String> {
        let (before, after, bits) = self.sizes?;
        Some(format!("{bits:.2} bits, {}", change(before, after)))
    }
}
