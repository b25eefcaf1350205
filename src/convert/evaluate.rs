//! Constants that are made while a program is converted, and operations on them, which are computed then too: positions,
//! masks and what else a model makes of numbers alone.

use super::builder::{Builder, One, Value, int32};
use super::constants::Source;
use crate::exec::Executable;
use crate::graph::op::Block;
use crate::graph::weights::MIN_ELEMENTS;
use crate::graph::{
    Argument, Attribute, Binding, Content, Dim, ElementType, Function, Literal, Name, NamedType, NoBlobs, Operation,
    Program, TensorType, Type,
};

/// The most bytes that stand in a program instead of what makes them.
const MAX_BYTES: u64 = 1 << 18;

/// The name that the result has while it is computed.
const RESULT: &str = "result";

/// What operators do that must stay: an identity gives a value a name.
const KEPT: &[&str] = &["identity", "quantize", "dequantize"];

fn is_plain(ty: &TensorType) -> bool {
    let plain = matches!(ty.element, ElementType::Fp32 | ElementType::Int32 | ElementType::Bool);
    plain && ty.bytes().is_some_and(|bytes| bytes <= MAX_BYTES)
}

impl Builder<'_> {
    /// What an operation gives, if all that it takes was made by this converter and the result is small. `None` where
    /// the program computes it.
    pub(super) fn computed(&self, kind: &str, inputs: &[Argument], types: &[Type]) -> Option<Vec<Literal>> {
        let fits = types.iter().all(|ty| ty.as_tensor().is_some_and(is_plain));
        if KEPT.contains(&kind) || !fits {
            return None;
        }
        let mut operations = Vec::new();
        for binding in inputs.iter().flat_map(|input| &input.bindings) {
            let Binding::Value(name) = binding else { continue };
            if operations.iter().any(|operation: &Operation| operation.name == *name) {
                continue;
            }
            operations.push(constant(name.clone(), self.made(name).filter(is_small)?));
        }
        let outputs: Vec<NamedType> = types
            .iter()
            .enumerate()
            .map(|(at, ty)| NamedType { name: format!("{RESULT}{at}").into(), ty: ty.clone() })
            .collect();
        let names: Vec<Name> = outputs.iter().map(|output| output.name.clone()).collect();
        operations.push(Operation {
            kind: kind.into(),
            name: RESULT.into(),
            inputs: inputs.to_vec(),
            attributes: Vec::new(),
            outputs,
            blocks: Vec::new(),
        });
        let block = Block { inputs: Vec::new(), operations, outputs: names };
        let opset = self.set.name().into();
        let function = Function { name: RESULT.into(), opset, inputs: Vec::new(), block, other_opsets: Vec::new() };
        let program = Program { functions: vec![function] };
        // What cannot be computed here is left to the program.
        let executable = Executable::new(&program, RESULT, &NoBlobs).ok()?;
        let found = executable.run(std::iter::empty::<(&str, _)>()).ok()?;
        let literal = |(_, tensor): (Name, crate::exec::Tensor)| {
            let literal = Literal::bytes(tensor.ty(), tensor.to_bytes());
            literal.misfit().is_none().then_some(literal)
        };
        let literals = found.into_iter().map(literal).collect::<Option<Vec<_>>>()?;
        (literals.len() == types.len()).then_some(literals)
    }

    /// A constant of elements that are at hand; large ones of floats lie beside the program.
    pub(super) fn written(&mut self, wish: &str, literal: Literal) -> One {
        let ty = literal.ty.as_tensor().cloned().ok_or("a constant is no tensor")?;
        self.made = self.made.saturating_add(ty.bytes().unwrap_or(0));
        let literal = match literal.content {
            Content::Bytes(bytes) if ty.element == ElementType::Fp32 && ty.count() >= Some(MIN_ELEMENTS) => {
                let content = Content::Blob(self.constants.add(Source::Made(bytes)));
                Literal { ty: ty.clone().into(), content }
            }
            content => Literal { ty: ty.clone().into(), content },
        };
        Ok(self.constant(wish, literal, ty))
    }

    /// A constant that is computed here.
    pub(super) fn literal(&mut self, wish: &str, element: ElementType, shape: &[i64], bytes: Vec<u8>) -> Value {
        let shape: Vec<Dim> = shape.iter().map(|size| Dim::from(u64::try_from(*size).ok())).collect();
        let ty = TensorType { element, shape };
        self.made = self.made.saturating_add(bytes.len() as u64);
        let literal = match element == ElementType::Fp32 && ty.count() >= Some(MIN_ELEMENTS) {
            true => {
                let content = Content::Blob(self.constants.add(Source::Made(bytes.into())));
                Literal { ty: ty.clone().into(), content }
            }
            false => Literal::bytes(ty.clone(), bytes),
        };
        let wish = format!("{}_{wish}", self.wish());
        self.constant(&wish, literal, ty)
    }

    /// A scalar of a type.
    pub(super) fn scalar(&mut self, value: f64, element: ElementType) -> One {
        let bytes = match element {
            ElementType::Fp32 => (value as f32).to_le_bytes().to_vec(),
            ElementType::Bool => vec![u8::from(value != 0.0)],
            _ => int32(value)?.to_le_bytes().to_vec(),
        };
        Ok(self.literal("value", element, &[], bytes))
    }

    /// A constant that this converter has made, with its elements.
    fn made(&self, name: &str) -> Option<Literal> {
        let literal = self.literal_of(name)?;
        match &literal.content {
            Content::Blob(blob) => {
                let ty = literal.ty.as_tensor()?;
                let bytes = self.constants.made(blob)?;
                Some(Literal::bytes(ty.clone(), bytes))
            }
            _ => Some(literal.clone()),
        }
    }
}

fn is_small(literal: &Literal) -> bool {
    literal.ty.as_tensor().and_then(TensorType::bytes).is_none_or(|bytes| bytes <= MAX_BYTES)
}

fn constant(name: Name, literal: Literal) -> Operation {
    Operation {
        kind: "const".into(),
        name: name.clone(),
        inputs: Vec::new(),
        outputs: vec![NamedType { name, ty: literal.ty.clone() }],
        attributes: vec![Attribute { name: "val".into(), value: literal }],
        blocks: Vec::new(),
    }
}
