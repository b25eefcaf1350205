use super::*;
use crate::element::ElementType::{Fp16, Int8};
use crate::graph::testing::{block, constant, function, op};
use crate::graph::value::{BlobRef, Content, Literal, NoBlobs};

fn lines(function: Function) -> Vec<String> {
    check(&Program { functions: vec![function] }, &NoBlobs).iter().map(|problem| problem.to_string()).collect()
}

fn ty(shape: &[u64]) -> Type {
    Type::tensor(Fp16, shape.iter().copied())
}

#[test]
fn an_unknown_operator_set_is_checked_as_the_newest() {
    let body = block(vec![op("relu", "y", &[("x", "x")], ty(&[3]))], &["y"]);
    let wanted = [
        "function `main`: the operator set `CoreML12` is not known",
        "function `main`: relu `y`: output `y` is declared as fp16[3]; from the inputs follows fp16[2]",
    ];
    assert_eq!(lines(function(ty(&[2]), "CoreML12", body)), wanted);
}

#[test]
fn operators_that_are_not_in_the_table_are_taken_as_declared() {
    let mut custom = op("custom_layer", "y", &[("anything", "x")], ty(&[7]));
    custom.attributes.push(crate::graph::Attribute { name: "class_name".into(), value: Literal::string("Mine") });
    let body = block(vec![custom, op("relu", "z", &[("x", "y")], ty(&[7]))], &["z"]);
    assert_eq!(lines(function(ty(&[2]), "CoreML5", body)), [] as [&str; 0]);
}

#[test]
fn outputs_that_are_too_many() {
    let mut relu = op("relu", "y", &[("x", "x")], ty(&[2]));
    relu.outputs.push(crate::graph::NamedType { name: "z".into(), ty: ty(&[2]) });
    let text = lines(function(ty(&[2]), "CoreML5", block(vec![relu], &["y"])));
    assert_eq!(text, ["function `main`: relu `y`: declares 2 outputs; the operator has 1"]);
}

#[test]
fn six_dimensions_are_too_many_except_for_compressed_constants() {
    let six = [1, 1, 1, 1, 1, 2];
    let text = lines(function(ty(&six), "CoreML5", block(vec![op("relu", "y", &[("x", "x")], ty(&six))], &["y"])));
    assert_eq!(text, ["function `main`: relu `y`: output `y` has 6 dimensions; Core ML has tensors of at most 5"]);
    let blob = |element, shape: &[u64]| {
        let blob = BlobRef { file: "weights".into(), offset: 64 };
        Literal { ty: Type::tensor(element, shape.iter().copied()), content: Content::Blob(blob) }
    };
    let codes = constant("codes", blob(Int8, &[1, 1, 1, 1, 1, 64]));
    let scale = constant("scale", blob(Fp16, &[1, 1, 1, 1, 1, 1]));
    let table =
        op("constexpr_blockwise_shift_scale", "t", &[("data", "codes"), ("scale", "scale")], ty(&[1, 1, 1, 1, 1, 64]));
    let text = lines(function(ty(&[2]), "CoreML8", block(vec![codes, scale, table], &[])));
    assert_eq!(text, [] as [&str; 0]);
}

/// A constant whose declared type is not that of its value: its value is not trusted.
#[test]
fn a_constant_declared_as_something_else() {
    let mut begin = constant("begin", Literal::int32s(&[0]));
    begin.outputs[0].ty = Type::tensor(crate::graph::ElementType::Int32, [3u64]);
    let end = constant("end", Literal::int32s(&[1, 1, 1]));
    let slice = op("slice_by_index", "y", &[("x", "x"), ("begin", "begin"), ("end", "end")], ty(&[1, 1, 1]));
    let text = lines(function(ty(&[2, 2, 2]), "CoreML5", block(vec![begin, end, slice], &["y"])));
    let wanted =
        "function `main`: const `begin`: output `begin` is declared as int32[3]; from the inputs follows int32[1]";
    assert_eq!(text, [wanted]);
}

/// Which values of a function are the same in every run: constants, and what is computed from constants alone.
fn constants(index: &Index<'_>) -> Vec<bool> {
    let mut constant = vec![false; index.values().len()];
    for (id, operation) in index.operations() {
        mark(index, id, operation, &mut constant);
    }
    constant
}

#[test]
fn what_is_computed_from_constants_is_constant() {
    let weight = constant("w", Literal::bytes(crate::graph::TensorType::new(Fp16, [3u64, 2]), vec![0u8; 12]));
    let turned = op("relu", "turned", &[("x", "w")], ty(&[3, 2]));
    let random = op("random_uniform", "r", &[("low", "w")], ty(&[3]));
    let product = op("linear", "y", &[("weight", "turned"), ("x", "x")], ty(&[5, 3]));
    let main = function(ty(&[5, 2]), "CoreML5", block(vec![weight, turned, random, product], &["y"]));
    let index = Index::new(&main);
    // x, w, turned, r, y.
    assert_eq!(constants(&index), [false, true, true, false, false]);
    let types = inferred(&index, &NoBlobs);
    assert_eq!(types[3], Some(vec![ty(&[5, 3])]));
    assert_eq!(types[2], None);
}
