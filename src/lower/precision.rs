//! A program of fp32 made one of fp16, as coremltools does it by default (passes/defs/quantization.py,
//! `FP16ComputePrecision`): operators compute in fp16, casts stand where a value of one type is used as the other,
//! inputs and outputs of functions keep their types.
//!
//! What stays in fp32: operators with nested blocks, lists and states, and those with a constant beyond what fp16
//! holds (infinities excepted, and what coremltools takes for one). Tiny constants that fp16 would round to zero
//! become its smallest number, so that nothing divides by zero. Scales and tables of constants that are compressed
//! already are parameters like others and become fp16, which the operators want of what they give in fp16; codes stay. A constant that is used in both types is there twice:
//! many parameters must be constants, and a cast gives none.

mod edit;

use std::collections::{HashMap, HashSet};

use super::message;
use super::rewrite::drop_hidden;
use crate::element::ElementType;
use crate::formats::coreml::proto::{
    Binding, BindingKind, Block, Kept, Model, ModelKind, NamedValueType, Operation, ValueType, ValueTypeKind,
};
use crate::graph::Name;
use crate::graph::half::Halving;
use crate::graph::index::Path;
pub use edit::halved;
use edit::{copy_of, halve, halve_constant, literals, overflows, plain, rename, set_fp16, uses};

/// Elements of an fp32 constant that lies in a file, by file and record: to look for values that fp16 cannot hold.
pub type Stored<'a> = &'a dyn Fn(&str, u64) -> Option<Vec<f32>>;

/// Makes every function compute in fp16. Constants in files are only declared fp16: whoever copies their bytes
/// converts them. The constants at the places `chosen` become fp16 under their own names whoever takes them, for
/// something of fp16 to be put there. Gives the new places of these: casts move what stands behind them.
pub fn to_fp16(model: &mut Kept<Model>, chosen: &HashSet<Path>, stored: Stored) -> HashMap<Path, Path> {
    drop_hidden(model);
    let halving = Halving::of(model.specification_version);
    let mut moved = HashMap::new();
    let Some(ModelKind::MlProgram(program)) = &mut model.kind else { return moved };
    for entry in &mut program.functions {
        let start = Path { function: entry.key.as_str().into(), through: Vec::new(), index: 0 };
        let Some(function) = &mut entry.value else { continue };
        let opset = function.opset.clone();
        let inputs: Vec<Kept<NamedValueType>> = function.inputs.clone();
        for entry in function.block_specializations.iter_mut().filter(|entry| entry.key == opset) {
            let Some(block) = &mut entry.value else { continue };
            let mut pass = Pass::new(halving, chosen);
            inputs.iter().for_each(|input| pass.declare(input));
            pass.collect(block, stored);
            pass.count_uses(block);
            for name in &block.outputs {
                pass.uses.entry(name.clone()).or_default().handed_out = true;
            }
            pass.block(block, (&start, &start), true);
            moved.extend(pass.moved);
        }
    }
    moved
}

/// The constants of fp32 that a model has, plain and compressed ones, by function and name.
pub fn floats(model: &Model) -> HashSet<(Name, Name)> {
    let mut found = HashSet::new();
    let Some(ModelKind::MlProgram(program)) = &model.kind else { return found };
    for entry in &program.functions {
        let Some(function) = &entry.value else { continue };
        let active = function.block_specializations.iter().filter(|block| block.key == function.opset);
        let mut blocks: Vec<&Block> = active.filter_map(|entry| entry.value.as_deref()).collect();
        while let Some(block) = blocks.pop() {
            for operation in &block.operations {
                blocks.extend(operation.blocks.iter().map(|inner| &**inner));
                if operation.r#type == "const" || operation.r#type.starts_with("constexpr_") {
                    let is_fp32 = |output: &&Kept<NamedValueType>| {
                        message::element(output.r#type.as_ref()) == Some(ElementType::Fp32)
                    };
                    let names = operation.outputs.iter().filter(is_fp32);
                    found.extend(names.map(|output| (entry.key.as_str().into(), output.name.as_str().into())));
                }
            }
        }
    }
    found
}

/// Who takes a constant of fp32.
#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    /// Somebody in fp16.
    half: bool,
    /// Somebody in fp32.
    full: bool,
    /// Whoever calls the function.
    handed_out: bool,
}

