//! Parts of tensors by position.

use super::{Args, Kernel, One, misshapen, owned, wrong};
use crate::exec::error::Fault;
use crate::exec::layout::{View, product};
use crate::exec::tensor::{Data, Tensor};

pub(super) const KERNELS: &[(&str, Kernel)] =
    &[("slice_by_index", by_index), ("slice_by_size", by_size), ("slice_update", update)];

/// The part of a dimension: where it begins, the step, and how many.
#[derive(Debug, Clone, Copy)]
struct Range {
    begin: usize,
    step: isize,
    length: usize,
}

/// The parts that `begin`, `end`, `stride` and the masks stand for, as NumPy slices, and which dimensions go.
fn ranges(args: &Args<'_>, shape: &[usize]) -> Result<(Vec<Range>, Vec<bool>), Fault> {
    let rank = shape.len();
    let per_axis = |parameter: &'static str, default: i64| -> Result<Vec<i64>, Fault> {
        let values = args.ints(parameter)?.unwrap_or_else(|| vec![default; rank]);
        if values.len() == rank { Ok(values) } else { Err(wrong(parameter, format!("must be {rank} numbers"))) }
    };
    let (begin, end, stride) = (per_axis("begin", 0)?, per_axis("end", 0)?, per_axis("stride", 1)?);
    let (begin_mask, end_mask) = (per_axis("begin_mask", 0)?, per_axis("end_mask", 0)?);
    let squeeze: Vec<bool> = per_axis("squeeze_mask", 0)?.into_iter().map(|mask| mask != 0).collect();
    let mut ranges = Vec::with_capacity(rank);
    for i in 0..rank {
        let size = shape[i] as i64;
        let position = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let step = match stride[i] {
            0 => return Err(wrong("stride", format!("is 0 in dimension {i}"))),
            step => step,
        };
        if squeeze[i] {
            let at = if begin_mask[i] != 0 { 0 } else { position(begin[i]) };
            let at = usize::try_from(at).ok().filter(|at| *at < shape[i]);
            let at = at.ok_or_else(|| wrong("begin", format!("is {} in dimension {i} of {size}", begin[i])))?;
            ranges.push(Range { begin: at, step: 1, length: 1 });
            continue;
        }
        // Positions are limited as NumPy does it: from -1 to the last one when walking backwards.
        let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let first = match begin_mask[i] != 0 {
            true if step > 0 => 0,
            true => size - 1,
            false => position(begin[i]).clamp(low, high.max(low)),
        };
        let last = match end_mask[i] != 0 {
            true if step > 0 => size,
            true => -1,
            false => position(end[i]).clamp(low, high.max(low)),
        };
        let span = if step > 0 { last - first } else { first - last }.max(0);
        let length = span.unsigned_abs().div_ceil(step.unsigned_abs()) as usize;
        let step = isize::try_from(step).map_err(|_| wrong("stride", "is too large"))?;
        ranges.push(Range {
            begin: usize::try_from(first).unwrap_or(0),
            step: if length > 1 { step } else { 1 },
            length,
        });
    }
    Ok((ranges, squeeze))
}

fn view(shape: &[usize], ranges: &[Range]) -> View {
    let parts = ranges.iter().enumerate();
    parts.fold(View::new(shape), |view, (axis, range)| view.sliced(axis, range.begin, range.step, range.length))
}

/// The sizes that are left, where the shape rule agrees.
fn agreed(args: &Args<'_>, ranges: &[Range], squeeze: &[bool]) -> Result<Vec<usize>, Fault> {
    let left = ranges.iter().zip(squeeze).filter(|(_, squeeze)| !**squeeze).map(|(range, _)| range.length).collect();
    match args.shape(0) {
        Ok(shape) if shape != left => Err(misshapen(format!("gives {left:?}, where {shape:?} is expected"))),
        _ => Ok(left),
    }
}

fn by_index(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let (ranges, squeeze) = ranges(args, x.shape())?;
    let shape = agreed(args, &ranges, &squeeze)?;
    let whole = ranges.iter().zip(x.shape()).all(|(range, size)| range.length == *size && range.step == 1);
    if whole {
        return Ok(vec![args.take("x")?.reshaped(shape)?]);
    }
    let data = view(x.shape(), &ranges).copy_data(x.data());
    Ok(vec![Tensor::moved(x.element(), shape, data)?])
}

/// -1 in `size` means the rest.
fn by_size(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let (begin, size) = (args.ints("begin")?.unwrap_or_default(), args.ints("size")?.unwrap_or_default());
    if begin.len() != x.rank() || size.len() != x.rank() {
        return Err(wrong("begin", format!("must be {} numbers, as `size`", x.rank())));
    }
    let mut ranges = Vec::with_capacity(x.rank());
    for (i, (begin, size)) in begin.into_iter().zip(size).enumerate() {
        let whole = x.shape()[i] as i64;
        let first = if begin < 0 { begin.saturating_add(whole) } else { begin };
        let length = if size == -1 { whole.saturating_sub(first) } else { size };
        if first < 0 || length < 0 || first.checked_add(length).is_none_or(|end| end > whole) {
            return Err(wrong("size", format!("is {size} from {begin} on in dimension {i} of {whole}")));
        }
        ranges.push(Range { begin: first as usize, step: 1, length: length as usize });
    }
    let shape: Vec<usize> = ranges.iter().map(|range| range.length).collect();
    let data = view(x.shape(), &ranges).copy_data(x.data());
    Ok(vec![Tensor::moved(x.element(), shape, data)?])
}

/// `x` with the slice replaced by `update`.
fn update(args: &mut Args<'_>) -> One {
    let shape = args.tensor("x")?.shape().to_vec();
    let (ranges, squeeze) = ranges(args, &shape)?;
    let lengths: Vec<usize> = ranges.iter().map(|range| range.length).collect();
    let update = args.take("update")?;
    let left = lengths.iter().zip(&squeeze).filter(|(_, squeeze)| !**squeeze).map(|(length, _)| *length);
    if left.collect::<Vec<_>>() != update.shape() {
        return Err(misshapen(format!("replaces {lengths:?} by {update}")));
    }
    let view = view(&shape, &ranges);
    let (element, _, data) = args.take("x")?.into_parts();
    let data: Data = match (data, update.data()) {
        (Data::Floats(x), Data::Floats(update)) => place(owned(x), &view, update).into(),
        (Data::Ints(x), Data::Ints(update)) => place(owned(x), &view, update).into(),
        (Data::Bools(x), Data::Bools(update)) => place(owned(x), &view, update).into(),
        _ => return Err(misshapen("needs an update of the type of `x`")),
    };
    Ok(vec![Tensor::moved(element, shape, data)?])
}

/// Puts elements where a view shows.
pub(super) fn place<T: Copy>(mut x: Vec<T>, view: &View, elements: &[T]) -> Vec<T> {
    use crate::exec::layout::{Odometer, merge};
    if product(view.shape()) == 0 {
        return x;
    }
    let (strides, offset) = view.walk();
    let merged = merge(view.shape(), [strides]);
    let (length, [stride]) = merged.inner();
    let mut row = Odometer::at(&merged, 0);
    for elements in elements.chunks_exact(length) {
        for (i, element) in elements.iter().enumerate() {
            let at = offset + row.places[0] + i as isize * stride;
            if let Some(x) = usize::try_from(at).ok().and_then(|at| x.get_mut(at)) {
                *x = *element;
            }
        }
        row.advance(&merged);
    }
    x
}
