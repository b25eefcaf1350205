//! The program, once everything is written: without what nobody takes.

use std::collections::HashSet;

use super::builder::{Builder, Value};
use super::{Converted, FUNCTION, Interface, Origin};
use crate::graph::op::Block;
use crate::graph::{Binding, Function, Name, Program};

/// The program of a builder.
pub(super) fn finish(builder: Builder<'_>, inputs: Vec<Interface>, outputs: Vec<(Value, Interface)>) -> Converted {
    let mut needed: HashSet<Name> = outputs.iter().map(|(value, _)| value.name.clone()).collect();
    let mut operations = Vec::with_capacity(builder.operations.len());
    for (operation, origin) in builder.operations.into_iter().zip(builder.origins).rev() {
        if !operation.outputs.iter().any(|output| needed.contains(&output.name)) {
            continue;
        }
        for binding in operation.inputs.iter().flat_map(|input| &input.bindings) {
            if let Binding::Value(name) = binding {
                needed.insert(name.clone());
            }
        }
        operations.push((operation, origin));
    }
    operations.reverse();
    let program = builder.program;
    let origin = |index: usize| {
        let node = program.graph.nodes.get(index)?;
        let module = node.module().and_then(|id| program.modules.get(id.0 as usize));
        Some(Origin { node: node.name.clone(), module: module.map_or_else(|| "".into(), |module| module.path.clone()) })
    };
    let (operations, origins): (Vec<_>, Vec<_>) = operations.into_iter().unzip();
    let mut weights = builder.weights;
    weights.retain(|name, _| needed.contains(name));
    let mut declared = builder.inputs;
    declared.sort_by(|a, b| a.name.cmp(&b.name));
    let block = Block {
        inputs: Vec::new(),
        operations,
        outputs: outputs.iter().map(|(value, _)| value.name.clone()).collect(),
    };
    let function = Function {
        name: FUNCTION.into(),
        opset: builder.set.name().into(),
        inputs: declared,
        block,
        other_opsets: Vec::new(),
    };
    Converted {
        program: Program { functions: vec![function] },
        constants: builder.constants,
        inputs,
        outputs: outputs.into_iter().map(|(_, interface)| interface).collect(),
        weights,
        origins: origins.into_iter().map(|index| index.and_then(origin)).collect(),
    }
}
