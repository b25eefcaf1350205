//! A recipe built line by line: what a prompt is, without any prompt. A line makes of one [`State`] another one and an
//! [`Outcome`], which is data; faces draw it. Nothing is changed by a line that is given up halfway.

mod change;
pub mod command;
mod commands;
mod file;
pub mod help;
mod language;
mod state;
mod typed;

use std::path::PathBuf;
use std::sync::Arc;

use crate::check::targets::ForTarget;
use crate::eval::{EvalError, Evaluation};
use crate::experiment::{Attempt, Histogram, Sensitivity, Sweep};
use crate::ide::scheme_facts::SchemeFacts;
use crate::ide::{Analysis, Cancel, Cancelled};
use crate::inspect::Values;
use crate::model::ModelError;
use crate::plan::Totals;
use crate::plan::lock::Difference;
use crate::project::AfterRun;
use crate::run::statics::Ranges;
use crate::run::{Progress, Report, RunError};
pub use change::{Cause, Change, Judged, ModelSummary, Move};
pub use state::{Display, State, UNNAMED};
pub use typed::{LONGEST_OPEN, Typed, is_whole, joined, typed};

/// What came of a line.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The state after it; `None` where it is as before.
    pub state: Option<State>,
    /// What to show.
    pub outcome: Outcome,
}

/// What a line tells.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Nothing.
    Nothing,
    /// Something changed.
    Changed(Box<Change>),
    /// The line has errors, and is not taken.
    Refused(Judged),
    /// Findings in the line, which is no statement, or in the recipe.
    Findings(Judged),
    /// What a selector matches.
    Matches(Matches),
    /// What a scheme is.
    Scheme(Box<SchemeFacts>, Judged),
    /// Weights quantized now.
    Tried(Attempt, Judged),
    /// Schemes compared.
    Swept(Sweep, Judged),
    /// The values of a weight.
    Histogram(Box<Histogram>),
    /// The weights of lowest quality: how many of them to show.
    Worst(Attempt, usize),
    /// The most sensitive weights or layers.
    Sensitivity(Sensitivity, Attempt),
    /// One weight or more.
    Weights(Arc<Analysis>, Vec<(usize, Option<Values>)>),
    /// What becomes of every weight; whether to list each.
    Plan(Arc<Analysis>, bool),
    /// What every target demands.
    Targets(Arc<Analysis>, Vec<ForTarget>),
    /// A model was written.
    Ran(Arc<Analysis>, Box<Report>, AfterRun),
    /// What the recipe does to the answers of the model, on the data of a file.
    Evaluated(Arc<Analysis>, Box<Evaluation>, AfterRun, PathBuf),
    /// Ranges of activations.
    Calibrated(Ranges),
    /// The recipe.
    Recipe(String),
    /// What has changed since it was loaded or saved.
    Difference(Box<Since>),
    /// The model.
    Model(ModelSummary),
    /// A page, as Markdown.
    Page(String),
    /// The commands.
    Help,
    /// A sentence.
    Said(String),
    /// It could not be done.
    Failed(Failure),
    /// It was stopped.
    Stopped,
    /// The session ends.
    Quit,
}

/// What a selector matches.
#[derive(Debug, Clone)]
pub struct Matches {
    /// The recipe.
    pub analysis: Arc<Analysis>,
    /// The selector as written.
    pub selector: String,
    /// Indices of the weights, in the order of the model.
    pub weights: Vec<usize>,
    /// Their bytes.
    pub bytes: u64,
}

/// What has changed since a recipe was loaded or saved.
#[derive(Debug, Clone)]
pub struct Since {
    /// What messages call it.
    pub path: PathBuf,
    /// Its text then.
    pub old: String,
    /// Its text now.
    pub new: String,
    /// What becomes of weights otherwise.
    pub weights: Vec<Difference>,
    /// Sums then and now.
    pub totals: Option<(Totals, Totals)>,
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Failure {
    /// A failure of which only that is known.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), help: None }
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }

    /// Somebody has stopped it.
    pub fn stopped() -> Failure {
        Failure::new("stopped")
    }
}

/// What a line is evaluated with: who stops it, who is told how far it is.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Stops it.
    pub cancel: &'a Cancel,
    /// Is told how far it is.
    pub progress: &'a dyn Progress,
}

impl Outcome {
    /// Whether it is what a script stops at: an error, or a line that is not taken.
    pub fn is_failure(&self) -> bool {
        match self {
            Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Stopped => true,
            Outcome::Findings(judged) => judged.has_errors(),
            _ => false,
        }
    }
}

impl Answer {
    fn told(outcome: Outcome) -> Answer {
        Answer { state: None, outcome }
    }
}

/// Why a line has no answer of its own kind.
#[derive(Debug)]
enum Halt {
    /// It was stopped.
    Stopped,
    /// It could not be done.
    Failed(Failure),
    /// It has mistakes.
    Mistaken(Judged),
}

impl From<Cancelled> for Halt {
    fn from(_: Cancelled) -> Halt {
        Halt::Stopped
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Halt {
        Halt::Failed(failure)
    }
}

impl From<ModelError> for Halt {
    fn from(error: ModelError) -> Halt {
        Halt::Failed(Failure { message: error.to_string(), help: error.help() })
    }
}

impl From<RunError> for Halt {
    fn from(error: RunError) -> Halt {
        match error {
            RunError::Cancelled => Halt::Stopped,
            RunError::Model(error) => error.into(),
            other => Halt::Failed(Failure::new(other.to_string())),
        }
    }
}

impl From<EvalError> for Halt {
    fn from(error: EvalError) -> Halt {
        match error {
            EvalError::Cancelled => Halt::Stopped,
            EvalError::Run(error) => error.into(),
            other => Halt::Failed(Failure::new(other.to_string())),
        }
    }
}

impl From<Halt> for Answer {
    fn from(halt: Halt) -> Answer {
        Answer::told(match halt {
            Halt::Stopped => Outcome::Stopped,
            Halt::Failed(failure) => Outcome::Failed(failure),
            Halt::Mistaken(judged) => Outcome::Findings(judged),
        })
    }
}

/// The longest line that is read: more is no line of a recipe.
pub const LONGEST_LINE: usize = 4 << 20;

/// Evaluates a line, or several that belong together.
pub fn evaluate(state: &State, text: &str, work: Work) -> Answer {
    if text.len() > LONGEST_LINE {
        let message = format!("the line is longer than {} MB, and is not read", LONGEST_LINE >> 20);
        return Answer::told(Outcome::Failed(Failure::new(message)));
    }
    let text = joined(text);
    let answer = match typed(&text, state.analysis().recipe()) {
        Typed::Nothing => language::comment(state, &text, work),
        Typed::Command => commands::call(state, &text, work),
        Typed::Statements => language::statements(state, &text, work),
        Typed::Selector => language::selector(state, text.trim(), work),
        Typed::Scheme => language::scheme(state, text.trim(), work),
    };
    answer.unwrap_or_else(Answer::from)
}

/// Looks whether the recipe's file, what it imports or its model have changed, and takes that over. `None` where nothing
/// has.
pub fn look(state: &State, work: Work) -> Option<Answer> {
    if !state.is_outdated() {
        return None;
    }
    Some(file::look(state, work).unwrap_or_else(Answer::from))
}
