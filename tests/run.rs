//! Runs on the shipped models: every format, what is kept, what reads back, what is left behind.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bitmill::check::{self, Analysis, Fact, Known, Severity};
use bitmill::formats::safetensors::Reader;
use bitmill::model::Model;
use bitmill::recipe::NoImports;
use bitmill::run::{self, Job, OutputFormat, Quiet, Report, RunError};
use bitmill::values;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models").join(name)
}

fn analyze(recipe: &str, model: &Model) -> Analysis {
    let analysis = check::analyze(Path::new("test.bitmill"), recipe, &NoImports, Known::Model(model));
    assert!(!analysis.has_errors(), "{:#?}", analysis.findings);
    analysis
}

fn run_to(recipe: &str, model: &Model, format: OutputFormat, output: &Path) -> Result<Report, RunError> {
    let analysis = analyze(recipe, model);
    let plan = analysis.plan.as_ref().unwrap();
    let job = Job { recipe: &analysis.recipe, model, plan, format, output, overwrite: false, inputs: &[] };
    run::run(&job, &Quiet, &AtomicBool::new(false))
}

const BYTES_LM: &str = "target iOS18\n\
    embedding => int8 per-channel\n\
    linear => int4 per-group(32)\n\
    \"*.mlp.*\" => lut4 per-grouped-channel(16)\n\
    \"layers.0.attention.*\" => lut3 per-tensor\n\
    \"layers.1.attention.q_proj\" => uint4 per-group(64) asymmetric sparse 50%\n\
    \"layers.1.attention.k_proj\" => lut6 per-tensor sparse 2:4\n\
    \"layers.1.attention.v_proj\" => lut4 vector(2) entries int8\n\
    \"layers.1.attention.o_proj\" => lut4 scaled\n\
    \"layers.2.attention.q_proj\" => sparse 75%\n\
    \"layers.2.attention.k_proj\" => int8 per-tensor asymmetric by mse\n\
    \"layers.2.attention.v_proj\" => int8 per-channel by hqq\n\
    \"layers.2.attention.o_proj\" => lut5 block[-1, 16] fit uniform\n\
    \"layers.3.attention.q_proj\" => sparse-below 0.02\n\
    \"layers.3.attention.k_proj\" => uint8 block[16, 16] symmetric\n\
    \"lm_head\" => keep\n";

