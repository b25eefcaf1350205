//! Samples for calibration from a safetensors file: a tensor for each input of the program, samples along its first
//! dimension; or numbered ones (`image.0`, `image.1`, …), each a batch.

use std::path::{Path, PathBuf};

use half::{bf16, f16};
use thiserror::Error;

use super::calibrate::Batch;
use crate::convert::Interface;
use crate::dtype::DType;
use crate::exec::Tensor;
use crate::exec::tensor::Data;
use crate::formats::safetensors::{Reader, SafetensorsError, TensorInfo};
use crate::graph::{ElementType, Name};
use crate::words::{count, shown};

/// Why samples cannot be used.
#[derive(Debug, Error)]
pub enum SampleError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] SafetensorsError),
    /// An input has no samples.
    #[error("{}: has no samples for the input `{}`: it holds {found}", path.display(), shown(input))]
    Missing {
        /// The file.
        path: PathBuf,
        /// The input.
        input: String,
        /// What there is.
        found: String,
    },
    /// A tensor does not fit its input.
    #[error("{}: the samples `{}` {what}", path.display(), shown(tensor))]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is wrong.
        what: String,
    },
}

/// Samples that fit a program.
#[derive(Debug)]
pub struct Samples {
    reader: Reader,
    inputs: Vec<Input>,
    batches: usize,
    samples: u64,
}

/// The samples of an input.
#[derive(Debug)]
struct Input {
    name: Name,
    element: ElementType,
    /// How a batch of it lies in the file: the tensors, the first sample in each, and the shape.
    batches: Vec<(usize, usize, Vec<usize>)>,
}

impl Samples {
    /// Opens a file of samples and checks it: names, shapes, types, and that all values are numbers. At most `limit`
    /// samples are used. A program with a fixed batch takes as many samples at once; one whose batch is open takes as
    /// many as it was exported with. Samples that fill no batch are left out.
    ///
    /// # Errors
    /// What does not fit, by name.
    pub fn open(path: &Path, inputs: &[Interface], limit: Option<u64>) -> Result<Samples, SampleError> {
        let samples = Samples::described(path, inputs, limit)?;
        for batch in 0..samples.batches {
            samples.check(batch)?;
        }
        Ok(samples)
    }

    /// As [`Samples::open`], from the header of the file alone: values are not looked at.
    ///
    /// # Errors
    /// What does not fit, by name.
    pub fn described(path: &Path, inputs: &[Interface], limit: Option<u64>) -> Result<Samples, SampleError> {
        let reader = Reader::open(path)?;
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut read = Vec::with_capacity(inputs.len());
        for input in inputs {
            read.push(of_input(&reader, input, limit)?);
        }
        let mut samples = Samples { reader, inputs: Vec::new(), batches: 0, samples: 0 };
        let Some((first, count_of_first)) = read.first().map(|(input, count)| (input.name.clone(), *count)) else {
            return Ok(samples);
        };
        samples.batches = read.iter().map(|(input, _)| input.batches.len()).min().unwrap_or(0);
        for (input, found) in &read {
            if *found != count_of_first {
                let what = format!(
                    "are {}, but there are {} of `{}`",
                    count(*found, "sample"),
                    count(count_of_first, "sample"),
                    shown(&first)
                );
                return Err(samples.wrong(&input.name, what));
            }
        }
        samples.samples = count_of_first as u64;
        samples.inputs = read.into_iter().map(|(input, _)| input).collect();
        if samples.batches == 0 {
            return Err(samples.wrong(&first, "are fewer than the program takes at once".to_owned()));
        }
        Ok(samples)
    }

    /// How many batches there are, one at least unless the program takes nothing.
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// How many samples there are in them, and in those that fill no batch.
    pub fn count(&self) -> u64 {
        self.samples
    }

    /// The samples of a batch; `None` where there is none of this number.
    pub fn rows(&self, number: usize) -> Option<usize> {
        let (_, _, shape) = self.inputs.first()?.batches.get(number).filter(|_| number < self.batches)?;
        Some(shape.first().copied().unwrap_or(1))
    }

