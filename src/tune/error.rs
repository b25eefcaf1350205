//! Errors of a search, in both meanings: how much is lost, and why there is no result.

use std::path::PathBuf;

use thiserror::Error;

use super::Budget;
use crate::eval::EvalError;
use crate::formats::output::OutputError;
use crate::model::ModelError;
use crate::run::RunError;
use crate::words::{counted, percent, shown, size};

/// What is lost: for each value that is compared, the power of the signal and that of the noise. A weight is one value;
/// of a program it is each of its outputs of floats.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loss {
    /// Signal and noise, in the order of the outputs. Empty where nothing is lost.
    pub powers: Vec<(f64, f64)>,
}

impl Loss {
    /// Of powers.
    pub fn of(powers: Vec<(f64, f64)>) -> Loss {
        Loss { powers }
    }

    /// The noise of all together.
    pub fn noise(&self) -> f64 {
        self.powers.iter().map(|(_, noise)| noise).sum()
    }

    /// The mean over the values of noise by signal, so that outputs count alike whatever their unit: 0.001 is 30 dB.
    /// Infinite where a signal is nothing but the noise is something.
    pub fn relative(&self) -> f64 {
        let one = |(signal, noise): &(f64, f64)| if *noise == 0.0 { 0.0 } else { noise / signal };
        self.powers.iter().map(one).sum::<f64>() / self.powers.len().max(1) as f64
    }
}

/// A relative noise as a ratio in dB: infinite for none.
pub fn decibels(relative: f64) -> f64 {
    if relative == 0.0 { f64::INFINITY } else { -10.0 * relative.log10() }
}

/// Why there is no tuned recipe.
#[derive(Debug, Error)]
pub enum TuneError {
    /// Nothing may change.
    #[error("no weight of the model may change: {0}")]
    Nothing(String),
    /// The smallest choices are too large.
    #[error(
        "the budget of {budget} cannot be met: with the smallest candidates it is {}, {} of the size, {bits:.3} bits per \
         weight",
        size(*bytes),
        percent(*share)
    )]
    TooSmall {
        /// The budget.
        budget: Budget,
        /// Bytes of the model then.
        bytes: u64,
        /// As a share of the model.
        share: f64,
        /// Bits per weight over all that may change.
        bits: f64,
    },
    /// The best choices lose too much.
    #[error("the budget of {budget} cannot be met: with the best candidates it is {best:.1} dB")]
    TooNoisy {
        /// The budget.
        budget: Budget,
        /// What the best candidates have, in dB.
        best: f64,
    },
    /// The model gives nothing that noise can be measured of.
    #[error("no output of the model is of floats, so its error cannot be measured: leave the data out")]
    NoFloats,
    /// A file of results is something else.
    #[error("{}: is no file of results of a search, and is not overwritten", .0.display())]
    Foreign(PathBuf),
    /// The file of results cannot be written.
    #[error("the results cannot be kept: {0}")]
    Keep(OutputError),
    /// The data cannot be read.
    #[error("{}: cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The written recipe is not what was meant.
    #[error("the tuned recipe does not check: {}; this is a defect of bitmill, please report it", shown(.0))]
    Written(String),
    /// The model cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A weight cannot be quantized.
    #[error(transparent)]
    Run(RunError),
    /// The model cannot be run.
    #[error(transparent)]
    Eval(EvalError),
    /// It was asked to stop.
    #[error("{}", stopped(*results, path.as_ref()))]
    Cancelled {
        /// Results that are kept.
        results: usize,
        /// Where.
        path: Option<PathBuf>,
    },
}

fn stopped(results: usize, path: Option<&PathBuf>) -> String {
    match path {
        Some(path) => {
            let kept = counted(results, "result is kept", "results are kept");
            format!("interrupted; {kept} in {}, and the same command goes on from there", path.display())
        }
        None => "interrupted; nothing was written".to_owned(),
    }
}

impl TuneError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            TuneError::Nothing(_) => {
                Some("a rule says which weights may change, such as `all => int8 per-channel`".to_owned())
            }
            TuneError::TooSmall { .. } => {
                Some("allow more, name smaller candidates with --over, or keep fewer weights in the recipe".to_owned())
            }
            TuneError::TooNoisy { .. } => Some("ask for less, or name better candidates with --over".to_owned()),
            TuneError::Foreign(_) => Some("name another file with --resume".to_owned()),
            TuneError::Model(error) => error.help(),
            _ => None,
        }
    }
}

impl From<RunError> for TuneError {
    fn from(error: RunError) -> TuneError {
        match error {
            RunError::Cancelled => TuneError::Cancelled { results: 0, path: None },
            RunError::Model(error) => TuneError::Model(error),
            other => TuneError::Run(other),
        }
    }
}

impl From<EvalError> for TuneError {
    fn from(error: EvalError) -> TuneError {
        match error {
            EvalError::Cancelled => TuneError::Cancelled { results: 0, path: None },
            EvalError::Run(error) => error.into(),
            other => TuneError::Eval(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_count_alike_whatever_their_unit() {
        let loss = Loss::of(vec![(1e6, 1e3), (1.0, 3e-3)]);
        assert!((loss.relative() - 2e-3).abs() < 1e-15 && (loss.noise() - 1000.003).abs() < 1e-9);
        assert_eq!((Loss::default().relative(), decibels(0.0), decibels(1e-3)), (0.0, f64::INFINITY, 30.0));
        assert_eq!(Loss::of(vec![(0.0, 0.0)]).relative(), 0.0);
        assert_eq!(Loss::of(vec![(0.0, 1.0)]).relative(), f64::INFINITY);
    }
}
