//! A function made ready to run: operations with their kernels, values in numbered slots, and where each value ends.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::error::{ExecError, Unknown};
use super::ops::{Kernel, kernel};
use crate::graph::check::{Place, constants};
use crate::graph::index::{BlockId, Index, OpId, Producer, ValueId};
use crate::graph::{Binding, Blobs, Content, Function, Literal, Name, NamedType, Operation, TensorType, Type, ops};

/// What an operation does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Kernel(Kernel),
    Cond,
    Loop,
    ReadState,
    WriteState,
}

/// Where an input of an operation comes from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Slot(usize),
    Literal(Literal),
}

/// A parameter with what is bound to it.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    pub(super) parameter: Name,
    pub(super) sources: Vec<Source>,
}

/// A value that an operation defines.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) slot: usize,
    pub(super) name: Name,
    pub(super) ty: Type,
    /// Whether anybody uses it.
    pub(super) used: bool,
}

/// One operation.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) place: Place,
    pub(super) action: Action,
    pub(super) arguments: Vec<Argument>,
    pub(super) outputs: Vec<Output>,
    pub(super) blocks: Vec<Plan>,
    /// Slots whose values nobody needs after this step.
    pub(super) last: Vec<usize>,
}

/// The operations of a block.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) inputs: Vec<usize>,
    pub(super) steps: Vec<Step>,
    pub(super) outputs: Vec<usize>,
}

/// A part of a compressed constant.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Literal(Literal),
    Slot(usize),
}

/// A value that is the same in every run.
#[derive(Debug, Clone)]
pub(super) enum Stored {
    /// Written down.
    Literal { place: Place, slot: usize, name: Name, literal: Literal },
    /// Compressed.
    Compressed { place: Place, parts: Vec<(Name, Part)>, outputs: Vec<(usize, Name, TensorType)> },
    /// Computed from others.
    Computed(Step),
}

/// A function made ready.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) function: Name,
    pub(super) set: crate::graph::Opset,
    /// Inputs and states as declared; input number i is in slot i.
    pub(super) inputs: Vec<NamedType>,
    /// In the order of the text.
    pub(super) stored: Vec<Stored>,
    pub(super) main: Plan,
    pub(super) outputs: Vec<(Name, Type)>,
    pub(super) slots: usize,
    /// Slots of constants that a step of `main` or an output needs, or one that they are computed from.
    pub(super) needed: Vec<bool>,
    /// Slots of constants.
    pub(super) constant: Vec<bool>,
}

/// Makes a function ready.
///
/// # Errors
/// If names mean nothing, or operators are not known: all of them.
pub(super) fn prepare(function: &Function, blobs: &dyn Blobs) -> Result<Prepared, ExecError> {
    let index = Index::new(function);
    if !index.errors().is_empty() {
        return Err(ExecError::Names(index.errors().to_vec()));
    }
    check_operators(&index)?;
    Ok(Planner::new(&index, blobs).run())
}

/// What an operator does, if it is known.
pub(super) fn action(kind: &str) -> Option<Action> {
    Some(match kind {
        "cond" => Action::Cond,
        "while_loop" => Action::Loop,
        "read_state" => Action::ReadState,
        "write_state" | "coreml_update_state" => Action::WriteState,
        other => Action::Kernel(kernel(other)?),
    })
}

