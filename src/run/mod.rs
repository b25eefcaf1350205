//! A plan made real: weights read, quantized and written, tensor by tensor, with bounded memory.
//!
//! Every weight is independent of the others, and each kernel gives the same bits on any number of threads, so
//! the output does not depend on how the work is spread. Small weights run side by side, a large one alone with
//! all threads inside it: memory is bounded by the largest few weights, not by the model.

pub mod activations;
mod batch;
mod beside;
pub mod decompress;
pub mod export;
mod layout;
pub mod measure;
pub mod outcome;
mod package;
pub mod parts;
pub mod report;
pub mod statics;
mod work;
mod write;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rayon::prelude::*;
use thiserror::Error;

use crate::check::Fact;
use crate::check::rule::WeightError;
use crate::dtype::DType;
use crate::formats::coreml::PackageWriteError;
use crate::formats::output::OutputError;
use crate::graph::aten::shapes::ShapeError;
use crate::graph::function::Opset;
use crate::graph::half::is_beyond;
use crate::lower::Holds;
use crate::lower::encode::EncodeError;
use crate::lower::precision;
use crate::lower::rewrite::RewriteError;
use crate::model::{Model, ModelData, ModelError, total};
use crate::plan::{self, Fitted, Outcome, Plan, size};
use crate::quant::QuantError;
use crate::quant::palette::PaletteError;
use crate::recipe::Recipe;
use crate::scheme::{Affine, WeightScheme};
pub use crate::values::BATCH;
use crate::values::{self, Values};
pub(crate) use batch::batches;
use beside::pipelined;
use layout::{Item, Layout};
pub use parts::OutputFormat;
pub use report::{Report, Sum, WeightReport};
use work::Made;
use write::{Tensor, Writers};

/// Everything that a run needs.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The recipe, without errors.
    pub recipe: &'a Recipe,
    /// The model.
    pub model: &'a Model,
    /// The plan that the recipe makes for it.
    pub plan: &'a Plan,
    /// How to write.
    pub format: OutputFormat,
    /// Where to: a file; a directory when the model is one. A relative path counts from the current directory.
    pub output: &'a Path,
    /// Whether what is there may be replaced.
    pub overwrite: bool,
    /// More inputs that must not be overwritten, such as the recipe.
    pub inputs: &'a [PathBuf],
}

/// Why a run did not end.
#[derive(Debug, Error)]
pub enum RunError {
    /// The plan has a weight whose scheme does not fit: checking reports it.
    #[error("the recipe does not fit the model: `bitmill check` says where")]
    NotChecked,
    /// The input is broken.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A kernel refused what the checker let pass.
    #[error("`{weight}` cannot be quantized: {source}")]
    Kernel {
        /// The weight.
        weight: String,
        /// Why.
        source: QuantError,
    },
    /// As [`RunError::Kernel`], for palettes.
    #[error("`{weight}` cannot be palettized: {source}")]
    Palette {
        /// The weight.
        weight: String,
        /// Why.
        source: PaletteError,
    },
    /// Two stored tensors would have one name.
    #[error("the output would hold two tensors named `{0}`: rename the one in the model")]
    SameName(String),
    /// The recipe chooses shapes that the export does not take.
    #[error("the shapes of the recipe do not fit the export: {0}")]
    Shapes(ShapeError),
    /// The format cannot hold a model of this kind.
    #[error("{0}")]
    Format(&'static str),
    /// The recipe asks for an older operator set than the package has.
    #[error("the package is of {have}, which cannot be written for {asked}: a newer set cannot be taken back")]
    OlderTarget {
        /// The package's.
        have: Opset,
        /// The recipe's.
        asked: Opset,
    },
    /// A scheme that the operator set cannot express.
    #[error("`{weight}` cannot be written: {source}")]
    Encode {
        /// The weight.
        weight: String,
        /// Why.
        source: EncodeError,
    },
    /// The program cannot be edited.
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    /// The package cannot be written.
    #[error(transparent)]
    Package(#[from] PackageWriteError),
    /// A blob would not lie where the program says.
    #[error("the file of weights does not come out as it was laid out; this is a mistake in bitmill")]
    Layout,
    /// A tensor that the output was not laid out for.
    #[error("`{0}` has no place in the output: this is a defect of bitmill, please report it")]
    NoPlace(String),
    /// An export holds what is not converted.
    #[error("{0}")]
    Convert(crate::convert::ConvertError),
    /// Activations are to be quantized, and the recipe names no samples.
    #[error("quantized activations need samples, and the recipe names none")]
    NoSamples,
    /// No operation of an export is one whose activations could be quantized.
    #[error(
        "no rule with `activations` is about an operation of the export whose values can become codes: `bitmill explain \
         activations` lists these, as they are before `run_decompositions`"
    )]
    NoActivations,
    /// Samples cannot be used.
    #[error(transparent)]
    Samples(crate::pt2e::SampleError),
    /// An export cannot be run on the samples.
    #[error("{0}")]
    Calibrate(String),
    /// A constant of a converted program cannot be made.
    #[error("a constant cannot be written: {0}")]
    Constant(String),
    /// A scheme that fits a weight of an export does not fit the package that it becomes.
    #[error("the scheme of `{weight}` does not fit the package of {set} that the export becomes")]
    Unfit {
        /// The weight.
        weight: String,
        /// The package's operator set.
        set: Opset,
    },
    /// It was asked to stop. Nothing was left behind.
    #[error("interrupted; nothing was written")]
    Cancelled,
}

