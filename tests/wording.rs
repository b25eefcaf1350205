//! What findings say, word by word: the representative ones of the language and of recipes with a model.

#[path = "common/checker.rs"]
mod checker;

use bitmill::check::rule::WeightError;
use bitmill::check::{Example, Facts};
use insta::assert_snapshot;

use checker::{analyze_with, findings, render};

/// What is found in a recipe alone.
fn told(bad: &'static str) -> String {
    findings(&Example::recipe(bad, ""))
}

/// What is found in a recipe with a model.
fn told_of(model: &'static str, bad: &'static str) -> String {
    findings(&Example::with_model(model, bad, ""))
}

/// What is found in a recipe that imports.
fn told_with(files: &'static [(&'static str, &'static str)], bad: &'static str) -> String {
    findings(&Example { files, ..Example::recipe(bad, "") })
}

const MODEL: &str = "
embed.weight             embedding  512x64  fp16
layers.{0..3}.q_proj.weight  linear     64x64   fp16
layers.{0..3}.q_proj.bias    linear     64      fp16
layers.{0..3}.gate.weight    linear     8x64    fp16
layers.{0..3}.norm.weight    norm       64      fp16
lm_head.weight           linear     512x64  fp16
";

#[test]
fn misspelt_words() {
    assert_snapshot!(told("target iOS18\nlinaer => int4 per-grop(32) symetric\n"), @"");
}

#[test]
fn a_module_without_quotes() {
    assert_snapshot!(told("target iOS18\nq_proj => int4 per-group(32)\n"), @"");
    assert_snapshot!(told_of(MODEL, "target iOS18\nlinear => int4 per-group(32)\nq_proj => int8\n"), @"");
}

#[test]
fn widths_that_do_not_exist() {
    assert_snapshot!(told("target iOS18\nlinear => int16\nembedding => lut9\nconv => bool\n"), @"");
}

#[test]
fn a_scheme_used_before_it_is_defined() {
    assert_snapshot!(told("target iOS18\nlinear => w4\nscheme w4 = int4 per-group(32)\n"), @"");
}

#[test]
fn targets_between_the_versions() {
    assert_snapshot!(told("target iOS19, macOS15.3, watchOS30, tvOS12\nlinear => int4\n"), @"");
    assert_snapshot!(told("target CoreML8\nlinear => int4\n"), @"");
    assert_snapshot!(told("target macOS\nlinear => int4\n"), @"");
}

#[test]
fn choices_of_settings() {
    assert_snapshot!(told("target iOS18\ncompute CPU_AND_NE\nprecision float16\nlinear => int4 per-group(32) scale half\n"), @"");
}

#[test]
fn options_of_presets() {
    assert_snapshot!(told("extend \"coreml_codebook_weight_only\" { bit 3 }\n"), @"");
    assert_snapshot!(told("extend \"int8_static\"\n"), @"");
}

#[test]
fn values_that_cannot_be() {
    assert_snapshot!(told("target iOS18\nlinear => int4 per-group(0)\nconv => int8(4)\nembedding => sparse 0.5\n"), @"");
    assert_snapshot!(told("target iOS17\nall => int8, activations uint8\ncalibrate \"c.safetensors\" { samples 0  averaging 2 }\n"), @"");
}

#[test]
fn things_said_twice() {
    assert_snapshot!(told("target iOS18\ntarget macOS15\nlinear => int4 int8 per-group(32)\n"), @"");
}

#[test]
fn parts_that_do_not_go_together() {
    assert_snapshot!(told("target iOS18\nscheme p = lut4 per-grouped-channel(16)\nlinear => p symmetric\nconv => per-channel\n"), @"");
}

#[test]
fn patterns_that_cannot_be_read() {
    assert_snapshot!(told("target iOS18\n\"*.{q,k\" => int4\n\"layers.(0|1).[x\" => int4\n/*.q_proj/ => int8\n/(?!a).*/ => int8\n"), @"");
}

#[test]
fn conditions_that_mean_nothing() {
    assert_snapshot!(told("target iOS18\nlinear where dtype > fp16 => int4\nlinear where name == \"head\" => int4\nlinear where numel > 1M => int4\n"), @"");
}

#[test]
fn imports_in_a_circle() {
    const FILES: &[(&str, &str)] = &[
        ("a.bitmill", "import \"b.bitmill\"\n"),
        ("b.bitmill", "linear => int4 per-group(32)\nimport \"a.bitmill\"\n"),
    ];
    assert_snapshot!(told_with(FILES, "target iOS18\nimport \"a.bitmill\"\nimport \"c\"\n"), @"");
}

#[test]
fn no_target() {
    assert_snapshot!(told("# Weights in 4 bits.\nmodel \"llama/\"\nembedding => int8\nlinear => int4 per-group(32)\n"), @"");
}

#[test]
fn rules_that_decide_nothing() {
    assert_snapshot!(told("target iOS18\n\"lm_head\" => keep\nlinear => int4 per-group(32)\nall => int4 per-group(32)\n"), @"");
    assert_snapshot!(
        told_of(MODEL, "target iOS18\n\"*.q_proj\" => lut4 per-grouped-channel(16)\nlinear where out_features == 64 => int4 per-group(32)\nlinear => int4 per-group(16)\nlinear where out_features > 32 => int4 per-group(32)\n"),
        @""
    );
}

#[test]
fn rules_that_match_nothing() {
    assert_snapshot!(
        told_of(MODEL, "target iOS18\nlinear => int4 per-group(32)\n\"q_proj\" => keep\n\"layers.9.q_prj\" => keep\nlstm => keep\nlinear and embedding => keep\nlinear where in_features > 1k => keep\n"),
        @""
    );
}

#[test]
fn weights_that_stay() {
    assert_snapshot!(told_of(MODEL, "target iOS18\nthreshold 512\n\"layers.*\" => int4 per-group(32)\n"), @"");
}

#[test]
fn expectations_that_fail() {
    assert_snapshot!(
        told_of(MODEL, "target iOS18\nlinear => int4 per-group(32)\nexpect size <= 30%\nexpect bits <= 4.4\nexpect linear matches 5\nexpect \"lm_head\" => keep\nexpect every embedding quantized\nexpect no linear quantized\nexpect every conv kept\n"),
        @""
    );
}

#[test]
fn expectations_after_a_run() {
    let example = Example::with_model(
        MODEL,
        "target iOS18\nlinear => int4 per-group(32)\nexpect sqnr >= 30 dB\nexpect \"lm_head\" sqnr >= 10 dB\nexpect size <= 40 kB\n",
        "",
    );
    let error = |name: &str, noise| (name.to_string(), WeightError { noise, signal: 1.0 });
    let run = Facts {
        errors: vec![error("lm_head.weight", 0.001), error("layers.0.q_proj.weight", 0.002)],
        size: Some(50_321),
        ..Facts::default()
    };
    let analysis = analyze_with(&example, example.bad, Some(&run));
    assert_snapshot!(render(&analysis.recipe, &analysis.findings), @"");
}

#[test]
fn comments_that_silence_nothing() {
    assert_snapshot!(told("target iOS18\nscheme w4 = int4 per-group(32) # bitmill: allow(scheme-unused, affine-bits, scheme-unsed)\nlinear => w4\n"), @"");
}

#[test]
fn an_output_over_the_model() {
    assert_snapshot!(told("model \"a/digits.safetensors\"\ntarget iOS18\nlinear => int4 per-group(32)\noutput \"a/./digits.safetensors\"\n"), @"");
}
