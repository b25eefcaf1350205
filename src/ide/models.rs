//! Models, opened once for as long as their files stay the same. Only headers are read.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;

use rayon::prelude::*;

use super::Cancel;
use super::names::{Names, Sum};
use super::workspace::lock;
use crate::kind::{Kind, KindWord};
use crate::model::{Model, Weight};
use crate::plan::{self, Matches, NameIndex, Plan, Planned};
use crate::recipe::selector::Selector;
use crate::recipe::{Recipe, Rule};
use crate::run::statics::{self, Operation};

/// A model that several analyses share.
#[derive(Debug)]
pub struct OpenModel {
    /// The model.
    pub model: Model,
    names: OnceLock<Names>,
    kinds: OnceLock<HashMap<Kind, Sum>>,
    index: OnceLock<NameIndex>,
    operations: OnceLock<Vec<Operation>>,
    matches: Mutex<Known>,
    /// The last plans, each of another recipe, the latest last.
    plans: Mutex<Vec<(PathBuf, Arc<Planned>)>>,
}

/// Recipes whose last plans are kept, to make the next ones of.
const MOST_RECIPES: usize = 4;

/// What selectors matched in the last plans, by their text.
#[derive(Debug, Default)]
struct Known {
    found: HashMap<MatchKey, (Arc<Matches>, u64)>,
    plans: u64,
}

/// Plans after which what a selector matched is forgotten: several recipes may share a model.
const MOST_PLANS: u64 = 8;

impl Known {
    fn remember(&mut self, found: Vec<(MatchKey, Arc<Matches>)>) {
        self.plans += 1;
        let now = self.plans;
        self.found.extend(found.into_iter().map(|(key, matches)| (key, (matches, now))));
        self.found.retain(|_, (_, last)| now - *last < MOST_PLANS);
    }
}

/// What a selector's matches depend on: its text, and whether weights are told as fp16.
type MatchKey = (String, bool);

impl OpenModel {
    /// Shares a model.
    pub fn new(model: Model) -> OpenModel {
        OpenModel {
            model,
            names: OnceLock::new(),
            kinds: OnceLock::new(),
            index: OnceLock::new(),
            operations: OnceLock::new(),
            matches: Mutex::default(),
            plans: Mutex::default(),
        }
    }

    /// The plan of a recipe; `None` once the answer is no longer wanted. What a rule matches is known where one of the
    /// last plans had it too, and decisions are kept from the last plan of the same recipe.
    pub(super) fn plan(&self, recipe: &Recipe, cancel: &Cancel) -> Option<Plan> {
        let mut known = lock(&self.matches);
        let found: Vec<(MatchKey, Option<Arc<Matches>>)> = recipe
            .rules
            .iter()
            .map(|rule| {
                let key = (recipe.text(rule.selector_place).to_string(), recipe.halves());
                let found = known.found.get(&key).map(|(matches, _)| Arc::clone(matches));
                (key, found)
            })
            .collect();
        let are_few = known.plans == 0 && recipe.rules.len() < plan::MANY_RULES;
        drop(known);
        let find = |((key, found), rule): ((MatchKey, Option<Arc<Matches>>), &Rule)| match found {
            Some(found) => Some((key, found)),
            None if cancel.is_cancelled() => None,
            None if are_few => Some((key, Arc::new(Matches::tried(recipe, &self.model, &rule.selector)))),
            None => Some((key, Arc::new(self.index().matches(recipe, &self.model, &rule.selector)))),
        };
        let found: Vec<(MatchKey, Arc<Matches>)> =
            found.into_par_iter().zip(&recipe.rules).map(find).collect::<Option<_>>()?;
        let matched: Vec<Arc<Matches>> = found.iter().map(|(_, matches)| Arc::clone(matches)).collect();
        known = lock(&self.matches);
        known.remember(found);
        drop(known);
        let path = recipe.sources.first().map_or(Path::new(""), |source| &source.path);
        let is_of_path = |(of, _): &(PathBuf, Arc<Planned>)| of == path;
        let before = lock(&self.plans).iter().find(|one| is_of_path(one)).map(|(_, plan)| Arc::clone(plan));
        let planned = Arc::new(plan::plan_after(before.as_deref(), recipe, &self.model, &matched));
        let mut plans = lock(&self.plans);
        plans.retain(|one| !is_of_path(one));
        if plans.len() >= MOST_RECIPES {
            plans.remove(0);
        }
        plans.push((path.to_owned(), Arc::clone(&planned)));
        Some(planned.plan.clone())
    }

    /// The operations without weights that a selector is about, of an export.
    pub fn operations(&self, selector: &Selector) -> Vec<&Operation> {
        let Some(export) = &self.model.export else { return Vec::new() };
        let all = self.operations.get_or_init(|| statics::operations(export));
        let is_meant = |one: &&Operation| selector.matches_operation(one.kind, &one.module, &one.name);
        all.iter().filter(is_meant).collect()
    }

