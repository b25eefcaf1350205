use super::*;
use crate::element::ElementType::{Fp16, Int32};
use crate::graph::testing::{block, constant, function, op};
use crate::graph::types::Type;
use crate::graph::{Binding, BlobRef, Content, Literal, NoBlobs};

fn blob(offset: u64, shape: [u64; 2]) -> Literal {
    let blob = BlobRef { file: "@model_path/weights/weight.bin".into(), offset };
    Literal { ty: Type::tensor(Fp16, shape), content: Content::Blob(blob) }
}

fn linear(name: &str, weight: &str) -> crate::graph::Operation {
    op("linear", name, &[("x", "x"), ("weight", weight)], Type::tensor(Fp16, [2u64, 64]))
}

#[test]
fn functions_that_share_a_blob_share_the_weight() {
    let x = || Type::tensor(Fp16, [2u64, 64]);
    let body = |offset, name| block(vec![constant(name, blob(offset, [64, 64])), linear("y", name)], &["y"]);
    let mut first = function(x(), "CoreML8", body(64, "a_weight"));
    first.name = "decode".into();
    let mut second = function(x(), "CoreML8", body(64, "b_weight"));
    second.name = "prefill".into();
    let third = function(x(), "CoreML8", body(9000, "c_weight"));
    let found = weights(&Program { functions: vec![first, third, second] }, &NoBlobs);
    assert_eq!(found.groups, [[0, 2]]);
    let groups: Vec<Option<usize>> = found.all.iter().map(|weight| weight.group).collect();
    assert_eq!(groups, [Some(0), None, Some(0)]);
    assert_eq!(found.all[2].candidates(), ["b.weight"]);
}

#[test]
fn a_constant_that_is_handed_out_is_listed_and_left_alone() {
    let main = function(
        Type::tensor(Fp16, [2u64, 64]),
        "CoreML8",
        block(vec![constant("table", blob(64, [64, 64])), constant("axis", Literal::int32s(&[0; 20]))], &["table"]),
    );
    let found = weights(&Program { functions: vec![main] }, &NoBlobs);
    let [table] = &found.all[..] else { panic!("{found:?}") };
    assert!(table.is_output && table.uses.is_empty());
    assert_eq!(table.axes(), Some(Axes { output: 0, input: 1 }));
    assert_eq!(table.bytes, Some(8192));
}

#[test]
fn roles_that_depend_on_parameters() {
    let ty = || Type::tensor(Fp16, [64u64, 64]);
    let mut gather = op("gather", "rows", &[("x", "w"), ("indices", "i")], ty());
    gather.inputs[0].parameter = "x".into();
    let mut columns = op("gather", "columns", &[("x", "w"), ("indices", "i"), ("axis", "one")], ty());
    columns.inputs.sort_by(|a, b| a.parameter.cmp(&b.parameter));
    let from_back = |name, axis: i32| {
        let mut gather = op("gather", name, &[("x", "w"), ("indices", "i"), ("axis", "one")], ty());
        gather.inputs.iter_mut().filter(|input| &*input.parameter == "axis").for_each(|input| {
            input.bindings = vec![Binding::Literal(Literal::int32(axis))];
        });
        gather
    };
    let live = op("matmul", "m", &[("x", "x"), ("y", "w"), ("transpose_y", "flag")], ty());
    let mut literal = op("matmul", "n", &[("x", "x"), ("y", "w"), ("transpose_y", "flag")], ty());
    literal.inputs[2].bindings = vec![Binding::Literal(Literal::bool(true))];
    let operations = vec![
        constant("w", blob(64, [64, 64])),
        constant("one", Literal::int32(1)),
        constant("i", Literal::int32s(&[0])),
        op("shape", "flag", &[("x", "x")], Type::tensor(Int32, [2u64])),
        gather,
        columns,
        from_back("rows_from_back", -2),
        from_back("columns_from_back", -1),
        from_back("beyond", -3),
        live,
        literal,
    ];
    let main = function(ty(), "CoreML8", block(operations, &["m"]));
    let found = weights(&Program { functions: vec![main] }, &NoBlobs);
    let roles: Vec<Role> = found.all[0].uses.iter().map(|used| used.role).collect();
    let wanted = [
        Role::Embedding,
        Role::Other,
        Role::Embedding,
        Role::Other,
        Role::Other,
        Role::MatmulY { transposed: None },
        Role::MatmulY { transposed: Some(true) },
    ];
    assert_eq!(roles, wanted);
    assert_eq!(found.all[0].axes(), None);
}

/// Constants that share an operation with very many parameters are listed, and cost no more for it.
#[test]
fn operations_with_too_many_parameters_are_not_looked_into() {
    let ty = || Type::tensor(Fp16, [64u64, 64]);
    let mut shared = op("constexpr_lut_to_dense", "shared", &[], ty());
    let part = |i: usize| crate::graph::Argument {
        parameter: format!("p{i}").into(),
        bindings: vec![Binding::Literal(Literal::int32(i as i32))],
    };
    shared.inputs = (0..20_000).map(part).collect();
    let mut operations = vec![shared];
    for i in 0..20_000 {
        operations.push(op("constexpr_blockwise_shift_scale", &format!("w{i}"), &[("data", "shared")], ty()));
    }
    let names: Vec<String> = (0..20_000).map(|i| format!("w{i}")).collect();
    let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
    let main = function(ty(), "CoreML8", block(operations, &outputs));
    let started = std::time::Instant::now();
    let found = weights(&Program { functions: vec![main] }, &NoBlobs);
    assert_eq!(found.all.len(), 20_000);
    assert!(found.all.iter().all(|weight| weight.bytes.is_none() && weight.group.is_none()));
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}
