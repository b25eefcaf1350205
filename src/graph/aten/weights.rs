//! What the stored tensors of a program are: told from the modules that own them and the operators that take them.

use std::collections::HashMap;

use super::{Argument, Graph, InputRole, Module, Node, Program, ValueId};
use crate::graph::Name;
use crate::kind::Kind;

/// How many operators that only pass a tensor on are followed.
const MAX_STEPS: usize = 16;

/// What a tensor is within its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// What the operator multiplies with, or looks up.
    Weight,
    /// What it adds at the end.
    Bias,
    /// Statistics and other state.
    State,
}

/// What a stored tensor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its dotted name.
    pub name: Name,
    /// Whether it is a parameter; otherwise a buffer or a constant.
    pub is_parameter: bool,
    /// The kind of the module that owns it, or of the first operator that takes it; `None` where neither tells.
    pub kind: Option<Kind>,
    /// What it is for the operator that takes it; `None` where that does not tell.
    pub part: Option<Part>,
    /// Whether it is stored input channels first, where others of its kind have output channels first.
    pub transposed: bool,
    /// The class of the module that owns it, where the program names it.
    pub class: Option<Name>,
    /// The groups of the convolution that takes it.
    pub groups: Option<u64>,
    /// How many operators take it.
    pub uses: usize,
}

/// What each stored tensor of a program is, in the order of its inputs.
pub fn stored(program: &Program) -> Vec<Stored> {
    let classes: HashMap<&str, &Module> = program.modules.iter().map(|module| (&*module.path, module)).collect();
    let mut uses = Uses::default();
    uses.add(&program.graph);
    let mut all = Vec::new();
    for input in &program.inputs {
        let (Some(value), Some(name)) = (input.value, input.role.stored()) else { continue };
        let owner = name.rsplit_once('.').map_or("", |(owner, _)| owner);
        let class = classes.get(owner).map(|module| &module.class);
        let found = uses.of(&program.graph, value);
        let by_class = class.and_then(|class| kind_of_class(class));
        let first = found.iter().find(|found| found.kind.is_some());
        let (kind, transposed) = match (by_class, first) {
            (Some((kind, transposed)), _) => (Some(kind), transposed),
            (None, Some(first)) => (first.kind, first.transposed),
            (None, None) => (None, false),
        };
        all.push(Stored {
            name: name.clone(),
            is_parameter: matches!(input.role, InputRole::Parameter(_)),
            kind,
            part: found.iter().find_map(|found| found.part),
            transposed,
            class: class.cloned(),
            groups: found.iter().find_map(|found| found.groups),
            uses: found.len(),
        });
    }
    all
}

/// The kind of a module by its class, and whether its weight is stored input channels first.
///
/// Only classes whose weights have one meaning wherever they stand; for others, a model's own ones among them, the
/// operators tell.
fn kind_of_class(class: &str) -> Option<(Kind, bool)> {
    let (module, name) = class.rsplit_once('.').unwrap_or(("", class));
    // As GPT-2 has it: a linear layer, stored as `[in, out]`.
    if class == "transformers.pytorch_utils.Conv1D" {
        return Some((Kind::Linear, true));
    }
    if !module.starts_with("torch.nn.") && !module.starts_with("torch.ao.nn.") && module != "torch.nn" {
        // Normalisations that models bring along multiply by their weight, which tells nothing.
        return name.ends_with("Norm").then_some((Kind::Norm, false));
    }
    let kind = match name {
        "Linear" | "LazyLinear" | "NonDynamicallyQuantizableLinear" => Kind::Linear,
        "Embedding" | "EmbeddingBag" => Kind::Embedding,
        "Conv1d" | "LazyConv1d" => Kind::Conv1d,
        "Conv2d" | "LazyConv2d" => Kind::Conv2d,
        "Conv3d" | "LazyConv3d" => Kind::Conv3d,
        _ if name.contains("ConvTranspose") => Kind::ConvTranspose,
        "LSTM" | "LSTMCell" => Kind::Lstm,
        "GRU" | "GRUCell" => Kind::Gru,
        "RNN" | "RNNCell" => Kind::Rnn,
        "PReLU" => Kind::Activation,
        _ if name.ends_with("Norm") || name.contains("BatchNorm") || name.contains("InstanceNorm") => Kind::Norm,
        _ => return None,
    };
    Some((kind, false))
}