/// Told of what is done, from any thread.
pub trait Progress: Sync {
    /// A pass over so many bytes of input begins.
    fn begin(&self, bytes: u64);
    /// A tensor is done.
    fn done(&self, name: &str, bytes: u64);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: u64) {}
    fn done(&self, _: &str, _: u64) {}
}

/// Runs a job.
///
/// # Errors
/// See [`RunError`]. Whatever the error, no output is left behind, and what was at its place is still there.
pub fn run(job: &Job, progress: &dyn Progress, cancel: &AtomicBool) -> Result<Report, RunError> {
    if job.plan.decisions.iter().any(|decision| matches!(decision.outcome, Outcome::Misfit(_))) {
        return Err(RunError::NotChecked);
    }
    if let Some(why) = misnamed(job.model, job.format, job.output) {
        return Err(RunError::Format(why));
    }
    match (&job.model.program, job.format) {
        (Some(_), OutputFormat::Torchao | OutputFormat::Packed) => Err(RunError::Format(
            "a Core ML package is written as `mlpackage`, or as `dequantized`: a package of plain weights",
        )),
        (Some(_), OutputFormat::MlPackage) if job.recipe.is_experiment() => Err(RunError::Format(
            "with `target none` no compressed package is written: leave the target out, or write it as `dequantized`",
        )),
        (Some(program), _) => package::run(job, program, progress, cancel),
        (None, OutputFormat::MlPackage) if job.model.export.is_some() && job.recipe.is_experiment() => {
            Err(RunError::Format(
                "with `target none` no package is written: leave the target out, or write the weights as `dequantized`",
            ))
        }
        (None, OutputFormat::MlPackage) if let Some(export) = &job.model.export => {
            export::run(job, export, progress, cancel)
        }
        (None, _) if job.model.export.is_some() && statics::is_static(job.recipe) => Err(RunError::Format(
            "quantized activations are written in packages only: name an output that ends in `.mlpackage`, or quantize \
             the weights only",
        )),
        (None, OutputFormat::MlPackage) => Err(RunError::Format(
            "a checkpoint holds no program, so no Core ML package can be made of it: convert the model with coremltools \
             first, and quantize the package",
        )),
        (None, _) => run_checkpoint(job, progress, cancel),
    }
}

/// Why the name of the output promises something else than what would be written there.
fn misnamed(model: &Model, format: OutputFormat, output: &Path) -> Option<&'static str> {
    let ends_in = |wanted: &str| output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted));
    let becomes_package = model.export.is_some() && format == OutputFormat::MlPackage;
    match model.program {
        // Core ML and its tools take no other name.
        Some(_) if !ends_in("mlpackage") => {
            Some("a Core ML package becomes a package: name an output that ends in `.mlpackage`")
        }
        None if becomes_package && !ends_in("mlpackage") => {
            Some("a package is to be written: name an output that ends in `.mlpackage`")
        }
        None if becomes_package => None,
        None if ends_in("mlpackage") && model.export.is_some() => {
            Some("weights are to be written: name an output that ends in `.safetensors`, or write an `mlpackage`")
        }
        None if ends_in("pt2") => Some("no exported programs are written: name an output that ends in `.safetensors`"),
        None if ends_in("mlpackage") => {
            Some("a checkpoint becomes safetensors: name an output that does not end in `.mlpackage`")
        }
        _ => None,
    }
}

/// The last chance to stop: what comes next puts an output in its place.
fn refuse_cancelled(cancel: &AtomicBool) -> Result<(), RunError> {
    if cancel.load(Ordering::Relaxed) { Err(RunError::Cancelled) } else { Ok(()) }
}

