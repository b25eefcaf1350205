//! Labels of test data: integers, one for each sample or for each position of it.

use std::ops::Range;

use super::{EvalError, Task};
use crate::convert::Interface;
use crate::dtype::DType;
use crate::exec::Tensor;
use crate::formats::safetensors::{Reader, TensorInfo};
use crate::graph::{ElementType, Name};
use crate::pt2e::{SampleError, Samples};
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
    pub fn find(task: &Task, inputs: &[Interface], samples: &Samples) -> Result<Option<Labels>, EvalError> {
        let reader = Reader::open(task.data).map_err(SampleError::from)?;
        let is_input = |name: &str| inputs.iter().any(|input| *input.name == *name);
        let named = |name: &str| {
            let tensor = |name: &str| reader.header().tensors.get(reader.header().index_of(name)?);
            // Samples may be numbered, and then labels may be too: a tensor for each batch.
            let numbered = || (0..).map_while(|number| tensor(&format!("{name}.{number}"))).collect::<Vec<_>>();
            let found = tensor(name).map_or_else(numbered, |one| vec![one]);
            (!found.is_empty()).then_some((name.to_owned(), found))
        };
        let found = match task.label {
            Some(name) => Some(named(name).ok_or_else(|| missing(&reader, name, is_input))?),
            None => USUAL.into_iter().filter(|name| !is_input(name)).find_map(named),
        };
        if let Some((name, tensors)) = found {
            return stored(&reader, name, &tensors, samples, task.samples.is_some()).map(Some);
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
fn stored(
    reader: &Reader,
    name: String,
    tensors: &[&TensorInfo],
    samples: &Samples,
    is_part: bool,
) -> Result<Labels, EvalError> {
    let wrong = |info: &TensorInfo, what: String| {
        EvalError::Labels(format!("{}: the labels `{}` {what}", reader.path().display(), shown(&info.name)))
    };
    let is_numbered = tensors.first().is_some_and(|info| info.name != name);
    let (mut shape, mut values, mut rows) = (Vec::new(), Vec::new(), 0usize);
    for (number, info) in tensors.iter().enumerate() {
        let own = info.shape.first().copied().unwrap_or(0);
        if is_numbered {
            let Some(wanted) = samples.rows(number) else { break };
            if own != wanted {
                let batch = count(wanted, "sample");
                return Err(wrong(info, format!("are of shape {:?}, and batch {number} has {batch}", info.shape)));
            }
            if number > 0 && info.shape.get(1..) != shape.get(1..) {
                return Err(wrong(info, format!("are of shape {:?}, and those before of another", info.shape)));
            }
        }
        if number == 0 {
            shape.clone_from(&info.shape);
        }
        values.extend(integers(reader, info)?.map_err(|what| wrong(info, what))?);
        rows = rows.saturating_add(own);
    }
    if let Some(first) = shape.first_mut() {
        *first = rows;
    }
    let wanted = samples.count();
    if (rows as u64) < wanted || (rows as u64 > wanted && !is_part) {
        let there = count(usize::try_from(wanted).unwrap_or(usize::MAX), "sample");
        let first = tensors.first().copied();
        return Err(match first {
            Some(info) if !is_numbered => wrong(info, format!("are of shape {shape:?}, and there are {there}")),
            _ => EvalError::Labels(format!(
                "{}: the labels `{}.0` and on are {rows}, and there are {there}",
                reader.path().display(),
                shown(&name)
            )),
        });
    }
    Ok(Labels::Stored { name, shape, values })
}

/// The integers of a tensor; else why they are none.
fn integers(reader: &Reader, info: &TensorInfo) -> Result<Result<Vec<i64>, String>, EvalError> {
    let bytes = reader.tensor(&info.name).map_err(SampleError::from)?;
    Ok(Ok(match info.dtype.dtype() {
        DType::I64 => bytes.as_chunks().0.iter().map(|raw| i64::from_le_bytes(*raw)).collect(),
        DType::I32 => bytes.as_chunks().0.iter().map(|raw| i64::from(i32::from_le_bytes(*raw))).collect(),
        DType::I16 => bytes.as_chunks().0.iter().map(|raw| i64::from(i16::from_le_bytes(*raw))).collect(),
        DType::U16 => bytes.as_chunks().0.iter().map(|raw| i64::from(u16::from_le_bytes(*raw))).collect(),
        DType::I8 => bytes.iter().map(|byte| i64::from(byte.cast_signed())).collect(),
        DType::U8 | DType::Bool => bytes.iter().map(|byte| i64::from(*byte)).collect(),
        _ => return Ok(Err(format!("are of {}, and labels are integers", info.dtype))),
    }))
}
