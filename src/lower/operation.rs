//! A chain as operations of a program.

use super::chain::{Chain, Data, Operand};
use super::message;
use crate::formats::coreml::proto::{Kept, Operation, Value};
use crate::graph::function::Opset;

/// The operations of a chain. The last output has the name `result`; what lies between is named after it. `place`
/// gives each stored tensor as a constant.
///
/// Up to CoreML7 every parameter of a `constexpr_` operator is an attribute, from CoreML8 on an input (apple's
/// backend/mil/load.py).
pub fn operations(
    chain: &Chain,
    result: &str,
    set: Opset,
    fresh: &mut dyn FnMut(&str) -> String,
    mut place: impl FnMut(&Data) -> Kept<Value>,
) -> Vec<Kept<Operation>> {
    let last = chain.steps.len().saturating_sub(1);
    let mut names: Vec<Vec<String>> = Vec::new();
    let mut operations = Vec::new();
    for (index, step) in chain.steps.iter().enumerate() {
        let own =
            if index == last { result.to_string() } else { fresh(&format!("{result}_{}", ending(step.operator))) };
        let outputs: Vec<String> = match step.outputs.len() {
            1 => vec![own.clone()],
            several => (0..several).map(|output| fresh(&format!("{own}_{output}"))).collect(),
        };
        let mut operation = Operation { r#type: step.operator.to_string(), ..Operation::default() };
        for (parameter, operand) in &step.parameters {
            let value = match operand {
                Operand::Result(step, output) => {
                    operation.inputs.push(message::reference(parameter, &names[*step][*output]));
                    continue;
                }
                Operand::Data(data) => place(data),
                Operand::Int(number) => message::int(*number),
                Operand::Sizes(sizes) => message::sizes(sizes),
                Operand::Word(word) => message::text(word),
            };
            if set < Opset::CoreML8 || step.operator == "const" {
                operation.attributes.push(message::attribute(parameter, value));
            } else {
                operation.inputs.push(message::input(parameter, value));
            }
        }
        operation.attributes.push(message::attribute("name", message::text(&own)));
        let typed = outputs.iter().zip(&step.outputs);
        operation.outputs = typed.map(|(name, (element, shape))| message::named(name, *element, shape)).collect();
        names.push(outputs);
        operations.push(operation.into());
    }
    operations
}

/// How the result of an operator in the middle of a chain is named, after the weight.
fn ending(operator: &str) -> &'static str {
    match operator {
        "constexpr_lut_to_dense" | "constexpr_lut_to_sparse" => "palettized",
        "constexpr_sparse_to_dense" => "sparsified",
        _ => "quantized",
    }
}
