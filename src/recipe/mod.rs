//! What a recipe means: names resolved, imports and presets expanded, schemes as types, rules in order.
//! Knows models only as things that selectors match; knows nothing of how anything is quantized.

mod draft;
pub mod fragment;
pub mod glob;
pub mod preset;
pub mod problem;
mod quantity;
mod resolve;
mod scheme;
mod selection;
pub mod selector;
pub mod source;
pub mod starter;
mod statement;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::coreml::target::{OperatorSet, Target};
use crate::graph::aten::{
    self,
    shapes::{Chosen, Settled, ShapeError, Takes},
};
use crate::graph::function::Opset;
use crate::scheme::{Arithmetic, FloatType, Scheme};
use crate::syntax::tree::Comparison;
use problem::Problem;
pub use resolve::resolve;
pub use scheme::{Field, Origins, PART_WORDS, base_words};
use selector::Selector;
pub use source::{FileId, Loader, NoImports, Place, Placed, Source};

/// A recipe with everything looked up that could be; what could not is in [`Recipe::problems`].
#[derive(Debug, Clone, Default)]
pub struct Recipe {
    /// The texts: the recipe itself first, then imports and expanded presets.
    pub sources: Vec<Source>,
    /// `model`
    pub model: Option<Placed<String>>,
    /// `target`
    pub target: Option<TargetChoice>,
    /// `compute`
    pub compute: Option<Placed<ComputeUnits>>,
    /// `precision`
    pub precision: Option<Placed<FloatType>>,
    /// `arithmetic`
    pub arithmetic: Option<Placed<Arithmetic>>,
    /// `threshold`, in elements
    pub threshold: Option<Placed<u64>>,
    /// `calibrate`
    pub calibrate: Option<Calibration>,
    /// `shapes`
    pub shapes: Option<InputShapes>,
    /// `output`
    pub output: Option<Placed<String>>,
    /// Named schemes, in order of definition.
    pub schemes: Vec<NamedScheme>,
    /// `extend` statements, in order.
    pub extends: Vec<Extend>,
    /// Rules, in order: the last that matches decides.
    pub rules: Vec<Rule>,
    /// `expect` statements, in order.
    pub expects: Vec<Expect>,
    /// Settings that do not hold because a later import or preset makes them differently.
    pub overridden: Vec<Overridden>,
    /// What is wrong with the recipe as it stands.
    pub problems: Vec<Problem>,
    /// What its model tells: defaults, and facts.
    pub defaults: Defaults,
}

/// A setting of two files of which neither takes over the other: the later one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overridden {
    /// `target`
    pub setting: &'static str,
    /// The statement that holds.
    pub holds: Place,
    /// The statement that says something else.
    pub lost: Place,
}

/// What the model tells a recipe: the settings that hold for its kind where the recipe says nothing, and the facts that
/// rules and plans ask of the recipe alone, which nothing that is written changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// Whose formula "symmetric" means.
    pub arithmetic: Arithmetic,
    /// Weights with no more elements stay as they are.
    pub threshold: u64,
    /// The models that have these, in the plural.
    pub models: &'static str,
    /// A fact: whether the model is a Core ML package, which has an operator set of its own.
    pub is_package: bool,
    /// A fact: that operator set, where it is known.
    pub set: Option<&'static OperatorSet>,
}

impl Defaults {
    /// For PyTorch checkpoints: what torchao does.
    pub const CHECKPOINT: Defaults =
        Defaults { arithmetic: Arithmetic::Torchao, threshold: 0, models: "checkpoints", is_package: false, set: None };
    /// For Core ML packages: what coremltools does.
    pub const PACKAGE: Defaults = Defaults {
        arithmetic: Arithmetic::Coremltools,
        threshold: 2048,
        models: "Core ML packages",
        is_package: true,
        set: None,
    };

    /// For a model that is named by a path and may not be there.
    pub fn of_path(path: &Path) -> Defaults {
        let is_package = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mlpackage"));
        if is_package { Self::PACKAGE } else { Self::CHECKPOINT }
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self::CHECKPOINT
    }
}

/// The deployment targets of a recipe.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetChoice {
    /// `target none`: an experiment that will not be deployed.
    None(Place),
    /// At least one system.
    Systems(Vec<Placed<Target>>),
}

impl TargetChoice {
    /// The target whose operator set counts: the oldest.
    pub fn oldest(&self) -> Option<&Placed<Target>> {
        match self {
            TargetChoice::None(_) => None,
            TargetChoice::Systems(all) => all.iter().min_by_key(|t| t.value.set.spec),
        }
    }

    /// Where it is written.
    pub fn place(&self) -> Option<Place> {
        match self {
            TargetChoice::None(place) => Some(*place),
            TargetChoice::Systems(all) => {
                let first = all.first()?.place;
                Some(all.iter().fold(first, |sum, t| sum.to(t.place)))
            }
        }
    }
}

/// `compute`: the processors a model may run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ComputeUnits {
    /// `all`
    All,
    /// `cpu`
    Cpu,
    /// `cpu-and-gpu`
    CpuAndGpu,
    /// `cpu-and-ne`
    CpuAndNe,
}

