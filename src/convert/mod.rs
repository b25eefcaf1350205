//! Exported programs of PyTorch as programs of Core ML's operators.
//!
//! [`convert`] reads an ATen graph and writes what it does with the operators of an operator set, in binary32 and
//! int32; fp16 is a matter of [`crate::lower::precision`]. A table (`table.rs`) has every ATen operator that is known
//! with the arguments it may have, a file for each family says what it becomes. What is not known is refused, all of
//! it at once, and so is what comes out with another type than the export declares: a program is right or is not made.
//!
//! The facts are those of coremltools 9.0 (`converters/mil/frontend/torch/ops.py`) and of PyTorch's operators.

mod activation;
mod args;
mod attention;
mod builder;
mod compound;
mod constants;
mod conv;
mod create;
mod einsum;
mod elementwise;
mod evaluate;
mod finish;
mod fold;
mod image;
mod indexing;
mod linear;
mod message;
mod normalization;
mod order;
mod phantom;
mod pool;
mod quantize;
mod recurrent;
mod reduction;
mod resample;
mod shape;
mod sizes;
mod slices;
mod table;
mod value;
mod views;
mod windows;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

pub use crate::graph::aten::Refusal;
use crate::graph::aten::{self, InputRole, OutputRole, Range, ScalarType, ValueType};
use crate::graph::function::Opset;
use crate::graph::{Dim, ElementType, Name, NamedType, Program, TensorType};
use crate::words::shown;
use args::Args;
use builder::{Builder, Value};
pub use constants::Constants;
pub use message::{described, model};

/// The name of the function.
pub const FUNCTION: &str = "main";

/// Hands out the tensors that an archive holds for a program.
pub trait Tensors {
    /// The elements of the tensor of a dotted name side by side, little-endian; `None` where there is none, or it
    /// cannot be read.
    fn elements(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// Which of the archive's tensors has a dotted name: tied ones have several.
    fn place(&self, name: &str) -> Option<usize>;
}

/// What an export has become.
#[derive(Debug, Clone)]
pub struct Converted {
    /// One function, [`FUNCTION`]. Large constants are blobs of [`Converted::constants`].
    pub program: Program,
    /// What the large constants hold.
    pub constants: Constants,
    /// The inputs in the order of the export, each with bounds for its dimensions.
    pub inputs: Vec<Interface>,
    /// The outputs in the order of the export.
    pub outputs: Vec<Interface>,
    /// The dotted names of the tensors that constants of the program stand for, by the names of the constants.
    pub weights: HashMap<Name, Name>,
    /// Where each operation comes from, in the order of the function's.
    pub origins: Vec<Option<Origin>>,
}

/// An input or an output.
#[derive(Debug, Clone, PartialEq)]
pub struct Interface {
    /// Its name, as in the export.
    pub name: Name,
    /// Its element type.
    pub element: ElementType,
    /// What each dimension was when the program was exported, and what it may be.
    pub dimensions: Vec<(u64, Range)>,
    /// The shapes that it may have and no others, where they were chosen; the first where nothing is said.
    pub shapes: Vec<Vec<u64>>,
}

/// Where an operation comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The operation of the export.
    pub node: Name,
    /// The dotted path of the module that ran it; empty for the outermost.
    pub module: Name,
}

/// Everything about an export that cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvertError(pub Vec<Refusal>);

/// How many refusals a message shows.
const SHOWN: usize = 20;

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [one] => write!(f, "the export cannot be converted: {one}"),
            several => {
                write!(f, "the export cannot be converted, for {} reasons:", several.len())?;
                several.iter().take(SHOWN).try_for_each(|one| write!(f, "\n  {one}"))?;
                if several.len() > SHOWN { write!(f, "\n  and {} more", several.len() - SHOWN) } else { Ok(()) }
            }
        }
    }
}

impl std::error::Error for ConvertError {}