#[test]
fn the_packed_format_reads_back_as_the_dequantized_values() {
    let model = Model::open(&example("bytes-lm.safetensors")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (packed, floats) = (directory.path().join("packed.safetensors"), directory.path().join("floats.safetensors"));
    let report = run_to(BYTES_LM, &model, OutputFormat::Packed, &packed).unwrap();
    run_to(BYTES_LM, &model, OutputFormat::Dequantized, &floats).unwrap();
    assert!(report.written < report.before * 2 / 5, "{} of {}", report.written, report.before);
    let header = report.written - report.after;
    assert!(header < 20_000, "the planned size is the size on disk: {header} bytes more");

    let again = Model::open(&packed).unwrap();
    let data = again.open_data().unwrap();
    let reader = Reader::open(&floats).unwrap();
    let names = |model: &Model| model.weights.iter().map(|w| (w.name.clone(), w.shape.clone())).collect::<Vec<_>>();
    assert_eq!(names(&again), names(&model));
    for weight in &again.weights {
        let bytes = values::read(&data, &again, weight).unwrap().to_bytes();
        assert!(bytes == reader.tensor(&weight.name).unwrap(), "{}", weight.name);
    }
    // A packed checkpoint is a model like any other: what is kept of it stays as it is.
    let third = directory.path().join("third.safetensors");
    run_to("target iOS18\n\"lm_head\" => int8\n", &again, OutputFormat::Packed, &third).unwrap();
    let twice = Model::open(&third).unwrap();
    assert_eq!(twice.packed.len(), again.packed.len() + 1);
}

#[test]
fn what_is_kept_is_byte_for_byte_the_input() {
    let path = example("digits.safetensors");
    let model = Model::open(&path).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let original = Reader::open(&path).unwrap();
    for (format, ..) in OutputFormat::ALL.iter().filter(|(format, ..)| *format != OutputFormat::MlPackage) {
        let output = directory.path().join(format.word());
        let report = run_to("target iOS16\nlinear => int8\n", &model, *format, &output).unwrap();
        assert_eq!((report.weights.len(), report.copied), (2, model.weights.len() - 2));
        let written = Reader::open(&output).unwrap();
        for weight in model.weights.iter().filter(|w| !report.weights.iter().any(|r| r.name == w.name)) {
            assert_eq!(
                written.tensor(&weight.name).unwrap(),
                original.tensor(&weight.name).unwrap(),
                "{}",
                weight.name
            );
        }
    }
}

#[test]
fn the_same_run_gives_the_same_bytes_on_any_number_of_threads() {
    let model = Model::open(&example("bytes-lm.safetensors")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let on = |threads: usize| {
        let output = directory.path().join(format!("{threads}"));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run_to(BYTES_LM, &model, OutputFormat::Packed, &output).unwrap());
        fs::read(output).unwrap()
    };
    assert!(on(1) == on(3));
}

#[test]
fn outputs_are_whole_or_not_there() {
    let model = Model::open(&example("digits.safetensors")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.safetensors");
    let recipe = "target iOS16\nlinear => int8\n";
    let analysis = analyze(recipe, &model);
    let job = Job {
        recipe: &analysis.recipe,
        model: &model,
        plan: analysis.plan.as_ref().unwrap(),
        format: OutputFormat::Packed,
        output: &output,
        overwrite: false,
        inputs: &[],
    };
    let stopped = run::run(&job, &Quiet, &AtomicBool::new(true));
    assert!(matches!(stopped, Err(RunError::Cancelled)));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);

    fs::write(&output, "precious").unwrap();
    assert!(matches!(run::run(&job, &Quiet, &AtomicBool::new(false)), Err(RunError::Output(_))));
    assert_eq!(fs::read(&output).unwrap(), b"precious");
    run::run(&Job { overwrite: true, ..job }, &Quiet, &AtomicBool::new(false)).unwrap();
    assert!(Reader::open(&output).is_ok());
    let itself = Job { overwrite: true, output: &model.path, ..job };
    assert!(matches!(run::run(&itself, &Quiet, &AtomicBool::new(false)), Err(RunError::Output(_))));
}

#[test]
fn weights_that_their_values_forbid_stay_and_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("odd.safetensors");
    let mut values: Vec<f32> = (0..64 * 64).map(|i| (i as f32 * 0.37).sin()).collect();
    let many: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    values[77] = f32::NAN;
    let broken: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let view = |bytes| safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![64, 64], bytes).unwrap();
    let tensors = [("a.proj.weight", view(&broken)), ("b.proj.weight", view(&many)), ("c.proj.weight", view(&many))];
    safetensors::serialize_to_file(tensors, None, &path).unwrap();
    let model = Model::open(&path).unwrap();
    let output = directory.path().join("out.safetensors");
    let recipe = "target iOS18\nlinear => int8\n\"b.proj\" => lut4 fit unique\n";
    let report = run_to(recipe, &model, OutputFormat::Torchao, &output).unwrap();
    assert_eq!(report.weights.len(), 1);
    assert_eq!(report.kept.len(), 2);
    assert_eq!(Reader::open(&output).unwrap().tensor("a.proj.weight").unwrap(), broken);
}

/// What torchao's layout holds of a pruned palette, put together as `examples/load_torchao.py` does.
fn values_of_codes(file: &Reader, prefix: &str) -> Vec<f32> {
    let floats = |name: &str| -> Vec<f32> {
        let bytes = file.tensor(&format!("{prefix}{name}")).unwrap();
        bytes.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()
    };
    let codes = file.tensor(&format!("{prefix}codes")).unwrap();
    let mask = file.tensor(&format!("{prefix}mask")).unwrap();
    let table = floats("codebook");
    codes.iter().zip(mask).map(|(&code, &stays)| if stays == 0 { 0.0 } else { table[usize::from(code)] }).collect()
}

