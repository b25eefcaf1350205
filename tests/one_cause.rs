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

#[test]
fn tables_for_single_elements_are_told_for_their_size() {
    let model = "fc.weight  linear  2048x64  fp16\n";
    let told = severities("target iOS18\nlinear => lut8 block[1, 1]\n", model);
    assert_eq!(told, [("lut-many-tables", Severity::Hint), ("weight-grows", Severity::Warning)]);
    let told = severities("target iOS18\nlinear => lut4 per-grouped-channel(2)\n", model);
    assert_eq!(told, [("lut-many-tables", Severity::Hint)]);
}

fn severities(text: &'static str, model: &'static str) -> Vec<(&'static str, Severity)> {
    let example = Example::with_model(model, text, "");
    analyze(&example, text).findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}

/// What no shape can do is an error in experiments as well: a run would refuse it.
#[test]
fn what_does_not_fit_is_an_error_without_a_target() {
    let model = "fc.weight  linear  66x50  fp16\n";
    let cases = [
        ("target none\nlinear => int8 per-group(32)\n", "affine-block-divides"),
        ("target none\nlinear => int8 block[1, 7]\n", "affine-block-divides"),
        ("target none\nlinear => lut4 per-grouped-channel(16)\n", "lut-group-divides"),
        ("target none\nlinear => lut4 vector(4)\n", "lut-vector-divides"),
        ("target none\nlinear => lut4 per-group(32)\n", "lut-granularity"),
        ("target none\nlinear => int8 per-channel(2)\n", "granularity-rank"),
        ("target none\nlinear => int8 block[1, 2, 3]\n", "granularity-rank"),
        ("target none\nlinear => sparse 7:4\n", "sparse-ratio"),
    ];
    for (text, code) in cases {
        assert_eq!(severities(text, model), [(code, Severity::Error)], "{text}");
    }
}

/// Blocks that are whole tensors or channels need no newer system than those do.
#[test]
fn blocks_that_are_channels_are_channels() {
    for granularity in ["block[1, -1]", "block[-1, -1]", "block[-1, 1]"] {
        let text: &'static str = format!("target iOS16\ncompute cpu-and-ne\nlinear => int8 {granularity}\n").leak();
        assert_eq!(codes(text, "fc.weight  linear  64x64  fp16\n"), [""; 0], "{text}");
    }
    assert_eq!(codes("target iOS16\nlinear => int8 block[1, 32]\n", ""), ["affine-block-target"]);
    assert_eq!(codes("target iOS18\nlinear => int4 block[-1, -1]\n", ""), ["int4-per-tensor"]);
    assert_eq!(codes("target iOS18\narithmetic torchao\nlinear => int4 block[1, 32]\n", ""), [""; 0]);
}

/// iOS17 is of use for whatever is compressed, and nothing is said of what exists on no target.
#[test]
fn newer_targets_that_are_of_use() {
    assert_eq!(codes("target iOS17\nlinear => int8 per-channel\n", ""), [""; 0]);
    assert_eq!(codes("target iOS17\nlinear => sparse 75%\n", ""), [""; 0]);
    assert_eq!(codes("target iOS18\nlinear => sparse 75%\n", ""), ["target-higher-than-needed"]);
    assert_eq!(codes("target iOS18\nlinear => int5\n", ""), ["affine-bits"]);
}

