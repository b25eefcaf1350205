//! What is broken in a valid program is found, at its place. The mutations are those that coremltools' loader was
//! tried on, and some that it lets pass.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod graph_common;

use bitmill::formats::coreml::proto::{
    self, Argument, Binding, BindingKind, DimensionKind, FeatureKind, Kept, ModelKind, Operation, ValueTypeKind,
};
use bitmill::graph::NoBlobs;
use bitmill::graph::check::check;
use bitmill::graph::mil::check_interface;
use graph_common::{Package, archive};

fn package(name: &str) -> Package {
    archive("lowered").into_iter().find(|package| package.name == name).unwrap()
}

fn block(package: &mut Package) -> &mut Kept<proto::Block> {
    let Some(ModelKind::MlProgram(program)) = &mut package.model.kind else { panic!() };
    let function = program.functions[0].value.as_mut().unwrap();
    function.block_specializations[0].value.as_mut().unwrap()
}

/// The first operation of a kind.
fn first<'a>(package: &'a mut Package, kind: &str) -> &'a mut Kept<Operation> {
    block(package).operations.iter_mut().find(|operation| operation.r#type == kind).unwrap()
}

fn tensor(ty: &mut Option<Kept<proto::ValueType>>) -> &mut Kept<proto::TensorType> {
    match ty.as_mut().and_then(|ty| ty.kind.as_mut()) {
        Some(ValueTypeKind::Tensor(tensor)) => tensor,
        _ => panic!("no tensor"),
    }
}

fn set_dim(tensor: &mut proto::TensorType, at: usize, size: u64) {
    let constant = proto::ConstantDimension { size };
    tensor.dimensions[at] = proto::Dimension { dimension: Some(DimensionKind::Constant(constant.into())) }.into();
}

/// The type of a literal bound to a parameter.
fn literal_type<'a>(operation: &'a mut Operation, parameter: &str) -> &'a mut Kept<proto::TensorType> {
    let entry = operation.inputs.iter_mut().find(|entry| entry.key == parameter).unwrap();
    match &mut entry.value.as_mut().unwrap().arguments[0].binding {
        Some(BindingKind::Value(value)) => tensor(&mut value.r#type),
        _ => panic!("no literal"),
    }
}

fn bind(operation: &mut Operation, parameter: &str, name: &str) {
    let binding = Binding { binding: Some(BindingKind::Name(name.to_owned())) };
    let entry = operation.inputs.iter_mut().find(|entry| entry.key == parameter).unwrap();
    entry.value = Some(Argument { arguments: vec![binding.into()] }.into());
}

/// What the checks say, line by line; what the reader says, if it refuses.
fn said(package: &Package) -> String {
    let message = package.message();
    let program = match bitmill::graph::mil::import(message) {
        Ok(program) => program,
        Err(error) => return error.to_string(),
    };
    let problems = check(&program, &NoBlobs).into_iter().map(|problem| problem.to_string());
    let interface = check_interface(&package.model, &program).into_iter().map(|error| error.to_string());
    problems.chain(interface).collect::<Vec<_>>().join("\n")
}

/// What is said about a package after a change; before it, nothing.
fn after(name: &str, change: impl FnOnce(&mut Package)) -> String {
    let mut package = package(name);
    assert_eq!(said(&package), "");
    change(&mut package);
    said(&package)
}

const IOS_17: &str = "tiny-lm--int8-axis--iOS17";
const IOS_18: &str = "tiny-lm--int4-group32-asymmetric--iOS18";
const PALETTE: &str = "tiny-lm--codebook-uint4-16xall--iOS18";
const STATIC: &str = "tiny-cnn--static-8bit--iOS17";

#[test]
fn a_dangling_name() {
    let text = after(IOS_18, |package| bind(first(package, "linear"), "x", "nobody"));
    insta::assert_snapshot!(text, @"function `main`: linear `linear_0_cast_fp16`: `nobody` is not defined (`x`)");
}

#[test]
fn a_required_input_that_is_missing() {
    let text = after(IOS_18, |package| first(package, "linear").inputs.retain(|entry| entry.key != "weight"));
    insta::assert_snapshot!(text, @"function `main`: linear `linear_0_cast_fp16`: `weight` is required");
}

