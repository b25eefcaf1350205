//! What can be written at the cursor.

use std::fs;

use bitmill::ide::completion::{Completion, CompletionKind, completion, documentation};
use bitmill::ide::{Cancel, Workspace};
use insta::assert_snapshot;

use crate::support::{Fixture, edited};

fn all(marked: &str) -> (Fixture, Vec<Completion>) {
    let fixture = Fixture::new(marked);
    let mut items = completion(&fixture.analysis, fixture.offset);
    items.sort_by(|a, b| a.sort.cmp(&b.sort));
    (fixture, items)
}

/// The first items: the label, what it inserts where that is something else, the detail, why it does not fit.
fn first(marked: &str, most: usize) -> String {
    let (_, items) = all(marked);
    let total = items.len();
    let lines = items.into_iter().take(most).map(|item| {
        let insert = if item.insert == item.label {
            String::new()
        } else {
            format!(" → {}", item.insert.replace('\n', "⏎"))
        };
        let unfit = item.unfit.map_or(String::new(), |why| format!(" ✗ {why}"));
        format!("{}{insert} | {}{unfit}", item.label, item.detail)
    });
    let mut shown: Vec<String> = lines.collect();
    if total > most {
        shown.push(format!("… {total}"));
    }
    shown.join("\n")
}

