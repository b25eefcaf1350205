//! Programs from strangers: whatever the bytes, an answer and no panic, in little time.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod graph_common;

use std::sync::LazyLock;

use bitmill::formats::coreml::proto::{
    self, DimensionKind, Kept, Model, ModelKind, TensorElements, ValueKind, ValueTypeKind,
};
use bitmill::graph::check::check;
use bitmill::graph::mil::{check_interface, import};
use bitmill::graph::weights::weights;
use bitmill::graph::{NoBlobs, Opset};
use graph_common::archive;
use proptest::prelude::*;
use prost::Message as _;

/// Everything that is done with a program, for its effects.
fn look_at(model: &Kept<Model>) {
    let Some(ModelKind::MlProgram(message)) = &model.kind else { return };
    let program = match import(message) {
        Ok(program) => program,
        Err(error) => return drop(error.to_string()),
    };
    for problem in check(&program, &NoBlobs) {
        let text = problem.to_string();
        assert!(text.len() < 4000, "{text}");
    }
    drop(check_interface(model, &program));
    for weight in weights(&program, &NoBlobs).all {
        drop((weight.axes(), weight.candidates()));
    }
}

/// Small models with many operators.
static MODELS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let packages = archive("operators").into_iter().chain(archive("lowered").into_iter().take(6));
    packages.map(|package| package.model.encode_to_vec()).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn changed_bytes(which in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = which.get(&MODELS).clone();
        for (at, byte) in changes {
            let length = bytes.len();
            bytes[at.index(length)] = byte;
        }
        if let Ok(model) = Kept::<Model>::decode(&bytes[..]) {
            look_at(&model);
        }
    }

    /// Shapes, element types and constants that do not go together.
    #[test]
    fn changed_values(which in any::<prop::sample::Index>(), set in 0..5usize, seed in any::<u64>()) {
        let mut model = Kept::<Model>::decode(&which.get(&MODELS)[..]).unwrap();
        let Some(ModelKind::MlProgram(program)) = &mut model.kind else { panic!() };
        let mut dice = Dice(seed | 1);
        for function in &mut program.functions {
            let function = function.value.as_mut().unwrap();
            Opset::ALL[set].name().clone_into(&mut function.opset);
            for entry in &mut function.block_specializations {
                Opset::ALL[set].name().clone_into(&mut entry.key);
                shake(entry.value.as_mut().unwrap(), &mut dice);
            }
        }
        look_at(&model);
    }
}

/// Small numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

fn shake(block: &mut proto::Block, dice: &mut Dice) {
    for operation in &mut block.operations {
        for output in &mut operation.outputs {
            shake_type(&mut output.r#type, dice);
        }
        for attribute in &mut operation.attributes {
            shake_value(attribute.value.as_mut().unwrap(), dice);
        }
        for inner in &mut operation.blocks {
            shake(inner, dice);
        }
    }
}

fn shake_type(ty: &mut Option<Kept<proto::ValueType>>, dice: &mut Dice) {
    let Some(ValueTypeKind::Tensor(tensor)) = ty.as_mut().and_then(|ty| ty.kind.as_mut()) else { return };
    tensor.rank = 0;
    match dice.roll(12) {
        0 => tensor.data_type = [1, 2, 10, 11, 21, 23, 25, 31, 33, 35, 37][dice.roll(11) as usize],
        1 => drop(tensor.dimensions.pop()),
        2 => tensor.dimensions.clear(),
        3 => tensor.dimensions.push(proto::Dimension::default().into()),
        4 => {
            let variadic = proto::UnknownDimension { variadic: true };
            tensor.dimensions =
                vec![proto::Dimension { dimension: Some(DimensionKind::Unknown(variadic.into())) }.into()];
        }
        5 if !tensor.dimensions.is_empty() => {
            let at = dice.roll(tensor.dimensions.len() as u64) as usize;
            let size = [0, 1, 2, 7, u64::MAX, 1 << 32][dice.roll(6) as usize];
            let constant = proto::ConstantDimension { size };
            tensor.dimensions[at] =
                proto::Dimension { dimension: Some(DimensionKind::Constant(constant.into())) }.into();
        }
        _ => {}
    }
}

fn shake_value(value: &mut proto::Value, dice: &mut Dice) {
    let Some(ValueKind::Immediate(immediate)) = &mut value.value else { return };
    let Some(proto::ImmediateKind::Tensor(tensor)) = &mut immediate.value else { return };
    match &mut tensor.value {
        Some(TensorElements::Ints(ints)) if !ints.values.is_empty() && dice.roll(4) == 0 => {
            let at = dice.roll(ints.values.len() as u64) as usize;
            ints.values[at] = [0, -1, 1, 2, 100, i32::MIN, i32::MAX][dice.roll(7) as usize];
        }
        Some(TensorElements::Floats(floats)) if !floats.values.is_empty() && dice.roll(4) == 0 => {
            floats.values[0] = [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-45, f32::MAX][dice.roll(6) as usize];
        }
        Some(TensorElements::Bools(bools)) if dice.roll(4) == 0 => {
            for value in &mut bools.values {
                *value = !*value;
            }
        }
        _ => {}
    }
}

#[test]
fn blocks_that_nest_without_end() {
    let mut block = proto::Block::default();
    for _ in 0..40 {
        let operation =
            proto::Operation { r#type: "cond".to_owned(), blocks: vec![block.into()], ..Default::default() };
        block = proto::Block { operations: vec![operation.into()], ..Default::default() };
    }
    let entry = proto::BlockEntry { key: "CoreML5".to_owned(), value: Some(block.into()) };
    let function = proto::Function {
        opset: "CoreML5".to_owned(),
        block_specializations: vec![entry.into()],
        ..Default::default()
    };
    let entry = proto::FunctionEntry { key: "main".to_owned(), value: Some(function.into()) };
    let program = proto::Program { functions: vec![entry.into()], ..Default::default() };
    let error = import(&program).unwrap_err().to_string();
    assert_eq!(error, "function `main`: blocks are nested more than 32 deep");
}

#[test]
fn a_function_without_operations_for_its_set() {
    let entry = proto::FunctionEntry { key: "main\u{1b}".to_owned(), value: None };
    let program = proto::Program { functions: vec![entry.into()], ..Default::default() };
    let error = import(&program).unwrap_err().to_string();
    assert_eq!(error, "function `main\\u{1b}`: there are no operations for its operator set ``");
}
