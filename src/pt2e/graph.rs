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
    /// What is the same in every run and may become codes where an operator takes it.
    constant: HashSet<ValueId>,
    /// Convolutions and linear layers with the normalization that is folded into each, and the other way round.
    folded: HashMap<usize, usize>,
    folded_into: HashMap<usize, usize>,
}

impl<'a> View<'a> {
    /// `may_be_codes` says of stored tensors whether they may become codes where operators take them.
    pub(super) fn new(program: &'a Program, may_be_codes: &dyn Fn(ValueId) -> bool) -> Self {
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
        let stored = stored_of(program).collect();
        let given = program.inputs.iter().filter(|input| matches!(input.role, InputRole::User));
        let mut live: HashSet<ValueId> = given.filter_map(|input| input.value).collect();
        for node in &program.graph.nodes {
            if node.arguments.iter().any(|(_, argument)| argument.values().iter().any(|value| live.contains(value))) {
                live.extend(node.outputs.iter().flat_map(Argument::values));
            }
        }
        let mut constant: HashSet<ValueId> = stored_of(program).filter(|value| may_be_codes(*value)).collect();
        for node in &program.graph.nodes {
            let mut taken = node.arguments.iter().flat_map(|(_, argument)| argument.values());
            if taken.all(|value| constant.contains(&value)) {
                constant.extend(node.outputs.iter().flat_map(Argument::values));
            }
        }
        let (folded, folded_into) = (HashMap::new(), HashMap::new());
        let mut view = View { program, users, handed_out, stored, live, constant, folded, folded_into };
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
        let node = self.node(index);
        match &node.outputs[..] {
            [one] => one.value(),
            // Statistics and indices come along with it.
            [first, ..] if is_batch_norm(node) || node.operator.name.ends_with("_with_indices") => first.value(),
            _ => None,
        }
    }

    /// What a convolution or a linear layer takes.
    pub(super) fn taken(&self, index: usize) -> Option<ValueId> {
        let node = self.node(index);
        ["input", "mat1", "self"].iter().find_map(|name| node.argument(name)).and_then(Argument::value)
    }

    /// Whether an operation is a linear layer that was taken apart.
    pub(super) fn is_apart(&self, index: usize) -> bool {
        let node = self.node(index);
        !node.operator.is_aten("linear") && is_linear(self.program, node)
    }

    /// The value that another one is in another shape.
    pub(super) fn source(&self, mut value: ValueId) -> ValueId {
        // Values are defined before they are used, so this comes to an end.
        while let Some(node) = self.graph().producer(value).filter(|node| is_view(node))
            && let Some(before) = node.argument("self").and_then(Argument::value)
        {
            value = before;
        }
        value
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

    /// Whether a value is of floats, and computed while the program runs or a constant that may become codes.
    pub(super) fn may_be_codes(&self, value: ValueId) -> bool {
        use ScalarType::{Bfloat16, Float16, Float32, Float64};
        let dtype = self.graph().tensor(value).map(|ty| ty.dtype);
        let is_float = matches!(dtype, Some(Bfloat16 | Float16 | Float32 | Float64));
        is_float && (self.live.contains(&value) || self.constant.contains(&value))
    }
}

/// The tensors of an archive that a program takes.
fn stored_of(program: &Program) -> impl Iterator<Item = ValueId> + '_ {
    program.inputs.iter().filter(|input| input.role.stored().is_some()).filter_map(|input| input.value)
}

/// Whether an operation gives what it takes in another shape.
pub(super) fn is_view(node: &Node) -> bool {
    ["view", "_unsafe_view", "reshape"].iter().any(|name| node.operator.is_aten(name))
}

/// Whether an operation is a linear layer, or what `run_decompositions` makes of one.
pub fn is_linear(program: &Program, node: &Node) -> bool {
    node.operator.is_aten("linear") || apart(program, node).is_some()
}

/// What a convolution or a linear layer multiplies with, unless that is computed.
pub fn weight(program: &Program, node: &Node) -> Option<ValueId> {
    if node.operator.is_aten("linear") || dimensions(&program.graph, node).is_some() {
        return node.argument("weight")?.value();
    }
    apart(program, node)
}

/// The weight of a linear layer that was taken apart: a product with a stored matrix that is turned round.
fn apart(program: &Program, node: &Node) -> Option<ValueId> {
    let is_one = |name: &str| match node.argument(name) {
        None | Some(Argument::Int(1)) => true,
        Some(Argument::Float(value)) => *value == 1.0,
        Some(_) => false,
    };
    let is_product = node.operator.is_aten("mm") || node.operator.is_aten("addmm") && is_one("alpha") && is_one("beta");
    if !is_product {
        return None;
    }
    let turned = program.graph.producer(node.argument("mat2")?.value()?)?;
    let is_turned = match &*turned.operator.name {
        "t" => true,
        "permute" => {
            matches!(turned.argument("dims"), Some(Argument::Ints(dims)) if matches!(dims[..], [1 | -1, 0 | -2]))
        }
        "transpose" => {
            let axis = |name: &str| match turned.argument(name) {
                Some(Argument::Int(axis)) => Some(axis.rem_euclid(2)),
                _ => None,
            };
            matches!((axis("dim0"), axis("dim1")), (Some(0), Some(1)) | (Some(1), Some(0)))
        }
        _ => false,
    };
    let weight = turned.argument("self").filter(|_| is_turned && &*turned.operator.namespace == "aten")?.value()?;
    let Definition::Input(at) = program.graph.value(weight)?.definition else { return None };
    let input = program.inputs.get(at as usize)?;
    (input.value == Some(weight) && input.role.stored().is_some()).then_some(weight)
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