#[test]
fn pruned_palettes_say_what_is_pruned_in_the_torchao_format() {
    let model = Model::open(&example("bytes-lm.safetensors")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (torchao, floats) = (directory.path().join("torchao"), directory.path().join("floats"));
    for scheme in ["lut4 sparse 50%", "lut3 entries int8 sparse 2:4"] {
        let recipe = format!("target iOS18\n\"lm_head\" => {scheme}\n");
        run_to(&recipe, &model, OutputFormat::Torchao, &torchao).unwrap();
        run_to(&recipe, &model, OutputFormat::Dequantized, &floats).unwrap();
        let values: Vec<u8> = values_of_codes(&Reader::open(&torchao).unwrap(), "lm_head._weight_")
            .into_iter()
            .flat_map(|value| half::f16::from_f32(value).to_le_bytes())
            .collect();
        assert!(values == Reader::open(&floats).unwrap().tensor("lm_head.weight").unwrap(), "{scheme}");
        fs::remove_file(&torchao).unwrap();
        fs::remove_file(&floats).unwrap();
    }
}

/// A model of one weight of each float type, with values of many magnitudes.
fn model_of_every_float(directory: &Path) -> Model {
    let path = directory.join("floats.safetensors");
    let values: Vec<f32> = (0..64 * 64).map(|i| (i as f32 * 0.37).sin() * 0.02 * 1.9f32.powi(i / 64 % 7)).collect();
    let f32s: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let f16s: Vec<u8> = values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
    let bf16s: Vec<u8> = values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect();
    let view = |dtype, bytes| safetensors::tensor::TensorView::new(dtype, vec![64, 64], bytes).unwrap();
    let tensors = [
        ("a.proj.weight", view(safetensors::Dtype::F32, &f32s)),
        ("b.proj.weight", view(safetensors::Dtype::F16, &f16s)),
        ("c.proj.weight", view(safetensors::Dtype::BF16, &bf16s)),
    ];
    safetensors::serialize_to_file(tensors, None, &path).unwrap();
    Model::open(&path).unwrap()
}

#[test]
fn packed_weights_of_every_scheme_and_type_decode_to_what_the_run_reported() {
    let directory = tempfile::tempdir().unwrap();
    let model = model_of_every_float(directory.path());
    let schemes = [
        "int4 per-channel symmetric scale fp16",
        "int4 per-group(32) asymmetric",
        "int3 per-tensor asymmetric scale fp16",
        "uint8 block[16, 16] asymmetric",
        "uint4 per-channel symmetric sparse 50%",
        "int8 per-channel symmetric-no-clipping",
        "int6 per-group(16) by hqq",
        "int8 per-tensor asymmetric by mse sparse 2:4",
        "lut4 per-tensor",
        "lut4 entries int8",
        "lut4 entries int8 scaled",
        "lut3 per-grouped-channel(16) scaled sparse 25%",
        "lut4 vector(2) entries int8",
        "lut5 vector(4) scaled block[16, -1]",
        "lut1 fit uniform",
        "sparse 75%",
    ];
    let mut tried = 0;
    for (scheme, arithmetic) in schemes.iter().flat_map(|s| [(s, "torchao"), (s, "coremltools")]) {
        let recipe = format!("target none\narithmetic {arithmetic}\nlinear => {scheme}\n");
        let at = |name: &str| directory.path().join(format!("{tried}-{name}"));
        let (packed, floats, again) = (at("packed.safetensors"), at("floats"), at("again"));
        let report = run_to(&recipe, &model, OutputFormat::Packed, &packed).unwrap();
        assert_eq!(report.weights.len(), 3, "{recipe}");
        run_to(&recipe, &model, OutputFormat::Dequantized, &floats).unwrap();
        let copy = "target none\nall => keep\n";
        run_to(copy, &Model::open(&packed).unwrap(), OutputFormat::Dequantized, &again).unwrap();
        let (floats, again) = (Reader::open(&floats).unwrap(), Reader::open(&again).unwrap());
        for weight in &model.weights {
            let (expected, found) = (floats.tensor(&weight.name).unwrap(), again.tensor(&weight.name).unwrap());
            assert!(expected == found, "{} with {recipe}", weight.name);
        }
        tried += 1;
    }
    assert_eq!(tried, 2 * schemes.len());
}

#[test]
fn the_report_is_about_the_values_that_the_format_holds() {
    let directory = tempfile::tempdir().unwrap();
    let model = model_of_every_float(directory.path());
    let recipe = "target none\narithmetic coremltools\n\"a.proj\" => int4 per-channel symmetric scale fp16\n";
    let output = directory.path().join("torchao");
    let report = run_to(recipe, &model, OutputFormat::Torchao, &output).unwrap();
    let file = Reader::open(&output).unwrap();
    let original = Reader::open(&model.path).unwrap();
    let scales: Vec<f32> = file
        .tensor("a.proj._weight_scale")
        .unwrap()
        .as_chunks()
        .0
        .iter()
        .map(|b| half::f16::from_le_bytes(*b).to_f32())
        .collect();
    let weights = original.tensor("a.proj.weight").unwrap().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
    let codes = file.tensor("a.proj._weight_qdata").unwrap().iter().map(|c| f32::from(c.cast_signed()));
    // torchao's loader multiplies in binary32 where the scale has another type than the weight.
    let noise: f64 = weights
        .zip(codes)
        .enumerate()
        .map(|(at, (weight, code))| (f64::from(weight) - f64::from(code * scales[at / 64])).powi(2))
        .sum();
    let reported = report.weights[0].error.noise;
    assert!((reported - noise).abs() <= noise * 1e-12, "{reported} {noise}");
}

#[test]
fn integers_that_would_fit_into_fewer_bits_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("coarse.safetensors");
    let view = |bytes| safetensors::tensor::TensorView::new(safetensors::Dtype::F16, vec![64, 64], bytes).unwrap();
    let bytes = |most: f32| {
        let value = |at: i32| half::f16::from_f32((at as f32 * 0.37).sin() * most);
        (0..64 * 64).flat_map(|at| value(at).to_le_bytes()).collect::<Vec<u8>>()
    };
    // torchao's scales are normal numbers: the least one of binary16 is coarse for values as small as these.
    let (tiny, usual) = (bytes(3e-4), bytes(1.0));
    let tensors = [("a.proj.weight", view(&tiny)), ("b.proj.weight", view(&usual))];
    safetensors::serialize_to_file(tensors, None, &path).unwrap();
    let model = Model::open(&path).unwrap();
    let output = directory.path().join("out");
    let recipe = "target iOS18\nlinear => int8 per-channel\n";
    let report = run_to(recipe, &model, OutputFormat::Packed, &output).unwrap();
    let facts: Vec<&[Fact]> = report.weights.iter().map(|weight| weight.facts.as_slice()).collect();
    assert_eq!(facts, [&[Fact::Narrow][..], &[]]);
    let known = analyze(recipe, &model).recipe;
    let after = check::analyze_recipe(known, Known::Model(&model), Some(&report.facts()));
    assert!(after.findings.iter().any(|finding| finding.code == "codes-narrow"), "{:#?}", after.findings);
}

