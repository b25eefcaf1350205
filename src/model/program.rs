//! What rules ask of a program, whether a package holds it or a listing describes it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Model;
use super::package::{Constant, kind_of};
use crate::element::ElementType;
use crate::formats::coreml::proto::{
    self, ArrayFeatureType, FeatureDescription, FeatureKind, Kept, ShapeFlexibility, StateKind,
};
use crate::graph::Program;
use crate::graph::check::{CheckFault, Problem};
use crate::graph::function::{Function, Opset};
use crate::graph::index::{Index, Producer};
use crate::graph::mil::{InterfaceError, check_interface};
use crate::graph::ops;
use crate::graph::types::Type;
use crate::graph::value::Blobs;
use crate::graph::weights::Role;
use crate::kind::Kind;
use crate::words::shown;

/// What a program asks of the systems that run it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProgramFacts {
    /// Its operator set, the newest of its functions'; `None` where none of them is known.
    pub set: Option<Opset>,
    /// Operator sets that are not known, as written.
    pub unknown_sets: Vec<String>,
    /// How many functions it has.
    pub functions: usize,
    /// Whether its outputs are described as those of a classifier.
    pub is_classifier: bool,
    /// Whether values that it computes are fp16, beside those at its edges.
    pub has_fp16: bool,
    /// What it takes.
    pub inputs: Vec<Feature>,
    /// What it gives.
    pub outputs: Vec<Feature>,
    /// What it keeps between runs.
    pub states: Vec<Feature>,
    /// Operators that are not in the table, sorted.
    pub unknown_operators: Vec<String>,
    /// Computed values with their longest dimensions, where these are beyond [`LONGEST`]: by operation.
    pub long: Vec<(String, u64)>,
    /// How each of [`Model::weights`] is taken, in their order.
    pub uses: Vec<Uses>,
    /// What a listing says is wrong with the program, and in which operator sets; a package is looked at itself.
    pub listed_faults: Vec<(Vec<Opset>, ProgramFault)>,
}

/// The longest dimension that the Neural Engine is known to take.
pub const LONGEST: u64 = 16384;

/// An input, an output or a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Its element type; `None` for images, dictionaries and types of later versions.
    pub element: Option<ElementType>,
    /// Which shapes it may have.
    pub shapes: Shapes,
}

/// The shapes that a feature may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Shapes {
    /// One.
    #[default]
    Fixed,
    /// A few that are listed.
    Enumerated,
    /// Any within bounds, or without.
    Range,
}

/// How a program takes a constant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Uses {
    /// The kinds of modules that take it as their weight, in the program's order.
    pub kinds: Vec<Kind>,
    /// The axes of output and input channels that those see, each pair once.
    pub axes: Vec<(usize, usize)>,
    /// Whether a block hands it out.
    pub is_output: bool,
}

/// Something wrong with a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProgramFault {
    /// The operation; empty where it is about a function.
    pub operation: String,
    /// Its operator; empty where it is about a function.
    pub operator: String,
    /// What is wrong, with its place.
    pub what: String,
    /// The place and the rule that is broken, as [`CheckFault::key`]: what tells whether two operator sets find the same
    /// fault, whose words name the set.
    pub key: String,
}

impl ProgramFault {
    /// Of the checker of programs.
    fn of(problem: &Problem) -> ProgramFault {
        let place = problem.operation.as_ref();
        ProgramFault {
            operation: place.map_or(String::new(), |place| shown(&place.name)),
            operator: place.map_or(String::new(), |place| place.kind.to_string()),
            what: problem.to_string(),
            key: match place {
                Some(place) => format!("{}: {}", place.path, problem.fault.key()),
                None => format!("{}: {}", problem.function, problem.fault.key()),
            },
        }
    }

    /// Whether it is told elsewhere: sets that are not known stand in [`ProgramFacts::unknown_sets`].
    fn is_told(problem: &Problem) -> bool {
        matches!(problem.fault, CheckFault::Opset(_))
    }
}

