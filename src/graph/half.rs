//! Which values become fp16 where a program of fp32 is made one of fp16: the facts of coremltools' pass
//! (passes/defs/quantization.py, `FP16ComputePrecision`) about operators and their parameters.

use std::collections::HashSet;

use super::index::{Index, OpId, ValueId};
use super::op::Binding;
use super::value::{Content, Literal};
use crate::element::ElementType;

/// Largest finite number of fp16.
const LARGEST: f32 = 65504.0;

/// From here on a number stands for infinity, as in attention masks filled with the lowest of fp32: coremltools lets
/// such become infinite.
const INFINITE: f32 = 1e38;

/// Whether a value is beyond fp16 and stands for more than something infinite.
pub fn is_beyond(value: f32) -> bool {
    value.abs() > LARGEST && value.abs() < INFINITE
}

/// Operators that stay as they are: coremltools' list, and those that hand values to others of it.
const LEFT: &[&str] = &[
    "cast",
    "while_loop",
    "cond",
    "make_list",
    "list_gather",
    "list_scatter",
    "list_read",
    "list_write",
    "list_length",
    "read_state",
    "write_state",
    "coreml_update_state",
    "classify",
];

/// Parameters that keep fp32 beside fp16 inputs, in operator sets that have them mixed.
const MIXED: &[(&[&str], &[&str])] = &[
    (&["elu", "leaky_relu", "prelu", "thresholded_relu"], &["alpha"]),
    (&["clamped_relu", "linear_activation", "scaled_tanh", "sigmoid_hard", "softplus_parametric"], &["alpha", "beta"]),
    (&["inverse", "log", "rsqrt"], &["epsilon"]),
];

/// Parameters that are fp32 whatever the other inputs are, in every operator set.
const FP32_ONLY: &[(&str, &[&str])] = &[
    ("crop_resize", &["spatial_scale"]),
    ("upsample_bilinear", &["scale_factor_height", "scale_factor_width"]),
    ("upsample_nearest_neighbor", &["scale_factor_height", "scale_factor_width"]),
];

/// Operators that know fp32 only before the operator set of iOS17.
const FP32_BEFORE: &[&str] = &["gru", "lstm", "rnn"];

/// The first operator set with [`MIXED`] parameters is that of iOS17.
const MIXED_SINCE: i32 = 8;

/// The first operator set in which coordinates of `resample` may be fp16 is that of iOS16.
const COORDINATES_SINCE: i32 = 7;

/// What becomes fp16 in models of a specification version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Halving {
    version: i32,
}

impl Halving {
    /// In a model of this specification version.
    pub fn of(specification_version: i32) -> Halving {
        Halving { version: specification_version }
    }

    /// Whether an operator can compute in fp16.
    pub fn converts(self, operator: &str) -> bool {
        !LEFT.contains(&operator) && (self.version >= MIXED_SINCE || !FP32_BEFORE.contains(&operator))
    }

    /// Whether a parameter stays as it is where its operation becomes one of fp16.
    pub fn keeps(self, operator: &str, parameter: &str) -> bool {
        let is_mixed = |(operators, parameters): &(&[&str], &[&str])| {
            operators.contains(&operator) && parameters.contains(&parameter)
        };
        FP32_ONLY.iter().any(|(own, parameters)| *own == operator && parameters.contains(&parameter))
            || self.version >= MIXED_SINCE && MIXED.iter().any(is_mixed)
            || self.version < COORDINATES_SINCE && (operator, parameter) == ("resample", "coordinates")
    }
}

/// The operations of a function that stay in fp32 because of a constant beyond it, as far as such constants stand in the
/// program: those in files are not read.
pub fn staying(index: &Index) -> HashSet<OpId> {
    let is_large = |literal: &Literal| match (literal.ty.as_tensor(), &literal.content) {
        (Some(ty), Content::Bytes(bytes)) if ty.element == ElementType::Fp32 => {
            bytes.as_chunks().0.iter().any(|value| is_beyond(f32::from_le_bytes(*value)))
        }
        _ => false,
    };
    let mut large: HashSet<ValueId> = HashSet::new();
    let mut staying = HashSet::new();
    for (id, operation) in index.operations() {
        let bound = operation.inputs.iter().flat_map(|input| &input.bindings);
        let literals = bound.filter_map(|binding| match binding {
            Binding::Literal(literal) => Some(literal),
            Binding::Value(_) => None,
        });
        let mut literals = literals.chain(operation.attributes.iter().map(|attribute| &attribute.value));
        if !literals.any(is_large) && !index.bound(id).iter().flatten().any(|value| large.contains(value)) {
            continue;
        }
        staying.insert(id);
        // Whoever takes a constant of fp32, compressed or not, takes it as it is.
        if operation.is_const() || operation.is_constexpr() {
            large.extend((0..operation.outputs.len()).filter_map(|output| index.output(id, output)));
        }
    }
    staying
}