/// What an operator makes of one of its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Use {
    kind: Option<Kind>,
    part: Option<Part>,
    transposed: bool,
    groups: Option<u64>,
}

/// Which operations of a graph take which values.
#[derive(Default)]
struct Uses<'g> {
    by_value: HashMap<ValueId, Vec<(&'g Node, &'g str)>>,
}

impl<'g> Uses<'g> {
    fn add(&mut self, graph: &'g Graph) {
        for node in &graph.nodes {
            for (name, argument) in &node.arguments {
                for value in argument.values() {
                    self.by_value.entry(value).or_default().push((node, name));
                }
            }
        }
    }

    /// What takes a value, through operators that only pass it on, and in graphs that operators run.
    fn of(&self, graph: &Graph, value: ValueId) -> Vec<Use> {
        let mut found = Vec::new();
        let mut next = vec![(value, false)];
        for _ in 0..MAX_STEPS {
            let mut after = Vec::new();
            for (value, flipped) in next {
                for (node, argument) in self.by_value.get(&value).into_iter().flatten() {
                    for (graph, inner) in handed_in(node, argument, value) {
                        let mut uses = Uses::default();
                        uses.add(graph);
                        found.extend(uses.of(graph, inner));
                    }
                    match passed_on(node, argument) {
                        Some(flips) => {
                            let results = node.outputs.iter().filter_map(Argument::value);
                            after.extend(results.map(|result| (result, flipped ^ flips)));
                        }
                        None => found.push(used(graph, node, argument, value, flipped)),
                    }
                }
            }
            if after.is_empty() {
                break;
            }
            next = after;
        }
        found
    }
}

/// The graphs that an operator runs on a list of values, each with its own name for one of them. Graphs see their
/// inputs only, so what they take is handed to them, in order.
fn handed_in<'g>(node: &'g Node, argument: &str, value: ValueId) -> Vec<(&'g Graph, ValueId)> {
    let Some(Argument::Values(operands)) =
        node.arguments.last().filter(|(name, _)| &**name == argument).map(|(_, a)| a)
    else {
        return Vec::new();
    };
    let graphs = node.arguments.iter().filter_map(|(_, argument)| match argument {
        Argument::Graph(graph) if graph.inputs.len() == operands.len() => Some(&**graph),
        _ => None,
    });
    let of = |graph: &'g Graph| {
        let places = operands.iter().zip(&graph.inputs).filter(|(operand, _)| **operand == value);
        places.filter_map(|(_, input)| input.value()).map(|inner| (graph, inner)).collect::<Vec<_>>()
    };
    graphs.flat_map(of).collect()
}

/// Whether an operator only passes an argument on, in another shape or type; if so, whether it swaps the last two
/// dimensions.
fn passed_on(node: &Node, argument: &str) -> Option<bool> {
    let operator = &node.operator;
    match (&*operator.namespace, &*operator.name, argument) {
        ("quantized_decomposed" | "torchao", name, "input") => {
            (name.starts_with("quantize") || name.starts_with("dequantize") || name.starts_with("choose"))
                .then_some(false)
        }
        ("aten", "t" | "numpy_T" | "mT", "self") => Some(true),
        ("aten", "transpose" | "permute", "self") => Some(true),
        (
            "aten",
            "detach" | "detach_" | "alias" | "clone" | "contiguous" | "to" | "_to_copy" | "lift_fresh_copy" | "view"
            | "reshape" | "_unsafe_view" | "unsqueeze" | "squeeze" | "expand" | "view_copy" | "type_as",
            "self" | "input",
        ) => Some(false),
        _ => None,
    }
}

