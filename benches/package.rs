//! Runs on a synthetic package of 128 MiB: linear layers of 4096 × 4096 in fp16. Kept whole, beside a plain copy of its
//! file of weights, quantized, and decompressed again. In bytes of input; everything ends with the bytes on the disk.
//!
//! `BITMILL_BENCH_LAYERS` asks for another number of layers, of 32 MiB each.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bitmill::check::{self, Known};
use bitmill::element::ElementType;
use bitmill::formats::coreml::PackageWriter;
use bitmill::formats::coreml::proto::{
    Block, BlockEntry, Entry, Function, FunctionEntry, Kept, Model as Message, ModelKind, Operation, Program,
};
use bitmill::formats::output::Destination;
use bitmill::lower::message;
use bitmill::model::Model;
use bitmill::recipe::NoImports;
use bitmill::run::decompress::{Decompress, decompress};
use bitmill::run::{self, Job, OutputFormat, Quiet};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use half::f16;

const SIDE: usize = 4096;

fn layers() -> usize {
    std::env::var("BITMILL_BENCH_LAYERS").ok().and_then(|layers| layers.parse().ok()).unwrap_or(4)
}

/// Bytes of numbers that look like a trained layer's, from a fixed sequence.
fn weights(layer: usize) -> Vec<u8> {
    let mut state = layer as u64 + 1;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let values = (0..SIDE * SIDE).map(|_| f16::from_f32((uniform() + uniform() + uniform()) * 0.05));
    values.flat_map(|value| value.to_le_bytes()).collect()
}

fn operation(kind: &str, output: &str, shape: &[usize]) -> Operation {
    let mut operation = Operation { r#type: kind.to_owned(), ..Operation::default() };
    operation.attributes.push(message::attribute("name", message::text(output)));
    operation.outputs.push(message::named(output, ElementType::Fp16, shape));
    operation
}

/// Writes a package of a chain of linear layers.
fn synthetic(path: &Path) {
    let destination = Destination { path, overwrite: false, inputs: &[] };
    let mut writer = PackageWriter::create(&destination).expect("there is a temporary directory");
    let shape = [SIDE, SIDE];
    let mut block = Block::default();
    let mut value = "x".to_owned();
    for layer in 0..layers() {
        let bytes = weights(layer);
        let offset = writer.push(ElementType::Fp16, (SIDE * SIDE) as u64, &bytes).expect("it can be written");
        let weight = format!("layers_{layer}_weight");
        let mut constant = operation("const", &weight, &shape);
        constant.attributes.push(message::attribute("val", message::blob(ElementType::Fp16, &shape, offset)));
        let output = format!("layers_{layer}");
        let mut linear = operation("linear", &output, &[1, SIDE]);
        linear.inputs = vec![message::reference("x", &value), message::reference("weight", &weight)];
        block.operations.extend([constant.into(), linear.into()]);
        value = output;
    }
    block.outputs.push(value);
    let function = Function {
        inputs: vec![message::named("x", ElementType::Fp16, &[1, SIDE])],
        opset: "CoreML8".to_owned(),
        block_specializations: vec![BlockEntry::entry("CoreML8".to_owned(), block.into()).into()],
        attributes: Vec::new(),
    };
    let functions = vec![FunctionEntry::entry("main".to_owned(), function.into()).into()];
    let program = Program { version: 1, functions, ..Program::default() };
    let kind = Some(ModelKind::MlProgram(program.into()));
    let model: Kept<Message> = Message { specification_version: 9, kind, ..Message::default() }.into();
    writer.commit(&model).expect("it can be written");
}

fn run(model: &Model, recipe: &str, output: &Path) {
    let analysis = check::analyze(Path::new("bench.bitmill"), recipe, &NoImports, Known::Model(model));
    let plan = analysis.plan.as_ref().expect("the recipe is right");
    let job = Job {
        recipe: &analysis.recipe,
        model,
        plan,
        format: OutputFormat::MlPackage,
        output,
        overwrite: true,
        inputs: &[],
    };
    run::run(&job, &Quiet, &AtomicBool::new(false)).expect("the recipe fits");
}

fn packages(c: &mut Criterion) {
    let at = tempfile::tempdir().expect("there is a temporary directory");
    let (input, output): (PathBuf, PathBuf) = (at.path().join("in.mlpackage"), at.path().join("out.mlpackage"));
    synthetic(&input);
    let weights = input.join("Data/com.apple.CoreML/weights/weight.bin");
    let mut group = c.benchmark_group("package");
    group
        .throughput(Throughput::Bytes((layers() * SIDE * SIDE * 2) as u64))
        .measurement_time(Duration::from_secs(10))
        .warm_up_time(Duration::from_secs(1))
        .sample_size(10);
    let copy = at.path().join("copy.bin");
    group.bench_function("copy of the file", |b| {
        b.iter(|| {
            fs::copy(&weights, &copy).and_then(|_| fs::File::open(&copy)?.sync_all()).expect("it can be copied");
        });
    });
    for scheme in ["keep", "int8 per-channel", "int4 per-group(32)", "lut4 per-grouped-channel(16)"] {
        let recipe = format!("target iOS18\nall => {scheme}\n");
        group.bench_function(scheme, |b| b.iter(|| run(&Model::open(&input).expect("it opens"), &recipe, &output)));
    }
    // In bytes of what comes out.
    for scheme in ["int4 per-group(32)", "lut4 per-grouped-channel(16)"] {
        let small = at.path().join("small.mlpackage");
        run(&Model::open(&input).expect("it opens"), &format!("target iOS18\nall => {scheme}\n"), &small);
        let model = Model::open(&small).expect("it opens");
        let job = Decompress { model: &model, output: &output, overwrite: true };
        group.bench_function(format!("decompress {scheme}"), |b| {
            b.iter(|| decompress(&job, &Quiet, &AtomicBool::new(false)).expect("it was written"));
        });
    }
    group.finish();
}

criterion_group!(benches, packages);
criterion_main!(benches);