fn run_checkpoint(job: &Job, progress: &dyn Progress, cancel: &AtomicBool) -> Result<Report, RunError> {
    let begun = Instant::now();
    let data = job.model.open_data()?;
    // What a weight's values forbid (NaN, too many distinct values for `fit unique`) is met only when it is
    // worked on. Such weights stay as they are; since the header of the output says so, the pass begins anew.
    let mut kept: Vec<(usize, Fact)> = Vec::new();
    loop {
        let layout = Layout::new(job, &data, &kept, cancel)?;
        let writers = Writers::create(job, &layout)?;
        match pass(job, &data, &layout, &writers, progress, cancel)? {
            Pass::Done(weights) => {
                refuse_cancelled(cancel)?;
                let written = writers.commit()?;
                let stored = |index: usize| job.model.weights[index].bytes;
                let mut report = report(job, weights, &kept, stored, (written, begun));
                leave_out(&mut report, job.model, &data);
                return Ok(report);
            }
            Pass::Keep(more) => kept.extend(more),
        }
    }
}

/// The report of a run that wrote so many bytes. `stored` tells the bytes of what stays as it is, in the output.
fn report(
    job: &Job,
    mut weights: Vec<(usize, WeightReport)>,
    kept: &[(usize, Fact)],
    stored: impl Fn(usize) -> u64,
    (written, begun): (u64, Instant),
) -> Report {
    weights.sort_by_key(|(index, _)| *index);
    let (changed, weights): (Vec<usize>, Vec<WeightReport>) = weights.into_iter().unzip();
    let stays = |index: &usize| changed.binary_search(index).is_err();
    let stays: Vec<usize> = (0..job.model.weights.len()).filter(stays).collect();
    let unchanged: Vec<(String, u64)> =
        stays.iter().map(|&index| (job.model.weights[index].name.clone(), stored(index))).collect();
    let is_fp16 = |(at, (_, bytes)): &(&usize, &(String, u64))| *bytes != job.model.weights[**at].bytes;
    let as_fp16 = stays.iter().zip(&unchanged).filter(is_fp16).count();
    let after = unchanged.iter().map(|(_, bytes)| *bytes).chain(weights.iter().map(|weight| weight.after));
    Report {
        output: job.output.to_path_buf(),
        format: job.format,
        copied: unchanged.len(),
        as_fp16,
        kept: kept.iter().map(|(index, fact)| (job.model.weights[*index].name.clone(), *fact)).collect(),
        before: job.model.bytes(),
        after: total(after),
        weights,
        unchanged,
        written,
        elapsed: begun.elapsed(),
        chosen: None,
        left_out: Vec::new(),
        activations: None,
    }
}

/// Tells of what a checkpoint cannot hold: some types of exports have no name in safetensors files.
fn leave_out(report: &mut Report, model: &Model, data: &ModelData) {
    let Some(export) = &model.export else { return };
    for (weight, tensor) in model.weights.iter().zip(&export.tensors) {
        if data.stored(weight).is_empty() {
            report.left_out.push((weight.name.clone(), tensor.dtype.torch_name().to_string()));
            report.copied = report.copied.saturating_sub(1);
            report.after = report.after.saturating_sub(weight.bytes);
        }
    }
}

/// How a pass over the model ended.
enum Pass {
    /// Everything is written; the reports are in no order.
    Done(Vec<(usize, WeightReport)>),
    /// These weights must stay as they are.
    Keep(Vec<(usize, Fact)>),
}

fn pass<'l>(
    job: &Job,
    data: &ModelData,
    layout: &'l Layout,
    writers: &Writers,
    progress: &dyn Progress,
    cancel: &AtomicBool,
) -> Result<Pass, RunError> {
    progress.begin(job.model.bytes());
    let reports = Mutex::new(Vec::new());
    let keep = Mutex::new(Vec::new());
    // The tensors of a weight that are to be written.
    let one = |item: &'l Item| -> Result<Vec<Tensor<'l>>, RunError> {
        if cancel.load(Ordering::Relaxed) {
            return Err(RunError::Cancelled);
        }
        let Item { weight: index, change: fitted, .. } = item;
        let weight = &job.model.weights[*index];
        let mut tensors = Vec::new();
        match fitted {
            None => writers.copy(job, data, item)?,
            Some(fitted) => match change(job, data, *index, fitted, (false, cancel))? {
                Ok((mut made, report)) => {
                    // Once a weight must stay, the pass is only about finding others like it.
                    if keep.lock().unwrap_or_else(|e| e.into_inner()).is_empty() {
                        tensors = write::tensors(job, item, &mut made)?;
                        reports.lock().unwrap_or_else(|e| e.into_inner()).push((*index, report));
                    }
                }
                Err(fact) => keep.lock().unwrap_or_else(|e| e.into_inner()).push((*index, fact)),
            },
        }
        progress.done(&weight.name, weight.bytes);
        Ok(tensors)
    };
    // What is copied passes through without being held; what is packed in the input and written as floats does not.
    let held = |item: &Item| match item.parts.iter().all(|part| part.holds == Holds::Copy) {
        true => 0,
        false => job.model.weights[item.weight].elements(),
    };
    let make = |batch: &'l [Item]| {
        let made = match batch {
            [alone] => one(alone)?,
            [large, copies @ ..] if held(large) > BATCH => {
                let copy = || copies.par_iter().try_for_each(|item| one(item).map(|_| ()));
                let (made, copied) = rayon::join(|| one(large), copy);
                copied.and(made)?
            }
            several => {
                several.par_iter().try_for_each(|item| writers.write(&one(item)?))?;
                Vec::new()
            }
        };
        // Writing a large weight would leave the other threads idle: it is written while the next one is made.
        Ok((!made.is_empty()).then_some(made))
    };
    pipelined(batches(&layout.items, held), make, |tensors: &Vec<Tensor>| writers.write(tensors))?;
    let mut keep = keep.into_inner().unwrap_or_else(|e| e.into_inner());
    if keep.is_empty() {
        return Ok(Pass::Done(reports.into_inner().unwrap_or_else(|e| e.into_inner())));
    }
    keep.sort_by_key(|(index, _)| *index);
    Ok(Pass::Keep(keep))
}

