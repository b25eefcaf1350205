//! A program of fp32 made one of fp16, as coremltools does it by default (passes/defs/quantization.py,
//! `FP16ComputePrecision`): operators compute in fp16, casts stand where a value of one type is used as the other,
//! inputs and outputs of functions keep their types.
//!
//! What stays in fp32: operators with nested blocks, lists and states, and those with a constant beyond what fp16
//! holds (infinities excepted). Tiny constants that fp16 would round to zero become its smallest number, so that
//! nothing divides by zero.

use std::collections::{HashMap, HashSet};

use half::f16;

use super::message;
use crate::element::ElementType;
use crate::formats::coreml::proto::{
    Binding, BindingKind, Block, ImmediateKind, Kept, Model, ModelKind, NamedValueType, Operation, TensorElements,
    Value, ValueKind, ValueType, ValueTypeKind,
};

/// Operators that stay as they are: coremltools' list.
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

/// Largest finite number of fp16.
const LARGEST: f32 = 65504.0;

/// Bytes of an fp32 constant that lies in a file, by file and record: to look for values that fp16 cannot hold.
pub type Stored<'a> = &'a dyn Fn(&str, u64) -> Option<Vec<f32>>;

/// Makes every function compute in fp16. Constants in files are only declared fp16: whoever copies their bytes
/// converts them. Gives the number of operators that changed.
pub fn to_fp16(model: &mut Kept<Model>, stored: Stored) -> usize {
    let mixed = model.specification_version >= 8;
    let Some(ModelKind::MlProgram(program)) = &mut model.kind else { return 0 };
    let mut changed = 0;
    for function in program.functions.iter_mut().filter_map(|entry| entry.value.as_mut()) {
        let opset = function.opset.clone();
        let inputs: Vec<Kept<NamedValueType>> = function.inputs.clone();
        for entry in function.block_specializations.iter_mut().filter(|entry| entry.key == opset) {
            if let Some(block) = &mut entry.value {
                let mut pass = Pass { stored, mixed, names: HashSet::new(), declared: HashMap::new(), changed: 0 };
                inputs.iter().for_each(|input| pass.declare(input));
                pass.collect(block);
                let outer: HashMap<String, ElementType> = inputs
                    .iter()
                    .filter_map(|input| Some((input.name.clone(), element(input.r#type.as_ref())?)))
                    .collect();
                pass.block(block, &outer);
                changed += pass.changed;
            }
        }
    }
    changed
}

struct Pass<'a> {
    stored: Stored<'a>,
    mixed: bool,
    names: HashSet<String>,
    /// The declared type of every value of the function.
    declared: HashMap<String, Kept<ValueType>>,
    changed: usize,
}

/// The element type of a tensor.
fn element(r#type: Option<&Kept<ValueType>>) -> Option<ElementType> {
    match r#type?.kind.as_ref()? {
        ValueTypeKind::Tensor(tensor) => ElementType::from_number(tensor.data_type),
        _ => None,
    }
}

fn set_fp16(r#type: Option<&mut Kept<ValueType>>) {
    if let Some(r#type) = r#type
        && let Some(ValueTypeKind::Tensor(tensor)) = &mut r#type.kind
    {
        tensor.data_type = ElementType::Fp16.number();
    }
}

/// The value of a constant.
fn constant(operation: &Operation) -> Option<&Kept<Value>> {
    if operation.r#type != "const" {
        return None;
    }
    operation.attributes.iter().find(|entry| entry.key == "val")?.value.as_ref()
}

/// The names that an operation takes, with their parameters.
fn uses(operation: &Operation) -> impl Iterator<Item = (&str, &str)> {
    operation.inputs.iter().flat_map(|input| {
        let bindings = input.value.iter().flat_map(|argument| &argument.arguments);
        bindings.filter_map(|binding| match &binding.binding {
            Some(BindingKind::Name(name)) => Some((input.key.as_str(), name.as_str())),
            _ => None,
        })
    })
}

/// Elements of an fp32 constant that stands in the program.
fn floats(value: &Value) -> Option<&[f32]> {
    let Some(ValueKind::Immediate(immediate)) = &value.value else { return None };
    let Some(ImmediateKind::Tensor(tensor)) = &immediate.value else { return None };
    match tensor.value.as_ref()? {
        TensorElements::Floats(floats) => Some(&floats.values),
        _ => None,
    }
}

/// fp32 as fp16, never zero for what is not.
pub fn halved(value: f32) -> f16 {
    let half = f16::from_f32(value);
    if half == f16::ZERO && value != 0.0 { f16::MIN_POSITIVE_SUBNORMAL.copysign(half) } else { half }
}

/// Declares an fp32 constant to be fp16, and converts it where it stands in the program.
fn halve(value: &mut Kept<Value>) {
    if element(value.r#type.as_ref()) != Some(ElementType::Fp32) {
        return;
    }
    set_fp16(value.r#type.as_mut());
    let Some(bytes) =
        floats(value).map(|floats| floats.iter().flat_map(|value| halved(*value).to_le_bytes()).collect::<Vec<u8>>())
    else {
        return;
    };
    if let Some(ValueKind::Immediate(immediate)) = &mut value.value
        && let Some(ImmediateKind::Tensor(tensor)) = &mut immediate.value
    {
        let held = crate::formats::coreml::proto::RepeatedBytes { values: bytes.into() };
        tensor.value = Some(TensorElements::Bytes(held.into()));
    }
}

impl Pass<'_> {
    fn declare(&mut self, value: &NamedValueType) {
        self.names.insert(value.name.clone());
        self.declared.extend(value.r#type.clone().map(|r#type| (value.name.clone(), r#type)));
    }

    fn collect(&mut self, block: &Block) {
        block.inputs.iter().for_each(|input| self.declare(input));
        for operation in &block.operations {
            operation.outputs.iter().for_each(|output| self.declare(output));
            operation.blocks.iter().for_each(|inner| self.collect(inner));
        }
    }

    fn fresh(&mut self, wish: &str) -> String {
        let mut name = wish.to_string();
        let mut number = 0;
        while !self.names.insert(name.clone()) {
            name = format!("{wish}_{number}");
            number += 1;
        }
        name
    }

    /// Whether a constant has a finite element beyond fp16.
    fn overflows(&self, value: &Value) -> bool {
        let beyond = |value: &f32| value.is_finite() && value.abs() > LARGEST;
        match &value.value {
            Some(ValueKind::BlobFile(blob)) => {
                (self.stored)(&blob.file_name, blob.offset).is_none_or(|values| values.iter().any(beyond))
            }
            _ => floats(value).is_some_and(|values| values.iter().any(beyond)),
        }
    }

    fn keeps(&self, operator: &str, parameter: &str) -> bool {
        self.mixed
            && MIXED
                .iter()
                .any(|(operators, parameters)| operators.contains(&operator) && parameters.contains(&parameter))
    }

    fn block(&mut self, block: &mut Kept<Block>, outer: &HashMap<String, ElementType>) {
        // What each name is before anything changes; what stays a constant of which type is decided by its uses.
        let mut types = outer.clone();
        for input in &block.inputs {
            types.extend(element(input.r#type.as_ref()).map(|element| (input.name.clone(), element)));
        }
        let mut too_large: HashSet<String> = HashSet::new();
        for operation in &block.operations {
            for output in &operation.outputs {
                types.extend(element(output.r#type.as_ref()).map(|element| (output.name.clone(), element)));
            }
            if let Some(value) = constant(operation)
                && element(value.r#type.as_ref()) == Some(ElementType::Fp32)
                && self.overflows(value)
            {
                too_large.extend(operation.outputs.first().map(|output| output.name.clone()));
            }
        }
        let converted: Vec<bool> = block.operations.iter().map(|op| self.converts(op, &types, &too_large)).collect();
        self.rewrite(block, &types, &converted);
    }

    /// Whether an operation is to compute in fp16.
    fn converts(
        &self,
        operation: &Operation,
        types: &HashMap<String, ElementType>,
        too_large: &HashSet<String>,
    ) -> bool {
        let kind = operation.r#type.as_str();
        if kind == "const" || LEFT.contains(&kind) || !operation.blocks.is_empty() {
            return false;
        }
        let fp32 = |name: &str| types.get(name) == Some(&ElementType::Fp32);
        let touched =
            uses(operation).any(|(_, name)| fp32(name)) || operation.outputs.iter().any(|output| fp32(&output.name));
        touched && uses(operation).all(|(_, name)| !too_large.contains(name))
    }

    fn rewrite(&mut self, block: &mut Kept<Block>, types: &HashMap<String, ElementType>, converted: &[bool]) {
        let fp32 = |name: &str| types.get(name) == Some(&ElementType::Fp32);
        // fp32 constants that only converted operators take are converted in place.
        let mut wide: HashSet<String> = block.outputs.iter().cloned().collect();
        for (operation, converted) in block.operations.iter().zip(converted) {
            for (parameter, name) in uses(operation) {
                if !converted || self.keeps(&operation.r#type, parameter) {
                    wide.insert(name.to_string());
                }
            }
            operation.blocks.iter().for_each(|inner| outer_uses(inner, &mut wide));
        }
        // The name under which each fp32 value is to be had in fp16, and the other way round.
        let mut halves: HashMap<String, String> = HashMap::new();
        let mut floats: HashMap<String, String> = HashMap::new();
        let mut narrow: HashSet<String> = HashSet::new();
        let mut out: Vec<Kept<Operation>> = Vec::with_capacity(block.operations.len());
        for (mut operation, &converted) in std::mem::take(&mut block.operations).into_iter().zip(converted) {
            if operation.r#type == "const" {
                let name = operation.outputs.first().map_or(String::new(), |output| output.name.clone());
                if fp32(&name) && !wide.contains(&name) {
                    narrow.insert(name);
                    operation.outputs.iter_mut().for_each(|output| set_fp16(output.r#type.as_mut()));
                    for entry in operation.attributes.iter_mut().filter(|entry| entry.key == "val") {
                        entry.value.iter_mut().for_each(halve);
                    }
                }
                out.push(operation);
                continue;
            }
            let kind = operation.r#type.clone();
            for input in &mut operation.inputs {
                let half = converted && !self.keeps(&kind, &input.key);
                for binding in input.value.iter_mut().flat_map(|argument| &mut argument.arguments) {
                    self.bind(binding, half, types, (&mut halves, &mut floats, &narrow), &mut out);
                }
            }
            if converted {
                self.changed += 1;
                // Before CoreML8 the parameters of compressed constants are attributes.
                for value in operation.attributes.iter_mut().filter_map(|entry| entry.value.as_mut()) {
                    halve(value);
                }
                for output in operation.outputs.iter_mut().filter(|output| fp32(&output.name)) {
                    narrow.insert(output.name.clone());
                    set_fp16(output.r#type.as_mut());
                }
                if kind == "constexpr_cast" {
                    plain(&mut operation);
                }
            }
            let mut inner_types = types.clone();
            inner_types.extend(narrow.iter().map(|name| (name.clone(), ElementType::Fp16)));
            for inner in &mut operation.blocks {
                self.block(inner, &inner_types);
            }
            out.push(operation);
        }
        self.outputs(block, types, &narrow, &mut out);
        block.operations = out;
    }

    /// Binds an input to the value of the type it is to have, with a cast before it where there is none yet.
    fn bind(
        &mut self,
        binding: &mut Kept<Binding>,
        half: bool,
        types: &HashMap<String, ElementType>,
        (halves, floats, narrow): (&mut HashMap<String, String>, &mut HashMap<String, String>, &HashSet<String>),
        out: &mut Vec<Kept<Operation>>,
    ) {
        let name = match &mut binding.binding {
            Some(BindingKind::Name(name)) => name,
            Some(BindingKind::Value(value)) if half => return halve(value),
            _ => return,
        };
        if types.get(name.as_str()) != Some(&ElementType::Fp32) {
            return;
        }
        let (known, to, ending) = match (half, narrow.contains(name.as_str())) {
            (true, false) => (halves, "fp16", "to_fp16"),
            (false, true) => (floats, "fp32", "to_fp32"),
            _ => return,
        };
        let source = name.clone();
        *name = match known.get(&source) {
            Some(known) => known.clone(),
            None => {
                let made = self.fresh(&format!("{source}_{ending}"));
                self.cast(&source, &made, to, out);
                known.insert(source, made.clone());
                made
            }
        };
    }

    /// Adds a cast.
    fn cast(&mut self, source: &str, made: &str, to: &str, out: &mut Vec<Kept<Operation>>) {
        let r#type = self.declared.get(source).or_else(|| self.declared.get(made)).cloned();
        let dtype_name = self.fresh(&format!("{made}_dtype_0"));
        let element = if to == "fp16" { ElementType::Fp16 } else { ElementType::Fp32 };
        let mut word = Operation { r#type: "const".to_string(), ..Operation::default() };
        word.attributes.push(message::attribute("name", message::text(&dtype_name)));
        word.attributes.push(message::attribute("val", message::text(to)));
        word.outputs.push(message::named(&dtype_name, ElementType::String, &[]));
        let mut cast = Operation { r#type: "cast".to_string(), ..Operation::default() };
        cast.inputs.push(message::reference("x", source));
        cast.inputs.push(message::reference("dtype", &dtype_name));
        cast.attributes.push(message::attribute("name", message::text(made)));
        let mut output = message::named(made, element, &[]);
        if let Some(mut r#type) = r#type {
            if let Some(ValueTypeKind::Tensor(tensor)) = &mut r#type.kind {
                tensor.data_type = element.number();
            }
            output.r#type = Some(r#type);
        }
        cast.outputs.push(output);
        out.extend([word.into(), cast.into()]);
    }

    /// What a block hands out keeps its name and its type: what became fp16 gets another name and a cast.
    fn outputs(
        &mut self,
        block: &mut Kept<Block>,
        types: &HashMap<String, ElementType>,
        narrow: &HashSet<String>,
        out: &mut Vec<Kept<Operation>>,
    ) {
        let mut names: Vec<String> = block.outputs.iter().filter(|name| narrow.contains(*name)).cloned().collect();
        // Each once, in their order: what is written must not depend on that of a set.
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        for name in names {
            debug_assert_eq!(types.get(&name), Some(&ElementType::Fp32));
            let inner = self.fresh(&format!("{name}_cast_fp16"));
            for operation in out.iter_mut() {
                for output in operation.outputs.iter_mut().filter(|output| output.name == name) {
                    output.name.clone_from(&inner);
                }
                rename(operation, &name, &inner);
            }
            self.cast(&inner, &name, "fp32", out);
        }
    }
}

/// Names that a nested block takes from outside.
fn outer_uses(block: &Block, names: &mut HashSet<String>) {
    names.extend(block.outputs.iter().cloned());
    for operation in &block.operations {
        names.extend(uses(operation).map(|(_, name)| name.to_string()));
        operation.blocks.iter().for_each(|inner| outer_uses(inner, names));
    }
}

fn rename(operation: &mut Kept<Operation>, from: &str, to: &str) {
    for binding in operation.inputs.iter_mut().filter_map(|input| input.value.as_mut()).flat_map(|a| &mut a.arguments) {
        if let Some(BindingKind::Name(name)) = &mut binding.binding
            && name == from
        {
            *name = to.to_string();
        }
    }
    for inner in &mut operation.blocks {
        for operation in &mut inner.operations {
            rename(operation, from, to);
        }
        for output in inner.outputs.iter_mut().filter(|output| *output == from) {
            *output = to.to_string();
        }
    }
}

/// A cast of a constant, once its result is fp16, is the constant.
fn plain(operation: &mut Kept<Operation>) {
    let input = operation.inputs.iter_mut().find(|input| input.key == "source_val");
    let literal = input.and_then(|input| input.value.as_mut()?.arguments.first_mut()?.binding.take());
    let value = match literal {
        Some(BindingKind::Value(value)) => Some(*value),
        Some(BindingKind::Name(_)) | None => {
            operation.attributes.iter().find(|entry| entry.key == "source_val").and_then(|entry| entry.value.clone())
        }
    };
    let Some(value) = value else { return };
    operation.r#type = "const".to_string();
    operation.inputs.clear();
    operation.attributes.retain(|entry| entry.key == "name");
    operation.attributes.push(message::attribute("val", value));
}
