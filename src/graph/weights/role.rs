//! What a constant is to the operation that uses it.

use crate::graph::index::{Index, OpId};
use crate::graph::op::Operation;
use crate::graph::value::Blobs;

/// What a constant is to an operation, with what the axes depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `linear.weight`: [out, in].
    Linear,
    /// `conv.weight`: [out, in / groups, kernel…].
    Conv {
        /// `groups`; 0 where it is unknown.
        groups: u64,
    },
    /// `conv_transpose.weight`: [in, out / groups, kernel…].
    ConvTranspose {
        /// `groups`; 0 where it is unknown.
        groups: u64,
    },
    /// `matmul.x`: […, out, in], or […, in, out] if transposed. `None` where the flag is unknown.
    MatmulX {
        /// `transpose_x`.
        transposed: Option<bool>,
    },
    /// `matmul.y`: […, in, out], or […, out, in] if transposed. `None` where the flag is unknown.
    MatmulY {
        /// `transpose_y`.
        transposed: Option<bool>,
    },
    /// One of the two tensors of `einsum`: [batch, out, row, in] or [batch, in, row, out], batch or not.
    Einsum {
        /// 0 or 1.
        position: u32,
    },
    /// `gather.x` along its first axis: one row per token.
    Embedding,
    /// A weight of `lstm`, `gru` or `rnn`: [gates · hidden, features].
    Recurrent,
    /// `bias` of any operator.
    Bias,
    /// Scales, offsets and statistics of a normalization.
    Normalization,
    /// Anything else: a mask, a table of positions, an initial state, an operand of arithmetic.
    Other,
}

impl Role {
    /// The role that a parameter of an operation gives a constant.
    pub(super) fn of(index: &Index<'_>, id: OpId, parameter: &str, position: u32, blobs: &dyn Blobs) -> Role {
        let operation: &Operation = index.operation(id);
        let constant = |parameter| index.constant(id, parameter);
        let flag = |parameter| match operation.input(parameter) {
            [] => Some(false),
            _ => constant(parameter)?.ints(blobs)?.first().map(|value| *value != 0),
        };
        let groups = || match operation.input("groups") {
            [] => 1,
            _ => constant("groups")
                .and_then(|groups| groups.ints(blobs)?.first().copied())
                .and_then(|groups| u64::try_from(groups).ok())
                .unwrap_or(0),
        };
        let first_axis = || match operation.input("axis") {
            [] => true,
            // Axes may be counted from the back.
            _ => match constant("axis").and_then(|axis| axis.ints(blobs)?.first().copied()) {
                Some(axis) if axis < 0 => index
                    .bound_to(id, parameter)
                    .and_then(|value| i64::try_from(index.ty(value).as_tensor()?.rank()?).ok())
                    .is_some_and(|rank| axis + rank == 0),
                axis => axis == Some(0),
            },
        };
        match (&*operation.kind, parameter) {
            ("linear", "weight") => Role::Linear,
            ("conv", "weight") => Role::Conv { groups: groups() },
            ("conv_transpose", "weight") => Role::ConvTranspose { groups: groups() },
            ("matmul", "x") => Role::MatmulX { transposed: flag("transpose_x") },
            ("matmul", "y") => Role::MatmulY { transposed: flag("transpose_y") },
            ("einsum", "values") => Role::Einsum { position },
            ("gather", "x") if first_axis() => Role::Embedding,
            ("lstm" | "gru" | "rnn", parameter) if parameter.starts_with("weight_") => Role::Recurrent,
            (_, parameter) if parameter == "bias" || parameter.ends_with("_bias") || parameter == "bias_back" => {
                Role::Bias
            }
            ("batch_norm" | "instance_norm" | "layer_norm" | "local_response_norm", _) => Role::Normalization,
            _ => Role::Other,
        }
    }

    /// The axes of output and input channels of a constant of this rank. `None` where they are unknown.
    ///
    /// As coremltools chooses them (CT:optimize/_utils.py:536-614): 0 and 1 where nothing else is known, also for
    /// what is no weight. Only `einsum` differs: coremltools takes 0 and 1 there too; here it is what the equation
    /// sums over.
    pub fn axes(self, rank: usize) -> Option<Axes> {
        let from_back = |back: usize| rank.checked_sub(back);
        let (output, input) = match self {
            Role::ConvTranspose { .. } => (1, 0),
            Role::MatmulY { transposed: None } | Role::MatmulX { transposed: None } => return None,
            Role::MatmulY { transposed: Some(false) } | Role::MatmulX { transposed: Some(true) } => {
                (from_back(1)?, from_back(2)?)
            }
            Role::MatmulY { transposed: Some(true) } | Role::MatmulX { transposed: Some(false) } => {
                (from_back(2)?, from_back(1)?)
            }
            Role::Einsum { position: 0 } => (from_back(3)?, from_back(1)?),
            Role::Einsum { .. } => (from_back(1)?, from_back(3)?),
            _ => (0, 1),
        };
        (output < rank && input < rank).then_some(Axes { output, input })
    }
}

/// Which axes of a weight are its output and input channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Axes {
    /// Of output channels: a scale per channel varies along it.
    pub output: usize,
    /// Of input channels: a product sums along it, and blocks divide it.
    pub input: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_each_role() {
        let axes = |role: Role, rank| role.axes(rank).map(|axes| (axes.output, axes.input));
        assert_eq!(axes(Role::Linear, 2), Some((0, 1)));
        assert_eq!(axes(Role::Conv { groups: 4 }, 4), Some((0, 1)));
        assert_eq!(axes(Role::ConvTranspose { groups: 1 }, 4), Some((1, 0)));
        assert_eq!(axes(Role::MatmulY { transposed: Some(false) }, 3), Some((2, 1)));
        assert_eq!(axes(Role::MatmulY { transposed: Some(true) }, 3), Some((1, 2)));
        assert_eq!(axes(Role::MatmulX { transposed: Some(false) }, 2), Some((0, 1)));
        assert_eq!(axes(Role::MatmulX { transposed: Some(true) }, 2), Some((1, 0)));
        assert_eq!(axes(Role::MatmulX { transposed: Some(true) }, 1), None);
        assert_eq!(axes(Role::Einsum { position: 0 }, 4), Some((1, 3)));
        assert_eq!(axes(Role::Einsum { position: 1 }, 3), Some((2, 0)));
        assert_eq!(axes(Role::Embedding, 2), Some((0, 1)));
        assert_eq!(axes(Role::Bias, 1), None);
    }
}
