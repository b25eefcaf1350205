//! Shapes that are chosen for the inputs of a program whose sizes are open: one, and the sizes are settled; several, and
//! the program takes each of them and no other.

use std::collections::{HashMap, HashSet};

use super::{Argument, Dim, Expr, Graph, InputRole, Program, Range, ValueType};
use crate::graph::Name;

/// Core ML takes no more for an input (coremltools: docs-guides/source/flexible-inputs.md).
pub const MOST_SHAPES: usize = 128;

/// What a program takes, as far as shapes go.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Takes {
    /// The tensors that whoever calls it gives, by name.
    pub inputs: Vec<(Name, Vec<Dim>)>,
    /// What sizes each symbol may have.
    pub ranges: Vec<(Name, Range)>,
}

/// Shapes that are chosen for an input: its name, and each shape.
pub type Chosen<'a> = (&'a str, Vec<&'a [u64]>);

/// What chosen shapes settle.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settled {
    /// Symbols that have one value in all shapes.
    pub settled: HashMap<Name, i64>,
    /// Inputs that still have several shapes, and these: the `n`th of each belong together.
    pub enumerated: Vec<(Name, Vec<Vec<u64>>)>,
}

/// What is wrong with chosen shapes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct ShapeFault {
    /// The index of the input among the chosen ones.
    pub input: usize,
    /// The shape of it, where it is about one.
    pub shape: Option<usize>,
    /// What.
    pub what: ShapeError,
}

/// What is wrong with a chosen shape.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ShapeError {
    /// The program takes no such input.
    #[error("the program takes no input `{0}`")]
    NoInput(String),
    /// The input has another count of dimensions.
    #[error("the input has {expected} dimensions, and this shape {given}")]
    Rank {
        /// Of the input.
        expected: usize,
        /// Of the shape.
        given: usize,
    },
    /// A size that is not open.
    #[error("dimension {axis} is {size} in the program, whatever is given")]
    Fixed {
        /// From 0.
        axis: usize,
        /// Its size.
        size: u64,
    },
    /// A size beyond what the export allows.
    #[error("dimension {axis} was exported for {range}")]
    Range {
        /// From 0.
        axis: usize,
        /// What is allowed.
        range: Range,
    },
    /// One symbol with two values.
    #[error("dimension {axis} is `{expr}`, which must be {size} here, by the shapes before it")]
    Differs {
        /// From 0.
        axis: usize,
        /// What the size is in the program.
        expr: String,
        /// What it must be.
        size: i64,
    },
    /// A size whose value does not follow from the shapes.
    #[error("dimension {axis} is `{expr}`, and the shapes do not say what that is")]
    Open {
        /// From 0.
        axis: usize,
        /// What the size is in the program.
        expr: String,
    },
    /// Inputs with several shapes each, but not as many.
    #[error(
        "{given} shapes, where another input has {expected}: the first of each belong together, the second, and so on"
    )]
    Counts {
        /// Of this input.
        given: usize,
        /// Of the other.
        expected: usize,
    },
    /// The same again.
    #[error("the shapes are the same as before")]
    Twice,
    /// More than Core ML takes.
    #[error("{0} shapes, and Core ML takes {most} at most", most = MOST_SHAPES)]
    TooMany(usize),
    /// Another input depends on the same sizes and on others.
    #[error("the input `{input}` has these sizes too, and `{expr}`, which is open still: give its shapes as well")]
    Other {
        /// Its name.
        input: String,
        /// The open size.
        expr: String,
    },
}

impl Takes {
    /// What a program takes.
    pub fn of(program: &Program) -> Takes {
        let given = program.inputs.iter().filter(|input| matches!(input.role, InputRole::User));
        let values = given.filter_map(|input| program.graph.value(input.value?));
        let inputs = values.filter_map(|value| match &value.ty {
            ValueType::Tensor(ty) => Some((value.name.clone(), ty.shape.clone())),
            _ => None,
        });
        Takes { inputs: inputs.collect(), ranges: program.ranges.clone() }
    }