impl ComputeUnits {
    /// Every choice, with its word, ExecuTorch's name and its meaning.
    pub const ALL: &'static [(ComputeUnits, &'static str, &'static str, &'static str)] = &[
        (ComputeUnits::All, "all", "ALL", "whatever Core ML finds best"),
        (ComputeUnits::Cpu, "cpu", "CPU_ONLY", "the CPU alone"),
        (ComputeUnits::CpuAndGpu, "cpu-and-gpu", "CPU_AND_GPU", "CPU and GPU, never the Neural Engine"),
        (ComputeUnits::CpuAndNe, "cpu-and-ne", "CPU_AND_NE", "CPU and Neural Engine, never the GPU"),
    ];
}

/// `calibrate`
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The whole statement.
    pub place: Place,
    /// The file of samples.
    pub path: Option<Placed<String>>,
    /// `samples`: how many are used; all when absent.
    pub samples: Option<Placed<u64>>,
    /// `observer`
    pub observer: Option<Placed<Observer>>,
    /// `averaging`: weight of a new batch in a moving average.
    pub averaging: Option<Placed<f64>>,
    /// `observe float`: ranges from a plain float pass.
    pub observe_float: bool,
}

/// `shapes`: what inputs of an exported program have, where it leaves sizes open.
#[derive(Debug, Clone, PartialEq)]
pub struct InputShapes {
    /// The whole statement.
    pub place: Place,
    /// Each input, in order.
    pub inputs: Vec<InputShape>,
}

/// An input of `shapes`.
#[derive(Debug, Clone, PartialEq)]
pub struct InputShape {
    /// Its name in the export.
    pub name: Placed<String>,
    /// One shape, or several of which each is taken; never empty.
    pub shapes: Vec<Placed<Vec<u64>>>,
}

impl InputShapes {
    /// What they settle in a program.
    ///
    /// # Errors
    /// The place of the first that does not fit it, and why.
    pub fn bind(&self, takes: &Takes) -> Result<Settled, (Place, ShapeError)> {
        let chosen: Vec<Chosen<'_>> = self
            .inputs
            .iter()
            .map(|input| (&*input.name.value, input.shapes.iter().map(|shape| &*shape.value).collect()))
            .collect();
        takes.bind(&chosen).map_err(|fault| {
            let input = self.inputs.get(fault.input);
            let shape = fault.shape.and_then(|at| input?.shapes.get(at)).map(|shape| shape.place);
            (shape.or(input.map(|input| input.name.place)).unwrap_or(self.place), fault.what)
        })
    }
}

impl Recipe {
    /// A program with the shapes that the recipe chooses for its inputs.
    ///
    /// # Errors
    /// As [`InputShapes::bind`].
    pub fn shaped<'p>(&self, program: &'p aten::Program) -> Result<Cow<'p, aten::Program>, (Place, ShapeError)> {
        let Some(shapes) = &self.shapes else { return Ok(Cow::Borrowed(program)) };
        Ok(Cow::Owned(program.with_shapes(&shapes.bind(&Takes::of(program))?)))
    }
}

/// How ranges of activations are observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Observer {
    /// The smallest and largest value ever seen.
    MinMax,
    /// An exponential average of each batch's extremes.
    MovingAverageMinMax,
}

impl Observer {
    /// Every choice with its word and meaning.
    pub const ALL: &'static [(Observer, &'static str, &'static str)] = &[
        (Observer::MinMax, "min-max", "the smallest and largest value ever seen"),
        (
            Observer::MovingAverageMinMax,
            "moving-average-min-max",
            "an exponential average of each batch's extremes (upstream's default)",
        ),
    ];
}

/// `scheme NAME = SCHEME`
#[derive(Debug, Clone)]
pub struct NamedScheme {
    /// The name and where it is given.
    pub name: Placed<String>,
    /// What it stands for; `None` when that could not be told.
    pub scheme: Option<Scheme>,
    /// Where its parts come from.
    pub origins: Origins,
    /// The whole statement.
    pub place: Place,
    /// Places that use it.
    pub uses: Vec<Place>,
}

/// `extend "PRESET" { … }`
#[derive(Debug, Clone)]
pub struct Extend {
    /// The preset; `None` when there is none of that name.
    pub preset: Option<&'static preset::Preset>,
    /// The whole statement.
    pub place: Place,
    /// The name as written.
    pub name: Placed<String>,
    /// Parameters that the preset knows, as written.
    pub parameters: Vec<(&'static str, preset::ParameterValue, Place)>,
    /// The source that holds the expansion, if it could be made.
    pub expansion: Option<FileId>,
}

/// `SELECTOR => SCHEME`
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it matches.
    pub selector: Selector,
    /// Where the selector is written.
    pub selector_place: Place,
    /// What is done; `None` when the scheme could not be told, and then the rule decides nothing.
    pub scheme: Option<Scheme>,
    /// Where the scheme is written.
    pub scheme_place: Place,
    /// Where the scheme's parts come from.
    pub origins: Origins,
    /// The whole statement.
    pub place: Place,
}