#[test]
fn an_input_that_does_not_exist() {
    let text = after(IOS_18, |package| {
        let linear = first(package, "linear");
        let mut entry = linear.inputs[0].clone();
        entry.key = "alpha".to_owned();
        linear.inputs.push(entry);
    });
    insta::assert_snapshot!(text, @"function `main`: linear `linear_0_cast_fp16`: `alpha` is not a parameter of this operator in CoreML8; it has x, weight, bias");
}

#[test]
fn names_with_control_characters() {
    let parameter = after(IOS_18, |package| {
        let linear = first(package, "linear");
        let mut entry = linear.inputs[0].clone();
        entry.key = "al\u{7f}\u{1b}pha".to_owned();
        linear.inputs.push(entry);
    });
    assert!(parameter.contains(r"`al\u{7f}\u{1b}pha` is not a parameter of this operator"), "{parameter}");
    let value = after(IOS_18, |package| bind(first(package, "linear"), "x", "no\u{1}body"));
    assert!(value.contains(r"`no\u{1}body` is not defined (`x`)"), "{value}");
}

#[test]
fn a_wrong_declared_shape() {
    let text = after(STATIC, |package| set_dim(tensor(&mut first(package, "linear").outputs[0].r#type), 1, 99));
    insta::assert_snapshot!(text, @"
    function `main`: linear `linear_0_cast_fp16`: output `linear_0_cast_fp16` is declared as fp16[1, 99]; from the inputs follows fp16[1, 24]
    function `main`: relu `aten_relu_default_2_cast_fp16`: output `aten_relu_default_2_cast_fp16` is declared as fp16[1, 24]; from the inputs follows fp16[1, 99]
    ");
}

#[test]
fn a_wrong_declared_shape_of_a_constexpr() {
    let text = after(IOS_18, |package| {
        let operation = first(package, "constexpr_blockwise_shift_scale");
        set_dim(tensor(&mut operation.outputs[0].r#type), 0, 7);
    });
    insta::assert_snapshot!(text, @"function `main`: constexpr_blockwise_shift_scale `torchao_dequantize_affine_default_cast_fp16`: output `torchao_dequantize_affine_default_cast_fp16` is declared as fp16[7, 64]; from the inputs follows fp16[128, 64]");
}

#[test]
fn scales_that_do_not_divide() {
    let text = after(IOS_18, |package| {
        set_dim(literal_type(first(package, "constexpr_blockwise_shift_scale"), "scale"), 1, 3);
    });
    insta::assert_snapshot!(text, @"function `main`: constexpr_blockwise_shift_scale `torchao_dequantize_affine_default_cast_fp16`: `scale` has 3 in dimension 1, which does not divide the 64 of `data`");
}

#[test]
fn an_offset_of_another_type() {
    let text = after(IOS_18, |package| {
        literal_type(first(package, "constexpr_blockwise_shift_scale"), "offset").data_type = 35;
    });
    insta::assert_snapshot!(text, @"function `main`: constexpr_blockwise_shift_scale `torchao_dequantize_affine_default_cast_fp16`: `offset` is uint4; it must be int4 as `data`, or a float");
}

#[test]
fn a_table_of_another_length() {
    let text = after(PALETTE, |package| set_dim(literal_type(first(package, "constexpr_lut_to_dense"), "lut"), 2, 15));
    insta::assert_snapshot!(text, @"function `main`: constexpr_lut_to_dense `quant_dequantize_codebook_default_cast_fp16`: `lut` has 15 entries in each table; indices of uint4 need 16");
}

#[test]
fn indices_of_another_width() {
    let text = after(PALETTE, |package| {
        literal_type(first(package, "constexpr_lut_to_dense"), "indices").data_type = 39;
    });
    insta::assert_snapshot!(text, @"function `main`: constexpr_lut_to_dense `quant_dequantize_codebook_default_cast_fp16`: `lut` has 16 entries in each table; indices of uint3 need 8");
}

#[test]
fn an_older_operator_set() {
    let text = after(PALETTE, |package| {
        let Some(ModelKind::MlProgram(program)) = &mut package.model.kind else { panic!() };
        let function = program.functions[0].value.as_mut().unwrap();
        function.opset = "CoreML7".to_owned();
        function.block_specializations[0].key = "CoreML7".to_owned();
        let block = function.block_specializations[0].value.as_mut().unwrap();
        block.operations.truncate(1);
        block.outputs.clear();
        package.model.description = None;
    });
    insta::assert_snapshot!(text, @"
    function `main`: constexpr_lut_to_dense `quant_dequantize_codebook_default_cast_fp16`: `indices` is an input; in CoreML7 it must be an attribute
    function `main` is of CoreML7, but specification version 9 goes with CoreML8
    function `main`: input `tokens` is not described
    ");
}

#[test]
fn a_parameter_stored_as_an_input() {
    let text = after(IOS_17, |package| {
        let operation = first(package, "constexpr_affine_dequantize");
        let at = operation.attributes.iter().position(|entry| entry.key == "scale").unwrap();
        let value = operation.attributes.remove(at).value.clone().unwrap();
        let binding = Binding { binding: Some(BindingKind::Value(Box::new(value))) };
        let argument = Argument { arguments: vec![binding.into()] };
        let entry = proto::InputEntry { key: "scale".to_owned(), value: Some(argument.into()) };
        operation.inputs.push(entry.into());
    });
    insta::assert_snapshot!(text, @"function `main`: constexpr_affine_dequantize `torchao_dequantize_affine_default_cast_fp16`: `scale` is an input; in CoreML7 it must be an attribute");
}

#[test]
fn a_compressed_constant_that_is_an_output() {
    let text = after(IOS_18, |package| {
        let name = first(package, "constexpr_blockwise_shift_scale").outputs[0].name.clone();
        block(package).outputs.push(name);
        package.model.description = None;
    });
    insta::assert_snapshot!(text, @"
    function `main`: constexpr_blockwise_shift_scale `torchao_dequantize_affine_default_cast_fp16`: `torchao_dequantize_affine_default_cast_fp16` is a compressed constant and cannot be an output of a block
    function `main`: input `tokens` is not described
    function `main`: output `aten_linear_default_14` is not described
    function `main`: output `torchao_dequantize_affine_default_cast_fp16` is not described
    ");
}

#[test]
fn a_loop_among_operations() {
    let text = after(STATIC, |package| {
        let own = first(package, "linear").outputs[0].name.clone();
        bind(first(package, "conv"), "x", &own);
    });
    insta::assert_snapshot!(text, @"function `main`: conv `aten_conv2d_default_cast_fp16`: `linear_0_cast_fp16` is needed for its own definition (`x`)");
}

#[test]
fn operations_in_the_wrong_order() {
    let text = after(IOS_18, |package| {
        let operations = &mut block(package).operations;
        let at = operations.iter().position(|operation| operation.r#type == "linear").unwrap();
        operations.swap(at, at - 1);
    });
    insta::assert_snapshot!(text, @"function `main`: linear `linear_0_cast_fp16`: `p_layers_0_attention_q_proj_bias_to_fp16` is used before the operation that defines it (`bias`)");
}

#[test]
fn a_description_that_does_not_fit() {
    let text = after(STATIC, |package| {
        let description = package.model.description.as_mut().unwrap();
        description.output[0].name = "other".to_owned();
        let input = description.input[0].r#type.as_mut().unwrap();
        let Some(FeatureKind::MultiArray(array)) = &mut input.kind else { panic!() };
        array.data_type = 131_104;
        package.model.specification_version = 9;
    });
    insta::assert_snapshot!(text, @"
    function `main` is of CoreML7, but specification version 9 goes with CoreML8
    function `main`: input `image` is described as int32[1, 3, 16, 16], but is fp32[1, 3, 16, 16]
    function `main`: output `other` is described, but not in the program
    function `main`: output `quantized_decomposed_dequantize_per_tensor_default_8` is not described
    ");
}

#[test]
fn a_data_type_of_another_version() {
    let text = after(STATIC, |package| tensor(&mut first(package, "conv").outputs[0].r#type).data_type = 77);
    insta::assert_snapshot!(text, @"function `main`: operation `aten_conv2d_default_cast_fp16`: the data type 77 is not known");
}

#[test]
fn values_fewer_than_the_shape_says() {
    let text = after(STATIC, |package| {
        let operation = first(package, "const");
        let value = operation.attributes.iter_mut().find(|entry| entry.key == "val").unwrap().value.as_mut().unwrap();
        let ty = tensor(&mut value.r#type);
        ty.rank = 1;
        ty.dimensions = vec![proto::Dimension::default().into()];
        set_dim(ty, 0, 3_000_000_000);
    });
    insta::assert_snapshot!(text, @"function `main`: operation `quantize_9_output_dtype_0`: a constant of string[3000000000]: the number of values is not that of the shape");
}
