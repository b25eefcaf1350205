//! Selectors that are ready to match weights.

use std::sync::Arc;

use super::glob::Pattern;
use super::source::Place;
use crate::dtype::DType;
use crate::kind::{Kind, KindWord};
use crate::model::{Role, Weight};
use crate::syntax::tree::Comparison;

/// What a rule or an expectation matches.
#[derive(Debug, Clone)]
pub enum Selector {
    /// Either.
    Or(Box<Selector>, Box<Selector>),
    /// Both.
    And(Box<Selector>, Box<Selector>),
    /// The others.
    Not(Box<Selector>),
    /// Those whose facts fit.
    Where(Box<Selector>, Condition),
    /// A kind of operator.
    Kind(KindWord, Place),
    /// Names that fit a pattern, with the text as written.
    Name(Arc<Pattern>, String, Place),
    /// Something that could not be read: it matches nothing.
    Unreadable,
}

/// What stands behind `where`.
#[derive(Debug, Clone)]
pub enum Condition {
    /// Either.
    Or(Box<Condition>, Box<Condition>),
    /// Both.
    And(Box<Condition>, Box<Condition>),
    /// The others.
    Not(Box<Condition>),
    /// Numbers compared.
    Number(NumberTerm, Comparison, NumberTerm),
    /// A type compared.
    DType(DType, bool),
    /// The kind of the operators that use the weight.
    Uses(KindWord, bool),
    /// Something that could not be read: it holds for nothing.
    Unreadable,
}

/// A number in a condition.
#[derive(Debug, Clone)]
pub enum NumberTerm {
    /// A fact about the weight.
    Fact(Fact),
    /// A constant.
    Constant(f64),
    /// The rest of a division, defined for positive divisors.
    Remainder(Box<NumberTerm>, Box<NumberTerm>),
}

/// A fact about a weight that conditions can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Number of elements.
    Params,
    /// Size in the file.
    Bytes,
    /// Number of dimensions.
    Rank,
    /// Length of the axis that groups divide.
    InFeatures,
    /// Length of the channel axis.
    OutFeatures,
    /// Longest side of a convolution's kernel.
    Kernel,
    /// Groups of a convolution.
    Groups,
    /// The first number in the name.
    Layer,
}

impl Fact {
    /// Every numeric fact with its word and meaning. `dtype` and `ops` are compared with words instead.
    pub const ALL: &'static [(Fact, &'static str, &'static str)] = &[
        (Fact::Params, "params", "number of elements"),
        (Fact::Bytes, "bytes", "size in the file"),
        (Fact::Rank, "rank", "number of dimensions"),
        (Fact::InFeatures, "in_features", "input channels: the axis that groups divide"),
        (Fact::OutFeatures, "out_features", "output channels"),
        (Fact::Kernel, "kernel", "longest side of a convolution's kernel"),
        (Fact::Groups, "groups", "groups of a convolution, as its export or its shape tells"),
        (Fact::Layer, "layer", "the first number in the name"),
    ];

    /// Words that conditions compare with a word, not with a number.
    pub const WORDS: &'static [(&'static str, &'static str)] =
        &[("dtype", "element type in the file"), ("ops", "kind of the operators that use the weight")];

    /// Its value for a weight, where the weight has one.
    pub fn of(self, weight: &Weight) -> Option<u64> {
        match self {
            Fact::Params => Some(weight.elements()),
            Fact::Bytes => Some(weight.bytes),
            Fact::Rank => Some(weight.shape.len() as u64),
            Fact::InFeatures => weight.in_features().map(|n| n as u64),
            Fact::OutFeatures => weight.out_features().map(|n| n as u64),
            Fact::Kernel => weight.kernel_size().map(|n| n as u64),
            Fact::Groups => weight.groups().map(|n| n as u64),
            Fact::Layer => weight.layer(),
        }
    }
}

impl NumberTerm {
    fn of(&self, weight: &Weight) -> Option<f64> {
        match self {
            NumberTerm::Constant(value) => Some(*value),
            NumberTerm::Fact(fact) => fact.of(weight).map(|n| n as f64),
            NumberTerm::Remainder(a, b) => {
                let divisor = b.of(weight)?;
                (divisor != 0.0).then_some(a.of(weight)? % divisor)
            }
        }
    }
}

