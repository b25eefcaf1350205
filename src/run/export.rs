//! A run on an exported program: it becomes a package of plain weights aside, and that is quantized as any package is,
//! under the names and kinds that the export gives its weights.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{Job, Progress, Report, RunError, package, statics};
use crate::check::needs;
use crate::convert::{self, Converted, Tensors};
use crate::formats::coreml::{PackageWriteError, PackageWriter};
use crate::formats::output::{Destination, PartialDirectory};
use crate::graph::TensorType;
use crate::graph::aten;
use crate::graph::function::Opset;
use crate::kind::Kind;
use crate::model::export::ExportModel;
use crate::model::{KnownBy, Model, ModelError, Role, Weight};
use crate::plan::{self, Outcome};
use crate::recipe::{Defaults, Place, Placed, Recipe};
use crate::scheme::FloatType;

/// The operator set that an export is written in where the recipe names no target, unless its schemes need a newer one:
/// the first whose systems decompress weights as they are needed.
const USUAL: Opset = Opset::CoreML7;

/// The operator set that an export is written in.
pub fn operator_set(recipe: &Recipe) -> Opset {
    recipe.written_opset(None).unwrap_or_else(|| {
        let lowest = Opset::by_name(needs::lowest(recipe).name);
        lowest.map_or(USUAL, |lowest| lowest.max(USUAL))
    })
}

