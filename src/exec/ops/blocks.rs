//! Blocks of pixels moved between space, channels and batch: dimensions divided, reordered and joined.

use super::{Args, Kernel, One, misshapen, wrong};
use crate::exec::error::Fault;
use crate::exec::layout::View;
use crate::exec::tensor::Tensor;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("depth_to_space", depth_to_space),
    ("space_to_depth", space_to_depth),
    ("pixel_shuffle", pixel_shuffle),
    ("pixel_unshuffle", pixel_unshuffle),
    ("space_to_batch", space_to_batch),
    ("batch_to_space", batch_to_space),
];

/// A positive number.
fn factor(args: &Args<'_>, parameter: &'static str) -> Result<usize, Fault> {
    let value = args.int(parameter, 1)?;
    usize::try_from(value).ok().filter(|v| *v > 0).ok_or_else(|| wrong(parameter, format!("is {value}")))
}

/// The four sizes of `x`.
fn four(args: &Args<'_>) -> Result<[usize; 4], Fault> {
    args.tensor("x")?.shape().try_into().map_err(|_| misshapen("needs four dimensions"))
}

/// Reads `x` in these sizes, in another order.
fn reorder(args: &mut Args<'_>, sizes: &[usize], order: &[usize]) -> One {
    let x = args.tensor("x")?;
    if sizes.iter().product::<usize>() != x.len() {
        return Err(misshapen("does not divide into blocks"));
    }
    args.moved(View::new(sizes).permuted(order).copy_data(x.data()))
}

/// Channels are [block row, block column, channel], as in TensorFlow.
fn depth_to_space(args: &mut Args<'_>) -> One {
    let ([n, c, h, w], f) = (four(args)?, factor(args, "block_size")?);
    reorder(args, &[n, f, f, c / f / f, h, w], &[0, 3, 4, 1, 5, 2])
}

fn space_to_depth(args: &mut Args<'_>) -> One {
    let ([n, c, h, w], f) = (four(args)?, factor(args, "block_size")?);
    reorder(args, &[n, c, h / f, f, w / f, f], &[0, 3, 5, 1, 2, 4])
}

/// Channels are [channel, block row, block column], as in PyTorch.
fn pixel_shuffle(args: &mut Args<'_>) -> One {
    let ([n, c, h, w], f) = (four(args)?, factor(args, "upscale_factor")?);
    reorder(args, &[n, c / f / f, f, f, h, w], &[0, 1, 4, 2, 5, 3])
}

fn pixel_unshuffle(args: &mut Args<'_>) -> One {
    let ([n, c, h, w], f) = (four(args)?, factor(args, "downscale_factor")?);
    reorder(args, &[n, c, h / f, f, w / f, f], &[0, 1, 3, 5, 2, 4])
}

/// Two sizes of a block and the four borders: top, bottom, left, right.
fn sizes(args: &Args<'_>, borders: &'static str) -> Result<([usize; 2], [usize; 4]), Fault> {
    let positive = |value: &i64| usize::try_from(*value).ok();
    let block: Option<Vec<usize>> = args.ints("block_shape")?.unwrap_or_default().iter().map(positive).collect();
    let edges: Option<Vec<usize>> = args.ints(borders)?.unwrap_or_default().iter().map(positive).collect();
    let block = block.and_then(|block| <[usize; 2]>::try_from(block).ok()).filter(|block| !block.contains(&0));
    let edges = edges.and_then(|edges| <[usize; 4]>::try_from(edges).ok());
    match (block, edges) {
        (Some(block), Some(edges)) => Ok((block, edges)),
        _ => Err(wrong("block_shape", format!("must be two positive numbers, and `{borders}` four"))),
    }
}

fn space_to_batch(args: &mut Args<'_>) -> One {
    let [n, c, h, w] = four(args)?;
    let ([tall, wide], [top, bottom, left, right]) = sizes(args, "paddings")?;
    let (height, width) = (h + top + bottom, w + left + right);
    let x = args.floats("x")?;
    let inside = View::new(&[n, c, height, width]).sliced(2, top, 1, h).sliced(3, left, 1, w);
    let padded = super::slices::place(vec![0f32; n * c * height * width], &inside, x);
    let view = View::new(&[n, c, height / tall, tall, width / wide, wide]).permuted(&[3, 5, 0, 1, 2, 4]);
    args.moved(view.copy(&padded).into())
}

fn batch_to_space(args: &mut Args<'_>) -> One {
    let [n, c, h, w] = four(args)?;
    let ([tall, wide], [top, bottom, left, right]) = sizes(args, "crops")?;
    let x = args.floats("x")?;
    let images = n / (tall * wide);
    let (height, width) = (h * tall, w * wide);
    let view = View::new(&[tall, wide, images, c, h, w]).permuted(&[2, 3, 4, 0, 5, 1]);
    let whole = view.copy(x);
    let cropped = View::new(&[images, c, height, width]).sliced(2, top, 1, height.saturating_sub(top + bottom)).sliced(
        3,
        left,
        1,
        width.saturating_sub(left + right),
    );
    Ok(vec![Tensor::moved(args.element(0)?, args.shape(0)?, cropped.copy(&whole).into())?])
}
