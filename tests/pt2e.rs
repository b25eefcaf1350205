//! Static quantization of exports against what PyTorch's PT2E with ExecuTorch's `CoreMLQuantizer` did: where codes
//! stand, ranges, the integers of weights, outputs. `tests/data/pt2e` holds some settings; where `BITMILL_CONFORMANCE`
//! names the full set, all 76 of them run.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bitmill::exec::Tensor;
use bitmill::graph::ElementType;
use bitmill::graph::aten::{Argument, Definition, Node, Program, ValueId};
use bitmill::graph::function::Opset;
use bitmill::model::Model;
use bitmill::pt2e::{
    Annotation, Averaging, CalibrateError, Calibrated, Calibration, Passes, PrepareError, Prepared, Sites, Spec, Twice,
    annotate, insert, sites,
};
use bitmill::quant::affine::{AffineSpec, quantize};
use bitmill::run::export::Archived;
use bitmill::scheme::{Arithmetic, FloatType, Mapping, ScaleSearch};
use safetensors::SafeTensors;
use serde_json::Value as Json;

/// A setting of upstream's quantizer and what came of it.
struct Case {
    name: String,
    golden: Json,
    tensors: Vec<u8>,
    model: PathBuf,
}

impl Case {
    fn is_intended(&self) -> bool {
        self.name.ends_with("--intended")
    }