fn check_operators(index: &Index<'_>) -> Result<(), ExecError> {
    let mut unknown: BTreeMap<&Name, Vec<Name>> = BTreeMap::new();
    for (_, operation) in index.operations() {
        let stored = operation.is_const() || (operation.is_constexpr() && ops::operator(&operation.kind).is_some());
        if !stored && action(&operation.kind).is_none() {
            unknown.entry(&operation.kind).or_default().push(operation.name.clone());
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown = unknown.into_iter().map(|(kind, operations)| Unknown { kind: kind.clone(), operations });
    Err(ExecError::Operators(unknown.collect()))
}

struct Planner<'i, 'f> {
    index: &'i Index<'f>,
    blobs: &'i dyn Blobs,
    constant: Vec<bool>,
    /// The operations of each block, in order.
    operations: HashMap<BlockId, Vec<OpId>>,
    nested: HashMap<OpId, Vec<BlockId>>,
    inputs: HashMap<BlockId, Vec<(u32, ValueId)>>,
}

impl<'i, 'f> Planner<'i, 'f> {
    fn new(index: &'i Index<'f>, blobs: &'i dyn Blobs) -> Self {
        let mut planner = Self {
            index,
            blobs,
            constant: constants(index),
            operations: HashMap::new(),
            nested: HashMap::new(),
            inputs: HashMap::new(),
        };
        for (id, _) in index.operations() {
            planner.operations.entry(index.block_of(id)).or_default().push(id);
        }
        for (block, _) in index.blocks() {
            if let Some((owner, _)) = index.owner(block) {
                planner.nested.entry(owner).or_default().push(block);
            }
        }
        for value in index.values() {
            if let Producer::Input { block, position } = index.producer(value) {
                planner.inputs.entry(block).or_default().push((position, value));
            }
        }
        planner
    }

    fn run(self) -> Prepared {
        let function = self.index.function();
        let mut stored = Vec::new();
        let main = self.block(BlockId(0), &mut stored);
        let outputs = self.index.block_outputs(BlockId(0)).iter().flatten();
        let outputs = outputs.map(|value| (self.index.name(*value).clone(), self.index.ty(*value).clone())).collect();
        let mut needed = vec![false; self.index.values().len()];
        mark(&main, &mut needed);
        for entry in stored.iter().rev() {
            mark_stored(entry, &mut needed);
        }
        Prepared {
            function: function.name.clone(),
            set: crate::graph::check::rules_of(function),
            inputs: function.inputs.clone(),
            stored,
            main,
            outputs,
            slots: self.index.values().len(),
            needed,
            constant: self.constant,
        }
    }

    fn block(&self, block: BlockId, stored: &mut Vec<Stored>) -> Plan {
        let mut inputs = self.inputs.get(&block).cloned().unwrap_or_default();
        inputs.sort_unstable();
        let slots = |values: &[Option<ValueId>]| values.iter().flatten().map(|value| value.0 as usize).collect();
        let mut plan = Plan {
            inputs: inputs.into_iter().map(|(_, value)| value.0 as usize).collect(),
            steps: Vec::new(),
            outputs: slots(self.index.block_outputs(block)),
        };
        for &id in self.operations.get(&block).map_or(&[][..], |ids| ids) {
            let operation = self.index.operation(id);
            if operation.is_const() {
                stored.extend(self.literal(id, operation));
            } else if operation.is_constexpr() {
                stored.push(self.compressed(id, operation));
            } else if let Some(step) = self.step(id, operation, stored) {
                let constant = !step.outputs.is_empty() && step.outputs.iter().all(|out| self.constant[out.slot]);
                match constant && matches!(step.action, Action::Kernel(_)) {
                    true => stored.push(Stored::Computed(step)),
                    false => plan.steps.push(step),
                }
            }
        }
        self.plan_ends(block, &mut plan);
        plan
    }

    fn place(&self, id: OpId, operation: &Operation) -> Place {
        Place { path: self.index.path(id), kind: operation.kind.clone(), name: operation.name.clone() }
    }

    /// The literal with its bytes at hand, where they can be had.
    fn resolved(&self, literal: &Literal) -> Literal {
        match (&literal.content, literal.tensor_bytes(self.blobs)) {
            (Content::Blob(_), Some(bytes)) => Literal { ty: literal.ty.clone(), content: Content::Bytes(bytes) },
            _ => literal.clone(),
        }
    }

    fn literal(&self, id: OpId, operation: &Operation) -> Option<Stored> {
        let (output, value) = (operation.outputs.first()?, self.index.output(id, 0)?);
        let literal = self.resolved(operation.attribute("val")?);
        Some(Stored::Literal {
            place: self.place(id, operation),
            slot: value.0 as usize,
            name: output.name.clone(),
            literal,
        })
    }

    /// Parts are attributes or inputs, which are constants, literals, or outputs of other compressed constants.
    fn compressed(&self, id: OpId, operation: &Operation) -> Stored {
        let mut parts: Vec<(Name, Part)> = operation
            .attributes
            .iter()
            .map(|attribute| (attribute.name.clone(), Part::Literal(self.resolved(&attribute.value))))
            .collect();
        let mut bound = self.index.bound(id).iter();
        for input in &operation.inputs {
            for binding in &input.bindings {
                let value = bound.next().copied().flatten();
                let part = match (binding, value) {
                    (Binding::Literal(literal), _) => Part::Literal(self.resolved(literal)),
                    (Binding::Value(_), Some(value)) => match self.index.producing(value) {
                        Some((_, producer)) if producer.is_const() => match producer.attribute("val") {
                            Some(literal) => Part::Literal(self.resolved(literal)),
                            None => continue,
                        },
                        _ => Part::Slot(value.0 as usize),
                    },
                    (Binding::Value(_), None) => continue,
                };
                parts.push((input.parameter.clone(), part));
            }
        }
        let outputs = operation.outputs.iter().enumerate().filter_map(|(i, output)| {
            let slot = self.index.output(id, i)?.0 as usize;
            Some((slot, output.name.clone(), output.ty.as_tensor()?.clone()))
        });
        Stored::Compressed { place: self.place(id, operation), parts, outputs: outputs.collect() }
    }

    fn step(&self, id: OpId, operation: &Operation, stored: &mut Vec<Stored>) -> Option<Step> {
        let mut bound = self.index.bound(id).iter();
        let mut arguments = Vec::with_capacity(operation.inputs.len() + operation.attributes.len());
        for input in &operation.inputs {
            let sources = input.bindings.iter().filter_map(|binding| {
                let value = bound.next().copied().flatten();
                match binding {
                    Binding::Literal(literal) => Some(Source::Literal(self.resolved(literal))),
                    Binding::Value(_) => value.map(|value| Source::Slot(value.0 as usize)),
                }
            });
            arguments.push(Argument { parameter: input.parameter.clone(), sources: sources.collect() });
        }
        for attribute in &operation.attributes {
            let sources = vec![Source::Literal(self.resolved(&attribute.value))];
            arguments.push(Argument { parameter: attribute.name.clone(), sources });
        }
        let outputs = operation.outputs.iter().enumerate().filter_map(|(i, output)| {
            let value = self.index.output(id, i)?;
            Some(Output {
                slot: value.0 as usize,
                name: output.name.clone(),
                ty: output.ty.clone(),
                used: !self.index.consumers(value).is_empty(),
            })
        });
        let nested = self.nested.get(&id).map_or(&[][..], |blocks| blocks);
        Some(Step {
            place: self.place(id, operation),
            action: action(&operation.kind)?,
            arguments,
            outputs: outputs.collect(),
            blocks: nested.iter().map(|block| self.block(*block, stored)).collect(),
            last: Vec::new(),
        })
    }

    /// Writes down with each step which values end there: those defined in this block and used last by the step or
    /// inside its nested blocks.
    fn plan_ends(&self, block: BlockId, plan: &mut Plan) {
        let mut seen: HashSet<usize> = plan.outputs.iter().copied().collect();
        for step in plan.steps.iter_mut().rev() {
            let mut used = Vec::new();
            uses(step, &mut used);
            used.sort_unstable();
            used.dedup();
            for slot in used {
                let own = self.defined_in(ValueId(slot as u32)) == block;
                if own && !self.constant[slot] && seen.insert(slot) {
                    step.last.push(slot);
                }
            }
        }
    }

    fn defined_in(&self, value: ValueId) -> BlockId {
        match self.index.producer(value) {
            Producer::Input { block, .. } => block,
            Producer::Operation { operation, .. } => self.index.block_of(operation),
        }
    }
}

/// The slots that a step reads, and those that its nested blocks read.
fn uses(step: &Step, used: &mut Vec<usize>) {
    for source in step.arguments.iter().flat_map(|argument| &argument.sources) {
        if let Source::Slot(slot) = source {
            used.push(*slot);
        }
    }
    for plan in &step.blocks {
        plan.steps.iter().for_each(|step| uses(step, used));
        used.extend(&plan.outputs);
    }
}

/// The slots that a step reads, with those that its nested blocks read.
pub(super) fn slots_of(step: &Step) -> Vec<usize> {
    let mut used = Vec::new();
    uses(step, &mut used);
    used
}

fn mark(plan: &Plan, needed: &mut [bool]) {
    let mut used = plan.outputs.clone();
    plan.steps.iter().for_each(|step| uses(step, &mut used));
    used.into_iter().for_each(|slot| needed[slot] = true);
}

fn mark_stored(entry: &Stored, needed: &mut [bool]) {
    match entry {
        Stored::Literal { .. } => {}
        Stored::Compressed { parts, outputs, .. } if outputs.iter().any(|(slot, ..)| needed[*slot]) => {
            for (_, part) in parts {
                if let Part::Slot(slot) = part {
                    needed[*slot] = true;
                }
            }
        }
        Stored::Computed(step) if step.outputs.iter().any(|output| needed[output.slot]) => {
            let mut used = Vec::new();
            uses(step, &mut used);
            used.into_iter().for_each(|slot| needed[slot] = true);
        }
        _ => {}
    }
}
