//! Operations as they are written: constants for parameters, names, and the types that the operators' rules give.

use std::collections::{HashMap, HashSet};

use super::args::Args;
use super::constants::{Constants, Source};
pub(super) use super::value::{One, Param, Value, Values, axis_of, int32};
use super::value::{identifier, narrow};
use super::{Tensors, program_type};
use crate::graph::aten::{self, Argument as AtenArgument, InputRole, ValueId};
use crate::graph::function::Opset;
use crate::graph::ops::{self, Call, Given};
use crate::graph::{
    Argument, Attribute, Binding, Content, Dim, ElementType, Literal, Name, NamedType, NoBlobs, Operation, TensorType,
    Type,
};
use crate::lower::message::fresh;
use crate::words::shown;

/// What is known of a value by its name.
struct Known {
    ty: Type,
    constant: bool,
    literal: Option<Literal>,
}

/// A convolution or a linear layer that a normalization may be folded into.
#[derive(Clone)]
pub(super) struct Convolution {
    /// `conv` or `linear`.
    pub(super) kind: &'static str,
    /// Its parameters but the weight and the bias.
    pub(super) parameters: Vec<(&'static str, Param<'static>)>,
    /// What it takes.
    pub(super) x: Value,
    /// The tensors of the archive that are its weight and its bias.
    pub(super) weight: ValueId,
    pub(super) bias: Option<ValueId>,
}

