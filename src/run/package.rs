//! A run on a Core ML package: chains of compressed constants in place of weights, everything else as it was.
//!
//! The new file of weights is laid out before any weight is read, and written from front to back: weights are made
//! in that order, small ones side by side, each batch while the one before it is written.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use rayon::prelude::*;

use super::batch::batches;
use super::beside::pipelined;
use super::report::WeightReport;
use super::work;
use super::{Job, OutputFormat, Progress, Report, RunError};
use crate::check::Fact;
use crate::dtype::DType;
use crate::element::ElementType;
use crate::formats::coreml::proto::{BlobFileValue, Kept, Model as Message};
use crate::formats::coreml::{PackageWriter, StoredBlob};
use crate::formats::output::Destination;
use crate::graph::Name;
use crate::graph::function::Opset;
use crate::graph::index::Path as GraphPath;
use crate::lower::encode::{Shaped, encode, plain};
use crate::lower::layout::{Layout, Placed, Source};
use crate::lower::precision;
use crate::lower::rewrite::{Edits, Immediates, rewrite};
use crate::model::package::PackageModel;
use crate::model::{ModelData, ModelError};
use crate::plan::{self, Fitted, Outcome};

/// Runs a job whose model is a package.
///
/// # Errors
/// As [`super::run`].
pub fn run(
    job: &Job,
    package: &PackageModel,
    progress: &dyn Progress,
    cancel: &AtomicBool,
) -> Result<Report, RunError> {
    of(job, package, false, progress, cancel)
}

/// As [`run`]; `exact` as [`super::change`] has it.
///
/// # Errors
/// As [`super::run`].
pub fn of(
    job: &Job,
    package: &PackageModel,
    exact: bool,
    progress: &dyn Progress,
    cancel: &AtomicBool,
) -> Result<Report, RunError> {
    let begun = Instant::now();
    let mut kept: Vec<(usize, Fact)> = Vec::new();
    loop {
        let work = Work { exact, ..Work::new(job, package, &kept, cancel)? };
        match work.pass(progress, cancel)? {
            Ok(written) => {
                let stored = |index: usize| work.stored(index);
                return Ok(super::report(job, written.weights, &kept, stored, (written.bytes, begun)));
            }
            Err(more) => kept.extend(more),
        }
    }
}

/// What a pass wrote.
struct Written {
    weights: Vec<(usize, WeightReport)>,
    bytes: u64,
}

/// Neighbours in the new file, and the weights that must be made for them.
struct Batch<'a> {
    blobs: &'a [Placed],
    weights: Vec<usize>,
}

/// Blobs and the bytes of each.
pub(super) type Ready<'a> = (&'a [Placed], Vec<Bytes>);

/// The tensors of the chain of a weight and what is told of it, or why it must stay as it is.
type Outcomes = Vec<(usize, Result<(Vec<Bytes>, WeightReport), Fact>)>;

struct Work<'a> {
    job: &'a Job<'a>,
    package: &'a PackageModel,
    /// Whether codes are those of the values as they are, whatever the precision of their scales.
    exact: bool,
    /// The model's message, in the precision asked for; not yet edited.
    message: Kept<Message>,
    edits: Edits,
    layout: Layout,
    /// What becomes of each weight that changes, by its index.
    fitted: HashMap<usize, &'a Fitted>,
    /// The constants that are fp32 in a program that has become one of fp16, by function and name.
    floats: HashSet<(Name, Name)>,
}

/// The operator set that the output is written in: the recipe's, or the package's own where it names none.
///
/// # Errors
/// If the recipe's is older than the package's: what a newer set brought cannot be taken back.
pub fn operator_set(job: &Job, package: &PackageModel) -> Result<Option<Opset>, RunError> {
    match (package.opset(), job.recipe.written_opset(None)) {
        (Some(have), Some(asked)) if have > asked => Err(RunError::OlderTarget { have, asked }),
        (have, _) => Ok(job.recipe.written_opset(have)),
    }
}

