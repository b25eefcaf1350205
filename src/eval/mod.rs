//! What quantization does to a model's answers: the program in float and the one that a recipe makes of it run side by
//! side over test data.
//!
//! The package is made aside, exactly as a run would write it, and removed afterwards (of an export without a target, a
//! checkpoint, whose values the program takes); both programs run on the CPU
//! (`exec`), batch after batch, and only sums are kept. The same data gives the same numbers on one machine, whatever
//! the number of threads.

mod classes;
mod labels;
mod layers;
pub mod programs;
mod scores;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::check::rule::Facts;
use crate::check::{Evaluated, Measured};
use crate::exec::{ExecError, Executable, Observer, Session, Tensor};
use crate::graph::{Name, TensorType};
use crate::model::Model;
use crate::plan::Plan;
use crate::pt2e::{SampleError, Samples};
use crate::quant::power::Power;
use crate::recipe::Recipe;
use crate::run::{Progress, Report, RunError};
use crate::words::shown;
use labels::Labels;
pub use layers::LayerReport;
use layers::Layers;
use programs::Pair;
use scores::Scorer;
pub use scores::{Share, Top1};

/// What is to be evaluated.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The recipe, without errors.
    pub recipe: &'a Recipe,
    /// The model: an export of one program, or a Core ML package.
    pub model: &'a Model,
    /// The plan that the recipe makes for it.
    pub plan: &'a Plan,
    /// A safetensors file with a tensor for each input, samples along the first dimension, as `calibrate` takes it; and
    /// labels, if there are some.
    pub data: &'a Path,
    /// The tensor of labels; without a name `label` or `labels`, if there is one.
    pub label: Option<&'a str>,
    /// Whether the model predicts next tokens: labels that are not in the data are the inputs' own, one later.
    pub next_token: bool,
    /// The output that the labels are about, where several fit.
    pub output: Option<&'a str>,
    /// At most so many samples are used.
    pub samples: Option<u64>,
    /// Whether to tell where the error enters: it takes a third run, and the memory for the values of one batch.
    pub layers: bool,
}

/// What an evaluation has shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Samples that were run.
    pub samples: u64,
    /// Samples that fill no batch, and were not run.
    pub left_out: u64,
    /// Batches that the samples made.
    pub batches: usize,
    /// The model's outputs, in its order.
    pub outputs: Vec<OutputReport>,
    /// How often the labels were met, where there are some.
    pub labelled: Option<Labelled>,
    /// Where the error enters, in the order of the program, where that was asked for.
    pub layers: Option<Vec<LayerReport>>,
    /// What was done to the weights. Its output is gone.
    pub run: Report,
    /// How long it took, the quantization too.
    pub elapsed: Duration,
}

/// How near an output stays.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputReport {
    /// Its name.
    pub name: Name,
    /// Its type in float, with the shape of the first batch.
    pub ty: TensorType,
    /// Signal and noise over all samples, where it is of floats.
    pub power: Option<Power>,
    /// How often both programs prefer the same class, along the classes that labels are about, else along the last
    /// dimension of outputs of two or three; of outputs of integers, how many elements are the same.
    pub agreement: Option<Share>,
}

/// How often labels were met.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// The tensor of labels; `None` where they are the inputs', one later.
    pub label: Option<String>,
    /// The output that they are about.
    pub output: Name,
    /// Labels that count, and how many of them each program met.
    pub top1: Top1,
    /// Labels of -100, which count for nothing.
    pub ignored: u64,
    /// Perplexity of next tokens in float and quantized: exp of the mean of -ln p of each label.
    pub perplexity: Option<Measured>,
}

impl Labelled {
    /// The share of labels that were met, in float and quantized.
    pub fn accuracy(&self) -> Measured {
        let share = |met: u64| met as f64 / self.top1.of as f64;
        Measured { float: share(self.top1.float), quantized: share(self.top1.quantized) }
    }
}

impl Evaluation {
    /// What the checker's rules look at: what the run measured, and what the labels told.
    pub fn facts(&self) -> Facts {
        let labelled = self.labelled.as_ref();
        let evaluated = Evaluated {
            accuracy: labelled.map(Labelled::accuracy),
            perplexity: labelled.and_then(|labelled| labelled.perplexity),
        };
        Facts { evaluated: Some(evaluated), ..self.run.facts() }
    }
}

