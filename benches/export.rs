//! From an exported program to a package: MobileNetV2 at 224 x 224. `tests/upstream/mobilenet.py DIRECTORY` makes the
//! model and its samples and measures PyTorch on them; `BITMILL_MODELS` names that directory here. Without it nothing
//! is measured.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bitmill::check::{self, Known};
use bitmill::convert;
use bitmill::model::Model;
use bitmill::recipe::NoImports;
use bitmill::run::export::{Archived, operator_set};
use bitmill::run::{self, Job, OutputFormat, Quiet};
use criterion::{Criterion, criterion_group, criterion_main};

/// Samples of a pass.
const SAMPLES: usize = 16;

fn models() -> Option<PathBuf> {
    let directory = std::env::var_os("BITMILL_MODELS").map(PathBuf::from);
    directory.filter(|directory| directory.join("mobilenet-v2-224.pt2").exists())
}

/// Runs a recipe of a model, and writes aside.
fn run(directory: &Path, model: &Model, recipe: &str, output: &Path) {
    let path = directory.join("bench.bitmill");
    let analysis = check::analyze(&path, recipe, &NoImports, Known::Model(model));
    let plan = analysis.plan.as_ref().expect("a plan");
    let job = Job {
        recipe: &analysis.recipe,
        model,
        plan,
        format: OutputFormat::MlPackage,
        output,
        overwrite: true,
        inputs: &[],
    };
    run::run(&job, &Quiet, &AtomicBool::new(false)).expect("a package");
}

fn export(c: &mut Criterion) {
    let Some(directory) = models() else {
        eprintln!("SKIPPED: BITMILL_MODELS names no directory with mobilenet-v2-224.pt2");
        return;
    };
    let path = directory.join("mobilenet-v2-224.pt2");
    let aside = tempfile::tempdir().expect("a directory");
    let output = aside.path().join("made.mlpackage");
    let mut group = c.benchmark_group("export");
    group.sample_size(10);
    group.bench_function("open", |b| b.iter(|| Model::open(&path).expect("an export")));
    group.bench_function("open and convert", |b| {
        b.iter(|| {
            let model = Model::open(&path).expect("an export");
            let export = model.export.as_ref().expect("an export");
            let tensors = Archived { export, program: 0 };
            let recipe = check::analyze(Path::new("a.bitmill"), "target iOS17\n", &NoImports, Known::Nothing).recipe;
            convert::convert(&export.programs[0], &tensors, operator_set(&recipe)).expect("a program")
        });
    });
    group.bench_function("open to package", |b| {
        b.iter(|| run(&directory, &Model::open(&path).expect("an export"), "target iOS17\n", &output));
    });
    let model = Model::open(&path).expect("an export");
    let rules = "all => int8 per-channel symmetric, activations uint8\n";
    let calibrated = |observe: &str| {
        format!("target iOS17\ncalibrate \"mobilenet-v2-224.safetensors\" {{ samples {SAMPLES}{observe} }}\n{rules}")
    };
    group.bench_function(format!("static, {SAMPLES} samples"), |b| {
        b.iter(|| run(&directory, &model, &calibrated(""), &output));
    });
    group.bench_function(format!("static, {SAMPLES} samples, observe float"), |b| {
        b.iter(|| run(&directory, &model, &calibrated(", observe float"), &output));
    });
    group.bench_function("static, 1 sample", |b| {
        b.iter(|| run(&directory, &model, &calibrated("").replace("samples 16", "samples 1"), &output));
    });
    group.finish();
}

criterion_group!(benches, export);
criterion_main!(benches);
