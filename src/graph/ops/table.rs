//! How operators are described: versions, parameters, accepted types.

use crate::element::ElementType::{self, *};
use crate::graph::function::Opset;
use crate::graph::types::Type;

use super::call::Call;
use super::fault::OpError;

/// Gives the types of an operation's outputs. Sizes that depend on values known only when the program runs are
/// unknown dimensions.
pub type Rule = fn(&Call<'_>) -> Result<Vec<Type>, OpError>;

/// An operator with its versions, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Operator {
    /// As operations name it.
    pub kind: &'static str,
    /// Oldest first; never empty.
    pub versions: &'static [Version],
}

impl Operator {
    /// The version that holds in an operator set: the newest that is not newer than the set.
    pub fn version(&self, set: Opset) -> Option<&'static Version> {
        self.versions.iter().rev().find(|version| version.since <= set)
    }
}

/// What an operator accepts since an operator set.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    /// The first operator set that has it.
    pub since: Opset,
    /// All parameters.
    pub parameters: &'static [Parameter],
    /// Its rule.
    pub infer: Rule,
}

/// A parameter of an operator.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// As operations name it.
    pub name: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it must be constant.
    pub constant: bool,
    /// The types it takes.
    pub accepts: Accepts,
}

/// The types a parameter takes.
#[derive(Debug, Clone, Copy)]
pub enum Accepts {
    /// A tensor of one of these.
    Tensor(&'static [ElementType]),
    /// A tensor of one of these, and the same as all other parameters of the group.
    Group(char, &'static [ElementType]),
    /// A list.
    List,
    /// Several tensors.
    Tuple,
    /// Several values of any types.
    Several,
    /// A state.
    State,
    /// Anything.
    Any,
}

/// A required parameter.
pub(super) const fn live(name: &'static str, accepts: Accepts) -> Parameter {
    Parameter { name, required: true, constant: false, accepts }
}

/// An optional parameter.
pub(super) const fn live_opt(name: &'static str, accepts: Accepts) -> Parameter {
    Parameter { name, required: false, constant: false, accepts }
}

/// A required parameter that must be constant.
pub(super) const fn fixed(name: &'static str, accepts: Accepts) -> Parameter {
    Parameter { name, required: true, constant: true, accepts }
}

/// An optional parameter that must be constant.
pub(super) const fn fixed_opt(name: &'static str, accepts: Accepts) -> Parameter {
    Parameter { name, required: false, constant: true, accepts }
}

/// One version that holds since a set.
pub(super) const fn since(since: Opset, parameters: &'static [Parameter], infer: Rule) -> Version {
    Version { since, parameters, infer }
}

/// An operator.
pub(super) const fn operator(kind: &'static str, versions: &'static [Version]) -> Operator {
    Operator { kind, versions }
}

pub(super) const FLOATS: &[ElementType] = &[Fp16, Fp32];
pub(super) const NUMBERS: &[ElementType] = &[Fp16, Fp32, Int32];
pub(super) const NUMBERS_AND_BOOL: &[ElementType] = &[Fp16, Fp32, Int32, Bool];
/// What data movement takes since CoreML7.
pub(super) const MOVABLE: &[ElementType] = &[Fp16, Fp32, Int32, Bool, Int8, Uint8, Int16, Uint16];
pub(super) const MOVABLE_NUMBERS: &[ElementType] = &[Fp16, Fp32, Int32, Int8, Uint8, Int16, Uint16];
/// Sizes and positions since CoreML7.
pub(super) const SIZES: &[ElementType] = &[Int32, Int16, Int8];

pub(super) const INT32: Accepts = Accepts::Tensor(&[Int32]);
pub(super) const BOOL: Accepts = Accepts::Tensor(&[Bool]);
pub(super) const TEXT: Accepts = Accepts::Tensor(&[String]);
pub(super) const FP32: Accepts = Accepts::Tensor(&[Fp32]);

/// The group that most parameters of an operator share.
pub(super) const fn t(elements: &'static [ElementType]) -> Accepts {
    Accepts::Group('T', elements)
}

/// The second group.
pub(super) const fn u(elements: &'static [ElementType]) -> Accepts {
    Accepts::Group('U', elements)
}
