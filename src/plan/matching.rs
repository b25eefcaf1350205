//! Which weights each rule matches, found without trying every rule on every weight.
//!
//! Names that a pattern fits lie together where all names are sorted from the front, or from the back. Only those are
//! tried, so that a recipe of thousands of rules about single layers costs no more than its matches. Each order is made
//! when the first pattern asks for it; whole names are found by their hashes, which takes a tenth of the time.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::in_precision;
use crate::kind::Kind;
use crate::model::{Model, Weight};
use crate::recipe::Recipe;
use crate::recipe::glob::Pattern;
use crate::recipe::selector::{Condition, Fact, NumberTerm, Selector};
use crate::syntax::tree::Comparison;

/// The weights that a selector matches: indices into `Model::weights`, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matches {
    /// One by one.
    Few(Box<[u32]>),
    /// A bit for each weight, where that takes less room.
    Many(Box<[u64]>),
}

impl Matches {
    fn new(found: Vec<u32>, weights: usize) -> Matches {
        if found.len() * 32 <= weights {
            return Matches::Few(found.into());
        }
        let mut bits = vec![0u64; weights.div_ceil(64)];
        for index in found {
            if let Some(word) = bits.get_mut(index as usize / 64) {
                *word |= 1 << (index % 64);
            }
        }
        Matches::Many(bits.into())
    }

    /// What a selector matches, tried on every weight: quicker than an index of names that is used a few times only.
    pub fn tried(recipe: &Recipe, model: &Model, selector: &Selector) -> Matches {
        let weights = model.weights.par_iter().with_min_len(256).enumerate();
        let is_match = |(_, weight): &(usize, &Weight)| selector.matches(&in_precision(recipe, weight));
        Matches::new(weights.filter(is_match).map(|(at, _)| at as u32).collect(), model.weights.len())
    }

    /// Visits each weight.
    pub fn for_each(&self, mut visit: impl FnMut(usize)) {
        match self {
            Matches::Few(found) => found.iter().for_each(|index| visit(*index as usize)),
            Matches::Many(bits) => {
                for (at, word) in bits.iter().enumerate() {
                    let mut word = *word;
                    while word != 0 {
                        visit(at * 64 + word.trailing_zeros() as usize);
                        word &= word - 1;
                    }
                }
            }
        }
    }
}

/// One of the names of a weight: its own, the module's, and the same of each tied one.
#[derive(Debug, Clone, Copy)]
struct Named {
    weight: u32,
    /// 0 for the full name, 1 for the module's; two more for each tied name.
    which: u32,
}

impl Named {
    fn of(self, model: &Model) -> &str {
        let Some(weight) = model.weights.get(self.weight as usize) else { return "" };
        let full = match (self.which / 2).checked_sub(1) {
            None => &weight.name,
            Some(tied) => match weight.tied.get(tied as usize) {
                Some(name) => name,
                None => return "",
            },
        };
        if self.which.is_multiple_of(2) { full } else { full.rfind('.').map_or("", |dot| &full[..dot]) }
    }
}

/// The names of a model in the orders that patterns ask for; of use for that model only.
#[derive(Debug)]
pub struct NameIndex {
    forward: OnceLock<Vec<Named>>,
    backward: OnceLock<Vec<Named>>,
    /// By the hash of the name.
    hashed: OnceLock<Vec<(u64, Named)>>,
    /// One for each of `Kind::ALL`.
    kinds: Vec<Vec<u32>>,
    layers: OnceLock<HashMap<u64, Vec<u32>>>,
}

impl NameIndex {
    /// Of a model.
    pub fn new(model: &Model) -> NameIndex {
        let mut kinds = vec![Vec::new(); Kind::ALL.len()];
        for (at, weight) in (0..).zip(&model.weights) {
            kinds[weight.kind as usize].push(at);
        }
        let (forward, backward, hashed, layers) = Default::default();
        NameIndex { forward, backward, hashed, kinds, layers }
    }

    /// The weights of a layer.
    fn of_layer(&self, model: &Model, layer: u64) -> Vec<u32> {
        let layers = self.layers.get_or_init(|| {
            let layers: Vec<Option<u64>> = model.weights.par_iter().map(Weight::layer).collect();
            let mut all: HashMap<u64, Vec<u32>> = HashMap::new();
            // Weights of a layer lie together, for the most part.
            let mut at = 0;
            for run in layers.chunk_by(|a, b| a == b) {
                let end = at + run.len() as u32;
                if let Some(Some(layer)) = run.first() {
                    all.entry(*layer).or_default().extend(at..end);
                }
                at = end;
            }
            all
        });
        layers.get(&layer).cloned().unwrap_or_default()
    }