    /// Bytes of the batches.
    pub fn bytes(&self) -> u64 {
        let of = |(tensor, _, shape): &(usize, usize, Vec<usize>)| {
            let width =
                self.reader.header().tensors.get(*tensor).map_or(0, |info| info.dtype.dtype().bits().div_ceil(8));
            (shape.iter().product::<usize>() as u64).saturating_mul(width as u64)
        };
        self.inputs.iter().flat_map(|input| input.batches.iter().take(self.batches)).map(of).sum()
    }

    /// A batch.
    ///
    /// # Errors
    /// If there is none of this number, or the file has changed.
    pub fn batch(&self, number: usize) -> Result<Batch, SampleError> {
        let one = |input: &Input| {
            let wrong = |what: &str| self.wrong(&input.name, what.to_owned());
            let (tensor, first, shape) = input.batches.get(number).ok_or_else(|| wrong("are at an end"))?;
            let info = self.reader.header().tensors.get(*tensor).ok_or_else(|| wrong("are missing"))?;
            let bytes = self.reader.tensor_at(*tensor)?;
            let values = shape.iter().product::<usize>();
            let width = info.dtype.dtype().bits().div_ceil(8);
            let per_sample = values / shape.first().copied().unwrap_or(1).max(1);
            let begin = first.saturating_mul(per_sample).saturating_mul(width);
            let part = bytes.get(begin..).and_then(|rest| rest.get(..values.saturating_mul(width)));
            let part = part.ok_or_else(|| wrong("are shorter than they should be"))?;
            let tensor = self.tensor(info, input, shape.clone(), part)?;
            Ok((input.name.clone(), tensor))
        };
        self.inputs.iter().map(one).collect()
    }

    fn tensor(&self, info: &TensorInfo, input: &Input, shape: Vec<usize>, bytes: &[u8]) -> Result<Tensor, SampleError> {
        let data = values(info.dtype.dtype(), input.element, bytes).map_err(|what| self.wrong(&info.name, what))?;
        Tensor::new(input.element, shape, data).map_err(|error| self.wrong(&info.name, error.to_string()))
    }

    /// That the values of a batch are numbers.
    fn check(&self, number: usize) -> Result<(), SampleError> {
        for (name, tensor) in self.batch(number)? {
            let odd = tensor.as_floats().and_then(|values| values.iter().find(|value| !value.is_finite()));
            if let Some(odd) = odd {
                let word = if odd.is_nan() { "NaN" } else { "infinity" };
                return Err(self.wrong(&name, format!("hold {word}, in batch {}", number + 1)));
            }
        }
        Ok(())
    }

    fn wrong(&self, tensor: &str, what: String) -> SampleError {
        SampleError::Tensor { path: self.reader.path().to_owned(), tensor: tensor.to_owned(), what }
    }
}

/// What a file holds, in words.
fn held(reader: &Reader) -> String {
    const SHOWN: usize = 5;
    let tensors = &reader.header().tensors;
    let names: Vec<String> = tensors.iter().take(SHOWN).map(|info| format!("`{}`", shown(&info.name))).collect();
    match tensors.len() {
        0 => "nothing".to_owned(),
        all if all > SHOWN => format!("{} and {} more", names.join(", "), all - SHOWN),
        _ => names.join(", "),
    }
}

/// Finds the batches of an input; gives the number of its samples too.
fn of_input(reader: &Reader, input: &Interface, limit: usize) -> Result<(Input, usize), SampleError> {
    let tensors = &reader.header().tensors;
    let wrong = |info: &TensorInfo, what: String| SampleError::Tensor {
        path: reader.path().to_owned(),
        tensor: info.name.clone(),
        what,
    };
    let mut found = Input { name: input.name.clone(), element: input.element, batches: Vec::new() };
    let find = |name: &str| reader.header().index_of(name).and_then(|index| Some((index, tensors.get(index)?)));
    if let Some((index, info)) = find(&input.name) {
        fits(info, input, true).map_err(|what| wrong(info, what))?;
        let samples = info.shape.first().copied().unwrap_or(1).min(limit);
        let at_once = input.dimensions.first().map_or(1, |(size, _)| usize::try_from(*size).unwrap_or(1)).max(1);
        for batch in 0..samples / at_once {
            let mut shape = info.shape.clone();
            if let Some(first) = shape.first_mut() {
                *first = at_once;
            }
            found.batches.push((index, batch * at_once, shape));
        }
        return Ok((found, samples));
    }
    let mut samples = 0;
    for number in 0.. {
        let Some((index, info)) = find(&format!("{}.{number}", input.name)) else { break };
        fits(info, input, false).map_err(|what| wrong(info, what))?;
        let more = info.shape.first().copied().unwrap_or(1);
        if more > limit - samples {
            break;
        }
        samples += more;
        found.batches.push((index, 0, info.shape.clone()));
    }
    if found.batches.is_empty() && find(&format!("{}.0", input.name)).is_none() {
        let (path, found) = (reader.path().to_owned(), held(reader));
        return Err(SampleError::Missing { path, input: input.name.to_string(), found });
    }
    Ok((found, samples))
}

