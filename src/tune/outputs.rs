//! What quantized weights do to the answers of a model: its program in float with other values for some of its
//! constants, run on samples.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::cache::{About, Cache};
use super::candidates::{Candidate, Tunable};
use super::error::{Loss, TuneError};
use super::measure::{Losses, Task};
use crate::convert::Interface;
use crate::eval::programs::{self, Ready};
use crate::eval::{Batch, EvalError, FLOAT, Outputs, QUANTIZED};
use crate::exec::{Executable, Tensor};
use crate::formats::output::{Destination, PartialDirectory};
use crate::graph::Name;
use crate::graph::index::Path as GraphPath;
use crate::graph::{Program, TensorType};
use crate::model::{Model, ModelData};
use crate::plan::{self, Outcome};
use crate::pt2e::Samples;
use crate::quant::power::Power;
use crate::recipe::Recipe;
use crate::run::export::{self, Plain};
use crate::run::measure::Subject;
use crate::run::{Progress, RunError};
use crate::scheme::{Scheme, WeightScheme};

/// Most bytes of outputs in float that are kept; what is beyond is computed again for each candidate.
const MOST_KEPT: u64 = 1 << 30;

/// A model that is run on samples.
pub struct Runner {
    /// What a run would quantize: the package that is the model, or that the export becomes.
    model: Model,
    recipe: Recipe,
    data: ModelData,
    /// Whether codes are those of the values in fp32, as a run has it for exports.
    exact: bool,
    executable: Executable,
    /// The constants that each weight of the tuned model is, by its name, with their type.
    constants: HashMap<String, (usize, Vec<(String, TensorType)>)>,
    samples: Samples,
    /// Outputs in float, batch by batch, as far as they are kept.
    floats: Vec<Outputs>,
    /// The package of an export, which goes when this goes.
    _aside: Option<PartialDirectory>,
}

impl Runner {
    /// Makes a model ready, checks the samples, and runs it on them in float.
    ///
    /// # Errors
    /// If it cannot be run, or the samples do not fit.
    pub fn new(
        recipe: &Recipe,
        model: &Model,
        (data, limit): (&Path, Option<u64>),
        (progress, cancel): (&dyn Progress, &AtomicBool),
    ) -> Result<Runner, TuneError> {
        let (plain, aside) = plain(recipe, model, cancel)?;
        let Plain { model, recipe, inputs } = plain;
        let package = model.program.clone().ok_or(EvalError::NoProgram)?;
        let Ready { executable, inputs: declared, .. } = programs::ready(&package.program, &package.package, FLOAT)?;
        let inputs: Vec<Interface> = if aside.is_some() { inputs } else { declared };
        let samples = Samples::open(data, &inputs, limit).map_err(EvalError::from)?;
        let mut constants = HashMap::new();
        for (index, (weight, constant)) in model.weights.iter().zip(&package.constants).enumerate() {
            let named = constant.places.iter().filter_map(|place| definition(&package.program, place));
            // Other functions are not run.
            let named = named.filter(|(name, _)| executable.constant(name).is_ok_and(|known| known.is_some()));
            let named: Vec<_> = named.collect();
            if !named.is_empty() {
                constants.insert(weight.name.clone(), (index, named));
            }
        }
        let opened = model.open_data()?;
        let exact = aside.is_some();
        let floats = Vec::new();
        let mut runner =
            Runner { model, recipe, data: opened, exact, executable, constants, samples, floats, _aside: aside };
        runner.keep(progress, cancel)?;
        Ok(runner)
    }

    /// Keeps outputs in float, from the first batch on.
    fn keep(&mut self, progress: &dyn Progress, cancel: &AtomicBool) -> Result<(), TuneError> {
        let each = self.samples.bytes() / self.samples.batches().max(1) as u64;
        progress.begin(self.samples.bytes());
        let mut bytes = 0u64;
        for number in 0..self.samples.batches() {
            let outputs = self.run(&self.executable, number, FLOAT, cancel)?;
            if number == 0 && !outputs.iter().any(|(_, output)| output.as_floats().is_some()) {
                return Err(TuneError::NoFloats);
            }
            bytes = outputs.iter().fold(bytes, |sum, (_, output)| sum.saturating_add(output.data().bytes()));
            if bytes > MOST_KEPT {
                break;
            }
            self.floats.push(outputs);
            progress.done("in float", each);
        }
        Ok(())
    }

