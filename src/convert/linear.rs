//! Linear layers and products of matrices.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::compound::product_of_vectors;
use super::conv;
use super::elementwise::{arithmetic, scaled};
use super::table::{Entry, entry};

pub(super) static OPERATORS: &[Entry] = &[
    entry("linear", &["input", "weight", "bias"], linear),
    entry("matmul", &["self", "other"], |b, args| product(b, args, "self", "other")),
    entry("mm", &["self", "mat2"], |b, args| product(b, args, "self", "mat2")),
    entry("bmm", &["self", "mat2"], |b, args| product(b, args, "self", "mat2")),
    entry("addmm", &["self", "mat1", "mat2", "beta", "alpha"], |b, args| sum(b, args, "mat1", "mat2")),
    entry("baddbmm", &["self", "batch1", "batch2", "beta", "alpha"], |b, args| sum(b, args, "batch1", "batch2")),
];

fn linear(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (x, weight) = (b.tensor(args, "input")?, b.tensor(args, "weight")?);
    let bias = b.tensor_if(args, "bias")?;
    let is_constant = b.is_constant(&weight) && bias.as_ref().is_none_or(|bias| b.is_constant(bias));
    if is_constant && weight.rank() == 2 && x.rank() >= 2 {
        let value = conv::write(b, "linear", &x, (&weight, bias.as_ref()), &[])?;
        // A normalization is along the second dimension, which is the last one here.
        if x.rank() == 2 {
            conv::remember(b, args, &value, ("linear", Vec::new(), x));
        }
        return Ok(vec![value]);
    }
    if weight.rank() != 2 {
        return Err("its weight is no matrix".to_owned());
    }
    let value = matmul(b, &x, &weight, (false, true))?;
    match bias {
        Some(bias) => Ok(vec![arithmetic(b, "add", &value, &bias)?]),
        None => Ok(vec![value]),
    }
}

/// The product of two tensors, each transposed or not.
pub(super) fn matmul(b: &mut Builder<'_>, x: &Value, y: &Value, (flip_x, flip_y): (bool, bool)) -> One {
    b.op(
        "matmul",
        vec![
            ("x", Param::Value(x)),
            ("y", Param::Value(y)),
            ("transpose_x", Param::Bool(flip_x)),
            ("transpose_y", Param::Bool(flip_y)),
        ],
    )
}

/// The matrix whose transposition a constant is: the weight of a linear layer that was taken apart.
fn flipped(b: &Builder<'_>, y: &Value) -> Option<Value> {
    let (source, order) = b.transposed.get(&y.name)?;
    (order[..] == [1, 0] && b.is_constant(source)).then(|| source.clone())
}

fn product(b: &mut Builder<'_>, args: &Args<'_>, x: &str, y: &str) -> Values {
    let (x, y) = (b.tensor(args, x)?, b.tensor(args, y)?);
    if x.rank() < 2 || y.rank() < 2 {
        return Ok(vec![product_of_vectors(b, &x, &y)?]);
    }
    // Core ML repeats matrices itself, as long as one side has all the dimensions.
    let y = match b.repeated.get(&y.name) {
        Some(one) if y.ty.shape[..y.rank() - 2].iter().zip(&x.ty.shape).all(|(y, x)| y == x) => one.clone(),
        _ => y,
    };
    if let Some(weight) = flipped(b, &y) {
        return Ok(vec![b.op("linear", vec![("x", Param::Value(&x)), ("weight", Param::Value(&weight))])?]);
    }
    Ok(vec![matmul(b, &x, &y, (false, false))?])
}

fn sum(b: &mut Builder<'_>, args: &Args<'_>, x: &str, y: &str) -> Values {
    let more = b.tensor(args, "self")?;
    let (alpha, beta) = (args.float("alpha", 1.0)?, args.float("beta", 1.0)?);
    if (alpha, beta) == (1.0, 1.0) && more.rank() == 1 && b.is_constant(&more) {
        let (x, y) = (b.tensor(args, x)?, b.tensor(args, y)?);
        let weight = flipped(b, &y).filter(|weight| weight.size(0).is_some() && weight.size(0) == more.size(0));
        if let Some(weight) = weight {
            let parameters =
                vec![("x", Param::Value(&x)), ("weight", Param::Value(&weight)), ("bias", Param::Value(&more))];
            return Ok(vec![b.op("linear", parameters)?]);
        }
    }
    let product = product(b, args, x, y)?.remove(0);
    let product = scaled(b, &product, alpha)?;
    let more = scaled(b, &more, beta)?;
    Ok(vec![arithmetic(b, "add", &product, &more)?])
}
