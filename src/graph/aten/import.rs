//! Programs from the messages of an archive.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::module::{Modules, source};
use super::{
    Argument, Definition, Dim, Expr, Graph, Input, InputRole, Node, Operator, Output, OutputRole, Program, Range,
    ScalarType, Size, TensorType, Value, ValueId, ValueType,
};
use crate::formats::pt2::MAX_RANK;
use crate::formats::pt2::schema::{self, InputSpec, OptionalTensor, OutputSpec, SymArgument, SymInt, TensorMeta};
use crate::graph::Name;
use crate::words::shown;

/// Where messages make no program, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportError {
    /// The operation, or the input or output, if it is about one.
    pub place: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for ImportError {}

/// Makes a program of its messages. `name` is its name in the archive.
///
/// # Errors
/// Where a value is used that none defines before, or defined twice, or has no type; where the signature does not fit
/// the graph.
pub fn import(name: &str, program: &schema::ExportedProgram) -> Result<Program, ImportError> {
    let module = &program.graph_module;
    let mut modules = Modules::default();
    let mut importer = Importer::new(&module.graph, &mut modules);
    let (inputs, tokens) = importer.inputs(&module.graph, &module.signature)?;
    let graph = importer.graph(&module.graph, &tokens)?;
    let outputs = outputs(&graph, &module.signature)?;
    let range = |(symbol, range): (&str, &schema::RangeConstraint)| {
        (Name::from(symbol), Range { min: range.min_val, max: range.max_val })
    };
    let call = module.module_call_graph.first().filter(|entry| entry.fqn.is_empty());
    let call = call.and_then(|entry| entry.signature.as_ref());
    let arguments = call.and_then(|call| call.forward_arg_names.as_deref()).unwrap_or(&[]);
    Ok(Program {
        name: name.into(),
        graph,
        inputs,
        outputs,
        modules: modules.into_all(),
        ranges: program.range_constraints.iter().map(range).collect(),
        shapes: Vec::new(),
        opsets: program.opset_version.iter().map(|(set, version)| (set.into(), *version)).collect(),
        verifiers: program.verifiers.iter().map(|verifier| verifier.as_str().into()).collect(),
        torch_version: program.torch_version.as_deref().map(Name::from),
        arguments: arguments.iter().map(|argument| argument.as_str().into()).collect(),
        forms: call.map(|call| (call.in_spec.as_str().into(), call.out_spec.as_str().into())),
    })
}

/// An error that is not placed yet.
type Fault = String;

fn placed<T>(result: Result<T, Fault>, place: impl FnOnce() -> String) -> Result<T, ImportError> {
    result.map_err(|what| ImportError { place: Some(place()), what })
}

/// What the file says of the types of a graph's values.
struct Types<'a> {
    tensors: HashMap<&'a str, &'a TensorMeta>,
    ints: HashMap<&'a str, &'a SymInt>,
    bools: HashMap<&'a str, ()>,
    floats: HashMap<&'a str, ()>,
    objects: HashMap<&'a str, &'a schema::CustomObj>,
}

struct Importer<'a, 'm> {
    types: Types<'a>,
    values: Vec<Value>,
    by_name: HashMap<&'a str, ValueId>,
    modules: &'m mut Modules,
}

impl<'a, 'm> Importer<'a, 'm> {
    fn new(graph: &'a schema::Graph, modules: &'m mut Modules) -> Self {
        let types = Types {
            tensors: graph.tensor_values.iter().collect(),
            ints: graph.sym_int_values.iter().collect(),
            bools: graph.sym_bool_values.iter().map(|(name, _)| (name, ())).collect(),
            floats: graph.sym_float_values.iter().map(|(name, _)| (name, ())).collect(),
            objects: graph.custom_obj_values.iter().collect(),
        };
        Importer { types, values: Vec::new(), by_name: HashMap::new(), modules }
    }

