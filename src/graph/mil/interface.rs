//! Whether a model's description says what its program takes and gives.

use std::collections::{HashMap, HashSet};

use crate::formats::coreml::proto::{
    self, ArrayFeatureType, FeatureDescription, FeatureKind, Kept, ShapeFlexibility, StateKind,
};
use crate::graph::function::{Function, Opset, Program};
use crate::graph::types::{Dim, NamedType, TensorType, Type};
use crate::graph::{Name, index};
use crate::words::shown;

/// A difference between a model's description and its program.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InterfaceError {
    /// An operator set that does not go with the model's specification version.
    #[error(
        "function `{}` is of {}, but specification version {version} goes with {expected}",
        shown(function),
        shown(opset)
    )]
    Specification {
        /// The function.
        function: Name,
        /// Its operator set.
        opset: Name,
        /// The model's version.
        version: i32,
        /// The operator set of that version.
        expected: &'static str,
    },
    /// A described function that the program lacks, or a function that is not described.
    #[error("function `{}` is {}", shown(.0), if *.1 { "described, but not in the program" } else { "not described" })]
    Function(Name, bool),
    /// A described feature that the function lacks, or the other way round.
    #[error(
        "function `{}`: {side} `{}` is {}", shown(function), shown(feature),
        if *described { "described, but not in the program" } else { "not described" }
    )]
    Missing {
        /// The function.
        function: Name,
        /// Input, output or state.
        side: Side,
        /// The feature.
        feature: Name,
        /// Whether the description has it.
        described: bool,
    },
    /// A feature of another type.
    #[error("function `{}`: {side} `{}` is described as {described}, but is {actual}", shown(function), shown(feature))]
    Type {
        /// The function.
        function: Name,
        /// Input, output or state.
        side: Side,
        /// The feature.
        feature: Name,
        /// As described.
        described: String,
        /// In the program.
        actual: Type,
    },
}

/// As what a function has a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// It takes it.
    Input,
    /// It gives it.
    Output,
    /// It keeps it from one call to the next.
    State,
}

