//! A graph with who takes which value, and normalizations seen as a part of the operators that they are folded into.

use std::collections::{HashMap, HashSet};

use crate::graph::aten::{Argument, Definition, Graph, InputRole, Node, Program, ScalarType, ValueId};

/// A program that is looked at.
pub(super) struct View<'a> {
    pub(super) program: &'a Program,
    /// The operations that take each value, each once, in their order.
    users: HashMap<ValueId, Vec<usize>>,
    /// Values that callers get.
    handed_out: HashSet<ValueId>,
    /// Stored tensors.
    stored: HashSet<ValueId>,
    /// What depends on what callers give: all else is the same in every run.
    live: HashSet<ValueId>,
    /// Convolutions and linear layers with the normalization that is folded into each, and the other way round.
    folded: HashMap<usize, usize>,
    folded_into: HashMap<usize, usize>,
}

impl<'a> View<'a> {
    pub(super) fn new(program: &'a Program) -> Self {
        let mut users: HashMap<ValueId, Vec<usize>> = HashMap::new();
        let mut counts: HashMap<ValueId, usize> = HashMap::new();
        for (index, node) in program.graph.nodes.iter().enumerate() {
            for value in node.arguments.iter().flat_map(|(_, argument)| argument.values()) {
                *counts.entry(value).or_default() += 1;
                let known = users.entry(value).or_default();
                if known.last() != Some(&index) {
                    known.push(index);
                }
            }
        }
        let handed_out: HashSet<ValueId> = program.graph.outputs.iter().flat_map(Argument::values).collect();
        let stored = program.inputs.iter().filter(|input| input.role.stored().is_some());
        let stored = stored.filter_map(|input| input.value).collect();
        let given = program.inputs.iter().filter(|input| matches!(input.role, InputRole::User));
        let mut live: HashSet<ValueId> = given.filter_map(|input| input.value).collect();
        for node in &program.graph.nodes {
            if node.arguments.iter().any(|(_, argument)| argument.values().iter().any(|value| live.contains(value))) {
                live.extend(node.outputs.iter().flat_map(Argument::values));
            }
        }
        let (folded, folded_into) = (HashMap::new(), HashMap::new());
        let mut view = View { program, users, handed_out, stored, live, folded, folded_into };
        for (index, node) in program.graph.nodes.iter().enumerate() {
            if let Some(convolution) = view.folds(node, &counts) {
                view.folded.insert(convolution, index);
                view.folded_into.insert(index, convolution);
            }
        }
        view
    }

    pub(super) fn graph(&self) -> &'a Graph {
        &self.program.graph
    }

    pub(super) fn node(&self, index: usize) -> &'a Node {
        &self.program.graph.nodes[index]
    }

    /// The convolution or linear layer that a normalization is folded into when the program is converted: nothing else takes what the
    /// convolution gives, and everything is stored.
    fn folds(&self, node: &Node, counts: &HashMap<ValueId, usize>) -> Option<usize> {
        if !is_batch_norm(node) || matches!(node.argument("training"), Some(Argument::Bool(true))) {
            return None;
        }
        let input = node.argument("input")?.value()?;
        let Definition::Node(convolution) = self.graph().value(input)?.definition else { return None };
        let convolution = convolution as usize;
        let of = self.node(convolution);
        // A linear layer computes channels along the last dimension, a normalization along the second.
        let is_flat = || self.graph().tensor(input).is_some_and(|ty| ty.shape.len() == 2);
        let is_plain = dimensions(self.graph(), of).is_some() || of.operator.is_aten("linear") && is_flat();
        let stored = |node: &Node, name: &str| match node.argument(name) {
            None | Some(Argument::None) => true,
            Some(argument) => argument.value().is_some_and(|value| self.stored.contains(&value)),
        };
        let weight = of.argument("weight")?.value()?;
        let alone = counts.get(&input) == Some(&1) && counts.get(&weight) == Some(&1) && self.stored.contains(&weight);
        let all = ["running_mean", "running_var", "weight", "bias"].iter().all(|name| stored(node, name));
        (is_plain && alone && all && stored(of, "bias") && !self.handed_out.contains(&input)).then_some(convolution)
    }

    /// Whether a normalization is a part of a convolution.
    pub(super) fn is_folded(&self, index: usize) -> bool {
        self.folded_into.contains_key(&index)
    }

    /// The value that an operation gives, with the normalization that is folded into it.
    pub(super) fn result(&self, index: usize) -> Option<ValueId> {
        let index = self.folded.get(&index).copied().unwrap_or(index);
        match &self.node(index).outputs[..] {
            [one] => one.value(),
            _ => None,
        }
    }

    /// The operation that gives a value: the convolution where a normalization is folded into it.
    pub(super) fn producer(&self, value: ValueId) -> Option<usize> {
        match self.graph().value(value)?.definition {
            Definition::Node(index) => {
                let index = index as usize;
                Some(self.folded_into.get(&index).copied().unwrap_or(index))
            }
            Definition::Input(_) => None,
        }
    }

    /// The one operation that takes a value, where nothing else does.
    pub(super) fn only_user(&self, value: ValueId) -> Option<usize> {
        match self.users(value) {
            [one] if !self.handed_out.contains(&value) => Some(*one),
            _ => None,
        }
    }

    pub(super) fn users(&self, value: ValueId) -> &[usize] {
        self.users.get(&value).map_or(&[], |users| users)
    }

    /// Whether a value depends on what callers give, and is of floats: what can become codes while the program runs.
    pub(super) fn is_live(&self, value: ValueId) -> bool {
        use ScalarType::{Bfloat16, Float16, Float32, Float64};
        let dtype = self.graph().tensor(value).map(|ty| ty.dtype);
        matches!(dtype, Some(Bfloat16 | Float16 | Float32 | Float64)) && self.live.contains(&value)
    }
}

/// Whether an operation is a batch normalization of inference or training.
pub(super) fn is_batch_norm(node: &Node) -> bool {
    node.operator.is_aten("batch_norm") || node.operator.is_aten("_native_batch_norm_legit_no_training")
}

/// The number of dimensions that the kernel of a convolution moves along; `None` for transposed ones and for other
/// operators.
pub fn dimensions(graph: &Graph, node: &Node) -> Option<usize> {
    // What programs have instead that were decomposed.
    if node.operator.is_aten("convolution") {
        let is_turned = matches!(node.argument("transposed"), Some(Argument::Bool(true)));
        let rank = graph.tensor(node.argument("weight")?.value()?)?.shape.len();
        return rank.checked_sub(2).filter(|along| !is_turned && (1..=3).contains(along));
    }
    (1..=3).find(|along| node.operator.is_aten(["conv1d", "conv2d", "conv3d"][along - 1]))
}