/// What an operator makes of an argument.
fn used(graph: &Graph, node: &Node, argument: &str, value: ValueId, flipped: bool) -> Use {
    let of = |kind, part| Use { kind: Some(kind), part: Some(part), transposed: false, groups: None };
    let nothing = Use { kind: None, part: None, transposed: false, groups: None };
    let rank = graph.tensor(value).map_or(0, |ty| ty.shape.len());
    if &*node.operator.namespace != "aten" {
        return nothing;
    }
    let convolution = |kind| Use {
        groups: Some(match node.argument("groups") {
            Some(Argument::Int(groups)) => u64::try_from(*groups).unwrap_or(1),
            _ => 1,
        }),
        ..of(kind, Part::Weight)
    };
    match (&*node.operator.name, argument) {
        ("linear", "weight") => Use { transposed: flipped, ..of(Kind::Linear, Part::Weight) },
        ("linear", "bias") => of(Kind::Linear, Part::Bias),
        ("embedding" | "embedding_bag" | "_embedding_bag", "weight") => of(Kind::Embedding, Part::Weight),
        ("index_select" | "index" | "gather", "self" | "input") => of(Kind::Embedding, Part::Weight),
        ("conv1d", "weight") => convolution(Kind::Conv1d),
        ("conv2d", "weight") => convolution(Kind::Conv2d),
        ("conv3d", "weight") => convolution(Kind::Conv3d),
        ("convolution" | "_convolution", "weight") => convolution(match (node.argument("transposed"), rank) {
            (Some(Argument::Bool(true)), _) => Kind::ConvTranspose,
            (_, 3) => Kind::Conv1d,
            (_, 5) => Kind::Conv3d,
            _ => Kind::Conv2d,
        }),
        (name, "weight") if name.starts_with("conv_transpose") => convolution(Kind::ConvTranspose),
        (name, "bias") if name.starts_with("conv") || name.starts_with("_conv") => {
            Use { kind: convolution_kind(name, rank_of_weight(graph, node)), ..of(Kind::Other, Part::Bias) }
        }
        ("addmm" | "baddbmm" | "addmv", "self") => of(Kind::Matmul, Part::Bias),
        ("mm" | "bmm" | "matmul", "mat2" | "other") | ("addmm", "mat2") | ("baddbmm", "batch2") => {
            Use { transposed: flipped, ..of(Kind::Matmul, Part::Weight) }
        }
        // On the left side the channels are rows.
        ("mm" | "bmm" | "matmul", "self" | "input") | ("addmm", "mat1") | ("baddbmm", "batch1") => {
            Use { transposed: !flipped, ..of(Kind::Matmul, Part::Weight) }
        }
        ("lstm" | "lstm_cell", _) => recurrent(Kind::Lstm, argument, rank),
        ("gru" | "gru_cell", _) => recurrent(Kind::Gru, argument, rank),
        ("rnn_tanh" | "rnn_relu" | "rnn_tanh_cell" | "rnn_relu_cell", _) => recurrent(Kind::Rnn, argument, rank),
        (_, "running_mean" | "running_var") => of(Kind::Norm, Part::State),
        (name, "weight") if name.contains("norm") => of(Kind::Norm, Part::Weight),
        (name, "bias") if name.contains("norm") => of(Kind::Norm, Part::Bias),
        ("prelu" | "_prelu_kernel", "weight") => of(Kind::Activation, Part::Weight),
        _ => nothing,
    }
}

fn rank_of_weight(graph: &Graph, node: &Node) -> usize {
    let weight = node.argument("weight").and_then(Argument::value);
    weight.and_then(|weight| graph.tensor(weight)).map_or(4, |ty| ty.shape.len())
}

fn convolution_kind(name: &str, rank: usize) -> Option<Kind> {
    Some(match rank {
        _ if name.contains("transpose") => Kind::ConvTranspose,
        3 => Kind::Conv1d,
        5 => Kind::Conv3d,
        _ => Kind::Conv2d,
    })
}

/// Recurrent operators take matrices and vectors, weights and biases, in one list or by name; and states.
fn recurrent(kind: Kind, argument: &str, rank: usize) -> Use {
    let part = match (argument, rank) {
        ("params" | "w_ih" | "w_hh", 2) => Some(Part::Weight),
        ("params" | "b_ih" | "b_hh", 1) => Some(Part::Bias),
        _ => None,
    };
    Use { kind: part.map(|_| kind), part, transposed: false, groups: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_tell_kinds() {
        let kind = |class| kind_of_class(class);
        assert_eq!(kind("torch.nn.modules.linear.Linear"), Some((Kind::Linear, false)));
        assert_eq!(kind("torch.nn.modules.conv.ConvTranspose2d"), Some((Kind::ConvTranspose, false)));
        assert_eq!(kind("torch.nn.modules.batchnorm.SyncBatchNorm"), Some((Kind::Norm, false)));
        assert_eq!(kind("transformers.pytorch_utils.Conv1D"), Some((Kind::Linear, true)));
        assert_eq!(kind("transformers.models.llama.modeling_llama.LlamaRMSNorm"), Some((Kind::Norm, false)));
        assert_eq!(kind("models.Linear"), None);
        assert_eq!(kind("torch.nn.modules.linear.Bilinear"), None);
    }
}