impl<'a> Work<'a> {
    fn new(
        job: &'a Job<'a>,
        package: &'a PackageModel,
        kept: &[(usize, Fact)],
        cancel: &AtomicBool,
    ) -> Result<Self, RunError> {
        let set = operator_set(job, package)?;
        let data = job.model.open_data()?;
        let mut edits = Edits { set, ..Edits::default() };
        let mut fitted = HashMap::new();
        for (index, decision) in job.plan.decisions.iter().enumerate() {
            let Outcome::Change(scheme) = &decision.outcome else { continue };
            if kept.iter().any(|(kept, _)| *kept == index) {
                continue;
            }
            let weight = &*plan::in_precision(job.recipe, &job.model.weights[index]);
            let constant = &package.constants[index];
            let survivors = match scheme.sparse() {
                Some(sparse) if job.format == OutputFormat::MlPackage => {
                    let (weight, values) = super::worked(job.recipe, job.model, &data, index)?;
                    work::survivors(&weight, &values, sparse, cancel)?
                }
                _ => 0,
            };
            let shaped = Shaped { shape: &weight.shape, element: element(weight.dtype), survivors };
            let chain = match job.format {
                OutputFormat::MlPackage => {
                    let set = set.unwrap_or(Opset::CoreML5);
                    encode(shaped, scheme, set)
                        .map_err(|source| RunError::Encode { weight: weight.name.clone(), source })?
                }
                _ => plain(shaped),
            };
            edits.replace.extend(constant.places.iter().map(|place| (place.clone(), index)));
            edits.chains.insert(index, chain);
            fitted.insert(index, scheme);
        }
        let mut message = package.package.model().clone();
        let mut floats = HashSet::new();
        if job.recipe.halves() {
            let chosen: HashSet<GraphPath> = edits.replace.keys().cloned().collect();
            let mut moved = precision::to_fp16(&mut message, &chosen, &|file, offset| package.floats(file, offset));
            let replace = std::mem::take(&mut edits.replace).into_iter();
            let moved = replace.map(|(place, weight)| Ok((moved.remove(&place).ok_or(RunError::Layout)?, weight)));
            edits.replace = moved.collect::<Result<_, RunError>>()?;
            floats = precision::floats(&message);
        }
        let layout = rewrite(&mut message.clone(), &edits, &Immediates::new())?;
        Ok(Work { job, package, exact: false, message, edits, layout, fitted, floats })
    }

