//! The search for a recipe of several schemes that keeps to a budget and loses least: every weight measured with every
//! candidate, one candidate chosen for each, the recipe written, checked and measured as a whole.
//!
//! With test data the error is that of the outputs: the program in float, with one weight quantized at a time. Without,
//! it is that of the weights, each counted alike. Errors of several weights are added up; how far that holds is told by a last measurement of
//! everything together. The same files give the same recipe, whatever the number of threads and however often the search
//! was stopped: results are kept in a file and are the same bits each time.

mod budget;
mod cache;
pub mod candidates;
mod error;
pub mod knapsack;
mod measure;
mod outputs;
mod search;
mod text;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

pub use budget::Budget;
use cache::{Cache, Key};
pub use candidates::{Refused, Stays};
use candidates::{Tunable, choices};
pub use error::{TuneError, decibels};
use measure::Losses;
use outputs::Runner;
use search::{Search, Solved};
pub use text::{Row, error as error_in_words, stay as stay_in_words};

use crate::eval::{self, Evaluation};
use crate::model::{Model, total};
use crate::plan::{self, Plan};
use crate::recipe::Recipe;
use crate::run::measure::Subject;
use crate::run::{Progress, RunError};
use crate::scheme::Scheme;

/// What is to be tuned.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The recipe, without errors but for expectations that fail.
    pub recipe: &'a Recipe,
    /// The model.
    pub model: &'a Model,
    /// The plan that the recipe makes for it.
    pub plan: &'a Plan,
    /// What is to be kept to.
    pub budget: Budget,
    /// The schemes to choose from; without, those of the recipe and the usual ones.
    pub over: Option<&'a [Scheme]>,
    /// Test data, as [`eval::Task`] has it; without, the error of weights counts.
    pub data: Option<&'a Path>,
    /// The tensor of labels, for the evaluation at the end.
    pub label: Option<&'a str>,
    /// Whether the model predicts next tokens.
    pub next_token: bool,
    /// The output that labels are about.
    pub output: Option<&'a str>,
    /// At most so many samples are used.
    pub samples: Option<u64>,
    /// Where results are kept.
    pub results: Results<'a>,
    /// Whether results that are there already are measured anew.
    pub fresh: bool,
    /// Where the recipe will be written: paths in it count from there.
    pub destination: &'a Path,
    /// How it was asked for, as a comment of the recipe has it.
    pub command: &'a str,
}

/// Where results are kept while and after they are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Results<'a> {
    /// Nowhere.
    Nowhere,
    /// In a directory of such files, each named after what it is about.
    In(&'a Path),
    /// In this file.
    File(&'a Path),
}

/// A tuned recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// Its text, formatted.
    pub text: String,
    /// What it keeps to.
    pub budget: Budget,
    /// What was chosen, in the order of the model.
    pub weights: Vec<Chosen>,
    /// Its rules about them.
    pub rows: Vec<Row>,
    /// Bytes of the whole model before.
    pub before: u64,
    /// Bytes of the whole model after, as the plan of the recipe has it.
    pub after: u64,
    /// The error.
    pub error: Error,
    /// Weights that what they cost most to make smaller, the most sensitive first.
    pub sensitive: Vec<Sensitive>,
    /// Weights that could be quantized and stay.
    pub stays: Vec<(Vec<String>, String)>,
    /// Schemes that were left out.
    pub refused: Vec<Refused>,
    /// Expectations of the recipe that do not hold any more.
    pub dropped: Vec<String>,
    /// Results that were there already, and all.
    pub results: (usize, usize),
    /// Where they are kept.
    pub kept_in: Option<PathBuf>,
    /// What else is to be told.
    pub notes: Vec<String>,
    /// The whole recipe on the test data.
    pub evaluation: Option<Evaluation>,
}

/// What was chosen for a weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// Its index in the model.
    pub index: usize,
    /// Its full name.
    pub name: String,
    /// The scheme, as recipes write it.
    pub scheme: String,
    /// Its elements.
    pub elements: u64,
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
    /// What quantizing it alone loses: noise by signal, over the whole.
    pub error: f64,
}

/// How much is lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Error {
    /// Samples, where the error is that of outputs; `None` where it is that of weights.
    pub samples: Option<u64>,
    /// The sum of what each weight loses alone: noise by signal.
    pub predicted: f64,
    /// No choice of the candidates within the budget loses less, as predicted: noise by signal. Of a search for the least
    /// size it is `None`.
    pub bound: Option<f64>,
    /// Whether it is proven that no other choice is better, as predicted.
    pub is_optimal: bool,
    /// With all weights quantized together: noise by signal, of all outputs or all weights that change.
    pub together: f64,
    /// As the recipe's package gives it, in its precision and with its activations: noise by signal.
    pub written: Option<f64>,
}

/// What it would cost to make a weight smaller.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensitive {
    /// The weight's full name.
    pub name: String,
    /// What it has.
    pub scheme: String,
    /// The next smaller candidate.
    pub next: String,
    /// Bytes that it would save.
    pub saves: u64,
    /// By which factor the error of the whole would grow, as predicted; infinite where there is none.
    pub grows: f64,
}

