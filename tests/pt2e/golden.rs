//! Settings of upstream's quantizer and what came of them: where codes stand, ranges, integers of weights, outputs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use bitmill::convert::Tensors;
use bitmill::graph::aten::{Argument, Definition, Node, Program, ValueId};
use bitmill::graph::function::Opset;
use bitmill::model::Model;
use bitmill::pt2e::{
    Averaging, CalibrateError, Calibrated, Calibration, Passes, PrepareError, Prepared, Site, Sites, Spec, Twice,
    annotate, insert, sites,
};
use bitmill::quant::affine::{AffineSpec, quantize};
use bitmill::run::export::Archived;
use bitmill::scheme::{Arithmetic, FloatType, Mapping, ScaleSearch};
use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::{Golden, largest, tensor};

/// A setting of upstream's quantizer and what came of it.
pub struct Case {
    pub name: String,
    pub golden: Json,
    tensors: Vec<u8>,
    pub model: String,
}

impl Case {
    pub fn is_intended(&self) -> bool {
        self.name.ends_with("--intended")
    }

    /// Settings of modules and types that differ from the rest, names first, then what holds for all.
    pub fn configs(&self) -> Vec<(Who, Option<Config>)> {
        let recipe = &self.golden["recipe"];
        let mut all = Vec::new();
        for (key, who) in [("names", Who::Name as fn(String) -> Who), ("types", Who::Type)] {
            for (name, config) in recipe[key].as_object().into_iter().flatten() {
                all.push((who(name.clone()), Config::read(config)));
            }
        }
        all.push((Who::All, Config::read(&recipe["global"])));
        all
    }
}

/// What a configuration is for.
#[derive(Clone)]
pub enum Who {
    Name(String),
    Type(String),
    All,
}

/// A configuration.
#[derive(Clone, Copy)]
pub struct Config {
    pub symmetric: bool,
    pub has_activations: bool,
    pub signed_weights: bool,
    pub per_channel: bool,
    min_max: bool,
}

impl Config {
    fn read(json: &Json) -> Option<Config> {
        json.as_object()?;
        Some(Config {
            symmetric: json["quantization_scheme"] == "symmetric",
            has_activations: json["activation_dtype"] == "quint8",
            signed_weights: json["weight_dtype"] == "qint8",
            per_channel: json["weight_per_channel"] == true,
            min_max: json["activation_observer"] == "min_max",
        })
    }

    fn spec(self) -> Option<Spec> {
        self.has_activations.then_some(Spec { signed: false, symmetric: self.symmetric })
    }
}

pub fn cases(golden: &Golden) -> Vec<Case> {
    let directory = golden.root.join("pt2e");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "json") && path.to_string_lossy().contains("--"));
    paths.sort();
    let case = |path: &PathBuf| {
        let text: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // The one that is there as a structure only has the operators of the smaller one.
        let model = name.split("--").next().unwrap();
        let model = if model == "mobilenet-v2" { "mobilenet-v2-0.35" } else { model }.to_owned();
        let tensors = std::fs::read(path.with_extension("safetensors")).unwrap_or_default();
        Case { name, golden: text, tensors, model }
    };
    paths.iter().map(case).collect()
}

fn weight_of(node: &Node) -> Option<ValueId> {
    let name = &*node.operator.name;
    let is_weighted = matches!(name, "conv1d" | "conv2d" | "conv3d" | "linear");
    node.argument("weight").filter(|_| is_weighted)?.value()
}

/// The convolution that a batch normalization is folded into.
fn folded(program: &Program) -> HashMap<usize, usize> {
    let graph = &program.graph;
    let of = |(index, node): (usize, &Node)| {
        let input = node.argument("input").filter(|_| node.operator.is_aten("batch_norm"))?.value()?;
        match graph.value(input)?.definition {
            Definition::Node(conv) if weight_of(&graph.nodes[conv as usize]).is_some() => Some((index, conv as usize)),
            _ => None,
        }
    };
    graph.nodes.iter().enumerate().filter_map(of).collect()
}