    /// Makes and writes everything. The inner error names the weights that must stay as they are.
    #[allow(clippy::type_complexity)]
    fn pass<'s>(
        &'s self,
        progress: &dyn Progress,
        cancel: &AtomicBool,
    ) -> Result<Result<Written, Vec<(usize, Fact)>>, RunError> {
        let job = self.job;
        let mut inputs = job.model.files.clone();
        inputs.push(job.model.path.clone());
        inputs.extend_from_slice(job.inputs);
        let destination = Destination { path: job.output, overwrite: job.overwrite, inputs: &inputs };
        let mut writer = PackageWriter::create(&destination)?;
        progress.begin(job.model.bytes());
        let data = job.model.open_data()?;
        let mut immediates = Immediates::new();
        let mut reports = Vec::new();
        let mut keep = Vec::new();
        let make = |batch: Batch<'s>| {
            let mut made = HashMap::new();
            for (index, outcome) in self.make(&data, &batch.weights, progress, cancel)? {
                match outcome {
                    Ok((tensors, mut report)) => {
                        report.after = report.after.saturating_add(self.beside(index));
                        self.immediates(index, &tensors, &mut immediates);
                        reports.push((index, report));
                        made.insert(index, tensors);
                    }
                    Err(fact) => keep.push((index, fact)),
                }
            }
            // Once a weight must stay, the pass is only about finding others like it.
            if keep.is_empty() { self.ready(batch.blobs, &made).map(Some) } else { Ok(None) }
        };
        pipelined(self.batches(), make, |ready| write(&mut writer, ready, cancel))?;
        if !keep.is_empty() {
            keep.sort_by_key(|(index, _)| *index);
            return Ok(Err(keep));
        }
        let mut message = self.message.clone();
        rewrite(&mut message, &self.edits, &immediates)?;
        writer.keep_extras(&self.package.package)?;
        super::refuse_cancelled(cancel)?;
        writer.commit(&message)?;
        let bytes = self.layout.blobs().last().map_or(0, |last| last.offset + 64 + last.bytes);
        Ok(Ok(Written { weights: reports, bytes }))
    }

    /// Bytes of a blob of the input in the new file, in whichever types it stands there.
    fn copies(&self, file: &str, offset: u64) -> u64 {
        let copies = [ElementType::Fp32, ElementType::Fp16].iter().filter_map(|element| {
            let source = Source::Copy { file: file.to_string(), offset };
            self.layout.placed(&source, *element)
        });
        copies.map(|placed| placed.bytes).sum()
    }

    /// Bytes of what stays of a weight beside what was put in its place: whoever takes it in fp32 where the program
    /// becomes one of fp16.
    fn beside(&self, index: usize) -> u64 {
        if !self.job.recipe.halves() {
            return 0;
        }
        self.package.constants[index].first.blobs.iter().map(|(blob, _)| self.copies(&blob.file, blob.offset)).sum()
    }

    /// Bytes of a weight that is not changed, as the new program holds it.
    fn stored(&self, index: usize) -> u64 {
        let (weight, constant) = (&self.job.model.weights[index], &self.package.constants[index].first);
        let (Some(bytes), Some(halved)) = (constant.bytes, constant.halved) else { return weight.bytes };
        if !self.job.recipe.halves() || bytes == halved {
            return weight.bytes;
        }
        let mut seen = HashSet::new();
        let floats = constant.blobs.iter().filter(|(blob, ty)| ty.element == ElementType::Fp32 && seen.insert(blob));
        let (mut in_files, mut written) = (0, 0);
        for (blob, ty) in floats {
            in_files += ty.bytes().unwrap_or(0);
            written += self.copies(&blob.file, blob.offset);
        }
        // What stands in the program goes with the operation that it is in.
        let stays = self.floats.contains(&(constant.function.clone(), constant.name.clone()));
        let inline = (bytes - halved).saturating_mul(2).saturating_sub(in_files);
        let inline = if stays { inline } else { inline / 2 };
        (bytes - (bytes - halved) * 2) + written + inline
    }

    /// The blobs of the new file cut into batches. Weights without any blob are made with the last one.
    fn batches(&self) -> Vec<Batch<'_>> {
        let blobs = self.layout.blobs();
        let mut seen = HashSet::new();
        // Each weight is made with the first of its blobs.
        let first_of = |blob: &Placed| match blob.source {
            Source::Made { weight, .. } => seen.insert(weight).then_some(weight),
            Source::Copy { .. } => None,
        };
        let firsts: Vec<Option<usize>> = blobs.iter().map(first_of).collect();
        let mut at = 0;
        let elements = |blob: &Placed| {
            at += 1;
            match &blob.source {
                Source::Made { .. } => firsts[at - 1].map_or(0, |weight| self.job.model.weights[weight].elements()),
                // What is copied as it is passes through without being held.
                Source::Copy { .. } if self.job.recipe.halves() => blob.count,
                Source::Copy { .. } => 0,
            }
        };
        let mut firsts = firsts.iter();
        let mut weights_of = |blobs: &[Placed]| firsts.by_ref().take(blobs.len()).flatten().copied().collect();
        let cut = batches(blobs, elements).into_iter();
        let mut batches: Vec<Batch> = cut.map(|blobs| Batch { blobs, weights: weights_of(blobs) }).collect();
        let mut rest: Vec<usize> = self.fitted.keys().copied().filter(|index| !seen.contains(index)).collect();
        rest.sort_unstable();
        match batches.last_mut() {
            Some(last) => last.weights.extend(rest),
            None => batches.push(Batch { blobs: &[], weights: rest }),
        }
        batches
    }

    /// Makes weights side by side, each with all its tensors.
    fn make(
        &self,
        data: &ModelData,
        weights: &[usize],
        progress: &dyn Progress,
        cancel: &AtomicBool,
    ) -> Result<Outcomes, RunError> {
        let one = |&index: &usize| {
            if cancel.load(Ordering::Relaxed) {
                return Err(RunError::Cancelled);
            }
            self.package.check_unchanged(index)?;
            let weight = &self.job.model.weights[index];
            let outcome = match super::change(self.job, data, index, self.fitted[&index], (self.exact, cancel))? {
                Ok((mut made, report)) => {
                    let tensors = self.edits.chains[&index].data().map(|data| Ok(made.data(data)?.into()));
                    let kernel = |source| RunError::Kernel { weight: weight.name.clone(), source };
                    Ok((tensors.collect::<Result<_, _>>().map_err(kernel)?, report))
                }
                Err(fact) => Err(fact),
            };
            progress.done(&weight.name, weight.bytes);
            Ok((index, outcome))
        };
        match weights {
            [alone] => Ok(vec![one(alone)?]),
            several => several.par_iter().map(one).collect(),
        }
    }

    /// Keeps the bytes of the tensors of a weight that stand in the program itself.
    fn immediates(&self, weight: usize, tensors: &[Bytes], immediates: &mut Immediates) {
        for (number, (data, bytes)) in self.edits.chains[&weight].data().zip(tensors).enumerate() {
            if data.is_immediate() {
                immediates.insert((weight, number), bytes.to_vec());
            }
        }
    }

    /// The bytes of the blobs of a batch: of its weights, or mapped from the input.
    fn ready<'b>(&self, blobs: &'b [Placed], made: &HashMap<usize, Vec<Bytes>>) -> Result<Ready<'b>, RunError> {
        let bytes = |blob: &Placed| match &blob.source {
            Source::Copy { file, offset } => self.copied(blob, file, *offset),
            Source::Made { weight, data } => {
                made.get(weight).and_then(|tensors| tensors.get(*data)).cloned().ok_or(RunError::Layout)
            }
        };
        Ok((blobs, blobs.iter().map(bytes).collect::<Result<_, _>>()?))
    }

    /// A blob of the input: as it is, or as fp16 where the program is converted.
    fn copied(&self, blob: &Placed, file: &str, offset: u64) -> Result<Bytes, RunError> {
        let reference = BlobFileValue { file_name: file.to_string(), offset };
        let stored = self.package.package.blob(&reference).map_err(ModelError::from)?;
        Ok(match (stored.element, blob.element) {
            (ElementType::Fp32, ElementType::Fp16) => halved(&stored).into(),
            _ => stored.bytes,
        })
    }
}

/// Writes blobs, each where the program says. On a thread of its own: it must not wait for rayon's.
pub(super) fn write(writer: &mut PackageWriter, (blobs, bytes): &Ready, cancel: &AtomicBool) -> Result<(), RunError> {
    for (blob, bytes) in blobs.iter().zip(bytes) {
        if cancel.load(Ordering::Relaxed) {
            return Err(RunError::Cancelled);
        }
        if writer.push(blob.element, blob.count, bytes)? != blob.offset {
            return Err(RunError::Layout);
        }
    }
    Ok(())
}

/// The type in which a program holds a weight: fp32, or fp16.
fn element(dtype: DType) -> ElementType {
    if dtype == DType::F32 { ElementType::Fp32 } else { ElementType::Fp16 }
}

fn halved(stored: &StoredBlob) -> Vec<u8> {
    let halve = |bytes: &[u8; 4]| -> [u8; 2] { precision::halved(f32::from_le_bytes(*bytes)).to_le_bytes() };
    stored.bytes.as_chunks().0.par_iter().flat_map_iter(halve).collect()
}
