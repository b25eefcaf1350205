//! Labels of test data: integers, one for each sample or for each position of it.

use std::ops::Range;

use super::{EvalError, Task};
use crate::convert::Interface;
use crate::dtype::DType;
use crate::exec::Tensor;
use crate::formats::safetensors::{Reader, TensorInfo};
use crate::graph::{ElementType, Name};
use crate::pt2e::SampleError;
use crate::words::{count, shown};

/// A label that counts for nothing, as PyTorch's losses have it.
pub const IGNORED: i64 = -100;

/// The names of tensors that are labels where nobody says so.
const USUAL: [&str; 2] = ["label", "labels"];

/// Labels of all samples.
#[derive(Debug)]
pub enum Labels {
    /// From the file of the samples.
    Stored {
        /// The tensor.
        name: String,
        /// Its shape: samples come first.
        shape: Vec<usize>,
        /// Row by row.
        values: Vec<i64>,
    },
    /// The values of an input, one later along its last dimension. Nothing follows the last.
    Next(Name),
}

/// Labels of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchLabels {
    /// The samples of the batch come first.
    pub shape: Vec<usize>,
    /// Row by row.
    pub values: Vec<i64>,
}

impl Labels {
    /// Finds the labels that a task means; there are none where it names none and the data have none under a usual
    /// name. They must be integers, one row for each sample at least.
    pub fn find(task: &Task, inputs: &[Interface], samples: u64) -> Result<Option<Labels>, EvalError> {
        let reader = Reader::open(task.data).map_err(SampleError::from)?;
        let tensors = &reader.header().tensors;
        let is_input = |name: &str| inputs.iter().any(|input| *input.name == *name);
        let named = |name: &str| tensors.iter().find(|info| info.name == name);
        let found = match task.label {
            Some(name) => Some(named(name).ok_or_else(|| missing(&reader, name, is_input))?),
            None => USUAL.into_iter().filter(|name| !is_input(name)).find_map(named),
        };
        if let Some(info) = found {
            return stored(&reader, info, (samples, task.samples.is_some())).map(Some);
        }
        if !task.next_token {
            return Ok(None);
        }
        let mut tokens = inputs.iter().filter(|input| is_integer(input.element) && input.dimensions.len() > 1);
        match (tokens.next(), tokens.next()) {
            (Some(one), None) => Ok(Some(Labels::Next(one.name.clone()))),
            (None, _) => Err(EvalError::Asked(
                "no input of the model is a sequence of integers, so there are no next tokens in it: name labels with \
                 --label"
                    .to_owned(),
            )),
            (Some(_), Some(_)) => Err(EvalError::Asked(
                "several inputs of the model are sequences of integers, so it is not told whose tokens come next: name \
                 labels with --label"
                    .to_owned(),
            )),
        }
    }

    /// The tensor that they are in, if they are in one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Labels::Stored { name, .. } => Some(name),
            Labels::Next(_) => None,
        }
    }

    /// What they are called in messages.
    pub fn described(&self) -> String {
        match self {
            Labels::Stored { name, shape, .. } => format!("the labels `{}` of shape {shape:?}", shown(name)),
            Labels::Next(input) => format!("the next tokens of `{}`", shown(input)),
        }
    }

    /// The labels of a batch of samples.
    pub fn batch(&self, inputs: &[(Name, Tensor)], samples: Range<usize>) -> Result<BatchLabels, EvalError> {
        let short = || EvalError::Labels(format!("{} are fewer than the samples", self.described()));
        match self {
            Labels::Stored { shape, values, .. } => {
                let each = shape.iter().skip(1).product::<usize>();
                let part = samples.start.saturating_mul(each)..samples.end.saturating_mul(each);
                let values = values.get(part).ok_or_else(short)?.to_vec();
                let rest = shape.iter().skip(1).copied();
                Ok(BatchLabels { shape: std::iter::once(samples.len()).chain(rest).collect(), values })
            }
            Labels::Next(name) => {
                let tensor = inputs.iter().find(|(input, _)| input == name).map(|(_, tensor)| tensor);
                let tensor = tensor.ok_or_else(short)?;
                let (shape, tokens) = (tensor.shape().to_vec(), tensor.as_ints().ok_or_else(short)?);
                let length = shape.last().copied().unwrap_or(1).max(1);
                let next = |row: &[i32]| {
                    let later = row.iter().skip(1).map(|token| i64::from(*token));
                    later.chain([IGNORED]).collect::<Vec<_>>()
                };
                let values = tokens.chunks(length).flat_map(next).collect();
                Ok(BatchLabels { shape, values })
            }
        }
    }
}

fn is_integer(element: ElementType) -> bool {
    element.is_integer() && element != ElementType::Bool
}

/// How many names a message lists.
const LISTED: usize = 8;

fn missing(reader: &Reader, name: &str, is_input: impl Fn(&str) -> bool) -> EvalError {
    let others = reader.header().tensors.iter().filter(|info| !is_input(&info.name));
    let others: Vec<String> = others.take(LISTED).map(|info| format!("`{}`", shown(&info.name))).collect();
    let others = if others.is_empty() { "nothing".to_owned() } else { others.join(", ") };
    let path = reader.path().display();
    EvalError::Labels(format!("{path}: has no labels `{}`: beside the inputs it holds {others}", shown(name)))
}

/// Reads labels of all samples; of more where these are but the first of them.
fn stored(reader: &Reader, info: &TensorInfo, (samples, is_part): (u64, bool)) -> Result<Labels, EvalError> {
    let wrong = |what: String| {
        EvalError::Labels(format!("{}: the labels `{}` {what}", reader.path().display(), shown(&info.name)))
    };
    let bytes = reader.tensor(&info.name).map_err(SampleError::from)?;
    let dtype = info.dtype.dtype();
    let values: Vec<i64> = match dtype {
        DType::I64 => bytes.as_chunks().0.iter().map(|raw| i64::from_le_bytes(*raw)).collect(),
        DType::I32 => bytes.as_chunks().0.iter().map(|raw| i64::from(i32::from_le_bytes(*raw))).collect(),
        DType::I16 => bytes.as_chunks().0.iter().map(|raw| i64::from(i16::from_le_bytes(*raw))).collect(),
        DType::U16 => bytes.as_chunks().0.iter().map(|raw| i64::from(u16::from_le_bytes(*raw))).collect(),
        DType::I8 => bytes.iter().map(|byte| i64::from(byte.cast_signed())).collect(),
        DType::U8 | DType::Bool => bytes.iter().map(|byte| i64::from(*byte)).collect(),
        _ => return Err(wrong(format!("are of {}, and labels are integers", info.dtype))),
    };
    let rows = info.shape.first().copied().unwrap_or(0);
    if (rows as u64) < samples || (rows as u64 > samples && !is_part) {
        let samples = count(usize::try_from(samples).unwrap_or(usize::MAX), "sample");
        return Err(wrong(format!("are of shape {:?}, and there are {samples}", info.shape)));
    }
    Ok(Labels::Stored { name: info.name.clone(), shape: info.shape.clone(), values })
}
