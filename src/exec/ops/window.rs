//! Windows that slide over spatial dimensions, which convolution and pooling share.

use super::{Args, misshapen, wrong};
use crate::exec::error::Fault;

/// How a window slides over up to three spatial dimensions; those that a tensor does not have are of size 1 in front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) input: [usize; 3],
    pub(super) kernel: [usize; 3],
    pub(super) stride: [usize; 3],
    pub(super) dilation: [usize; 3],
    /// Elements that are added in front of each dimension.
    pub(super) before: [usize; 3],
    /// Elements that are added behind each dimension.
    pub(super) after: [usize; 3],
    pub(super) output: [usize; 3],
}

/// Sizes of at most three dimensions, with ones in front.
pub(super) fn three(sizes: &[usize]) -> Result<[usize; 3], Fault> {
    let front = 3usize.checked_sub(sizes.len()).ok_or_else(|| misshapen("has more than three spatial dimensions"))?;
    let mut all = [1; 3];
    all.iter_mut().skip(front).zip(sizes).for_each(|(to, from)| *to = *from);
    Ok(all)
}

/// A parameter with one positive number per spatial dimension, 1 by default.
pub(super) fn per_dimension(args: &Args<'_>, parameter: &'static str, dimensions: usize) -> Result<[usize; 3], Fault> {
    let Some(values) = args.ints(parameter)? else { return Ok([1; 3]) };
    let sizes: Option<Vec<usize>> = values.iter().map(|v| usize::try_from(*v).ok().filter(|v| *v > 0)).collect();
    match sizes {
        Some(sizes) if sizes.len() == dimensions => three(&sizes),
        _ => Err(wrong(parameter, format!("must be {dimensions} positive numbers"))),
    }
}

/// `pad` before and after each spatial dimension.
pub(super) fn custom(args: &Args<'_>, dimensions: usize) -> Result<[[usize; 3]; 2], Fault> {
    let Some(values) = args.ints("pad")? else { return Ok([[0; 3]; 2]) };
    let mut sides = [[0; 3]; 2];
    if values.len() != 2 * dimensions || dimensions > 3 {
        return Err(wrong("pad", format!("must be {} numbers", 2 * dimensions)));
    }
    for (i, value) in values.iter().enumerate() {
        let amount =
            usize::try_from(*value).map_err(|_| wrong("pad", format!("is {value}; it must not be negative")))?;
        sides[i % 2][3 - dimensions + i / 2] = amount;
    }
    Ok(sides)
}

impl Window {
    /// The window of an operation with these sizes of input, kernel and output.
    pub(super) fn new(args: &Args<'_>, input: &[usize], kernel: &[usize], output: &[usize]) -> Result<Self, Fault> {
        let dimensions = input.len();
        let mut window = Self {
            input: three(input)?,
            kernel: three(kernel)?,
            stride: per_dimension(args, "strides", dimensions)?,
            dilation: per_dimension(args, "dilations", dimensions)?,
            before: [0; 3],
            after: [0; 3],
            output: three(output)?,
        };
        match &*args.word("pad_type", "VALID") {
            "CUSTOM" => [window.before, window.after] = custom(args, dimensions)?,
            kind @ ("SAME" | "SAME_LOWER") => {
                for i in 0..3 {
                    let total = window.same(i);
                    let less = total / 2;
                    let (before, after) = if kind == "SAME" { (less, total - less) } else { (total - less, less) };
                    (window.before[i], window.after[i]) = (before, after);
                }
            }
            _ => {}
        }
        if window.kernel.contains(&0) {
            return Err(misshapen("has an empty window"));
        }
        Ok(window)
    }

    /// Elements that a window reaches over.
    pub(super) fn reach(&self, i: usize) -> usize {
        (self.kernel[i] - 1).saturating_mul(self.dilation[i]).saturating_add(1)
    }

    /// The padding that makes the output `ceil(input / stride)`.
    fn same(&self, i: usize) -> usize {
        if self.kernel[i] == 0 {
            return 0;
        }
        let stride = self.stride[i];
        let steps = self.input[i].div_ceil(stride).saturating_sub(1).saturating_mul(stride);
        steps.saturating_add(self.reach(i)).saturating_sub(self.input[i])
    }

    /// Elements of the output.
    pub(super) fn positions(&self) -> usize {
        self.output.iter().product()
    }

    /// Where a tap of the window lies in the input for a position of the output; `None` in the padding.
    pub(super) fn source(&self, i: usize, position: usize, tap: usize) -> Option<usize> {
        let place = position * self.stride[i] + tap * self.dilation[i];
        place.checked_sub(self.before[i]).filter(|place| *place < self.input[i])
    }

    /// The positions of the output for which a tap lies inside the input.
    pub(super) fn inside(&self, i: usize, tap: usize) -> std::ops::Range<usize> {
        let shift = tap * self.dilation[i];
        let first = self.before[i].saturating_sub(shift).div_ceil(self.stride[i]);
        let end = (self.input[i] + self.before[i]).saturating_sub(shift).div_ceil(self.stride[i]);
        let end = end.min(self.output[i]);
        first.min(end)..end
    }
}
