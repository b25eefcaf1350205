//! What findings say, word by word: the representative ones of the language and of recipes with a model.

#[path = "common/checker.rs"]
mod checker;

use bitmill::check::rule::WeightError;
use bitmill::check::{Evaluated, Example, Facts, Measured};
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
    assert_snapshot!(told("target iOS18\nlinaer => int4 per-grop(32) symetric\n"), @"
    error[unknown-kind]: `linaer` is no kind of operator
      2:1 | linaer | did you mean `linear`?
      help: the kinds are `all`, `conv`, `linear`, `embedding`, `conv1d`, `conv2d`, `conv3d`, `conv-transpose`, `matmul`, `lstm`, `gru`, `rnn`, `norm`, `add`, `mul`, `max-pool`, `avg-pool`, `flatten`, `activation`, `softmax`, `attention` and `other`
      fix: write `linear`
    error[unknown-part]: `per-grop` is no part of a scheme, and no scheme has that name
      2:16 | per-grop | did you mean `per-group`?
      help: a scheme says what the weights become, such as `int4`, `lut4`, `fp16` or `keep`, and then how
      fix: write `per-group`
    error[unknown-part]: `symetric` is no part of a scheme, and no scheme has that name
      2:29 | symetric | did you mean `symmetric`?
      help: a scheme says what the weights become, such as `int4`, `lut4`, `fp16` or `keep`, and then how
      fix: write `symmetric`
    ");
}

