//! One candidate for each weight: solved with the errors that were measured, and judged with all weights together.

use std::sync::atomic::AtomicBool;

use super::candidates::Tunable;
use super::error::{Loss, TuneError};
use super::knapsack::{Choice, Solution, solve};
use super::outputs::Runner;
use super::{Budget, Losses, Sensitive, Task, decibels, fixed};
use crate::model::{Model, total};

/// Everything that a solution is made of.
pub struct Search<'a> {
    model: &'a Model,
    /// The weights that may change.
    pub tunable: &'a [Tunable],
    of_weights: &'a Losses,
    worth: &'a [Vec<usize>],
    runner: Option<&'a Runner>,
    /// What counts: for each weight the noise by signal that each candidate brings in alone.
    costs: Vec<Vec<f64>>,
    /// The mean over the weights of noise by signal.
    own_costs: Vec<Vec<f64>>,
    elements: u64,
    before: u64,
    fixed: u64,
}

/// A solution.
#[derive(Debug, Clone, PartialEq)]
pub struct Solved {
    /// For each weight the number of its candidate.
    pub picks: Vec<usize>,
    /// The sum of the relative noise of each weight alone.
    pub predicted: f64,
    /// No picks within the budget have less.
    pub bound: Option<f64>,
    /// Whether that is proven.
    pub is_optimal: bool,
    /// The relative noise of all together.
    pub together: f64,
}

/// How often a search for the least size is measured.
const MEASURED: usize = 10;
/// Nearer to the bound than this, in dB, there is nothing to be gained.
const NEAR: f64 = 0.02;

