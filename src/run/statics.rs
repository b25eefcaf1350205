//! Quantized activations of an export: which rule is about which operation, ranges from the recipe's samples, and the
//! program with quantizers in it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::export::Archived;
use super::{Job, OutputFormat, Progress, RunError, work};
use crate::exec::Tensor;
use crate::graph::Name;
use crate::graph::aten::{Definition, Node, Program, ValueId};
use crate::graph::function::Opset;
use crate::kind::Kind;
use crate::model::Model;
use crate::model::export::ExportModel;
use crate::plan::{Outcome, Plan};
use crate::pt2e::{
    Averaging, CalibrateError, Calibrated, Calibration, Parameters, Passes, PrepareError, Prepared, Range, SampleError,
    Samples, Sites, Spec, Twice, dimensions, insert, is_linear, sites, weight,
};
use crate::recipe::{Observer, Recipe, Rule};
use crate::scheme::{ActivationScheme, Mapping, Scheme, WeightScheme};
use crate::values::Values;

/// What was done to activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activations {
    /// Places where values become codes.
    pub places: usize,
    /// Ranges that were observed.
    pub ranges: usize,
    /// Samples that were run.
    pub samples: u64,
    /// Batches that these made.
    pub batches: usize,
}

/// Whether a recipe quantizes activations.
pub fn is_static(recipe: &Recipe) -> bool {
    recipe.rules.iter().any(|rule| rule.scheme.as_ref().is_some_and(|scheme| spec(scheme).is_some()))
}

/// How a scheme makes codes of values.
fn spec(scheme: &Scheme) -> Option<Spec> {
    let Some(ActivationScheme::Static { signed, mapping, .. }) = scheme.activations else { return None };
    let of_weights = match &scheme.weights {
        WeightScheme::Affine(affine) => affine.mapping,
        _ => Mapping::Symmetric,
    };
    Some(Spec { signed, symmetric: mapping.unwrap_or(of_weights) != Mapping::Asymmetric })
}

/// The samples that a recipe names, before anything else is done with them.
///
/// # Errors
/// If it names none.
pub fn samples_path(recipe: &Recipe) -> Result<PathBuf, RunError> {
    let path = recipe.calibrate.as_ref().and_then(|calibrate| calibrate.path.as_ref());
    path.map(|path| recipe.path(path)).ok_or(RunError::NoSamples)
}

/// Where values become codes, by the rules of a recipe.
pub fn quantizers(program: &Program, export: &ExportModel, recipe: &Recipe, plan: &Plan, twice: Twice) -> Sites {
    let deciding = Deciding { program, export, recipe, plan, stored: stored(program) };
    // The last rule that matches decides: the most particular ones are looked at first, as upstream goes from names over
    // types to the rest. What stays in float whatever its rule says comes last.
    let specs = recipe.rules.iter().rev().map(|rule| rule.scheme.as_ref().and_then(spec)).chain([None]).collect();
    let passes = Passes { specs, of: &|index| deciding.pass(index), operands: &|value| !deciding.is_changed(value) };
    sites(program, &passes, twice)
}

/// The dotted names of the tensors that values of a program are.
fn stored(program: &Program) -> HashMap<ValueId, &Name> {
    let stored = program.inputs.iter().filter_map(|input| Some((input.value?, input.role.stored()?)));
    stored.collect()
}

struct Deciding<'a> {
    program: &'a Program,
    export: &'a ExportModel,
    recipe: &'a Recipe,
    plan: &'a Plan,
    stored: HashMap<ValueId, &'a Name>,
}

