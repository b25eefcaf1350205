//! What is known of the thing under the cursor, and the documents that commands make.

use bitmill::ide::Settings;
use bitmill::ide::commands::{new_recipe, plan_text};
use bitmill::ide::hover::hover;
use insta::assert_snapshot;

use crate::support::Fixture;

fn at(fixture: &Fixture) -> String {
    match hover(&fixture.analysis, fixture.offset) {
        Some(found) => format!("[{}]\n{}", &fixture.text()[found.span.range()], found.markdown),
        None => "nothing".to_string(),
    }
}

fn of(marked: &str) -> String {
    at(&Fixture::new(marked))
}

const HEAD: &str = "model \"m\"\ntarget iOS18\n";

#[test]
fn selectors_say_what_they_match_and_who_takes_it() {
    let text = format!(
        "{HEAD}lin$0ear and not \"*.k_proj\" => int4 per-group(32)\n\"layers.0.*\" => int8\n\"lm_head\" => keep\n"
    );
    assert_snapshot!(of(&text), @r#"
    [linear]
    `linear` matches 17 weights, 213 kB

    - `layers.0.attn.k_proj` 32x64 fp16, 4.10 kB
    - `layers.0.attn.q_proj` 64x64 fp16, 8.19 kB
    - `layers.0.mlp.down_proj` 64x96 fp16, 12.3 kB
    - `layers.0.mlp.up_proj` 96x64 fp16, 12.3 kB
    - `layers.1.attn.k_proj` 32x64 fp16, 4.10 kB
    - and 12 more

    `linear`: a kind of module: fully connected layers: `torch.nn.Linear`, Core ML's `linear`

    `linear and not "*.k_proj"` matches 13 weights, 197 kB

    - `layers.0.attn.q_proj` 64x64 fp16, 8.19 kB
    - `layers.0.mlp.down_proj` 64x96 fp16, 12.3 kB
    - `layers.0.mlp.up_proj` 96x64 fp16, 12.3 kB
    - `layers.1.attn.q_proj` 64x64 fp16, 8.19 kB
    - `layers.1.mlp.down_proj` 64x96 fp16, 12.3 kB
    - and 8 more

    This rule decides 9 of them; later rules take the others.

    - line 4 takes 3: `"layers.0.*" => int8`
    - line 5 takes 1: `"lm_head" => keep`
    "#);
    assert_snapshot!(of(&format!("{HEAD}\"*.q_pr$0oj\" => int8\nlinear => int4\n")), @r#"
    ["*.q_proj"]
    `"*.q_proj"` matches 4 weights, 32.8 kB

    - `layers.0.attn.q_proj` 64x64 fp16, 8.19 kB
    - `layers.1.attn.q_proj` 64x64 fp16, 8.19 kB
    - `layers.2.attn.q_proj` 64x64 fp16, 8.19 kB
    - `layers.3.attn.q_proj` 64x64 fp16, 8.19 kB

    This rule decides nothing: later rules take all 4 weights that it matches.

    - line 4 takes 4: `linear => int4`
    "#);
    assert_snapshot!(of(&format!("{HEAD}conv2$0d => int8\n")), @"
    [conv2d]
    `conv2d` matches nothing in the model

    `conv2d`: a kind of module: two-dimensional convolutions
    ");
    assert_snapshot!(of("embed$0ding => int8\n"), @"
    [embedding]
    `embedding`: a kind of module: tables looked up by index: `torch.nn.Embedding`, Core ML's `gather`
    ");
    assert_snapshot!(of("\"a$0\" => int8\n"), @"nothing");
    assert_snapshot!(of(&format!("{HEAD}linear =$0> int8\n\"lm_head\" => keep\n")), @r#"
    [=>]
    16 weights, 147 kB to 75.8 kB

    This rule decides 16 of them; later rules take the others.

    - line 4 takes 1: `"lm_head" => keep`
    "#);
    assert_snapshot!(of(&format!("{HEAD}expect every li$0near quantized\n")), @"
    [linear]
    `linear` matches 17 weights, 213 kB

    - `layers.0.attn.k_proj` 32x64 fp16, 4.10 kB
    - `layers.0.attn.q_proj` 64x64 fp16, 8.19 kB
    - `layers.0.mlp.down_proj` 64x96 fp16, 12.3 kB
    - `layers.0.mlp.up_proj` 96x64 fp16, 12.3 kB
    - `layers.1.attn.k_proj` 32x64 fp16, 4.10 kB
    - and 12 more

    `linear`: a kind of module: fully connected layers: `torch.nn.Linear`, Core ML's `linear`
    ");
}

#[test]
fn schemes_say_what_they_cost_and_what_they_are_called_elsewhere() {
    assert_snapshot!(of(&format!("{HEAD}linear => in$0t4 per-group(32)\n")), @r#"
    [int4]
    `int4`: what weights become: signed integers of 4 bits with scales

    ```bitmill
    int4 per-group(32) symmetric
    ```

    - 4.50 bits per weight, 197 kB to 55.3 kB
    - Core ML operators: `constexpr_blockwise_shift_scale`
    - runs from iOS18, macOS15, watchOS11, tvOS18, visionOS2 (CoreML8)
    - arithmetic: torchao, the default for checkpoints

    ```python
    # torchao
    IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(32))
    # coremltools
    OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=32)
    # ExecuTorch
    ExportRecipe.get_recipe(CoreMLRecipeType.TORCHAO_INT4_WEIGHT_ONLY_PER_GROUP, group_size=32)
    ```
    "#);
    assert_snapshot!(of(&format!("{HEAD}scheme w4 = lut4 per-grouped-channel(1$06)\nlinear => w4\n")), @r#"
    [16]
    ```bitmill
    lut4 per-grouped-channel(16)
    ```

    - 4.23 bits per weight, 197 kB to 52.0 kB
    - Core ML operators: `constexpr_lut_to_dense`
    - runs from iOS18, macOS15, watchOS11, tvOS18, visionOS2 (CoreML8)

    ```python
    # torchao
    CodebookWeightOnlyConfig(dtype=torch.uint4, block_size=[16, -1])
    # coremltools
    OpPalettizerConfig(mode="kmeans", nbits=4, granularity="per_grouped_channel", group_size=16)
    # ExecuTorch
    ExportRecipe.get_recipe(CoreMLRecipeType.CODEBOOK_WEIGHT_ONLY, bits=4, block_size=[16, -1])
    ```
    "#);
    assert_snapshot!(of(&format!("{HEAD}scheme w4 = int4\nlinear => w$04 sparse 50%\n")), @r#"
    [w4]
    `w4` is `int4 per-channel symmetric`, used once

    ```bitmill
    int4 per-channel symmetric sparse 50%
    ```

    - 3.23 bits per weight, 197 kB to 39.7 kB
    - Core ML operators: `constexpr_sparse_blockwise_shift_scale`, `constexpr_sparse_to_dense`
    - runs from iOS18, macOS15, watchOS11, tvOS18, visionOS2 (CoreML8)
    - arithmetic: torchao, the default for checkpoints

    ```python
    # torchao: its configurations for Core ML do not prune
    # coremltools
    OpMagnitudePrunerConfig(target_sparsity=0.5)
    OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int4", granularity="per_channel")
    # ExecuTorch: its Core ML presets do not prune
    ```
    "#);
    assert_snapshot!(of("target iOS16\nlinear => int4 per-gr$0oup(32)\n"), @r#"
    [per-group]
    `per-group(32)`: a part of a scheme: one scale for so many neighbours along the input channels

    ```bitmill
    int4 per-group(32) symmetric
    ```

    - **does not fit**: needs iOS18; the target is iOS16
    - Core ML operators: `constexpr_blockwise_shift_scale`
    - runs from iOS18, macOS15, watchOS11, tvOS18, visionOS2 (CoreML8)
    - arithmetic: torchao, the default for checkpoints

    ```python
    # torchao
    IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(32))
    # coremltools
    OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=32)
    # ExecuTorch
    ExportRecipe.get_recipe(CoreMLRecipeType.TORCHAO_INT4_WEIGHT_ONLY_PER_GROUP, group_size=32)
    ```
    "#);
    assert_snapshot!(of("linear => ke$0ep\n"), @"
    [keep]
    `keep`: what weights become: leave the weight as it is, byte for byte

    ```bitmill
    keep
    ```
    ");
    assert_snapshot!(of(&format!("{HEAD}linear => int8 per-channel, activ$0ations uint8\n")), @r#"
    [activations]
    `int8 per-channel, activations uint8`: a part of a scheme: quantize activations too, statically

    ```bitmill
    int8 per-channel symmetric, activations uint8
    ```

    - **does not fit**: the model is a checkpoint: it has no graph to observe activations in
    - Core ML operators: `constexpr_blockwise_shift_scale`, `quantize`, `dequantize`
    - runs from iOS17, macOS14, watchOS10, tvOS17, visionOS1 (CoreML7)
    - arithmetic: torchao, the default for checkpoints

    ```python
    # torchao: its configurations for Core ML are about weights: activations are PT2E's
    # coremltools
    OpActivationLinearQuantizerConfig(mode="linear_symmetric", dtype="uint8")
    OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8", granularity="per_channel")
    # ExecuTorch
    ExportRecipe.get_recipe(CoreMLRecipeType.PT2E_INT8_STATIC)
    ```
    "#);
}

#[test]
fn words_have_their_meanings() {
    assert_snapshot!(of("tar$0get iOS18\n"), @"
    [target]
    `target iOS18`: a statement: the oldest systems it must run on, or `none`
    ");
    assert_snapshot!(of("target iOS$018\n"), @"
    [iOS18]
    # iOS18

    The operators of CoreML8, specification version 9.

    The first systems that have them: iOS18, macOS15, watchOS11, tvOS18, visionOS2.

    ## Brought

    int4; scales per block; 3-bit, grouped and vector palettes; joint schemes; state.

    ## What older systems have

    - CoreML7: 8-bit activations: `quantize` and `dequantize`
    - CoreML6: int8 per tensor and per channel; palettes of 1, 2, 4, 6 and 8 bits, one per tensor; sparse weights
    - CoreML5: ML Programs, without any compression
    - CoreML4: neural networks only: no ML Program
    - CoreML3: neural networks only: no ML Program
    ");
    assert_snapshot!(of("linear whe$0re rank == 2 => int8\n"), @"
    [where]
    `A where CONDITION`: a connective of selectors and conditions: those of A whose facts fit
    ");
    assert_snapshot!(of("linear where ra$0nk == 2 => int8\n"), @"
    [rank]
    `rank`: a fact that `where` compares: number of dimensions
    ");
    assert_snapshot!(of("calibrate \"x\" { sam$0ples 3 }\n"), @"
    [samples]
    `samples 128`: an option of `calibrate`: how many samples are used; all when absent
    ");
    assert_snapshot!(of("compute cpu-and-n$0e\n"), @"
    [cpu-and-ne]
    `cpu-and-ne`: a choice of `compute`: CPU and Neural Engine, never the GPU
    ");
    assert!(of("# bitmill: allow(lut-g$0pu)\nall => lut4\n").contains("# lut-gpu"));
    assert!(of("extend \"coreml_f$0p16\"\n").contains("A preset of ExecuTorch"));
    assert_eq!(of("\n$0\n"), "nothing");
    assert_eq!(of("# a com$0ment\n"), "nothing");
}

#[test]
fn files_say_what_they_hold() {
    assert_snapshot!(of("model \"$0m\"\nlinear => int8\n"), @r#"
    ["m"]
    `listing`: listing

    26 tensors, 280 kB

    - `linear`: 17 weights, 213 kB
    - `embedding`: 1 weight, 65.5 kB
    - `norm`: 4 weights, 512 B

    kinds are known by the program (22)

    this recipe: 280 kB to 176 kB (63.0 %), 8.23 bits per weight
    "#);
    assert_snapshot!(of("model \"go$0ne\"\n"), @r#"
    ["gone"]
    /nowhere/at/all/gone: there is no such file or directory
    "#);
    let others = [
        ("base.bitmill", "import \"deep.bitmill\"\nscheme w = int4\nlinear => w\n"),
        ("deep.bitmill", "conv => int8\n"),
    ];
    assert_snapshot!(at(&Fixture::with("import \"ba$0se.bitmill\"\n", &others, Settings::default())), @r#"
    ["base.bitmill"]
    `base.bitmill`: 2 rules, 1 scheme

    - `w` = `int4 per-channel symmetric`
    "#);
}

#[test]
fn plans_are_documents() {
    let text = format!(
        "{HEAD}import \"base.bitmill\"\nlinear => int4 per-group(32)\n\"*.up_proj\" => int4 per-group(48)\n\"lm_head\" => keep\n"
    );
    let fixture = Fixture::with(&text, &[("base.bitmill", "embedding or linear => int8\n")], Settings::default());
    assert_snapshot!(plan_text(&fixture.analysis).unwrap(), @r#"
    /nowhere/at/all/recipe.bitmill for listing

    weight                           kind       shape   becomes                                                                        bits  before   after    by
    embed_tokens                     embedding  512x64  int8 per-channel symmetric                                                     8.25  65.5 kB  33.8 kB  base.bitmill:1
    layers.{0..3}.attn.k_proj    ×4  linear     32x64   int4 per-group(32) symmetric                                                   4.50  16.4 kB  4.61 kB  line 4
    layers.{0..3}.attn.q_proj    ×4  linear     64x64   int4 per-group(32) symmetric                                                   4.50  32.8 kB  9.22 kB  line 4
    layers.{0..3}.mlp.down_proj  ×4  linear     64x96   int4 per-group(32) symmetric                                                   4.50  49.2 kB  13.8 kB  line 4
    layers.{0..3}.mlp.up_proj    ×4  linear     96x64   int4 per-group(48) symmetric does not fit: axis 1: 64 is not a multiple of 48        49.2 kB           line 5
    lm_head                          linear     512x64  keep                                                                                 65.5 kB           line 6

    and 4 tensors (512 B): biases stay in float
    and 4 tensors (512 B): parameters of normalisation and of operators without weights stay in float

    rule                                               does
    base.bitmill:1  embedding or linear => int8        1 weight, 65.5 kB to 33.8 kB, 17 weights overtaken
    line 4          linear => int4 per-group(32)       12 weights, 98.3 kB to 27.6 kB, 5 weights overtaken
    line 5          "*.up_proj" => int4 per-group(48)  4 weights that do not fit
    line 6          "lm_head" => keep                  1 weight kept, 65.5 kB

    13 of 18 weights that can be quantized are (58.8 % of their bytes), 6.00 bits per weight
    280 kB → 177 kB (63.4 %)
    4 weights do not fit: there is no run until they do
    arithmetic: torchao, the default for checkpoints
    kinds are known by the program (22)
    "#);
    assert_eq!(plan_text(&Fixture::new("linear => int8\n").analysis), None);
}

#[test]
fn recipes_are_made_from_presets() {
    let text = new_recipe("coreml_torchao_int4_weight_only_per_group", Some("m"), true).unwrap();
    assert!(text.contains("model \"m\"") && text.contains("linear => int4 per-group(32)"), "{text}");
    assert!(new_recipe("coreml_fp16", None, false).unwrap().contains("extend \"coreml_fp16\""));
    assert_eq!(new_recipe("coreml_fp17", None, false), Err(Some("coreml_fp16")));
}

/// Of an export the header alone tells what it takes and gives, and which operations a rule with activations is about.
#[test]
fn exports_are_known_from_their_headers() {
    let root = env!("CARGO_MANIFEST_DIR");
    let head = format!(
        "model \"{root}/examples/models/digits.pt2\"\ntarget iOS17\ncalibrate \"{root}/examples/models/digits-calibration.safetensors\"\n"
    );
    let model = of(&head.replacen("digits.pt2", "digits$0.pt2", 1));
    assert!(model.contains("takes `image` fp32[") && model.contains("gives `linear_1` fp32["), "{model}");
    let add = of(&format!("{head}all => int8 per-channel, activations uint8\nad$0d => keep\n"));
    assert!(add.contains("`add` matches 2 operations without weights") && add.contains("` add in `body`"), "{add}");
    let named = of(&format!("{head}\"bod$0y.*\" => int8 per-channel, activations uint8\n"));
    assert!(named.contains("matches 5 weights") && named.contains("and 1 operation without weights"), "{named}");
    let all = of(&format!("{head}al$0l => int8 per-channel, activations uint8\n"));
    assert!(all.contains("matches 8 weights") && all.contains(" operations without weights"), "{all}");
    let plan = Fixture::new(&format!("{head}all => int8 per-channel, activations uint8\n"));
    let plan = plan_text(&plan.analysis).unwrap();
    assert!(plan.contains("activations: codes at "), "{plan}");
}
