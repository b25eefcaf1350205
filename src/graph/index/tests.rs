use super::*;
use crate::element::ElementType::Fp16;
use crate::graph::testing::{block, function, named, op};
use crate::graph::value::Literal;
use crate::graph::{Argument, Binding};

fn ty() -> Type {
    Type::tensor(Fp16, [2u64])
}

fn faults(function: &Function) -> Vec<String> {
    Index::new(function).errors().iter().map(|error| error.fault.to_string()).collect()
}

#[test]
fn producers_and_consumers() {
    let add = op("add", "b", &[("x", "a"), ("y", "a")], ty());
    let main = function(ty(), "CoreML5", block(vec![op("relu", "a", &[("x", "x")], ty()), add], &["b", "a"]));
    let index = Index::new(&main);
    assert_eq!(index.errors(), []);
    let a = index.output(OpId(0), 0).unwrap();
    assert_eq!(&**index.name(a), "a");
    assert_eq!(index.producing(a).unwrap().0, OpId(0));
    let consumer = |operation, parameter| Consumer::Operation { operation: OpId(operation), parameter, position: 0 };
    let output = Consumer::Output { block: BlockId(0), position: 1 };
    assert_eq!(index.consumers(a), [consumer(1, 0), consumer(1, 1), output]);
    assert_eq!(index.bound_to(OpId(1), "y"), Some(a));
    assert_eq!(index.bound_to(OpId(1), "z"), None);
    let x = index.bound(OpId(0))[0].unwrap();
    assert_eq!(index.producer(x), Producer::Input { block: BlockId(0), position: 0 });
    assert_eq!(index.output(OpId(1), 1), None);
}

#[test]
fn bindings_of_several_values_and_literals_keep_their_places() {
    let mut concat = op("concat", "c", &[("axis", "x")], ty());
    let bindings = vec![Binding::Value("x".into()), Binding::Literal(Literal::int32(0)), Binding::Value("x".into())];
    concat.inputs.push(Argument { parameter: "values".into(), bindings });
    let main = function(ty(), "CoreML5", block(vec![concat], &["c"]));
    let index = Index::new(&main);
    let x = index.bound(OpId(0))[0];
    assert_eq!(index.bound(OpId(0)), [x, x, None, x]);
    let positions: Vec<u32> = index
        .consumers(x.unwrap())
        .iter()
        .map(|consumer| match consumer {
            Consumer::Operation { position, .. } | Consumer::Output { position, .. } => *position,
        })
        .collect();
    assert_eq!(positions, [0, 0, 2]);
}

/// `cond` whose branches use outer values, and whose inner names do not leak.
fn branches() -> Function {
    let mut cond = op("cond", "r", &[("pred", "x")], ty());
    let yes = block(vec![op("relu", "inner", &[("x", "a")], ty())], &["inner"]);
    let mut no = block(vec![op("abs", "inner", &[("x", "own")], ty())], &["inner"]);
    no.inputs.push(named("own", ty()));
    cond.blocks = vec![yes, no];
    let after = op("exp", "z", &[("x", "r")], ty());
    function(ty(), "CoreML5", block(vec![op("relu", "a", &[("x", "x")], ty()), cond, after], &["z"]))
}

#[test]
fn nested_blocks_see_outer_values() {
    let main = branches();
    let index = Index::new(&main);
    assert_eq!(index.errors(), []);
    // a, cond, relu inside, abs inside, exp.
    let kinds: Vec<&str> = index.operations().map(|(_, operation)| &*operation.kind).collect();
    assert_eq!(kinds, ["relu", "cond", "relu", "abs", "exp"]);
    assert_eq!(index.path(OpId(2)).to_string(), "main/1:0/0");
    assert_eq!(index.path(OpId(3)).to_string(), "main/1:1/0");
    assert_eq!(index.path(OpId(4)).to_string(), "main/2");
    assert_eq!(index.owner(BlockId(2)), Some((OpId(1), 1)));
    let own = index.bound(OpId(3))[0].unwrap();
    assert_eq!(index.producer(own), Producer::Input { block: BlockId(2), position: 0 });
}

