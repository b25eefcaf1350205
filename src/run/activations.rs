//! What a plan tells of activations: which values become codes, for whom, and which of them share a range.

use super::statics::{self, is_static, quantizers};
use crate::graph::Name;
use crate::graph::aten::{Definition, InputRole, Program, ValueId};
use crate::model::Model;
use crate::plan::Plan;
use crate::pt2e::{Site, Spec, Twice};
use crate::recipe::Recipe;
use crate::recipe::selector::Selector;
use crate::words::count;

/// What is to be done to activations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedActivations {
    /// Places where values become codes, in the order of the program.
    pub values: Vec<PlannedValue>,
    /// The ranges that are to be observed, and what the codes of each are like.
    pub ranges: Vec<Spec>,
}

/// A place where a value becomes codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedValue {
    /// The value's name in the export.
    pub name: Name,
    /// What it is.
    pub source: Source,
    /// The operations that take it as codes; `None` for all that take it, and for callers.
    pub users: Option<Vec<Name>>,
    /// Its range, an index into [`PlannedActivations::ranges`].
    pub range: usize,
}

/// What a value is that becomes codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An input of the program.
    Input,
    /// A stored tensor, which has the range of its values. Its dotted name.
    Constant(Name),
    /// What an operation gives.
    Operation {
        /// The operator: `relu`.
        operator: Name,
        /// The dotted path of the module that runs it; empty for the outermost.
        module: Name,
    },
}

impl Source {
    fn of(program: &Program, value: ValueId) -> Source {
        let graph = &program.graph;
        match graph.value(value).map(|value| value.definition) {
            Some(Definition::Node(at)) => {
                let node = graph.nodes.get(at as usize);
                let module = node.and_then(|node| program.modules.get(node.module()?.0 as usize));
                Source::Operation {
                    operator: node.map_or_else(|| "".into(), |node| node.operator.name.clone()),
                    module: module.map_or_else(|| "".into(), |module| module.path.clone()),
                }
            }
            Some(Definition::Input(at)) => {
                let role = program.inputs.get(at as usize).map(|input| &input.role);
                role.and_then(InputRole::stored).map_or(Source::Input, |name| Source::Constant(name.clone()))
            }
            None => Source::Input,
        }
    }

    /// What it is in a word: `input`, `constant`, or the operator.
    pub fn word(&self) -> &str {
        match self {
            Source::Input => "input",
            Source::Constant(_) => "constant",
            Source::Operation { operator, .. } => operator,
        }
    }

    /// The dotted path of the module that it comes from, or of the tensor that it is.
    pub fn path(&self) -> &str {
        match self {
            Source::Input => "",
            Source::Constant(name) => name,
            Source::Operation { module, .. } => module,
        }
    }
}

/// The operations without a weight that a selector means, with the modules that run them: they are matched by rules
/// with quantized activations.
pub fn operations(model: &Model, selector: &Selector) -> Vec<(Name, Name)> {
    let all = model.export.as_ref().map_or(Vec::new(), |export| statics::operations(export));
    let meant = all.into_iter().filter(|one| selector.matches_operation(one.kind, &one.module, &one.name));
    meant.map(|one| (one.name, one.module)).collect()
}

impl PlannedActivations {
    /// Of a recipe that quantizes activations, for a model that is an export.
    pub fn new(recipe: &Recipe, model: &Model, plan: &Plan) -> Option<PlannedActivations> {
        let export = model.export.as_ref().filter(|_| is_static(recipe))?;
        let program = export.programs.first()?;
        let sites = quantizers(program, export, recipe, plan, Twice::Never);
        let name = |index: &usize| program.graph.nodes.get(*index).map_or_else(|| "".into(), |node| node.name.clone());
        let value = |site: &Site| PlannedValue {
            name: program.graph.value(site.value).map_or_else(|| "".into(), |value| value.name.clone()),
            source: Source::of(program, site.value),
            users: site.users.as_ref().map(|users| users.iter().map(name).collect()),
            range: site.group,
        };
        Some(PlannedActivations { values: sites.all.iter().map(value).collect(), ranges: sites.groups })
    }

    /// The value that a value of this index shares its range with: the first of them, where that is another one.
    pub fn shares_with(&self, index: usize) -> Option<&PlannedValue> {
        let range = self.values.get(index)?.range;
        let first = self.values.iter().position(|value| value.range == range)?;
        (first < index).then(|| &self.values[first])
    }

    /// In a line: `activations: codes at 21 places, with 21 ranges to be observed in the samples`.
    pub fn words(&self) -> String {
        let (places, ranges) = (count(self.values.len(), "place"), count(self.ranges.len(), "range"));
        format!("activations: codes at {places}, with {ranges} to be observed in the samples")
    }
}