impl Deciding<'_> {
    /// The pass of an operation: that of the rule that decides about its weight, or about itself where it has none.
    fn pass(&self, index: usize) -> Option<usize> {
        let graph = &self.program.graph;
        let node = &graph.nodes[index];
        if let Some(weight) = weight(self.program, node).and_then(|value| self.stored.get(&value)) {
            let at = self.export.names.get(&(0, weight.to_string()))?;
            let decision = self.plan.decisions.get(*at)?;
            return match (&decision.outcome, decision.rule) {
                (Outcome::Change(_), Some(rule)) => Some(self.pass_of(rule)),
                (_, Some(rule)) if self.is_kept(rule) => Some(self.pass_of(rule)),
                (_, Some(_)) => Some(self.recipe.rules.len()),
                (_, None) => None,
            };
        }
        let Some(kind) = kind(self.program, node) else {
            // A function goes with the operator before it.
            let taken = node.arguments.first().and_then(|(_, argument)| argument.value())?;
            return match graph.value(taken)?.definition {
                Definition::Node(before) => {
                    let before = before as usize;
                    kind_is_binary(self.program, &graph.nodes[before]).then(|| self.pass(before)).flatten()
                }
                Definition::Input(_) => None,
            };
        };
        let module = node.module().and_then(|id| self.program.modules.get(id.0 as usize));
        let module = module.map_or("", |module| &*module.path);
        let matches = |rule: &Rule| rule.selector.matches_operation(kind, module, &node.name);
        self.recipe.rules.iter().rposition(matches).map(|rule| self.pass_of(rule))
    }

    /// Whether a stored tensor becomes something else as a weight.
    fn is_changed(&self, value: ValueId) -> bool {
        let name = self.stored.get(&value).map(|name| (0, name.to_string()));
        let decision = name.and_then(|name| self.plan.decisions.get(*self.export.names.get(&name)?));
        decision.is_some_and(|decision| decision.outcome.is_change())
    }

    fn pass_of(&self, rule: usize) -> usize {
        self.recipe.rules.len() - 1 - rule
    }

    fn is_kept(&self, rule: usize) -> bool {
        let scheme = self.recipe.rules.get(rule).and_then(|rule| rule.scheme.as_ref());
        scheme.is_some_and(|scheme| scheme.weights == WeightScheme::Keep)
    }
}

/// An operation of an export whose activations a rule can be about though it has no weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What it is to selectors.
    pub kind: Kind,
    /// The dotted path of the module that runs it; empty for the outermost.
    pub module: Name,
    /// Its own name.
    pub name: Name,
}

/// The operations without weights of the one program of an export that selectors can be about, in its order. Told from
/// the program alone.
pub fn operations(export: &ExportModel) -> Vec<Operation> {
    let [program] = &export.programs[..] else { return Vec::new() };
    let graph = &program.graph;
    let stored = stored(program);
    let one = |node: &Node| {
        let kind = kind(program, node)?;
        let is_weighted = weight(program, node).is_some_and(|value| stored.contains_key(&value));
        let module = node.module().and_then(|id| program.modules.get(id.0 as usize));
        let module = module.map_or_else(|| Name::from(""), |module| module.path.clone());
        (!is_weighted).then(|| Operation { kind, module, name: node.name.clone() })
    };
    graph.nodes.iter().filter_map(one).collect()
}

/// What an operation is to the selectors of a recipe, where it can be quantized without a weight of its own.
fn kind(program: &Program, node: &Node) -> Option<Kind> {
    let name = &*node.operator.name;
    if &*node.operator.namespace != "aten" {
        return None;
    }
    if let Some(along) = dimensions(&program.graph, node) {
        return Some([Kind::Conv1d, Kind::Conv2d, Kind::Conv3d][along - 1]);
    }
    Some(match name {
        _ if is_linear(program, node) => Kind::Linear,
        "add" | "add_" => Kind::Add,
        "mul" | "mul_" => Kind::Mul,
        "matmul" | "bmm" | "mm" => Kind::Matmul,
        "flatten" => Kind::Flatten,
        _ if name.contains("max_pool") => Kind::MaxPool,
        _ if name.contains("avg_pool") || name == "mean" => Kind::AvgPool,
        _ => return None,
    })
}

fn kind_is_binary(program: &Program, node: &Node) -> bool {
    matches!(kind(program, node), Some(Kind::Add | Kind::Mul | Kind::Matmul))
}

