//! Programs that coremltools made of one operator or family each (`tests/upstream/graph_programs.py`): the types
//! that follow from our rules are those that coremltools inferred and declared.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod graph_common;

use std::collections::BTreeSet;

use bitmill::graph::check::check;
use bitmill::graph::index::Index;
use bitmill::graph::ops::operators;
use graph_common::archive;

#[test]
fn inferred_types_are_those_of_coremltools() {
    let mut failures = Vec::new();
    for package in archive("operators") {
        let problems = check(&package.program(), &package);
        failures.extend(problems.iter().map(|problem| format!("{}: {problem}", package.name)));
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Operators that no program of the archives has.
#[test]
fn nearly_every_operator_is_exercised() {
    let mut unused: BTreeSet<String> = operators().map(|operator| operator.kind.to_owned()).collect();
    for package in archive("operators") {
        for function in &package.program().functions {
            for (_, operation) in Index::new(function).operations() {
                unused.remove(&*operation.kind);
            }
        }
    }
    let unused: Vec<String> = unused.into_iter().collect();
    // For neural networks only; coremltools cannot make a package of it.
    assert_eq!(unused, ["classify", "conv_quantized", "space_to_batch"]);
}