/// The operator set that a program of an export is written in, with the shapes that the recipe chooses.
fn set_for(recipe: &Recipe, program: &aten::Program) -> Opset {
    // Systems before iOS 18 take one input with several shapes.
    let several = recipe.target.is_none() && program.shapes.len() > 1;
    let least = if several { Opset::CoreML8 } else { Opset::CoreML5 };
    operator_set(recipe).max(least)
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

/// Runs a job whose model is an export, and whose output is a package.
///
/// # Errors
/// As [`super::run`].
pub fn run(job: &Job, export: &ExportModel, progress: &dyn Progress, cancel: &AtomicBool) -> Result<Report, RunError> {
    let begun = Instant::now();
    let [program] = &export.programs[..] else {
        return Err(RunError::Format(
            "the archive holds several programs, and a package is made of one: export it alone",
        ));
    };
    let program = &*job.recipe.shaped(program).map_err(|(_, error)| RunError::Shapes(error))?;
    let set = set_for(job.recipe, program);
    let tensors = Archived { export, program: 0 };
    let mut inputs = job.model.files.clone();
    inputs.extend([job.model.path.clone()]);
    inputs.extend_from_slice(job.inputs);
    let is_static = statics::is_static(job.recipe);
    if is_static {
        inputs.push(statics::samples_path(job.recipe)?);
    }
    // Whatever forbids to write the output is told before anything is made.
    let destination = Destination { path: job.output, overwrite: job.overwrite, inputs: &inputs };
    drop(PartialDirectory::create(&destination)?);
    let (program, activations) = match is_static {
        true => {
            let (program, activations) = statics::quantized(job, (program, export), set, (progress, cancel))?;
            (Cow::Owned(program), Some(activations))
        }
        false => (Cow::Borrowed(program), None),
    };
    let converted = convert::convert(&program, &tensors, set)?;
    let aside = PathBuf::from(format!("{}.plain", job.output.display()));
    let aside = PartialDirectory::create(&Destination { path: &aside, overwrite: true, inputs: &[] })?;
    let path = aside.path().join("plain.mlpackage");
    let Plain { model, recipe, .. } = plain_of(converted, (job.model, export), (job.recipe, set), &path, cancel)?;
    let plan = plan::plan(&recipe, &model);
    let misfits = plan.decisions.iter().zip(&model.weights);
    if let Some((_, weight)) = misfits.into_iter().find(|(one, _)| matches!(one.outcome, Outcome::Misfit(_))) {
        return Err(RunError::Unfit { weight: weight.name.clone(), set });
    }
    let package = model.program.as_ref().ok_or(RunError::Layout)?;
    let inner = Job { recipe: &recipe, model: &model, plan: &plan, inputs: &inputs, ..*job };
    // Upstream quantizes weights before their program becomes one of fp16.
    let mut report = package::of(&inner, package, true, progress, cancel)?;
    report.chosen = job.recipe.target.is_none().then_some(set);
    report.activations = activations;
    // Converting and samples count, too.
    report.elapsed = begun.elapsed();
    Ok(report)
}

/// An export as a package of plain weights.
#[derive(Debug)]
pub struct Plain {
    /// The package. Its weights have the names and kinds of the export.
    pub model: Model,
    /// The recipe as it holds for the package.
    pub recipe: Recipe,
    /// The inputs in the order of the export, each with bounds for its dimensions.
    pub inputs: Vec<convert::Interface>,
}

/// Writes an export of one program to a path as a package of plain weights: that which a run quantizes.
///
/// # Errors
/// If the model is no export of one program, cannot be converted, or the package cannot be written.
pub fn plain(model: &Model, recipe: &Recipe, path: &std::path::Path, cancel: &AtomicBool) -> Result<Plain, RunError> {
    let export = model.export.as_ref().ok_or_else(|| ModelError::NoTensors(model.path.clone()))?;
    let program = export.programs.first().ok_or_else(|| ModelError::NoTensors(model.path.clone()))?;
    let program = recipe.shaped(program).map_err(|(_, error)| RunError::Shapes(error))?;
    let set = set_for(recipe, &program);
    plain_of(converted(model, recipe, set)?, (model, export), (recipe, set), path, cancel)
}

fn plain_of(
    converted: Converted,
    (model, export): (&Model, &ExportModel),
    (recipe, set): (&Recipe, Opset),
    path: &std::path::Path,
    cancel: &AtomicBool,
) -> Result<Plain, RunError> {
    write_plain(&converted, &Archived { export, program: 0 }, set, path, cancel)?;
    let model = named(Model::open(path)?, &converted, model, export);
    Ok(Plain { model, recipe: for_package(recipe, set), inputs: converted.inputs })
}

/// The recipe as it holds for the package: fp16 unless it says otherwise, as coremltools converts. Arithmetic and
/// threshold stay those of the export, by which the plan was shown.
fn for_package(recipe: &Recipe, set: Opset) -> Recipe {
    let mut recipe = recipe.clone();
    recipe.defaults = Defaults { is_package: true, set: Some(needs::set_of(set)), ..recipe.defaults };
    if recipe.precision.is_none() {
        recipe.precision = Some(Placed::new(FloatType::Fp16, Place::default()));
    }
    recipe
}

/// Writes the program with its weights as they are.
fn write_plain(
    converted: &Converted,
    tensors: &Archived<'_>,
    set: Opset,
    path: &std::path::Path,
    cancel: &AtomicBool,
) -> Result<(), RunError> {
    let mut writer = PackageWriter::create(&Destination { path, overwrite: false, inputs: &[] })?;
    let mut place = |blob: &crate::graph::BlobRef, ty: &TensorType| -> Result<u64, RunError> {
        if cancel.load(Ordering::Relaxed) {
            return Err(RunError::Cancelled);
        }
        let bytes = converted.constants.elements(blob, tensors).map_err(RunError::Constant)?;
        let count = ty.count().filter(|count| ty.element.bytes_for(*count) == Some(bytes.len() as u64));
        let count = count.ok_or(RunError::Layout)?;
        writer.push(ty.element, count, &bytes).map_err(|error: PackageWriteError| error.into())
    };
    let message = convert::model(converted, set, &mut place)?;
    Ok(writer.commit(&message.into())?)
}

/// The package with the names and kinds that its weights have in the export. What is no weight of the export keeps the
/// name of the constant.
fn named(mut model: Model, converted: &Converted, export_model: &Model, export: &ExportModel) -> Model {
    let Some(package) = model.program.clone() else { return model };
    let of_constant: HashMap<&str, &str> = converted.weights.iter().map(|(a, b)| (&**a, &**b)).collect();
    let mut taken: HashSet<String> = HashSet::new();
    let mut others = Vec::new();
    for (weight, constant) in model.weights.iter_mut().zip(&package.constants) {
        let dotted = of_constant.get(&*constant.first.name).copied();
        let known = dotted.and_then(|name| export.names.get(&(0, name.to_owned())));
        let known = known.and_then(|index| export_model.weights.get(*index));
        match known {
            Some(known) => take_over(weight, known),
            // Masks, positions and what else was computed; biases that normalizations have left.
            None => weight.role = if dotted.is_some() { Role::Bias } else { Role::Buffer },
        }
        match known.map(|known| known.name.as_str()).or(dotted) {
            Some(name) if taken.insert(name.to_owned()) => rename(weight, name.to_owned()),
            _ => others.push(weight),
        }
    }
    // Data is found by names, so no two may be the same.
    for weight in others {
        let mut name = weight.name.clone();
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        rename(weight, name);
    }
    model
}

fn rename(weight: &mut Weight, name: String) {
    weight.module_len = name.rfind('.').unwrap_or(0);
    weight.name = name;
}

/// Gives a constant what is known of the weight that it is.
fn take_over(weight: &mut Weight, known: &Weight) {
    weight.tied.clone_from(&known.tied);
    weight.role = known.role;
    // A tensor in another shape is no longer what its module is about.
    if weight.shape == known.shape {
        weight.kind = known.kind;
        weight.known_by = known.known_by;
        weight.transposed = known.transposed;
        weight.groups = known.groups;
    } else {
        (weight.kind, weight.known_by) = (Kind::Other, KnownBy::Shape);
    }
}

impl From<convert::ConvertError> for RunError {
    fn from(error: convert::ConvertError) -> RunError {
        RunError::Convert(error)
    }
}

/// The program of an export converted for an operator set, with the shapes that a recipe chooses, to be run as it is;
/// [`Archived`] has what its constants are made of.
///
/// # Errors
/// If the model is no export of one program, or cannot be converted.
pub fn converted(model: &Model, recipe: &Recipe, set: Opset) -> Result<Converted, RunError> {
    let export = model.export.as_ref().ok_or_else(|| ModelError::NoTensors(model.path.clone()))?;
    let program = export.programs.first().ok_or_else(|| ModelError::NoTensors(model.path.clone()))?;
    let program = recipe.shaped(program).map_err(|(_, error)| RunError::Shapes(error))?;
    Ok(convert::convert(&program, &Archived { export, program: 0 }, set)?)
}
