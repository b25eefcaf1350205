//! Arithmetic of shapes that the rules share.

use crate::element::ElementType;
use crate::graph::types::{Dim, MAX_DIMENSIONS, ShapeText, TensorType, Type};

use super::fault::{OpError, OpRule};

/// One output.
pub(super) type One = Result<Vec<Type>, OpError>;

/// One output of this element type and shape.
pub(super) fn one(element: ElementType, shape: Vec<Dim>) -> One {
    Ok(vec![Type::Tensor(TensorType { element, shape })])
}

/// Checks the number of dimensions that a parameter asks for.
pub(super) fn expect_few(parameter: &'static str, dimensions: usize) -> Result<(), OpError> {
    if dimensions <= MAX_DIMENSIONS {
        return Ok(());
    }
    let message = format!("asks for {dimensions} dimensions; at most {MAX_DIMENSIONS} can be");
    Err(OpError::at(OpRule::Rank, parameter, message))
}

/// One output of the type of an input.
pub(super) fn same(tensor: &TensorType) -> One {
    Ok(vec![tensor.clone().into()])
}

/// One output of which the number of dimensions is unknown.
pub(super) fn open(element: ElementType) -> One {
    Ok(vec![TensorType::unranked(element).into()])
}

/// `n` unknown dimensions.
pub(super) fn unknown(n: usize) -> Vec<Dim> {
    vec![Dim::Unknown; n]
}

/// An axis counted from either end, as a position.
pub(super) fn axis(parameter: &'static str, axis: i64, rank: usize) -> Result<usize, OpError> {
    let limit = rank as i64;
    if axis < -limit || axis >= limit {
        let message = format!("is {axis}; for rank {rank} it must be from {} to {}", -limit, limit - 1);
        return Err(OpError::at(OpRule::Axis, parameter, message));
    }
    Ok((if axis < 0 { axis + limit } else { axis }) as usize)
}

/// Axes counted from either end, as positions in increasing order.
pub(super) fn axes(parameter: &'static str, given: &[i64], rank: usize) -> Result<Vec<usize>, OpError> {
    let mut positions = given.iter().map(|at| axis(parameter, *at, rank)).collect::<Result<Vec<_>, _>>()?;
    positions.sort_unstable();
    if let Some(pair) = positions.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(OpError::at(OpRule::Axis, parameter, format!("names axis {} twice", pair[0])));
    }
    Ok(positions)
}

/// The rank of a parameter's type, which must be one of these where it is known.
pub(super) fn rank_in(
    parameter: &'static str,
    tensor: &TensorType,
    accepted: std::ops::RangeInclusive<usize>,
) -> Result<Option<usize>, OpError> {
    let Some(rank) = tensor.rank() else { return Ok(None) };
    if accepted.contains(&rank) {
        return Ok(Some(rank));
    }
    let expected = match (accepted.start(), accepted.end()) {
        (low, high) if low == high => format!("{low}"),
        (low, &usize::MAX) => format!("at least {low}"),
        (low, high) => format!("from {low} to {high}"),
    };
    let message = format!("has rank {rank} ({tensor}); it must be {expected}");
    Err(OpError::at(OpRule::Rank, parameter, message))
}

/// The shape of an elementwise operation on two shapes: NumPy's broadcasting.
pub(super) fn broadcast(x: &[Dim], y: &[Dim]) -> Result<Vec<Dim>, OpError> {
    if x.contains(&Dim::Variadic) || y.contains(&Dim::Variadic) {
        return Ok(vec![Dim::Variadic]);
    }
    let rank = x.len().max(y.len());
    let at = |shape: &[Dim], i: usize| (i + shape.len()).checked_sub(rank).map_or(Dim::Known(1), |i| shape[i]);
    (0..rank)
        .map(|i| match (at(x, i), at(y, i)) {
            (Dim::Known(1), other) | (other, Dim::Known(1)) => Ok(other),
            (Dim::Known(a), Dim::Known(b)) if a != b => {
                let message = format!("the shapes {} and {} do not go together", ShapeText(x), ShapeText(y));
                Err(OpError::whole(OpRule::Shape, message))
            }
            (Dim::Known(size), _) | (_, Dim::Known(size)) => Ok(Dim::Known(size)),
            _ => Ok(Dim::Unknown),
        })
        .collect()
}

/// Checks that a parameter's dimension is what another one says.
pub(super) fn expect_dim(
    parameter: &'static str,
    tensor: &TensorType,
    position: usize,
    expected: Dim,
    what: &str,
) -> Result<(), OpError> {
    let found = tensor.shape.get(position).copied().unwrap_or(Dim::Unknown);
    if found.agrees(expected) {
        return Ok(());
    }
    let message = format!("has {found} in dimension {position} ({tensor}), but {what} is {expected}");
    Err(OpError::at(OpRule::Shape, parameter, message))
}

/// Checks that a parameter's shape agrees with what follows from others.
pub(super) fn expect_shape(parameter: &'static str, tensor: &TensorType, expected: &[Dim]) -> Result<(), OpError> {
    let wanted = TensorType { element: tensor.element, shape: expected.to_vec() };
    if tensor.agrees(&wanted) {
        return Ok(());
    }
    let message = format!("has shape {}; it must be {}", ShapeText(&tensor.shape), ShapeText(expected));
    Err(OpError::at(OpRule::Shape, parameter, message))
}

/// A dimension changed by a function of its size; `None` means a size that cannot be.
pub(super) fn map_dim(dim: Dim, f: impl FnOnce(u64) -> Option<u64>) -> Result<Dim, OpError> {
    match dim {
        Dim::Known(size) => f(size)
            .map(Dim::Known)
            .ok_or_else(|| OpError::whole(OpRule::Shape, format!("a dimension of {size} cannot be changed like that"))),
        other => Ok(other),
    }
}

/// The sum of two dimensions.
pub(super) fn add_dims(a: Dim, b: Dim) -> Result<Dim, OpError> {
    match (a, b) {
        (Dim::Known(a), b) => map_dim(b, |b| a.checked_add(b)),
        _ => Ok(Dim::Unknown),
    }
}

/// The product of dimensions; `None` where one is unknown or it overflows.
pub(super) fn product(dims: &[Dim]) -> Option<u64> {
    TensorType { element: ElementType::Bool, shape: dims.to_vec() }.count()
}

/// A size from a constant, which must not be negative.
pub(super) fn size(parameter: &'static str, value: i64) -> Result<u64, OpError> {
    let negative = |_| OpError::at(OpRule::Value, parameter, format!("is {value}; it must not be negative"));
    u64::try_from(value).map_err(negative)
}

/// A size from a constant, which must be positive.
pub(super) fn positive(parameter: &'static str, value: i64) -> Result<u64, OpError> {
    match u64::try_from(value) {
        Ok(size) if size > 0 => Ok(size),
        _ => Err(OpError::at(OpRule::Value, parameter, format!("is {value}; it must be positive"))),
    }
}
