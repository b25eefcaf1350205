//! Exported programs as rules see them: what of them becomes no Core ML program, told without reading weights.

use std::borrow::Cow;
use std::sync::Arc;

use super::needs;
use crate::convert::{self, Tensors};
use crate::graph::Name;
use crate::graph::aten::shapes::Settled;
use crate::graph::aten::{Program, Refusal};
use crate::graph::function::Opset;
use crate::model::Model;
use crate::model::export::ExportModel;
use crate::recipe::{InputShapes, Recipe};

/// The operator set that an export is written in where the recipe names no target, unless its schemes need a newer one:
/// the first whose systems decompress weights as they are needed.
pub const USUAL: Opset = Opset::CoreML7;

/// The operator set that an export is written in.
pub fn operator_set(recipe: &Recipe) -> Opset {
    recipe.written_opset(None).unwrap_or_else(|| {
        let lowest = Opset::by_name(needs::lowest(recipe).name);
        lowest.map_or(USUAL, |lowest| lowest.max(USUAL))
    })
}

/// The tensors that an archive holds for one of its programs.
pub struct Archived<'a> {
    /// The export.
    pub export: &'a ExportModel,
    /// The program's index.
    pub program: usize,
}

impl Tensors for Archived<'_> {
    fn elements(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let key = (self.program, name.to_owned());
        let stored = self.export.names.get(&key).and_then(|index| self.export.tensors.get(*index));
        let stored = stored.or_else(|| self.export.constants.get(&key))?;
        self.export.archive.tensor(stored).ok()
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.export.names.get(&(self.program, name.to_owned())).copied()
    }
}

/// Everything about an export that cannot be converted for an operator set: nothing where it is no export of one
/// program. Weights are described, not read.
pub fn refusals(model: &Model, set: Opset) -> Arc<[Refusal]> {
    of_shapes(None, model, set)
}

/// As [`refusals`], with the shapes that a recipe chooses.
pub fn refusals_for(recipe: &Recipe, model: &Model, set: Opset) -> Arc<[Refusal]> {
    of_shapes(recipe.shapes.as_ref(), model, set)
}

fn of_shapes(shapes: Option<&InputShapes>, model: &Model, set: Opset) -> Arc<[Refusal]> {
    let bound = shapes.zip(model.takes.as_ref()).map(|(shapes, takes)| shapes.bind(takes));
    let settled = match bound {
        Some(Ok(settled)) => settled,
        // Shapes that do not fit are findings of their own.
        Some(Err(_)) => return Arc::default(),
        None => Settled::default(),
    };
    let mut sizes: Vec<(Name, i64)> = settled.settled.iter().map(|(name, size)| (name.clone(), *size)).collect();
    sizes.sort();
    model.refused.of((set, sizes), || {
        let Some(export) = &model.export else { return Vec::new() };
        let [program] = &export.programs[..] else { return Vec::new() };
        match settled.settled.is_empty() {
            true => found(export, program, set),
            false => found(export, &program.with_shapes(&settled), set),
        }
    })
}

fn found(export: &ExportModel, program: &Program, set: Opset) -> Vec<Refusal> {
    convert::convert(program, &Archived { export, program: 0 }, set).map_or_else(|error| error.0, |_| Vec::new())
}