    /// The names from the first letter on.
    fn forward(&self, model: &Model) -> &[Named] {
        self.forward.get_or_init(|| {
            let mut all = all_names(model);
            all.par_sort_unstable_by(|a, b| a.0.cmp(b.0));
            all.into_iter().map(|(_, named)| named).collect()
        })
    }

    /// The names from the last letter on.
    fn backward(&self, model: &Model) -> &[Named] {
        self.backward.get_or_init(|| {
            let mut all = all_names(model);
            all.par_sort_unstable_by(|a, b| a.0.bytes().rev().cmp(b.0.bytes().rev()));
            all.into_iter().map(|(_, named)| named).collect()
        })
    }

    /// The weights that have a name.
    fn of_name(&self, model: &Model, name: &str) -> Vec<u32> {
        let hashed =
            self.hashed.get_or_init(|| {
                let named = |weight: usize, which: u32| {
                    let named = Named { weight: weight as u32, which };
                    (hash(named.of(model)), named)
                };
                let weights = model.weights.par_iter().enumerate();
                // Tied names are few: two for each weight are found without asking how many there are.
                let own: Vec<[_; 2]> = weights.map(|(at, _)| [named(at, 0), named(at, 1)]).collect();
                let mut all = own.into_flattened();
                let tied = model.weights.iter().enumerate().filter(|(_, weight)| !weight.tied.is_empty());
                all.extend(tied.flat_map(|(at, weight)| {
                    (2..2 * (weight.tied.len() as u32 + 1)).map(move |which| named(at, which))
                }));
                all.par_sort_unstable_by_key(|(hash, _)| *hash);
                all
            });
        let wanted = hash(name);
        let start = hashed.partition_point(|(hash, _)| *hash < wanted);
        let same = hashed[start..].iter().take_while(|(hash, _)| *hash == wanted);
        same.filter(|(_, named)| named.of(model) == name).map(|(_, named)| named.weight).collect()
    }

    /// The weights of the model that a selector of a recipe matches.
    pub fn matches(&self, recipe: &Recipe, model: &Model, selector: &Selector) -> Matches {
        let is_match = |index: &u32| {
            model.weights.get(*index as usize).is_some_and(|weight| selector.matches(&in_precision(recipe, weight)))
        };
        let found = match self.candidates(model, selector) {
            Some(mut few) => {
                few.sort_unstable();
                few.dedup();
                few.retain(is_match);
                few
            }
            None => (0..model.weights.len() as u32).into_par_iter().filter(is_match).collect(),
        };
        Matches::new(found, model.weights.len())
    }

    /// Weights among which all that a selector matches are; `None` for any.
    fn candidates(&self, model: &Model, selector: &Selector) -> Option<Vec<u32>> {
        match selector {
            Selector::Or(a, b) => {
                let mut both = self.candidates(model, a)?;
                both.extend(self.candidates(model, b)?);
                Some(both)
            }
            Selector::And(a, b) => fewer(self.candidates(model, a), self.candidates(model, b)),
            Selector::Where(inner, condition) => {
                fewer(self.of_condition(model, condition), self.candidates(model, inner))
            }
            Selector::Name(pattern, ..) => self.of_pattern(model, pattern),
            Selector::Kind(word, _) => {
                let kinds = Kind::ALL.iter().zip(&self.kinds);
                let covered = kinds.filter(|((kind, ..), _)| word.covers(*kind)).map(|(_, weights)| weights);
                let many: usize = covered.clone().map(Vec::len).sum();
                // Copying most of a model is no gain.
                (many * 4 < model.weights.len()).then(|| covered.flatten().copied().collect())
            }
            Selector::Not(_) => None,
            Selector::Unreadable => Some(Vec::new()),
        }
    }

    fn of_condition(&self, model: &Model, condition: &Condition) -> Option<Vec<u32>> {
        match condition {
            Condition::And(a, b) => fewer(self.of_condition(model, a), self.of_condition(model, b)),
            Condition::Number(NumberTerm::Fact(Fact::Layer), Comparison::Equal, NumberTerm::Constant(layer))
                if layer.fract() == 0.0 && (0.0..1e15).contains(layer) =>
            {
                Some(self.of_layer(model, *layer as u64))
            }
            _ => None,
        }
    }