/// The setting of each operation, as upstream's quantizer finds it.
fn config_of(case: &Case, program: &Program, index: usize) -> Option<usize> {
    let node = &program.graph.nodes[index];
    let modules: Vec<_> = node.modules.iter().map(|id| &program.modules[id.0 as usize]).collect();
    let has = |who: &Who| match who {
        Who::Name(name) => modules.iter().any(|module| *module.path == **name),
        Who::Type(class) => modules.iter().any(|module| module.class.rsplit('.').next() == Some(class.as_str())),
        Who::All => true,
    };
    let configs = case.configs();
    // What upstream makes of a type alone that is to be skipped: nothing.
    let has_names = configs.iter().any(|(who, _)| matches!(who, Who::Name(_)));
    let counts = |who: &Who, config: &Option<Config>| {
        has(who) && (case.is_intended() || config.is_some() || has_names || !matches!(who, Who::Type(_)))
    };
    let at = configs.iter().position(|(who, config)| counts(who, config))?;
    // Parameters carry no module in exports, so that upstream never finds operators that have some by name or type; a
    // bias that folding made carries none either where the graph was repaired before.
    let makes_bias = node.argument("bias").and_then(Argument::value).is_none() && {
        folded(program).values().any(|conv| *conv == index)
    };
    let is_lost = weight_of(node).is_some() && (!case.is_intended() || makes_bias);
    (matches!(configs[at].0, Who::All) || !is_lost).then_some(at)
}

/// Where a value becomes codes: the operation that gives it, whether it was codes before, who takes it.
pub type Place = (String, bool, BTreeSet<String>);

fn producer_name(program: &Program, value: ValueId) -> String {
    let value = program.graph.value(value).unwrap();
    match value.definition {
        Definition::Node(index) => {
            let index = folded(program).get(&(index as usize)).copied().unwrap_or(index as usize);
            program.graph.nodes[index].name.to_string()
        }
        Definition::Input(_) => value.name.to_string(),
    }
}

pub fn places(program: &Program, sites: &Sites) -> Vec<Place> {
    let graph = &program.graph;
    let name = |index: &usize| graph.nodes[*index].name.to_string();
    let place = |site: &Site| {
        let users = match &site.users {
            Some(users) => users.iter().map(name).collect(),
            None => {
                let others = sites.all.iter().filter(|other| other.value == site.value);
                let others: Vec<usize> = others.filter_map(|other| other.users.clone()).flatten().collect();
                let takes = |node: &Node| node.arguments.iter().any(|(_, a)| a.values().contains(&site.value));
                let users = (0..graph.nodes.len()).filter(|i| takes(&graph.nodes[*i]) && !others.contains(i));
                let handed_out = graph.outputs.iter().any(|output| output.values().contains(&site.value));
                users.map(|index| name(&index)).chain(handed_out.then(|| "output".to_owned())).collect()
            }
        };
        (producer_name(program, site.value), site.again, users)
    };
    sites.all.iter().filter(|site| !is_stored(program, site.value)).map(place).collect()
}

/// Whether a value is a tensor of the archive: upstream's graphs have its codes in place of a quantizer.
fn is_stored(program: &Program, value: ValueId) -> bool {
    let Definition::Input(at) = program.graph.value(value).unwrap().definition else { return false };
    program.inputs[at as usize].role.stored().is_some()
}

/// What operators take of stored tensors: who takes it, its scale and zero point, and the codes.
type Constant = (BTreeSet<String>, f32, i32, Vec<i32>);

/// Compares the stored tensors that become codes; gives how many there are.
fn constants_are_equal(case: &Case, model: &Model, outcome: &Outcome) -> usize {
    let export = model.export.as_ref().unwrap();
    let program = &export.programs[0];
    let name = |index: &usize| program.graph.nodes[*index].name.to_string();
    let mut own: Vec<Constant> = Vec::new();
    for site in outcome.sites.all.iter().filter(|site| is_stored(program, site.value)) {
        let parameters = outcome.calibrated.parameters[site.group].unwrap();
        let input = program.inputs.iter().find(|input| input.value == Some(site.value)).unwrap();
        let bytes = Archived { export, program: 0 }.elements(input.role.stored().unwrap()).unwrap().into_owned();
        let values = bytes.as_chunks().0.iter().map(|raw| f32::from_le_bytes(*raw));
        let codes = values.map(|value| parameters.code(value)).collect();
        let users = site.users.as_ref().unwrap().iter().map(name).collect();
        own.push((users, parameters.scale, parameters.zero_point, codes));
    }
    // There each operator has a node of its own that makes values of codes.
    let mut theirs: Vec<Constant> = Vec::new();
    for constant in case.golden["constants"].as_array().into_iter().flatten() {
        let users = constant["consumers"].as_array().unwrap().iter().map(|user| user.as_str().unwrap().to_owned());
        let codes = constant["codes"].as_array().unwrap().iter().map(|code| code.as_i64().unwrap() as i32).collect();
        let (scale, zero) =
            (constant["scale"].as_f64().unwrap() as f32, constant["zero_point"].as_i64().unwrap() as i32);
        match theirs.iter_mut().find(|known| (known.1, &known.3) == (scale, &codes)) {
            Some(known) => known.0.extend(users),
            None => theirs.push((users.collect(), scale, zero, codes)),
        }
    }
    let order = |constant: &Constant| constant.0.clone();
    own.sort_by_key(order);
    theirs.sort_by_key(order);
    assert_eq!(own, theirs, "{}", case.name);
    own.len()
}

