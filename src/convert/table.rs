//! The operators of ATen that are converted, each with the arguments of its schema that it may have.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::args::Args;
use super::builder::{Builder, Values};
use super::{
    activation, attention, compound, conv, create, einsum, elementwise, image, indexing, linear, normalization, order,
    pool, quantize, recurrent, reduction, shape, slices, windows,
};
use crate::graph::aten::{self, Argument, Node, OWN, Operator, ValueType};

/// Writes what an operation becomes; gives what the operation gives, in order.
pub(super) type Write = fn(&mut Builder<'_>, &Args<'_>) -> Values;

/// An operator.
pub(super) struct Entry {
    /// Its name, of all overloads.
    pub(super) name: &'static str,
    /// Its arguments, by the names of its schemas. Any other is refused.
    pub(super) arguments: &'static [&'static str],
    /// What it becomes.
    pub(super) write: Write,
}

impl Entry {
    /// Whether it may have an argument.
    pub(super) fn knows(&self, argument: &str) -> bool {
        self.arguments.contains(&argument)
    }
}

/// A row of a family.
pub(super) const fn entry(name: &'static str, arguments: &'static [&'static str], write: Write) -> Entry {
    Entry { name, arguments, write }
}

/// The families, each of which is a file.
pub(super) fn families() -> [&'static [Entry]; 19] {
    [
        activation::OPERATORS,
        attention::OPERATORS,
        compound::OPERATORS,
        conv::OPERATORS,
        create::OPERATORS,
        einsum::OPERATORS,
        elementwise::OPERATORS,
        elementwise::FLOATS,
        image::OPERATORS,
        indexing::OPERATORS,
        linear::OPERATORS,
        normalization::OPERATORS,
        order::OPERATORS,
        pool::OPERATORS,
        recurrent::OPERATORS,
        reduction::OPERATORS,
        shape::OPERATORS,
        slices::OPERATORS,
        windows::OPERATORS,
    ]
}

static TABLE: LazyLock<HashMap<&'static str, &'static Entry>> =
    LazyLock::new(|| families().into_iter().flatten().map(|entry| (entry.name, entry)).collect());

/// The name of the operator that gives the same without changing what it takes, and as a view where it can.
pub(super) fn plain_name(operator: &Operator) -> &str {
    let name = &*operator.name;
    if is_in_place(operator) || name == "detach_" {
        return name.strip_suffix('_').unwrap_or(name);
    }
    // The edge dialect has copies of what are views else: `permute_copy`.
    name.strip_suffix("_copy").filter(|plain| VIEWS.contains(plain)).unwrap_or(name)
}

/// What is known of an operator.
///
/// # Errors
/// If nothing is.
pub(super) fn lookup(operator: &Operator) -> Result<&'static Entry, String> {
    let unknown = || "no operator of Core ML is known for it".to_owned();
    if &*operator.namespace == OWN {
        return quantize::OPERATORS.iter().find(|entry| entry.name == &*operator.name).ok_or_else(unknown);
    }
    if &*operator.namespace != "aten" || matches!(&*operator.overload, "out" | "names_dim" | "dimname") {
        return Err(unknown());
    }
    TABLE.get(plain_name(operator)).copied().ok_or_else(unknown)
}

/// Whether an operator changes what it takes first.
pub(super) fn is_in_place(operator: &Operator) -> bool {
    let name = &*operator.name;
    &*operator.namespace == "aten" && name.ends_with('_') && !name.starts_with("__") && name != "detach_"
}

/// The operators that give views.
const VIEWS: &[&str] = &[
    "alias",
    "as_strided",
    "chunk",
    "contiguous",
    "detach",
    "detach_",
    "diagonal",
    "dropout",
    "expand",
    "expand_as",
    "feature_dropout",
    "flatten",
    "lift_fresh",
    "movedim",
    "mT",
    "narrow",
    "numpy_T",
    "permute",
    "real",
    "reshape",
    "select",
    "slice",
    "split",
    "split_with_sizes",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "to",
    "transpose",
    "type_as",
    "unbind",
    "unflatten",
    "unfold",
    "unsqueeze",
    "view",
    "view_as",
    "_unsafe_view",
];

/// Whether what an operator gives may share memory with what it takes first.
pub(super) fn is_view(operator: &Operator) -> bool {
    // A value that is looked at, or made codes and values again, is still the one that it was.
    &*operator.namespace == OWN || VIEWS.contains(&&*operator.name)
}

/// Whether an operation only computes sizes, or checks something.
pub(super) fn is_symbolic(program: &aten::Program, node: &Node) -> bool {
    const CHECKS: &[&str] = &[
        "_assert_async",
        "_assert_scalar",
        "_assert_tensor_metadata",
        "sym_constrain_range",
        "sym_constrain_range_for_size",
    ];
    if &*node.operator.namespace == "aten" && CHECKS.contains(&&*node.operator.name) {
        return true;
    }
    let given: Vec<_> = node.outputs.iter().flat_map(Argument::values).collect();
    let is_size = |ty: &ValueType| matches!(ty, ValueType::Int(_) | ValueType::Bool | ValueType::Float);
    !given.is_empty() && given.iter().all(|id| program.graph.value(*id).is_some_and(|value| is_size(&value.ty)))
}
