//! A run on a Core ML package: chains of compressed constants in place of weights, everything else as it was.
//!
//! The new file of weights is laid out before any weight is read, and written from front to back: weights are made
//! in that order, small ones side by side.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use super::report::WeightReport;
use super::work::{self, Made};
use super::{Job, OutputFormat, Progress, Report, RunError};
use crate::check::Fact;
use crate::dtype::DType;
use crate::element::ElementType;
use crate::formats::coreml::proto::{BlobFileValue, Kept, Model as Message};
use crate::formats::coreml::{PackageWriter, StoredBlob};
use crate::formats::output::Destination;
use crate::graph::function::Opset;
use crate::graph::index::Path as GraphPath;
use crate::lower::encode::{Shaped, encode, plain};
use crate::lower::layout::{Layout, Placed, Source};
use crate::lower::rewrite::{Edits, Immediates, rewrite};
use crate::lower::{Chain, precision};
use crate::model::ModelError;
use crate::model::package::PackageModel;
use crate::plan::{self, Fitted, Outcome};

/// Elements of weights that are made side by side.
const BATCH: u64 = 4 << 20;

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
    let begun = Instant::now();
    let mut kept: Vec<(usize, Fact)> = Vec::new();
    loop {
        let work = Work::new(job, package, &kept, cancel)?;
        match work.pass(progress, cancel)? {
            Ok(written) => return Ok(super::report(job, written.weights, &kept, written.bytes, begun)),
            Err(more) => kept.extend(more),
        }
    }
}

/// What a pass wrote.
struct Written {
    weights: Vec<(usize, WeightReport)>,
    bytes: u64,
}

struct Work<'a> {
    job: &'a Job<'a>,
    package: &'a PackageModel,
    /// The model's message, in the precision asked for; not yet edited.
    message: Kept<Message>,
    edits: Edits,
    layout: Layout,
    /// What becomes of each weight that changes, by its index.
    fitted: HashMap<usize, &'a Fitted>,
}