    fn index(&self) -> &NameIndex {
        self.index.get_or_init(|| NameIndex::new(&self.model))
    }

    /// The weights that a selector of a recipe matches, in order.
    pub fn matching(&self, recipe: &Recipe, selector: &Selector) -> Vec<&Weight> {
        let is_match = |weight: &&Weight| selector.matches(&plan::in_precision(recipe, weight));
        // Sorting all names takes longer than trying one selector on each.
        let Some(index) = self.index.get() else { return self.model.weights.par_iter().filter(is_match).collect() };
        let mut found = Vec::new();
        index.matches(recipe, &self.model, selector).for_each(|at| found.extend(self.model.weights.get(at)));
        found
    }

    /// Its names, level by level.
    pub(super) fn names(&self) -> &Names {
        self.names.get_or_init(|| Names::new(&self.model))
    }

    /// What a word for kinds matches of it.
    pub(super) fn kind(&self, word: KindWord) -> Sum {
        let count = || {
            let mut kinds: HashMap<Kind, Sum> = HashMap::new();
            for weight in self.model.weights.iter().filter(|weight| weight.is_candidate() || weight.kind == Kind::Norm)
            {
                let sum = kinds.entry(weight.kind).or_default();
                *sum = Sum { weights: sum.weights + 1, bytes: sum.bytes.saturating_add(weight.bytes) };
            }
            kinds
        };
        let kinds = self.kinds.get_or_init(count).iter();
        // A kind that owns no weights is matched by its own word only.
        let covered = kinds.filter(|(kind, _)| word.covers(**kind) && (word != KindWord::All || **kind != Kind::Norm));
        covered.fold(Sum::default(), |all, (_, sum)| Sum {
            weights: all.weights + sum.weights,
            bytes: all.bytes.saturating_add(sum.bytes),
        })
    }
}

/// What opening a model gave: the model, or why it cannot be read, in words.
pub type Opened = Result<Arc<OpenModel>, Arc<str>>;

/// A file by what changes when it is written: its name, bytes and time.
type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// Files of a model that are looked at, and how deep: packages and checkpoints have fewer.
const MOST_FILES: usize = 4096;
const DEEPEST: usize = 4;

/// Models that stay open though nothing uses them.
const MOST_MODELS: usize = 8;

/// The models that are open, by path.
#[derive(Debug, Default)]
pub struct Models {
    files: Mutex<HashMap<PathBuf, (Stamp, Opened)>>,
    /// Models that are given and not read: they stand for a path whatever lies there.
    given: Mutex<HashMap<PathBuf, Arc<OpenModel>>>,
}

impl Models {
    /// The model of a path: the one that is open, where its files are as they were.
    pub fn open(&self, path: &Path) -> Opened {
        if let Some(model) = lock(&self.given).get(path) {
            return Ok(Arc::clone(model));
        }
        // Taken before reading, so that a file which is written meanwhile is read again.
        let stamp = stamp(path);
        if let Some((known, opened)) = lock(&self.files).get(path)
            && *known == stamp
        {
            return opened.clone();
        }
        let opened = match Model::open(path) {
            Ok(model) => Ok(Arc::new(OpenModel::new(model))),
            Err(error) => Err(Arc::from(error.to_string())),
        };
        let mut files = lock(&self.files);
        if files.len() >= MOST_MODELS {
            // Those that no analysis holds any longer.
            files.retain(|_, (_, opened)| opened.as_ref().is_ok_and(|model| Arc::strong_count(model) > 1));
        }
        files.insert(path.to_owned(), (stamp, opened.clone()));
        opened
    }

    /// Lets a model stand for a path.
    pub fn give(&self, path: &Path, model: Model) {
        lock(&self.given).insert(path.to_owned(), Arc::new(OpenModel::new(model)));
    }

    /// Whether a model is given for a path or lies there.
    pub fn has(&self, path: &Path) -> bool {
        lock(&self.given).contains_key(path) || path.exists()
    }
}

/// The files of a model as they are now; empty where there are none.
fn stamp(path: &Path) -> Stamp {
    let mut found = Vec::new();
    let mut open = vec![(path.to_owned(), 0)];
    while let Some((path, depth)) = open.pop() {
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if found.len() >= MOST_FILES {
            break;
        }
        if metadata.is_dir() && depth < DEEPEST {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten().take(MOST_FILES);
            // Nothing of a model is hidden, and version control keeps many files.
            let visible = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
            open.extend(visible.map(|entry| (entry.path(), depth + 1)));
        } else if !metadata.is_dir() {
            found.push((path, metadata.len(), metadata.modified().ok()));
        }
    }
    found.sort();
    found
}