/// `expect …`
#[derive(Debug, Clone)]
pub struct Expect {
    /// The whole statement.
    pub place: Place,
    /// What it states.
    pub claim: Claim,
}

/// What an expectation states.
#[derive(Debug, Clone)]
pub enum Claim {
    /// A measured number against a bound.
    Metric {
        /// What it is about; the whole model when absent.
        selector: Option<Selector>,
        /// What is measured.
        metric: Metric,
        /// How it is compared.
        operator: Comparison,
        /// The bound, in the unit of the metric.
        bound: Bound,
    },
    /// How many weights a selector matches.
    Matches {
        /// What is counted.
        selector: Selector,
        /// How it is compared.
        operator: Comparison,
        /// With what.
        count: u64,
    },
    /// Every weight that is matched is decided so.
    Decides {
        /// Which weights.
        selector: Selector,
        /// How.
        scheme: Scheme,
    },
    /// Every or no weight that is matched is quantized or kept.
    Quantified {
        /// `every`; else `no`.
        every: bool,
        /// Which weights.
        selector: Selector,
        /// `quantized`; else `kept`.
        quantized: bool,
    },
}

/// What `expect` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Bytes after a run.
    Size,
    /// Average bits per quantized weight.
    Bits,
    /// Signal to quantization noise ratio in dB.
    Sqnr,
    /// Loss of accuracy, in percentage points.
    AccuracyDrop,
    /// Rise of perplexity, in percent.
    PerplexityRise,
}

/// The bound of an expectation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// A share of what it was before: 0.3 for 30 %.
    Share(f64),
    /// A plain number: bytes, bits or dB.
    Value(f64),
}

impl Recipe {
    /// The files that it is made of: its own and those that it imports, those that are missing too.
    pub fn files(&self) -> Vec<PathBuf> {
        let sources = self.sources.iter().filter(|source| !source.preset).map(|source| &source.path);
        let missing = self.problems.iter().filter_map(|problem| match &problem.kind {
            problem::ProblemKind::ImportFailed { path, .. } => Some(path),
            _ => None,
        });
        sources.chain(missing).cloned().collect()
    }

    /// The operator set that schemes are checked against: the oldest target's. `None` with `target none`
    /// and where no valid target is given.
    pub fn operator_set(&self) -> Option<&'static OperatorSet> {
        self.target.as_ref()?.oldest().map(|t| t.value.set)
    }

    /// The operator set that a model is written in: the oldest target's, or that of the package that is the model
    /// where none is given or the target is older, since a newer set cannot be taken back. `None` where neither
    /// says.
    pub fn written_set(&self) -> Option<&'static OperatorSet> {
        match (self.operator_set(), self.defaults.set) {
            _ if self.is_experiment() => None,
            (Some(target), Some(own)) if own.spec > target.spec => Some(own),
            (target, own) => target.or(own),
        }
    }

    /// As [`Recipe::written_set`], for a program of operator set `own`, which keeps that with `target none`.
    pub fn written_opset(&self, own: Option<Opset>) -> Option<Opset> {
        self.operator_set().and_then(|set| Opset::by_name(set.name)).max(own)
    }

    /// Whether it is for experiments that will not be deployed.
    pub fn is_experiment(&self) -> bool {
        matches!(self.target, Some(TargetChoice::None(_)))
    }

    /// Whose formula "symmetric" means.
    pub fn arithmetic_or_default(&self) -> Arithmetic {
        self.arithmetic.map_or(self.defaults.arithmetic, |a| a.value)
    }

    /// Whether fp32 programs become fp16: where the recipe says so, and the model is a package.
    pub fn halves(&self) -> bool {
        self.defaults.is_package && self.precision.is_some_and(|p| p.value == FloatType::Fp16)
    }

    /// Weights with no more elements than this stay as they are.
    pub fn threshold_or_default(&self) -> u64 {
        self.threshold.map_or(self.defaults.threshold, |t| t.value)
    }

    /// Where the model is named.
    pub fn model_place(&self) -> Option<Place> {
        self.model.as_ref().map(|model| model.place)
    }

    /// A path that the recipe names, joined to the directory of the file that names it.
    pub fn path(&self, named: &Placed<String>) -> PathBuf {
        let file = self.sources.get(named.place.file.0 as usize);
        let directory = file.and_then(|source| source.path.parent()).unwrap_or(Path::new(""));
        directory.join(&named.value)
    }

    /// The text of a source at a place.
    pub fn text(&self, place: Place) -> &str {
        let source = self.sources.get(place.file.0 as usize);
        source.and_then(|s| s.text.get(place.span.range())).unwrap_or("")
    }

    /// The place as a reader of the recipe sees it: what stands in an expanded preset is shown at its
    /// `extend` statement.
    pub fn visible(&self, mut place: Place) -> Place {
        while let Some(source) = self.sources.get(place.file.0 as usize) {
            match source.included_at {
                Some(at) if source.preset => place = at,
                _ => break,
            }
        }
        place
    }
}