/// One function on its way to fp16. Names of values are unique in a function.
struct Pass<'a> {
    halving: Halving,
    chosen: &'a HashSet<Path>,
    names: HashSet<String>,
    /// The type of every value before anything changes.
    declared: HashMap<String, Kept<ValueType>>,
    /// Constants with an element beyond fp16, compressed ones with a scale or an entry beyond it.
    too_large: HashSet<String>,
    /// What is given by operations that have such a constant in themselves.
    stays: HashSet<String>,
    /// Who takes which value.
    uses: HashMap<String, Uses>,
    /// Values of fp32 that are fp16 now.
    narrow: HashSet<String>,
    /// Values that are another one now.
    alias: HashMap<String, String>,
    /// The name under which a value of fp32 is to be had in fp16, and a narrowed one in fp32; where in scope.
    halves: HashMap<String, String>,
    floats: HashMap<String, String>,
    moved: HashMap<Path, Path>,
}

impl<'a> Pass<'a> {
    fn new(halving: Halving, chosen: &'a HashSet<Path>) -> Self {
        Pass {
            halving,
            chosen,
            names: HashSet::new(),
            declared: HashMap::new(),
            too_large: HashSet::new(),
            stays: HashSet::new(),
            uses: HashMap::new(),
            narrow: HashSet::new(),
            alias: HashMap::new(),
            halves: HashMap::new(),
            floats: HashMap::new(),
            moved: HashMap::new(),
        }
    }

    fn declare(&mut self, value: &NamedValueType) {
        self.names.insert(value.name.clone());
        self.declared.extend(value.r#type.clone().map(|r#type| (value.name.clone(), r#type)));
    }

    /// Every value of a block with its type, and which are too large.
    fn collect(&mut self, block: &Block, stored: Stored) {
        block.inputs.iter().for_each(|input| self.declare(input));
        for operation in &block.operations {
            operation.outputs.iter().for_each(|output| self.declare(output));
            if literals(operation).any(|value| overflows(value, stored)) {
                let names = operation.outputs.iter().map(|output| output.name.clone());
                match operation.r#type.as_str() {
                    "const" => self.too_large.extend(names),
                    // What takes a compressed constant may take nothing but constants: no cast can stand between.
                    kind if kind.starts_with("constexpr_") => self.too_large.extend(names),
                    _ => self.stays.extend(names),
                }
            } else if operation.r#type.starts_with("constexpr_")
                && uses(operation).any(|(_, name)| self.too_large.contains(name))
            {
                self.too_large.extend(operation.outputs.iter().map(|output| output.name.clone()));
            }
            operation.blocks.iter().for_each(|inner| self.collect(inner, stored));
        }
    }

    /// In which type every value is taken by operations, and by blocks for what they hand to others.
    fn count_uses(&mut self, block: &Block) {
        for operation in &block.operations {
            let converts = self.converts(operation);
            for (parameter, name) in uses(operation) {
                let used = self.uses.entry(name.to_string()).or_default();
                match converts && !self.halving.keeps(&operation.r#type, parameter) {
                    true => used.half = true,
                    false => used.full = true,
                }
            }
            for inner in &operation.blocks {
                self.count_uses(inner);
                for name in &inner.outputs {
                    self.uses.entry(name.clone()).or_default().full = true;
                }
            }
        }
    }

    fn is_fp32(&self, name: &str) -> bool {
        message::element(self.declared.get(name)) == Some(ElementType::Fp32)
    }

    fn fresh(&mut self, wish: &str) -> String {
        message::fresh(&mut self.names, wish)
    }

    /// Whether an operation is to compute in fp16.
    fn converts(&self, operation: &Operation) -> bool {
        let kind = operation.r#type.as_str();
        if kind == "const" || !self.halving.converts(kind) || !operation.blocks.is_empty() {
            return false;
        }
        let given = || operation.outputs.iter().map(|output| output.name.as_str());
        let taken = || uses(operation).map(|(_, name)| name);
        let is_touched = taken().chain(given()).any(|name| self.is_fp32(name));
        let is_large = taken().chain(given()).any(|name| self.too_large.contains(name))
            || given().any(|name| self.stays.contains(name));
        is_touched && !is_large
    }

