//! The real torchao loads what bitmill writes, and makes the same integers itself.
//!
//! Runs where `BITMILL_PYTHON` names a Python with torchao (`tests/upstream/install.sh DIRECTORY` makes one), and
//! says so where it does not.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use bitmill::check::{self, Known};
use bitmill::model::Model;
use bitmill::recipe::NoImports;
use bitmill::run::{self, Job, OutputFormat, Quiet};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Quantizes a shipped model twice and has torchao compare. Returns its counts.
fn compare(python: &str, model: &str, recipe: &str, mapping: &str) -> String {
    let model = Model::open(&root().join("examples/models").join(model)).unwrap();
    let analysis = check::analyze(Path::new("test.bitmill"), recipe, &NoImports, Known::Model(&model));
    assert!(!analysis.has_errors(), "{:#?}", analysis.findings);
    let directory = tempfile::tempdir().unwrap();
    let write = |format: OutputFormat| {
        let output = directory.path().join(format.word());
        let plan = analysis.plan.as_ref().unwrap();
        let job = Job {
            recipe: &analysis.recipe,
            model: &model,
            plan,
            format,
            output: &output,
            overwrite: false,
            inputs: &[],
        };
        run::run(&job, &Quiet, &AtomicBool::new(false)).unwrap();
        output
    };
    let (torchao, floats) = (write(OutputFormat::Torchao), write(OutputFormat::Dequantized));
    let script = root().join("tests/upstream/check_torchao.py");
    let output = Command::new(python).arg(script).args([&model.path, &torchao, &floats]).arg(mapping).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

#[test]
fn torchao_loads_the_output_and_agrees() {
    let Ok(python) = std::env::var("BITMILL_PYTHON") else {
        // Past the capture of the test runner: a test that did not run must not look as if it had.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: torchao is not compared; set BITMILL_PYTHON to a Python that has it");
        return;
    };
    let lm = "bytes-lm.safetensors";
    let symmetric = "target iOS18\nlinear => int4 per-group(32)\nembedding => int8 per-channel\n";
    assert_eq!(compare(&python, lm, symmetric, "SYMMETRIC"), "31 integers, 0 codebooks, 18 kept");
    let asymmetric = "target iOS18\nlinear => int4 per-group(64) asymmetric\n\"lm_head\" => keep\n";
    assert_eq!(compare(&python, lm, asymmetric, "ASYMMETRIC"), "28 integers, 0 codebooks, 21 kept");
    let palettes = "target iOS18\nlinear => lut3 per-grouped-channel(16)\nembedding => int8\n\
        \"*.q_proj\" => lut4 scaled\n\"*.k_proj\" => lut4 vector(2)\n";
    assert_eq!(compare(&python, lm, palettes, "SYMMETRIC"), "2 integers, 29 codebooks, 18 kept");
    let pruned = "target iOS18\nlinear => lut4 sparse 50%\n\"*.q_proj\" => lut4 scaled sparse 2:4\n\
        \"*.k_proj\" => lut3 entries int8 sparse 75%\n\"*.v_proj\" => lut4 vector(2) sparse 50%\n";
    assert_eq!(compare(&python, lm, pruned, "SYMMETRIC"), "0 integers, 29 codebooks, 20 kept");
    let mixed = "target iOS18\nlinear => lut4 scaled sparse 50%\n\"head\" => lut6 scaled\n";
    assert_eq!(compare(&python, "digits.safetensors", mixed, "SYMMETRIC"), "0 integers, 2 codebooks, 30 kept");
    let digits = "target iOS16\nlinear => int8 symmetric-no-clipping\n";
    assert_eq!(
        compare(&python, "digits.safetensors", digits, "SYMMETRIC_NO_CLIPPING_ERR"),
        "2 integers, 0 codebooks, 30 kept"
    );
}