#[test]
fn names_of_nested_blocks_end_with_them() {
    let mut main = branches();
    main.block.operations[2] = op("exp", "z", &[("x", "inner")], ty());
    assert_eq!(faults(&main), ["`inner` is not defined"]);
}

#[test]
fn an_inner_name_may_hide_an_outer_one() {
    let mut main = branches();
    main.block.operations[1].blocks[0].operations[0] = op("relu", "a", &[("x", "a")], ty());
    main.block.operations[1].blocks[0].outputs = vec!["a".into()];
    assert_eq!(faults(&main), [] as [&str; 0]);
}

#[test]
fn faults_of_names() {
    let main = |operations, outputs: &[&str]| function(ty(), "CoreML5", block(operations, outputs));
    let relu = |name, x| op("relu", name, &[("x", x)], ty());
    assert_eq!(faults(&main(vec![relu("a", "x"), relu("a", "x")], &[])), ["`a` is defined twice in the same block"]);
    assert_eq!(faults(&main(vec![relu("x", "x")], &[])), ["`x` is defined twice in the same block"]);
    let early = main(vec![relu("a", "b"), relu("b", "x")], &["gone"]);
    let wanted = ["`b` is used before the operation that defines it", "`gone` is not defined"];
    assert_eq!(faults(&early), wanted);
    let cycle = main(vec![relu("a", "b"), relu("b", "a"), relu("c", "d"), relu("d", "x")], &[]);
    let wanted = ["`b` is needed for its own definition", "`d` is used before the operation that defines it"];
    assert_eq!(faults(&cycle), wanted);
    assert_eq!(faults(&main(vec![relu("a", "a")], &[])), ["`a` is needed for its own definition"]);
}

#[test]
fn a_loop_through_a_nested_block_is_found() {
    let mut cond = op("cond", "r", &[("pred", "x")], ty());
    cond.blocks = vec![block(vec![op("relu", "inner", &[("x", "late")], ty())], &["inner"])];
    let late = op("exp", "late", &[("x", "r")], ty());
    let main = function(ty(), "CoreML5", block(vec![cond, late], &["late"]));
    assert_eq!(faults(&main), ["`late` is needed for its own definition"]);
}

/// Long programs take time in proportion to their length.
#[test]
fn two_hundred_thousand_operations() {
    let count = 200_000;
    let operations = (0..count)
        .map(|i| {
            let previous = if i == 0 { "x".to_owned() } else { format!("v{}", i - 1) };
            op("add", &format!("v{i}"), &[("x", &previous), ("y", "x")], ty())
        })
        .collect();
    let main = function(ty(), "CoreML5", block(operations, &["v199999"]));
    let started = std::time::Instant::now();
    let index = Index::new(&main);
    let elapsed = started.elapsed();
    assert_eq!(index.operations().len(), count);
    assert_eq!(index.errors(), []);
    let x = index.bound(OpId(0))[1].unwrap();
    assert_eq!(index.consumers(x).len(), count + 1);
    let checked = std::time::Instant::now();
    assert_eq!(crate::graph::check::check_function(&index, &crate::graph::NoBlobs), []);
    println!("{count} operations: indexed in {elapsed:?}, checked in {:?}", checked.elapsed());
    // Far above what it takes; a quadratic algorithm would need hours.
    assert!(elapsed.as_secs() < 60);
}

#[test]
fn a_long_loop_is_found_without_deep_recursion() {
    let count = 100_000;
    let operations =
        (0..count).map(|i| op("relu", &format!("v{i}"), &[("x", &format!("v{}", (i + 1) % count))], ty())).collect();
    let main = function(ty(), "CoreML5", block(operations, &[]));
    let index = Index::new(&main);
    assert!(index.errors().iter().all(|error| matches!(error.fault, NameFault::Cycle(_))));
    assert_eq!(index.errors().len(), count - 1);
}