/// How many values a bound sets to zero is known after the run, and so is whether that pays for a mask.
#[test]
fn bounds_that_find_few_values_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("even.safetensors");
    let values = (1..=64 * 64).flat_map(|at| half::f16::from_f32(at as f32 / 4096.0).to_le_bytes());
    let values: Vec<u8> = values.collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F16, vec![64, 64], &values).unwrap();
    safetensors::serialize_to_file([("a.proj.weight", view)], None, &path).unwrap();
    let model = Model::open(&path).unwrap();
    for (bound, expected) in [("0.05", Some(Severity::Warning)), ("0.25", Some(Severity::Hint)), ("0.75", None)] {
        let recipe = format!("target iOS16\nlinear => sparse-below {bound}\n");
        let output = directory.path().join(bound);
        let report = run_to(&recipe, &model, OutputFormat::Packed, &output).unwrap();
        assert!(matches!(report.weights[0].facts[..], [Fact::Zeros { of: 4096, .. }]), "{:?}", report.weights[0].facts);
        let known = analyze(&recipe, &model).recipe;
        let after = check::analyze_recipe(known, Known::Model(&model), Some(&report.facts()));
        let told = after.findings.iter().find(|finding| finding.code == "sparse-below-few");
        assert_eq!(told.map(|finding| finding.severity), expected, "{:#?}", after.findings);
    }
}
