//! Programs written down in tests.

use super::Name;
use super::function::Function;
use super::op::{Argument, Attribute, Binding, Block, Operation};
use super::types::{NamedType, Type};
use super::value::Literal;

/// A value with its type.
pub(super) fn named(name: &str, ty: Type) -> NamedType {
    NamedType { name: name.into(), ty }
}

/// An operation with one output of its own name, its inputs bound by name.
pub(super) fn op(kind: &str, name: &str, inputs: &[(&str, &str)], ty: Type) -> Operation {
    let argument = |(parameter, value): &(&str, &str)| Argument {
        parameter: Name::from(*parameter),
        bindings: vec![Binding::Value((*value).into())],
    };
    Operation {
        kind: kind.into(),
        name: name.into(),
        inputs: inputs.iter().map(argument).collect(),
        attributes: Vec::new(),
        outputs: vec![named(name, ty)],
        blocks: Vec::new(),
    }
}

/// A `const`.
pub(super) fn constant(name: &str, value: Literal) -> Operation {
    let ty = value.ty.clone();
    Operation { attributes: vec![Attribute { name: "val".into(), value }], ..op("const", name, &[], ty) }
}

/// A block without inputs.
pub(super) fn block(operations: Vec<Operation>, outputs: &[&str]) -> Block {
    Block { inputs: Vec::new(), operations, outputs: outputs.iter().map(|name| Name::from(*name)).collect() }
}

/// A function `main` with one input `x`.
pub(super) fn function(x: Type, opset: &str, block: Block) -> Function {
    Function { name: "main".into(), opset: opset.into(), inputs: vec![named("x", x)], block, other_opsets: Vec::new() }
}
