//! Programs written down in tests.

use bitmill::exec::Tensor;
use bitmill::graph::{
    Argument, Attribute, Binding, Block, Content, Dim, ElementType, Function, Literal, Name, NamedType, Operation,
    Program, TensorType, Type,
};

pub fn named(name: &str, ty: impl Into<Type>) -> NamedType {
    NamedType { name: name.into(), ty: ty.into() }
}

pub fn fp32(shape: &[u64]) -> Type {
    Type::tensor(ElementType::Fp32, shape.iter().copied())
}

/// fp32 with an unknown size in front.
pub fn batch(shape: &[u64]) -> Type {
    let sizes = shape.iter().map(|size| Dim::Known(*size));
    TensorType { element: ElementType::Fp32, shape: std::iter::once(Dim::Unknown).chain(sizes).collect() }.into()
}

pub fn literal(tensor: &Tensor) -> Literal {
    Literal { ty: tensor.ty().into(), content: Content::Bytes(tensor.to_bytes().into()) }
}

pub fn value(name: &str) -> Binding {
    Binding::Value(name.into())
}

/// An operation whose outputs are named by itself; `bound` are its parameters.
pub fn op(kind: &str, bound: &[(&str, Vec<Binding>)], outputs: &[NamedType]) -> Operation {
    Operation {
        kind: kind.into(),
        name: outputs.first().map_or_else(|| Name::from(kind), |output| output.name.clone()),
        inputs: bound
            .iter()
            .map(|(parameter, bindings)| Argument { parameter: (*parameter).into(), bindings: bindings.clone() })
            .collect(),
        attributes: Vec::new(),
        outputs: outputs.to_vec(),
        blocks: Vec::new(),
    }
}

pub fn constant(name: &str, literal: Literal) -> Operation {
    let output = NamedType { name: name.into(), ty: literal.ty.clone() };
    Operation { attributes: vec![Attribute { name: "val".into(), value: literal }], ..op("const", &[], &[output]) }
}

pub fn block(inputs: Vec<NamedType>, operations: Vec<Operation>, outputs: &[&str]) -> Block {
    Block { inputs, operations, outputs: outputs.iter().map(|name| Name::from(*name)).collect() }
}

/// A program of one function.
pub fn program(opset: &str, inputs: Vec<NamedType>, operations: Vec<Operation>, outputs: &[&str]) -> Program {
    let block = block(Vec::new(), operations, outputs);
    let function = Function { name: "main".into(), opset: opset.into(), inputs, block, other_opsets: Vec::new() };
    Program { functions: vec![function] }
}
