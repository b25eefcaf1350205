//! Runs on the shipped models: every format, what is kept, what reads back, what is left behind.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bitmill::check::{self, Analysis, Known};
use bitmill::formats::safetensors::Reader;
use bitmill::model::Model;
use bitmill::recipe::NoImports;
use bitmill::run::{self, Job, OutputFormat, Quiet, Report, RunError};

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
        let bytes = run::read(&data, &again, weight).unwrap().to_bytes();
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
    for (format, ..) in OutputFormat::ALL {
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