/// What samples have shown of the activations of an export.
struct Learnt {
    sites: Sites,
    calibrated: Calibrated,
    /// Samples that were run, and the batches that they made.
    samples: u64,
    batches: usize,
}

/// A recipe, its model and the plan for it.
type Planned<'a> = (&'a Recipe, &'a Model, &'a Plan);

/// Runs an export on samples with its weights as they will be.
///
/// # Errors
/// If samples are missing or do not fit, or the program cannot be run on them.
fn learn(
    (recipe, model, plan): Planned,
    (program, export): (&Program, &ExportModel),
    (set, path): (Opset, &Path),
    (progress, cancel): (&dyn Progress, &AtomicBool),
) -> Result<Learnt, RunError> {
    let calibrate = recipe.calibrate.as_ref();
    let in_float = calibrate.is_some_and(|calibrate| calibrate.observe_float);
    let tensors = Archived { export, program: 0 };
    let sites = quantizers(program, export, recipe, plan, Twice::Never);
    if sites.all.is_empty() {
        return Err(RunError::NoActivations);
    }
    let weights = |name: &str, shape: &[usize], values: Vec<f32>| -> Result<Option<Vec<f32>>, RunError> {
        let at = export.names.get(&(0, name.to_owned())).filter(|_| !in_float);
        let Some((weight, decision)) = at.and_then(|at| Some((model.weights.get(*at)?, plan.decisions.get(*at)?)))
        else {
            return Ok(None);
        };
        let Outcome::Change(fitted) = &decision.outcome else { return Ok(None) };
        if weight.shape != shape {
            return Ok(None);
        }
        match work::make_exact(weight, &Values::F32(values.into()), fitted, OutputFormat::Dequantized, cancel) {
            Ok(mut made) => Ok(Some(floats(&made.decoded()))),
            Err(work::Stop::Keep(_)) => Ok(None),
            Err(work::Stop::Error(error)) => Err(error),
        }
    };
    let prepared = Prepared::new(program, &tensors, set, &sites, &weights)?;
    let limit = calibrate.and_then(|calibrate| calibrate.samples).map(|samples| samples.value);
    let samples = Samples::open(path, &prepared.inputs, limit)?;
    let averaging = match calibrate.and_then(|calibrate| calibrate.observer).map(|observer| observer.value) {
        Some(Observer::MinMax) => Averaging::None,
        _ => calibrate
            .and_then(|calibrate| calibrate.averaging)
            .map_or(Averaging::default(), |share| Averaging::Moving(share.value as f32)),
    };
    let calibration = Calibration { averaging, in_float };
    let batch = |number: usize| -> Result<Vec<(Name, Tensor)>, RunError> { Ok(samples.batch(number)?) };
    let bytes = samples.bytes();
    progress.begin(bytes);
    let each = bytes / samples.batches().max(1) as u64;
    let done = |number: usize| progress.done(&format!("sample {number} of {}", samples.batches()), each);
    let calibrated = prepared.calibrate(calibration, (samples.batches(), &batch), (&done, cancel))?;
    let (batches, samples) = (samples.batches(), samples.count());
    Ok(Learnt { sites, calibrated, samples, batches })
}

/// The program of a job with quantizers in it, their ranges learnt from the samples.
///
/// # Errors
/// If samples are missing or do not fit, or the program cannot be run on them.
pub fn quantized(
    job: &Job,
    of: (&Program, &ExportModel),
    set: Opset,
    watched: (&dyn Progress, &AtomicBool),
) -> Result<(Program, Activations), RunError> {
    let path = samples_path(job.recipe)?;
    let learnt = learn((job.recipe, job.model, job.plan), of, (set, &path), watched)?;
    let Learnt { sites, calibrated, samples, batches } = learnt;
    let activations = Activations {
        places: sites.all.iter().filter(|site| calibrated.parameters[site.group].is_some()).count(),
        ranges: calibrated.parameters.iter().flatten().count(),
        samples,
        batches,
    };
    Ok((insert(of.0, &sites, &calibrated.parameters), activations))
}