    /// The shape of an input.
    pub fn shape(&self, name: &str) -> Option<&[Dim]> {
        self.inputs.iter().find(|(known, _)| &**known == name).map(|(_, shape)| shape.as_slice())
    }

    /// What sizes a dimension may have.
    pub fn range(&self, expr: &Expr) -> Range {
        let ranges: HashMap<&str, Range> = self.ranges.iter().map(|(name, range)| (&**name, *range)).collect();
        let range = expr.range(&ranges);
        // PyTorch writes a very large number for what has no bound, and Core ML has no empty tensors.
        let max = range.max.filter(|max| *max < i64::from(i32::MAX));
        Range { min: Some(range.min.unwrap_or(1).max(1)), max }
    }

    /// What chosen shapes settle.
    ///
    /// # Errors
    /// The first shape that the program does not take, and why.
    pub fn bind(&self, chosen: &[Chosen<'_>]) -> Result<Settled, ShapeFault> {
        let count = chosen.iter().map(|(_, shapes)| shapes.len()).max().unwrap_or(0);
        // What each symbol is, in each set of shapes that belong together.
        let mut sets: Vec<HashMap<Name, i64>> = vec![HashMap::new(); count.min(MOST_SHAPES)];
        for (input, (name, shapes)) in chosen.iter().enumerate() {
            let fault = |shape, what| ShapeFault { input, shape, what };
            let dims = self.shape(name).ok_or_else(|| fault(None, ShapeError::NoInput((*name).to_owned())))?;
            if shapes.len() > MOST_SHAPES {
                return Err(fault(None, ShapeError::TooMany(shapes.len())));
            }
            if shapes.len() != 1 && shapes.len() != count {
                return Err(fault(None, ShapeError::Counts { given: shapes.len(), expected: count }));
            }
            for (at, set) in sets.iter_mut().enumerate() {
                let at = at.min(shapes.len().saturating_sub(1));
                let Some(shape) = shapes.get(at) else { continue };
                self.take(dims, shape, set).map_err(|what| fault(Some(at), what))?;
            }
        }
        for (input, (name, shapes)) in chosen.iter().enumerate() {
            for (at, set) in sets.iter().enumerate() {
                let at = at.min(shapes.len().saturating_sub(1));
                let (Some(dims), Some(shape)) = (self.shape(name), shapes.get(at)) else { continue };
                agree(dims, shape, set).map_err(|what| ShapeFault { input, shape: Some(at), what })?;
            }
        }
        let mut seen: HashSet<Vec<(&Name, i64)>> = HashSet::new();
        for (at, set) in sets.iter().enumerate() {
            let mut values: Vec<(&Name, i64)> = set.iter().map(|(name, value)| (name, *value)).collect();
            values.sort();
            if !seen.insert(values) {
                let input = chosen.iter().position(|(_, shapes)| shapes.len() == count).unwrap_or(0);
                return Err(ShapeFault { input, shape: Some(at), what: ShapeError::Twice });
            }
        }
        self.bound(&sets).map_err(|what| ShapeFault { input: 0, shape: None, what })
    }

    /// Takes the values of the symbols that are sizes of an input.
    fn take(&self, dims: &[Dim], shape: &[u64], set: &mut HashMap<Name, i64>) -> Result<(), ShapeError> {
        if dims.len() != shape.len() {
            return Err(ShapeError::Rank { expected: dims.len(), given: shape.len() });
        }
        for (axis, (dim, &size)) in dims.iter().zip(shape).enumerate() {
            let Dim::Symbolic { expr, .. } = dim else { continue };
            let range = self.range(expr);
            let value = i64::try_from(size).ok().filter(|value| range.contains(*value));
            let value = value.ok_or(ShapeError::Range { axis, range })?;
            if let Expr::Symbol(name) = expr {
                let known = *set.entry(name.clone()).or_insert(value);
                if known != value {
                    return Err(ShapeError::Differs { axis, expr: expr.to_string(), size: known });
                }
            }
        }
        Ok(())
    }

    /// What sets of values settle, and the shapes that inputs have in each.
    fn bound(&self, sets: &[HashMap<Name, i64>]) -> Result<Settled, ShapeError> {
        let Some((first, others)) = sets.split_first() else { return Ok(Settled::default()) };
        let is_settled = |name: &Name, value: &i64| others.iter().all(|set| set.get(name) == Some(value));
        let settled: HashMap<Name, i64> = first
            .iter()
            .filter(|(name, value)| is_settled(name, value))
            .map(|(name, value)| (name.clone(), *value))
            .collect();
        let varies =
            |expr: &Expr| expr.symbols().iter().any(|name| first.contains_key(*name) && !settled.contains_key(*name));
        let mut enumerated = Vec::new();
        for (name, dims) in &self.inputs {
            let is_varied = |dim: &Dim| matches!(dim, Dim::Symbolic { expr, .. } if varies(expr));
            if !dims.iter().any(is_varied) {
                continue;
            }
            let size = |dim: &Dim, set: &HashMap<Name, i64>| match dim {
                Dim::Known(size) => Ok(*size),
                Dim::Symbolic { expr, .. } => value(expr, set)
                    .and_then(|value| u64::try_from(value).ok())
                    .ok_or_else(|| ShapeError::Other { input: name.to_string(), expr: expr.to_string() }),
            };
            let shapes = sets.iter().map(|set| dims.iter().map(|dim| size(dim, set)).collect());
            enumerated.push((name.clone(), shapes.collect::<Result<_, _>>()?));
        }
        Ok(Settled { settled, enumerated })
    }
}

/// Whether all sizes of a shape are what they must be.
fn agree(dims: &[Dim], shape: &[u64], set: &HashMap<Name, i64>) -> Result<(), ShapeError> {
    for (axis, (dim, &size)) in dims.iter().zip(shape).enumerate() {
        match dim {
            Dim::Known(known) if *known != size => return Err(ShapeError::Fixed { axis, size: *known }),
            Dim::Known(_) => {}
            Dim::Symbolic { expr, .. } => match value(expr, set) {
                Some(value) if i64::try_from(size) == Ok(value) => {}
                Some(value) => return Err(ShapeError::Differs { axis, expr: expr.to_string(), size: value }),
                None => return Err(ShapeError::Open { axis, expr: expr.to_string() }),
            },
        }
    }
    Ok(())
}

fn value(expr: &Expr, set: &HashMap<Name, i64>) -> Option<i64> {
    expr.value(&|name| set.get(name).copied())
}

impl Program {
    /// The program with sizes settled as shapes say.
    pub fn with_shapes(&self, bound: &Settled) -> Program {
        let mut program = self.clone();
        settle(&mut program.graph, &bound.settled);
        for (name, range) in &mut program.ranges {
            if let Some(value) = bound.settled.get(name) {
                *range = Range { min: Some(*value), max: Some(*value) };
            }
        }
        program.shapes.clone_from(&bound.enumerated);
        program
    }
}

/// Replaces sizes that are settled by their values, in graphs within the graph too.
fn settle(graph: &mut Graph, settled: &HashMap<Name, i64>) {
    let settle_dim = |dim: &mut Dim| {
        if let Dim::Symbolic { expr, .. } = dim
            && let Some(size) = value(expr, settled).and_then(|size| u64::try_from(size).ok())
        {
            *dim = Dim::Known(size);
        }
    };
    for value in &mut graph.values {
        match &mut value.ty {
            ValueType::Tensor(ty) => ty.shape.iter_mut().chain(&mut ty.strides).for_each(settle_dim),
            ValueType::Int(dim) => settle_dim(dim),
            _ => {}
        }
    }
    for (_, argument) in graph.nodes.iter_mut().flat_map(|node| &mut node.arguments) {
        if let Argument::Graph(inner) = argument {
            settle(inner, settled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str) -> Dim {
        Dim::Symbolic { expr: Expr::Symbol(name.into()), hint: None }
    }

    fn takes() -> Takes {
        let double = Dim::Symbolic { expr: Expr::read("Mul(Integer(2), Symbol('s0'))"), hint: None };
        Takes {
            inputs: vec![
                ("tokens".into(), vec![Dim::Known(1), symbol("s0")]),
                ("mask".into(), vec![symbol("s0"), symbol("s0")]),
                ("wide".into(), vec![double]),
                ("image".into(), vec![symbol("s1"), Dim::Known(3)]),
            ],
            ranges: vec![
                ("s0".into(), Range { min: Some(2), max: Some(64) }),
                ("s1".into(), Range { min: None, max: Some(i64::MAX) }),
            ],
        }
    }

    type Written = &'static [(&'static str, &'static [&'static [u64]])];