/// The quantizers of upstream's graph.
pub fn golden_places(golden: &Json) -> Vec<(Place, f64, i64)> {
    let nodes = golden["nodes"].as_array().unwrap();
    let text = |json: &Json| json.as_str().unwrap().to_owned();
    let takers = |name: &str| -> Vec<String> {
        let of =
            nodes.iter().filter(|node| node["op"].as_str().unwrap().starts_with("dequantize") && node["input"] == name);
        of.flat_map(|node| node["consumers"].as_array().unwrap().iter().map(text)).collect()
    };
    let is_quantizer = |node: &&Json| node["op"] == "quantize_per_tensor" && node["producer_target"] != "get_attr";
    let place = |node: &Json| {
        let users = takers(node["node"].as_str().unwrap()).into_iter().filter(|user| !user.starts_with("quantize_"));
        let again = node["input"].as_str().unwrap().starts_with("dequantize_");
        let place = (text(&node["producer"]), again, users.collect());
        (place, node["scale"].as_f64().unwrap(), node["zero_point"].as_i64().unwrap())
    };
    nodes.iter().filter(is_quantizer).map(place).collect()
}

/// The codes, scales and zero points of a weight.
type Integers = (Vec<i8>, Vec<f32>, Vec<i16>);

/// What is compared of a setting.
struct Outcome {
    sites: Sites,
    calibrated: Calibrated,
    weights: BTreeMap<String, Integers>,
    output: Vec<f32>,
}

#[derive(Debug)]
#[allow(dead_code, reason = "shown where a test fails")]
struct Failed(String);

impl From<PrepareError> for Failed {
    fn from(error: PrepareError) -> Self {
        Failed(error.to_string())
    }
}

impl From<CalibrateError> for Failed {
    fn from(error: CalibrateError) -> Self {
        Failed(error.to_string())
    }
}

fn run(case: &Case, golden: &Golden, model: &Model, twice: Twice) -> Outcome {
    let export = model.export.as_ref().unwrap();
    let program = &export.programs[0];
    let tensors = Archived { export, program: 0 };
    let configs = case.configs();
    let of = |index: usize| config_of(case, program, index);
    let specs = configs.iter().map(|(_, config)| config.and_then(Config::spec)).collect();
    let passes = Passes { specs, of: &of, operands: &|_| true };
    let annotations = annotate(program, &passes);
    let sites = sites(program, &passes, twice);
    // The configuration of each weight.
    let mut config_of_weight: HashMap<String, Config> = HashMap::new();
    for (index, node) in program.graph.nodes.iter().enumerate() {
        let Some(weight) = weight_of(node).filter(|_| annotations[index].is_some()) else { continue };
        let name = program.inputs.iter().find(|input| input.value == Some(weight)).unwrap().role.stored().unwrap();
        if let Some(config) = of(index).and_then(|at| configs[at].1) {
            config_of_weight.insert(name.to_string(), config);
        }
    }
    let made = RefCell::new(BTreeMap::new());
    let weights = |name: &str, shape: &[usize], values: Vec<f32>| -> Result<Option<Vec<f32>>, Failed> {
        let Some(config) = config_of_weight.get(name) else { return Ok(None) };
        let mut block = shape.to_vec();
        if config.per_channel {
            block[0] = 1;
        }
        let spec = AffineSpec {
            bits: 8,
            signed: config.signed_weights,
            mapping: if config.symmetric { Mapping::Symmetric } else { Mapping::Asymmetric },
            arithmetic: Arithmetic::Torchao,
            scale: Some(FloatType::Fp32),
            search: ScaleSearch::MinMax,
        };
        let quantized = quantize(&values, shape, &block, &spec).unwrap();
        let zeros = (0..quantized.zero_points.len()).map(|at| quantized.zero_point(at).unwrap()).collect();
        let codes = quantized.codes.clone();
        made.borrow_mut().insert(name.to_owned(), (codes, quantized.scales.clone(), zeros));
        Ok(Some(quantized.dequantize::<f32>().unwrap()))
    };
    let prepared = Prepared::new(program, &tensors, Opset::CoreML7, &sites, &weights).unwrap();
    if case.tensors.is_empty() {
        return Outcome { sites, calibrated: Calibrated::default(), weights: BTreeMap::new(), output: Vec::new() };
    }
    let samples = golden.samples(&case.model);
    let samples = SafeTensors::deserialize(&samples).unwrap();
    let input = prepared.inputs[0].name.clone();
    let batch =
        |number: usize| Ok::<_, Failed>(vec![(input.clone(), tensor(&samples, &format!("calibration.{number}")))]);
    let min_max = configs.iter().flat_map(|(_, config)| config).any(|config| config.min_max);
    let averaging = if min_max { Averaging::None } else { Averaging::default() };
    let batches = case.golden["calibration_batches"].as_u64().unwrap_or(0) as usize;
    let cancel = AtomicBool::new(false);
    let calibration = Calibration { averaging, in_float: false };
    let calibrated = prepared.calibrate(calibration, (batches, &batch), (&|_| (), &cancel)).unwrap();
    let quantized = insert(program, &sites, &calibrated.parameters);
    let nothing = Sites::default();
    let simulated = Prepared::new(&quantized, &tensors, Opset::CoreML7, &nothing, &weights).unwrap();
    let outputs = simulated.run([(&*input, tensor(&samples, "input"))]).unwrap();
    let output = outputs[0].1.as_floats().unwrap().to_vec();
    Outcome { sites, calibrated, weights: made.into_inner(), output }
}