impl Model {
    /// What is wrong with the program as it would be in an operator set, which is its own or a newer one. Empty
    /// for models without a program.
    pub fn program_faults(&self, set: Opset) -> Cow<'_, [ProgramFault]> {
        match (&self.program, &self.facts) {
            (Some(package), _) => package.faults(set).into(),
            (None, Some(facts)) => {
                let here = facts.listed_faults.iter().filter(|(sets, _)| sets.contains(&set));
                here.map(|(_, fault)| fault.clone()).collect::<Vec<_>>().into()
            }
            (None, None) => Cow::default(),
        }
    }
}

/// The facts about a package's program, given by its functions.
pub(super) fn facts(model: &proto::Model, functions: &[Index<'_>], constants: &[Constant]) -> ProgramFacts {
    let sets = || functions.iter().map(|index| index.function());
    let mut facts = ProgramFacts {
        set: sets().filter_map(Function::set).max(),
        functions: functions.len(),
        uses: constants.iter().map(uses).collect(),
        ..ProgramFacts::default()
    };
    let unknown: BTreeSet<String> = sets().filter(|f| f.set().is_none()).map(|f| f.opset.to_string()).collect();
    facts.unknown_sets = unknown.into_iter().collect();
    describe(model, &mut facts);
    let mut operators = BTreeSet::new();
    for index in functions {
        for (_, operation) in index.operations() {
            if ops::operator(&operation.kind).is_none() {
                operators.insert(operation.kind.to_string());
            }
        }
        for value in index.values() {
            let (Type::Tensor(ty), Producer::Operation { operation, .. }) = (index.ty(value), index.producer(value))
            else {
                continue;
            };
            let operation = index.operation(operation);
            if operation.is_const() || operation.is_constexpr() {
                continue;
            }
            // Values of the other type at the edges of a program come of a `cast`.
            if &*operation.kind != "cast" {
                facts.has_fp16 |= ty.element == ElementType::Fp16;
            }
            let longest = ty.shape.iter().filter_map(|dim| dim.known()).max().unwrap_or(0);
            if longest > LONGEST {
                facts.long.push((operation.name.to_string(), longest));
            }
        }
    }
    facts.unknown_operators = operators.into_iter().collect();
    facts
}

fn uses(constant: &Constant) -> Uses {
    let mut uses = Uses { is_output: constant.is_output, ..Uses::default() };
    let rank = constant.first.ty.shape.len();
    for one in &constant.uses {
        if matches!(one.role, Role::Bias | Role::Normalization | Role::Other) {
            continue;
        }
        let kind = kind_of(one, rank);
        if !uses.kinds.contains(&kind) {
            uses.kinds.push(kind);
        }
        if let Some(axes) = one.role.axes(rank).map(|axes| (axes.output, axes.input))
            && !uses.axes.contains(&axes)
        {
            uses.axes.push(axes);
        }
    }
    uses
}

/// What the description says.
fn describe(model: &proto::Model, facts: &mut ProgramFacts) {
    let Some(description) = &model.description else { return };
    facts.is_classifier = !description.predicted_feature_name.is_empty();
    let of = |features: &[Kept<FeatureDescription>]| features.iter().map(|one| feature(one)).collect::<Vec<_>>();
    facts.inputs = of(&description.input);
    facts.outputs = of(&description.output);
    facts.states = of(&description.state);
    for function in &description.functions {
        facts.is_classifier |= !function.predicted_feature_name.is_empty();
        facts.inputs.extend(of(&function.input));
        facts.outputs.extend(of(&function.output));
        facts.states.extend(of(&function.state));
    }
}

fn feature(described: &FeatureDescription) -> Feature {
    let kind = described.r#type.as_ref().and_then(|ty| ty.kind.as_ref());
    let array = match kind {
        Some(FeatureKind::MultiArray(array)) => Some(&**array),
        Some(FeatureKind::State(state)) => state.kind.as_ref().map(|StateKind::Array(array)| &**array),
        None => None,
    };
    Feature {
        name: shown(&described.name),
        element: array.and_then(ArrayFeatureType::element),
        shapes: array.map_or(Shapes::Fixed, shapes),
    }
}

fn shapes(array: &ArrayFeatureType) -> Shapes {
    match &array.shape_flexibility {
        None => Shapes::Fixed,
        Some(ShapeFlexibility::Enumerated(shapes)) if shapes.shapes.len() < 2 => Shapes::Fixed,
        Some(ShapeFlexibility::Enumerated(_)) => Shapes::Enumerated,
        Some(ShapeFlexibility::Range(range)) => {
            let varies = |range: &Kept<proto::SizeRange>| i64::try_from(range.lower_bound) != Ok(range.upper_bound);
            if range.size_ranges.iter().any(varies) { Shapes::Range } else { Shapes::Fixed }
        }
    }
}

/// Faults of a program in an operator set.
pub(super) fn faults(program: &Program, set: Opset, blobs: &dyn Blobs) -> Vec<ProgramFault> {
    let raised = program.opset().is_some_and(|own| own < set).then(|| {
        let mut raised = program.clone();
        for function in &mut raised.functions {
            function.opset = set.name().into();
        }
        raised
    });
    let problems = crate::graph::check::check(raised.as_ref().unwrap_or(program), blobs);
    // Compressed constants are written in the form of the newer set.
    let rewritten = |problem: &Problem| {
        raised.is_some() && problem.operation.as_ref().is_some_and(|place| place.kind.starts_with("constexpr_"))
    };
    let told = |problem: &Problem| ProgramFault::is_told(problem) || rewritten(problem);
    problems.iter().filter(|problem| !told(problem)).map(ProgramFault::of).collect()
}

/// What a model describes otherwise than its program has it.
pub(super) fn interface_faults(model: &proto::Model, program: &Program) -> Vec<ProgramFault> {
    let is_fault = |error: &InterfaceError| match error {
        // Operators of an older set run wherever newer ones do; sets that are not known are told elsewhere.
        InterfaceError::Specification { opset, version, .. } => {
            Opset::by_name(opset).is_some_and(|set| set.specification() > *version)
        }
        _ => true,
    };
    let errors = check_interface(model, program).into_iter().filter(is_fault);
    let of = |error: InterfaceError| ProgramFault {
        operation: String::new(),
        operator: String::new(),
        // Asked of the program's own set only, so that the words name it once.
        key: error.to_string(),
        what: error.to_string(),
    };
    errors.map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Block, NamedType};

    fn told(opset: &str) -> Vec<String> {
        let input = NamedType { name: "x".into(), ty: Type::tensor(ElementType::Fp16, [2u64]) };
        let block = Block { inputs: Vec::new(), operations: Vec::new(), outputs: vec!["x".into()] };
        let (name, opset, inputs) = ("main".into(), opset.into(), vec![input]);
        let main = Function { name, opset, inputs, block, other_opsets: Vec::new() };
        let model = proto::Model { specification_version: 7, ..proto::Model::default() };
        let faults = interface_faults(&model, &Program { functions: vec![main] });
        faults.into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn a_description_that_is_not_that_of_the_program_is_a_fault() {
        let lacks = ["function `main`: input `x` is not described", "function `main`: output `x` is not described"];
        assert_eq!(told("CoreML6"), lacks);
        // Older operators are in newer systems; what is not known is told elsewhere.
        assert_eq!([told("CoreML5"), told("CoreML12")], [lacks, lacks]);
        let newer = "function `main` is of CoreML7, but specification version 7 goes with CoreML6";
        assert_eq!(told("CoreML7"), [newer, lacks[0], lacks[1]]);
    }
}