    fn of_pattern(&self, model: &Model, pattern: &Pattern) -> Option<Vec<u32>> {
        match pattern {
            Pattern::Exact(name) => Some(self.of_name(model, name)),
            Pattern::Prefix(head) => Some(weights(self.beginning(model, head))),
            Pattern::Suffix(tail) => Some(weights(self.ending(model, tail))),
            Pattern::Regex { head, tail, .. } => match (head.is_empty(), tail.is_empty()) {
                (true, true) => None,
                (true, false) => Some(weights(self.ending(model, tail))),
                (false, true) => Some(weights(self.beginning(model, head))),
                (false, false) => {
                    let (a, b) = (self.beginning(model, head), self.ending(model, tail));
                    Some(weights(if a.len() < b.len() { a } else { b }))
                }
            },
        }
    }

    fn beginning(&self, model: &Model, head: &str) -> &[Named] {
        let from = self.forward(model);
        let from = &from[from.partition_point(|named| named.of(model) < head)..];
        &from[..from.partition_point(|named| named.of(model).starts_with(head))]
    }

    fn ending(&self, model: &Model, tail: &str) -> &[Named] {
        let from = self.backward(model);
        let from = &from[from.partition_point(|named| named.of(model).bytes().rev().lt(tail.bytes().rev()))..];
        &from[..from.partition_point(|named| named.of(model).ends_with(tail))]
    }
}

/// Every name of every weight with its text, which would have to be found for each comparison.
fn all_names(model: &Model) -> Vec<(&str, Named)> {
    let names = |(index, weight): (usize, &Weight)| {
        let weight_index = index as u32;
        (0..2 * (weight.tied.len() as u32 + 1)).map(move |which| Named { weight: weight_index, which })
    };
    let all = model.weights.iter().enumerate().flat_map(names);
    all.map(|named| (named.of(model), named)).collect()
}

/// The same in every process, so that a search takes the same steps.
fn hash(text: &str) -> u64 {
    foldhash::fast::FixedState::default().hash_one(text)
}

fn weights(named: &[Named]) -> Vec<u32> {
    named.iter().map(|named| named.weight).collect()
}

/// The shorter of two lists that both hold all that is looked for.
fn fewer(a: Option<Vec<u32>>, b: Option<Vec<u32>>) -> Option<Vec<u32>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.len() <= b.len() { a } else { b }),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::recipe::{NoImports, resolve};

    const MODEL: &str = "
embed.weight embedding 64x64 fp16 tied=head.weight
layers.{0..11}.attn.q_proj.weight 64x64 fp16
layers.{0..11}.attn.q_proj.bias 64 fp16
layers.{0..11}.mlp.up.weight 96x64 fp32
layers.{0..11}.norm.weight norm 64
alone 8x8
";

    #[test]
    fn finds_what_trying_each_weight_finds() {
        let model = Model::listing(MODEL).unwrap();
        let index = NameIndex::new(&model);
        let selectors = "all; linear; norm; embedding; other; \"layers.1.*\"; \"layers.1*\"; \"*.q_proj\"; \"*_proj\"; \
            \"head\"; \"head.weight\"; \"embed\"; \"alone\"; \"*\"; \"*.weight\"; \"layers.*.attn.q_proj\"; \
            \"layers.{1,10}.*\"; \"*.1.*\"; \"*.{0..3}.mlp.up\"; /.*up/; /layers\\.1\\..*/; not linear; not \"*.q_proj\"; \
            linear and \"layers.2.*\"; linear or \"head\"; \"*.bias\"; \"layers.3.attn.q_proj.bias\"; \
            linear where layer == 3; linear where layer == 3 and out_features == 96; all where layer == 99; \
            \"*.up\" where layer == 2, embedding; linear where layer == 1 or layer == 2; all where not layer == 1; \
            \"\"; \"nothing\"; \"l?yers.0.mlp.up\"";
        for selector in selectors.split(';').map(str::trim) {
            let recipe = resolve(Path::new("r"), &format!("{selector} => keep\n"), &NoImports);
            let selector_of_rule = &recipe.rules[0].selector;
            let mut found = Vec::new();
            index.matches(&recipe, &model, selector_of_rule).for_each(|at| found.push(at));
            let tried = model.weights.iter().enumerate().filter(|(_, weight)| selector_of_rule.matches(weight));
            assert_eq!(found, tried.map(|(at, _)| at).collect::<Vec<_>>(), "{selector}");
        }
    }
}