impl<'a> Search<'a> {
    /// Of weights and their losses, by themselves and by the outputs, and the candidates that are worth their bytes.
    pub fn new(
        task: &Task<'a>,
        tunable: &'a [Tunable],
        of_weights: &'a Losses,
        of_outputs: Option<&Losses>,
        worth: &'a [Vec<usize>],
        runner: Option<&'a Runner>,
    ) -> Search<'a> {
        // Without data each weight counts alike: noise by signal is what a layer adds to what passes through it, whatever
        // the scale of its values. What a ratio is asked of is that of all weights together, as a run tells it.
        let relative = |losses: &Losses| -> Vec<Vec<f64>> {
            let one = |loss: &Option<Loss>| loss.as_ref().map_or(f64::NAN, Loss::relative);
            losses.iter().map(|losses| losses.iter().map(one).collect()).collect()
        };
        let mut own_costs = relative(of_weights);
        own_costs.iter_mut().flatten().for_each(|cost| *cost /= tunable.len().max(1) as f64);
        let costs = match (of_outputs, task.budget) {
            (Some(losses), _) => relative(losses),
            (None, Budget::Sqnr(_)) => of_all(of_weights),
            (None, _) => own_costs.clone(),
        };
        Search {
            model: task.model,
            tunable,
            of_weights,
            worth,
            runner,
            costs,
            own_costs,
            elements: total(tunable.iter().map(|one| task.model.weights[one.index].elements())),
            before: task.model.bytes(),
            fixed: fixed(task, tunable),
        }
    }

    /// The relative noise that a candidate of a weight brings in alone.
    pub fn cost(&self, item: usize, candidate: usize) -> f64 {
        self.costs[item][candidate]
    }

    /// Samples that errors of outputs were measured on.
    pub fn samples(&self) -> Option<u64> {
        self.runner.map(Runner::samples)
    }

    fn bytes(&self, item: usize, candidate: usize) -> f64 {
        self.tunable[item].candidates[candidate].bytes as f64
    }

    /// Solves a knapsack over the candidates that are worth their bytes, and gives the numbers of candidates.
    fn knapsack(&self, capacity: f64, choice: impl Fn(usize, usize) -> Choice) -> Option<Solution> {
        let items: Vec<Vec<Choice>> = self
            .worth
            .iter()
            .enumerate()
            .map(|(item, worth)| worth.iter().map(|&candidate| choice(item, candidate)).collect())
            .collect();
        let mut solution = solve(&items, capacity)?;
        solution.picks.iter_mut().enumerate().for_each(|(item, pick)| *pick = self.worth[item][*pick]);
        Some(solution)
    }

    /// Finds the candidates.
    ///
    /// # Errors
    /// If the budget cannot be met, if cancelled, or the program cannot be run.
    pub fn solve(&self, budget: Budget, cancel: &AtomicBool) -> Result<Solved, TuneError> {
        match (budget.capacity(self.elements, self.before, self.fixed), budget) {
            (Some(capacity), _) => self.least_error(budget, capacity, cancel),
            (None, Budget::Sqnr(decibels)) => self.least_size(budget, decibels, cancel),
            (None, _) => Err(TuneError::Nothing("the budget is none".to_owned())),
        }
    }

    fn least_error(&self, budget: Budget, capacity: f64, cancel: &AtomicBool) -> Result<Solved, TuneError> {
        let by = |costs: &Vec<Vec<f64>>| {
            self.knapsack(capacity, |item, candidate| Choice {
                takes: self.bytes(item, candidate),
                costs: costs[item][candidate],
            })
        };
        let Some(found) = by(&self.costs) else { return Err(self.too_small(budget)) };
        let mut best = self.judged(found.clone(), cancel)?;
        best.bound = Some(found.bound);
        // Errors that are measured one by one do not add up exactly. Where the weights alone tell another choice, and
        // that one loses less with everything together, it is the better one.
        if self.runner.is_some()
            && let Some(other) = by(&self.own_costs).filter(|other| other.picks != best.picks)
            && other.picks.iter().enumerate().all(|(item, &pick)| self.costs[item][pick].is_finite())
        {
            let other = self.judged(other, cancel)?;
            if other.together < best.together {
                best = Solved { bound: Some(found.bound), is_optimal: false, ..other };
            }
        }
        Ok(best)
    }

    /// A solution with what all its picks lose together.
    fn judged(&self, solution: Solution, cancel: &AtomicBool) -> Result<Solved, TuneError> {
        let Solution { picks, is_optimal, .. } = solution;
        let predicted = picks.iter().enumerate().map(|(item, &pick)| self.costs[item][pick]).sum();
        let together = self.together(&picks, cancel)?;
        Ok(Solved { picks, predicted, bound: None, is_optimal, together })
    }

    /// The relative noise with all picks together: of the outputs, or of the weights that change.
    fn together(&self, picks: &[usize], cancel: &AtomicBool) -> Result<f64, TuneError> {
        if let Some(runner) = self.runner {
            let changed: Vec<_> = self
                .tunable
                .iter()
                .zip(picks)
                .map(|(one, &pick)| (self.model.weights[one.index].name.as_str(), &one.candidates[pick]))
                .collect();
            return Ok(runner.loss(&changed, cancel)?.map_or(f64::INFINITY, |loss| loss.relative()));
        }
        let chosen = picks.iter().enumerate().filter_map(|(item, &pick)| self.of_weights[item][pick].as_ref());
        let (signal, noise) = chosen
            .flat_map(|loss| &loss.powers)
            .fold((0.0, 0.0), |sum, (signal, noise)| (sum.0 + signal, sum.1 + noise));
        Ok(if noise == 0.0 { 0.0 } else { noise / signal })
    }

    /// The smallest picks whose noise, with everything together, is no more than the bound allows. Since noises do not
    /// add up exactly, what is allowed as predicted is looked for between what was too much and what was enough.
    fn least_size(&self, budget: Budget, wanted: f64, cancel: &AtomicBool) -> Result<Solved, TuneError> {
        let at = |allowed: f64| {
            self.knapsack(10f64.powf(-allowed / 10.0), |item, candidate| Choice {
                takes: self.costs[item][candidate],
                costs: self.bytes(item, candidate),
            })
        };
        let (mut best, mut enough, mut too_much): (Option<Solved>, Option<f64>, Option<f64>) = (None, None, None);
        let mut asked = wanted;
        let mut reached = f64::NEG_INFINITY;
        for _ in 0..MEASURED {
            let Some(found) = at(asked) else { break };
            let solved = self.judged(found, cancel)?;
            let got = decibels(solved.together);
            reached = reached.max(got);
            if got >= wanted {
                let is_smaller = |best: &Solved| self.size(&solved.picks) < self.size(&best.picks);
                if best.as_ref().is_none_or(is_smaller) {
                    best = Some(solved);
                }
                enough = Some(enough.map_or(asked, |known: f64| known.min(asked)));
            } else {
                too_much = Some(too_much.map_or(asked, |known: f64| known.max(asked)));
            }
            asked = match (too_much, enough) {
                (Some(low), Some(high)) if high - low <= NEAR => break,
                (Some(low), Some(high)) => (low + high) / 2.0,
                (None, Some(_)) if got - wanted <= NEAR || got.is_infinite() => break,
                // What is left over may be spent.
                (None, Some(high)) => high - (got - wanted),
                (Some(low), None) => low + (wanted - got).max(NEAR) * 1.1,
                (None, None) => break,
            };
        }
        // The best of all: whatever the prediction, nothing loses less than the best candidates.
        if best.is_none() {
            let finest: Vec<usize> = self
                .worth
                .iter()
                .enumerate()
                .map(|(item, worth)| {
                    let cost = |at: &&usize| self.costs[item][**at];
                    worth.iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).copied().unwrap_or(0)
                })
                .collect();
            let together = self.together(&finest, cancel)?;
            reached = reached.max(decibels(together));
            if decibels(together) >= wanted {
                let predicted = finest.iter().enumerate().map(|(item, &pick)| self.costs[item][pick]).sum();
                best = Some(Solved { picks: finest, predicted, bound: None, is_optimal: false, together });
            }
        }
        best.ok_or(TuneError::TooNoisy { budget, best: reached })
    }

    fn size(&self, picks: &[usize]) -> f64 {
        picks.iter().enumerate().map(|(item, &pick)| self.bytes(item, pick)).sum()
    }

    fn too_small(&self, budget: Budget) -> TuneError {
        let least = self.worth.iter().enumerate().map(|(item, worth)| {
            let usable = worth.iter().filter(|at| self.costs[item][**at].is_finite());
            usable.map(|at| self.tunable[item].candidates[*at].bytes).min().unwrap_or(0)
        });
        let least = total(least);
        let bytes = least.saturating_add(self.fixed);
        TuneError::TooSmall {
            budget,
            bytes,
            share: bytes as f64 / self.before.max(1) as f64,
            bits: least as f64 * 8.0 / self.elements.max(1) as f64,
        }
    }

    /// What it would cost to give each weight the next smaller candidate, the most first.
    pub fn sensitive(&self, picks: &[usize]) -> Vec<Sensitive> {
        let all: f64 = picks.iter().enumerate().map(|(item, &pick)| self.costs[item][pick]).sum();
        let mut found: Vec<(f64, usize, Sensitive)> = Vec::new();
        for (item, &pick) in picks.iter().enumerate() {
            let one = &self.tunable[item];
            // By size, the smallest first: the next smaller one stands before.
            let smaller = self.worth[item].iter().rev().find(|at| {
                self.costs[item][**at].is_finite() && one.candidates[**at].bytes < one.candidates[pick].bytes
            });
            let Some(&next) = smaller else { continue };
            let more = self.costs[item][next] - self.costs[item][pick];
            found.push((
                more,
                item,
                Sensitive {
                    name: self.model.weights[one.index].name.clone(),
                    scheme: one.candidates[pick].text.clone(),
                    next: one.candidates[next].text.clone(),
                    saves: one.candidates[pick].bytes - one.candidates[next].bytes,
                    grows: if all > 0.0 { (all + more) / all } else { f64::INFINITY },
                },
            ));
        }
        // By what a byte that is saved would cost: that is why they have what they have.
        let per_byte = |(more, _, one): &(f64, usize, Sensitive)| more / one.saves.max(1) as f64;
        found.sort_by(|a, b| per_byte(b).total_cmp(&per_byte(a)).then(a.1.cmp(&b.1)));
        found.into_iter().map(|(_, _, one)| one).collect()
    }
}

/// The noise that each candidate brings in, by the signal of all weights together.
fn of_all(losses: &Losses) -> Vec<Vec<f64>> {
    let signals = losses.iter().filter_map(|losses| losses.iter().flatten().find_map(|loss| loss.powers.first()));
    let signal: f64 = signals.map(|(signal, _)| signal).sum();
    let one = |loss: &Option<Loss>| match loss {
        Some(loss) if loss.noise() == 0.0 => 0.0,
        Some(loss) => loss.noise() / signal,
        None => f64::NAN,
    };
    losses.iter().map(|losses| losses.iter().map(one).collect()).collect()
}