/// The type in which a program holds what is of a type of PyTorch: floats as fp32, integers as int32. `None` for
/// complex numbers and others that no operator takes.
pub fn element_of(dtype: ScalarType) -> Option<ElementType> {
    use ScalarType as S;
    Some(match dtype {
        S::Float16 | S::Float32 | S::Float64 | S::Bfloat16 => ElementType::Fp32,
        S::Int64 | S::Int32 | S::Int16 | S::Int8 | S::Uint8 | S::Uint16 => ElementType::Int32,
        S::Bool => ElementType::Bool,
        _ => return None,
    })
}

/// Converts a program.
///
/// # Errors
/// Every operation, input and output that cannot be converted.
pub fn convert(program: &aten::Program, tensors: &dyn Tensors, set: Opset) -> Result<Converted, ConvertError> {
    let mut builder = Builder::new(program, tensors, set);
    let mut refusals = Vec::new();
    let inputs = inputs(&mut builder, program, &mut refusals);
    for (index, node) in program.graph.nodes.iter().enumerate() {
        if let Err(why) = one_node(&mut builder, node).and_then(|()| builder.note(index, node)) {
            refusals.push(refusal(program, node, why));
            builder.stand_in(node);
        }
    }
    let outputs = outputs(&mut builder, program, &mut refusals);
    if refusals.is_empty() {
        return Ok(finish::finish(builder, inputs, outputs));
    }
    Err(ConvertError(refusals))
}

/// The most bytes of all constants that are made for a program.
const MAX_MADE: u64 = 1 << 30;

/// Converts one operation.
fn one_node(builder: &mut Builder<'_>, node: &aten::Node) -> Result<(), String> {
    if table::is_symbolic(builder.program, node) {
        return Ok(());
    }
    let entry = table::lookup(&node.operator)?;
    if builder.made > MAX_MADE {
        return Err("the constants that the program makes are too large altogether".to_owned());
    }
    let unknown = node.arguments.iter().find(|(name, _)| !entry.knows(name));
    if let Some((name, _)) = unknown {
        return Err(format!("its argument `{}` is not known", shown(name)));
    }
    let begin = builder.begin(node);
    let values = (entry.write)(builder, &Args::new(&builder.program.graph, node))?;
    builder.give(node, begin, values)
}

fn refusal(program: &aten::Program, node: &aten::Node, why: String) -> Refusal {
    let module = node.module().and_then(|id| program.modules.get(id.0 as usize));
    Refusal {
        what: node.operator.to_string(),
        name: node.name.to_string(),
        module: module.map(|module| module.path.to_string()),
        line: node.source.as_ref().map(|source| format!("{}, line {}", source.file, source.line)),
        why,
    }
}

fn plain_refusal(what: &str, name: &str, why: impl Into<String>) -> Refusal {
    Refusal { what: what.to_owned(), name: name.to_owned(), module: None, line: None, why: why.into() }
}

/// The type in the program of a tensor of the export.
fn program_type(ty: &aten::TensorType) -> Result<TensorType, String> {
    let element = element_of(ty.dtype).ok_or_else(|| format!("values of {} are not converted", ty.dtype))?;
    let dim = |dim: &aten::Dim| dim.known().map_or(Dim::Unknown, Dim::Known);
    Ok(TensorType { element, shape: ty.shape.iter().map(dim).collect() })
}

/// What an input or an output is to whoever calls the program.
fn interface(program: &aten::Program, name: &Name, ty: &aten::TensorType) -> Result<Interface, String> {
    let ranges: HashMap<&str, Range> = program.ranges.iter().map(|(name, range)| (&**name, *range)).collect();
    let dimension = |dim: &aten::Dim| match dim {
        aten::Dim::Known(size) => {
            let fixed = i64::try_from(*size).ok();
            Ok((*size, Range { min: fixed, max: fixed }))
        }
        aten::Dim::Symbolic { expr, hint } => {
            let range = expr.range(&ranges);
            let least = range.min.and_then(|min| u64::try_from(min).ok()).unwrap_or(1).max(1);
            let most = range.max.and_then(|max| u64::try_from(max).ok()).unwrap_or(u64::MAX);
            Ok((hint.unwrap_or(least).clamp(least, most.max(least)), range))
        }
    };
    let element = program_type(ty)?.element;
    if element == ElementType::Bool {
        return Err("is of truth values, which Core ML neither takes nor gives".to_owned());
    }
    let dimensions = ty.shape.iter().map(dimension).collect::<Result<_, String>>()?;
    let shapes = program.shapes.iter().find(|(known, _)| known == name).map_or(Vec::new(), |(_, all)| all.clone());
    Ok(Interface { name: name.clone(), element, dimensions, shapes })
}