/// Ranges are compared within this share. They depend on the order in which floats are summed; and as the first batch
/// fills a symmetric range to its end, its extreme lies at -127.5 codes, halfway between two, so that the last bit of a
/// sum decides which of them it becomes. What comes after such a value differs by up to a code's width: where one
/// operator alone lies between, as the scaling of attention scores, it is 0.97 codes, which is one code in the first of
/// four batches, averaged with the three others (0.99³). Of the full set 34 of 671 ranges are concerned, all of them of
/// one attention and one MobileNetV2, in whose later layers several such values add up.
const CLOSE: f64 = 1e-3;

/// The width of a code of symmetric ranges.
const STEP: f64 = 1.0 / 127.0;

#[test]
fn everything_is_as_upstream_has_it() {
    let golden = Golden::new();
    assert_eq!(compared(&golden), if golden.is_full { 76 } else { 7 });
}

#[test]
fn other_models_are_as_upstream_has_them() {
    assert_eq!(compared(&Golden::more()), 8);
}

/// A program that was taken apart is quantized at the same places as the whole one: values of the same modules, with
/// codes of the same kind. Functions and poolings that become several operators bring more places.
#[test]
fn what_was_taken_apart_is_quantized_as_the_whole() {
    let golden = Golden::more();
    for name in ["normalized", "sequence", "branches", "constants"] {
        let [whole, apart] = [name.to_owned(), format!("{name}-core")].map(|name| {
            let model = golden.model(&name);
            let program = &model.export.as_ref().unwrap().programs[0];
            let spec = Spec { signed: false, symmetric: true };
            let passes = Passes { specs: vec![Some(spec)], of: &|_| Some(0), operands: &|_| true };
            let sites = sites(program, &passes, Twice::Never);
            let place = |site: &Site| {
                let (value, spec) = (program.graph.value(site.value).unwrap(), sites.groups[site.group]);
                let module = match value.definition {
                    Definition::Input(at) => program.inputs[at as usize].role.stored().map(ToString::to_string),
                    Definition::Node(at) => {
                        let module = program.graph.nodes[at as usize].module().unwrap();
                        Some(program.modules[module.0 as usize].path.to_string())
                    }
                };
                (module, spec.symmetric, site.users.is_some())
            };
            let mut all: Vec<_> = sites.all.iter().map(place).collect();
            all.sort();
            (all, sites.groups.len())
        });
        if matches!(name, "normalized" | "constants") {
            assert_eq!(whole, apart, "{name}");
        }
        assert!(whole.0.iter().all(|place| apart.0.contains(place)), "{name}: {whole:?} {apart:?}");
    }
}