/// Only the labels, those that do not fit struck out.
fn labels(marked: &str) -> String {
    let items = all(marked).1.into_iter();
    items
        .map(|item| if item.unfit.is_some() { format!("~{}~", item.label) } else { item.label })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The text once an item is chosen.
fn chosen(marked: &str, label: &str) -> String {
    let (fixture, items) = all(marked);
    let item = items.into_iter().find(|item| item.label == label).unwrap_or_else(|| panic!("no {label}"));
    edited(fixture.text(), [(item.span, item.insert)])
}

const HEAD: &str = "model \"m\"\ntarget iOS18\n";

fn rule(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

#[test]
fn an_empty_recipe_begins_with_whole_ones() {
    assert_snapshot!(first("$0", 6), @r#"
    recipe: 4-bit weights of a language model → model "$1"⏎target ${2:iOS18}⏎⏎embedding => int8 per-channel⏎linear => int4 per-group(${3:32})⏎"lm_head" => int8 per-channel⏎⏎expect size <= ${4:30%}⏎$0 | embeddings in 8 bits, everything linear in 4
    recipe: 8-bit weights → model "$1"⏎target ${2:iOS17}⏎⏎all => int8 per-channel⏎$0 | every weight in 8 bits, for iOS17 and later
    recipe: palettes → model "$1"⏎target ${2:iOS18}⏎⏎linear or conv or embedding => lut4 per-grouped-channel(${3:16})⏎$0 | one table of 16 values for every 16 rows
    model → model "$1"$0 | the model the recipe is for; a run may name another
    target → target $0 | the oldest systems it must run on, or `none`
    compute → compute $0 | the processors it may run on
    … 48
    "#);
    assert!(!labels("target iOS18\n$0").contains("recipe:"));
}

#[test]
fn statements_and_what_the_model_has() {
    assert_snapshot!(first(&rule("$0\n"), 60), @r#"
    model → model "$1"$0 | the model the recipe is for; a run may name another
    target → target $0 | the oldest systems it must run on, or `none`
    compute → compute $0 | the processors it may run on
    precision → precision $0 | the compute precision of what stays in float
    arithmetic → arithmetic $0 | whose formula `symmetric` means
    threshold → threshold $0 | weights with no more elements than this stay as they are
    calibrate → calibrate "${1:calibration.safetensors}" { samples ${2:128} } | representative samples for activation ranges
    shapes → shapes { ${1:input} [$2] }$0 | the shapes that inputs of an export have, one or several, where it leaves sizes open
    scheme → scheme ${1:name} = $0 | a named scheme
    import → import "$1"$0 | the statements of another recipe
    extend → extend "$1"$0 | a built-in recipe with its parameters
    expect → expect $0 | a test that the recipe carries
    output → output "$1"$0 | where a run writes when the command line names nothing
    all | 18 weights, 279 kB
    linear | 17 weights, 213 kB
    embedding | 1 weight, 65.5 kB
    norm | 4 weights, 512 B
    embed_tokens → "embed_tokens" | 1 weight, 65.5 kB
    lm_head → "lm_head" | 1 weight, 65.5 kB
    *.down_proj → "*.down_proj" | 4 weights, 49.2 kB
    *.up_proj → "*.up_proj" | 4 weights, 49.2 kB
    *.q_proj → "*.q_proj" | 4 weights, 32.8 kB
    *.k_proj → "*.k_proj" | 4 weights, 16.4 kB
    not | the others
    conv | `conv1d`, `conv2d` and `conv3d` ✗ the model has none
    conv1d | one-dimensional convolutions ✗ the model has none
    conv2d | two-dimensional convolutions ✗ the model has none
    conv3d | three-dimensional convolutions ✗ the model has none
    conv-transpose | transposed convolutions of any rank ✗ the model has none
    matmul | matrix products, with a constant side where they own a weight ✗ the model has none
    lstm | long short-term memory layers ✗ the model has none
    gru | gated recurrent units ✗ the model has none
    rnn | plain recurrent layers ✗ the model has none
    add | additions ✗ the model has none
    mul | products of elements ✗ the model has none
    max-pool | maximum pooling ✗ the model has none
    avg-pool | average pooling, adaptive or not, and means ✗ the model has none
    flatten | flattening of dimensions ✗ the model has none
    activation | activation functions: relu, gelu, silu, sigmoid, tanh and the like ✗ the model has none
    softmax | softmax ✗ the model has none
    attention | scaled dot-product attention ✗ the model has none
    other | what has none of the names above ✗ the model has none
    "#);
    assert_snapshot!(labels("lin$0"), @"recipe: 4-bit weights of a language model recipe: 8-bit weights recipe: palettes model target compute precision arithmetic threshold calibrate shapes scheme import extend expect output all conv linear embedding conv1d conv2d conv3d conv-transpose matmul lstm gru rnn norm add mul max-pool avg-pool flatten activation softmax attention other not recipe: coreml_fp32 recipe: coreml_fp16 recipe: coreml_pt2e_int8_static recipe: coreml_pt2e_int8_weight_only recipe: coreml_torchao_int4_weight_only_per_channel recipe: coreml_torchao_int4_weight_only_per_group recipe: coreml_torchao_int8_weight_only_per_channel recipe: coreml_torchao_int8_weight_only_per_group recipe: coreml_codebook_weight_only");
}

#[test]
fn settings_have_their_words() {
    assert_snapshot!(labels("compute $0"), @"all cpu cpu-and-gpu cpu-and-ne");
    assert_snapshot!(labels("precision $0\nlinear => int8"), @"fp16 fp32");
    assert_snapshot!(labels("arithmetic tor$0"), @"torchao coremltools");
    assert_snapshot!(first("linear => int4 per-group(32)\ntarget $0", 9), @"
    iOS26 | CoreML9: int8 model inputs and outputs; int8 tables scaled after the look-up
    iOS18 | CoreML8: int4; scales per block; 3-bit, grouped and vector palettes; joint schemes; state
    macOS26 | CoreML9: int8 model inputs and outputs; int8 tables scaled after the look-up
    macOS15 | CoreML8: int4; scales per block; 3-bit, grouped and vector palettes; joint schemes; state
    watchOS26 | CoreML9: int8 model inputs and outputs; int8 tables scaled after the look-up
    watchOS11 | CoreML8: int4; scales per block; 3-bit, grouped and vector palettes; joint schemes; state
    tvOS26 | CoreML9: int8 model inputs and outputs; int8 tables scaled after the look-up
    tvOS18 | CoreML8: int4; scales per block; 3-bit, grouped and vector palettes; joint schemes; state
    visionOS26 | CoreML9: int8 model inputs and outputs; int8 tables scaled after the look-up
    … 32
    ");
    assert_snapshot!(labels("target iOS18, mac$0"), @"iOS26 iOS18 iOS17 iOS16 iOS15 macOS26 macOS15 macOS14 macOS13 macOS12 watchOS26 watchOS11 watchOS10 watchOS9 watchOS8 tvOS26 tvOS18 tvOS17 tvOS16 tvOS15 visionOS26 visionOS2 visionOS1 ~iOS14~ ~iOS13~ ~macOS11~ ~macOS10.15~ ~watchOS7~ ~watchOS6~ ~tvOS14~ ~tvOS13~");
    assert_snapshot!(labels("target iOS18 $0"), @"");
    assert_snapshot!(first("threshold $0", 9), @"
    2048 | coremltools' default for packages
    0 | no threshold
    ");
    assert_snapshot!(labels("calibrate \"x\" { samples 3 $0 }"), @"observer averaging observe");
    assert_snapshot!(labels("calibrate \"x\" {\n  observer $0\n}"), @"min-max moving-average-min-max");
    assert_snapshot!(labels("extend \"coreml_codebook_weight_only\" { bits 3 $0"), @"block filter target compute skip_ops_for_coreml_delegation lower_full_graph take_over_constant_data");
    assert_snapshot!(labels("extend \"coreml_codebook_weight_only\" { bits $0"), @"4 3 6 8 2");
    assert_snapshot!(first("extend $0", 2), @r#"
    coreml_fp32 → "coreml_fp32" | float32 throughout: no quantization
    coreml_fp16 → "coreml_fp16" | float16 throughout: no quantization
    … 9
    "#);
    assert_eq!(chosen("extend \"core$0\"", "coreml_fp16"), "extend \"coreml_fp16\"");
}

#[test]
fn names_come_level_by_level() {
    assert_snapshot!(first(&rule("\"$0\" => keep\n"), 30), @"
    embed_tokens | 1 weight, 65.5 kB
    layers | 16 weights, 147 kB, goes on
    lm_head | 1 weight, 65.5 kB
    *.down_proj | 4 weights, 49.2 kB
    *.up_proj | 4 weights, 49.2 kB
    *.q_proj | 4 weights, 32.8 kB
    *.k_proj | 4 weights, 16.4 kB
    ");
    assert_snapshot!(first(&rule("\"layers.$0\" => keep\n"), 30), @"
    * | any of 4: 16 weights, 147 kB
    {0..1} | 2 of 4
    {2..3} | 2 of 4
    {0,3} | the first and the last
    0 | 4 weights, 36.9 kB, goes on
    1 | 4 weights, 36.9 kB, goes on
    2 | 4 weights, 36.9 kB, goes on
    3 | 4 weights, 36.9 kB, goes on
    ");
    assert_snapshot!(first(&rule("\"layers.{0..1}.$0"), 30), @"
    * | any of 2: 8 weights, 73.7 kB
    attn | 4 weights, 24.6 kB, goes on
    mlp | 4 weights, 49.2 kB, goes on
    ");
    assert_snapshot!(first(&rule("linear and \"*.mlp.u$0\" => keep\n"), 30), @"
    down_proj | 4 weights, 49.2 kB
    up_proj | 4 weights, 49.2 kB
    ");
    assert_eq!(chosen(&rule("\"layers.*.at$0.q_proj\" => keep\n"), "attn"), rule("\"layers.*.attn.q_proj\" => keep\n"));
    assert_eq!(chosen(&rule("\"*.q$0\" => keep\n"), "q_proj"), rule("\"*.q_proj\" => keep\n"));
    assert_eq!(chosen(&rule("linear or $0"), "*.q_proj"), rule("linear or \"*.q_proj\""));
    assert_eq!(chosen(&rule("\"layers.$0"), "{0,3}"), rule("\"layers.{0,3}"));
    assert_snapshot!(labels("\"$0\" => keep\n"), @"");
}

#[test]
fn selectors_and_conditions_go_on() {
    assert_snapshot!(labels(&rule("linear $0")), @"=> and or where");
    assert_snapshot!(labels(&rule("linear where $0")), @"params bytes rank in_features out_features kernel groups layer dtype ops not");
    assert_snapshot!(labels(&rule("linear where in_features $0")), @"== != < <= > >= %");
    assert_snapshot!(first(&rule("linear where in_features == $0"), 9), @"
    64 | 14 weights
    96 | 4 weights
    ");
    assert_snapshot!(first(&rule("linear where dtype == $0"), 3), @"
    fp16 | 18 weights
    fp64 |  ✗ no weight of the model has this type
    fp32 |  ✗ no weight of the model has this type
    … 15
    ");
    assert_snapshot!(labels(&rule("linear where rank == 2 $0")), @"=> and or");
    assert_snapshot!(labels(&rule("linear where rank == 2 and $0")), @"params bytes rank in_features out_features kernel groups layer dtype ops not");
    assert!(labels(&rule("linear where rank == 2, $0")).contains("embedding"));
}

#[test]
fn parts_are_judged_for_target_and_weights() {
    // A word may be cut at its hyphen.
    assert_eq!(first(&rule("linear => int4 per-$0\n"), 40), first(&rule("linear => int4 per$0\n"), 40));
    assert_snapshot!(first(&rule("linear => $0\n"), 40), @"
    keep | leave the weight as it is, byte for byte
    int8 | 8.23 bits, 197 kB to 101 kB: signed integers of 8 bits with scales
    int4 | 4.23 bits, 197 kB to 52.0 kB: signed integers of 4 bits with scales
    uint8 | 8.34 bits, 197 kB to 103 kB: unsigned integers of 8 bits with scales and zero points
    uint4 | 4.29 bits, 197 kB to 52.7 kB: unsigned integers of 4 bits with scales and zero points
    lut8 | 8.54 bits, 197 kB to 105 kB: 8-bit indices into a table of 256 values
    lut7 | 8.54 bits, 197 kB to 105 kB: 7-bit indices into a table of 128 values
    lut6 | 6.14 bits, 197 kB to 75.4 kB: 6-bit indices into a table of 64 values
    lut5 | 6.14 bits, 197 kB to 75.4 kB: 5-bit indices into a table of 32 values
    lut4 | 4.03 bits, 197 kB to 49.6 kB: 4-bit indices into a table of 16 values
    lut3 | 3.02 bits, 197 kB to 37.1 kB: 3-bit indices into a table of 8 values
    lut2 | 2.01 bits, 197 kB to 24.7 kB: 2-bit indices into a table of 4 values
    lut1 | 1.00 bits, 197 kB to 12.3 kB: 1-bit indices into a table of 2 values
    fp16 | 16.00 bits, 197 kB: IEEE 754 binary16
    fp32 | 32.00 bits, 197 kB to 393 kB: IEEE 754 binary32
    int7 | signed integers of 7 bits with scales ✗ Core ML has no 7-bit integers, only those of 4 and 8 bits
    int6 | signed integers of 6 bits with scales ✗ Core ML has no 6-bit integers, only those of 4 and 8 bits
    int5 | signed integers of 5 bits with scales ✗ Core ML has no 5-bit integers, only those of 4 and 8 bits
    int3 | signed integers of 3 bits with scales ✗ Core ML has no 3-bit integers, only those of 4 and 8 bits
    int2 | signed integers of 2 bits with scales ✗ Core ML has no 2-bit integers, only those of 4 and 8 bits
    int1 | signed integers of 1 bit with scales ✗ Core ML has no 1-bit integers, only those of 4 and 8 bits
    uint7 | unsigned integers of 7 bits with scales and zero points ✗ Core ML has no 7-bit integers, only those of 4 and 8 bits
    uint6 | unsigned integers of 6 bits with scales and zero points ✗ Core ML has no 6-bit integers, only those of 4 and 8 bits
    uint5 | unsigned integers of 5 bits with scales and zero points ✗ Core ML has no 5-bit integers, only those of 4 and 8 bits
    uint3 | unsigned integers of 3 bits with scales and zero points ✗ Core ML has no 3-bit integers, only those of 4 and 8 bits
    uint2 | unsigned integers of 2 bits with scales and zero points ✗ Core ML has no 2-bit integers, only those of 4 and 8 bits
    uint1 | unsigned integers of 1 bit with scales and zero points ✗ Core ML has no 1-bit integers, only those of 4 and 8 bits
    bf16 | bfloat16 ✗ Core ML has no bfloat16 weights
    fp8-e4m3 | 8-bit float, 4 exponent bits, finite only ✗ no Core ML target has weights in 8-bit floats
    fp8-e5m2 | 8-bit float, 5 exponent bits ✗ no Core ML target has weights in 8-bit floats
    ");
    assert_snapshot!(first("model \"m\"\ntarget iOS16\n\"*.q_proj\" => $0\n", 40), @"
    keep | leave the weight as it is, byte for byte
    int8 | 8.25 bits, 32.8 kB to 16.9 kB: signed integers of 8 bits with scales
    uint8 | 8.38 bits, 32.8 kB to 17.2 kB: unsigned integers of 8 bits with scales and zero points
    lut8 | 9.00 bits, 32.8 kB to 18.4 kB: 8-bit indices into a table of 256 values
    lut7 | 9.00 bits, 32.8 kB to 18.4 kB: 7-bit indices into a table of 128 values
    lut6 | 6.25 bits, 32.8 kB to 12.8 kB: 6-bit indices into a table of 64 values
    lut5 | 6.25 bits, 32.8 kB to 12.8 kB: 5-bit indices into a table of 32 values
    lut4 | 4.06 bits, 32.8 kB to 8.32 kB: 4-bit indices into a table of 16 values
    lut2 | 2.02 bits, 32.8 kB to 4.13 kB: 2-bit indices into a table of 4 values
    lut1 | 1.01 bits, 32.8 kB to 2.06 kB: 1-bit indices into a table of 2 values
    fp16 | 16.00 bits, 32.8 kB: IEEE 754 binary16
    fp32 | 32.00 bits, 32.8 kB to 65.5 kB: IEEE 754 binary32
    int7 | signed integers of 7 bits with scales ✗ Core ML has no 7-bit integers, only those of 4 and 8 bits
    int6 | signed integers of 6 bits with scales ✗ Core ML has no 6-bit integers, only those of 4 and 8 bits
    int5 | signed integers of 5 bits with scales ✗ Core ML has no 5-bit integers, only those of 4 and 8 bits
    int4 | signed integers of 4 bits with scales ✗ needs iOS18; the target is iOS16
    int3 | signed integers of 3 bits with scales ✗ Core ML has no 3-bit integers, only those of 4 and 8 bits
    int2 | signed integers of 2 bits with scales ✗ Core ML has no 2-bit integers, only those of 4 and 8 bits
    int1 | signed integers of 1 bit with scales ✗ Core ML has no 1-bit integers, only those of 4 and 8 bits
    uint7 | unsigned integers of 7 bits with scales and zero points ✗ Core ML has no 7-bit integers, only those of 4 and 8 bits
    uint6 | unsigned integers of 6 bits with scales and zero points ✗ Core ML has no 6-bit integers, only those of 4 and 8 bits
    uint5 | unsigned integers of 5 bits with scales and zero points ✗ Core ML has no 5-bit integers, only those of 4 and 8 bits
    uint4 | unsigned integers of 4 bits with scales and zero points ✗ needs iOS18; the target is iOS16
    uint3 | unsigned integers of 3 bits with scales and zero points ✗ Core ML has no 3-bit integers, only those of 4 and 8 bits
    uint2 | unsigned integers of 2 bits with scales and zero points ✗ Core ML has no 2-bit integers, only those of 4 and 8 bits
    uint1 | unsigned integers of 1 bit with scales and zero points ✗ Core ML has no 1-bit integers, only those of 4 and 8 bits
    lut3 | 3-bit indices into a table of 8 values ✗ needs iOS18; the target is iOS16
    bf16 | bfloat16 ✗ Core ML has no bfloat16 weights
    fp8-e4m3 | 8-bit float, 4 exponent bits, finite only ✗ no Core ML target has weights in 8-bit floats
    fp8-e5m2 | 8-bit float, 5 exponent bits ✗ no Core ML target has weights in 8-bit floats
    ");
    assert_snapshot!(first(&rule("linear => int4 $0\n"), 40), @"
    per-tensor | 4.00 bits, 197 kB to 49.2 kB: one scale or table for the whole weight
    per-channel | 4.23 bits, 197 kB to 52.0 kB: one scale or table for each output channel; `per-channel(1)` names the axis
    per-group(32) → per-group(${1:32}) | 4.50 bits, 197 kB to 55.3 kB: one scale for so many neighbours along the input channels
    block[16, -1] → block[${1:16}, ${2:-1}] | 4.01 bits, 197 kB to 49.3 kB: one scale or table for each block of this extent; -1 is the whole axis
    symmetric | 4.23 bits, 197 kB to 52.0 kB: zero maps to zero; the largest magnitude decides the scale
    asymmetric | 4.29 bits, 197 kB to 52.7 kB: the whole range from minimum to maximum is used, with a zero point
    symmetric-no-clipping | 4.23 bits, 197 kB to 52.0 kB: symmetric, but the scale is large enough that neither end is clipped
    scale → scale  | 4.23 bits, 197 kB to 52.0 kB: the type of the scales
    by → by  | 4.23 bits, 197 kB to 52.0 kB: how scales are chosen
    sparse → sparse  | 3.23 bits, 197 kB to 39.7 kB: pruning, joined to the rest: a share or n:m
    sparse-below → sparse-below  | 5.23 bits, 197 kB to 64.3 kB: pruning of magnitudes below a bound
    , activations → , activations uint8 | quantize activations too, statically
    per-grouped-channel(16) → per-grouped-channel(${1:16}) | one table for so many output channels ✗ `per-grouped-channel(16)` is for palettes: integers have a scale per channel or per group
    ");
    assert_snapshot!(first(&rule("linear => lut4 $0\n"), 40), @"
    per-tensor | 4.03 bits, 197 kB to 49.6 kB: one scale or table for the whole weight
    per-channel | 7.67 bits, 197 kB to 94.2 kB: one scale or table for each output channel; `per-channel(1)` names the axis
    per-grouped-channel(16) → per-grouped-channel(${1:16}) | 4.23 bits, 197 kB to 52.0 kB: one table for so many output channels
    block[16, -1] → block[${1:16}, ${2:-1}] | 4.23 bits, 197 kB to 52.0 kB: one scale or table for each block of this extent; -1 is the whole axis
    vector(2) → vector(${1:2}) | 2.07 bits, 197 kB to 25.4 kB: palette entries of so many values
    scaled | 4.26 bits, 197 kB to 52.4 kB: a scale for each output channel beside the palette
    fit → fit  | 4.03 bits, 197 kB to 49.6 kB: how a palette's entries are found
    entries → entries  | 4.02 bits, 197 kB to 49.4 kB: the type of a palette's entries
    sparse → sparse  | 3.03 bits, 197 kB to 37.3 kB: pruning, joined to the rest: a share or n:m
    sparse-below → sparse-below  | 5.03 bits, 197 kB to 61.9 kB: pruning of magnitudes below a bound
    , activations → , activations uint8 | quantize activations too, statically
    per-group(32) → per-group(${1:32}) | one scale for so many neighbours along the input channels ✗ `per-group(32)` is for integers: palettes have tables for whole channels
    ");
    assert_snapshot!(first("target iOS16\nall => int4 per$0", 3), @"
    , activations → , activations uint8 | quantize activations too, statically
    per-tensor | one scale or table for the whole weight ✗ needs iOS18; the target is iOS16
    per-channel | one scale or table for each output channel; `per-channel(1)` names the axis ✗ needs iOS18; the target is iOS16
    … 13
    ");
}

#[test]
fn groups_divide_the_axes_of_the_weights() {
    assert_snapshot!(first(&rule("linear => int4 per-group($0)\n"), 40), @"
    16 | 5.00 bits, 197 kB to 61.4 kB
    32 | 4.50 bits, 197 kB to 55.3 kB
    64 |  ✗ axis 1: 96 is not a multiple of 64
    128 |  ✗ axis 1: 64 is not a multiple of 128
    256 |  ✗ axis 1: 64 is not a multiple of 256
    ");
    assert_snapshot!(first(&rule("\"*.down_proj\" => int4 per-group($0\n"), 40), @"
    16 | 5.00 bits, 49.2 kB to 15.4 kB
    24 | 4.67 bits, 49.2 kB to 14.3 kB
    32 | 4.50 bits, 49.2 kB to 13.8 kB
    48 | 4.33 bits, 49.2 kB to 13.3 kB
    96 | 4.17 bits, 49.2 kB to 12.8 kB
    64 |  ✗ axis 1: 96 is not a multiple of 64
    128 |  ✗ axis 1: 96 is not a multiple of 128
    256 |  ✗ axis 1: 96 is not a multiple of 256
    ");
    assert_snapshot!(first(&rule("\"*.up_proj\" => lut4 per-grouped-channel($0)\n"), 40), @"
    12 | 4.33 bits, 49.2 kB to 13.3 kB
    16 | 4.25 bits, 49.2 kB to 13.1 kB
    24 | 4.17 bits, 49.2 kB to 12.8 kB
    32 | 4.12 bits, 49.2 kB to 12.7 kB
    48 | 4.08 bits, 49.2 kB to 12.5 kB
    96 | 4.04 bits, 49.2 kB to 12.4 kB
    64 |  ✗ axis 0: 96 is not a multiple of 64
    128 |  ✗ axis 0: 96 is not a multiple of 128
    256 |  ✗ axis 0: 96 is not a multiple of 256
    ");
    assert_snapshot!(labels(&rule("linear => int4 block[16, $0]\n")), @"-1 1 8 16 32 ~64~ ~128~ ~256~");
    assert_snapshot!(labels(&rule("linear => lut4 vector($0)\n")), @"2 4 8");
    assert_snapshot!(labels(&rule("linear => int4 per-channel($0)\n")), @"0 1");
}

#[test]
fn operands_and_activations() {
    assert_snapshot!(labels(&rule("linear => int4 scale $0\n")), @"fp16 fp32 ~bf16~");
    assert_snapshot!(labels(&rule("linear => lut4 fit $0\n")), @"kmeans uniform unique");
    assert_snapshot!(labels(&rule("linear => int8 by $0\n")), @"min-max hqq mse");
    assert_snapshot!(labels(&rule("linear => int8 sparse $0\n")), @"50% 75% 2:4");
    assert_snapshot!(labels(&rule("linear => int8, $0\n")), @"activations");
    assert_snapshot!(labels(&rule("linear => int8, activations $0\n")), @"uint8 int8 symmetric asymmetric ~dynamic~");
    assert_snapshot!(labels(&rule("linear => int8, activations uint8 $0\n")), @"symmetric asymmetric");
}

#[test]
fn schemes_are_offered_below_their_definition() {
    let text = rule("scheme w4 = int4 per-group(32)\nlinear => $0\nscheme later = int8\n");
    assert!(labels(&text).starts_with("w4 "));
    assert!(!labels(&text).contains("later"));
    assert_snapshot!(first(&rule("scheme w4 = int4 $0\nlinear => w4\n"), 4), @"
    per-tensor | 4.00 bits, 197 kB to 49.2 kB: one scale or table for the whole weight
    per-channel | 4.23 bits, 197 kB to 52.0 kB: one scale or table for each output channel; `per-channel(1)` names the axis
    per-group(32) → per-group(${1:32}) | 4.50 bits, 197 kB to 55.3 kB: one scale for so many neighbours along the input channels
    block[16, -1] → block[${1:16}, ${2:-1}] | 4.01 bits, 197 kB to 49.3 kB: one scale or table for each block of this extent; -1 is the whole axis
    … 13
    ");
    assert_snapshot!(labels(&rule("scheme w4 = int4 per-group(32)\nlinear => w4 $0\n")), @"per-tensor per-channel per-group(32) block[16, -1] symmetric asymmetric symmetric-no-clipping scale by sparse sparse-below ~per-grouped-channel(16)~");
}

#[test]
fn expectations_know_their_words() {
    assert_snapshot!(first(&rule("expect $0"), 8), @"
    size → size <= 30% | bytes after, in percent of the bytes before or in bytes
    bits → bits <= 4.5 | average bits per weight of what was quantized
    sqnr → sqnr >= 30 dB | signal to quantization noise ratio of the weights
    accuracy drop → accuracy drop <= 0.5% | loss of top-1 accuracy in an evaluation
    perplexity rise → perplexity rise <= 2% | rise of perplexity in an evaluation
    every | holds for each weight of A
    no | holds for no weight of A
    all | 18 weights, 279 kB
    … 36
    ");
    assert_snapshot!(labels(&rule("expect size $0")), @"== != < <= > >=");
    assert_snapshot!(labels(&rule("expect size <= $0")), @"30% 12MB");
    assert_snapshot!(labels(&rule("expect linear $0")), @"matches => sqnr and or where");
    assert_snapshot!(first(&rule("expect linear matches $0"), 9), @"17 | as many as match now");
    assert_snapshot!(labels(&rule("expect every linear $0")), @"quantized kept and or where");
    assert!(labels(&rule("expect linear => in$0")).contains("int4"));
}

#[test]
fn comments_complete_codes() {
    assert!(labels("# bitmill: allow(lut-$0)\nall => lut4\n").contains("lut-gpu"));
    assert_eq!(
        chosen("# bitmill: allow(lut-gpu, sch$0)\n", "scheme-unused"),
        "# bitmill: allow(lut-gpu, scheme-unused)\n"
    );
    assert_eq!(labels("# lin$0"), "");
}

#[test]
fn nothing_is_offered_where_nothing_fits() {
    for text in [
        "scheme $0",
        "model \"m\" $0",
        "/lin$0/ => int8",
        "threshold 3 $0",
        "linear => sparse 2:$0",
        "import \"a\" x $0",
    ] {
        assert_eq!(labels(text), "", "{text}");
    }
}

#[test]
fn lines_that_go_on_are_one_statement() {
    assert!(labels(&rule("linear =>\n  $0")).contains("int4"));
    assert!(labels(&rule("linear =>\n  in$0")).contains("int4"));
    assert!(labels(&rule("linear =>\n\n$0")).contains("target"));
    assert!(labels("calibrate \"x\" {\n  $0\n}").contains("samples"));
    assert!(labels("calibrate \"x\" {\n  $0\n").contains("samples"));
}

#[test]
fn files_are_found_beside_the_recipe() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["b.bitmill", "w.safetensors", "note.txt", "deep/c.bitmill", "llm/config.json", "p.mlpackage/x", ".h/x"]
    {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let recipe = directory.path().join("a.bitmill");
    let shown = |marked: &str| {
        let offset = marked.find("$0").unwrap();
        let mut workspace = Workspace::new();
        workspace.open(&recipe, marked.replace("$0", ""));
        let analysis = workspace.world().analysis(&recipe, &Cancel::default()).unwrap();
        let items = completion(&analysis, offset).into_iter();
        items.map(|item| edited(analysis.text(), [(item.span, item.insert)])).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(shown("import \"$0\""), @r#"
    import "b.bitmill"
    import "llm/"
    import "deep/"
    "#);
    assert_snapshot!(shown("import $0"), @r#"
    import "b.bitmill"
    import "llm/"
    import "deep/"
    "#);
    assert_snapshot!(shown("import \"deep/$0\""), @r#"import "deep/c.bitmill""#);
    assert_snapshot!(shown("model \"w$0"), @r#"
    model "llm/
    model "p.mlpackage
    model "w.safetensors
    model "deep/
    "#);
    assert_snapshot!(shown("calibrate \"$0\" { samples 3 }"), @r#"
    calibrate "llm/" { samples 3 }
    calibrate "w.safetensors" { samples 3 }
    calibrate "deep/" { samples 3 }
    "#);
}

#[test]
fn what_is_offered_has_a_page() {
    for (kind, label) in [
        (CompletionKind::Preset, "coreml_fp16"),
        (CompletionKind::Part, "per-group(32)"),
        (CompletionKind::Part, "sparse"),
        (CompletionKind::Target, "iOS18"),
        (CompletionKind::Kind, "linear"),
        (CompletionKind::Code, "lut-gpu"),
        (CompletionKind::Base, "lut4"),
        (CompletionKind::Option, "samples"),
        (CompletionKind::Snippet, "recipe: coreml_fp16"),
    ] {
        assert!(documentation(kind, label).is_some(), "{label}");
    }
    assert_eq!(documentation(CompletionKind::Name, "linear"), None);
}

#[test]
fn a_filter_in_quotes_is_a_selector() {
    let preset = |filter: &str| {
        format!("{HEAD}extend \"coreml_torchao_int4_weight_only_per_group\" {{ filter \"{filter}\" }}\n")
    };
    assert_snapshot!(first(&preset("$0"), 5), @r#"
    all | 18 weights, 279 kB
    linear | 17 weights, 213 kB
    embedding | 1 weight, 65.5 kB
    norm | 4 weights, 512 B
    embed_tokens → \"embed_tokens\" | 1 weight, 65.5 kB
    … 29
    "#);
    assert_snapshot!(labels(&preset("linear $0")), @r#"and or where"#);
    assert_snapshot!(labels(&preset("linear where $0")), @r#"params bytes rank in_features out_features kernel groups layer dtype ops not"#);
    assert_snapshot!(labels(&preset("linear where rank == $0")), @r#"2"#);
    assert_snapshot!(first(&preset(r#"linear or \"layers.$0\""#), 4), @r#"
    * | any of 4: 16 weights, 147 kB
    {0..1} | 2 of 4
    {2..3} | 2 of 4
    {0,3} | the first and the last
    … 8
    "#);
    // Quotes within quotes.
    assert_snapshot!(chosen(&preset("not $0"), "lm_head"), @r#"
    model "m"
    target iOS18
    extend "coreml_torchao_int4_weight_only_per_group" { filter "not \"lm_head\"" }
    "#);
    assert_snapshot!(chosen(&preset(r#"\"layers.0.$0\" or conv"#), "mlp"), @r#"
    model "m"
    target iOS18
    extend "coreml_torchao_int4_weight_only_per_group" { filter "\"layers.0.mlp\" or conv" }
    "#);
}

#[test]
fn regular_expressions_are_made_of_words_of_names() {
    assert_snapshot!(labels(&rule("/layers.*q_p$0/ => int8\n")), @r#"layers mlp embed_tokens lm_head attn down_proj up_proj q_proj k_proj"#);
    assert_snapshot!(chosen(&rule("/layers.*q_p$0/ => int8\n"), "k_proj"), @r#"
    model "m"
    target iOS18
    /layers.*k_proj/ => int8
    "#);
    assert_snapshot!(chosen(&rule(r"/.*\d_p$0x/ => int8"), "k_proj"), @r#"
    model "m"
    target iOS18
    /.*\dk_proj/ => int8
    "#);
    assert_snapshot!(labels(&rule("/a/$0 => int8\n")), @r#"=> and or where"#);
}

/// Inputs of an export by name, with the sizes that they may have; its values as they were exported.
#[test]
fn shapes_know_the_inputs_of_the_export() {
    assert_snapshot!(first("model \"e\"\nshapes { $0 }\n", 9), @"
    tokens | [1, 2..64]
    mask | [2..64, 3]
    ");
    assert_snapshot!(first("model \"e\"\nshapes { tokens [1, 8] ma$0 }\n", 9), @"mask | [2..64, 3]");
    assert_snapshot!(first("model \"e\"\nshapes { mask $0 }\n", 9), @"[1, 3] → [${1:1}, 3] | [2..64, 3]");
    assert_eq!(labels("model \"m\"\nshapes { $0 }\n"), "");
    assert!(labels("sha$0").contains("shapes"));
}