/// What a program takes, as far as it can be converted: without converting it.
pub fn interfaces(program: &aten::Program) -> Vec<Interface> {
    let given = program.inputs.iter().filter(|input| matches!(input.role, InputRole::User));
    let values = given.filter_map(|input| program.graph.value(input.value?));
    let one = |value: &aten::Value| match &value.ty {
        ValueType::Tensor(ty) => interface(program, &value.name, ty).ok(),
        _ => None,
    };
    values.filter_map(one).collect()
}

/// Declares what the user gives; other inputs are constants, which are made where they are used.
fn inputs(builder: &mut Builder<'_>, program: &aten::Program, refusals: &mut Vec<Refusal>) -> Vec<Interface> {
    let mut all = Vec::new();
    for input in &program.inputs {
        match (&input.role, input.value.and_then(|id| Some((id, program.graph.value(id)?)))) {
            (InputRole::User, Some((id, value))) => match &value.ty {
                ValueType::Tensor(ty) => match interface(program, &value.name, ty).and_then(|one| {
                    builder.input(id, NamedType { name: value.name.clone(), ty: program_type(ty)?.into() });
                    Ok(one)
                }) {
                    Ok(one) => all.push(one),
                    Err(why) => refusals.push(plain_refusal("input", &value.name, why)),
                },
                ValueType::Constant => {}
                other => refusals.push(plain_refusal(
                    "input",
                    &value.name,
                    format!("is {other}, which Core ML does not take"),
                )),
            },
            (InputRole::Object | InputRole::Token, _) => {
                refusals.push(plain_refusal("input", "", "objects and tokens are not converted"));
            }
            _ => {}
        }
    }
    all
}

fn outputs(builder: &mut Builder<'_>, program: &aten::Program, refusals: &mut Vec<Refusal>) -> Vec<(Value, Interface)> {
    let mut all = Vec::new();
    for output in &program.outputs {
        let value = output.value.and_then(|id| Some((id, program.graph.value(id)?)));
        let name = value.map_or("", |(_, value)| &*value.name);
        let made = match (&output.role, value) {
            (OutputRole::User, Some((id, value))) => match &value.ty {
                ValueType::Tensor(ty) => interface(program, &value.name, ty)
                    .and_then(|interface| Ok((builder.output(id, &value.name)?, interface))),
                other => Err(format!("is {other}, which Core ML does not give")),
            },
            (OutputRole::User, None) => Err("is a constant, which Core ML does not give".to_owned()),
            (OutputRole::BufferMutation(buffer) | OutputRole::ParameterMutation(buffer), _) => {
                Err(format!("changes `{}` for the next run; state is not converted", shown(buffer)))
            }
            (OutputRole::InputMutation(input), _) => Err(format!("changes the input `{}`", shown(input))),
            (OutputRole::Training | OutputRole::Token, _) => Err("is of a program for training".to_owned()),
        };
        match made {
            Ok((value, mut interface)) => {
                interface.name = value.name.clone();
                all.push((value, interface));
            }
            Err(why) => refusals.push(plain_refusal("output", name, why)),
        }
    }
    if all.is_empty() && refusals.is_empty() {
        refusals.push(plain_refusal("program", &program.name, "gives nothing"));
    }
    all
}

#[cfg(test)]
mod tests;