/// Ratios without sense are told once, and groups that do not divide the channels are pruned as upstream does it.
#[test]
fn ratios_are_told_once() {
    let model = "a.proj.weight  linear  64x50  fp16\nb.conv.weight  conv2d  32x3x3x3  fp16\n";
    let cases: [(&str, &[(&str, Severity)]); 6] = [
        ("target iOS16\nlinear => sparse 2:4\n", &[]),
        ("target iOS16\nconv => sparse 2:4\n", &[("sparse-ratio-channels", Severity::Warning)]),
        ("target iOS16\nall => sparse 4:2\n", &[("sparse-ratio", Severity::Error)]),
        ("target iOS16\nall => sparse 4:4\n", &[("sparse-everything", Severity::Warning)]),
        ("target iOS16\nall => sparse 0:4\n", &[("sparse-ratio", Severity::Error)]),
        ("target iOS16\nlinear => sparse 7:8\n", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(severities(text, model), expected, "{text}");
    }
}

/// What binds a tool is told where the recipe asks for that tool.
#[test]
fn tools_bind_those_who_ask_for_them() {
    let model = "fc.weight  linear  64x64  fp16\nconv.weight  conv2d  32x16x3x3  fp16\n";
    let cases: [(&str, &[(&str, Severity)]); 10] = [
        ("target iOS18\nlinear => lut4 block[16, 32]\n", &[]),
        ("target iOS18\narithmetic torchao\nlinear => lut4 block[16, 32]\n", &[("lut-block-torchao", Severity::Hint)]),
        ("target iOS18\narithmetic torchao\nlinear => lut4 block[16, 64]\n", &[]),
        (
            "target iOS18\nextend \"coreml_codebook_weight_only\" { bits 4  block [16, 32] }\n",
            &[("lut-block-torchao", Severity::Warning)],
        ),
        (
            "target iOS18\narithmetic torchao\nconv => lut4 block[16, -1, -1, -1]\n",
            &[("lut-block-torchao", Severity::Hint)],
        ),
        ("target iOS18\narithmetic torchao\nall => lut4\n", &[("lut-rank-torchao", Severity::Hint)]),
        ("target iOS16\nlinear => lut4\n", &[]),
        ("target iOS16\ncompute all\nlinear => int8 per-channel\n", &[]),
        ("target iOS16\narithmetic coremltools\nlinear => int8 per-channel\n", &[]),
        ("target iOS18\nlinear => uint4 per-group(32) by mse\n", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(severities(text, model), expected, "{text}");
    }
}

/// int8 entries are told once, whatever they lack.
#[test]
fn int8_entries_are_told_once() {
    for (text, code) in [
        ("target iOS18\nlinear => lut2 entries int8\n", "lut-entries-small"),
        ("target iOS18\nlinear => lut4 entries int8\n", "lut-entries-activations"),
        ("target iOS18\nlinear => lut4 entries int8 sparse 75%\n", "joint-three-steps"),
        ("target iOS17\nlinear => lut4 entries int8\n", "lut-joint-target"),
    ] {
        assert_eq!(codes(text, ""), [code], "{text}");
    }
}

/// Whether zeros pay for their mask depends on the bits of the values.
#[test]
fn few_zeros() {
    let wide = "fc.weight  linear  64x64  fp32\n";
    assert_eq!(codes("target iOS16\nlinear => sparse 5%\n", wide), [""; 0]);
    assert_eq!(codes("target iOS16\nlinear => sparse 3%\n", wide), ["sparse-low"]);
    assert_eq!(codes("target iOS16\nlinear => sparse 5%\n", "fc.weight  linear  64x64  fp16\n"), ["sparse-low"]);
    assert_eq!(codes("target iOS18\nlinear => lut1 sparse 90%\n", ""), ["sparse-low"]);
    let engine = "target iOS18\ncompute cpu-and-ne\nlinear => int8 per-channel sparse 20%\n";
    assert_eq!(codes(engine, ""), ["sparse-neural-engine"]);
}

/// Where a table or a scale is for too few elements, one rule says so, weight by weight.
#[test]
fn weights_that_hardly_shrink() {
    let small = "a.weight  linear  64x64  fp16\nb.weight  linear  512x512  fp16\n";
    let grouped = "target iOS18\nlinear => lut8 per-grouped-channel(16)\n";
    let example = Example::with_model(small, grouped, "");
    let findings = analyze(&example, grouped).findings;
    assert_eq!(
        (findings.len(), findings[0].code, &findings[0].weights[..]),
        (1, "lut-table-size", &["a.weight".to_string()][..])
    );
    // Tables that make weights grow are another matter than many small ones.
    assert_eq!(codes("target iOS18\nlinear => lut8 per-channel\n", small), ["lut-many-tables", "weight-grows"]);
    assert_eq!(codes("target iOS18\nlinear => lut4 per-channel\n", small), ["lut-many-tables"]);
    assert_eq!(codes("target iOS18\nlinear => int8 per-group(1)\n", small), ["weight-grows"]);
}

/// Nothing of the Neural Engine where it is not meant.
#[test]
fn large_models_without_the_neural_engine() {
    let model = "head.weight  linear  32000x64  fp16\nfc.weight  linear  40000x40000  fp16\n";
    assert_eq!(codes("target none\nlinear => int8 per-channel\n", model), [""; 0]);
    assert_eq!(codes("target iOS16\ncompute cpu-and-gpu\nlinear => fp16\n", model), [""; 0]);
    let both = |severity| vec![("model-over-2gib", severity), ("weight-over-16384", severity)];
    assert_eq!(severities("target iOS16\nlinear => fp16\n", model), both(Severity::Hint));
    let asked = "target iOS16\ncompute all\nlinear => fp16\n";
    assert_eq!(severities(asked, model), both(Severity::Warning));
}

/// Of packages as of recipes: one finding for one cause, and none for a package that is as it should be.
#[test]
fn packages_are_told_once() {
    let fc = "fc.weight  linear  64x64  fp16\n";
    let cases: &[(&str, &str, &[&str])] = &[
        // Without a target, the package's own operator set counts.
        ("program CoreML6\n", "linear => int8 per-channel\n", &[]),
        ("program CoreML8\n", "linear => int4 per-group(32)\n", &[]),
        ("program CoreML6\n", "linear => int4 per-channel\n", &["affine-4bit-target"]),
        ("program CoreML6\n", "linear => int8 per-group(32)\n", &["affine-block-target"]),
        ("program CoreML6\n", "linear => lut3\n", &["lut3-target"]),
        ("program CoreML6\n", "linear => int8 per-channel sparse 75%\n", &["sparse-joint-target"]),
        ("program CoreML5\n", "linear => int8 per-channel\n", &["target-no-compression"]),
        ("program CoreML5\n", "linear => sparse 75%\n", &["sparse-target"]),
        // A preset brings its own target.
        ("program CoreML6\n", "extend \"coreml_torchao_int4_weight_only_per_group\"\n", &["package-raised"]),
        // A target that is older does not judge the schemes: the package's own set does.
        ("program CoreML8\n", "target iOS16\nlinear => int4 per-group(32)\n", &["target-older-than-package"]),
        ("program CoreML6\n", "target iOS14\nlinear => int4 per-group(32)\n", &["target-no-mlprogram"]),
        ("program CoreML8\n", "target iOS18\nlinear => int8 per-channel\n", &[]),
        ("program CoreML6\n", "target iOS26\nlinear => int8 per-channel\n", &["target-higher-than-needed"]),
        ("program CoreML6\n", "target iOS18\nlinear => int4 per-group(32)\n", &["package-raised"]),
        (
            "program CoreML6\nfault CoreML8 resize up: `mode` is unknown\n",
            "target iOS18\nlinear => int4 per-group(32)\n",
            &["package-raise-breaks"],
        ),
        // What is broken before is told before.
        (
            "program CoreML6\nfault CoreML6,CoreML8 resize up: `mode` is unknown\n",
            "target iOS18  # bitmill: allow(package-raised)\nlinear => int4 per-group(32)\n",
            &["package-faults"],
        ),
        // A table of CoreML6 that is broken cannot be written in the form of CoreML8.
        (
            "program CoreML6\nfault CoreML6 constexpr_lut_to_dense w: `lut` has 3 entries\n",
            "target iOS18\nlinear => int4 per-group(32)\n",
            &["package-raise-breaks"],
        ),
        ("program CoreML8\n", "precision fp16\nlinear => int4 per-group(32) scale fp32\n", &["weight-type-of-program"]),
        ("program CoreML8\n", "linear => fp32\n", &["weight-type-of-program"]),
        ("program CoreML8\n", "linear => bf16\n", &["float-bf16"]),
        ("program CoreML8\n", "precision fp32\nlinear => keep\n", &["precision-of-package"]),
        ("program CoreML6\nlong flatten 65536\n", "linear => int8 per-channel\n", &[]),
        (
            "program CoreML8\nold.weight  linear  64x64  fp16  compressed\n",
            "linear => int4 per-group(32)\n",
            &["weight-already-quantized"],
        ),
        (
            "program CoreML6\ninput x fp16\nstate kv fp32\noutput y fp16\n",
            "target iOS16\nlinear => int8 per-channel\n",
            &["package-faults", "package-feature-target"],
        ),
        ("program CoreML6\n", "linear => int8 per-channel, activations uint8\n", &["activations-need-export"]),
        // Without a target, a package is written in its own operator set.
        ("program CoreML6\n", "compute cpu-and-ne\nlinear => lut4\n", &["lut-decompressed-early"]),
        (
            "program CoreML6\n",
            "arithmetic coremltools\ncompute cpu-and-ne\nlinear => int8 per-channel\n",
            &["int8-signed"],
        ),
        ("program CoreML5\n", "compute cpu-and-ne\nlinear => keep\n", &["compute-unit-target"]),
        ("program CoreML77\n", "linear => int8 per-channel\n", &["package-set-unknown"]),
        ("program CoreML8\n", "target none\nlinear => int3 per-group(32)\n", &["target-none-package", "affine-bits"]),
    ];
    for (program, text, expected) in cases {
        let model = format!("{program}{fc}");
        let example = Example::with_model(Box::leak(model.into_boxed_str()), text, "");
        let codes: Vec<_> = analyze(&example, text).findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, *expected, "{program}{text}");
    }
}

/// A table that is only looked up does not silence what is told of computed values; a layer that shares it does.
#[test]
fn long_dimensions_are_told_once() {
    let told = |also: &str| {
        let table = format!("embed.weight  embedding  20000x64  fp16{also}\n");
        let model = format!("program CoreML6\nlong flatten 65536\n{table}fc.weight  linear  64x64  fp16\n");
        codes("compute cpu-and-ne\nall => int8 per-channel\n", model.leak())
    };
    assert_eq!(told(""), ["activation-over-16384"]);
    assert_eq!(told("  also=linear"), ["weight-over-16384"]);
}

/// What is offered in place of a width that no Core ML has is something that the package's operator set has.
#[test]
fn widths_are_offered_for_the_set_that_is_written() {
    let titles = |set: &str| -> Vec<String> {
        let model = format!("program {set}\nfc.weight  linear  64x64  fp16\n");
        let example = Example::with_model(model.leak(), "linear => int3 per-channel\n", "");
        let analysis = analyze(&example, example.bad);
        let finding = analysis.findings.into_iter().find(|finding| finding.code == "affine-bits").unwrap();
        finding.fixes.into_iter().map(|fix| fix.title).filter(|title| title.starts_with("use")).collect()
    };
    assert_eq!(titles("CoreML6"), ["use int8", "use lut4"]);
    assert_eq!(titles("CoreML8"), ["use int4", "use lut3"]);
}

/// Shared constants are told together where they are shared by the same kinds, and never with kinds of others.
#[test]
fn constants_of_two_kinds_are_told_by_their_kinds() {
    let model = "program CoreML8\na.weight  embedding  256x64  fp16  also=linear\n\
        b.weight  embedding  256x64  fp16  also=linear\nc.weight  matmul  256x64  fp16  also=linear\n";
    let text = "embedding or matmul => int8 per-channel\nlinear => int4 per-group(32)\n";
    let findings = analyze(&Example::with_model(model, text, ""), text).findings;
    let told: Vec<&str> = findings.iter().filter(|f| f.code == "weight-two-kinds").map(|f| &*f.message).collect();
    assert_eq!(
        told,
        [
            "2 weights (`a.weight` and `b.weight`) are shared by operators of the kinds `embedding` and `linear`, and count as \
             the first",
            "`c.weight` is shared by operators of the kinds `matmul` and `linear`, and counts as the first",
        ]
    );
}
