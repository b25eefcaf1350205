//! Matrix products. CT:ops/defs/iOS15/linear.py, iOS17/linear.py.

use crate::graph::function::Opset::{self, *};
use crate::graph::types::{Dim, TensorType};

use super::call::Call;
use super::fault::{OpError, OpRule};
use super::shape::{One, broadcast, expect_dim, one, open, rank_in};
use super::table::*;

const MATMUL: [Parameter; 2] = [fixed_opt("transpose_x", BOOL), fixed_opt("transpose_y", BOOL)];

pub(super) static OPERATORS: &[Operator] = &[
    operator(
        "linear",
        &[
            since(
                CoreML5,
                &[live("x", t(NUMBERS)), fixed("weight", t(NUMBERS)), fixed_opt("bias", t(NUMBERS))],
                linear,
            ),
            since(
                CoreML7,
                &[live("x", t(NUMBERS)), fixed("weight", u(NUMBERS)), fixed_opt("bias", u(NUMBERS))],
                linear,
            ),
        ],
    ),
    operator(
        "matmul",
        &[
            since(CoreML5, &[live("x", t(NUMBERS)), live("y", t(NUMBERS)), MATMUL[0], MATMUL[1]], matmul),
            since(CoreML7, &[live("x", t(NUMBERS)), live("y", u(NUMBERS)), MATMUL[0], MATMUL[1]], matmul),
        ],
    ),
    operator("einsum", &[since(CoreML5, &[live("values", Accepts::Tuple), fixed("equation", TEXT)], einsum)]),
];

/// `x` is […, D_in], `weight` [D_out, D_in], `bias` [D_out].
fn linear(call: &Call<'_>) -> One {
    let (x, weight) = (call.tensor("x")?, call.tensor("weight")?);
    rank_in("weight", weight, 2..=2)?;
    rank_in("x", x, 1..=usize::MAX)?;
    let (Some(rank), Some(_)) = (x.rank(), weight.rank()) else { return open(x.element) };
    expect_dim("weight", weight, 1, x.shape[rank - 1], "the last dimension of `x`")?;
    if let Some(bias) = call.tensor_if("bias")? {
        rank_in("bias", bias, 1..=1)?;
        expect_dim("bias", bias, 0, weight.shape[0], "the first dimension of `weight`")?;
    }
    let mut shape = x.shape.clone();
    shape[rank - 1] = weight.shape[0];
    one(x.element, shape)
}

fn matmul(call: &Call<'_>) -> One {
    let (x, y) = (call.tensor("x")?, call.tensor("y")?);
    let element = product_element(call, x, y)?;
    rank_in("x", x, 1..=usize::MAX)?;
    rank_in("y", y, 2..=usize::MAX)?;
    let (Some(x_rank), Some(_)) = (x.rank(), y.rank()) else { return open(element) };
    let (transpose_x, transpose_y) = (call.bool("transpose_x")?.or(false), call.bool("transpose_y")?.or(false));
    let (Some(transpose_x), Some(transpose_y)) = (transpose_x, transpose_y) else { return open(element) };
    if x_rank == 1 && transpose_x {
        return Err(OpError::at(OpRule::Rank, "transpose_x", "is set, but `x` has only one dimension"));
    }
    let (x_outer, rows, x_inner) = matrix(&x.shape, transpose_x);
    let (y_outer, y_inner, columns) = matrix(&y.shape, transpose_y);
    if !x_inner.agrees(y_inner) {
        let message = format!("sums over {x_inner} of `x` ({x}) and {y_inner} of `y` ({y})");
        return Err(OpError::whole(OpRule::Shape, message));
    }
    let mut shape = broadcast(x_outer, y_outer)?;
    if x_rank > 1 {
        shape.push(rows);
    }
    shape.push(columns);
    one(element, shape)
}

/// The outer dimensions, rows and columns of a shape's last two dimensions; a vector is one row.
fn matrix(shape: &[Dim], transposed: bool) -> (&[Dim], Dim, Dim) {
    match shape {
        [outer @ .., rows, columns] if transposed => (outer, *columns, *rows),
        [outer @ .., rows, columns] => (outer, *rows, *columns),
        [only] => (&[], Dim::Known(1), *only),
        [] => (&[], Dim::Known(1), Dim::Known(1)),
    }
}

/// Since CoreML7 one constant factor may be of another type than the other, which then decides.
fn product_element(call: &Call<'_>, x: &TensorType, y: &TensorType) -> Result<crate::graph::ElementType, OpError> {
    if x.element == y.element {
        return Ok(x.element);
    }
    let constant = |parameter| call.one(parameter).is_some_and(|given| given.constant);
    match (constant("x"), constant("y")) {
        (true, false) if call.set >= Opset::CoreML7 => Ok(y.element),
        (false, true) if call.set >= Opset::CoreML7 => Ok(x.element),
        _ => {
            let message =
                format!("is {}, but `x` is {}; only a constant may differ from the other", y.element, x.element);
            Err(OpError::at(OpRule::DType, "y", message))
        }
    }
}

/// The two equations that Core ML has: `nchw,nwhr->nchr` and `chw,whr->chr`, in any letters.
fn einsum(call: &Call<'_>) -> One {
    let values = call.tensors("values")?;
    let [x, y] = values[..] else {
        return Err(OpError::at(OpRule::Shape, "values", format!("has {} tensors; it needs 2", values.len())));
    };
    if x.element != y.element {
        return Err(OpError::at(OpRule::DType, "values", format!("are {} and {}", x.element, y.element)));
    }
    if let Some(equation) = call.text("equation")?.known()
        && !is_known_equation(equation)
    {
        let message = format!(
            "is \"{}\"; it can be nchw,nwhr->nchr or chw,whr->chr, in any letters",
            equation.chars().take(60).collect::<std::string::String>().escape_debug()
        );
        return Err(OpError::at(OpRule::Value, "equation", message));
    }
    rank_in("values", x, 3..=4)?;
    rank_in("values", y, 3..=4)?;
    let (Some(rank), Some(y_rank)) = (x.rank(), y.rank()) else { return open(x.element) };
    if rank != y_rank {
        return Err(OpError::at(OpRule::Rank, "values", format!("have ranks {rank} and {y_rank}")));
    }
    let [channels, height, width] = [rank - 3, rank - 2, rank - 1];
    if !x.shape[width].agrees(y.shape[channels]) {
        return Err(OpError::at(OpRule::Shape, "values", format!("do not go together: {x} and {y}")));
    }
    let outer = |at: usize| broadcast(&x.shape[at..=at], &y.shape[at..=at]);
    let mut shape = if rank == 4 { outer(0)? } else { Vec::new() };
    shape.push(x.shape[channels]);
    shape.extend(outer(height)?);
    shape.push(y.shape[width]);
    one(x.element, shape)
}

/// Whether an equation is one of the two, whatever its letters.
pub(crate) fn is_known_equation(equation: &str) -> bool {
    let mut seen = Vec::new();
    let mut pattern = std::string::String::new();
    for letter in equation.chars().take(32) {
        if matches!(letter, ',' | '-' | '>') {
            pattern.push(letter);
            continue;
        }
        let number = seen.iter().position(|known| *known == letter).unwrap_or_else(|| {
            seen.push(letter);
            seen.len() - 1
        });
        pattern.push(char::from(b'a' + (number % 26) as u8));
    }
    equation.chars().count() <= 16 && matches!(&*pattern, "abcd,adce->abce" | "abc,cbd->abd")
}
