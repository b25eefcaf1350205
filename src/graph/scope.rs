//! Walks a function and resolves its names, scope by scope.

use std::collections::HashMap;

use super::Name;
use super::function::Function;
use super::index::{BlockId, Index, NameError, NameFault, OpId, Parts, Producer, ValueId};
use super::op::{Binding, Block, Operation};

/// A use that nothing before it defines.
struct Unresolved<'f> {
    /// `None` for outputs of the function itself.
    operation: Option<OpId>,
    parameter: Option<&'f Name>,
    name: &'f Name,
    block: BlockId,
    /// Its place among the errors, so that they stay in the order of the text.
    error: usize,
}

/// Fills an index.
pub(super) struct Builder<'f> {
    function: &'f Function,
    parts: Parts<'f>,
    /// What each name means here: the innermost definition last, with its block.
    visible: HashMap<&'f str, Vec<(BlockId, ValueId)>>,
    errors: Vec<NameError>,
    unresolved: Vec<Unresolved<'f>>,
}

impl<'f> Builder<'f> {
    pub(super) fn new(function: &'f Function) -> Self {
        Self { function, parts: Parts::default(), visible: HashMap::new(), errors: Vec::new(), unresolved: Vec::new() }
    }

    pub(super) fn run(&mut self) {
        let block = self.parts.open_block(&self.function.block, None);
        let mut defined = Vec::new();
        for (position, input) in self.function.inputs.iter().enumerate() {
            let producer = Producer::Input { block, position: position as u32 };
            let value = self.parts.value(&input.name, &input.ty, producer);
            self.define(&input.name, value, block, None, &mut defined);
        }
        self.block(&self.function.block, block, None, defined);
    }