impl Side {
    /// In one word, the same in every output.
    pub const fn word(self) -> &'static str {
        match self {
            Side::Input => "input",
            Side::Output => "output",
            Side::State => "state",
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// Compares a model's specification version and description with its program.
///
/// Images, dictionaries and the outputs of classifiers are compared by name only.
pub fn check_interface(model: &proto::Model, program: &Program) -> Vec<InterfaceError> {
    let mut errors = Vec::new();
    if let Some(set) = Opset::by_specification(model.specification_version) {
        for function in program.functions.iter().filter(|function| &*function.opset != set.name()) {
            errors.push(InterfaceError::Specification {
                function: function.name.clone(),
                opset: function.opset.clone(),
                version: model.specification_version,
                expected: set.name(),
            });
        }
    }
    let empty = Kept::default();
    let description = model.description.as_ref().unwrap_or(&empty);
    if description.functions.is_empty() {
        match program.function("main") {
            Some(main) => features(main, &description.input, &description.output, &description.state, &mut errors),
            None => errors.push(InterfaceError::Function("main".into(), true)),
        }
        let others = program.functions.iter().filter(|function| &*function.name != "main");
        errors.extend(others.map(|function| InterfaceError::Function(function.name.clone(), false)));
        return errors;
    }
    for described in &description.functions {
        match program.function(&described.name) {
            Some(function) => features(function, &described.input, &described.output, &described.state, &mut errors),
            None => errors.push(InterfaceError::Function(described.name.as_str().into(), true)),
        }
    }
    let known: HashSet<&str> = description.functions.iter().map(|described| &*described.name).collect();
    let unknown = program.functions.iter().filter(|function| !known.contains(&*function.name));
    errors.extend(unknown.map(|function| InterfaceError::Function(function.name.clone(), false)));
    errors
}

type Described<'a> = &'a [Kept<FeatureDescription>];

fn features(
    function: &Function,
    inputs: Described<'_>,
    outputs: Described<'_>,
    states: Described<'_>,
    errors: &mut Vec<InterfaceError>,
) {
    let is_state = |input: &&NamedType| matches!(input.ty, Type::State(_));
    let names = |all: &[&NamedType]| all.iter().map(|input| (input.name.clone(), Some(input.ty.clone()))).collect();
    let (state, input): (Vec<_>, Vec<_>) = function.inputs.iter().partition(is_state);
    compare(function, Side::Input, names(&input), inputs, errors);
    compare(function, Side::State, names(&state), states, errors);
    let index = index::Index::new(function);
    let values = index.block_outputs(index::BlockId(0)).iter();
    let types = values.map(|value| value.map(|value| index.ty(value).clone()));
    let output = function.block.outputs.iter().cloned().zip(types).collect();
    compare(function, Side::Output, output, outputs, errors);
}

fn compare(
    function: &Function,
    side: Side,
    actual: Vec<(Name, Option<Type>)>,
    described: Described<'_>,
    errors: &mut Vec<InterfaceError>,
) {
    let missing = |feature: Name, described| InterfaceError::Missing {
        function: function.name.clone(),
        side,
        feature,
        described,
    };
    let by_name: HashMap<&str, &Option<Type>> = actual.iter().map(|(name, ty)| (&**name, ty)).collect();
    for feature in described {
        let name = Name::from(feature.name.as_str());
        match by_name.get(&*name) {
            None => errors.push(missing(name, true)),
            Some(None) => {}
            Some(Some(actual)) => {
                if let Some(described) = differs(feature, actual, side) {
                    let (function, actual) = (function.name.clone(), actual.clone());
                    errors.push(InterfaceError::Type { function, side, feature: name, described, actual });
                }
            }
        }
    }
    let known: HashSet<&str> = described.iter().map(|feature| &*feature.name).collect();
    let unknown = actual.iter().filter(|(name, _)| !known.contains(&**name));
    errors.extend(unknown.map(|(name, _)| missing(name.clone(), false)));
}

/// The description's type as text, if a value of the program's type is none of it.
fn differs(feature: &FeatureDescription, actual: &Type, side: Side) -> Option<String> {
    let (described, actual) = match (feature.r#type.as_ref()?.kind.as_ref()?, actual, side) {
        (FeatureKind::MultiArray(array), Type::Tensor(actual), Side::Input | Side::Output) => (array, actual),
        (FeatureKind::State(state), Type::State(inner), Side::State) => match (&state.kind, &**inner) {
            (Some(StateKind::Array(array)), Type::Tensor(actual)) => (array, actual),
            _ => return Some("a state of another kind".to_owned()),
        },
        (FeatureKind::MultiArray(_), ..) => return Some("a multi-array".to_owned()),
        (FeatureKind::State(_), ..) => return Some("a state".to_owned()),
    };
    let ty = array_type(described)?;
    let scalar = actual.shape.is_empty() && ty.shape == [Dim::Known(1)];
    // Outputs need not have a shape.
    let unshaped = side == Side::Output && described.shape.is_empty();
    let fits = ty.agrees(actual) || (ty.element == actual.element && (scalar || unshaped));
    (!fits).then(|| ty.to_string())
}

/// The type of a multi-array; dimensions that may vary are unknown. `None` for element types of later versions.
fn array_type(array: &ArrayFeatureType) -> Option<TensorType> {
    let element = array.element()?;
    let shape = match &array.shape_flexibility {
        Some(ShapeFlexibility::Enumerated(shapes)) => vec![Dim::Unknown; shapes.shapes.first()?.shape.len()],
        Some(ShapeFlexibility::Range(range)) => vec![Dim::Unknown; range.size_ranges.len()],
        None => array.shape.iter().map(|size| u64::try_from(*size).ok().into()).collect(),
    };
    Some(TensorType { element, shape })
}
