//! Programs that ExecuTorch and coremltools wrote: they pass, and what is broken in them is found.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod graph_common;

use bitmill::graph::check::check;
use bitmill::graph::check::inferred;
use bitmill::graph::index::Index;
use bitmill::graph::mil::{self, check_interface};
use graph_common::{archive, full_set};

#[test]
fn every_lowered_program_is_valid_and_has_the_types_that_follow() {
    let packages = archive("lowered");
    assert_eq!(packages.len(), 38);
    for package in packages.into_iter().chain(full_set()) {
        let problems = check(&package.program(), &package);
        let text: Vec<String> = problems.iter().map(|problem| problem.to_string()).collect();
        assert!(text.is_empty(), "{}: {text:#?}", package.name);
        assert_eq!(check_interface(&package.model, &package.program()), []);
    }
}

/// Nothing is left open: the programs have no unknown sizes, and every parameter that decides one is at hand.
#[test]
fn what_follows_is_exactly_what_is_declared() {
    for package in archive("lowered") {
        let program = package.program();
        let index = Index::new(&program.functions[0]);
        for ((_, operation), inferred) in index.operations().zip(inferred(&index, &package)) {
            let declared: Vec<_> = operation.outputs.iter().map(|output| output.ty.clone()).collect();
            assert_eq!(inferred, Some(declared), "{}: {}", package.name, operation.name);
        }
    }
}

#[test]
fn a_path_leads_back_to_the_message() {
    for mut package in archive("lowered") {
        let program = package.program();
        let index = Index::new(&program.functions[0]);
        let Some(bitmill::formats::coreml::proto::ModelKind::MlProgram(message)) = &mut package.model.kind else {
            panic!()
        };
        for (id, operation) in index.operations() {
            let (block, number) = mil::block_mut(message, &index.path(id)).unwrap();
            let found = &block.operations[number];
            assert_eq!(found.r#type, *operation.kind);
            assert_eq!(found.outputs[0].name, *operation.outputs[0].name);
        }
    }
}