/// A program that is being written.
pub(super) struct Builder<'a> {
    pub(super) program: &'a aten::Program,
    pub(super) tensors: &'a dyn Tensors,
    pub(super) set: Opset,
    pub(super) operations: Vec<Operation>,
    /// The operation of the export that each comes from.
    pub(super) origins: Vec<Option<usize>>,
    pub(super) constants: Constants,
    pub(super) inputs: Vec<NamedType>,
    /// The dotted names of the tensors that constants stand for.
    pub(super) weights: HashMap<Name, Name>,
    /// Convolutions and linear layers by what they give.
    pub(super) convolutions: HashMap<Name, Convolution>,
    /// Of every value that a transposition gives: what it was made of, and the permutation.
    pub(super) transposed: HashMap<Name, (Value, Vec<usize>)>,
    values: HashMap<ValueId, Value>,
    known: HashMap<Name, Known>,
    names: HashSet<String>,
    /// The constants that stand for tensors of the archive, by these and their shapes.
    stored: HashMap<(usize, Vec<Dim>), Value>,
    roles: HashMap<ValueId, Name>,
    /// How often each value is taken.
    uses: HashMap<ValueId, usize>,
    node: Option<(usize, Name)>,
    number: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(program: &'a aten::Program, tensors: &'a dyn Tensors, set: Opset) -> Self {
        let graph = &program.graph;
        let mut uses: HashMap<ValueId, usize> = HashMap::new();
        let taken = graph.nodes.iter().flat_map(|node| &node.arguments).map(|(_, argument)| argument);
        for id in taken.chain(&graph.outputs).flat_map(AtenArgument::values) {
            *uses.entry(id).or_default() += 1;
        }
        let stored = |input: &aten::Input| match &input.role {
            InputRole::User => None,
            role => Some((input.value?, role.stored()?.clone())),
        };
        Builder {
            program,
            tensors,
            set,
            operations: Vec::new(),
            origins: Vec::new(),
            constants: Constants::default(),
            inputs: Vec::new(),
            weights: HashMap::new(),
            convolutions: HashMap::new(),
            transposed: HashMap::new(),
            values: HashMap::new(),
            known: HashMap::new(),
            names: graph.values.iter().map(|value| value.name.to_string()).collect(),
            stored: HashMap::new(),
            roles: program.inputs.iter().filter_map(stored).collect(),
            uses,
            node: None,
            number: 0,
        }
    }

    /// Declares an input.
    pub(super) fn input(&mut self, id: ValueId, input: NamedType) {
        if let Type::Tensor(ty) = &input.ty {
            self.values.insert(id, Value { name: input.name.clone(), ty: ty.clone() });
        }
        self.know(&input, false, None);
        self.inputs.push(input);
    }

    fn know(&mut self, value: &NamedType, constant: bool, literal: Option<Literal>) {
        self.known.insert(value.name.clone(), Known { ty: value.ty.clone(), constant, literal });
    }

    /// Begins an operation of the export; gives the place of the first operation that it becomes.
    pub(super) fn begin(&mut self, node: &aten::Node) -> usize {
        self.node = Some((self.number, node.name.clone()));
        self.number += 1;
        self.operations.len()
    }

    /// Binds what an operation of the export gives. What was made for it takes the names of the export.
    pub(super) fn give(&mut self, node: &aten::Node, begin: usize, values: Vec<Value>) -> Result<(), String> {
        let ids: Vec<ValueId> = node.outputs.iter().flat_map(AtenArgument::values).collect();
        for (index, id) in ids.iter().enumerate() {
            let Some(declared) = self.program.graph.tensor(*id) else { continue };
            let used = self.uses.get(id).is_some_and(|uses| *uses > 0);
            let Some(value) = values.get(index) else {
                // What nobody takes need not be made.
                if used {
                    return Err(format!("its output {index} is not converted"));
                }
                continue;
            };
            let expected = program_type(declared)?;
            if !expected.agrees(&value.ty) {
                return Err(format!("it would be {}, where the export has {expected}", value.ty));
            }
            let name = &self.program.graph.value(*id).ok_or("it gives nothing")?.name.clone();
            let made = self.operations[begin..].iter().any(|op| op.outputs.iter().any(|out| out.name == value.name));
            let is_constant = self.known.get(&value.name).is_some_and(|known| known.literal.is_some());
            let free = !self.known.contains_key(name);
            let value = if made && free && !is_constant { self.renamed(begin, value, name) } else { value.clone() };
            self.values.insert(*id, value);
        }
        self.node = None;
        Ok(())
    }

    /// Gives a value that was just made another name.
    fn renamed(&mut self, begin: usize, value: &Value, name: &Name) -> Value {
        for operation in &mut self.operations[begin..] {
            let is_its = operation.outputs.first().is_some_and(|output| output.name == value.name);
            operation.outputs.iter_mut().filter(|out| out.name == value.name).for_each(|out| out.name = name.clone());
            if is_its {
                operation.name = name.clone();
            }
            for binding in operation.inputs.iter_mut().flat_map(|input| &mut input.bindings) {
                if matches!(binding, Binding::Value(taken) if *taken == value.name) {
                    *binding = Binding::Value(name.clone());
                }
            }
        }
        if let Some(known) = self.known.remove(&value.name) {
            self.known.insert(name.clone(), known);
        }
        if let Some(convolution) = self.convolutions.remove(&value.name) {
            self.convolutions.insert(name.clone(), convolution);
        }
        if let Some(transposed) = self.transposed.remove(&value.name) {
            self.transposed.insert(name.clone(), transposed);
        }
        Value { name: name.clone(), ty: value.ty.clone() }
    }

    /// Binds what an operation that cannot be converted would give, so that those after it can be looked at.
    pub(super) fn stand_in(&mut self, node: &aten::Node) {
        self.node = None;
        for id in node.outputs.iter().flat_map(AtenArgument::values) {
            let value = self.program.graph.value(id);
            let ty = self.program.graph.tensor(id).and_then(|ty| program_type(ty).ok());
            if let (Some(value), Some(ty)) = (value, ty) {
                self.know(&NamedType { name: value.name.clone(), ty: ty.clone().into() }, false, None);
                self.values.insert(id, Value { name: value.name.clone(), ty });
            }
        }
    }

    /// How often a value of the export is taken.
    pub(super) fn uses(&self, id: ValueId) -> usize {
        self.uses.get(&id).copied().unwrap_or(0)
    }

    /// The dotted name of the tensor of the archive that a value is.
    pub(super) fn stored_name(&self, id: ValueId) -> Option<&Name> {
        self.roles.get(&id)
    }

    /// A value of the export.
    pub(super) fn value(&mut self, id: ValueId) -> One {
        if let Some(value) = self.values.get(&id) {
            return Ok(value.clone());
        }
        let name = self.program.graph.value(id).map_or("", |value| &*value.name);
        let Some(dotted) = self.roles.get(&id).cloned() else {
            return Err(format!("it takes `{}`, which is not converted", shown(name)));
        };
        let shape = self.program.graph.tensor(id).map(program_type).ok_or("it takes what is no tensor")??.shape;
        let made = self.stored_as(id, &dotted, shape)?;
        self.values.insert(id, made.clone());
        Ok(made)
    }

    /// A stored tensor in another shape of as many elements.
    pub(super) fn stored_in(&mut self, id: ValueId, shape: &[i64]) -> One {
        let dotted = self.roles.get(&id).cloned().ok_or("it takes a tensor that is not stored in the export")?;
        let shape = shape.iter().map(|size| Dim::from(u64::try_from(*size).ok())).collect();
        self.stored_as(id, &dotted, shape)
    }

    fn stored_as(&mut self, id: ValueId, dotted: &Name, shape: Vec<Dim>) -> One {
        // Tied weights stay tied.
        let place = self.tensors.place(dotted).map(|place| (place, shape.clone()));
        if let Some(known) = place.as_ref().and_then(|place| self.stored.get(place)) {
            return Ok(known.clone());
        }
        let declared = self.program.graph.tensor(id).ok_or("it takes what is no tensor")?;
        let ty = TensorType { element: program_type(declared)?.element, shape };
        let source = Source::Stored { name: dotted.clone(), from: declared.dtype };
        let value = self.constant_of(&dotted.replace('.', "_"), ty, source)?;
        self.weights.insert(value.name.clone(), dotted.clone());
        self.stored.extend(place.map(|place| (place, value.clone())));
        Ok(value)
    }

    /// A constant of a source: in the program where it is short or of integers, else a blob.
    pub(super) fn constant_of(&mut self, wish: &str, ty: TensorType, source: Source) -> One {
        let count = ty.count().ok_or("a stored tensor has no fixed shape")?;
        let literal = if ty.element == ElementType::Fp32 && count >= crate::graph::weights::MIN_ELEMENTS {
            Literal { ty: ty.clone().into(), content: Content::Blob(self.constants.add(source)) }
        } else {
            let bytes = source.bytes(self.tensors)?;
            let literal = Literal::bytes(ty.clone(), bytes);
            if let Some(why) = literal.misfit() {
                return Err(why.to_owned());
            }
            literal
        };
        Ok(self.constant(wish, literal, ty))
    }

    /// Adds a constant.
    fn constant(&mut self, wish: &str, literal: Literal, ty: TensorType) -> Value {
        let name: Name = fresh(&mut self.names, &identifier(wish)).into();
        let output = NamedType { name: name.clone(), ty: literal.ty.clone() };
        self.know(&output, true, Some(literal.clone()));
        self.push(Operation {
            kind: "const".into(),
            name: name.clone(),
            inputs: Vec::new(),
            attributes: vec![Attribute { name: "val".into(), value: literal }],
            outputs: vec![output],
            blocks: Vec::new(),
        });
        Value { name, ty }
    }

    fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
        self.origins.push(self.node.as_ref().map(|(number, _)| *number));
    }

    /// A tensor that an argument names.
    pub(super) fn tensor(&mut self, args: &Args<'_>, name: &str) -> One {
        match args.id(name) {
            Some(id) => self.value(id),
            None => Err(format!("its argument `{}` is no tensor", shown(name))),
        }
    }

    /// A tensor that an argument may name.
    pub(super) fn tensor_if(&mut self, args: &Args<'_>, name: &str) -> Result<Option<Value>, String> {
        if args.has(name) { self.tensor(args, name).map(Some) } else { Ok(None) }
    }

    /// The tensors of a list.
    pub(super) fn tensors(&mut self, args: &Args<'_>, name: &str) -> Values {
        args.ids(name)?.into_iter().map(|id| self.value(id)).collect()
    }

    /// The integers of a constant that is written in the program.
    pub(super) fn known_ints(&self, value: &Value) -> Option<Vec<i64>> {
        self.known.get(&value.name)?.literal.as_ref()?.ints(&NoBlobs)
    }

    /// The values of a constant of floats that was not computed.
    pub(super) fn known_floats(&self, value: &Value) -> Option<Vec<f32>> {
        let literal = self.known.get(&value.name)?.literal.as_ref()?;
        let bytes = match &literal.content {
            Content::Blob(blob) => self.constants.elements(blob, self.tensors).ok()?,
            Content::Bytes(bytes) => bytes.to_vec(),
            _ => return None,
        };
        let is_float = value.element() == ElementType::Fp32;
        is_float.then(|| bytes.as_chunks().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect())
    }

    /// A constant as codes of 8 bits with one scale and one zero point: the first version of the operator that the set
    /// has takes them as attributes.
    pub(super) fn coded(
        &mut self,
        of: &Value,
        (element, codes): (ElementType, Vec<u8>),
        (scale, zero_point): (f32, Option<u8>),
    ) -> Value {
        let is_newer = self.set >= Opset::CoreML8;
        let ty = TensorType { element, shape: of.ty.shape.clone() };
        let codes = Literal { ty: ty.into(), content: Content::Blob(self.constants.add(Source::Made(codes.into()))) };
        let grid = vec![Dim::Known(1); if is_newer { of.rank() } else { 0 }];
        let one = |element, bytes: Vec<u8>| Literal::bytes(TensorType { element, shape: grid.clone() }, bytes);
        let scale = one(ElementType::Fp32, scale.to_le_bytes().to_vec());
        let zero_point = zero_point.map(|zero| one(element, vec![zero]));
        let (kind, parameters) = match is_newer {
            true => {
                let offset = zero_point.map(|zero| ("offset", zero));
                let all = [("data", codes), ("scale", scale)].into_iter().chain(offset).collect::<Vec<_>>();
                ("constexpr_blockwise_shift_scale", all)
            }
            false => {
                let zero = zero_point.unwrap_or_else(|| one(element, vec![0]));
                let all =
                    [("axis", Literal::int32(0)), ("quantized_data", codes), ("scale", scale), ("zero_point", zero)];
                ("constexpr_affine_dequantize", all.to_vec())
            }
        };
        let name: Name = fresh(&mut self.names, &format!("{}_quantized", of.name)).into();
        let output = NamedType { name: name.clone(), ty: of.ty.clone().into() };
        self.know(&output, true, None);
        let (mut inputs, mut attributes) = (Vec::new(), Vec::new());
        for (parameter, value) in parameters {
            let name: Name = parameter.into();
            match ops::parameters_are_attributes(kind, self.set) {
                true => attributes.push(Attribute { name, value }),
                false => inputs.push(Argument { parameter: name, bindings: vec![Binding::Literal(value)] }),
            }
        }
        // It stands for the same tensor of the archive.
        if let Some(dotted) = self.weights.get(&of.name).cloned() {
            self.weights.insert(name.clone(), dotted);
        }
        self.push(Operation {
            kind: kind.into(),
            name: name.clone(),
            inputs,
            attributes,
            outputs: vec![output],
            blocks: Vec::new(),
        });
        Value { name, ty: of.ty.clone() }
    }

    /// Whether a value is the same in every run.
    pub(super) fn is_constant(&self, value: &Value) -> bool {
        self.known.get(&value.name).is_some_and(|known| known.constant)
    }

    /// A constant that is computed here.
    pub(super) fn literal(&mut self, wish: &str, element: ElementType, shape: &[i64], bytes: Vec<u8>) -> Value {
        let shape: Vec<Dim> = shape.iter().map(|size| Dim::from(u64::try_from(*size).ok())).collect();
        let ty = TensorType { element, shape };
        let literal = match element == ElementType::Fp32 && ty.count() >= Some(crate::graph::weights::MIN_ELEMENTS) {
            true => {
                let content = Content::Blob(self.constants.add(Source::Made(bytes.into())));
                Literal { ty: ty.clone().into(), content }
            }
            false => Literal::bytes(ty.clone(), bytes),
        };
        let wish = format!("{}_{wish}", self.wish());
        self.constant(&wish, literal, ty)
    }

    fn wish(&self) -> String {
        self.node.as_ref().map_or_else(|| "value".to_owned(), |(_, name)| name.to_string())
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

    fn bound(&mut self, operation: &str, parameter: &str, given: Param<'_>) -> Result<Vec<Binding>, String> {
        let literal = match given {
            Param::Value(value) => return Ok(vec![Binding::Value(value.name.clone())]),
            Param::Values(values) => {
                return Ok(values.iter().map(|value| Binding::Value(value.name.clone())).collect());
            }
            Param::Int(value) => Literal::int32(narrow(value)?),
            Param::Ints(values) => Literal::int32s(&values.into_iter().map(narrow).collect::<Result<Vec<_>, _>>()?),
            Param::Float(value) => {
                let scalar = TensorType::new(ElementType::Fp32, [] as [u64; 0]);
                Literal::bytes(scalar, (value as f32).to_le_bytes().to_vec())
            }
            Param::Bool(value) => Literal::bool(value),
            Param::Bools(values) => {
                let bytes: Vec<u8> = values.iter().map(|value| u8::from(*value)).collect();
                Literal::bytes(TensorType::new(ElementType::Bool, [values.len() as u64]), bytes)
            }
            Param::Text(text) => Literal::string(text),
        };
        let ty = literal.ty.as_tensor().cloned().ok_or("a parameter is no tensor")?;
        let value = self.constant(&format!("{operation}_{parameter}_0"), literal, ty);
        Ok(vec![Binding::Value(value.name)])
    }

    /// Adds an operation; gives what it gives.
    pub(super) fn emit(&mut self, kind: &'static str, parameters: Vec<(&'static str, Param<'_>)>) -> Values {
        let wish = format!("{}_{kind}", self.wish());
        let name: Name = fresh(&mut self.names, &wish).into();
        let mut inputs = Vec::with_capacity(parameters.len());
        for (parameter, given) in parameters {
            let bindings = self.bound(&name, parameter, given)?;
            inputs.push(Argument { parameter: parameter.into(), bindings });
        }
        inputs.sort_by(|a, b| a.parameter.cmp(&b.parameter));
        let types = self.infer(kind, &inputs)?;
        let constant = inputs.iter().flat_map(|input| &input.bindings).all(|binding| match binding {
            Binding::Value(name) => self.known.get(name).is_some_and(|known| known.constant),
            Binding::Literal(_) => true,
        });
        let mut outputs = Vec::with_capacity(types.len());
        let mut values = Vec::with_capacity(types.len());
        for (index, ty) in types.into_iter().enumerate() {
            let Type::Tensor(tensor) = &ty else { return Err(format!("`{kind}` would give {ty}")) };
            if tensor.rank().is_none() {
                return Err(format!("`{kind}` would give a tensor of no known number of dimensions"));
            }
            let own = if index == 0 { name.clone() } else { fresh(&mut self.names, &format!("{name}_{index}")).into() };
            values.push(Value { name: own.clone(), ty: tensor.clone() });
            let output = NamedType { name: own, ty };
            self.know(&output, constant, None);
            outputs.push(output);
        }
        self.push(Operation { kind: kind.into(), name, inputs, attributes: Vec::new(), outputs, blocks: Vec::new() });
        Ok(values)
    }

    /// The types that the operator's rule gives.
    fn infer(&self, kind: &str, inputs: &[Argument]) -> Result<Vec<Type>, String> {
        let mut arguments = Vec::with_capacity(inputs.len());
        for input in inputs {
            let mut given = Vec::with_capacity(input.bindings.len());
            for binding in &input.bindings {
                let Binding::Value(name) = binding else { continue };
                let known = self.known.get(name).ok_or_else(|| format!("`{}` is not defined", shown(name)))?;
                given.push(Given { ty: &known.ty, constant: known.constant, literal: known.literal.as_ref() });
            }
            arguments.push((&*input.parameter, given));
        }
        let call = Call { set: self.set, arguments, blocks: Vec::new(), outputs: 1, blobs: &NoBlobs };
        let told = |errors: Vec<ops::OpError>| {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            format!("`{kind}` cannot be written: {}", all.join("; "))
        };
        let unknown = || format!("`{kind}` is no operator of {}", self.set);
        ops::infer(kind, &call).map_err(told)?.ok_or_else(unknown)
    }

    /// Adds an operation that gives one value.
    pub(super) fn op(&mut self, kind: &'static str, parameters: Vec<(&'static str, Param<'_>)>) -> One {
        self.emit(kind, parameters)?.into_iter().next().ok_or_else(|| format!("`{kind}` gives nothing"))
    }

    /// A value in another element type.
    pub(super) fn cast(&mut self, value: &Value, element: ElementType) -> One {
        if value.element() == element {
            return Ok(value.clone());
        }
        self.op("cast", vec![("x", Param::Value(value)), ("dtype", Param::Text(element.name()))])
    }

    /// A value in another shape; at most one size may be -1.
    pub(super) fn reshape(&mut self, value: &Value, shape: Vec<i64>) -> One {
        self.op("reshape", vec![("x", Param::Value(value)), ("shape", Param::Ints(shape))])
    }

    /// What the program gives: a computed value under the name of the export.
    pub(super) fn output(&mut self, id: ValueId, name: &Name) -> One {
        let value = self.value(id)?;
        let is_input = self.inputs.iter().any(|input| input.name == value.name);
        if value.name == *name && !is_input {
            return Ok(value);
        }
        let mut made = self.op("identity", vec![("x", Param::Value(&value))])?;
        if !self.known.contains_key(name) {
            let begin = self.operations.len() - 1;
            made = self.renamed(begin, &made, name);
        }
        Ok(made)
    }
}
