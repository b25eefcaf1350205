//! The constants that quantization is about, found as Core ML's tools find them: by the operators that take them.
//!
//! Axes: CT:optimize/_utils.py, `select_input_output_channel_axis`.

mod dotted;

use std::collections::HashMap;

pub use dotted::dotted;

use super::index::{Consumer, Index, OpId, Path, ValueId};
use super::op::Operation;
use super::types::{TensorType, Type};
use super::value::{BlobRef, Blobs, Content, Literal};
use super::{Name, Program};

/// A constant tensor of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// The name of its value, in the first function that has it.
    pub value: Name,
    /// Its type.
    pub ty: TensorType,
    /// How it is stored.
    pub stored: Stored,
    /// The operations that define it: one, or one for each function or name that shares its blob.
    pub places: Vec<Path>,
    /// Everything that takes it.
    pub uses: Vec<Use>,
    /// Whether a block hands it out.
    pub is_output: bool,
}

/// How a constant is stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// Its elements, in the program or in a file.
    Plain(Literal),
    /// By `constexpr_` operators, the last one first.
    Compressed(Vec<Name>),
}

/// An operation that takes a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// Where it stands.
    pub path: Path,
    /// The operator: `linear`.
    pub operator: Name,
    /// The operation's name.
    pub operation: Name,
    /// The parameter: `weight`.
    pub parameter: Name,
    /// What the constant is to it.
    pub role: Role,
}

/// What a constant is to an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A weight with channels.
    Weight {
        /// The axis of the output channels.
        output: usize,
        /// The axis of the input channels.
        input: usize,
    },
    /// A table from which rows are taken.
    Table,
    /// A bias.
    Bias,
    /// Scales, shifts and statistics of a normalisation.
    Norm,
    /// An operand of an operator without weights.
    Operand,
}

/// Every constant tensor of numbers, in the order of the program. Parameters that the operators need to be small
/// (axes, paddings, epsilon) are none: scalars, and whole numbers that stand in the program.
pub fn constants(program: &Program, blobs: &dyn Blobs) -> Vec<Constant> {
    let mut all: Vec<Constant> = Vec::new();
    let mut shared: HashMap<(BlobRef, TensorType), usize> = HashMap::new();
    for function in &program.functions {
        let index = Index::new(function);
        for (id, operation) in index.operations() {
            let Some((value, ty, stored)) = stored_by(&index, id, operation) else { continue };
            let mut constant = Constant {
                value: index.name(value).clone(),
                ty,
                stored,
                places: vec![index.path(id)],
                uses: Vec::new(),
                is_output: false,
            };
            let mut inside = false;
            for consumer in index.consumers(value) {
                match *consumer {
                    Consumer::Output { .. } => constant.is_output = true,
                    Consumer::Operation { operation, parameter, .. } => {
                        let taker = index.operation(operation);
                        if taker.is_constexpr() {
                            inside = true;
                            continue;
                        }
                        let parameter = taker.inputs[parameter as usize].parameter.clone();
                        constant.uses.push(Use {
                            path: index.path(operation),
                            operator: taker.kind.clone(),
                            operation: taker.name.clone(),
                            role: role(&index, operation, taker, &parameter, &constant.ty, blobs),
                            parameter,
                        });
                    }
                }
            }
            if inside && constant.uses.is_empty() && !constant.is_output {
                continue;
            }
            let key = match &constant.stored {
                Stored::Plain(Literal { content: Content::Blob(blob), .. }) => {
                    Some((blob.clone(), constant.ty.clone()))
                }
                _ => None,
            };
            match key.clone().and_then(|key| shared.get(&key)) {
                Some(&known) => {
                    all[known].places.append(&mut constant.places);
                    all[known].uses.append(&mut constant.uses);
                    all[known].is_output |= constant.is_output;
                }
                None => {
                    shared.extend(key.map(|key| (key, all.len())));
                    all.push(constant);
                }
            }
        }
    }
    all
}

/// The constant that an operation defines, if it is one of numbers.
fn stored_by(index: &Index, id: OpId, operation: &Operation) -> Option<(ValueId, TensorType, Stored)> {
    let last = operation.outputs.len().checked_sub(1)?;
    let value = index.output(id, last)?;
    let Type::Tensor(ty) = index.ty(value) else { return None };
    if operation.is_constexpr() {
        let mut operators = Vec::new();
        chain(index, id, operation, &mut operators);
        return Some((value, ty.clone(), Stored::Compressed(operators)));
    }
    let literal = operation.is_const().then(|| operation.attribute("val")).flatten()?;
    let in_file = matches!(literal.content, Content::Blob(_));
    let numbers = ty.element.is_float() || (ty.element.is_integer() && in_file);
    (numbers && !ty.shape.is_empty()).then(|| (value, ty.clone(), Stored::Plain(literal.clone())))
}

/// The operators of a chain, depth first from its last.
fn chain(index: &Index, id: OpId, operation: &Operation, operators: &mut Vec<Name>) {
    operators.push(operation.kind.clone());
    for value in index.bound(id).iter().flatten() {
        // A chain has a handful of operators; what is longer, or turns back, is told by the check of the program.
        if let Some((id, inner)) = index.producing(*value)
            && inner.is_constexpr()
            && operators.len() < 16
        {
            chain(index, id, inner, operators);
        }
    }
}

fn is_true(index: &Index, operation: OpId, parameter: &str, blobs: &dyn Blobs) -> bool {
    index.constant(operation, parameter).and_then(|literal| literal.ints(blobs)).is_some_and(|ints| ints == [1])
}

fn role(index: &Index, id: OpId, operation: &Operation, parameter: &str, ty: &TensorType, blobs: &dyn Blobs) -> Role {
    let rank = ty.shape.len();
    let weight = |output, input| if rank >= 2 { Role::Weight { output, input } } else { Role::Operand };
    match (&*operation.kind, parameter) {
        (_, "bias" | "input_bias") => Role::Bias,
        ("linear" | "conv", "weight") => weight(0, 1),
        ("conv_transpose", "weight") => weight(1, 0),
        ("lstm" | "gru" | "rnn", name) if name.starts_with("weight") => weight(0, 1),
        ("lstm" | "gru" | "rnn", name) if name.starts_with("bias") => Role::Bias,
        ("matmul", side @ ("x" | "y")) if rank >= 2 => {
            let transposed = is_true(index, id, if side == "x" { "transpose_x" } else { "transpose_y" }, blobs);
            // Columns of the right side and rows of the left one are outputs.
            match (side == "y") != transposed {
                true => weight(rank - 1, rank - 2),
                false => weight(rank - 2, rank - 1),
            }
        }
        ("einsum", "values") => weight(0, 1),
        ("gather" | "gather_nd" | "gather_along_axis", "x") => Role::Table,
        ("layer_norm" | "batch_norm" | "instance_norm", "gamma" | "beta" | "mean" | "variance") => Role::Norm,
        _ => Role::Operand,
    }
}