/// Compares every setting that there is; gives their number.
fn compared(golden: &Golden) -> usize {
    let cases = cases(golden);
    let mut models: HashMap<String, Model> = HashMap::new();
    let (mut apart, mut ranges, mut constants, mut worst) = (0, 0, 0, 0f32);
    for case in &cases {
        let model = models.entry(case.model.clone()).or_insert_with(|| golden.model(&case.model));
        let program = &model.export.as_ref().unwrap().programs[0];
        let outcome = run(case, golden, model, Twice::AsUpstream);
        let own = places(program, &outcome.sites);
        let theirs = golden_places(&case.golden);
        let places: BTreeSet<&Place> = theirs.iter().map(|(place, ..)| place).collect();
        assert_eq!(own.iter().collect::<BTreeSet<_>>(), places, "{}", case.name);
        assert_eq!(own.len(), theirs.len(), "{}", case.name);
        if case.tensors.is_empty() {
            continue;
        }
        constants += constants_are_equal(case, model, &outcome);
        for (place, scale, zero_point) in &theirs {
            let at = own.iter().position(|own| own == place).unwrap();
            let computed = outcome.sites.all.iter().filter(|site| !is_stored(program, site.value));
            let group = computed.map(|site| site.group).nth(at).unwrap();
            let parameters = outcome.calibrated.parameters[group].unwrap();
            let error = (f64::from(parameters.scale) / scale - 1.0).abs();
            assert!(error < 1.5 * STEP, "{} {place:?}: {} for {scale}", case.name, parameters.scale);
            assert!((i64::from(parameters.zero_point) - zero_point).abs() <= 1, "{} {place:?}", case.name);
            if error >= CLOSE {
                println!("{} {place:?}: {:.2} codes", case.name, error / STEP);
            }
            (ranges, apart) = (ranges + 1, apart + usize::from(error >= CLOSE));
        }
        let stored = SafeTensors::deserialize(&case.tensors).unwrap();
        if stored.names().iter().any(|name| name.ends_with("/int")) {
            weights_are_equal(case, &outcome, &stored);
        }
        let expected = tensor(&stored, "output");
        let expected = expected.as_floats().unwrap();
        let error =
            largest(outcome.output.iter().zip(expected).map(|(a, b)| a - b)) / largest(expected.iter().copied());
        worst = worst.max(error);
        assert!(error < 0.02, "{}: {error}", case.name);
    }
    println!(
        "{constants} constants, {ranges} ranges, {apart} of them further apart than {CLOSE}; outputs within {worst}"
    );
    assert!(apart * 10 < ranges, "{apart} of {ranges}");
    cases.len()
}

/// Every code and every zero point, and scales but for the last bit.
fn weights_are_equal(case: &Case, outcome: &Outcome, stored: &SafeTensors<'_>) {
    let theirs: BTreeSet<&str> = stored.names().into_iter().filter_map(|name| name.strip_suffix("/int")).collect();
    assert_eq!(outcome.weights.keys().map(String::as_str).collect::<BTreeSet<_>>(), theirs, "{}", case.name);
    for (name, (codes, scales, zeros)) in &outcome.weights {
        let golden = stored.tensor(&format!("{name}/int")).unwrap();
        let codes: Vec<u8> = codes.iter().map(|code| code.cast_unsigned()).collect();
        assert!(codes == golden.data(), "{} {name}", case.name);
        let node = case.golden["nodes"].as_array().unwrap().iter().find(|node| node["weight"] == **name).unwrap();
        let numbers = |json: &Json| match json.as_array() {
            Some(all) => all.iter().map(|one| one.as_f64().unwrap()).collect(),
            None => vec![json.as_f64().unwrap()],
        };
        let pairs = scales.iter().zip(numbers(&node["scale"]));
        assert!(pairs.into_iter().all(|(a, b)| (f64::from(*a) / b - 1.0).abs() < 1e-6), "{} {name}", case.name);
        let pairs = zeros.iter().zip(numbers(&node["zero_point"]));
        assert!(pairs.into_iter().all(|(a, b)| f64::from(*a) == b), "{} {name}", case.name);
    }
}

/// What is codes already does not become codes again: those places are all that is missing.
#[test]
fn nothing_is_quantized_twice() {
    let golden = Golden::new();
    for case in cases(&golden) {
        let model = golden.model(&case.model);
        let program = &model.export.as_ref().unwrap().programs[0];
        let [once, twice] = [Twice::Never, Twice::AsUpstream].map(|twice| {
            let configs = case.configs();
            let specs = configs.iter().map(|(_, config)| config.and_then(Config::spec)).collect();
            let of = |index| config_of(&case, program, index);
            sites(program, &Passes { specs, of: &of, operands: &|_| true }, twice)
        });
        assert!(once.all.iter().all(|site| !site.again));
        let first = |sites: &Sites| {
            let all = sites.all.iter().filter(|site| !site.again);
            all.map(|site| (site.value, site.users.clone())).collect::<Vec<_>>()
        };
        assert_eq!(first(&once), first(&twice), "{}", case.name);
    }
}