impl Condition {
    /// Whether it holds; `None` when the weight lacks the fact that is asked for, and then neither the
    /// comparison nor its opposite holds.
    fn of(&self, weight: &Weight) -> Option<bool> {
        match self {
            Condition::Or(a, b) => match (a.of(weight), b.of(weight)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Condition::And(a, b) => match (a.of(weight), b.of(weight)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Condition::Not(inner) => inner.of(weight).map(|holds| !holds),
            Condition::Number(left, operator, right) => Some(operator.holds(&left.of(weight)?, &right.of(weight)?)),
            Condition::DType(dtype, equal) => Some((weight.dtype == *dtype) == *equal),
            Condition::Uses(word, equal) => Some(word.covers(weight.kind) == *equal),
            Condition::Unreadable => None,
        }
    }
}

impl Selector {
    /// Whether a weight matches, under any of its names.
    pub fn matches(&self, weight: &Weight) -> bool {
        match self {
            Selector::Or(a, b) => a.matches(weight) || b.matches(weight),
            Selector::And(a, b) => a.matches(weight) && b.matches(weight),
            Selector::Not(inner) => weight.is_candidate() && !inner.matches(weight),
            Selector::Where(inner, condition) => inner.matches(weight) && condition.of(weight) == Some(true),
            Selector::Kind(word, _) => kind_matches(*word, weight),
            Selector::Name(pattern, ..) => {
                names(weight).any(|(full, module)| name_matches(pattern, weight, full, module))
            }
            Selector::Unreadable => false,
        }
    }

    /// Whether a weight matches under the one name given (its own or a tied one).
    pub fn matches_as(&self, weight: &Weight, name: &str) -> bool {
        let mut one = weight.clone();
        one.tied.clear();
        one.name = name.to_string();
        one.module_len = name.rfind('.').unwrap_or(0);
        self.matches(&one)
    }

    /// Whether it means an operation without a weight, by its kind, the dotted path of the module that runs it and its
    /// own name. Conditions are about weights and hold for none.
    pub fn matches_operation(&self, kind: Kind, module: &str, name: &str) -> bool {
        let of = |selector: &Selector| selector.matches_operation(kind, module, name);
        match self {
            Selector::Or(a, b) => of(a) || of(b),
            Selector::And(a, b) => of(a) && of(b),
            Selector::Not(inner) => inner.is_readable() && !of(inner),
            Selector::Kind(word, _) => word.covers(kind),
            Selector::Name(pattern, ..) if module.is_empty() => pattern.matches(name),
            Selector::Name(pattern, ..) => pattern.matches(module) || pattern.matches(&format!("{module}.{name}")),
            Selector::Where(..) | Selector::Unreadable => false,
        }
    }

    /// Whether it could be told what it means.
    pub fn is_readable(&self) -> bool {
        match self {
            Selector::Or(a, b) | Selector::And(a, b) => a.is_readable() && b.is_readable(),
            Selector::Not(inner) => inner.is_readable(),
            Selector::Where(inner, condition) => inner.is_readable() && condition.is_readable(),
            Selector::Kind(..) | Selector::Name(..) => true,
            Selector::Unreadable => false,
        }
    }

    /// Every kind and every name in it, in order of writing.
    pub fn leaves(&self) -> Vec<&Selector> {
        match self {
            Selector::Or(a, b) | Selector::And(a, b) => {
                let mut all = a.leaves();
                all.extend(b.leaves());
                all
            }
            Selector::Not(inner) | Selector::Where(inner, _) => inner.leaves(),
            Selector::Kind(..) | Selector::Name(..) => vec![self],
            Selector::Unreadable => Vec::new(),
        }
    }

    /// Whether a weight is meant by its name alone: some name in the selector fits it. What is matched so
    /// but cannot be quantized deserves a word; what `all` or a kind passes over does not.
    pub fn names_it(&self, weight: &Weight) -> bool {
        self.leaves().iter().any(|leaf| matches!(leaf, Selector::Name(..)) && leaf.matches(weight))
    }
}

impl Condition {
    fn is_readable(&self) -> bool {
        match self {
            Condition::Or(a, b) | Condition::And(a, b) => a.is_readable() && b.is_readable(),
            Condition::Not(inner) => inner.is_readable(),
            Condition::Number(..) | Condition::DType(..) | Condition::Uses(..) => true,
            Condition::Unreadable => false,
        }
    }
}

/// Kinds stand for the weights that can be quantized, except where a kind owns none (`norm`).
fn kind_matches(word: KindWord, weight: &Weight) -> bool {
    let weightless = |kind: Kind| Kind::ALL.iter().any(|(k, _, owns, _)| *k == kind && !owns);
    match word {
        KindWord::One(kind) if weightless(kind) => weight.kind == kind && weight.role == Role::Weight,
        _ => word.covers(weight.kind) && weight.is_candidate(),
    }
}

/// Its own name and the tied ones, each with its module's.
fn names(weight: &Weight) -> impl Iterator<Item = (&str, &str)> {
    let own = std::iter::once((weight.name.as_str(), weight.module()));
    own.chain(weight.tied.iter().map(|name| {
        let module = name.rfind('.').map_or("", |dot| &name[..dot]);
        (name.as_str(), module)
    }))
}

/// A pattern that fits the module means its weight. A bias or buffer is meant only by a pattern that fits
/// its own name and not its module's, so that `"*.layers.0.*"` is about weights and `"*.bias"` about biases.
fn name_matches(pattern: &Pattern, weight: &Weight, full: &str, module: &str) -> bool {
    let of_module = !module.is_empty() && pattern.matches(module);
    match weight.role {
        Role::Weight => of_module || pattern.matches(full),
        Role::Bias | Role::Buffer => !of_module && pattern.matches(full),
    }
}
