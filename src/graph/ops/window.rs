//! Windows that slide over spatial dimensions, which convolution and pooling share. CT:ops/defs/_utils.py.

use crate::graph::function::Opset;
use crate::graph::types::Dim;

use super::call::{Call, Constant};
use super::fault::{OpError, OpRule};
use super::shape::{positive, size};

/// How a window slides. One entry per spatial dimension each.
pub(super) struct Window {
    pub(super) kernel: Vec<Dim>,
    pub(super) strides: Vec<u64>,
    pub(super) dilations: Vec<u64>,
    pub(super) padding: Padding,
    pub(super) ceil: bool,
}

/// What is added at the borders.
pub(super) enum Padding {
    /// Nothing.
    Valid,
    /// As much as makes the output `ceil(input / stride)`.
    Same,
    /// Before and after each dimension.
    Custom(Vec<(u64, u64)>),
}

/// A parameter with one positive number per spatial dimension, all 1 by default.
/// `None` where it is unknown.
pub(super) fn per_dimension(
    call: &Call<'_>,
    parameter: &'static str,
    dimensions: usize,
) -> Result<Option<Vec<u64>>, OpError> {
    let values = match call.ints(parameter)? {
        Constant::Absent => return Ok(Some(vec![1; dimensions])),
        Constant::Unknown => return Ok(None),
        Constant::Known(values) => values,
    };
    check_length(parameter, values.len(), dimensions)?;
    values.into_iter().map(|value| positive(parameter, value)).collect::<Result<Vec<_>, _>>().map(Some)
}

fn check_length(parameter: &'static str, found: usize, expected: usize) -> Result<(), OpError> {
    if found == expected {
        return Ok(());
    }
    Err(OpError::at(OpRule::Shape, parameter, format!("has {found} values; the window needs {expected}")))
}

/// `pad_type` with `pad`. `None` where it is unknown.
pub(super) fn padding(call: &Call<'_>, dimensions: usize) -> Result<Option<Padding>, OpError> {
    let words: &[&str] = match call.set {
        Opset::CoreML5 => &["valid", "same", "custom"],
        _ => &["valid", "same", "custom", "same_lower"],
    };
    Ok(match call.word("pad_type", words)? {
        None => None,
        Some("valid") => Some(Padding::Valid),
        Some("custom") => custom_padding(call, dimensions)?.map(Padding::Custom),
        Some(_) => Some(Padding::Same),
    })
}

/// `pad`: before and after each spatial dimension. `None` where it is unknown.
pub(super) fn custom_padding(call: &Call<'_>, dimensions: usize) -> Result<Option<Vec<(u64, u64)>>, OpError> {
    let values = match call.ints("pad")? {
        Constant::Absent => return Ok(Some(vec![(0, 0); dimensions])),
        Constant::Unknown => return Ok(None),
        Constant::Known(values) => values,
    };
    check_length("pad", values.len(), 2 * dimensions)?;
    let pairs = values.as_chunks::<2>().0.iter();
    pairs.map(|[before, after]| Ok((size("pad", *before)?, size("pad", *after)?))).collect::<Result<_, _>>().map(Some)
}

impl Window {
    /// Sizes of the outputs, for inputs of these sizes.
    pub(super) fn outputs(&self, inputs: &[Dim]) -> Result<Vec<Dim>, OpError> {
        inputs.iter().enumerate().map(|(i, input)| self.output(i, *input)).collect()
    }

    fn output(&self, i: usize, input: Dim) -> Result<Dim, OpError> {
        let (Dim::Known(input), Some(&Dim::Known(kernel))) = (input, self.kernel.get(i)) else {
            return Ok(Dim::Unknown);
        };
        match self.count(i, u128::from(input), u128::from(kernel)) {
            Some(out) if out > 0 => Ok(u64::try_from(out).map_or(Dim::Unknown, Dim::Known)),
            _ => {
                let message = format!("a window of {kernel} does not fit into {input} in spatial dimension {i}");
                Err(OpError::whole(OpRule::Shape, message))
            }
        }
    }

    /// How many positions the window has. `None` where it does not fit once.
    fn count(&self, i: usize, input: u128, kernel: u128) -> Option<u128> {
        let stride = u128::from(*self.strides.get(i)?);
        let dilation = u128::from(*self.dilations.get(i)?);
        let reach = kernel.checked_sub(1)? * dilation + 1;
        let pad = match &self.padding {
            Padding::Valid => 0,
            Padding::Same => (stride * input.div_ceil(stride) + reach).saturating_sub(input + stride),
            Padding::Custom(pairs) => pairs.get(i).map(|(before, after)| u128::from(*before) + u128::from(*after))?,
        };
        let free = (input + pad).checked_sub(reach)?;
        if !self.ceil {
            return Some(free / stride + 1);
        }
        let out = free.div_ceil(stride) + 1;
        // The last window must begin inside the input or its left padding.
        let beyond = pad > 0 && 2 * (out - 1) * stride >= 2 * input + pad;
        Some(if beyond { out - 1 } else { out })
    }
}
