//! Runs whose weights are made while others are written: in pools of any size they end, with the same bytes, and
//! where they are interrupted nothing is left.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use bitmill::check::{self, Known};
use bitmill::element::ElementType;
use bitmill::formats::coreml::PackageWriter;
use bitmill::formats::coreml::proto::{
    Block, BlockEntry, Entry, Function, FunctionEntry, Kept, Model as Message, ModelKind, Operation, Program,
};
use bitmill::formats::output::{Destination, PartialFile};
use bitmill::formats::safetensors::{TensorSpec, Writer};
use bitmill::lower::message;
use bitmill::model::Model;
use bitmill::recipe::NoImports;
use bitmill::run::{self, Job, OutputFormat, Progress, Quiet, Report, RunError};
use rayon::prelude::*;

/// Three weights that are worked on alone and small ones between them. One has a value that is not finite.
const WEIGHTS: [(&str, [usize; 2]); 7] = [
    ("a_small", [96, 64]),
    ("b_large", [2048, 2080]),
    ("c_nan", [96, 64]),
    ("d_large", [2048, 2080]),
    ("e_small", [32, 32]),
    ("f_large", [2048, 2080]),
    ("g_small", [96, 64]),
];

fn values(number: usize, shape: [usize; 2]) -> Vec<f32> {
    let mut values: Vec<f32> =
        (0..shape[0] * shape[1]).map(|at| ((at * 7919 + number) % 1013) as f32 / 506.0 - 1.0).collect();
    if number == 2 {
        values[7] = f32::NAN;
    }
    values
}

fn bytes(number: usize, shape: [usize; 2]) -> Vec<u8> {
    values(number, shape).into_iter().flat_map(f32::to_le_bytes).collect()
}

fn operation(kind: &str, output: &str, shape: &[usize]) -> Operation {
    let outputs = vec![message::named(output, ElementType::Fp32, shape)];
    Operation { r#type: kind.to_owned(), outputs, ..Operation::default() }
}

/// A package in which every weight has a `linear` of its own.
fn package(path: &Path) {
    let mut writer = PackageWriter::create(&Destination { path, overwrite: false, inputs: &[] }).unwrap();
    let mut block = Block::default();
    let mut inputs = Vec::new();
    for (number, (name, shape)) in WEIGHTS.into_iter().enumerate() {
        let count = (shape[0] * shape[1]) as u64;
        let offset = writer.push(ElementType::Fp32, count, &bytes(number, shape)).unwrap();
        let (weight, input) = (format!("{name}_weight"), format!("x_{name}"));
        let mut constant = operation("const", &weight, &shape);
        constant.attributes.push(message::attribute("val", message::blob(ElementType::Fp32, &shape, offset)));
        let mut linear = operation("linear", name, &[1, shape[0]]);
        linear.inputs = vec![message::reference("x", &input), message::reference("weight", &weight)];
        inputs.push(message::named(&input, ElementType::Fp32, &[1, shape[1]]));
        block.operations.extend([constant.into(), linear.into()]);
        block.outputs.push(name.to_owned());
    }
    let function = Function {
        inputs,
        opset: "CoreML8".to_owned(),
        block_specializations: vec![BlockEntry::entry("CoreML8".to_owned(), block.into()).into()],
        attributes: Vec::new(),
    };
    let functions = vec![FunctionEntry::entry("main".to_owned(), function.into()).into()];
    let kind = Some(ModelKind::MlProgram(Program { version: 1, functions, ..Program::default() }.into()));
    let model: Kept<Message> = Message { specification_version: 9, kind, ..Message::default() }.into();
    writer.commit(&model).unwrap();
}

fn checkpoint(path: &Path) {
    let file = PartialFile::create(&Destination { path, overwrite: false, inputs: &[] }).unwrap();
    let spec = |(name, shape): (&str, [usize; 2])| TensorSpec {
        name: format!("{name}.q_proj.weight"),
        dtype: bitmill::dtype::DType::F32.into(),
        shape: shape.to_vec(),
        bytes: (shape[0] * shape[1] * 4) as u64,
    };
    let writer = Writer::create(file, &WEIGHTS.map(spec), &[]).unwrap();
    for (number, (_, shape)) in WEIGHTS.into_iter().enumerate() {
        writer.write_at(number, &bytes(number, shape)).unwrap();
    }
    writer.commit().unwrap();
}

/// What is run: a model and a recipe.
struct Case {
    model: PathBuf,
    recipe: &'static str,
    format: OutputFormat,
}

impl Case {
    fn all(at: &Path) -> Vec<Case> {
        let (as_package, as_file) = (at.join("in.mlpackage"), at.join("in.safetensors"));
        package(&as_package);
        checkpoint(&as_file);
        let case = |model: &Path, recipe, format| Case { model: model.to_owned(), recipe, format };
        vec![
            case(&as_package, "target iOS18\nlinear => int8 per-channel\n\"d*\" => keep\n", OutputFormat::MlPackage),
            case(&as_package, "target iOS18\nprecision fp16\n\"f*\" => int4 per-group(32)\n", OutputFormat::MlPackage),
            case(&as_file, "target iOS18\nlinear => int4 per-group(32)\n\"d*\" => keep\n", OutputFormat::Packed),
            case(&as_file, "target iOS18\nlinear => int8 per-channel\n", OutputFormat::Torchao),
        ]
    }

    /// Where an output of this name goes.
    fn output(&self, at: &Path, name: &str) -> PathBuf {
        let ending = if self.format == OutputFormat::MlPackage { "mlpackage" } else { "safetensors" };
        at.join(name).with_extension(ending)
    }

    fn run(&self, output: &Path, progress: &dyn Progress, cancel: &AtomicBool) -> Result<Report, RunError> {
        let model = Model::open(&self.model).unwrap();
        let analysis = check::analyze(Path::new("a.bitmill"), self.recipe, &NoImports, Known::Model(&model));
        assert!(!analysis.has_errors(), "{:#?}", analysis.findings);
        let plan = analysis.plan.as_ref().unwrap();
        let (recipe, format) = (&analysis.recipe, self.format);
        let job = Job { recipe, model: &model, plan, format, output, overwrite: false, inputs: &[] };
        run::run(&job, progress, cancel)
    }
}

/// Every file below a path with its bytes, by its name.
fn files(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    if path.is_file() {
        return vec![(PathBuf::new(), fs::read(path).unwrap())];
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let inner = |entry: PathBuf| {
        let name = PathBuf::from(entry.file_name().unwrap());
        files(&entry).into_iter().map(move |(inner, bytes)| (name.join(inner), bytes))
    };
    entries.into_iter().flat_map(inner).collect()
}

/// Ends the test where something waits for itself.
fn within_minutes(run: impl FnOnce() + Send) {
    let (done, ended) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            run();
            drop(done);
        });
        if ended.recv_timeout(Duration::from_secs(180)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("runs wait for each other");
            std::process::exit(1);
        }
    });
}