/// The operator set that the output is written in: the recipe's, or the package's own where it names none.
///
/// # Errors
/// If the recipe's is older than the package's: what a newer set brought cannot be taken back.
pub fn operator_set(job: &Job, package: &PackageModel) -> Result<Option<Opset>, RunError> {
    let have = package.opset();
    let Some(asked) = job.recipe.operator_set().and_then(|set| Opset::by_name(set.name)) else { return Ok(have) };
    match have {
        Some(have) if have > asked => Err(RunError::OlderTarget { have, asked }),
        _ => Ok(Some(asked)),
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
                    let (weight, values) = super::worked(job, &data, index)?;
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
        if job.recipe.halves() {
            let chosen: HashSet<GraphPath> = edits.replace.keys().cloned().collect();
            let mut moved = precision::to_fp16(&mut message, &chosen, &|file, offset| package.floats(file, offset));
            let replace = std::mem::take(&mut edits.replace).into_iter();
            edits.replace = replace.map(|(place, weight)| (moved.remove(&place).unwrap_or(place), weight)).collect();
        }
        let layout = rewrite(&mut message.clone(), &edits, &Immediates::new())?;
        Ok(Work { job, package, message, edits, layout, fitted })
    }

    /// Makes and writes everything. The inner error names the weights that must stay as they are.
    #[allow(clippy::type_complexity)]
    fn pass(
        &self,
        progress: &dyn Progress,
        cancel: &AtomicBool,
    ) -> Result<Result<Written, Vec<(usize, Fact)>>, RunError> {
        let job = self.job;
        let mut inputs = job.model.files.clone();
        inputs.push(job.model.path.clone());
        inputs.extend_from_slice(job.inputs);
        let destination = Destination { path: job.output, overwrite: job.overwrite, inputs: &inputs };
        let mut writer = PackageWriter::create(&destination)?;
        progress.begin(job.model.weights.iter().map(|weight| weight.bytes).sum());
        let mut immediates = Immediates::new();
        let mut reports = Vec::new();
        let mut keep = Vec::new();
        let mut blobs = self.layout.blobs().iter().peekable();
        let order = self.order();
        let mut batches = self.batches(&order).into_iter();
        let mut made: HashMap<usize, Made> = HashMap::new();
        loop {
            // What is ready goes out in the order of the layout. Once a weight must stay, the pass is only about finding
            // others like it.
            while let (true, Some(blob)) = (keep.is_empty(), blobs.peek()) {
                match &blob.source {
                    Source::Copy { file, offset } => self.copy(&mut writer, blob, file, *offset)?,
                    Source::Made { weight, data } => match made.get(weight) {
                        Some(weight_made) => self.put(&mut writer, blob, *weight, *data, weight_made)?,
                        None => break,
                    },
                }
                if cancel.load(Ordering::Relaxed) {
                    return Err(RunError::Cancelled);
                }
                blobs.next();
            }
            let Some(batch) = batches.next() else { break };
            made.clear();
            for (index, outcome) in self.batch(batch, progress, cancel)? {
                match outcome {
                    Ok((weight_made, report)) => {
                        self.immediates(index, &weight_made, &mut immediates)?;
                        reports.push((index, report));
                        made.insert(index, weight_made);
                    }
                    Err(fact) => keep.push((index, fact)),
                }
            }
        }
        if !keep.is_empty() {
            keep.sort_by_key(|(index, _)| *index);
            return Ok(Err(keep));
        }
        let mut message = self.message.clone();
        rewrite(&mut message, &self.edits, &immediates)?;
        writer.keep_extras(&self.package.package)?;
        writer.commit(&message)?;
        let bytes = self.layout.blobs().last().map_or(0, |last| last.offset + 64 + last.bytes);
        Ok(Ok(Written { weights: reports, bytes }))
    }

    /// The weights in the order in which their first blobs lie; those without any blob at the end.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = Vec::new();
        let mut seen = HashSet::new();
        for blob in self.layout.blobs() {
            if let Source::Made { weight, .. } = blob.source
                && seen.insert(weight)
            {
                order.push(weight);
            }
        }
        let mut rest: Vec<usize> = self.fitted.keys().copied().filter(|index| seen.insert(*index)).collect();
        rest.sort_unstable();
        order.extend(rest);
        order
    }

    fn batches<'o>(&self, order: &'o [usize]) -> Vec<&'o [usize]> {
        let mut batches = Vec::new();
        let (mut begin, mut sum) = (0, 0u64);
        for (at, index) in order.iter().enumerate() {
            let elements = self.job.model.weights[*index].elements();
            if at > begin && sum + elements > BATCH {
                batches.push(&order[begin..at]);
                (begin, sum) = (at, 0);
            }
            sum += elements;
        }
        if begin < order.len() {
            batches.push(&order[begin..]);
        }
        batches
    }

    #[allow(clippy::type_complexity)]
    fn batch(
        &self,
        batch: &[usize],
        progress: &dyn Progress,
        cancel: &AtomicBool,
    ) -> Result<Vec<(usize, Result<(Made, WeightReport), Fact>)>, RunError> {
        let data = self.job.model.open_data()?;
        let one = |index: &usize| {
            if cancel.load(Ordering::Relaxed) {
                return Err(RunError::Cancelled);
            }
            let weight = &self.job.model.weights[*index];
            let outcome = super::change(self.job, &data, *index, self.fitted[index], cancel)?;
            progress.done(&weight.name, weight.bytes);
            Ok((*index, outcome))
        };
        match batch {
            [alone] => Ok(vec![one(alone)?]),
            several => several.par_iter().map(one).collect(),
        }
    }

    fn chain(&self, weight: usize) -> &Chain {
        &self.edits.chains[&weight]
    }

    /// Keeps the bytes of the tensors of a weight that stand in the program itself.
    fn immediates(&self, weight: usize, made: &Made, immediates: &mut Immediates) -> Result<(), RunError> {
        for (number, data) in self.chain(weight).data().enumerate() {
            if data.is_immediate() {
                let bytes = made.data(data).map_err(|source| self.kernel(weight, source))?;
                immediates.insert((weight, number), bytes.into_owned());
            }
        }
        Ok(())
    }

    fn kernel(&self, weight: usize, source: crate::quant::QuantError) -> RunError {
        RunError::Kernel { weight: self.job.model.weights[weight].name.clone(), source }
    }

    fn put(
        &self,
        writer: &mut PackageWriter,
        blob: &Placed,
        weight: usize,
        data: usize,
        made: &Made,
    ) -> Result<(), RunError> {
        let described = self.chain(weight).data().nth(data).ok_or(RunError::Layout)?;
        let bytes = made.data(described).map_err(|source| self.kernel(weight, source))?;
        let offset = writer.push(blob.element, blob.count, &bytes)?;
        if offset == blob.offset { Ok(()) } else { Err(RunError::Layout) }
    }

    /// Copies a blob of the input: as it is, or as fp16 where the program is converted.
    fn copy(&self, writer: &mut PackageWriter, blob: &Placed, file: &str, offset: u64) -> Result<(), RunError> {
        let reference = BlobFileValue { file_name: file.to_string(), offset };
        let stored = self.package.package.blob(&reference).map_err(ModelError::from)?;
        let at = match (stored.element, blob.element) {
            (ElementType::Fp32, ElementType::Fp16) => writer.push(blob.element, blob.count, &halved(&stored))?,
            _ => writer.push(blob.element, blob.count, &stored.bytes)?,
        };
        if at == blob.offset { Ok(()) } else { Err(RunError::Layout) }
    }
}

/// The type in which a program holds a weight: fp32, or fp16.
fn element(dtype: DType) -> ElementType {
    if dtype == DType::F32 { ElementType::Fp32 } else { ElementType::Fp16 }
}

fn halved(stored: &StoredBlob) -> Vec<u8> {
    let halve = |bytes: &[u8; 4]| -> [u8; 2] { precision::halved(f32::from_le_bytes(*bytes)).to_le_bytes() };
    stored.bytes.as_chunks().0.par_iter().flat_map_iter(halve).collect()
}