#[test]
fn a_module_without_quotes() {
    assert_snapshot!(told("target iOS18\nq_proj => int4 per-group(32)\n"), @r#"
    error[unknown-kind]: `q_proj` is no kind of operator
      2:1 | q_proj
      help: names of modules stand in quotes: `"q_proj"` is that module alone, `"*.q_proj"` every module whose name ends so
      or: write `"q_proj"`
      or: write `"*.q_proj"`
    "#);
    assert_snapshot!(told_of(MODEL, "target iOS18\nlinear => int4 per-group(32)\nq_proj => int8\n"), @r#"
    error[unknown-kind]: `q_proj` is no kind of operator
      3:1 | q_proj
      help: names of modules stand in quotes: `"q_proj"` is that module alone, `"*.q_proj"` every module whose name ends so
      or: write `"*.q_proj"`
    "#);
}

#[test]
fn widths_that_do_not_exist() {
    assert_snapshot!(told("target iOS18\nlinear => int16\nembedding => lut9\nconv => bool\n"), @"
    error[unknown-part]: `int16` is no part of a scheme, and no scheme has that name
      2:11 | int16
      help: integers are `int1` to `int8`; Core ML itself has those of 4 and 8 bits
      or: use int8
      or: use fp16
    error[unknown-part]: `lut9` is no part of a scheme, and no scheme has that name
      3:14 | lut9
      help: palettes are `lut1` to `lut8`: the digit is the width of an index, 2 to 256 values
      or: use lut8
    error[unknown-part]: `bool` is no part of a scheme, and no scheme has that name
      4:9 | bool
      help: the narrowest are `int1`, and `lut1` with two values of any size
      or: use lut1
    ");
}

#[test]
fn a_scheme_used_before_it_is_defined() {
    assert_snapshot!(told("target iOS18\nlinear => w4\nscheme w4 = int4 per-group(32)\n"), @"
    error[unknown-part]: scheme `w4` is used before it is defined
      2:11 | w4 | used here
      3:8 | w4 | defined here, further down
      help: recipes are read from top to bottom: define a scheme above the rules that use it
      or: move the definition of `w4` up
    ");
}

#[test]
fn targets_between_the_versions() {
    assert_snapshot!(told("target iOS19, macOS15.3, watchOS30, tvOS12\nlinear => int4\n"), @"
    error[target-unknown]: there is no iOS 19 to target
      1:8 | iOS19 | version numbers jump from iOS18 to iOS26
      help: iOS targets are `iOS13`, `iOS14`, `iOS15`, `iOS16`, `iOS17`, `iOS18` or `iOS26`
      fix: use iOS18
      or: use iOS26
    error[target-unknown]: there is no macOS 15.3 to target
      1:15 | macOS15.3 | operators come with whole versions: this is macOS15
      help: macOS targets are `macOS10.15`, `macOS11`, `macOS12`, `macOS13`, `macOS14`, `macOS15` or `macOS26`
      fix: use macOS15
    error[target-unknown]: there is no watchOS 30 to target
      1:26 | watchOS30 | the nearest below it is watchOS26
      help: watchOS targets are `watchOS6`, `watchOS7`, `watchOS8`, `watchOS9`, `watchOS10`, `watchOS11` or `watchOS26`
      fix: use watchOS26
    error[target-unknown]: there is no tvOS 12 to target
      1:37 | tvOS12 | older than tvOS13, the first that has a set of operators
      help: tvOS targets are `tvOS13`, `tvOS14`, `tvOS15`, `tvOS16`, `tvOS17`, `tvOS18` or `tvOS26`
      or: use tvOS16, the first with compressed weights
    ");
    assert_snapshot!(told("target CoreML8\nlinear => int4\n"), @"
    error[target-unknown]: `CoreML8` is a set of operators, not a system to target
      1:8 | CoreML8 | came with iOS18
      help: targets are named by the system that a model must run on
      fix: use iOS18
    ");
    assert_snapshot!(told("target macOS\nlinear => int4\n"), @"
    error[target-unknown]: the target `macOS` lacks a version
      1:8 | macOS
      help: macOS targets are `macOS10.15`, `macOS11`, `macOS12`, `macOS13`, `macOS14`, `macOS15` or `macOS26`
      or: use macOS26
      or: use macOS15
    ");
}

#[test]
fn choices_of_settings() {
    assert_snapshot!(told("target iOS18\ncompute CPU_AND_NE\nprecision float16\nlinear => int4 per-group(32) scale half\n"), @"
    error[unknown-choice]: `compute` does not know `CPU_AND_NE`
      2:9 | CPU_AND_NE | did you mean `cpu-and-ne`?
      help: it can be `all`, `cpu`, `cpu-and-gpu` or `cpu-and-ne`
      fix: write `cpu-and-ne`
    error[unknown-choice]: `precision` does not know `float16`
      3:11 | float16 | did you mean `fp16`?
      help: it can be `fp16` or `fp32`
      fix: write `fp16`
    error[unknown-choice]: `scale` does not know `half`
      4:36 | half | did you mean `fp16`?
      help: it can be `fp16`, `fp32` or `bf16`
      or: write `fp16`
    ");
}

#[test]
fn options_of_presets() {
    assert_snapshot!(told("extend \"coreml_codebook_weight_only\" { bit 3 }\n"), @r#"
    error[missing-option]: `coreml_codebook_weight_only` needs `block_size`
      1:8 | "coreml_codebook_weight_only"
      help: there is no default: upstream demands it too
      or: add `block_size [16, -1]`
    error[unknown-option]: `coreml_codebook_weight_only` has no option `bit`
      1:40 | bit | did you mean `bits`?
      help: its options are `bits`, `block`, `filter`, `target`, `compute`, `skip_ops_for_coreml_delegation`, `lower_full_graph` and `take_over_constant_data`
      upstream: ExecuTorch ignores it: only the log says `ignoring unexpected parameters`
      fix: write `bits`
    "#);
    assert_snapshot!(told("extend \"int8_static\"\n"), @r#"
    error[unknown-preset]: there is no built-in recipe `int8_static`
      1:8 | "int8_static"
      help: the built-in recipes are `coreml_fp32`, `coreml_fp16`, `coreml_pt2e_int8_static`, `coreml_pt2e_int8_weight_only`, `coreml_torchao_int4_weight_only_per_channel`, `coreml_torchao_int4_weight_only_per_group`, `coreml_torchao_int8_weight_only_per_channel`, `coreml_torchao_int8_weight_only_per_group` and `coreml_codebook_weight_only`
      or: write "coreml_pt2e_int8_static"
    "#);
}

#[test]
fn values_that_cannot_be() {
    assert_snapshot!(told("target iOS18\nlinear => int4 per-group(0)\nconv => int8(4)\nembedding => sparse 0.5\n"), @"
    error[bad-value]: `per-group` takes one whole number of at least 1, the size of a group
      2:16 | per-group(0)
      help: for example `per-group(32)`
      or: write `per-group(32)`
    error[bad-value]: `int8` takes nothing in brackets, not `(4)`
      3:13 | (4)
      or: remove the brackets
    error[bad-value]: `sparse` takes a share from 0% to 100%, or zeros in a group such as 2:4, not `0.5`
      4:21 | 0.5
      help: a share is `sparse 50%`, a bound on magnitudes `sparse-below 0.5`
      or: write `50%`
    ");
    assert_snapshot!(told("target iOS17\nall => int8, activations uint8\ncalibrate \"c.safetensors\" { samples 0  averaging 2 }\n"), @"
    error[bad-value]: `samples` takes a whole number of at least 1, not `0`
      3:37 | 0
    error[bad-value]: `averaging` takes a number above 0, at most 1, not `2`
      3:50 | 2
      help: upstream's is 0.01
      or: write `0.01`
    ");
}

#[test]
fn what_could_mean_two_things_is_not_mended_unasked() {
    for recipe in [
        "target iOS16\nlinear => sparse 0.001\n",
        "target iOS16\nlinear where size > 1M => int8 per-channel\n",
        "target iOS16\n/*.(q|k)_proj/ => int8 per-channel\n",
        "target iOS16\n\"{3..1}.{2..0}\" => int8 per-channel\n",
    ] {
        let told = told(recipe);
        assert!(told.starts_with("error[bad-") || told.starts_with("error[unknown-field]"), "{told}");
        assert!(!told.contains("fix: "), "{told}");
    }
}

#[test]
fn a_filter_is_added_outside_of_comments() {
    let model = "embed.weight  embedding  256x64  fp16\nfc.weight  linear  64x64  fp16\n";
    let recipe = "extend \"coreml_torchao_int8_weight_only_per_channel\" {\n  lower_full_graph false  # no }\n}\n";
    let analysis = analyze_with(&Example::with_model(model, recipe, ""), recipe, None);
    let finding = analysis.findings.iter().find(|finding| finding.code == "preset-embedding-skipped").unwrap();
    let edit = &finding.fixes[0].edits[0];
    assert_eq!(recipe[..edit.place.span.start as usize].chars().last(), Some('{'));
}

#[test]
fn things_said_twice() {
    assert_snapshot!(told("target iOS18\ntarget macOS15\nlinear => int4 int8 per-group(32)\n"), @"
    error[duplicate-definition]: `target` is given twice
      2:1 | target macOS15 | the second time
      1:1 | target iOS18 | first here
      help: a file says it once: the line further down does not replace the other
      or: name all systems in one line
      or: remove the second
      or: remove the first
    error[scheme-conflict]: what the weights become cannot be both `int4` and `int8`
      3:16 | int8
      3:11 | int4 | `int4` is said here
      help: a scheme settles each matter once: leave one of the two out
      or: remove `int8`
      or: remove `int4`
    ");
}

#[test]
fn parts_that_do_not_go_together() {
    assert_snapshot!(told("target iOS18\nscheme p = lut4 per-grouped-channel(16)\nlinear => p symmetric\nconv => per-channel\n"), @"
    error[part-not-applicable]: `symmetric` does not go with `lut4`
      3:13 | symmetric | goes with integers such as `int4`
      2:12 | lut4 | this is what the weights become
      help: leave `symmetric` out, or change what the weights become
      or: remove `symmetric`
    error[scheme-without-base]: `per-channel` does not say what the weights become
      4:9 | per-channel
      help: begin with the type: integers such as `int4` or `int8`, or a palette such as `lut4`
      or: make it 4-bit integers
      or: make it 8-bit integers
      or: make it a palette of 16 values
    ");
}

#[test]
fn patterns_that_cannot_be_read() {
    assert_snapshot!(told("target iOS18\n\"*.{q,k\" => int4\n\"layers.(0|1).[x\" => int4\n/*.q_proj/ => int8\n/(?!a).*/ => int8\n"), @r#"
    error[bad-glob]: the pattern "*.{q,k" cannot be read
      2:1 | "*.{q,k" | `{` is not closed
      help: `*` any characters, `?` one, `{a,b}` either, `{0..3}` each number, `[0-9]` a class
      or: close it at the end: `*.{q,k}`
    error[bad-glob]: the pattern "layers.(0|1).[x" cannot be read
      3:1 | "layers.(0|1).[x" | `[` is not closed
      help: `*` any characters, `?` one, `{a,b}` either, `{0..3}` each number, `[0-9]` a class
      or: close it at the end: `layers.(0|1).[x]`
    error[bad-regex]: the regular expression /*.q_proj/ cannot be read
      4:1 | /*.q_proj/ | repetition operator missing expression
      help: it must fit the whole name: `.` is one character, `.*` any, `\.` a dot, `(a|b)` either
      fix: read it as a pattern in quotes
    error[bad-regex]: the regular expression /(?!a).*/ cannot be read
      5:1 | /(?!a).*/ | look-around, including look-ahead and look-behind, is not supported
      help: say it with selectors: `"*.mlp.*" and not "*.down_proj"`
    "#);
}

#[test]
fn conditions_that_mean_nothing() {
    assert_snapshot!(told("target iOS18\nlinear where dtype > fp16 => int4\nlinear where name == \"head\" => int4\nlinear where numel > 1M => int4\n"), @r#"
    error[bad-comparison]: `dtype` is a word, which only `==` and `!=` compare
      2:20 | >
      or: compare with `==`
      or: compare with `!=`
    error[unknown-field]: weights have no `name` that a condition could ask for
      3:14 | name
      help: names are selectors of their own, joined by `and`: `linear and "*.mlp.*"`
    error[unknown-field]: weights have no `numel` that a condition could ask for
      4:14 | numel | did you mean `params`?
      help: conditions can ask for `params`, `bytes`, `rank`, `in_features`, `out_features`, `kernel`, `groups`, `layer`, `dtype` and `ops`
      fix: write `params`
    "#);
}

#[test]
fn imports_in_a_circle() {
    const FILES: &[(&str, &str)] = &[
        ("a.bitmill", "import \"b.bitmill\"\n"),
        ("b.bitmill", "linear => int4 per-group(32)\nimport \"a.bitmill\"\n"),
    ];
    assert_snapshot!(told_with(FILES, "target iOS18\nimport \"a.bitmill\"\nimport \"c\"\n"), @r#"
    error[import-missing]: there is no file `c`
      3:8 | "c"
      help: paths are taken from the directory of the file that imports
      or: import `c.bitmill`
    error[import-cycle]: these recipes import each other in a circle: `a.bitmill` → `b.bitmill` → `a.bitmill`
      b.bitmill:2:8 | "a.bitmill" | closes the circle
      a.bitmill:1:1 | import "b.bitmill" | `b.bitmill` is imported here
      help: what both need belongs in a third file that each imports
      fix: remove this import
    "#);
}

#[test]
fn no_target() {
    assert_snapshot!(told("# Weights in 4 bits.\nmodel \"llama/\"\nembedding => int8\nlinear => int4 per-group(32)\n"), @"
    error[target-missing]: this recipe quantizes, but does not say for which system
      4:11 | int4 per-group(32) | 4-bit integer weights need iOS18, macOS15, watchOS11, tvOS18, visionOS2
      help: the lowest that suffices is `target iOS18`; `target none` is for experiments
      upstream: ExecuTorch takes iOS15 when no target is given, and lowering fails: iOS15 has no compressed weights
      fix: add `target iOS18`
    ");
}

#[test]
fn rules_that_decide_nothing() {
    assert_snapshot!(told("target iOS18\n\"lm_head\" => keep\nlinear => int4 per-group(32)\nall => int4 per-group(32)\n"), @r#"
    warning[rule-overtaken]: this rule decides nothing: `all` comes later and takes every weight
      2:1 | "lm_head"
      4:1 | all | this one decides: the last rule that matches does
      help: put general rules first and exceptions behind them
      or: move it behind
      or: remove it
    warning[rule-overtaken]: this rule decides nothing: `all` comes later and takes every weight
      3:1 | linear
      4:1 | all | this one decides: the last rule that matches does
      help: put general rules first and exceptions behind them
      or: move it behind
      or: remove it
    "#);
    assert_snapshot!(
        told_of(MODEL, "target iOS18\n\"*.q_proj\" => lut4 per-grouped-channel(16)\nlinear where out_features == 64 => int4 per-group(32)\nlinear => int4 per-group(16)\nlinear where out_features > 32 => int4 per-group(32)\n"),
        @r#"
    warning[rule-overtaken]: this rule decides nothing: later rules take all 4 weights that it matches
      2:1 | "*.q_proj"
      5:1 | linear where out_features > 32 | takes them all
      help: put general rules first and exceptions behind them
      or: move it behind
      or: remove it
    warning[rule-overtaken]: this rule decides nothing: later rules take all 4 weights that it matches
      3:1 | linear where out_features == 64
      5:1 | linear where out_features > 32 | takes them all
      help: put general rules first and exceptions behind them
      or: move it behind
      or: remove it
    "#
    );
}

#[test]
fn rules_that_match_nothing() {
    assert_snapshot!(
        told_of(MODEL, "target iOS18\nlinear => int4 per-group(32)\n\"q_proj\" => keep\n\"layers.9.q_prj\" => keep\nlstm => keep\nlinear and embedding => keep\nlinear where in_features > 1k => keep\n"),
        @r#"
    warning[rule-matches-nothing]: this rule matches nothing in the model
      3:1 | "q_proj" | no module and no weight has such a name
      help: a pattern fits the whole name; names are those of modules (`layers.0.gate`) and of weights (`layers.0.gate.weight`)
      or: write `"*.q_proj"`
    warning[rule-matches-nothing]: this rule matches nothing in the model
      4:1 | "layers.9.q_prj" | no module and no weight has such a name
      help: the nearest names are `layers.0.q_proj`, `layers.1.q_proj` and `layers.2.q_proj`; names are those of modules (`layers.0.gate`) and of weights (`layers.0.gate.weight`)
      or: write `"layers.0.q_proj"`
      or: write `"layers.1.q_proj"`
      or: write `"layers.2.q_proj"`
    warning[rule-matches-nothing]: this rule matches nothing in the model
      5:1 | lstm | the model has no `lstm`
      help: its weights that can be quantized are 9 `linear` and 1 `embedding`
    warning[rule-matches-nothing]: this rule matches nothing in the model
      6:1 | linear and embedding | its parts match weights, but no weight matches all of them
      help: `and` is for weights that are both; a comma or `or` is for either
    warning[rule-matches-nothing]: this rule matches nothing in the model
      7:1 | linear where in_features > 1k | the condition holds for none of 9 weights
      help: `bitmill plan` shows the shape of each weight
    "#
    );
}

#[test]
fn weights_that_stay() {
    assert_snapshot!(told_of(MODEL, "target iOS18\nthreshold 512\n\"layers.*\" => int4 per-group(32)\n"), @r#"
    hint[weight-below-threshold]: 4 of 12 weights that this rule decides have no more than 512 elements and stay as they are
      3:1 | "layers.*" | `layers.0.gate.weight`, `layers.1.gate.weight`, `layers.2.gate.weight` and 1 more
      2:1 | threshold 512 | weights of up to 512 elements stay
      help: small weights cost little: keep them, or lower the threshold
      or: lower the threshold to 511
    hint[weight-not-quantized]: 4 tensors that this rule names stay as they are: parameters of normalisation and of operators without weights stay in float
      3:1 | "layers.*" | `layers.0.norm.weight`, `layers.1.norm.weight`, `layers.2.norm.weight` and 1 more
      help: join a kind to the name, as in `linear and "…"`, or let them be kept by a rule of their own
    "#);
}

#[test]
fn expectations_that_fail() {
    assert_snapshot!(
        told_of(MODEL, "target iOS18\nlinear => int4 per-group(32)\nexpect size <= 30%\nexpect bits <= 4.4\nexpect linear matches 5\nexpect \"lm_head\" => keep\nexpect every embedding quantized\nexpect no linear quantized\nexpect every conv kept\n"),
        @r#"
    error[expect-failed]: `size <= 30%` does not hold: it is 56.4%, 95.4 kB of 169 kB
      3:1 | expect size <= 30%
      help: the largest that stay as they are: `embed.weight` (65.5 kB)
    error[expect-failed]: `bits <= 4.4` does not hold: it is 4.5 bits per quantized weight
      4:1 | expect bits <= 4.4
      help: scales and tables count too: larger groups have fewer
    error[expect-failed]: `linear matches 5` does not hold: it matches 9 weights
      5:1 | expect linear matches 5
      help: it matches `layers.0.gate.weight`, `layers.0.q_proj.weight`, `layers.1.gate.weight`, `layers.1.q_proj.weight`, `layers.2.gate.weight` and 4 more
    error[expect-failed]: `"lm_head" => keep` does not hold: `lm_head.weight` becomes `int4 per-group(32) symmetric`
      6:1 | expect "lm_head" => keep
      2:1 | linear | decides `lm_head.weight`
      help: add a rule behind the one that decides, or correct the expectation
    error[expect-failed]: `every embedding quantized` does not hold: `embed.weight` is matched by no rule
      7:1 | expect every embedding quantized
      help: add a rule behind the one that decides, or correct the expectation
    error[expect-failed]: `no linear quantized` does not hold: all 9 weights, first `layers.0.gate.weight`, which becomes `int4 per-group(32) symmetric`
      8:1 | expect no linear quantized
      2:1 | linear | decides `layers.0.gate.weight`
      help: add a rule behind the one that decides, or correct the expectation
    warning[expect-vacuous]: this expectation is about weights that the model does not have
      9:1 | expect every conv kept | the model has no `conv`
      help: its weights that can be quantized are 9 `linear` and 1 `embedding`
    "#
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
    assert_snapshot!(render(&analysis.recipe, &analysis.findings), @"
    error[expect-failed]: `sqnr >= 30 dB` does not hold: it is 28.2 dB
      3:1 | expect sqnr >= 30 dB
      2:11 | int4 per-group(32) | decides the worst
      help: the worst are `layers.0.q_proj.weight` (27.0 dB), `lm_head.weight` (30.0 dB)
    error[expect-failed]: `size <= 40 kB` does not hold: it is 50.3 kB (50321 bytes)
      5:1 | expect size <= 40 kB
      help: the largest that stay as they are: `embed.weight` (65.5 kB)
    ");
}

#[test]
fn expectations_after_an_evaluation() {
    let recipe = "target iOS18\nlinear => int4 per-group(32)\nexpect accuracy drop <= 0.5%\nexpect accuracy drop < 0.5%\nexpect perplexity rise <= 2%\n";
    let example = Example::with_model(MODEL, recipe, "");
    let measured = |float, quantized| Some(Measured { float, quantized });
    let judged = |accuracy, perplexity| {
        let run = Facts { evaluated: Some(Evaluated { accuracy, perplexity }), ..Facts::default() };
        let analysis = analyze_with(&example, recipe, Some(&run));
        render(&analysis.recipe, &analysis.findings)
    };
    // A drop by exactly the bound is at most the bound, and not less, whatever the last digit of 0.99 - 0.985.
    assert_snapshot!(judged(measured(0.99, 0.985), measured(4.0, 4.1)), @"
    error[expect-failed]: `accuracy drop < 0.5%` does not hold: it is 0.5%, from 99.0 % to 98.5 %
      4:1 | expect accuracy drop < 0.5%
      help: `bitmill eval` with `--layers` shows where the error enters: keep those weights, or give them more bits
    error[expect-failed]: `perplexity rise <= 2%` does not hold: it is 2.5%, from 4.000 to 4.100
      5:1 | expect perplexity rise <= 2%
      help: `bitmill eval` with `--layers` shows where the error enters: keep those weights, or give them more bits
    ");
    assert_snapshot!(judged(measured(0.99, 0.984_9), measured(4.0, f64::NAN)), @"
    error[expect-failed]: `accuracy drop <= 0.5%` does not hold: it is 0.51%, from 99.0 % to 98.5 %
      3:1 | expect accuracy drop <= 0.5%
      help: `bitmill eval` with `--layers` shows where the error enters: keep those weights, or give them more bits
    error[expect-failed]: `accuracy drop < 0.5%` does not hold: it is 0.5%, from 99.0 % to 98.5 %
      4:1 | expect accuracy drop < 0.5%
      help: `bitmill eval` with `--layers` shows where the error enters: keep those weights, or give them more bits
    error[expect-failed]: `perplexity rise <= 2%` does not hold: it is NaN%, from 4.000 to NaN
      5:1 | expect perplexity rise <= 2%
      help: `bitmill eval` with `--layers` shows where the error enters: keep those weights, or give them more bits
    ");
    assert_eq!(judged(measured(0.99, 1.0), None), "");
    assert_eq!(judged(None, measured(4.0, 4.08)), "");
}

#[test]
fn comments_that_silence_nothing() {
    assert_snapshot!(told("target iOS18\nscheme w4 = int4 per-group(32) # bitmill: allow(scheme-unused, affine-bits, scheme-unsed)\nlinear => w4\n"), @"
    hint[allow-unused]: there is no `scheme-unused` here to allow
      2:49 | scheme-unused
      help: remove it, so that it does not silence something new
      fix: remove it from the comment
    warning[allow-error]: `affine-bits` is an error, and errors cannot be allowed
      2:64 | affine-bits | integers of a width that Core ML does not have
      help: mend what it finds; `target none` makes hints of Core ML's limits, for experiments
      fix: remove it from the comment
    warning[allow-unknown]: no rule has the code `scheme-unsed`
      2:77 | scheme-unsed | did you mean `scheme-unused`?
      help: `bitmill rules` lists the codes
      fix: write `scheme-unused`
    ");
}

#[test]
fn an_output_over_the_model() {
    assert_snapshot!(told("model \"a/digits.safetensors\"\ntarget iOS18\nlinear => int4 per-group(32)\noutput \"a/./digits.safetensors\"\n"), @r#"
    error[output-is-model]: the output would be written over the model
      4:8 | "a/./digits.safetensors"
      1:7 | "a/digits.safetensors" | the model is read from here
      help: write it beside the model, under another name
      or: write to `a/./digits-quantized.safetensors`
    "#);
}

#[test]
fn comments_that_silence() {
    assert_snapshot!(told("# bitmill: allow(no-rules)\nscheme w4 = int4\n"), @"");
    assert_snapshot!(told("target iOS18\n# bitmill: allow(rule-overtaken)\n\"lm_head\" => keep\nall => int4 per-group(32)\n"), @"");
}

#[test]
fn a_rule_that_is_being_written_takes_nothing() {
    assert_snapshot!(told("target iOS18\nlinear => int4 per-group(32)\nlinear =>\n"), @"
    error[syntax]: the scheme is missing after `=>`
      3:8 | =>
    ");
}

#[test]
fn every_part_of_the_language_is_known() {
    let alone = "target iOS16\nlinear => sparse-below 0.001\nconv => sparse 75%\n";
    let joined = "target iOS18\nlinear => lut4 per-grouped-channel(16) vector(2) entries int8 fit uniform sparse 50%\n";
    for recipe in [alone, joined] {
        let told = told(recipe);
        assert!(!told.contains("unknown-") && !told.contains("syntax"), "{told}");
    }
}