impl Tuned {
    /// Bytes of the weights that may change, after.
    pub fn bytes(&self) -> u64 {
        total(self.weights.iter().map(|weight| weight.after))
    }

    /// Elements of the weights that may change.
    pub fn elements(&self) -> u64 {
        total(self.weights.iter().map(|weight| weight.elements))
    }

    /// Bits per element over the weights that may change.
    pub fn bits(&self) -> f64 {
        self.bytes() as f64 * 8.0 / self.elements().max(1) as f64
    }

    /// Bytes after as a share of those before.
    pub fn share(&self) -> f64 {
        if self.before == 0 { 1.0 } else { self.after as f64 / self.before as f64 }
    }
}

/// Tunes a recipe.
///
/// # Errors
/// See [`TuneError`]. Whatever was measured is kept, where results are.
pub fn tune(task: &Task, progress: &dyn Progress, cancel: &AtomicBool) -> Result<Tuned, TuneError> {
    let found = choices(task.recipe, task.model, task.plan, task.over);
    if found.tunable.is_empty() {
        return Err(TuneError::Nothing(nothing(task, &found.stays)));
    }
    let (cache, note) = opened(task)?;
    let tuned = measured(task, &found, &cache, (progress, cancel));
    let saved = cache.save();
    match tuned {
        Ok(mut tuned) => {
            tuned.notes.extend(note);
            // What was found is worth more than what was kept of it.
            tuned.notes.extend(saved.err().map(|error| format!("the results cannot be kept: {error}")));
            Ok(tuned)
        }
        Err(TuneError::Cancelled { .. }) => {
            saved.map_err(TuneError::Keep)?;
            let path = cache.path().map(Path::to_path_buf);
            Err(TuneError::Cancelled { results: cache.results(), path })
        }
        Err(error) => Err(error),
    }
}

/// Why nothing may change.
fn nothing(task: &Task, stays: &[Stays]) -> String {
    match stays.first() {
        Some(first) => format!("`{}` stays because {}", task.model.weights[first.weights[0]].name, first.why),
        None => "it has none that could be quantized".to_owned(),
    }
}

/// The results that are there already.
fn opened(task: &Task) -> Result<(Cache, Option<String>), TuneError> {
    if task.results == Results::Nowhere {
        return Ok(Cache::open(None, String::new(), task.fresh));
    }
    let mut key = Key::default();
    key.word("version", env!("CARGO_PKG_VERSION"));
    key.word("arithmetic", task.recipe.arithmetic_or_default().word());
    key.word("precision", task.recipe.precision.map_or("", |precision| precision.value.word()));
    key.word("set", task.recipe.written_set().map_or("", |set| set.name));
    key.word("shapes", task.recipe.shapes.as_ref().map_or("", |shapes| task.recipe.text(shapes.place)));
    key.word("experiment", if task.recipe.is_experiment() { "yes" } else { "no" });
    key.word("samples", &task.samples.map_or(String::new(), |samples| samples.to_string()));
    let mut files = task.model.files.clone();
    if !files.contains(&task.model.path) && task.model.path.is_file() {
        files.push(task.model.path.clone());
    }
    files.extend(task.data.map(Path::to_path_buf));
    for path in &files {
        let unreadable = |error: std::io::Error| TuneError::Unreadable { path: path.clone(), why: error.to_string() };
        key.file(path).map_err(unreadable)?;
    }
    let key = key.digest();
    let path = match task.results {
        Results::File(path) if Cache::is_foreign(path) => return Err(TuneError::Foreign(path.to_path_buf())),
        Results::File(path) => path.to_path_buf(),
        Results::In(directory) => directory.join(format!("{}.json", &key[..24])),
        Results::Nowhere => return Ok(Cache::open(None, key, task.fresh)),
    };
    Ok(Cache::open(Some(path), key, task.fresh))
}

fn measured(
    task: &Task,
    found: &candidates::Choices,
    cache: &Cache,
    (progress, cancel): (&dyn Progress, &AtomicBool),
) -> Result<Tuned, TuneError> {
    let Task { recipe, model, .. } = *task;
    let runner = match task.data {
        // Whatever is wrong with the data is told before weights are quantized, which may take long.
        Some(data) => Some(Runner::new(recipe, model, (data, task.samples), (progress, cancel))?),
        None => None,
    };
    let mut stays = found.stays.clone();
    let (tunable, unheld): (Vec<Tunable>, Vec<Tunable>) = found.tunable.iter().cloned().partition(|one| {
        let is_held = |runner: &Runner| runner.has(&model.weights[one.index].name);
        runner.as_ref().is_none_or(is_held)
    });
    if !unheld.is_empty() {
        let why = "the program has no constant that is this weight alone".to_owned();
        stays.push(Stays { weights: unheld.iter().map(|one| one.index).collect(), why });
    }
    if tunable.is_empty() {
        return Err(TuneError::Nothing(nothing(task, &stays)));
    }
    let data = model.open_data()?;
    let subject = Subject { recipe, model, data: &data };
    let of_weights = measure::weights(subject, &tunable, cache, (progress, cancel))?;
    let worth: Vec<Vec<usize>> =
        tunable.iter().zip(&of_weights).map(|(one, losses)| measure::worth(one, losses)).collect();
    let of_outputs = match &runner {
        Some(runner) => {
            let named: Vec<(&Tunable, &str)> =
                tunable.iter().map(|one| (one, model.weights[one.index].name.as_str())).collect();
            Some(runner.alone(&named, &worth, cache, (progress, cancel))?)
        }
        None => None,
    };
    let search = Search::new(task, &tunable, &of_weights, of_outputs.as_ref(), &worth, runner.as_ref());
    written(task, (found, &stays), &search, cache, (progress, cancel))
}

