//! Any bytes as an archive of exported programs: read or refused, every tensor within its member, every program that is
//! accepted one whose values are defined before they are used, and converted or refused.
#![no_main]

use std::borrow::Cow;
use std::io::Cursor;

use bitmill::convert::{self, Tensors};
use bitmill::formats::pt2::Contents;
use bitmill::graph::aten::shapes::Takes;
use bitmill::graph::aten::{Definition, import, weights};
use bitmill::graph::function::Opset;
use libfuzzer_sys::fuzz_target;

/// No tensor can be read.
struct Nothing;

impl Tensors for Nothing {
    fn elements(&self, _: &str) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn place(&self, _: &str) -> Option<usize> {
        None
    }
}

fuzz_target!(|bytes: &[u8]| {
    let contents = match Contents::read(&mut Cursor::new(bytes), bytes.len() as u64) {
        Ok(contents) => contents,
        Err((member, fault)) => {
            // A message is made of what strangers wrote: it must come out, and be of sensible length.
            assert!(fault.to_string().len() < 10_000 && member.is_none_or(|name| !name.is_empty()));
            return;
        }
    };
    for saved in &contents.programs {
        for payload in saved.weights.iter().chain(&saved.constants) {
            let tensor = &payload.tensor;
            assert!(tensor.bytes <= bytes.len() as u64);
            let member = &contents.members[tensor.member];
            let data = bytes.get(member.offset as usize..).and_then(|rest| rest.get(..member.compressed as usize));
            let data = data.expect("it lies in the file");
            if member.compressed == member.size {
                let elements = tensor.read(data).expect("it lies in its storage");
                assert_eq!(elements.len() as u64, tensor.bytes);
            }
        }
        let Ok(program) = import(&saved.name, &saved.program) else { continue };
        for (index, node) in program.graph.nodes.iter().enumerate() {
            for value in node.arguments.iter().flat_map(|(_, argument)| argument.values()) {
                match program.graph.values[value.0 as usize].definition {
                    Definition::Input(input) => assert!((input as usize) < program.inputs.len()),
                    Definition::Node(before) => assert!((before as usize) < index),
                }
            }
        }
        weights::stored(&program);
        let takes = Takes::of(&program);
        let shapes = takes.inputs.iter().map(|(name, dims)| (name, dims.iter().map(|dim| dim.known().unwrap_or(3))));
        let shapes: Vec<(&str, Vec<u64>)> = shapes.map(|(name, sizes)| (&**name, sizes.collect())).collect();
        let chosen: Vec<_> = shapes.iter().map(|(name, shape)| (*name, vec![shape.as_slice()])).collect();
        let settled = takes.bind(&chosen).map(|settled| program.with_shapes(&settled));
        for program in [Some(program), settled.ok()].into_iter().flatten() {
            if let Err(error) = convert::convert(&program, &Nothing, Opset::CoreML7) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
});
