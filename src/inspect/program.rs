//! What a package holds around its weights: versions, interface, operators, where the bytes are.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::coreml::target::OperatorSet;
use crate::graph::Function;
use crate::graph::index::{BlockId, Index};
use crate::graph::mil::Side;
use crate::graph::types::Type;
use crate::model::Model;
use crate::model::package::PackageModel;

/// The program of a package, summed up.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgramSummary {
    /// The `specificationVersion`.
    pub specification: i32,
    /// The operator set that goes with it, where it is known.
    pub set: Option<&'static OperatorSet>,
    /// Its functions, sorted by name.
    pub functions: Vec<FunctionSummary>,
    /// Every operator with the number of its operations in all functions, the most frequent first.
    pub operators: Vec<(String, usize)>,
    /// Who made it, and how: keys with values, those without a value left out.
    pub metadata: Vec<(String, String)>,
    /// The files of the model with their bytes: that of the program first, then those of weights.
    pub files: Vec<(PathBuf, u64)>,
}

/// A function of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSummary {
    /// Its name.
    pub name: String,
    /// Its operator set, as written.
    pub opset: String,
    /// What it takes and gives.
    pub features: Vec<Feature>,
    /// Its operations, those of nested blocks too.
    pub operations: usize,
}

/// Something that a function takes or gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// As what.
    pub side: Side,
    /// Its name.
    pub name: String,
    /// Its type: `fp16[1, 64]`.
    pub ty: String,
}

impl FunctionSummary {
    fn of(function: &Function, operators: &mut BTreeMap<String, usize>) -> FunctionSummary {
        let index = Index::new(function);
        for (_, operation) in index.operations() {
            *operators.entry(operation.kind.to_string()).or_default() += 1;
        }
        let input = |input: &crate::graph::NamedType| match &input.ty {
            Type::State(inner) => Feature { side: Side::State, name: input.name.to_string(), ty: inner.to_string() },
            ty => Feature { side: Side::Input, name: input.name.to_string(), ty: ty.to_string() },
        };
        let mut features: Vec<Feature> = function.inputs.iter().map(input).collect();
        features.extend(index.block_outputs(BlockId(0)).iter().flatten().map(|&value| Feature {
            side: Side::Output,
            name: index.name(value).to_string(),
            ty: index.ty(value).to_string(),
        }));
        features.sort_by_key(|feature| feature.side);
        FunctionSummary {
            name: function.name.to_string(),
            opset: function.opset.to_string(),
            features,
            operations: index.operations().len(),
        }
    }
}

impl ProgramSummary {
    /// Sums up the program of a model that is a package.
    pub fn of(model: &Model, program: &PackageModel) -> ProgramSummary {
        let message = program.package.model();
        let mut operators = BTreeMap::new();
        let functions = program.program.functions.iter().map(|f| FunctionSummary::of(f, &mut operators)).collect();
        let mut operators: Vec<(String, usize)> = operators.into_iter().collect();
        operators.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        // A file that has gone meanwhile has no size; who reads it is told.
        let length = |path: &PathBuf| (path.clone(), fs::metadata(path).map_or(0, |metadata| metadata.len()));
        ProgramSummary {
            specification: message.specification_version,
            set: OperatorSet::by_spec(message.specification_version),
            functions,
            operators,
            metadata: metadata(program),
            files: model.files.iter().map(length).collect(),
        }
    }

    /// The operator sets of its functions, each once.
    pub fn opsets(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.functions.iter().map(|function| function.opset.as_str()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Bytes of the program.
    pub fn program_bytes(&self) -> u64 {
        self.files.first().map_or(0, |(_, bytes)| *bytes)
    }

    /// Bytes of the files of weights.
    pub fn weight_bytes(&self) -> u64 {
        self.files.iter().skip(1).fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

fn metadata(program: &PackageModel) -> Vec<(String, String)> {
    let description = program.package.model().description.as_ref();
    let Some(found) = description.and_then(|description| description.metadata.as_ref()) else { return Vec::new() };
    let named = [
        ("description", &found.short_description),
        ("version", &found.version_string),
        ("author", &found.author),
        ("license", &found.license),
    ];
    let named = named.into_iter().map(|(key, value)| (key.to_string(), value.clone()));
    let mut own: Vec<(String, String)> =
        found.user_defined.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect();
    own.sort();
    named.chain(own).filter(|(_, value)| !value.is_empty()).collect()
}
