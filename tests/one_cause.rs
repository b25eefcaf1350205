//! One cause gives one finding: rules that look at the same matter from different sides leave it to one of them.

#[path = "common/checker.rs"]
mod checker;

use bitmill::check::{Example, Severity};
use checker::analyze;

fn codes(text: &'static str, model: &'static str) -> Vec<&'static str> {
    let example = Example::with_model(model, text, "");
    analyze(&example, text).findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn the_target_is_told_once() {
    let cases: &[(&str, &[&str])] = &[
        ("target iOS15\nlinear => int4 per-group(32)\n", &["target-no-compression"]),
        ("target iOS15\nlinear => int8 per-channel sparse 75%\n", &["target-no-compression"]),
        ("target iOS15\nlinear => lut3 per-grouped-channel(16)\n", &["target-no-compression"]),
        ("target iOS14\nlinear => sparse 75%\n", &["target-no-mlprogram"]),
        ("target iOS14\nlinear => int4 per-group(32)\n", &["target-no-mlprogram"]),
        ("target iOS14\nextend \"coreml_torchao_int4_weight_only_per_channel\"\n", &["target-no-mlprogram"]),
        ("target iOS15\nextend \"coreml_torchao_int4_weight_only_per_group\"\n", &["preset-target-too-low"]),
        ("target iOS16\nextend \"coreml_torchao_int8_weight_only_per_group\"\n", &["preset-target-too-low"]),
        (
            "target iOS17\nextend \"coreml_codebook_weight_only\" { bits 3  block [16, -1] }\n",
            &["preset-target-too-low"],
        ),
        (
            "target iOS15\ncalibrate \"c.safetensors\" { samples 128 }\nlinear => int8 per-channel, activations uint8\n",
            &["target-no-compression"],
        ),
        (
            "target iOS16\ncalibrate \"c.safetensors\" { samples 128 }\nextend \"coreml_pt2e_int8_static\"\n",
            &["preset-target-too-low"],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(codes(text, ""), *expected, "{text}");
    }
}

#[test]
fn a_target_that_is_of_use_is_not_told() {
    for text in [
        "target iOS18\nlinear => lut4\n",
        "target iOS18\nall => keep\n",
        "target iOS26\nlinear => fp16\n",
        "target none\nlinear => int8 per-channel\n",
        "target iOS18\nextend \"coreml_torchao_int8_weight_only_per_channel\"\nembedding => int4 per-group(32)\n",
        "extend \"coreml_pt2e_int8_weight_only\"\n",
        "target iOS18, macOS15, tvOS18\nlinear => int4 per-group(32)\n",
    ] {
        let told: Vec<_> = codes(text, "").into_iter().filter(|code| code.starts_with("target-")).collect();
        assert!(told.is_empty(), "{told:?}\n{text}");
    }
}

#[test]
fn a_named_scheme_is_told_once_however_many_rules_use_it() {
    let text = "target iOS16\nscheme half = bf16\nlinear => half\nconv => half\nembedding => half\n";
    let example = Example::recipe(text, "");
    let analysis = analyze(&example, text);
    assert_eq!(analysis.findings.len(), 1);
    assert_eq!(analysis.findings[0].labels.len(), 3);
}

#[test]
fn experiments_get_hints() {
    let text = "target none\nlinear => bf16\nembedding => fp8-e4m3\n\"head\" => int4 per-group(32) scale bf16\n";
    let analysis = analyze(&Example::recipe(text, ""), text);
    assert_eq!(analysis.findings.len(), 3);
    assert!(analysis.findings.iter().all(|finding| finding.severity == Severity::Hint));
}

#[test]
fn no_edit_leaves_a_scheme_empty() {
    let text = "target iOS16\ncalibrate \"c.safetensors\" { samples 128 }\nadd => activations uint8\n";
    for finding in analyze(&Example::recipe(text, ""), text).findings {
        assert!(!finding.fixes.iter().any(|fix| fix.title.contains("only")), "{finding:?}");
    }
}

/// Every misfit of a ratio is an error, whatever the numbers.
#[test]
fn ratios_that_do_not_fit_are_errors() {
    let model = "a.proj.weight  linear  64x50  fp16\nb.conv.weight  conv2d  32x3x3x3  fp16\n";
    for text in [
        "target iOS16\nall => sparse 2:4\n",
        "target iOS16\nall => sparse 4:2\n",
        "target iOS16\nall => sparse 4:4\n",
        "target iOS16\nall => sparse 0:4\n",
        "target iOS16\nall => sparse 7:8\n",
    ] {
        let example = Example::with_model(model, text, "");
        let analysis = analyze(&example, text);
        let errors = analysis.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        assert_eq!(errors, 1, "{text}{:?}", analysis.findings);
    }
}
