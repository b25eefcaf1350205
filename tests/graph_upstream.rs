//! Programs that coremltools made of one operator or family each (`tests/upstream/graph_programs.py`): the types
//! that follow from our rules are those that coremltools inferred and declared.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod graph_common;

use std::collections::BTreeSet;

use bitmill::graph::check::{check, inferred};
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

/// Where an inferred type leaves open what coremltools declares, or says what coremltools leaves open.
#[test]
fn few_sizes_are_left_open() {
    let mut differences = Vec::new();
    let mut exact = 0;
    for package in archive("operators") {
        let program = package.program();
        let index = Index::new(&program.functions[0]);
        for ((_, operation), inferred) in index.operations().zip(inferred(&index, &package)) {
            for (output, inferred) in operation.outputs.iter().zip(inferred.unwrap()) {
                if output.ty == inferred {
                    exact += 1;
                } else {
                    let kind = &operation.kind;
                    differences.push(format!("{} {kind}: {} declared, {inferred} inferred", package.name, output.ty));
                }
            }
        }
    }
    insta::assert_snapshot!(format!("{exact} exact\n{}", differences.join("\n")), @"
    1829 exact
    lists-CoreML5 make_list: list<fp32[2, 3], 1> declared, list<fp32[2, 3], ?> inferred
    unknown_sizes-CoreML5 reshape: fp32[?, 3, ?] declared, fp32[?, ?, ?] inferred
    unknown_sizes-CoreML7 reshape: fp32[?, 3, ?] declared, fp32[?, ?, ?] inferred
    ");
}

/// Operators that no program of the archives has.
#[test]
fn every_operator_of_programs_is_exercised() {
    let mut unused: BTreeSet<String> = operators().map(|operator| operator.kind.to_owned()).collect();
    for package in archive("operators") {
        for function in &package.program().functions {
            for (_, operation) in Index::new(function).operations() {
                unused.remove(&*operation.kind);
            }
        }
    }
    let unused: Vec<String> = unused.into_iter().collect();
    // A relic of neural networks (CT:backend/nn/op_mapping.py), which our programs do not have.
    assert_eq!(unused, ["conv_quantized"]);
}