    pub(super) fn finish(mut self) -> Index<'f> {
        self.judge();
        Index::assemble(self.function, self.parts, self.errors)
    }

    /// Walks one block. `defined` holds the names that end with it.
    fn block(&mut self, block: &'f Block, id: BlockId, owner: Option<OpId>, mut defined: Vec<&'f str>) {
        for (position, operation) in block.operations.iter().enumerate() {
            self.operation(operation, id, position as u32, &mut defined);
        }
        let outputs = block.outputs.iter().map(|name| self.look_up(name, owner, None, id)).collect();
        self.parts.close_block(id, outputs);
        for name in defined {
            if let Some(meanings) = self.visible.get_mut(name) {
                meanings.pop();
            }
        }
    }

    fn operation(&mut self, operation: &'f Operation, block: BlockId, position: u32, defined: &mut Vec<&'f str>) {
        let next = OpId(self.parts.len() as u32);
        let mut uses = Vec::new();
        for input in &operation.inputs {
            for binding in &input.bindings {
                uses.push(match binding {
                    Binding::Value(name) => self.look_up(name, Some(next), Some(&input.parameter), block),
                    Binding::Literal(_) => None,
                });
            }
        }
        let id = self.parts.operation(operation, block, position, uses.into_iter());
        for (which, nested) in operation.blocks.iter().enumerate() {
            let inner = self.parts.open_block(nested, Some((id, which as u32)));
            let mut inner_defined = Vec::new();
            for (position, input) in nested.inputs.iter().enumerate() {
                let producer = Producer::Input { block: inner, position: position as u32 };
                let value = self.parts.value(&input.name, &input.ty, producer);
                self.define(&input.name, value, inner, Some(id), &mut inner_defined);
            }
            self.block(nested, inner, Some(id), inner_defined);
        }
        self.parts.outputs_begin(id);
        for (output, named) in operation.outputs.iter().enumerate() {
            let producer = Producer::Operation { operation: id, output: output as u32 };
            let value = self.parts.value(&named.name, &named.ty, producer);
            self.define(&named.name, value, block, Some(id), defined);
        }
    }

    /// Gives a name a meaning until its block ends. An inner block may use an outer name anew.
    fn define(
        &mut self,
        name: &'f Name,
        value: ValueId,
        block: BlockId,
        operation: Option<OpId>,
        defined: &mut Vec<&'f str>,
    ) {
        let meanings = self.visible.entry(name).or_default();
        if meanings.last().is_some_and(|(inside, _)| *inside == block) {
            self.errors.push(NameError { operation, parameter: None, fault: NameFault::Duplicate(name.clone()) });
        }
        meanings.push((block, value));
        defined.push(name);
    }

    fn look_up(
        &mut self,
        name: &'f Name,
        operation: Option<OpId>,
        parameter: Option<&'f Name>,
        block: BlockId,
    ) -> Option<ValueId> {
        let found = self.visible.get(&**name).and_then(|meanings| meanings.last());
        if let Some((_, value)) = found {
            return Some(*value);
        }
        self.unresolved.push(Unresolved { operation, parameter, name, block, error: self.errors.len() });
        // The real fault is known when the whole function is: see `judge`.
        self.errors.push(NameError {
            operation,
            parameter: parameter.cloned(),
            fault: NameFault::Undefined(name.clone()),
        });
        None
    }

    /// Says of each name that nothing before it defines whether something after it does.
    fn judge(&mut self) {
        if self.unresolved.is_empty() {
            return;
        }
        let mut definitions: HashMap<(BlockId, &str), OpId> = HashMap::new();
        for (name, producer) in self.parts.values() {
            if let Producer::Operation { operation, .. } = producer {
                definitions.entry((self.parts.block_of(operation), name)).or_insert(operation);
            }
        }
        let mut later = Vec::new();
        for (i, use_) in self.unresolved.iter().enumerate() {
            let mut block = Some(use_.block);
            while let Some(inside) = block {
                if let Some(definition) = definitions.get(&(inside, &**use_.name)) {
                    later.push((i, *definition));
                    break;
                }
                block = self.parts.owner(inside).map(|owner| self.parts.block_of(owner));
            }
        }
        if later.is_empty() {
            return;
        }
        let edges = later.iter().filter_map(|(i, definition)| Some((self.unresolved[*i].operation?, *definition)));
        let components = components(&self.dependencies(edges));
        for (i, definition) in later {
            let use_ = &self.unresolved[i];
            let cyclic = use_
                .operation
                .is_some_and(|operation| components[operation.0 as usize] == components[definition.0 as usize]);
            let name = use_.name.clone();
            let fault = if cyclic { NameFault::Cycle(name) } else { NameFault::BeforeDefinition(name) };
            self.errors[use_.error] =
                NameError { operation: use_.operation, parameter: use_.parameter.cloned(), fault };
        }
    }

    /// For each operation those it needs: who defines its inputs, and the operations of its nested blocks.
    fn dependencies(&self, edges: impl Iterator<Item = (OpId, OpId)>) -> Vec<Vec<u32>> {
        let mut needs = vec![Vec::new(); self.parts.len()];
        for i in 0..self.parts.len() {
            let id = OpId(i as u32);
            for value in self.parts.uses_of(id) {
                if let Producer::Operation { operation, .. } = self.parts.producer(value) {
                    needs[i].push(operation.0);
                }
            }
            if let Some(owner) = self.parts.owner(self.parts.block_of(id)) {
                needs[owner.0 as usize].push(i as u32);
            }
        }
        for (from, to) in edges {
            needs[from.0 as usize].push(to.0);
        }
        needs
    }
}

/// The strongly connected component of each node (Tarjan, without recursion: programs are long).
fn components(edges: &[Vec<u32>]) -> Vec<u32> {
    const UNSEEN: u32 = u32::MAX;
    let mut component = vec![UNSEEN; edges.len()];
    let mut order = vec![UNSEEN; edges.len()];
    let mut lowest = vec![0u32; edges.len()];
    let mut open: Vec<u32> = Vec::new();
    let (mut next, mut found) = (0, 0);
    for root in 0..edges.len() as u32 {
        if order[root as usize] != UNSEEN {
            continue;
        }
        let mut calls = vec![(root, 0usize)];
        while let Some((node, edge)) = calls.last_mut() {
            let at = *node as usize;
            if *edge == 0 {
                order[at] = next;
                lowest[at] = next;
                next += 1;
                open.push(*node);
            }
            if let Some(&to) = edges[at].get(*edge) {
                *edge += 1;
                let to_at = to as usize;
                if order[to_at] == UNSEEN {
                    calls.push((to, 0));
                } else if component[to_at] == UNSEEN {
                    lowest[at] = lowest[at].min(order[to_at]);
                }
                continue;
            }
            if lowest[at] == order[at] {
                while let Some(member) = open.pop() {
                    component[member as usize] = found;
                    if member as usize == at {
                        break;
                    }
                }
                found += 1;
            }
            calls.pop();
            if let Some((caller, _)) = calls.last() {
                let caller = *caller as usize;
                lowest[caller] = lowest[caller].min(lowest[at]);
            }
        }
    }
    component
}