/// Why an evaluation did not end.
#[derive(Debug, Error)]
pub enum EvalError {
    /// The model cannot be run.
    #[error(
        "a checkpoint holds no program, so there is nothing to run: evaluate the recipe on the export (`.pt2`) or the Core \
         ML package of the model, with --model"
    )]
    NoProgram,
    /// A package with several functions.
    #[error("the package has the functions {0} and none that is called `main`: which one is to be run is not told")]
    Functions(String),
    /// An input that no test data can be given for.
    #[error("the input `{}` is {what}, which test data cannot hold", shown(name))]
    Input {
        /// The input.
        name: String,
        /// What it is.
        what: String,
    },
    /// The model cannot be quantized.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Test data cannot be used.
    #[error(transparent)]
    Samples(#[from] SampleError),
    /// Labels cannot be used.
    #[error("{0}")]
    Labels(String),
    /// What is asked for does not go with the model.
    #[error("{0}")]
    Asked(String),
    /// A program cannot be made ready.
    #[error("the model {which} cannot be run: {source}")]
    Program {
        /// `in float` or `as quantized`.
        which: &'static str,
        /// Why.
        source: Box<ExecError>,
    },
    /// A batch cannot be run.
    #[error("the model {which} cannot be run on batch {number} of the samples: {source}")]
    Batch {
        /// `in float` or `as quantized`.
        which: &'static str,
        /// Which, from 1.
        number: usize,
        /// Why.
        source: Box<ExecError>,
    },
    /// The two programs do not give the same outputs.
    #[error("the quantized model gives `{}` in another shape or number; this is a mistake in bitmill", shown(.0))]
    Differ(String),
    /// It was asked to stop.
    #[error("interrupted")]
    Cancelled,
}

/// In messages: the program before.
pub(crate) const FLOAT: &str = "in float";
/// In messages: the program after.
pub(crate) const QUANTIZED: &str = "as quantized";

/// Evaluates a recipe on test data.
///
/// # Errors
/// See [`EvalError`]. Nothing is left behind.
pub fn evaluate(task: &Task, progress: &dyn Progress, cancel: &AtomicBool) -> Result<Evaluation, EvalError> {
    let begun = Instant::now();
    // Whatever is wrong with the data is told before weights are quantized, which may take long.
    let float = programs::float(task)?;
    let samples = Samples::open(task.data, &float.inputs, task.samples)?;
    let labels = Labels::find(task, &float.inputs, &samples)?;
    let (quantized, run) = programs::quantized(task, progress, cancel)?;
    let pair = Pair::new(float, quantized)?;
    let mut layers = task.layers.then(|| Layers::new(&pair.float, &pair.quantized));
    let mut scorer = Scorer::new(task, &pair)?;
    let bytes = samples.bytes();
    progress.begin(bytes);
    let each = bytes / samples.batches().max(1) as u64;
    let mut done = 0;
    for number in 0..samples.batches() {
        let batch = samples.batch(number)?;
        let size = batch.first().and_then(|(_, tensor)| tensor.shape().first().copied()).unwrap_or(1);
        let running = Batch { inputs: &batch, number, cancel };
        let (float, quantized) = running.both(&pair, layers.as_mut())?;
        let wanted = labels.as_ref().map(|labels| labels.batch(&batch, done..done + size)).transpose()?;
        scorer.add(&float, &quantized, wanted.as_ref(), done)?;
        done += size;
        progress.done(&format!("batch {} of {}", number + 1, samples.batches()), each);
    }
    let labelled = scorer.labelled(labels.as_ref())?;
    Ok(Evaluation {
        samples: done as u64,
        left_out: samples.count().saturating_sub(done as u64),
        batches: samples.batches(),
        labelled,
        outputs: scorer.outputs(),
        layers: layers.map(Layers::reports),
        run,
        elapsed: begun.elapsed(),
    })
}

/// What a program gives for a batch.
pub(crate) type Outputs = Vec<(Name, Tensor)>;

/// A batch, and what goes along with its runs.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'b> {
    /// What the program takes.
    pub(crate) inputs: &'b [(Name, Tensor)],
    /// Which batch it is.
    pub(crate) number: usize,
    /// Stops the run.
    pub(crate) cancel: &'b AtomicBool,
}

impl Batch<'_> {
    /// Runs a program on it.
    pub(crate) fn run<'o>(
        &'o self,
        executable: &Executable,
        which: &'static str,
        observer: Option<&'o mut (dyn Observer + 'o)>,
    ) -> Result<Outputs, EvalError> {
        let inputs = programs::fitted(executable, self.inputs)?;
        let inputs = inputs.iter().map(|(name, tensor)| (&**name, tensor.clone()));
        let mut session = Session { cancel: Some(self.cancel), observer, ..Session::default() };
        let outputs = executable.run_with(inputs, &mut session);
        if self.cancel.load(Ordering::Relaxed) {
            return Err(EvalError::Cancelled);
        }
        outputs.map_err(|source| EvalError::Batch { which, number: self.number + 1, source: source.into() })
    }

    /// Runs both programs, and watches layers where that is asked for.
    fn both(&self, pair: &Pair, layers: Option<&mut Layers>) -> Result<(Outputs, Outputs), EvalError> {
        let (float, quantized) = (&pair.float.executable, &pair.quantized.executable);
        let Some(layers) = layers else {
            return Ok((self.run(float, FLOAT, None)?, self.run(quantized, QUANTIZED, None)?));
        };
        let was = self.run(float, FLOAT, Some(&mut layers.remember()))?;
        let is = self.run(quantized, QUANTIZED, Some(&mut layers.compare()))?;
        self.run(quantized, QUANTIZED, Some(&mut layers.compare_alone()))?;
        layers.forget();
        Ok((was, is))
    }
}
