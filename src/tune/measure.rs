//! How far each candidate takes a weight from what it was: small weights side by side, large ones alone, as in a run.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::cache::{About, Cache};
use super::candidates::Tunable;
use super::error::Loss;
use crate::model::total;
use crate::quant::power::Power;
use crate::run::measure::Subject;
use crate::run::{Progress, RunError, batches};

/// A weight and one of its candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// Which of the tunable weights.
    pub item: usize,
    /// Which of its candidates.
    pub candidate: usize,
}

/// For each tunable weight, the errors of its candidates: none where its values forbid one.
pub type Losses = Vec<Vec<Option<Loss>>>;

/// Measures what is not known yet.
///
/// # Errors
/// If cancelled, if the file cannot be read, or a kernel refuses.
pub fn weights(
    subject: Subject,
    tunable: &[Tunable],
    cache: &Cache,
    (progress, cancel): (&dyn Progress, &AtomicBool),
) -> Result<Losses, RunError> {
    let name = |task: &Task| &subject.model.weights[tunable[task.item].index].name;
    let about = |task: &Task| About {
        of: "weight".to_owned(),
        weight: name(task).clone(),
        scheme: tunable[task.item].candidates[task.candidate].scheme.to_string(),
    };
    let mut losses: Losses = tunable.iter().map(|one| vec![None; one.candidates.len()]).collect();
    let mut open: Vec<Task> = Vec::new();
    for (item, one) in tunable.iter().enumerate() {
        for (candidate, what) in one.candidates.iter().enumerate() {
            let task = Task { item, candidate };
            match (&what.fitted, cache.get(&about(&task))) {
                (None, _) => losses[item][candidate] = Some(Loss::default()),
                // What the values forbid is kept as a result without numbers.
                (Some(_), Some(powers)) => losses[item][candidate] = (!powers.is_empty()).then(|| Loss::of(powers)),
                (Some(_), None) => open.push(task),
            }
        }
    }
    let weight = |task: &Task| &subject.model.weights[tunable[task.item].index];
    progress.begin(total(open.iter().map(|task| weight(task).bytes)));
    let one = |task: &Task| -> Result<(Task, Option<Loss>), RunError> {
        if cancel.load(Ordering::Relaxed) {
            return Err(RunError::Cancelled);
        }
        let what = &tunable[task.item].candidates[task.candidate];
        let Some(fitted) = &what.fitted else { return Ok((*task, Some(Loss::default()))) };
        let measured = subject.measure(tunable[task.item].index, fitted, cancel)?.ok();
        let loss = measured.map(|measured| {
            let Power { signal, noise, .. } = measured.error;
            Loss::of(vec![(signal, noise)])
        });
        cache.put(about(task), loss.as_ref().map(|loss| loss.powers.clone()).unwrap_or_default());
        progress.done(name(task), weight(task).bytes);
        Ok((*task, loss))
    };
    for batch in batches(&open, |task| weight(task).elements()) {
        let done: Vec<(Task, Option<Loss>)> = match batch {
            [alone] => vec![one(alone)?],
            several => several.par_iter().map(one).collect::<Result<_, _>>()?,
        };
        for (task, loss) in done {
            losses[task.item][task.candidate] = loss;
        }
    }
    Ok(losses)
}

/// The candidates of a weight that are worth their bytes: no other is as small and nearer, or as near and smaller. By
/// size, the smallest first.
pub fn worth(tunable: &Tunable, losses: &[Option<Loss>]) -> Vec<usize> {
    let noise = |at: usize| losses[at].as_ref().map(Loss::noise).filter(|noise| noise.is_finite());
    let mut order: Vec<usize> = (0..losses.len()).filter(|&at| noise(at).is_some()).collect();
    let bytes = |at: usize| tunable.candidates[at].bytes;
    let by_noise = |at: usize| noise(at).unwrap_or(f64::INFINITY);
    order.sort_by(|&a, &b| bytes(a).cmp(&bytes(b)).then(by_noise(a).total_cmp(&by_noise(b))).then(a.cmp(&b)));
    let mut kept: Vec<usize> = Vec::new();
    for at in order {
        if kept.last().is_none_or(|last| by_noise(at) < by_noise(*last)) {
            kept.push(at);
        }
    }
    kept
}
