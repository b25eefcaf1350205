//! The two programs of an evaluation, made ready to run.

use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use half::{bf16, f16};

use super::{EvalError, FLOAT, QUANTIZED, Task};
use crate::convert::{self, Interface, Tensors};
use crate::dtype::DType;
use crate::exec::{Executable, Tensor};
use crate::formats::output::{Destination, PartialDirectory};
use crate::formats::safetensors::Reader;
use crate::graph::aten::Range;
use crate::graph::function::Function;
use crate::graph::{Blobs, Dim, Name, NamedType, Program};
use crate::model::Model;
use crate::model::export::ExportModel;
use crate::pt2e::SampleError;
use crate::run::export::{Archived, converted, operator_set};
use crate::run::{self, Job, OutputFormat, Progress, Report, RunError, statics};
use crate::words::{count, shown};

/// A program that is ready to run.
#[derive(Debug)]
pub struct Ready {
    /// What runs.
    pub executable: Executable,
    /// What it is made of.
    pub function: Function,
    /// The inputs that test data is needed for.
    pub inputs: Vec<Interface>,
    /// Where each operation of the function comes from, in their order, where that is known: dotted paths of modules.
    pub modules: Vec<Option<Name>>,
}

/// The model as it is.
pub fn float(task: &Task) -> Result<Ready, EvalError> {
    if let Some(package) = &task.model.program {
        return ready(&package.program, &package.package, FLOAT);
    }
    let Some(export) = &task.model.export else { return Err(EvalError::NoProgram) };
    if export.programs.len() != 1 {
        let programs = count(export.programs.len(), "program");
        return Err(EvalError::Asked(format!("the archive holds {programs}, and one is evaluated: export it alone")));
    }
    let converted = converted(task.model, task.recipe, operator_set(task.recipe))?;
    let tensors = Archived { export, program: 0 };
    let blobs = converted.constants.blobs(&tensors);
    let mut made = ready_as(&converted.program, convert::FUNCTION, &blobs, FLOAT)?;
    made.modules = converted.origins.into_iter().map(|origin| origin.map(|origin| origin.module)).collect();
    made.inputs = converted.inputs;
    Ok(made)
}

/// The model as the recipe makes it: written aside, read, and removed.
pub fn quantized(task: &Task, progress: &dyn Progress, cancel: &AtomicBool) -> Result<(Ready, Report), EvalError> {
    // Registered with the outputs that a signal removes.
    let aside = std::env::temp_dir().join(format!("bitmill-eval-{}", std::process::id()));
    let destination = Destination { path: &aside, overwrite: true, inputs: &[] };
    let aside = PartialDirectory::create(&destination).map_err(RunError::from)?;
    // An experiment has no operators for its schemes, but its values can be written as plain ones.
    let is_experiment = task.recipe.is_experiment();
    if let Some(export) = task.model.export.as_ref().filter(|_| is_experiment) {
        return experiment(task, export, aside.path(), progress, cancel);
    }
    let output = aside.path().join("quantized.mlpackage");
    let format = if is_experiment { OutputFormat::Dequantized } else { OutputFormat::MlPackage };
    let Task { recipe, model, plan, .. } = *task;
    let job = Job { recipe, model, plan, format, output: &output, overwrite: false, inputs: &[] };
    let report = run::run(&job, progress, cancel).map_err(told)?;
    Ok((read(&output)?, report))
}

fn told(error: RunError) -> EvalError {
    match error {
        RunError::Cancelled => EvalError::Cancelled,
        error => error.into(),
    }
}

/// An export without a target: nobody says that a package could hold its schemes, so its program runs with the values of
/// the checkpoint that a run writes.
fn experiment(
    task: &Task,
    export: &ExportModel,
    directory: &Path,
    progress: &dyn Progress,
    cancel: &AtomicBool,
) -> Result<(Ready, Report), EvalError> {
    let output = directory.join("quantized.safetensors");
    // Activations are in no checkpoint.
    let mut weights_only = task.recipe.clone();
    weights_only.rules.iter_mut().filter_map(|rule| rule.scheme.as_mut()).for_each(|scheme| scheme.activations = None);
    let Task { model, plan, .. } = *task;
    let format = OutputFormat::Dequantized;
    let job = Job { recipe: &weights_only, model, plan, format, output: &output, overwrite: false, inputs: &[] };
    let mut report = run::run(&job, progress, cancel).map_err(told)?;
    let program = export.programs.first().ok_or(EvalError::NoProgram)?;
    let program = &*task.recipe.shaped(program).map_err(|(_, error)| RunError::Shapes(error))?;
    let set = operator_set(task.recipe);
    let program = match statics::is_static(task.recipe) {
        true => {
            let job = Job { recipe: task.recipe, ..job };
            let made = statics::quantized(&job, (program, export), set, (progress, cancel)).map_err(told)?;
            report.activations = Some(made.1);
            Cow::Owned(made.0)
        }
        false => Cow::Borrowed(program),
    };
    let checkpoint = Reader::open(&output).map_err(SampleError::from)?;
    let tensors = Exchanged { archived: Archived { export, program: 0 }, model, checkpoint };
    let converted = convert::convert(&program, &tensors, set).map_err(RunError::from)?;
    let blobs = converted.constants.blobs(&tensors);
    Ok((ready_as(&converted.program, convert::FUNCTION, &blobs, QUANTIZED)?, report))
}

/// The tensors of an archive with the values that they have in a checkpoint of it.
struct Exchanged<'a> {
    archived: Archived<'a>,
    model: &'a Model,
    checkpoint: Reader,
}