/// Solves, writes the recipe, and measures it; again with a stricter bound where what is written loses more than was
/// allowed.
fn written(
    task: &Task,
    (found, stays): (&candidates::Choices, &[Stays]),
    search: &Search,
    cache: &Cache,
    (progress, cancel): (&dyn Progress, &AtomicBool),
) -> Result<Tuned, TuneError> {
    /// How often the bound is made stricter.
    const TRIES: usize = 4;
    let mut budget = task.budget;
    for tried in 1.. {
        let solved = search.solve(budget, cancel)?;
        let mut tuned = told(task, (found, stays), search, &solved, cache);
        let page = text::write(task, &tuned, search)?;
        (tuned.text, tuned.rows, tuned.after, tuned.dropped) = (page.text, page.rows, page.after, page.dropped);
        let Some(data) = task.data else { return Ok(tuned) };
        let evaluated = eval::Task {
            recipe: &page.recipe,
            model: task.model,
            plan: &page.plan,
            data,
            label: task.label,
            next_token: task.next_token,
            output: task.output,
            samples: task.samples,
            layers: false,
        };
        let evaluation = eval::evaluate(&evaluated, progress, cancel)?;
        let powers = evaluation.outputs.iter().filter_map(|output| output.power);
        let loss = error::Loss::of(powers.map(|power| (power.signal, power.noise)).collect());
        let written = loss.relative();
        tuned.error.written = Some(written);
        tuned.evaluation = Some(evaluation);
        // The comments tell what was measured last.
        tuned.text = text::write(task, &tuned, search)?.text;
        let (Budget::Sqnr(wanted), Budget::Sqnr(asked)) = (task.budget, budget) else { return Ok(tuned) };
        let reached = decibels(written);
        if reached >= wanted {
            return Ok(tuned);
        }
        if tried == TRIES {
            return Err(TuneError::TooNoisy { budget: task.budget, best: reached });
        }
        budget = Budget::Sqnr(asked + (wanted - reached) + 0.05);
    }
    Err(TuneError::Run(RunError::Layout))
}

/// What a solution is, but for its text.
fn told(
    task: &Task,
    (found, stays): (&candidates::Choices, &[Stays]),
    search: &Search,
    solved: &Solved,
    cache: &Cache,
) -> Tuned {
    let weights = search.tunable.iter().zip(&solved.picks).enumerate().map(|(item, (one, &pick))| {
        let (weight, candidate) = (&task.model.weights[one.index], &one.candidates[pick]);
        Chosen {
            index: one.index,
            name: weight.name.clone(),
            scheme: candidate.text.clone(),
            elements: weight.elements(),
            before: weight.bytes,
            after: candidate.bytes,
            error: search.cost(item, pick),
        }
    });
    let name = |index: &usize| task.model.weights[*index].name.clone();
    let results = (cache.found().min(cache.results()), cache.results());
    Tuned {
        text: String::new(),
        budget: task.budget,
        weights: weights.collect(),
        rows: Vec::new(),
        before: task.model.bytes(),
        after: total(solved.picks.iter().zip(search.tunable).map(|(pick, one)| one.candidates[*pick].bytes))
            .saturating_add(fixed(task, search.tunable)),
        error: Error {
            samples: search.samples(),
            predicted: solved.predicted,
            bound: solved.bound,
            is_optimal: solved.is_optimal,
            together: solved.together,
            written: None,
        },
        sensitive: search.sensitive(&solved.picks),
        stays: stays.iter().map(|stays| (stays.weights.iter().map(name).collect(), stays.why.clone())).collect(),
        refused: found.refused.clone(),
        dropped: Vec::new(),
        results,
        kept_in: cache.path().map(Path::to_path_buf),
        notes: Vec::new(),
        evaluation: None,
    }
}

/// Bytes of everything that no choice is about: what stays, as the program will hold it.
fn fixed(task: &Task, tunable: &[Tunable]) -> u64 {
    let mut is_tunable = vec![false; task.model.weights.len()];
    tunable.iter().for_each(|one| is_tunable[one.index] = true);
    let stays = task.model.weights.iter().zip(&is_tunable).filter(|(_, is_tunable)| !**is_tunable);
    total(stays.map(|(weight, _)| plan::in_precision(task.recipe, weight).bytes))
}
