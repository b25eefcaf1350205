//! The chains of formats.md's table, set by set.

use super::chain::{Chain, Operand};
use super::encode::{Shaped, encode};
use super::rewrite::{Edits, Immediates, rewrite};
use crate::element::ElementType;
use crate::formats::coreml::proto::{
    Block, BlockEntry, Entry, Function, FunctionEntry, Kept, Model, ModelKind, Program,
};
use crate::graph::function::Opset;
use crate::plan::fit::Fitted;
use crate::scheme::{Arithmetic, FloatType, Mapping, PaletteFit, ScaleSearch, Sparsity};

const SHAPE: [usize; 2] = [64, 48];

fn text(chain: &Chain) -> String {
    let step = |step: &super::Step| {
        let operand = |(name, operand): &(&str, Operand)| match operand {
            Operand::Data(data) => format!("{name}: {:?} {}{:?}", data.holds, data.element, data.shape),
            Operand::Result(step, output) => format!("{name}: {step}.{output}"),
            Operand::Int(number) => format!("{name}: {number}"),
            Operand::Sizes(sizes) => format!("{name}: {sizes:?}"),
            Operand::Word(word) => format!("{name}: {word}"),
        };
        let parameters: Vec<String> = step.parameters.iter().map(operand).collect();
        let outputs: Vec<String> = step.outputs.iter().map(|(element, shape)| format!("{element}{shape:?}")).collect();
        format!("{}({}) -> {}\n", step.operator, parameters.join(", "), outputs.join(", "))
    };
    chain.steps.iter().map(step).collect()
}

fn chain(fitted: &Fitted, set: Opset) -> String {
    let weight = Shaped { shape: &SHAPE, element: ElementType::Fp16, survivors: 1000 };
    match encode(weight, fitted, set) {
        Ok(chain) => text(&chain),
        Err(error) => format!("{error}\n"),
    }
}

fn affine(bits: u8, signed: bool, mapping: Mapping, block: [usize; 2], sparse: bool) -> Fitted {
    Fitted::Affine {
        block: block.to_vec(),
        bits,
        signed,
        mapping,
        arithmetic: Arithmetic::Coremltools,
        scale: FloatType::Fp16,
        by: ScaleSearch::MinMax,
        sparse: sparse.then_some(Sparsity::Share(0.5)),
    }
}

fn palette(bits: u8, block: [usize; 2], vector: u32, int8_entries: bool, scaled: bool, sparse: bool) -> Fitted {
    Fitted::Palette {
        block: block.to_vec(),
        bits,
        vector,
        axis: 0,
        int8_entries,
        scaled,
        fit: PaletteFit::Kmeans,
        entry: FloatType::Fp16,
        sparse: sparse.then_some(Sparsity::Share(0.5)),
    }
}