    /// Settings of modules and types that differ from the rest, names first, then what holds for all.
    fn configs(&self) -> Vec<(Who, Option<Config>)> {
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

#[derive(Clone)]
enum Who {
    Name(String),
    Type(String),
    All,
}

/// A configuration.
#[derive(Clone, Copy)]
struct Config {
    symmetric: bool,
    has_activations: bool,
    signed_weights: bool,
    per_channel: bool,
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

fn cases() -> Vec<Case> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pt2e");
    let root = std::env::var_os("BITMILL_CONFORMANCE").map(PathBuf::from);
    let directory = root.as_ref().map_or(own.clone(), |root| root.join("pt2e"));
    let models = root.as_ref().map_or(own, |root| root.join("models"));
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "json") && path.to_string_lossy().contains("--"));
    paths.sort();
    let case = |path: &PathBuf| {
        let golden: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // The one that is there as a structure only has the operators of the smaller one.
        let model = name.split("--").next().unwrap().replace("mobilenet-v2-0.35", "mobilenet-v2");
        let model = model.replace("mobilenet-v2", "mobilenet-v2-0.35");
        let tensors = std::fs::read(path.with_extension("safetensors")).unwrap_or_default();
        let found = models.join(format!("{model}.pt2"));
        let model = match found.exists() {
            true => found,
            false => Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/pt2/{model}.pt2")),
        };
        Case { name, golden, tensors, model }
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
type Place = (String, bool, BTreeSet<String>);

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

fn places(program: &Program, sites: &Sites) -> Vec<Place> {
    let graph = &program.graph;
    let name = |index: &usize| graph.nodes[*index].name.to_string();
    let place = |site: &bitmill::pt2e::Site| {
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
    sites.all.iter().map(place).collect()
}

/// The quantizers of upstream's graph.
fn golden_places(golden: &Json) -> Vec<(Place, f64, i64)> {
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

fn tensor(stored: &SafeTensors<'_>, name: &str) -> Option<Tensor> {
    let view = stored.tensor(name).ok()?;
    Some(Tensor::from_bytes(ElementType::Fp32, view.shape().to_vec(), view.data()).unwrap())
}

/// What is compared of a setting.
struct Outcome {
    sites: Sites,
    calibrated: Calibrated,
    weights: BTreeMap<String, (Vec<i8>, Vec<f32>, Vec<i16>)>,
    output: Option<Vec<f32>>,
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

fn run(case: &Case, model: &Model, twice: Twice, in_float: bool) -> Outcome {
    let export = model.export.as_ref().unwrap();
    let program = &export.programs[0];
    let tensors = Archived { export, program: 0 };
    let configs = case.configs();
    let of = |index: usize| config_of(case, program, index);
    let specs = configs.iter().map(|(_, config)| config.and_then(Config::spec)).collect();
    let passes = Passes { specs, of: &of };
    let annotations: Vec<Option<Annotation>> = annotate(program, &passes);
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
    let made = std::cell::RefCell::new(BTreeMap::new());
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
    let samples = std::fs::read(case.model.with_extension("safetensors")).unwrap_or_else(|_| {
        let name = case.model.file_stem().unwrap().to_str().unwrap().to_owned();
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/pt2e/{name}.safetensors")))
            .unwrap()
    });
    let samples = SafeTensors::deserialize(&samples).unwrap();
    let input = prepared.inputs[0].name.clone();
    let batch = |number: usize| {
        let tensor = tensor(&samples, &format!("calibration.{number}")).unwrap();
        Ok::<_, Failed>(vec![(input.clone(), tensor)])
    };
    let min_max = configs.iter().flat_map(|(_, config)| config).any(|config| config.min_max);
    let averaging = if min_max { Averaging::None } else { Averaging::default() };
    let batches = case.golden["calibration_batches"].as_u64().unwrap_or(0) as usize;
    if case.tensors.is_empty() {
        return Outcome { sites, calibrated: Calibrated::default(), weights: BTreeMap::new(), output: None };
    }
    let cancel = AtomicBool::new(false);
    let calibration = Calibration { averaging, in_float };
    let calibrated = prepared.calibrate(calibration, (batches, &batch), (&|_| (), &cancel)).unwrap();
    let quantized = insert(program, &sites, &calibrated.parameters);
    let nothing = Sites::default();
    let simulated = Prepared::new(&quantized, &tensors, Opset::CoreML7, &nothing, &weights).unwrap();
    let input = simulated.run([(&*input, tensor(&samples, "input").unwrap())]).unwrap();
    let output = input[0].1.as_floats().unwrap().to_vec();
    Outcome { sites, calibrated, weights: made.into_inner(), output: Some(output) }
}

#[test]
fn everything_is_as_upstream_has_it() {
    let cases = cases();
    if std::env::var_os("BITMILL_CONFORMANCE").is_some() {
        assert_eq!(cases.len(), 76);
    }
    let mut models: HashMap<PathBuf, Model> = HashMap::new();
    let mut worst = (0f64, 0f64);
    for case in &cases {
        let model = models.entry(case.model.clone()).or_insert_with(|| Model::open(&case.model).unwrap());
        let program = &model.export.as_ref().unwrap().programs[0];
        let outcome = run(case, model, Twice::AsUpstream, false);
        let own = places(program, &outcome.sites);
        let golden = golden_places(&case.golden);
        let sorted = |places: Vec<Place>| places.into_iter().collect::<BTreeSet<Place>>();
        let golden_only = golden.iter().map(|(place, ..)| place.clone()).collect();
        assert_eq!(sorted(own.clone()), sorted(golden_only), "{}", case.name);
        assert_eq!(own.len(), golden.len(), "{}", case.name);
        if case.tensors.is_empty() {
            continue;
        }
        for (place, scale, zero_point) in &golden {
            let at = own.iter().position(|own| own == place).unwrap();
            let parameters = outcome.calibrated.parameters[outcome.sites.all[at].group].unwrap();
            let error = (f64::from(parameters.scale) / scale - 1.0).abs();
            worst.0 = worst.0.max(error);
            if error >= 1e-3 {
                println!("{} {place:?}: {} {scale} {error}", case.name, parameters.scale);
            }
            assert!((i64::from(parameters.zero_point) - zero_point).abs() <= 1, "{} {place:?}", case.name);
        }
        let stored = SafeTensors::deserialize(&case.tensors).unwrap();
        let quantized: BTreeSet<&str> =
            stored.names().into_iter().filter_map(|name| name.strip_suffix("/int")).collect();
        assert_eq!(outcome.weights.keys().map(String::as_str).collect::<BTreeSet<_>>(), quantized, "{}", case.name);
        for (name, (codes, scales, zeros)) in &outcome.weights {
            let golden = stored.tensor(&format!("{name}/int")).unwrap();
            let most = codes.iter().zip(golden.data()).map(|(a, b)| a.cast_unsigned().abs_diff(*b)).max().unwrap();
            assert!(most <= 1 || most == 255, "{} {name}: {most}", case.name);
            let off = codes.iter().zip(golden.data()).filter(|(a, b)| a.cast_unsigned() != **b).count();
            if off > 0 {
                println!("{} {name} {off} of {}", case.name, codes.len());
            }
            let node = case.golden["nodes"].as_array().unwrap().iter().find(|node| node["weight"] == **name).unwrap();
            let numbers = |json: &Json| match json.as_array() {
                Some(all) => all.iter().map(|one| one.as_f64().unwrap()).collect(),
                None => vec![json.as_f64().unwrap()],
            };
            for (own, golden) in scales.iter().zip(numbers(&node["scale"])) {
                assert!((f64::from(*own) / golden - 1.0).abs() < 1e-6, "{} {name}", case.name);
            }
            for (own, golden) in zeros.iter().zip(numbers(&node["zero_point"])) {
                assert!((f64::from(*own) - golden).abs() <= 1.0, "{} {name} {own} {golden}", case.name);
            }
        }
        let golden = tensor(&stored, "output").unwrap();
        let golden = golden.as_floats().unwrap();
        let most = golden.iter().fold(0f32, |most, value| most.max(value.abs()));
        let output = outcome.output.unwrap();
        let error = output.iter().zip(golden).fold(0f32, |worst, (a, b)| worst.max((a - b).abs())) / most;
        worst.1 = worst.1.max(f64::from(error));
        println!("{}: {error:e}", case.name);
        assert!(error < 0.03, "{}: {error}", case.name);
    }
    println!("{} settings: scales within {:e}, outputs within {:e}", cases.len(), worst.0, worst.1);
}