    /// Rewrites a block; `places` are those of its operations, before and after, without their numbers.
    fn block(&mut self, block: &mut Kept<Block>, (before, after): (&Path, &Path), is_outermost: bool) {
        let mut scope = Scope::default();
        let mut out: Vec<Kept<Operation>> = Vec::with_capacity(block.operations.len());
        for (index, mut operation) in std::mem::take(&mut block.operations).into_iter().enumerate() {
            let place = Path { index: index as u32, ..before.clone() };
            if operation.r#type == "const" {
                let is_chosen = self.chosen.contains(&place);
                if is_chosen {
                    self.moved.insert(place, Path { index: out.len() as u32, ..after.clone() });
                }
                self.constant(operation, is_chosen, &mut scope, &mut out);
                continue;
            }
            let converts = self.converts(&operation);
            let kind = operation.r#type.clone();
            for input in &mut operation.inputs {
                let keeps = converts && self.halving.keeps(&kind, &input.key);
                for binding in input.value.iter_mut().flat_map(|argument| &mut argument.arguments) {
                    if !keeps {
                        self.bind(binding, converts, &mut scope, &mut out);
                    }
                }
            }
            if converts && !self.convert(&mut operation) {
                continue;
            }
            for (nested, inner) in operation.blocks.iter_mut().enumerate() {
                let inside = |place: &Path, index: usize| {
                    let mut inside = place.clone();
                    inside.through.push((index as u32, nested as u32));
                    inside
                };
                self.block(inner, (&inside(before, index), &inside(after, out.len())), false);
            }
            out.push(operation);
        }
        self.outputs(block, is_outermost, &mut scope, &mut out);
        block.operations = out;
        // What was made in this block is not to be had outside.
        scope.halves.iter().for_each(|name| _ = self.halves.remove(name));
        scope.floats.iter().for_each(|name| _ = self.floats.remove(name));
    }

    /// Adds a constant in the types in which it is taken.
    fn constant(
        &mut self,
        mut operation: Kept<Operation>,
        is_chosen: bool,
        scope: &mut Scope,
        out: &mut Vec<Kept<Operation>>,
    ) {
        let name = operation.outputs.first().map_or(String::new(), |output| output.name.clone());
        if !self.is_fp32(&name) {
            return out.push(operation);
        }
        let used = self.uses.get(&name).copied().unwrap_or_default();
        if (used.full || used.handed_out) && !is_chosen {
            if used.half {
                let made = self.fresh(&format!("{name}_to_fp16"));
                let mut copy = copy_of(&operation, &made);
                halve_constant(&mut copy);
                out.extend([operation, copy]);
                scope.halves.push(name.clone());
                self.halves.insert(name, made);
                return;
            }
            return out.push(operation);
        }
        let full = used.full.then(|| {
            let made = self.fresh(&format!("{name}_to_fp32"));
            scope.floats.push(name.clone());
            self.floats.insert(name.clone(), made.clone());
            copy_of(&operation, &made)
        });
        halve_constant(&mut operation);
        self.narrow.insert(name);
        out.push(operation);
        out.extend(full);
    }

    /// Makes an operation one of fp16, its inputs being so already. Whether it is still needed.
    fn convert(&mut self, operation: &mut Kept<Operation>) -> bool {
        // Before CoreML8 the parameters of compressed constants are attributes.
        for value in operation.attributes.iter_mut().filter_map(|entry| entry.value.as_mut()) {
            halve(value);
        }
        for output in &mut operation.outputs {
            if self.is_fp32(&output.name) {
                self.narrow.insert(output.name.clone());
                set_fp16(output.r#type.as_mut());
            }
        }
        if operation.r#type != "constexpr_cast" {
            return true;
        }
        // Once its result is fp16, a cast of a constant is that constant.
        let taken = uses(operation).find(|(parameter, _)| *parameter == "source_val").map(|(_, name)| name.to_string());
        match (taken, operation.outputs.first()) {
            (Some(source), Some(output)) => {
                self.alias.insert(output.name.clone(), source);
                false
            }
            _ => {
                plain(operation);
                true
            }
        }
    }

    /// Binds an input to the value of the type it is to have, with a cast before it where there is none yet.
    fn bind(&mut self, binding: &mut Kept<Binding>, half: bool, scope: &mut Scope, out: &mut Vec<Kept<Operation>>) {
        let name = match &mut binding.binding {
            Some(BindingKind::Name(name)) => name,
            Some(BindingKind::Value(value)) if half => return halve(value),
            _ => return,
        };
        if !self.is_fp32(name) {
            return;
        }
        let is_narrow = self.narrow.contains(name.as_str());
        *name = match (half, is_narrow) {
            (true, true) => self.alias.get(name.as_str()).unwrap_or(name).clone(),
            (false, false) => return,
            (true, false) => match self.halves.get(name.as_str()) {
                Some(made) => made.clone(),
                None => {
                    let made = self.fresh(&format!("{name}_to_fp16"));
                    self.cast(name, &made, ElementType::Fp16, out);
                    scope.halves.push(name.clone());
                    self.halves.insert(name.clone(), made.clone());
                    made
                }
            },
            (false, true) => self.widened(&name.clone(), scope, out),
        };
    }

    /// The name under which a narrowed value is to be had in fp32.
    fn widened(&mut self, name: &str, scope: &mut Scope, out: &mut Vec<Kept<Operation>>) -> String {
        if let Some(made) = self.floats.get(name) {
            return made.clone();
        }
        let made = self.fresh(&format!("{name}_to_fp32"));
        self.cast(name, &made, ElementType::Fp32, out);
        scope.floats.push(name.to_string());
        self.floats.insert(name.to_string(), made.clone());
        made
    }

    /// Adds a cast of a value, or of what it is now.
    fn cast(&mut self, name: &str, made: &str, to: ElementType, out: &mut Vec<Kept<Operation>>) {
        let r#type = self.declared.get(name).cloned();
        let source = self.alias.get(name).map_or(name, String::as_str).to_string();
        self.cast_of(&source, made, (r#type, to), out);
    }

    /// Adds a cast of something of a type to an element type.
    fn cast_of(
        &mut self,
        source: &str,
        made: &str,
        (r#type, to): (Option<Kept<ValueType>>, ElementType),
        out: &mut Vec<Kept<Operation>>,
    ) {
        let dtype_name = self.fresh(&format!("{made}_dtype_0"));
        let mut word = Operation { r#type: "const".to_string(), ..Operation::default() };
        word.attributes.push(message::attribute("name", message::text(&dtype_name)));
        word.attributes.push(message::attribute("val", message::text(to.name())));
        word.outputs.push(message::named(&dtype_name, ElementType::String, &[]));
        let mut cast = Operation { r#type: "cast".to_string(), ..Operation::default() };
        cast.inputs.push(message::reference("x", source));
        cast.inputs.push(message::reference("dtype", &dtype_name));
        cast.attributes.push(message::attribute("name", message::text(made)));
        let mut output = message::named(made, to, &[]);
        if let Some(mut r#type) = r#type {
            if let Some(ValueTypeKind::Tensor(tensor)) = &mut r#type.kind {
                tensor.data_type = to.number();
            }
            output.r#type = Some(r#type);
        }
        cast.outputs.push(output);
        out.extend([word.into(), cast.into()]);
    }

    /// What a block hands out keeps its type. Outputs of functions keep their names too: there what became fp16 gets
    /// another name.
    fn outputs(
        &mut self,
        block: &mut Kept<Block>,
        is_outermost: bool,
        scope: &mut Scope,
        out: &mut Vec<Kept<Operation>>,
    ) {
        let mut done = HashSet::new();
        for name in &mut block.outputs {
            if !self.narrow.contains(name.as_str()) {
                continue;
            }
            if !is_outermost {
                *name = self.widened(&name.clone(), scope, out);
            } else if done.insert(name.clone()) {
                if self.alias.contains_key(name.as_str()) {
                    self.cast(name, &name.clone(), ElementType::Fp32, out);
                    continue;
                }
                let inner = self.fresh(&format!("{name}_cast_fp16"));
                for operation in out.iter_mut() {
                    for output in operation.outputs.iter_mut().filter(|output| output.name == *name) {
                        output.name.clone_from(&inner);
                    }
                    rename(operation, name, &inner);
                }
                let r#type = self.declared.get(name.as_str()).cloned();
                self.cast_of(&inner, name, (r#type, ElementType::Fp32), out);
            }
        }
    }
}

/// What a block made that is to be had in it only.
#[derive(Debug, Default)]
struct Scope {
    halves: Vec<String>,
    floats: Vec<String>,
}
