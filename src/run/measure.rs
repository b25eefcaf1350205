//! What a scheme would make of a weight, worked out with the kernels of a run, and written nowhere.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use half::{bf16, f16};

use super::work::{self, Stop};
use super::{OutputFormat, RunError, beyond_fp16, worked};
use crate::check::Fact;
use crate::model::{Model, ModelData};
use crate::plan::{Fitted, size};
use crate::quant::power::Power;
use crate::recipe::Recipe;
use crate::values::{Values, read};

/// A model with its data, and the recipe whose settings hold.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The recipe: its precision, its arithmetic.
    pub recipe: &'a Recipe,
    /// The model.
    pub model: &'a Model,
    /// Its files, open.
    pub data: &'a ModelData,
}

/// What a scheme made of a weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Bytes after, as Core ML and the packed format store it.
    pub bytes: u64,
    /// How far it is from the original values.
    pub error: Power,
    /// What its values show.
    pub facts: Vec<Fact>,
    /// How long reading and the kernel took.
    pub elapsed: Duration,
}

impl Subject<'_> {
    /// The values of a weight, as the file has them. The index is one of `Model::weights`.
    ///
    /// # Errors
    /// If the file cannot be read or has changed.
    pub fn values(&self, index: usize) -> Result<Vec<f32>, RunError> {
        Ok(read(self.data, self.model, &self.model.weights[index])?.to_f32())
    }

    /// Quantizes a weight and measures what comes of it, in the arithmetic of the format that a run would write. The
    /// inner error is why it would stay as it is.
    ///
    /// # Errors
    /// If cancelled, if the file cannot be read, or the kernel refuses.
    pub fn measure(
        &self,
        index: usize,
        fitted: &Fitted,
        cancel: &AtomicBool,
    ) -> Result<Result<Measured, Fact>, RunError> {
        let tried = self.make(index, fitted, (OutputFormat::default_for(self.model), false), cancel)?;
        Ok(tried.map(|tried| tried.measured))
    }

    /// The values that a scheme would leave of a weight. The inner error is why it would stay as it is.
    ///
    /// # Errors
    /// As [`Subject::measure`].
    pub fn decoded(
        &self,
        index: usize,
        fitted: &Fitted,
        cancel: &AtomicBool,
    ) -> Result<Result<(Vec<f32>, Measured), Fact>, RunError> {
        self.decoded_as(index, fitted, false, cancel)
    }

    /// As [`Subject::decoded`]; `exact` where the codes of integers are those of the values as they are, whatever the
    /// precision of their scales, as a run has it for exports.
    ///
    /// # Errors
    /// As [`Subject::measure`].
    #[allow(clippy::type_complexity)]
    pub fn decoded_as(
        &self,
        index: usize,
        fitted: &Fitted,
        exact: bool,
        cancel: &AtomicBool,
    ) -> Result<Result<(Vec<f32>, Measured), Fact>, RunError> {
        let tried = self.make(index, fitted, (OutputFormat::Dequantized, exact), cancel)?;
        Ok(tried.map(|mut tried| {
            let bytes = tried.made.decoded();
            // What was worked on exactly is as wide as its values were.
            let is_wide = tried.width == Width::F16 && bytes.len() as u64 == tried.elements.saturating_mul(4);
            let width = if is_wide { Width::F32 } else { tried.width };
            (width.read(&bytes), tried.measured)
        }))
    }

    fn make(
        &self,
        index: usize,
        fitted: &Fitted,
        (format, exact): (OutputFormat, bool),
        cancel: &AtomicBool,
    ) -> Result<Result<Tried, Fact>, RunError> {
        let begun = Instant::now();
        let beyond = beyond_fp16(self.recipe, self.model, self.data, index)?;
        if beyond > 0 {
            return Ok(Err(Fact::BeyondFp16(beyond)));
        }
        let (weight, values) = worked(self.recipe, self.model, self.data, index)?;
        let width = Width::of(&values);
        let made = match exact {
            true => {
                let values = read(self.data, self.model, &self.model.weights[index])?;
                work::make_exact(&weight, &values, fitted, format, cancel)
            }
            false => work::make(&weight, &values, fitted, format, cancel),
        };
        match made {
            Ok(made) => {
                let measured = Measured {
                    bytes: size::bytes_with(&weight, fitted, made.survivors),
                    error: made.error,
                    facts: made.facts.clone(),
                    elapsed: begun.elapsed(),
                };
                Ok(Ok(Tried { made, width, elements: weight.elements(), measured }))
            }
            Err(Stop::Keep(fact)) => Ok(Err(fact)),
            Err(Stop::Error(error)) => Err(error),
        }
    }
}

/// What a kernel has made, and what was measured of it.
struct Tried {
    made: work::Made,
    width: Width,
    elements: u64,
    measured: Measured,
}

/// The type in which values were worked on, and are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    F32,
    F16,
    Bf16,
}

impl Width {
    fn of(values: &Values) -> Width {
        match values {
            Values::F32(_) => Width::F32,
            Values::F16(_) => Width::F16,
            Values::Bf16(_) => Width::Bf16,
        }
    }

    fn read(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Width::F32 => bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect(),
            Width::F16 => bytes.as_chunks::<2>().0.iter().map(|chunk| f16::from_le_bytes(*chunk).to_f32()).collect(),
            Width::Bf16 => bytes.as_chunks::<2>().0.iter().map(|chunk| bf16::from_le_bytes(*chunk).to_f32()).collect(),
        }
    }
}
