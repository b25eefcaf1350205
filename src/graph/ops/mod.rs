//! MIL's operators: since which operator set each exists, what it accepts, and the types of its outputs.
//!
//! The facts are those of coremltools 9.0 (`converters/mil/mil/ops/defs`, cited as CT:ops/defs), which knows no
//! operator that CoreML9 brought. Where a rule is stricter or looser than coremltools, its comment says so, but for
//! what holds everywhere: axes lie within the rank and are named once, sizes and counts are not negative, what must
//! divide divides, and shapes of weights fit, also where coremltools does not look; and words are taken in any case,
//! where it compares some of them as they are. An operator that is not in the table, newer or custom, is taken as it
//! declares itself.

mod activation;
mod attention;
mod blocks;
mod call;
mod compressed;
mod control_flow;
mod conv;
mod elementwise;
mod fault;
mod image;
mod linear;
mod normalization;
mod pool;
mod quantization;
mod random;
mod recurrent;
mod reduction;
mod scatter_gather;
mod shape;
mod slices;
mod table;
mod tensor_operation;
mod transformation;
mod window;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

pub use call::{BlockTypes, Call, Constant, Given};
pub use fault::{OpError, OpRule};
pub use table::{Accepts, Operator, Parameter, Rule, Version};

use super::function::Opset;
use super::types::Type;
use crate::element::ElementType;

/// Every operator by its name.
static TABLE: LazyLock<HashMap<&'static str, &'static Operator>> = LazyLock::new(|| {
    let families = [
        activation::OPERATORS,
        attention::OPERATORS,
        blocks::OPERATORS,
        compressed::OPERATORS,
        control_flow::OPERATORS,
        conv::OPERATORS,
        elementwise::OPERATORS,
        image::OPERATORS,
        linear::OPERATORS,
        normalization::OPERATORS,
        pool::OPERATORS,
        quantization::OPERATORS,
        random::OPERATORS,
        recurrent::OPERATORS,
        reduction::OPERATORS,
        scatter_gather::OPERATORS,
        slices::OPERATORS,
        tensor_operation::OPERATORS,
        transformation::OPERATORS,
    ];
    families.into_iter().flatten().map(|operator| (operator.kind, operator)).collect()
});

/// The operator of a name, if the table has it.
pub fn operator(kind: &str) -> Option<&'static Operator> {
    TABLE.get(kind).copied()
}

/// Every operator of the table, in no particular order.
pub fn operators() -> impl Iterator<Item = &'static Operator> {
    TABLE.values().copied()
}

/// Whether an operator's parameters stand among the attributes of an operation: those of `const`, and those of every
/// `constexpr_*` whose version is older than CoreML8, whatever the set of the program: coremltools goes by the version
/// of the operator, and `constexpr_affine_dequantize` has none newer. CT:backend/mil/load.py:215-246.
pub fn parameters_are_attributes(kind: &str, set: Opset) -> bool {
    let since = operator(kind).and_then(|operator| operator.version(set)).map_or(set, |version| version.since);
    kind == "const" || (kind.starts_with("constexpr_") && since < Opset::CoreML8)
}

/// The types of an operation's outputs; `None` for an operator that is not in the table.
///
/// # Errors
///
/// Every parameter that is missing, unknown or not accepted; else the rule that the operation breaks.
pub fn infer(kind: &str, call: &Call<'_>) -> Result<Option<Vec<Type>>, Vec<OpError>> {
    let Some(operator) = operator(kind) else { return Ok(None) };
    let Some(version) = operator.version(call.set) else {
        let first = operator.versions.first().map_or("a later set", |version| version.since.name());
        let message = format!("`{kind}` exists since {first}; the function is of {}", call.set);
        return Err(vec![OpError::whole(OpRule::Opset, message)]);
    };
    let mut errors = Vec::new();
    check_known(version, call, &mut errors);
    for parameter in version.parameters {
        errors.extend(check_parameter(parameter, call).err());
    }
    check_groups(version, call, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    (version.infer)(call).map(Some).map_err(|error| vec![error])
}

fn check_known(version: &Version, call: &Call<'_>, errors: &mut Vec<OpError>) {
    for (name, _) in &call.arguments {
        if !version.parameters.iter().any(|parameter| parameter.name == *name) {
            let known: Vec<&str> = version.parameters.iter().map(|parameter| parameter.name).collect();
            let message = format!("is not a parameter of this operator in {}; it has {}", call.set, known.join(", "));
            let parameter = Some(Cow::Owned((*name).to_owned()));
            errors.push(OpError { rule: OpRule::Parameter, parameter, message });
        }
    }
}

fn check_parameter(parameter: &Parameter, call: &Call<'_>) -> Result<(), OpError> {
    let fault = |rule, message: String| Err(OpError::at(rule, parameter.name, message));
    let given = call.all(parameter.name);
    if given.is_empty() {
        return match parameter.required {
            true => fault(OpRule::Parameter, "is required".to_owned()),
            false => Ok(()),
        };
    }
    if parameter.constant && given.iter().any(|given| !given.constant) {
        return fault(OpRule::Constant, "must be constant".to_owned());
    }
    if given.len() > 1 && !matches!(parameter.accepts, Accepts::Tuple | Accepts::Several) {
        return fault(OpRule::Parameter, format!("has {} values; it takes one", given.len()));
    }
    for given in given {
        match (parameter.accepts, given.ty) {
            (Accepts::Tensor(accepted) | Accepts::Group(_, accepted), Type::Tensor(tensor)) => {
                if !accepted.contains(&tensor.element) {
                    let message = format!("is {}; it can be {}", tensor.element, call::names(accepted));
                    return fault(OpRule::DType, message);
                }
            }
            (Accepts::List, Type::List { .. })
            | (Accepts::Tuple, Type::Tensor(_))
            | (Accepts::State, Type::State(_))
            | (Accepts::Any | Accepts::Several, _) => {}
            (accepts, other) => return fault(OpRule::DType, format!("must be {}, not {other}", kind_name(accepts))),
        }
    }
    Ok(())
}

fn kind_name(accepts: Accepts) -> &'static str {
    match accepts {
        Accepts::Tensor(_) | Accepts::Group(..) => "a tensor",
        Accepts::List => "a list",
        Accepts::Tuple => "tensors",
        Accepts::State => "a state",
        Accepts::Any | Accepts::Several => "anything",
    }
}

/// The parameters of a group have one element type.
fn check_groups(version: &Version, call: &Call<'_>, errors: &mut Vec<OpError>) {
    let mut groups: Vec<(char, &'static str, ElementType)> = Vec::new();
    for parameter in version.parameters {
        let Accepts::Group(group, _) = parameter.accepts else { continue };
        let Some(tensor) = call.one(parameter.name).and_then(|given| given.ty.as_tensor()) else { continue };
        match groups.iter().find(|(known, ..)| *known == group) {
            Some((_, other, element)) if *element != tensor.element => {
                let message = format!("is {}, but `{other}` is {}; the two must be the same", tensor.element, *element);
                errors.push(OpError::at(OpRule::DType, parameter.name, message));
            }
            Some(_) => {}
            None => groups.push((group, parameter.name, tensor.element)),
        }
    }
}

#[cfg(test)]
mod tests;