/// The ranges of the activations of an export.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges {
    /// The places where values become codes, in the order of the program.
    pub places: Vec<Place>,
    /// Samples that were run.
    pub samples: u64,
    /// Batches that these made.
    pub batches: usize,
}

/// A place where values become codes.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The value's name in the export.
    pub value: Name,
    /// The dotted path of the module that computes it; `None` for inputs and for the outermost.
    pub module: Option<Name>,
    /// The operations that take the codes, by their names; `None` for all that take the value.
    pub users: Option<Vec<Name>>,
    /// Which range it has: places with the same number share one.
    pub group: usize,
    /// What was observed; `None` where the value was never computed.
    pub observed: Option<(Range, Parameters)>,
}

/// Learns the ranges of activations as a run would, from the recipe's samples or those of another file, and tells them.
///
/// # Errors
/// If the model is no export of one program, the recipe quantizes no activations, samples are missing or do not fit, or
/// the program cannot be run.
pub fn ranges(
    planned: (&Recipe, &Model, &Plan),
    samples: Option<&Path>,
    watched: (&dyn Progress, &AtomicBool),
) -> Result<Ranges, RunError> {
    let (recipe, model, _) = planned;
    let of = model.export.as_ref().and_then(|export| match &export.programs[..] {
        [program] => Some((program, &**export)),
        _ => None,
    });
    let Some((program, export)) = of else {
        return Err(RunError::Format("activations are quantized in exports (`.pt2`) of one program only"));
    };
    let program = &*recipe.shaped(program).map_err(|(_, error)| RunError::Shapes(error))?;
    let path = match samples {
        Some(path) => path.to_path_buf(),
        None => samples_path(recipe)?,
    };
    let set = super::export::operator_set(recipe);
    let learnt = learn(planned, (program, export), (set, &path), watched)?;
    let graph = &program.graph;
    let module = |value: &crate::graph::aten::Value| match value.definition {
        Definition::Node(node) => {
            let id = graph.nodes.get(node as usize)?.module()?;
            let module = program.modules.get(id.0 as usize).map(|module| module.path.clone());
            module.filter(|path| !path.is_empty())
        }
        Definition::Input(_) => None,
    };
    let name = |index: &usize| graph.nodes.get(*index).map(|node| node.name.clone());
    let place = |site: &crate::pt2e::Site| {
        let value = graph.value(site.value)?;
        Some(Place {
            value: value.name.clone(),
            module: module(value),
            users: site.users.as_ref().map(|users| users.iter().filter_map(name).collect()),
            group: site.group,
            observed: learnt.calibrated.ranges[site.group].zip(learnt.calibrated.parameters[site.group]),
        })
    };
    let mut sites: Vec<&crate::pt2e::Site> = learnt.sites.all.iter().collect();
    sites.sort_by_key(|site| site.value.0);
    let mut places: Vec<Place> = sites.into_iter().filter_map(place).collect();
    // Numbered by their first place, so that who shares is seen.
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    for place in &mut places {
        let next = numbers.len();
        place.group = *numbers.entry(place.group).or_insert(next);
    }
    Ok(Ranges { places, samples: learnt.samples, batches: learnt.batches })
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect()
}

impl From<PrepareError> for RunError {
    fn from(error: PrepareError) -> RunError {
        match error {
            PrepareError::Convert(error) => RunError::Convert(error),
            PrepareError::Constant(why) => RunError::Constant(why),
            PrepareError::Run(_) => RunError::Calibrate(error.to_string()),
        }
    }
}

impl From<CalibrateError> for RunError {
    fn from(error: CalibrateError) -> RunError {
        match error {
            CalibrateError::Cancelled => RunError::Cancelled,
            other => RunError::Calibrate(other.to_string()),
        }
    }
}

impl From<SampleError> for RunError {
    fn from(error: SampleError) -> RunError {
        RunError::Samples(error)
    }
}