    fn run(
        &self,
        executable: &Executable,
        number: usize,
        which: &'static str,
        cancel: &AtomicBool,
    ) -> Result<Outputs, EvalError> {
        let inputs = self.samples.batch(number)?;
        Batch { inputs: &inputs, number, cancel }.run(executable, which, None)
    }

    /// Samples that are run.
    pub fn samples(&self) -> u64 {
        self.samples.count()
    }

    /// Whether the program has a weight as a constant of its own.
    pub fn has(&self, name: &str) -> bool {
        self.constants.contains_key(name)
    }

    /// The values that a candidate leaves of a weight, as the constants that it is. `None` where the values, or the form
    /// in which the program holds them, forbid it.
    #[allow(clippy::type_complexity)]
    fn constants_of(
        &self,
        name: &str,
        candidate: &Candidate,
        cancel: &AtomicBool,
    ) -> Result<Option<Vec<(String, Tensor)>>, TuneError> {
        let Some((index, constants)) = self.constants.get(name) else { return Ok(None) };
        let weight = plan::in_precision(&self.recipe, &self.model.weights[*index]);
        let Outcome::Change(fitted) = plan::outcome(&self.recipe, &weight, &candidate.scheme) else { return Ok(None) };
        let subject = Subject { recipe: &self.recipe, model: &self.model, data: &self.data };
        let exact = self.exact && is_exact(&candidate.scheme);
        let Ok((values, _)) = subject.decoded_as(*index, &fitted, exact, cancel)? else { return Ok(None) };
        let shape = self.model.weights[*index].shape.clone();
        let mut made = Vec::with_capacity(constants.len());
        for (constant, ty) in constants {
            let data = crate::exec::tensor::Data::from(values.clone());
            match Tensor::new(ty.element, shape.clone(), data) {
                Ok(tensor) => made.push((constant.clone(), tensor)),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(made))
    }

    /// What the outputs lose with some weights quantized, each by its name.
    ///
    /// # Errors
    /// If cancelled, or the program cannot be run. `None` where one of the weights cannot be quantized so.
    pub fn loss(&self, changed: &[(&str, &Candidate)], cancel: &AtomicBool) -> Result<Option<Loss>, TuneError> {
        let mut values = Vec::new();
        for (name, candidate) in changed.iter().filter(|(_, candidate)| candidate.fitted.is_some()) {
            match self.constants_of(name, candidate, cancel)? {
                Some(made) => values.extend(made),
                None => return Ok(None),
            }
        }
        let error = |source| EvalError::Program { which: QUANTIZED, source: Box::new(source) };
        let executable = self.executable.with_constants(values).map_err(error)?;
        let mut powers: Vec<Power> = Vec::new();
        for number in 0..self.samples.batches() {
            let computed;
            let float = match self.floats.get(number) {
                Some(kept) => kept,
                None => {
                    computed = self.run(&self.executable, number, FLOAT, cancel)?;
                    &computed
                }
            };
            let quantized = self.run(&executable, number, QUANTIZED, cancel)?;
            let pairs = float.iter().zip(&quantized);
            let floats = pairs.filter_map(|((name, was), (_, is))| Some((name, was.as_floats()?, is.as_floats()?)));
            for (at, (name, was, is)) in floats.enumerate() {
                let power = Power::between(was, is).map_err(|_| EvalError::Differ(name.to_string()))?;
                match powers.get_mut(at) {
                    Some(sum) => *sum = sum.and(&power),
                    None => powers.push(power),
                }
            }
        }
        Ok(Some(Loss::of(powers.iter().map(|power| (power.signal, power.noise)).collect())))
    }

    /// What the outputs lose with each candidate of each weight alone, of those in `worth`. As many are run side by side
    /// as there are threads, so memory is bounded by the values of so many runs.
    ///
    /// # Errors
    /// If cancelled, or the program cannot be run.
    pub fn alone(
        &self,
        named: &[(&Tunable, &str)],
        worth: &[Vec<usize>],
        cache: &Cache,
        (progress, cancel): (&dyn Progress, &AtomicBool),
    ) -> Result<Losses, TuneError> {
        let about = |task: &Task| About {
            of: "outputs".to_owned(),
            weight: named[task.item].1.to_owned(),
            scheme: named[task.item].0.candidates[task.candidate].scheme.to_string(),
        };
        let mut losses: Losses = named.iter().map(|(one, _)| vec![None; one.candidates.len()]).collect();
        let mut open = Vec::new();
        for (item, ((one, _), worth)) in named.iter().zip(worth).enumerate() {
            for &candidate in worth {
                let task = Task { item, candidate };
                match (&one.candidates[candidate].fitted, cache.get(&about(&task))) {
                    (None, _) => losses[item][candidate] = Some(Loss::default()),
                    (Some(_), Some(powers)) => {
                        losses[item][candidate] = (!powers.is_empty()).then(|| Loss::of(powers));
                    }
                    (Some(_), None) => open.push(task),
                }
            }
        }
        let each = self.samples.bytes().max(1);
        progress.begin(each.saturating_mul(open.len() as u64));
        let one = |task: &Task| -> Result<(Task, Option<Loss>), TuneError> {
            if cancel.load(Ordering::Relaxed) {
                return Err(RunError::Cancelled.into());
            }
            let (tunable, name) = named[task.item];
            let loss = self.loss(&[(name, &tunable.candidates[task.candidate])], cancel)?;
            cache.put(about(task), loss.as_ref().map(|loss| loss.powers.clone()).unwrap_or_default());
            progress.done(name, each);
            Ok((*task, loss))
        };
        for wave in open.chunks(rayon::current_num_threads().max(1)) {
            let done: Vec<_> = wave.par_iter().map(one).collect::<Result<_, _>>()?;
            for (task, loss) in done {
                losses[task.item][task.candidate] = loss;
            }
        }
        Ok(losses)
    }
}

/// Whether a run makes the codes of a scheme from the values in fp32.
fn is_exact(scheme: &Scheme) -> bool {
    matches!(&scheme.weights, WeightScheme::Affine(affine) if affine.scale.is_none())
}

/// The package that a run would quantize, and where it lies if it was made for that.
fn plain(recipe: &Recipe, model: &Model, cancel: &AtomicBool) -> Result<(Plain, Option<PartialDirectory>), TuneError> {
    if model.program.is_some() {
        return Ok((Plain { model: model.clone(), recipe: recipe.clone(), inputs: Vec::new() }, None));
    }
    let Some(found) = &model.export else { return Err(EvalError::NoProgram.into()) };
    if found.programs.len() != 1 {
        let why = format!("the archive holds {} programs, and one is run: export it alone", found.programs.len());
        return Err(EvalError::Asked(why).into());
    }
    if recipe.is_experiment() {
        let why = "with `target none` no package is made of an export, and only packages are run: leave the target out";
        return Err(EvalError::Asked(why.to_owned()).into());
    }
    // Registered with the outputs that a signal removes.
    let aside = std::env::temp_dir().join(format!("bitmill-tune-{}", std::process::id()));
    let aside = PartialDirectory::create(&Destination { path: &aside, overwrite: true, inputs: &[] });
    let aside = aside.map_err(RunError::from)?;
    let made = export::plain(model, recipe, &aside.path().join("plain.mlpackage"), cancel)?;
    Ok((made, Some(aside)))
}

/// The constant that an operation of a program defines, with its type.
fn definition(program: &Program, path: &GraphPath) -> Option<(String, TensorType)> {
    let mut block = &program.function(&path.function)?.block;
    for (operation, nested) in &path.through {
        block = block.operations.get(*operation as usize)?.blocks.get(*nested as usize)?;
    }
    let output = block.operations.get(path.index as usize)?.outputs.first()?;
    let name: &Name = &output.name;
    Some((name.to_string(), output.ty.as_tensor()?.clone()))
}
