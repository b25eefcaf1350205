//! The patterns of operators that are quantized, in the order in which they are looked for.
//!
//! ExecuTorch: backends/apple/coreml/quantizer/_coreml_quantizer.py, the registered annotators from the first to the
//! last.

use super::graph::{View, dimensions, is_batch_norm, is_linear, is_view};
use crate::graph::aten::{Argument, Node, ValueId};

/// An activation function as it stands in graphs, and whether it changes what it takes.
pub(super) type Function = (&'static str, bool);

/// Activation functions behind an operator, in the order in which they are looked for.
const FUNCTIONS: &[&str] =
    &["relu", "relu6", "leaky_relu", "silu", "elu", "celu", "selu", "mish", "hardtanh", "hardswish", "hardsigmoid"];

/// Those that have no form that changes what it takes; looked for after the others.
const PLAIN_FUNCTIONS: &[&str] = &["gelu", "sigmoid", "log_sigmoid", "tanh"];

/// All of them in order.
pub(super) fn functions() -> impl Iterator<Item = Function> {
    let both = FUNCTIONS.iter().flat_map(|name| [(*name, true), (*name, false)]);
    both.chain(PLAIN_FUNCTIONS.iter().map(|name| (*name, false)))
}

/// Whether an operation is a function.
pub(super) fn is_function(node: &Node, (name, in_place): Function) -> bool {
    let found = &*node.operator.name;
    let found = if in_place { found.strip_suffix('_') } else { Some(found) };
    &*node.operator.namespace == "aten" && found == Some(name)
}

/// An operator with a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weighted {
    /// A convolution along so many dimensions.
    Conv(usize),
    Linear,
}

/// An operator on two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Mul,
    Matmul,
}

/// A kind of pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// An operator with a weight, perhaps a normalization that is not folded into it, perhaps a function.
    Weighted { operator: Weighted, normalized: bool, function: Option<Function> },
    /// An operator on two values, perhaps a function. Whether the operator changes what it takes first.
    Binary { operator: Binary, in_place: bool, function: Option<Function> },
    /// A module that gives its input's values in another arrangement, or means of them: input and output have the same
    /// codes.
    Shared(&'static str),
}

/// Modules of [`Pattern::Shared`].
const MODULES: &[&str] = &[
    "torch.nn.modules.pooling.MaxPool1d",
    "torch.nn.modules.pooling.MaxPool2d",
    "torch.nn.modules.pooling.MaxPool3d",
    "torch.nn.modules.pooling.AdaptiveAvgPool1d",
    "torch.nn.modules.pooling.AdaptiveAvgPool2d",
    "torch.nn.modules.pooling.AdaptiveAvgPool3d",
    "torch.nn.modules.pooling.AvgPool1d",
    "torch.nn.modules.pooling.AvgPool2d",
    "torch.nn.modules.pooling.AvgPool3d",
    "torch.nn.modules.flatten.Flatten",
];

/// Every pattern, in order.
pub(super) fn patterns() -> Vec<Pattern> {
    let convolutions = || (1..=3).map(Weighted::Conv);
    let with = |operator, normalized, function| Pattern::Weighted { operator, normalized, function };
    let mut all = Vec::new();
    // Functions that have a form in place come first, whatever the dimensions or the form of the operator.
    let (first, last): (Vec<_>, Vec<_>) = functions().partition(|function| !PLAIN_FUNCTIONS.contains(&function.0));
    let halves = [first, last];
    for normalized in [false, true] {
        for half in &halves {
            let of = |operator| half.iter().map(move |function| with(operator, normalized, Some(*function)));
            all.extend(convolutions().flat_map(of));
        }
    }
    all.extend([true, false].into_iter().flat_map(|normalized| convolutions().map(move |c| with(c, normalized, None))));
    for normalized in [false, true] {
        all.extend(functions().map(|function| with(Weighted::Linear, normalized, Some(function))));
    }
    all.extend([true, false].map(|normalized| with(Weighted::Linear, normalized, None)));
    for operator in [Binary::Add, Binary::Mul, Binary::Matmul] {
        let forms: &[bool] = if operator == Binary::Matmul { &[false] } else { &[false, true] };
        let with = |in_place, function| Pattern::Binary { operator, in_place, function };
        for half in &halves {
            all.extend(forms.iter().flat_map(|form| half.iter().map(|function| with(*form, Some(*function)))));
        }
        all.extend(forms.iter().map(|form| with(*form, None)));
    }
    all.extend(MODULES.iter().map(|module| Pattern::Shared(module)));
    all
}

