//! What a rule is.

use super::Context;
use super::finding::{Report, Severity};
use crate::quant::power::Power;

/// A rule of the checker.
#[derive(Debug)]
pub struct Rule {
    /// Its stable name, which reads well after "allow".
    pub code: &'static str,
    /// How much it matters, as a rule.
    pub severity: Severity,
    /// What it finds, in one line without a full stop.
    pub title: &'static str,
    /// Who demands it.
    pub binds: Binds,
    /// What it must know.
    pub needs: Needs,
    /// What is demanded, why, what happens upstream: Markdown paragraphs for `explain`.
    pub page: &'static str,
    /// Recipes that fail and the same mended; the first is the one that `explain` shows.
    pub examples: &'static [Example],
    /// Where the facts come from.
    pub sources: &'static [&'static str],
    /// Looks for it.
    pub check: fn(&Context, &mut Report),
}

/// Who demands what a rule checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binds {
    /// The language itself.
    Language,
    /// The model at hand.
    Model,
    /// Core ML's format or runtime: every writer is bound.
    CoreMl,
    /// coremltools: an export through it is bound.
    Coremltools,
    /// torchao: an export through it is bound.
    Torchao,
    /// ExecuTorch: an export through it is bound.
    ExecuTorch,
    /// The hardware: advice.
    Hardware,
}

impl Binds {
    /// For the head of a page.
    pub const fn name(self) -> &'static str {
        match self {
            Binds::Language => "the bitmill language",
            Binds::Model => "the model",
            Binds::CoreMl => "Core ML",
            Binds::Coremltools => "coremltools",
            Binds::Torchao => "torchao",
            Binds::ExecuTorch => "ExecuTorch",
            Binds::Hardware => "the hardware",
        }
    }
}

/// What a rule must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Needs {
    /// The recipe alone.
    Recipe,
    /// A model's headers too.
    Model,
    /// What a run measured too.
    Run,
}

impl Needs {
    /// In one word, the same in every output.
    pub const fn word(self) -> &'static str {
        match self {
            Needs::Recipe => "recipe",
            Needs::Model => "model",
            Needs::Run => "run",
        }
    }
}

/// A recipe that fails and the same recipe mended.
#[derive(Debug)]
pub struct Example {
    /// Gives exactly one finding, of this rule.
    pub bad: &'static str,
    /// Gives none, of any rule.
    pub good: &'static str,
    /// The model, as [`Model::listing`](crate::model::Model::listing) reads it; empty for none.
    pub model: &'static str,
    /// What a run found, weight by weight.
    pub facts: &'static [(&'static str, Fact)],
    /// Other files that the recipes import, by name.
    pub files: &'static [(&'static str, &'static str)],
}

impl Example {
    /// An example of the recipe alone.
    pub const fn recipe(bad: &'static str, good: &'static str) -> Self {
        Self { bad, good, model: "", facts: &[], files: &[] }
    }

    /// An example with a model.
    pub const fn with_model(model: &'static str, bad: &'static str, good: &'static str) -> Self {
        Self { bad, good, model, facts: &[], files: &[] }
    }
}

/// What a run measured: for `expect`s about quality, and for what only the values tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Noteworthy weights by full name.
    pub weights: Vec<(String, Fact)>,
    /// Squared error and signal power of each changed weight, by full name.
    pub errors: Vec<(String, WeightError)>,
    /// Bytes of the whole output, where one was written.
    pub size: Option<u64>,
    /// Bytes of each changed weight in that output, by full name.
    pub sizes: Vec<(String, u64)>,
    /// Bytes of each weight that stays in that output, by full name; what is not named takes what was planned.
    pub unchanged: Vec<(String, u64)>,
    /// What an evaluation measured, where there was one.
    pub evaluated: Option<Evaluated>,
}

/// What an evaluation measured. What the test data did not tell is absent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Evaluated {
    /// Top-1 accuracy, from 0 to 1.
    pub accuracy: Option<Measured>,
    /// Perplexity, from 1 on.
    pub perplexity: Option<Measured>,
}

/// A number of the model in float, and of what became of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Before.
    pub float: f64,
    /// After.
    pub quantized: f64,
}

impl Measured {
    /// How much less it has become: 0.01 for an accuracy that falls from 0.76 to 0.75.
    pub fn drop(self) -> f64 {
        self.float - self.quantized
    }

    /// By which share it has grown: 0.02 for a perplexity that rises from 5 to 5.1.
    pub fn rise(self) -> f64 {
        self.quantized / self.float - 1.0
    }
}

/// Squared error of one weight.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WeightError {
    /// Sum of squared differences.
    pub noise: f64,
    /// Sum of squared values.
    pub signal: f64,
}

impl WeightError {
    /// Signal to quantization noise ratio in dB: infinite without noise, NaN for NaN.
    pub fn sqnr(self) -> f64 {
        Power { noise: self.noise, signal: self.signal, ..Power::default() }.sqnr()
    }
}

/// What only the values of a weight tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fact {
    /// So many elements are NaN or infinite.
    NotFinite(u64),
    /// `fit unique` met so many distinct values in one table: more than fit.
    Distinct(u64),
    /// So many scales belong to blocks of zeros, or of values too small for the scale's type.
    DeadBlocks(u64),
    /// So many elements are too large for fp16.
    BeyondFp16(u64),
    /// int8 codes that would all fit into 4 bits.
    Narrow,
    /// A bound on magnitudes has set so many elements to zero.
    Zeros {
        /// Elements set to zero.
        zeros: u64,
        /// Elements of the weight.
        of: u64,
    },
}