/// Checks a tensor against an input; its first dimension may be any where it is of samples.
fn fits(info: &TensorInfo, input: &Interface, of_samples: bool) -> Result<(), String> {
    let dtype = info.dtype.dtype();
    let is_known = match input.element {
        ElementType::Fp32 | ElementType::Fp16 => is_float(dtype),
        _ => is_integer(dtype),
    };
    if !is_known {
        let kind = if matches!(input.element, ElementType::Fp32 | ElementType::Fp16) { "floats" } else { "integers" };
        return Err(format!("are of {}, and the input takes {kind}", info.dtype));
    }
    let wanted = |(size, range): &(u64, crate::graph::aten::Range)| match range.min == range.max && range.min.is_some()
    {
        true => size.to_string(),
        false => format!("{range}"),
    };
    let shape = || {
        let mut all: Vec<String> = input.dimensions.iter().map(wanted).collect();
        if let Some(first) = all.first_mut().filter(|_| of_samples) {
            *first = "samples".to_owned();
        }
        format!("are of shape {:?}, and the input takes [{}]", info.shape, all.join(", "))
    };
    if info.shape.len() != input.dimensions.len() {
        return Err(shape());
    }
    // As many samples as a header may claim without a byte behind them.
    if info.shape.contains(&0) {
        return Err("are empty".to_owned());
    }
    for (at, (size, (_, range))) in info.shape.iter().zip(&input.dimensions).enumerate() {
        let is_any = at == 0 && of_samples;
        if !is_any && !i64::try_from(*size).is_ok_and(|size| range.contains(size)) {
            return Err(shape());
        }
    }
    Ok(())
}

fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16)
}

fn is_integer(dtype: DType) -> bool {
    matches!(dtype, DType::I64 | DType::I32 | DType::I16 | DType::I8 | DType::U8 | DType::U16 | DType::Bool)
}

/// Elements of a file as elements of an input.
fn values(from: DType, to: ElementType, bytes: &[u8]) -> Result<Data, String> {
    if is_float(from) {
        return Ok(match from {
            DType::F64 => bytes.as_chunks().0.iter().map(|raw| f64::from_le_bytes(*raw) as f32).collect::<Vec<f32>>(),
            DType::F32 => bytes.as_chunks().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect(),
            DType::F16 => bytes.as_chunks().0.iter().map(|raw| f16::from_le_bytes(*raw).to_f32()).collect(),
            _ => bytes.as_chunks().0.iter().map(|raw| bf16::from_le_bytes(*raw).to_f32()).collect(),
        }
        .into());
    }
    let ints: Vec<i64> = match from {
        DType::I64 => bytes.as_chunks().0.iter().map(|raw| i64::from_le_bytes(*raw)).collect(),
        DType::I32 => bytes.as_chunks().0.iter().map(|raw| i64::from(i32::from_le_bytes(*raw))).collect(),
        DType::I16 => bytes.as_chunks().0.iter().map(|raw| i64::from(i16::from_le_bytes(*raw))).collect(),
        DType::U16 => bytes.as_chunks().0.iter().map(|raw| i64::from(u16::from_le_bytes(*raw))).collect(),
        DType::I8 => bytes.iter().map(|byte| i64::from(byte.cast_signed())).collect(),
        _ => bytes.iter().map(|byte| i64::from(*byte)).collect(),
    };
    let narrow = |value: i64| i32::try_from(value).map_err(|_| format!("hold {value}, which does not fit 32 bits"));
    let ints: Vec<i32> = ints.into_iter().map(narrow).collect::<Result<_, _>>()?;
    match to {
        ElementType::Bool => Ok(ints.into_iter().map(|value| value != 0).collect::<Vec<bool>>().into()),
        _ => Ok(ints.into()),
    }
}