    /// The inputs of a program by its signature, and the names among them that are tokens.
    fn inputs(
        &mut self,
        graph: &'a schema::Graph,
        signature: &'a schema::GraphSignature,
    ) -> Result<(Vec<Input>, Vec<&'a str>), ImportError> {
        if graph.inputs.len() != signature.input_specs.len() {
            let what = format!(
                "the graph has {} inputs, and its signature {}",
                graph.inputs.len(),
                signature.input_specs.len()
            );
            return Err(ImportError { place: None, what });
        }
        let tokens = signature.input_specs.iter().filter_map(|spec| match spec {
            InputSpec::Token(token) => Some(token.arg.name.as_str()),
            _ => None,
        });
        let tokens: Vec<&str> = tokens.collect();
        for (index, argument) in graph.inputs.iter().enumerate() {
            let place = || format!("input {}", index + 1);
            placed(self.define(argument, Definition::Input(index as u32), &tokens), place)?;
        }
        let mut inputs = Vec::with_capacity(graph.inputs.len());
        for (index, (argument, spec)) in graph.inputs.iter().zip(&signature.input_specs).enumerate() {
            let (role, named) = input_role(spec);
            let value = name_of(argument).and_then(|name| self.by_name.get(name).copied());
            if let Some(named) = named
                && name_of(argument) != Some(named)
            {
                let what = format!("the signature speaks of `{}` there", shown(named));
                return Err(ImportError { place: Some(format!("input {}", index + 1)), what });
            }
            inputs.push(Input { value, role });
        }
        let mut stored: Vec<&Name> = inputs.iter().filter_map(|input| input.role.stored()).collect();
        stored.sort_unstable();
        match stored.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                let what = format!("two inputs are the tensor `{}`", shown(pair[0]));
                Err(ImportError { place: None, what })
            }
            None => Ok((inputs, tokens)),
        }
    }

    /// The rest of a graph, whose inputs are defined.
    fn graph(mut self, graph: &'a schema::Graph, tokens: &[&'a str]) -> Result<Graph, ImportError> {
        let inputs = graph.inputs.iter().map(|argument| self.argument(argument));
        let inputs = placed(inputs.collect::<Result<Vec<_>, _>>(), || "inputs".into())?;
        let mut nodes = Vec::with_capacity(graph.nodes.len());
        for (index, node) in graph.nodes.iter().enumerate() {
            let place = || place_of(node, index);
            nodes.push(self.node(node, index, tokens).map_err(|mut error| {
                error.place = Some(match error.place.take() {
                    Some(inner) => format!("{}: {inner}", place()),
                    None => place(),
                });
                error
            })?);
        }
        let outputs = graph.outputs.iter().map(|argument| self.argument(argument));
        let outputs = placed(outputs.collect::<Result<Vec<_>, _>>(), || "outputs".into())?;
        Ok(Graph { values: self.values, inputs, nodes, outputs })
    }

    fn node(&mut self, node: &'a schema::Node, index: usize, tokens: &[&'a str]) -> Result<Node, ImportError> {
        let plain = |what: Fault| ImportError { place: None, what };
        let mut arguments = Vec::with_capacity(node.inputs.len());
        for input in &node.inputs {
            let argument = match &input.arg {
                schema::Argument::Graph(inner) => Argument::Graph(Box::new(self.inner(&inner.graph)?)),
                other => self.argument(other).map_err(plain)?,
            };
            arguments.push((Name::from(input.name.as_str()), argument));
        }
        for output in &node.outputs {
            self.define(output, Definition::Node(index as u32), tokens).map_err(plain)?;
        }
        let outputs = node.outputs.iter().map(|output| self.argument(output)).collect::<Result<Vec<_>, _>>();
        let outputs = outputs.map_err(plain)?;
        let first = node.outputs.first().and_then(name_of);
        let name = node.name.as_deref().or(first).unwrap_or_default();
        let stack = node.metadata.get("nn_module_stack");
        Ok(Node {
            name: name.into(),
            operator: Operator::read(&node.target),
            arguments,
            outputs,
            modules: stack.map(|text| self.modules.stack(text)).unwrap_or_else(|| Arc::from([])),
            source: node.metadata.get("stack_trace").and_then(|trace| source(trace)),
        })
    }

    /// A graph that an operator runs. It sees its own inputs only.
    fn inner(&mut self, graph: &schema::Graph) -> Result<Graph, ImportError> {
        let mut importer = Importer::new(graph, self.modules);
        for (index, argument) in graph.inputs.iter().enumerate() {
            let place = || format!("input {} of its graph", index + 1);
            placed(importer.define(argument, Definition::Input(index as u32), &[]), place)?;
        }
        importer.graph(graph, &[])
    }

    /// Defines the values that an input or an output of an operation names.
    fn define(
        &mut self,
        argument: &'a schema::Argument,
        definition: Definition,
        tokens: &[&'a str],
    ) -> Result<(), Fault> {
        use schema::Argument as A;
        match argument {
            A::Tensor(tensor) => {
                let ty =
                    if tokens.contains(&tensor.name.as_str()) { ValueType::Token } else { self.tensor(&tensor.name)? };
                self.add(&tensor.name, ty, definition)
            }
            A::Tensors(tensors) => tensors.iter().try_for_each(|tensor| {
                let ty = self.tensor(&tensor.name)?;
                self.add(&tensor.name, ty, definition)
            }),
            A::NestedTensors(lists) => lists.iter().flatten().try_for_each(|tensor| {
                let ty = self.tensor(&tensor.name)?;
                self.add(&tensor.name, ty, definition)
            }),
            A::OptionalTensor(OptionalTensor::Tensor(tensor)) => {
                let ty = self.tensor(&tensor.name)?;
                self.add(&tensor.name, ty, definition)
            }
            A::OptionalTensors(tensors) => tensors.iter().try_for_each(|tensor| match tensor {
                OptionalTensor::Tensor(tensor) => {
                    let ty = self.tensor(&tensor.name)?;
                    self.add(&tensor.name, ty, definition)
                }
                _ => Ok(()),
            }),
            A::SymInt(SymArgument::Name(name)) => {
                let size = self.types.ints.get(name.as_str());
                let size = size.ok_or_else(|| format!("the integer `{}` has no description", shown(name)))?;
                let dim = dim(size, "integer").or_else(|_| match size {
                    SymInt::Int(value) => Ok(Dim::Symbolic { expr: Expr::Int(*value), hint: None }),
                    _ => Err(format!("the integer `{}` is of an unknown form", shown(name))),
                });
                self.add(name, ValueType::Int(dim?), definition)
            }
            A::SymInts(ints) => ints.iter().try_for_each(|int| match int {
                SymArgument::Name(name) => {
                    let size = self.types.ints.get(name.as_str());
                    let size = size.ok_or_else(|| format!("the integer `{}` has no description", shown(name)))?;
                    self.add(name, ValueType::Int(dim(size, "integer")?), definition)
                }
                _ => Ok(()),
            }),
            A::SymBool(SymArgument::Name(name)) => {
                let known = self.types.bools.contains_key(name.as_str());
                known.then_some(()).ok_or_else(|| format!("the truth value `{}` has no description", shown(name)))?;
                self.add(name, ValueType::Bool, definition)
            }
            A::SymFloat(SymArgument::Name(name)) => {
                let known = self.types.floats.contains_key(name.as_str());
                known.then_some(()).ok_or_else(|| format!("the float `{}` has no description", shown(name)))?;
                self.add(name, ValueType::Float, definition)
            }
            A::CustomObj(object) => {
                let class =
                    self.types.objects.get(object.name.as_str()).map_or(&object.class_fqn, |found| &found.class_fqn);
                self.add(&object.name, ValueType::Object(class.as_str().into()), definition)
            }
            // Constants name no values.
            _ => Ok(()),
        }
    }

    fn add(&mut self, name: &'a str, ty: ValueType, definition: Definition) -> Result<(), Fault> {
        let next = u32::try_from(self.values.len()).map_err(|_| "the graph has too many values".to_owned())?;
        if self.by_name.insert(name, ValueId(next)).is_some() {
            return Err(format!("the value `{}` is defined twice", shown(name)));
        }
        self.values.push(Value { name: name.into(), ty, definition });
        Ok(())
    }

    fn tensor(&self, name: &str) -> Result<ValueType, Fault> {
        let of = |what: Fault| format!("the tensor `{}` {what}", shown(name));
        let meta = self.types.tensors.get(name).ok_or_else(|| of("has no description".into()))?;
        tensor_type(meta).map(ValueType::Tensor).map_err(of)
    }

    fn value(&self, name: &str) -> Result<ValueId, Fault> {
        let known = self.by_name.get(name).copied();
        known.ok_or_else(|| format!("takes the value `{}`, which nothing before it defines", shown(name)))
    }

    fn argument(&self, argument: &schema::Argument) -> Result<Argument, Fault> {
        use schema::Argument as A;
        let optional = |tensor: &OptionalTensor| match tensor {
            OptionalTensor::Tensor(tensor) => self.value(&tensor.name).map(Some),
            _ => Ok(None),
        };
        let many = |tensors: &[schema::Named]| tensors.iter().map(|tensor| self.value(&tensor.name)).collect();
        let texts = |texts: &[String]| texts.iter().map(|text| text.as_str().into()).collect();
        Ok(match argument {
            A::None(_) => Argument::None,
            A::Tensor(tensor) => Argument::Value(self.value(&tensor.name)?),
            A::Tensors(tensors) => Argument::Values(many(tensors)?),
            A::OptionalTensor(tensor) => optional(tensor)?.map_or(Argument::None, Argument::Value),
            A::OptionalTensors(tensors) => {
                Argument::OptionalValues(tensors.iter().map(optional).collect::<Result<_, _>>()?)
            }
            A::NestedTensors(lists) => {
                Argument::NestedValues(lists.iter().map(|list| many(list)).collect::<Result<_, _>>()?)
            }
            A::Int(value) => Argument::Int(*value),
            A::Ints(values) => Argument::Ints(values.clone()),
            A::IntLists(lists) => Argument::IntLists(lists.clone()),
            A::Float(value) => Argument::Float(value.0),
            A::Floats(values) => Argument::Floats(values.iter().map(|value| value.0).collect()),
            A::Bool(value) => Argument::Bool(*value),
            A::Bools(values) => Argument::Bools(values.clone()),
            A::String(text) => Argument::String(text.as_str().into()),
            A::Strings(all) => Argument::Strings(texts(all)),
            A::SymInt(symbol) | A::SymBool(symbol) | A::SymFloat(symbol) => match symbol {
                SymArgument::Name(name) => Argument::Value(self.value(name)?),
                SymArgument::Int(value) => Argument::Int(*value),
                SymArgument::Bool(value) => Argument::Bool(*value),
                SymArgument::Float(value) => Argument::Float(value.0),
                SymArgument::Unknown(key) => Argument::Unknown(key.as_str().into()),
            },
            A::SymInts(sizes) => Argument::Sizes(sizes.iter().map(|size| self.size(size)).collect::<Result<_, _>>()?),
            A::SymBools(_) | A::SymFloats(_) => {
                Argument::Unknown("symbolic values of another type than integers".into())
            }
            A::ScalarType(number) => {
                let scalar = ScalarType::by_number(*number);
                Argument::ScalarType(scalar.ok_or_else(|| format!("takes the unknown element type {number}"))?)
            }
            A::MemoryFormat(format) => Argument::MemoryFormat(*format),
            A::Layout(layout) => Argument::Layout(layout.0),
            A::Device(device) => Argument::Device(match device.index {
                Some(index) => format!("{}:{index}", device.r#type).into(),
                None => device.r#type.as_str().into(),
            }),
            A::Graph(_) => return Err("a graph stands where only values can".into()),
            A::CustomObj(object) => Argument::Value(self.value(&object.name)?),
            A::Operator(name) => Argument::Operator(name.as_str().into()),
            A::Complex(number) => Argument::Complex(number.real.0, number.imag.0),
            A::Map(entries) => {
                let entry = |(name, argument): (&str, &schema::Argument)| Ok((name.into(), self.argument(argument)?));
                Argument::Map(entries.iter().map(entry).collect::<Result<_, Fault>>()?)
            }
            A::Unknown(key) => Argument::Unknown(key.as_str().into()),
        })
    }

    fn size(&self, size: &SymArgument) -> Result<Size, Fault> {
        match size {
            SymArgument::Int(value) => Ok(Size::Int(*value)),
            SymArgument::Name(name) => self.value(name).map(Size::Value),
            SymArgument::Bool(_) | SymArgument::Float(_) => Err("takes a size that is no integer".into()),
            SymArgument::Unknown(key) => Err(format!("takes an integer of the unknown form `{}`", shown(key))),
        }
    }
}

/// The type that a description is of.
pub(crate) fn tensor_type(meta: &TensorMeta) -> Result<TensorType, Fault> {
    let dtype = ScalarType::by_number(meta.dtype);
    let dtype = dtype.ok_or_else(|| format!("has the unknown element type {}", meta.dtype))?;
    if meta.sizes.len() > MAX_RANK {
        return Err(format!("has {} dimensions; at most {MAX_RANK} are read", meta.sizes.len()));
    }
    if meta.sizes.len() != meta.strides.len() {
        return Err(format!("has {} dimensions and {} strides", meta.sizes.len(), meta.strides.len()));
    }
    let shape = meta.sizes.iter().map(|size| dim(size, "size")).collect::<Result<_, _>>()?;
    let strides = meta.strides.iter().map(|stride| dim(stride, "stride")).collect::<Result<_, _>>()?;
    Ok(TensorType { dtype, shape, strides })
}

fn dim(size: &SymInt, what: &str) -> Result<Dim, Fault> {
    match size {
        SymInt::Int(size) => match u64::try_from(*size) {
            Ok(size) => Ok(Dim::Known(size)),
            Err(_) => Err(format!("has a negative {what}")),
        },
        SymInt::Expr(expr) => {
            let hint = match &expr.hint {
                Some(schema::Hint::Int(hint)) => u64::try_from(*hint).ok(),
                _ => None,
            };
            Ok(match Expr::read(&expr.expr_str) {
                Expr::Int(size) if size >= 0 => Dim::Known(size.unsigned_abs()),
                expr => Dim::Symbolic { expr, hint },
            })
        }
        SymInt::Unknown(key) => Err(format!("has a {what} of the unknown form `{}`", shown(key))),
    }
}

/// What an operation is called in messages.
fn place_of(node: &schema::Node, index: usize) -> String {
    let name = node.name.as_deref().or_else(|| node.outputs.first().and_then(name_of));
    let operator = Operator::read(&node.target).to_string();
    match name {
        Some(name) => format!("operation `{}` ({})", shown(name), shown(&operator)),
        None => format!("operation {} ({})", index + 1, shown(&operator)),
    }
}

/// The one value that an argument names.
fn name_of(argument: &schema::Argument) -> Option<&str> {
    use schema::Argument as A;
    match argument {
        A::Tensor(tensor) | A::OptionalTensor(OptionalTensor::Tensor(tensor)) => Some(&tensor.name),
        A::SymInt(SymArgument::Name(name))
        | A::SymBool(SymArgument::Name(name))
        | A::SymFloat(SymArgument::Name(name)) => Some(name),
        A::CustomObj(object) => Some(&object.name),
        _ => None,
    }
}

/// What a signature says of an input, with the value that it speaks of.
fn input_role(spec: &InputSpec) -> (InputRole, Option<&str>) {
    match spec {
        InputSpec::User(user) => (InputRole::User, name_of(&user.arg)),
        InputSpec::Parameter(spec) => (InputRole::Parameter(spec.parameter_name.as_str().into()), Some(&spec.arg.name)),
        InputSpec::Buffer(spec) => {
            let role = InputRole::Buffer { name: spec.buffer_name.as_str().into(), persistent: spec.persistent };
            (role, Some(&spec.arg.name))
        }
        InputSpec::TensorConstant(spec) => {
            (InputRole::Constant(spec.tensor_constant_name.as_str().into()), Some(&spec.arg.name))
        }
        InputSpec::CustomObj(_) | InputSpec::Unknown(_) => (InputRole::Object, None),
        InputSpec::Token(spec) => (InputRole::Token, Some(&spec.arg.name)),
        InputSpec::Constant(spec) => (InputRole::Fixed(spec.name.as_str().into()), None),
    }
}

fn outputs(graph: &Graph, signature: &schema::GraphSignature) -> Result<Vec<Output>, ImportError> {
    if graph.outputs.len() != signature.output_specs.len() {
        let what = format!(
            "the graph has {} outputs, and its signature {}",
            graph.outputs.len(),
            signature.output_specs.len()
        );
        return Err(ImportError { place: None, what });
    }
    let mut outputs = Vec::with_capacity(graph.outputs.len());
    for (index, (argument, spec)) in graph.outputs.iter().zip(&signature.output_specs).enumerate() {
        let (role, named) = match spec {
            OutputSpec::User(user) => (OutputRole::User, name_of(&user.arg)),
            OutputSpec::BufferMutation(spec) => {
                (OutputRole::BufferMutation(spec.buffer_name.as_str().into()), Some(spec.arg.name.as_str()))
            }
            OutputSpec::ParameterMutation(spec) => {
                (OutputRole::ParameterMutation(spec.parameter_name.as_str().into()), Some(spec.arg.name.as_str()))
            }
            OutputSpec::UserInputMutation(spec) => {
                (OutputRole::InputMutation(spec.user_input_name.as_str().into()), Some(spec.arg.name.as_str()))
            }
            OutputSpec::Token(spec) => (OutputRole::Token, Some(spec.arg.name.as_str())),
            OutputSpec::Loss(_) | OutputSpec::GradientToParameter(_) | OutputSpec::GradientToUserInput(_) => {
                (OutputRole::Training, None)
            }
            OutputSpec::Unknown(key) => {
                let what = format!("is of the unknown form `{}`", shown(key));
                return Err(ImportError { place: Some(format!("output {}", index + 1)), what });
            }
        };
        let value = argument.value();
        let of_value = value.and_then(|id| graph.value(id)).map(|value| &*value.name);
        if named.is_some() && named != of_value {
            let what = format!("the signature speaks of `{}` there", shown(named.unwrap_or_default()));
            return Err(ImportError { place: Some(format!("output {}", index + 1)), what });
        }
        outputs.push(Output { value, role });
    }
    Ok(outputs)
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
