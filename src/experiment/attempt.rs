//! Weights quantized now, each on its own: how far they are from what they were.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rayon::prelude::*;

use super::fact;
use crate::model::total;
use crate::plan::{self, Fitted, Outcome, Plan};
use crate::quant::power::Power;
use crate::run::measure::Subject;
use crate::run::{Progress, RunError, batches};
use crate::scheme::Scheme;

/// What schemes made of weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// What was measured, worst first: by the ratio of signal to noise, then by name.
    pub tried: Vec<Tried>,
    /// What would stay as it is, and why, in the order of the model.
    pub left: Vec<Left>,
}

/// A weight that was quantized.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// Its index in the model.
    pub index: usize,
    /// Its full name.
    pub name: String,
    /// The scheme, in its canonical spelling.
    pub scheme: String,
    /// Its elements.
    pub elements: u64,
    /// Bytes before.
    pub before: u64,
    /// Bytes after, as Core ML and the packed format store it.
    pub after: u64,
    /// How far it is from what it was.
    pub error: Power,
    /// How long it took.
    pub elapsed: Duration,
}

/// A weight that would stay as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its index in the model.
    pub index: usize,
    /// Its full name.
    pub name: String,
    /// Why, to stand behind "because".
    pub why: String,
    /// Its bytes.
    pub bytes: u64,
}

impl Tried {
    /// Average bits per element.
    pub fn bits(&self) -> f64 {
        self.after as f64 * 8.0 / self.elements.max(1) as f64
    }
}

impl Attempt {
    /// Bytes of what was measured, before.
    pub fn before(&self) -> u64 {
        total(self.tried.iter().map(|one| one.before))
    }

    /// Bytes of what was measured, after.
    pub fn after(&self) -> u64 {
        total(self.tried.iter().map(|one| one.after))
    }

    /// Elements of what was measured.
    pub fn elements(&self) -> u64 {
        total(self.tried.iter().map(|one| one.elements))
    }

    /// The error of everything that was measured, taken as one tensor.
    pub fn error(&self) -> Power {
        // In the order of the model, so that sums do not depend on how ties were ranked.
        let mut order: Vec<&Tried> = self.tried.iter().collect();
        order.sort_by_key(|one| one.index);
        order.iter().fold(Power::default(), |sum, one| sum.and(&one.error))
    }

    /// Average bits per element of what was measured; 0 where nothing was.
    pub fn bits(&self) -> f64 {
        self.after() as f64 * 8.0 / self.elements().max(1) as f64
    }
}

/// Quantizes some weights of a model, by their indices, as a scheme says.
///
/// # Errors
/// If cancelled, if the file cannot be read, or a kernel refuses.
pub fn attempt(
    subject: Subject,
    weights: &[usize],
    scheme: &Scheme,
    progress: &dyn Progress,
    cancel: &AtomicBool,
) -> Result<Attempt, RunError> {
    let mut left = Vec::new();
    let mut tasks = Vec::new();
    for &index in weights {
        let weight = &subject.model.weights[index];
        match plan::outcome(subject.recipe, &plan::in_precision(subject.recipe, weight), scheme) {
            Outcome::Change(fitted) => tasks.push(Task { index, fitted, scheme: scheme.to_string() }),
            Outcome::Keep(reason) => left.push(Left::new(subject, index, reason.to_string())),
            Outcome::Misfit(misfit) => left.push(Left::new(subject, index, misfit.to_string())),
        }
    }
    measure_all(subject, tasks, left, progress, cancel)
}

/// Quantizes every weight as the plan of the recipe has it.
///
/// # Errors
/// As [`attempt`].
pub fn rehearse(
    subject: Subject,
    plan: &Plan,
    progress: &dyn Progress,
    cancel: &AtomicBool,
) -> Result<Attempt, RunError> {
    let mut left = Vec::new();
    let mut tasks = Vec::new();
    for (index, decision) in plan.decisions.iter().enumerate().take(subject.model.weights.len()) {
        let scheme = decision.rule.and_then(|rule| subject.recipe.rules.get(rule)?.scheme.as_ref());
        match (&decision.outcome, scheme) {
            (Outcome::Change(fitted), Some(scheme)) => {
                tasks.push(Task { index, fitted: fitted.clone(), scheme: scheme.to_string() });
            }
            (Outcome::Misfit(misfit), _) => left.push(Left::new(subject, index, misfit.to_string())),
            _ => {}
        }
    }
    measure_all(subject, tasks, left, progress, cancel)
}

impl Left {
    fn new(subject: Subject, index: usize, why: String) -> Left {
        let weight = &subject.model.weights[index];
        Left { index, name: weight.name.clone(), why, bytes: weight.bytes }
    }
}

/// A weight and what is to be made of it.
struct Task {
    index: usize,
    fitted: Fitted,
    scheme: String,
}

/// Small weights side by side, a large one alone with all threads inside it, as a run has it.
fn measure_all(
    subject: Subject,
    tasks: Vec<Task>,
    mut left: Vec<Left>,
    progress: &dyn Progress,
    cancel: &AtomicBool,
) -> Result<Attempt, RunError> {
    let weight = |task: &Task| &subject.model.weights[task.index];
    progress.begin(total(tasks.iter().map(|task| weight(task).bytes)));
    let (tried, kept) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let one = |task: &Task| -> Result<(), RunError> {
        if cancel.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(RunError::Cancelled);
        }
        let weight = weight(task);
        match subject.measure(task.index, &task.fitted, cancel)? {
            Ok(measured) => tried.lock().unwrap_or_else(|e| e.into_inner()).push(Tried {
                index: task.index,
                name: weight.name.clone(),
                scheme: task.scheme.clone(),
                elements: weight.elements(),
                before: weight.bytes,
                after: measured.bytes,
                error: measured.error,
                elapsed: measured.elapsed,
            }),
            Err(why) => {
                kept.lock().unwrap_or_else(|e| e.into_inner()).push(Left::new(subject, task.index, fact(&why)));
            }
        }
        progress.done(&weight.name, weight.bytes);
        Ok(())
    };
    for batch in batches(&tasks, |task| weight(task).elements()) {
        match batch {
            [alone] => one(alone)?,
            several => several.par_iter().try_for_each(one)?,
        }
    }
    let mut tried = tried.into_inner().unwrap_or_else(|e| e.into_inner());
    tried.sort_by(|a, b| rank(&a.error).total_cmp(&rank(&b.error)).then_with(|| a.index.cmp(&b.index)));
    left.extend(kept.into_inner().unwrap_or_else(|e| e.into_inner()));
    left.sort_by_key(|one| one.index);
    Ok(Attempt { tried, left })
}

/// The ratio by which weights are ranked; no number is worse than any.
pub(super) fn rank(error: &Power) -> f64 {
    let sqnr = error.sqnr();
    if sqnr.is_nan() { f64::NEG_INFINITY } else { sqnr }
}
