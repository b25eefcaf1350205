//! Programs of exports.

use serde::Serialize;

use super::program::{EntryShape, FeatureShape, FeaturesShape};
use crate::inspect::export::{ExportSummary, ProgramOfExport, Unconverted};

/// What an export holds around its weights.
#[derive(Debug, Serialize)]
pub struct ExportShape<'a> {
    /// The PyTorch that wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub torch_version: Option<&'a str>,
    /// Its programs.
    pub programs: Vec<ExportedShape<'a>>,
    /// Operators, the most frequent first.
    pub operators: Vec<AtenShape<'a>>,
    /// What of it cannot be converted to Core ML.
    pub unconverted: Vec<UnconvertedShape<'a>>,
    /// Members of the archive that are pickles and are never read.
    pub pickles: &'a [String],
}

/// An operator that cannot be converted.
#[derive(Debug, Serialize)]
pub struct UnconvertedShape<'a> {
    /// Its name, or words for an input or an output.
    pub operator: &'a str,
    /// Operations.
    pub count: usize,
    /// The first of them.
    pub first: &'a str,
    /// Why not.
    pub why: &'a str,
}

/// A program of an export.
#[derive(Debug, Serialize)]
pub struct ExportedShape<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it was decomposed.
    pub decomposed: bool,
    /// What it takes, gives and keeps.
    #[serde(flatten)]
    pub features: FeaturesShape<'a>,
    /// What sizes its symbols may have: `2..64`.
    pub ranges: Vec<EntryShape<'a>>,
    /// Its operations.
    pub operations: usize,
}

/// An operator.
#[derive(Debug, Serialize)]
pub struct AtenShape<'a> {
    /// Its name: `aten.conv2d.default`.
    pub operator: &'a str,
    /// Operations.
    pub count: usize,
    /// The classes of the modules that they ran in.
    pub classes: &'a [String],
}

impl<'a> UnconvertedShape<'a> {
    fn new(one: &'a Unconverted) -> Self {
        UnconvertedShape { operator: &one.operator, count: one.count, first: &one.first, why: &one.why }
    }
}

impl<'a> ExportShape<'a> {
    /// The shape of a summary.
    pub(super) fn new(summary: &'a ExportSummary) -> Self {
        let operators = summary.operators.iter();
        ExportShape {
            torch_version: summary.torch_version.as_deref(),
            programs: summary.programs.iter().map(ExportedShape::new).collect(),
            unconverted: summary.unconverted.iter().map(UnconvertedShape::new).collect(),
            operators: operators
                .map(|used| AtenShape { operator: &used.operator, count: used.count, classes: &used.classes })
                .collect(),
            pickles: &summary.pickles,
        }
    }
}

impl<'a> ExportedShape<'a> {
    fn new(program: &'a ProgramOfExport) -> Self {
        let features = |all: &'a [(String, String)]| {
            all.iter().map(|(name, ty)| FeatureShape { name, r#type: ty }).collect::<Vec<_>>()
        };
        ExportedShape {
            name: &program.name,
            decomposed: program.decomposed,
            features: FeaturesShape {
                inputs: features(&program.inputs),
                outputs: features(&program.outputs),
                states: features(&program.states),
            },
            ranges: program.ranges.iter().map(|(key, value)| EntryShape { key, value }).collect(),
            operations: program.operations,
        }
    }
}