impl Tensors for Exchanged<'_> {
    fn elements(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let Some(at) = self.archived.place(name) else { return self.archived.elements(name) };
        let (weight, stored) = (self.model.weights.get(at)?, self.archived.export.tensors.get(at)?);
        let Some(index) = self.checkpoint.header().index_of(&weight.name) else { return self.archived.elements(name) };
        let is = self.checkpoint.header().tensors.get(index)?.dtype.dtype();
        let bytes = self.checkpoint.tensor_at(index).ok()?;
        let declared = stored.dtype.dtype();
        if is == declared {
            return Some(Cow::Borrowed(bytes));
        }
        // Of another type of floats: what is narrower fits into what was declared, and back.
        let narrow = |bytes: &[u8]| -> Option<Vec<f32>> {
            Some(match is {
                DType::F32 => bytes.as_chunks().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect(),
                DType::F16 => bytes.as_chunks().0.iter().map(|raw| f16::from_le_bytes(*raw).to_f32()).collect(),
                DType::BF16 => bytes.as_chunks().0.iter().map(|raw| bf16::from_le_bytes(*raw).to_f32()).collect(),
                _ => return None,
            })
        };
        let values = narrow(bytes)?.into_iter();
        Some(Cow::Owned(match declared {
            DType::F32 => values.flat_map(f32::to_le_bytes).collect(),
            DType::F16 => values.flat_map(|value| f16::from_f32(value).to_le_bytes()).collect(),
            DType::BF16 => values.flat_map(|value| bf16::from_f32(value).to_le_bytes()).collect(),
            _ => return None,
        }))
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.archived.place(name)
    }
}

/// Reads a package. Its constants stay mapped, where the system lets them outlive their files.
fn read(path: &Path) -> Result<Ready, EvalError> {
    let model = Model::open(path).map_err(RunError::from)?;
    let package = model.program.as_ref().ok_or(EvalError::NoProgram)?;
    ready(&package.program, &package.package, QUANTIZED)
}

/// The function of a package that runs where nothing else is said.
///
/// # Errors
/// If the package does not tell which, or the function cannot be run.
pub fn ready(program: &Program, blobs: &dyn Blobs, which: &'static str) -> Result<Ready, EvalError> {
    let function = match &program.functions[..] {
        [only] => &only.name,
        several => {
            let main = several.iter().find(|function| &*function.name == convert::FUNCTION);
            let names = || several.iter().map(|function| format!("`{}`", shown(&function.name)));
            &main.ok_or_else(|| EvalError::Functions(names().collect::<Vec<_>>().join(", ")))?.name
        }
    };
    ready_as(program, function, blobs, which)
}

fn ready_as(program: &Program, function: &str, blobs: &dyn Blobs, which: &'static str) -> Result<Ready, EvalError> {
    let executable = Executable::new(program, function, blobs)
        .map_err(|source| EvalError::Program { which, source: source.into() })?;
    let function = program.function(function).cloned().ok_or_else(|| EvalError::Functions(function.to_owned()))?;
    let inputs = executable.inputs().map(interface).collect::<Result<_, _>>()?;
    Ok(Ready { executable, function, inputs, modules: Vec::new() })
}

/// An input as test data is held against it. Where a size is open, any will do, and one sample is run at a time.
fn interface(input: &NamedType) -> Result<Interface, EvalError> {
    let odd = || EvalError::Input { name: input.name.to_string(), what: input.ty.to_string() };
    let ty = input.ty.as_tensor().ok_or_else(odd)?;
    let dimension = |dim: &Dim| match dim {
        Dim::Known(size) => {
            let bound = i64::try_from(*size).ok();
            Ok((*size, Range { min: bound, max: bound }))
        }
        Dim::Unknown => Ok((1, Range { min: Some(1), max: None })),
        Dim::Variadic => Err(odd()),
    };
    let dimensions = ty.shape.iter().map(dimension).collect::<Result<_, _>>()?;
    Ok(Interface { name: input.name.clone(), element: ty.element, dimensions, shapes: Vec::new() })
}

/// A program in float and what a recipe made of it.
#[derive(Debug)]
pub struct Pair {
    /// As it was.
    pub float: Ready,
    /// As it is.
    pub quantized: Ready,
}

impl Pair {
    /// The two, which must give as many outputs.
    pub fn new(float: Ready, quantized: Ready) -> Result<Pair, EvalError> {
        let names = |ready: &Ready| ready.executable.outputs().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
        let (before, after) = (names(&float), names(&quantized));
        if before.len() != after.len() {
            let missing = before.get(after.len()).or(after.get(before.len()));
            return Err(EvalError::Differ(missing.cloned().unwrap_or_default()));
        }
        Ok(Pair { float, quantized })
    }
}

/// A batch with the element types that a program takes.
pub fn fitted(executable: &Executable, batch: &[(Name, Tensor)]) -> Result<Vec<(Name, Tensor)>, EvalError> {
    let one = |(name, tensor): &(Name, Tensor)| {
        let declared = executable.inputs().find(|input| input.name == *name);
        let element = declared.and_then(|input| input.ty.as_tensor()).map(|ty| ty.element);
        let element = element.filter(|element| *element != tensor.element());
        let Some(element) = element else { return Ok((name.clone(), tensor.clone())) };
        let made = Tensor::new(element, tensor.shape().to_vec(), tensor.data().clone());
        let made = made.map_err(|error| EvalError::Input { name: name.to_string(), what: error.to_string() })?;
        Ok((name.clone(), made))
    };
    batch.iter().map(one).collect()
}
