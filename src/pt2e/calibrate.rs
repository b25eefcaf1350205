//! Ranges from samples: the program runs on each batch, and every value at a site widens the range of its group.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use thiserror::Error;

use super::observe::{Averaging, Parameters, Range};
use super::sites::Sites;
use crate::exec::tensor::TensorError;
use crate::exec::{ExecError, Executable, Observed, Observer, Session, Tensor};
use crate::graph::Name;
use crate::words::shown;

/// How ranges are found.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Calibration {
    /// What becomes of a range when there is a new batch.
    pub averaging: Averaging,
    /// Whether values stay in float while samples run. Else each becomes codes with the range so far, as upstream has
    /// it, so that what comes after is seen as it will be.
    pub in_float: bool,
}

/// What samples have shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calibrated {
    /// The range of each group of the sites; `None` for those that were never computed.
    pub ranges: Vec<Option<Range>>,
    /// The parameters of each group.
    pub parameters: Vec<Option<Parameters>>,
    /// How many batches were run.
    pub batches: usize,
}

/// Why there are no ranges.
#[derive(Debug, Error)]
pub enum CalibrateError {
    /// A batch cannot be run.
    #[error("batch {number} of the samples cannot be run: {source}")]
    Run {
        /// Which, from 1.
        number: usize,
        /// Why.
        source: Box<ExecError>,
    },
    /// A value that is no number.
    #[error("with batch {number} of the samples `{}` is not finite", shown(value))]
    NotFinite {
        /// Which batch, from 1.
        number: usize,
        /// The value.
        value: String,
    },
    /// Nothing to learn from.
    #[error("there are no samples")]
    Nothing,
    /// It was asked to stop.
    #[error("interrupted")]
    Cancelled,
}

/// A batch: tensors by the names of inputs.
pub type Batch = Vec<(Name, Tensor)>;

/// Finds ranges. `names` are those of the values at the sites, in the program that `executable` runs; `batch` gives the
/// batch of a number below `batches`; `progress` is told when one is done.
///
/// # Errors
/// If a batch cannot be had or run, or a value is not finite.
pub fn calibrate<E: From<CalibrateError>>(
    (executable, names): (&Executable, &[Name]),
    sites: &Sites,
    calibration: Calibration,
    (batches, batch): (usize, &dyn Fn(usize) -> Result<Batch, E>),
    (progress, cancel): (&dyn Fn(usize), &AtomicBool),
) -> Result<Calibrated, E> {
    if batches == 0 {
        return Err(CalibrateError::Nothing.into());
    }
    let constants = of_constants(executable, names, sites, calibration);
    let (ranges, rounded) = constants.map_err(|source| CalibrateError::Run { number: 1, source: source.into() })?;
    let executable = rounded.as_ref().unwrap_or(executable);
    let groups = names.iter().zip(&sites.all).map(|(name, site)| (name.clone(), site.group)).collect();
    let mut watcher = Watcher { sites, calibration, groups, ranges, not_finite: None };
    for number in 0..batches {
        let inputs = batch(number)?;
        let inputs = inputs.iter().map(|(name, tensor)| (&**name, tensor.clone()));
        let mut session = Session { cancel: Some(cancel), observer: Some(&mut watcher), ..Session::default() };
        let ran = executable.run_with(inputs, &mut session);
        if cancel.load(Ordering::Relaxed) {
            return Err(CalibrateError::Cancelled.into());
        }
        if let Some(value) = watcher.not_finite.take() {
            return Err(CalibrateError::NotFinite { number: number + 1, value }.into());
        }
        ran.map_err(|source| CalibrateError::Run { number: number + 1, source: source.into() })?;
        progress(number + 1);
    }
    let ranges = watcher.ranges;
    let parameters = ranges.iter().zip(&sites.groups).map(|(range, spec)| Some(Parameters::of(*spec, (*range)?)));
    Ok(Calibrated { parameters: parameters.collect(), ranges, batches })
}

/// The ranges of constants, which no sample changes, and the program with these as they will be. Those that are not
/// finite have none, and stay as they are.
fn of_constants(
    executable: &Executable,
    names: &[Name],
    sites: &Sites,
    calibration: Calibration,
) -> Result<(Vec<Option<Range>>, Option<Executable>), ExecError> {
    let mut ranges = vec![None; sites.groups.len()];
    let mut rounded: Option<Executable> = None;
    // What is computed from one that was rounded is looked at as it will be.
    for (name, site) in names.iter().zip(&sites.all) {
        let program = rounded.as_ref().unwrap_or(executable);
        let Some(constant) = program.constant(name)? else { continue };
        let Some(range) = constant.as_floats().and_then(Range::of).filter(|range| range.is_finite()) else { continue };
        let parameters = Parameters::of(sites.groups[site.group], range);
        if !parameters.scale.is_finite() {
            continue;
        }
        ranges[site.group] = Some(range);
        if !calibration.in_float
            && let Some(Ok(tensor)) = rounded_to(&constant, parameters)
        {
            rounded = Some(program.with_constants([(name.to_string(), tensor)])?);
        }
    }
    Ok((ranges, rounded))
}

/// The nearest values that codes stand for.
fn rounded_to(tensor: &Tensor, parameters: Parameters) -> Option<Result<Tensor, TensorError>> {
    let values = tensor.as_floats()?;
    let mut rounded = vec![0f32; values.len()];
    let pieces = rounded.par_chunks_mut(PIECE).zip(values.par_chunks(PIECE));
    pieces.for_each(|(to, from)| parameters.round(from, to));
    Some(Tensor::new(tensor.element(), tensor.shape().to_vec(), rounded))
}

struct Watcher<'s> {
    sites: &'s Sites,
    calibration: Calibration,
    /// The groups of values by their names.
    groups: HashMap<Name, usize>,
    ranges: Vec<Option<Range>>,
    not_finite: Option<String>,
}

/// Values that one thread takes at a time.
const PIECE: usize = 1 << 15;

impl Observer for Watcher<'_> {
    fn observe(&mut self, observed: Observed<'_>) -> Result<Option<Tensor>, String> {
        let Some(group) = self.groups.get(observed.name).copied() else { return Ok(None) };
        let Some(values) = observed.value.as_floats() else { return Ok(None) };
        let parts = values.par_chunks(PIECE).filter_map(Range::of);
        let Some(batch) = parts.reduce_with(|a, b| match a.is_finite() {
            true => {
                if b.is_finite() {
                    a.with(b, Averaging::None)
                } else {
                    b
                }
            }
            false => a,
        }) else {
            return Ok(None);
        };
        if !batch.is_finite() {
            self.not_finite = Some(observed.name.to_string());
            return Err("a value is not finite".to_owned());
        }
        let range = self.ranges[group].map_or(batch, |range| range.with(batch, self.calibration.averaging));
        self.ranges[group] = Some(range);
        let parameters = Parameters::of(self.sites.groups[group], range);
        // Ends that are finite may lie too far apart for a step between codes.
        if !parameters.scale.is_finite() {
            self.not_finite = Some(observed.name.to_string());
            return Err("a range is not finite".to_owned());
        }
        if self.calibration.in_float {
            return Ok(None);
        }
        rounded_to(observed.value, parameters).transpose().map_err(|error| error.to_string())
    }
}