#[test]
fn integers() {
    use Mapping::{Asymmetric, Symmetric};
    let channel = [1, 48];
    insta::assert_snapshot!(chain(&affine(8, true, Symmetric, channel, false), Opset::CoreML6), @"constexpr_affine_dequantize(quantized_data: RaisedCodes uint8[64, 48], zero_point: RaisedZeroPoints uint8[64], scale: Scales fp16[64], axis: 0) -> fp16[64, 48]");
    insta::assert_snapshot!(chain(&affine(8, false, Asymmetric, [64, 48], false), Opset::CoreML7), @"constexpr_affine_dequantize(quantized_data: Codes uint8[64, 48], zero_point: ZeroPoints uint8[], scale: Scales fp16[], axis: 0) -> fp16[64, 48]");
    insta::assert_snapshot!(chain(&affine(8, true, Symmetric, [64, 1], false), Opset::CoreML7), @"constexpr_affine_dequantize(quantized_data: RaisedCodes uint8[64, 48], zero_point: RaisedZeroPoints uint8[48], scale: Scales fp16[48], axis: 1) -> fp16[64, 48]");
    insta::assert_snapshot!(chain(&affine(8, true, Symmetric, channel, false), Opset::CoreML8), @"constexpr_blockwise_shift_scale(data: Codes int8[64, 48], scale: Scales fp16[64, 1]) -> fp16[64, 48]");
    insta::assert_snapshot!(chain(&affine(4, true, Asymmetric, [1, 16], false), Opset::CoreML8), @"constexpr_blockwise_shift_scale(data: Codes int4[64, 48], scale: Scales fp16[64, 3], offset: ZeroPoints int4[64, 3]) -> fp16[64, 48]");
    insta::assert_snapshot!(chain(&affine(8, true, Symmetric, channel, true), Opset::CoreML9), @"
    constexpr_sparse_blockwise_shift_scale(data_mask: Mask uint1[64, 48], nonzero_data: Codes int8[1000], scale: Scales fp16[64, 1]) -> uint1[64, 48], fp16[1000]
    constexpr_sparse_to_dense(nonzero_data: 0.1, mask: 0.0) -> fp16[64, 48]
    ");
}

#[test]
fn palettes() {
    let whole = [64, 48];
    insta::assert_snapshot!(chain(&palette(6, whole, 1, false, false, false), Opset::CoreML6), @"constexpr_lut_to_dense(indices: Codes uint8[2304], lut: Tables fp16[64], shape: [64, 48]) -> fp16[64, 48]");
    insta::assert_snapshot!(chain(&palette(3, [16, 48], 1, false, false, false), Opset::CoreML8), @"constexpr_lut_to_dense(indices: Codes uint3[64, 48], lut: Tables fp16[4, 1, 8, 1]) -> fp16[64, 48]");
    insta::assert_snapshot!(chain(&palette(5, whole, 2, false, false, false), Opset::CoreML8), @"constexpr_lut_to_dense(indices: Codes uint6[32, 48], lut: Tables fp16[1, 1, 64, 2], vector_axis: 0) -> fp16[64, 48]");
    insta::assert_snapshot!(chain(&palette(4, whole, 1, true, false, false), Opset::CoreML8), @"
    constexpr_blockwise_shift_scale(data: Int8Tables int8[1, 1, 16, 1], scale: TableScale fp16[1, 1, 1, 1]) -> fp16[1, 1, 16, 1]
    constexpr_lut_to_dense(indices: Codes uint4[64, 48], lut: 0.0) -> fp16[64, 48]
    ");
    insta::assert_snapshot!(chain(&palette(4, whole, 1, true, false, false), Opset::CoreML9), @"
    constexpr_lut_to_dense(indices: Codes uint4[64, 48], lut: Int8Tables int8[1, 1, 16, 1]) -> int8[64, 48]
    constexpr_blockwise_shift_scale(data: 0.0, scale: TableScale fp16[1, 1]) -> fp16[64, 48]
    ");
    insta::assert_snapshot!(chain(&palette(4, whole, 1, false, true, false), Opset::CoreML8), @"
    constexpr_lut_to_dense(indices: Codes uint4[64, 48], lut: Tables fp16[1, 1, 16, 1]) -> fp16[64, 48]
    constexpr_blockwise_shift_scale(data: 0.0, scale: ChannelScales fp16[64, 1]) -> fp16[64, 48]
    ");
    insta::assert_snapshot!(chain(&palette(4, whole, 1, true, true, true), Opset::CoreML9), @"
    constexpr_lut_to_sparse(indices_mask: Mask uint1[64, 48], indices_nonzero_data: Codes uint4[1000], lut: Int8Tables int8[1, 1, 16, 1]) -> uint1[64, 48], int8[1000]
    constexpr_sparse_to_dense(nonzero_data: 0.1, mask: 0.0) -> int8[64, 48]
    constexpr_blockwise_shift_scale(data: 1.0, scale: TableScale fp16[1, 1]) -> fp16[64, 48]
    constexpr_blockwise_shift_scale(data: 2.0, scale: ChannelScales fp16[64, 1]) -> fp16[64, 48]
    ");
}

#[test]
fn sparse_and_floats() {
    let sparse = Fitted::Sparse { sparse: Sparsity::Share(0.5), float: FloatType::Fp16 };
    insta::assert_snapshot!(chain(&sparse, Opset::CoreML7), @"constexpr_sparse_to_dense(nonzero_data: Values fp16[1000], mask: Mask uint8[384], shape: [64, 48]) -> fp16[64, 48]");
    insta::assert_snapshot!(chain(&sparse, Opset::CoreML8), @"constexpr_sparse_to_dense(nonzero_data: Values fp16[1000], mask: Mask uint1[64, 48]) -> fp16[64, 48]");
    let weight = Shaped { shape: &SHAPE, element: ElementType::Fp32, survivors: 0 };
    let cast = encode(weight, &Fitted::Float(FloatType::Fp16), Opset::CoreML6).unwrap();
    insta::assert_snapshot!(text(&cast), @"constexpr_cast(source_val: Values fp16[64, 48], output_dtype: fp32) -> fp32[64, 48]");
}

#[test]
fn what_a_set_does_not_have_is_an_error() {
    let cases = [
        (affine(4, true, Mapping::Symmetric, [1, 48], false), Opset::CoreML7),
        (affine(8, true, Mapping::Symmetric, [1, 16], false), Opset::CoreML7),
        (affine(5, true, Mapping::Symmetric, [1, 48], false), Opset::CoreML9),
        (palette(3, [64, 48], 1, false, false, false), Opset::CoreML6),
        (palette(4, [16, 48], 1, false, false, false), Opset::CoreML6),
        (palette(4, [64, 48], 1, true, false, false), Opset::CoreML7),
        (affine(8, true, Mapping::Symmetric, [1, 48], false), Opset::CoreML5),
        (Fitted::Float(FloatType::Fp32), Opset::CoreML8),
    ];
    let all: String = cases.iter().map(|(fitted, set)| chain(fitted, *set)).collect();
    insta::assert_snapshot!(all, @"
    CoreML7 has no integer weights other than plain ones of 8 bits
    CoreML7 has no scales per block
    CoreML9 has no integer weights of other than 4 and 8 bits
    CoreML6 has no 3-bit palettes
    CoreML6 has no more than one table
    CoreML7 has no palettes with anything beside a table of floats
    CoreML5 has no compressed weights
    the weight would become fp32, where the program has fp16
    ");
}

/// Of two entries of one key the last counts, for readers and for whoever edits.
#[test]
fn hidden_entries_go() {
    let block = |output: &str| Block { outputs: vec![output.into()], ..Block::default() };
    let entry = |set: Opset, output| BlockEntry::entry(set.name().into(), block(output).into()).into();
    let blocks = [(Opset::CoreML6, "hidden"), (Opset::CoreML7, "other"), (Opset::CoreML6, "counts")];
    let function = |blocks: &[(Opset, &'static str)]| Function {
        opset: Opset::CoreML6.name().into(),
        block_specializations: blocks.iter().map(|&(set, output)| entry(set, output)).collect(),
        ..Function::default()
    };
    let functions = vec![
        FunctionEntry::entry("main".into(), function(&[(Opset::CoreML6, "hidden too")]).into()).into(),
        FunctionEntry::entry("main".into(), function(&blocks).into()).into(),
    ];
    let program = Program { version: 1, functions, ..Program::default() };
    let mut model = Kept::from(Model { kind: Some(ModelKind::MlProgram(program.into())), ..Model::default() });
    rewrite(&mut model, &Edits::default(), &Immediates::new()).unwrap();
    let Some(ModelKind::MlProgram(program)) = &model.kind else { panic!() };
    let [main] = &program.functions[..] else { panic!("{:?}", program.functions) };
    let blocks = main.value.as_ref().unwrap().block_specializations.iter();
    let outputs: Vec<&str> = blocks.map(|entry| entry.value.as_ref().unwrap().outputs[0].as_str()).collect();
    assert_eq!(outputs, ["other", "counts"]);
}

/// A function has one block for each operator set: what was there for the set that is written makes way.
#[test]
fn a_raised_set_has_one_block() {
    let block = |output: &str| Block { outputs: vec![output.into()], ..Block::default() };
    let entry = |set: Opset, output| BlockEntry::entry(set.name().into(), block(output).into()).into();
    let sets = [(Opset::CoreML8, "inactive"), (Opset::CoreML6, "active"), (Opset::CoreML7, "other")];
    let function = Function {
        opset: Opset::CoreML6.name().into(),
        block_specializations: sets.map(|(set, output)| entry(set, output)).to_vec(),
        ..Function::default()
    };
    let functions = vec![FunctionEntry::entry("main".into(), function.into()).into()];
    let program = Program { version: 1, functions, ..Program::default() };
    let model = Model { kind: Some(ModelKind::MlProgram(program.into())), ..Model::default() };
    for (set, expected) in [
        (Some(Opset::CoreML8), vec![("CoreML8", "active"), ("CoreML7", "other")]),
        (None, vec![("CoreML8", "inactive"), ("CoreML6", "active"), ("CoreML7", "other")]),
    ] {
        let mut written = Kept::from(model.clone());
        rewrite(&mut written, &Edits { set, ..Edits::default() }, &Immediates::new()).unwrap();
        let Some(ModelKind::MlProgram(program)) = &written.kind else { panic!() };
        let function = program.functions[0].value.as_ref().unwrap();
        let blocks = function.block_specializations.iter();
        let blocks: Vec<(&str, &str)> =
            blocks.map(|entry| (entry.key.as_str(), entry.value.as_ref().unwrap().outputs[0].as_str())).collect();
        assert_eq!(blocks, expected);
        assert_eq!(function.opset, set.unwrap_or(Opset::CoreML6).name());
    }
}
