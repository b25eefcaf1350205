//! What an export holds around its weights: what its programs take and give, and which operators they run where.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::exports;
use crate::graph::aten::{InputRole, Operator, OutputRole, Program, RefusedKind, ValueId};
use crate::model::Model;
use crate::model::export::ExportModel;

/// The programs of an export, summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSummary {
    /// The PyTorch that wrote it, where it says so.
    pub torch_version: Option<String>,
    /// Its programs.
    pub programs: Vec<ProgramOfExport>,
    /// Every operator of all programs, the most frequent first.
    pub operators: Vec<OperatorUse>,
    /// What of it cannot be converted to Core ML, for the operator set that is written where a recipe names no target.
    pub unconverted: Vec<Unconverted>,
    /// Members of the archive that are pickles and are never read.
    pub pickles: Vec<String>,
}

/// A program of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramOfExport {
    /// Its name.
    pub name: String,
    /// Whether it was decomposed: into ATen's core operators rather than those of PyTorch's functions.
    pub decomposed: bool,
    /// What the user gives: names with types.
    pub inputs: Vec<(String, String)>,
    /// What the user gets: names with types.
    pub outputs: Vec<(String, String)>,
    /// Buffers that it changes: names with types.
    pub states: Vec<(String, String)>,
    /// What sizes its symbols may have: `s0` with `2..64`.
    pub ranges: Vec<(String, String)>,
    /// Its operations, those of graphs that operators run too.
    pub operations: usize,
}

/// An operator with where it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorUse {
    /// Its name: `aten.conv2d.default`.
    pub operator: String,
    /// How many operations.
    pub count: usize,
    /// The classes of the modules that they ran in, sorted: `torch.nn.modules.conv.Conv2d`.
    pub classes: Vec<String>,
}

/// An operator that cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unconverted {
    /// Its name, or words for an input or an output.
    pub operator: String,
    /// How many operations.
    pub count: usize,
    /// The first of them: its name, module and line of code.
    pub first: String,
    /// Why not.
    pub why: String,
}

impl ExportSummary {
    /// Sums up an export, which is a model's.
    pub fn of(model: &Model, export: &ExportModel) -> ExportSummary {
        let mut uses: BTreeMap<&Operator, (usize, BTreeSet<&str>)> = BTreeMap::new();
        for program in &export.programs {
            program.graph.visit(&mut |node| {
                let (count, classes) = uses.entry(&node.operator).or_default();
                *count += 1;
                let module = node.module().and_then(|id| program.modules.get(id.0 as usize));
                classes.extend(module.map(|module| &*module.class));
            });
        }
        let of_use = |(operator, (count, classes)): (&Operator, (usize, BTreeSet<&str>))| OperatorUse {
            operator: operator.to_string(),
            count,
            classes: classes.into_iter().map(str::to_owned).collect(),
        };
        let mut operators: Vec<OperatorUse> = uses.into_iter().map(of_use).collect();
        operators.sort_by_key(|used| std::cmp::Reverse(used.count));
        ExportSummary {
            torch_version: export
                .programs
                .iter()
                .find_map(|program| Some(program.torch_version.as_deref()?.to_owned())),
            programs: export.programs.iter().map(ProgramOfExport::of).collect(),
            operators,
            unconverted: RefusedKind::group(&exports::refusals(model, exports::USUAL))
                .into_iter()
                .map(|kind| Unconverted {
                    operator: kind.first.what.clone(),
                    count: kind.count,
                    first: kind.first.place(),
                    why: kind.first.why.clone(),
                })
                .collect(),
            pickles: export.archive.pickles().to_vec(),
        }
    }
}

impl ProgramOfExport {
    /// Sums up one program.
    pub fn of(program: &Program) -> ProgramOfExport {
        let typed = |value: Option<ValueId>| {
            let value = program.graph.value(value?)?;
            Some((value.name.to_string(), value.ty.to_string()))
        };
        let users = program.inputs.iter().filter(|input| input.role == InputRole::User);
        let outputs = program.outputs.iter().filter(|output| output.role == OutputRole::User);
        let states = program.outputs.iter().filter_map(|output| match &output.role {
            OutputRole::BufferMutation(name) => Some((name.to_string(), typed(output.value)?.1)),
            _ => None,
        });
        let mut operations = 0;
        program.graph.visit(&mut |_| operations += 1);
        ProgramOfExport {
            name: program.name.to_string(),
            decomposed: !program.verifiers.iter().any(|verifier| &**verifier == "TRAINING"),
            inputs: users.filter_map(|input| typed(input.value)).collect(),
            outputs: outputs.filter_map(|output| typed(output.value)).collect(),
            states: states.collect(),
            ranges: program.ranges.iter().map(|(name, range)| (name.to_string(), range.to_string())).collect(),
            operations,
        }
    }
}