#[test]
fn in_pools_of_any_size_runs_end_with_the_same_bytes() {
    let at = tempfile::tempdir().unwrap();
    let cases = Case::all(at.path());
    within_minutes(|| {
        for (number, case) in cases.iter().enumerate() {
            let first = case.output(at.path(), &format!("{number}-first"));
            let report = case.run(&first, &Quiet, &AtomicBool::new(false)).unwrap();
            assert_eq!(report.kept.len(), usize::from(case.recipe.contains("linear")), "NaN");
            let expected = files(&first);
            for threads in [1, 2] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    // Side by side, so that a thread that waits meets others that do.
                    (0..2).into_par_iter().for_each(|run| {
                        let output = case.output(at.path(), &format!("{number}-{threads}-{run}"));
                        case.run(&output, &Quiet, &AtomicBool::new(false)).unwrap();
                        let found = files(&output);
                        assert_eq!(found.len(), expected.len(), "{}", case.recipe);
                        for (found, expected) in found.iter().zip(&expected) {
                            assert!(found == expected, "{}: {}", found.0.display(), case.recipe);
                        }
                    });
                });
            }
        }
    });
}

/// Interrupts when so many weights are done.
struct After<'a> {
    left: AtomicUsize,
    cancel: &'a AtomicBool,
}

impl Progress for After<'_> {
    fn begin(&self, _: u64) {}
    fn done(&self, _: &str, _: u64) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.cancel.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let at = tempfile::tempdir().unwrap();
    let cases = Case::all(at.path());
    let before = files(at.path()).len();
    for case in &cases {
        for done in 1..=4 {
            let cancel = AtomicBool::new(false);
            let progress = After { left: AtomicUsize::new(done), cancel: &cancel };
            let output = case.output(at.path(), "out");
            let result = case.run(&output, &progress, &cancel);
            if cancel.into_inner() {
                assert!(matches!(result, Err(RunError::Cancelled)), "{result:?} after {done} of {}", case.recipe);
                assert_eq!(files(at.path()).len(), before);
            } else {
                result.unwrap();
                let remove = if output.is_dir() { fs::remove_dir_all } else { fs::remove_file };
                remove(output).unwrap();
            }
        }
    }
}