/// Operations that a pattern fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    /// The operator itself.
    pub(super) operation: usize,
    /// The operation that gives what the pattern gives, where it is another one.
    pub(super) last: Option<usize>,
}

impl Pattern {
    /// Where it fits the operation `index`.
    pub(super) fn fits(self, view: &View<'_>, index: usize) -> Option<Match> {
        let node = view.node(index);
        match self {
            Pattern::Weighted { operator, normalized, function } => {
                let is_it = match operator {
                    Weighted::Conv(along) => dimensions(view.graph(), node) == Some(along),
                    Weighted::Linear => is_linear(view.program, node),
                };
                if !is_it {
                    return None;
                }
                let mut last = None;
                let mut value = view.result(index)?;
                if normalized {
                    let user = view.only_user(value)?;
                    let taken = view.node(user).argument("input").and_then(Argument::value);
                    if !is_batch_norm(view.node(user)) || view.is_folded(user) || taken != Some(value) {
                        return None;
                    }
                    (last, value) = (Some(user), view.node(user).outputs.first()?.value()?);
                }
                followed(view, index, value, function).map(|found| Match { last: found.last.or(last), ..found })
            }
            Pattern::Binary { operator, in_place, function } => {
                let names: &[&str] = match operator {
                    Binary::Add => &["add"],
                    Binary::Mul => &["mul"],
                    // What programs have instead that were taken apart.
                    Binary::Matmul => &["matmul", "bmm", "mm"],
                };
                let overload = if operator == Binary::Matmul { "default" } else { "Tensor" };
                let found = &*node.operator.name;
                let found = if in_place { found.strip_suffix('_') } else { Some(found) };
                let is_aten = &*node.operator.namespace == "aten";
                let is_it = is_aten && found.is_some_and(|found| names.contains(&found));
                if !is_it || &*node.operator.overload != overload || view.is_apart(index) {
                    return None;
                }
                followed(view, index, view.result(index)?, function)
            }
            Pattern::Shared(class) => {
                let module = node.module().and_then(|id| view.program.modules.get(id.0 as usize))?;
                (&*module.class == class).then_some(Match { operation: index, last: None })
            }
        }
    }
}

/// A match where a function follows, if one is asked for.
fn followed(view: &View<'_>, operation: usize, value: ValueId, function: Option<Function>) -> Option<Match> {
    let Some(function) = function else { return Some(Match { operation, last: None }) };
    let mut user = view.only_user(value)?;
    // Rows that a linear layer gives which was taken apart are put into shape again.
    while view.is_apart(operation) && is_view(view.node(user)) {
        user = view.only_user(view.result(user)?)?;
    }
    is_function(view.node(user), function).then_some(Match { operation, last: Some(user) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As upstream has them registered: with a function before without, each kind in turn.
    #[test]
    fn patterns_stand_in_the_order_of_upstream() {
        let mut kinds: Vec<String> = Vec::new();
        for pattern in patterns() {
            let kind = match pattern {
                Pattern::Weighted { operator, normalized, function } => {
                    let operator = if operator == Weighted::Linear { "linear" } else { "conv" };
                    let bn = if normalized { "_bn" } else { "" };
                    format!("{operator}{bn}{}", if function.is_some() { "_act" } else { "" })
                }
                Pattern::Binary { operator, function, .. } => {
                    let act = if function.is_some() { "_act" } else { "" };
                    format!("{}{act}", format!("{operator:?}").to_lowercase())
                }
                Pattern::Shared(class) => class.rsplit('.').next().unwrap_or(class).to_owned(),
            };
            if kinds.last() != Some(&kind) {
                kinds.push(kind);
            }
        }
        insta::assert_snapshot!(kinds.join(" "), @"conv_act conv_bn_act conv_bn conv linear_act linear_bn_act linear_bn linear add_act add mul_act mul matmul_act matmul MaxPool1d MaxPool2d MaxPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AvgPool1d AvgPool2d AvgPool3d Flatten");
        assert_eq!(functions().count(), 2 * 11 + 4);
    }
}