/// A weight and its values as they are worked on: in the precision that the recipe asks for.
fn worked<'j>(
    recipe: &Recipe,
    model: &'j Model,
    data: &'j ModelData,
    index: usize,
) -> Result<(Cow<'j, crate::model::Weight>, Values<'j>), RunError> {
    let weight = &model.weights[index];
    let values = values::read(data, model, weight)?;
    let worked = plan::in_precision(recipe, weight);
    let values = match values {
        Values::F32(values) if worked.dtype == DType::F16 => {
            Values::F16(values.par_iter().map(|value| precision::halved(*value)).collect::<Vec<_>>().into())
        }
        values => values,
    };
    Ok((worked, values))
}

/// How many values of a weight the precision that the recipe asks for cannot hold.
fn beyond_fp16(recipe: &Recipe, model: &Model, data: &ModelData, index: usize) -> Result<u64, RunError> {
    let weight = &model.weights[index];
    if plan::in_precision(recipe, weight).dtype == weight.dtype {
        return Ok(0);
    }
    Ok(match values::read(data, model, weight)? {
        Values::F32(values) => values.par_iter().filter(|value| is_beyond(**value)).count() as u64,
        Values::F16(_) | Values::Bf16(_) => 0,
    })
}

/// Quantizes one weight; `exact` where the codes of integers are those of its values as they are, whatever the precision
/// in which their scales are written. The inner error is why it must stay as it is.
#[allow(clippy::type_complexity)]
fn change(
    job: &Job,
    data: &ModelData,
    index: usize,
    fitted: &Fitted,
    (exact, cancel): (bool, &AtomicBool),
) -> Result<Result<(Made, WeightReport), Fact>, RunError> {
    let begun = Instant::now();
    let before = job.model.weights[index].bytes;
    let (weight, values) = worked(job.recipe, job.model, data, index)?;
    let beyond = beyond_fp16(job.recipe, job.model, data, index)?;
    if beyond > 0 {
        return Ok(Err(Fact::BeyondFp16(beyond)));
    }
    let weight = &*weight;
    let decision = &job.plan.decisions[index];
    let rule = decision.rule.unwrap_or(0);
    let scheme = job.recipe.rules.get(rule).and_then(|r| r.scheme.as_ref());
    let has_scale = |affine: &Affine| affine.scale.is_some();
    let made = match scheme.map(|scheme| &scheme.weights) {
        Some(WeightScheme::Affine(affine)) if exact && !has_scale(affine) => {
            let values = values::read(data, job.model, &job.model.weights[index])?;
            work::make_exact(weight, &values, fitted, job.format, cancel)
        }
        _ => work::make(weight, &values, fitted, job.format, cancel),
    };
    let made = match made {
        Ok(made) => made,
        Err(work::Stop::Keep(fact)) => return Ok(Err(fact)),
        Err(work::Stop::Error(error)) => return Err(error),
    };
    let report = WeightReport {
        name: weight.name.clone(),
        rule,
        scheme: scheme.map(ToString::to_string).unwrap_or_default(),
        elements: weight.elements(),
        before,
        after: size::bytes_with(weight, fitted, made.survivors),
        error: WeightError { noise: made.error.noise, signal: made.error.signal },
        max_error: made.error.largest,
        facts: made.facts.clone(),
        elapsed: begun.elapsed(),
    };
    Ok(Ok((made, report)))
}
