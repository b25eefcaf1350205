//! Shapes made anew without changing elements.

use super::{Args, Kernel, One, around, wrong};
use crate::exec::layout::View;
use crate::exec::tensor::{Tensor, moved};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("expand_dims", renamed),
    ("flatten2d", renamed),
    ("identity", identity),
    ("reshape", renamed),
    ("reshape_like", renamed),
    ("reverse", reverse),
    ("reverse_sequence", reverse_sequence),
    ("sliding_windows", sliding_windows),
    ("squeeze", renamed),
    ("transpose", transpose),
];

/// The same elements in the shape that the rule says.
fn renamed(args: &mut Args<'_>) -> One {
    let shape = args.shape(0)?;
    Ok(vec![args.take("x")?.reshaped(shape)?])
}

fn identity(args: &mut Args<'_>) -> One {
    Ok(vec![args.take("x")?])
}

fn reverse(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let axes = args.axes("axes", x.rank())?;
    let view = axes.into_iter().fold(View::new(x.shape()), View::reversed);
    args.moved(view.copy_data(x.data()))
}

/// For each place along `batch_axis` the first so many elements along `seq_axis` backwards.
fn reverse_sequence(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let (batch, sequence) = (args.axis("batch_axis", 0, x.rank())?, args.axis("seq_axis", 0, x.rank())?);
    let lengths = args.ints("lengths")?.unwrap_or_default();
    if batch == sequence {
        return Err(wrong("seq_axis", "must be another axis than `batch_axis`"));
    }
    let (shape, steps) = (x.shape().to_vec(), x.shape()[sequence]);
    let [_, batches, batch_inner] = around(&shape, batch);
    let [_, _, inner] = around(&shape, sequence);
    if lengths.len() != batches {
        return Err(wrong("lengths", format!("has {} values for {batches} sequences", lengths.len())));
    }
    let data = moved!(x.data(), values => {
        let source = |i: usize| {
            let length = lengths.get(i / batch_inner.max(1) % batches.max(1)).copied().unwrap_or(0);
            let length = usize::try_from(length).unwrap_or(0).min(steps);
            let step = i / inner.max(1) % steps.max(1);
            if step < length { i - step * inner + (length - 1 - step) * inner } else { i }
        };
        (0..values.len()).map(|i| values[source(i)]).collect::<Vec<_>>()
    });
    args.moved(data)
}

/// Windows of `size` along an axis, every `stride`: a new axis behind it.
fn sliding_windows(args: &mut Args<'_>) -> One {
    let x = args.tensor("x")?;
    let shape = args.shape(0)?;
    let axis = args.axis("axis", 0, x.rank())?;
    let stride = usize::try_from(args.int("stride", 1)?).unwrap_or(1).max(1);
    let [outer, size, inner] = around(x.shape(), axis);
    let (count, length) = (shape[axis], shape[axis + 1]);
    let data = moved!(x.data(), values => {
        let mut out = Vec::with_capacity(outer * count * length * inner);
        for block in 0..outer {
            for window in 0..count {
                let start = (block * size + window * stride) * inner;
                out.extend_from_slice(values.get(start..start + length * inner).unwrap_or_default());
            }
        }
        out
    });
    args.moved(data)
}

fn transpose(args: &mut Args<'_>) -> One {
    let x = args.take("x")?;
    let given = args.ints("perm")?.unwrap_or_default();
    let order = given.into_iter().map(|at| super::axis_of("perm", at, x.rank())).collect::<Result<Vec<_>, _>>()?;
    let view = View::new(x.shape()).permuted(&order);
    let (element, _, data) = x.into_parts();
    Ok(vec![Tensor::moved(element, view.shape().to_vec(), view.copy_data(&data))?])
}
