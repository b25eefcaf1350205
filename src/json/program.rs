//! Programs of packages.

use crate::graph::mil::Side;
use crate::inspect::program::{FunctionSummary, ProgramSummary};
use serde::Serialize;

/// What a package holds around its weights.
#[derive(Debug, Serialize)]
pub struct ProgramShape<'a> {
    /// The `specificationVersion`.
    pub specification_version: i32,
    /// The first systems that run it: `iOS18`; empty where the version is not known.
    pub systems: Vec<String>,
    /// Its functions.
    pub functions: Vec<FunctionShape<'a>>,
    /// Operators with the number of their operations, the most frequent first.
    pub operators: Vec<OperatorShape<'a>>,
    /// Who made it, and how.
    pub metadata: Vec<EntryShape<'a>>,
    /// Its files: that of the program first, then those of weights.
    pub files: Vec<FileShape>,
}

/// A function of a program.
#[derive(Debug, Serialize)]
pub struct FunctionShape<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its operator set: `CoreML8`.
    pub operator_set: &'a str,
    /// What it takes, gives and keeps.
    #[serde(flatten)]
    pub features: FeaturesShape<'a>,
    /// Its operations, those of nested blocks too.
    pub operations: usize,
}

/// What a function takes and gives.
#[derive(Debug, Serialize)]
pub struct FeaturesShape<'a> {
    /// What the user gives.
    pub inputs: Vec<FeatureShape<'a>>,
    /// What the user gets.
    pub outputs: Vec<FeatureShape<'a>>,
    /// What it keeps from one call to the next: states of packages, buffers of exports.
    pub states: Vec<FeatureShape<'a>>,
}

/// An input, output or state.
#[derive(Debug, Serialize)]
pub struct FeatureShape<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type: `fp16[1, 64]`.
    pub r#type: &'a str,
}

/// An operator.
#[derive(Debug, Serialize)]
pub struct OperatorShape<'a> {
    /// Its name.
    pub operator: &'a str,
    /// Operations.
    pub count: usize,
}

/// An entry of the metadata.
#[derive(Debug, Serialize)]
pub struct EntryShape<'a> {
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: &'a str,
}

/// A file.
#[derive(Debug, Serialize)]
pub struct FileShape {
    /// Its path.
    pub path: String,
    /// `program` or `weights`.
    pub holds: &'static str,
    /// Its bytes.
    pub bytes: u64,
}

impl<'a> FunctionShape<'a> {
    fn new(function: &'a FunctionSummary) -> Self {
        let of = |side: Side| {
            let features = function.features.iter().filter(move |feature| feature.side == side);
            features.map(|feature| FeatureShape { name: &feature.name, r#type: &feature.ty }).collect()
        };
        FunctionShape {
            name: &function.name,
            operator_set: &function.opset,
            features: FeaturesShape { inputs: of(Side::Input), outputs: of(Side::Output), states: of(Side::State) },
            operations: function.operations,
        }
    }
}

impl<'a> ProgramShape<'a> {
    /// The shape of a summary.
    pub(super) fn new(summary: &'a ProgramSummary) -> Self {
        let file = |(index, (path, bytes)): (usize, &(std::path::PathBuf, u64))| FileShape {
            path: path.display().to_string(),
            holds: if index == 0 { "program" } else { "weights" },
            bytes: *bytes,
        };
        let operators = summary.operators.iter();
        ProgramShape {
            specification_version: summary.specification,
            systems: summary.set.map(|set| set.all().collect()).unwrap_or_default(),
            functions: summary.functions.iter().map(FunctionShape::new).collect(),
            operators: operators.map(|(operator, count)| OperatorShape { operator, count: *count }).collect(),
            metadata: summary.metadata.iter().map(|(key, value)| EntryShape { key, value }).collect(),
            files: summary.files.iter().enumerate().map(file).collect(),
        }
    }
}