    fn bind(chosen: &[(&str, &[&[u64]])]) -> Result<Settled, String> {
        let chosen: Vec<Chosen> = chosen.iter().map(|(name, shapes)| (*name, shapes.to_vec())).collect();
        takes().bind(&chosen).map_err(|fault| format!("{}.{:?}: {fault}", fault.input, fault.shape))
    }

    #[test]
    fn one_shape_settles_sizes() {
        let bound = bind(&[("tokens", &[&[1, 16]])]).unwrap();
        assert_eq!(bound, Settled { settled: HashMap::from([("s0".into(), 16)]), enumerated: Vec::new() });
        assert_eq!(bind(&[]).unwrap(), Settled::default());
        assert_eq!(bind(&[("image", &[&[1_000_000, 3]])]).unwrap().settled["s1"], 1_000_000);
    }

    #[test]
    fn several_shapes_hold_for_every_input_of_these_sizes() {
        let bound = bind(&[("tokens", &[&[1, 16], &[1, 32]]), ("image", &[&[5, 3]])]).unwrap();
        assert_eq!(bound.settled, HashMap::from([("s1".into(), 5)]));
        let shapes = |all: &[&[u64]]| all.iter().map(|shape| shape.to_vec()).collect::<Vec<_>>();
        assert_eq!(
            bound.enumerated,
            [
                ("tokens".into(), shapes(&[&[1, 16], &[1, 32]])),
                ("mask".into(), shapes(&[&[16, 16], &[32, 32]])),
                ("wide".into(), shapes(&[&[32], &[64]])),
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        let wrong: [Written; 12] = [
            &[("token", &[&[1, 16]])],
            &[("tokens", &[&[1, 16, 1]])],
            &[("tokens", &[&[2, 16]])],
            &[("tokens", &[&[1, 16], &[1, 65]])],
            &[("tokens", &[&[1, 0]])],
            &[("mask", &[&[4, 5]])],
            &[("tokens", &[&[1, 16]]), ("mask", &[&[16, 16], &[32, 32]])],
            &[("wide", &[&[32]])],
            &[("tokens", &[&[1, 16]]), ("wide", &[&[33]])],
            &[("tokens", &[&[1, 16], &[1, 16]])],
            &[("tokens", &[&[1, 16], &[1, 32]]), ("mask", &[&[2, 2], &[3, 3], &[4, 4]])],
            &[("image", &[&[u64::MAX, 3]])],
        ];
        let told: Vec<String> = wrong.iter().map(|chosen| bind(chosen).unwrap_err()).collect();
        insta::assert_snapshot!(told.join("\n"));
        let many = vec![&[1, 16][..]; 129];
        assert!(bind(&[("tokens", &many)]).unwrap_err().contains("128 at most"));
    }
}
