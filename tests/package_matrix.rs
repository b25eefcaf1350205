//! What passes the checker runs to the end: every scheme, on packages of every operator set, for every target.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bitmill::check::{self, Known};
use bitmill::element::ElementType;
use bitmill::formats::coreml::PackageWriter;
use bitmill::formats::coreml::proto::{
    ArrayDataType, ArrayFeatureType, Block, BlockEntry, Entry, FeatureDescription, FeatureKind, FeatureType, Function,
    FunctionEntry, Kept, Model as Message, ModelDescription, ModelKind, Operation, Program,
};
use bitmill::formats::output::Destination;
use bitmill::graph::function::Opset;
use bitmill::lower::message;
use bitmill::model::Model;
use bitmill::recipe::NoImports;
use bitmill::run::{self, Job, OutputFormat, Quiet};
use half::f16;
use prost::Message as _;
use rayon::prelude::*;

const FIRST_SYSTEMS: [&str; 5] = ["iOS15", "iOS16", "iOS17", "iOS18", "iOS26"];

/// `x` through a chain of linear layers, the last of which shares its weight with an output of the program.
struct Maker {
    writer: PackageWriter,
    element: ElementType,
    operations: Vec<Kept<Operation>>,
}

impl Maker {
    /// A constant whose values are spread unevenly.
    fn constant(&mut self, name: &str, shape: &[usize]) {
        let count: usize = shape.iter().product();
        let value = |at: usize| ((at * 7919 % 1013) as f32 / 506.0 - 1.0).powi(3);
        let bytes: Vec<u8> = match self.element {
            ElementType::Fp16 => (0..count).flat_map(|at| f16::from_f32(value(at)).to_le_bytes()).collect(),
            _ => (0..count).flat_map(|at| value(at).to_le_bytes()).collect(),
        };
        let offset = self.writer.push(self.element, count as u64, &bytes).unwrap();
        let attributes = vec![message::attribute("val", message::blob(self.element, shape, offset))];
        let outputs = vec![message::named(name, self.element, shape)];
        self.operations
            .push(Operation { r#type: "const".to_owned(), attributes, outputs, ..Default::default() }.into());
    }

    fn linear(&mut self, name: &str, x: &str, weight: &str) {
        let inputs = vec![message::reference("x", x), message::reference("weight", weight)];
        let outputs = vec![message::named(name, self.element, &[1, 48])];
        self.operations.push(Operation { r#type: "linear".to_owned(), inputs, outputs, ..Default::default() }.into());
    }
}

fn array(name: &str, element: ElementType, shape: &[i64]) -> Kept<FeatureDescription> {
    let data_type = if element == ElementType::Fp16 { ArrayDataType::Float16 } else { ArrayDataType::Float32 } as i32;
    let array = ArrayFeatureType { shape: shape.to_vec(), data_type, ..Default::default() };
    let ty = FeatureType { kind: Some(FeatureKind::MultiArray(array.into())), ..Default::default() };
    FeatureDescription { name: name.to_owned(), r#type: Some(ty.into()), ..Default::default() }.into()
}

/// A package of an operator set whose weights are of a type.
fn package(path: &Path, set: Opset, element: ElementType) -> Model {
    let writer = PackageWriter::create(&Destination { path, overwrite: false, inputs: &[] }).unwrap();
    let mut maker = Maker { writer, element, operations: Vec::new() };
    maker.constant("fc1_weight", &[48, 48]);
    maker.linear("fc1", "x", "fc1_weight");
    maker.constant("fc2_weight", &[48, 48]);
    maker.linear("fc2", "fc1", "fc2_weight");
    maker.constant("head_weight", &[48, 48]);
    maker.linear("head", "fc2", "head_weight");
    let outputs = vec!["head".to_owned(), "head_weight".to_owned()];
    let block = Block { operations: maker.operations, outputs, ..Default::default() };
    let entry = BlockEntry::entry(set.name().to_owned(), block.into()).into();
    let function = Function {
        inputs: vec![message::named("x", element, &[1, 48])],
        opset: set.name().to_owned(),
        block_specializations: vec![entry],
        ..Default::default()
    };
    let functions = vec![FunctionEntry::entry("main".to_owned(), function.into()).into()];
    let program = Program { version: 1, functions, ..Default::default() };
    let description = ModelDescription {
        input: vec![array("x", element, &[1, 48])],
        output: vec![array("head", element, &[1, 48]), array("head_weight", element, &[48, 48])],
        ..Default::default()
    };
    let model = Kept::from(Message {
        specification_version: set.specification(),
        description: Some(description.into()),
        kind: Some(ModelKind::MlProgram(program.into())),
        ..Default::default()
    });
    maker.writer.commit(&model).unwrap();
    Model::open(path).unwrap()
}

/// Schemes of every base, with every granularity and option that could go with it.
fn schemes() -> Vec<String> {
    let granularities =
        ["", "per-tensor", "per-channel", "per-channel(1)", "per-group(16)", "per-grouped-channel(16)", "block[8, 16]"];
    let mut all: Vec<String> = ["keep", "fp16", "fp32", "bf16", "fp8-e4m3", "sparse 50%", "sparse 2:4", "sparse 100%"]
        .map(str::to_owned)
        .to_vec();
    all.extend(["fp16 sparse 50%", "fp32 sparse 50%", "sparse-below 0.1", "sparse-below 9"].map(str::to_owned));
    all.extend(["lut2", "lut6", "lut8"].map(str::to_owned));
    let affine = ["int4", "int8", "uint8", "uint4", "int3", "uint1"];
    let of_affine =
        ["", "asymmetric", "symmetric-no-clipping", "scale fp32", "scale fp16", "by mse", "by hqq", "sparse 50%"];
    let palettes = ["lut4", "lut1", "lut3", "lut7"];
    let of_palettes =
        ["", "vector(2)", "scaled", "entries int8", "fit uniform", "fit unique", "sparse 50%", "sparse 2:4"];
    for (bases, options) in [(&affine[..], of_affine), (&palettes[..], of_palettes)] {
        for (at, base) in bases.iter().enumerate() {
            for granularity in granularities {
                for option in options {
                    // Not every option with every width: the first has all of them.
                    if option.is_empty() || at == 0 || granularity.is_empty() {
                        all.push(format!("{base} {granularity} {option}"));
                    }
                }
            }
        }
    }
    all
}

/// Runs a recipe that passes; gives what went wrong. `None` where it does not pass.
fn passes_and_runs(model: &Model, recipe: &str, format: OutputFormat, output: PathBuf) -> Option<Result<(), String>> {
    let analysis = check::analyze(Path::new("test.bitmill"), recipe, &NoImports, Known::Model(model));
    if analysis.has_errors() {
        return None;
    }
    let plan = analysis.plan.as_ref().unwrap();
    let job = Job { recipe: &analysis.recipe, model, plan, format, output: &output, overwrite: true, inputs: &[] };
    let run = run::run(&job, &Quiet, &AtomicBool::new(false)).map_err(|error| error.to_string()).and_then(|_| {
        let written = Model::open(&output).map_err(|error| format!("cannot be read again: {error}"))?;
        let set = written.facts.as_ref().and_then(|facts| facts.set).ok_or("has no operator set")?;
        let faults = written.program_faults(set);
        if faults.is_empty() { Ok(()) } else { Err(format!("{faults:#?}")) }
    });
    Some(run)
}

#[test]
fn what_passes_runs_to_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut cases: Vec<(usize, String)> = Vec::new();
    let mut models = Vec::new();
    for element in [ElementType::Fp16, ElementType::Fp32] {
        for set in Opset::ALL {
            models.push(package(&directory.path().join(format!("{set}-{element}.mlpackage")), set, element));
        }
    }
    for at in 0..models.len() {
        // Targets matter to the oldest package and to one in the middle; fp16 to those that are not.
        let targets = FIRST_SYSTEMS.iter().map(|system| format!("target {system}\n"));
        let targets = targets.filter(|_| matches!(at % Opset::ALL.len(), 0 | 2));
        let precision = (at >= Opset::ALL.len()).then(|| "precision fp16\n".to_owned());
        for head in std::iter::once(String::new()).chain(targets).chain(precision) {
            cases.extend(schemes().iter().map(|scheme| (at, format!("{head}\"fc1\" => {scheme}\n"))));
        }
        cases.push((at, "linear => int8 per-channel\n".to_owned()));
        cases.push((at, "linear => int8 per-channel\n\"head\" => keep\n".to_owned()));
    }
    let run_one = |(number, (at, recipe)): (usize, &(usize, String))| {
        let output = directory.path().join(format!("out-{number}.mlpackage"));
        let outcome = passes_and_runs(&models[*at], recipe, OutputFormat::MlPackage, output.clone());
        _ = std::fs::remove_dir_all(output);
        Some((models[*at].path.file_name().unwrap().to_owned(), recipe.clone(), outcome?))
    };
    let all: Vec<_> = cases.par_iter().enumerate().filter_map(run_one).collect();
    let failed: Vec<String> = all
        .iter()
        .filter_map(|(name, recipe, outcome)| Some(format!("{}: {recipe}{}", name.display(), outcome.as_ref().err()?)))
        .collect();
    assert!(failed.is_empty(), "{} of {} fail\n{}", failed.len(), all.len(), failed[..failed.len().min(20)].join("\n"));
    assert!(all.len() > cases.len() / 10, "{} of {} pass", all.len(), cases.len());
}

/// `target none` has no package of its own; plain weights can be written whatever the scheme.
#[test]
fn experiments_are_written_in_floats() {
    let directory = tempfile::tempdir().unwrap();
    let model = package(&directory.path().join("m.mlpackage"), Opset::CoreML6, ElementType::Fp16);
    for scheme in ["int3 per-group(16)", "int4 per-group(16)", "lut3 per-grouped-channel(16)", "int8 sparse 50%"] {
        let recipe = format!("target none\n\"fc1\" => {scheme}\n");
        let output = directory.path().join("out.mlpackage");
        let outcome = passes_and_runs(&model, &recipe, OutputFormat::Dequantized, output.clone());
        assert_eq!(outcome, Some(Ok(())), "{scheme}");
        let refused = passes_and_runs(&model, &recipe, OutputFormat::MlPackage, output);
        assert!(refused.is_some_and(|outcome| outcome.is_err_and(|why| why.contains("target none"))), "{scheme}");
    }
}

/// The packages of the repository that coremltools wrote, unpacked.
fn unpacked(name: &str) -> (tempfile::TempDir, Vec<PathBuf>) {
    let archive = format!("tests/data/conformance/{name}.tar.gz");
    let file = std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(archive)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(directory.path()).unwrap();
    let entries = std::fs::read_dir(directory.path().join(name)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path().join("model.mlpackage")).collect();
    paths.retain(|path| path.is_dir());
    paths.sort();
    (directory, paths)
}

/// What rules say of packages that upstream wrote: nothing is broken, and all of them can be raised.
#[test]
fn upstream_packages_are_sound() {
    let mut said = String::new();
    for archive in ["packages", "lowered"] {
        let (_directory, paths) = unpacked(archive);
        for path in paths {
            let name = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
            let model = Model::open(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            let own = model.facts.as_ref().unwrap().set.unwrap();
            for set in Opset::ALL.into_iter().filter(|set| *set >= own) {
                let faults = model.program_faults(set);
                assert!(faults.is_empty(), "{name} in {set}: {faults:#?}");
            }
            let recipe = "compute cpu-and-ne\nall => int8 per-channel\n";
            let analysis = check::analyze(Path::new("test.bitmill"), recipe, &NoImports, Known::Model(&model));
            let mut codes: Vec<&str> = analysis.findings.iter().map(|finding| finding.code).collect();
            codes.dedup();
            let codes = if codes.is_empty() { "nothing".to_owned() } else { codes.join(", ") };
            said += &format!("{name} ({own}): {codes}\n");
        }
    }
    insta::assert_snapshot!(said, @"
    cond (CoreML6): nothing
    enum (CoreML6): weight-below-threshold
    image (CoreML6): weight-below-threshold
    multi (CoreML8): weight-below-threshold
    range (CoreML6): input-range-neural-engine, weight-below-threshold
    state (CoreML8): nothing
    tiny-cnn--affine--iOS17 (CoreML7): weight-already-quantized
    tiny-cnn--static-8bit--iOS17 (CoreML7): weight-already-quantized
    tiny-cnn--static-8bit--iOS18 (CoreML8): weight-already-quantized
    tiny-cnn--weight-only-8bit--iOS17 (CoreML7): weight-already-quantized
    tiny-lm--codebook-uint1-16xall--iOS18 (CoreML8): weight-already-quantized
    tiny-lm--codebook-uint3-16xall--iOS26 (CoreML9): weight-already-quantized
    tiny-lm--int4-group32-asymmetric--iOS18 (CoreML8): weight-already-quantized
    tiny-lm--int8-axis--iOS16 (CoreML6): weight-already-quantized
    ");
}

/// A fault that a package has in its own operator set is none that a newer one brings, though its words name the set.
#[test]
fn a_fault_of_a_package_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.mlpackage");
    drop(package(&path, Opset::CoreML6, ElementType::Fp16));
    let program = path.join("Data/com.apple.CoreML/model.mlmodel");
    let mut message = Kept::<Message>::decode(&std::fs::read(&program).unwrap()[..]).unwrap();
    let Some(ModelKind::MlProgram(mil)) = &mut message.kind else { panic!() };
    let function = mil.functions[0].value.as_mut().unwrap();
    let block = function.block_specializations[0].value.as_mut().unwrap();
    let linear = block.operations.iter_mut().find(|operation| operation.r#type == "linear").unwrap();
    linear.inputs.push(message::reference("stranger", "x"));
    std::fs::write(&program, message.encode_to_vec()).unwrap();
    let model = Model::open(&path).unwrap();
    for head in ["", "target iOS16\n", "target iOS17\n", "target iOS18\n"] {
        let recipe = format!("{head}\"fc1\" => int8 per-channel\n");
        let analysis = check::analyze(Path::new("test.bitmill"), &recipe, &NoImports, Known::Model(&model));
        let mut codes: Vec<&str> = analysis.findings.iter().map(|finding| finding.code).collect();
        codes.retain(|code| matches!(*code, "package-faults" | "package-raise-breaks"));
        assert_eq!(codes, ["package-faults"], "{recipe}{:#?}", analysis.findings);
    }
}
