//! Operators of this program's own: places to look at values, and quantizers.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::table::{Entry, entry};
use crate::graph::ElementType;
use crate::graph::function::Opset;
use crate::graph::weights::MIN_ELEMENTS;
use crate::quant::per_tensor;

pub(super) static OPERATORS: &[Entry] =
    &[entry("observe", &["input"], observe), entry("quantize", &["input", "scale", "zero_point", "signed"], quantize)];

/// A value under a name of its own.
fn observe(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "input")?;
    Ok(vec![b.op("identity", vec![("x", Param::Value(&x))])?])
}

/// Codes and values again, as coremltools writes them: codes whose zero lies in the middle of 0 to 255 are -128 to 127
/// with zero at 0, and a zero point of 0 is left out.
fn quantize(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let x = b.tensor(args, "input")?;
    if x.element() != ElementType::Fp32 {
        return Err(format!("it takes {}, which does not become codes", x.element()));
    }
    let scale = args.float("scale", 1.0)?;
    if !(scale > 0.0 && scale.is_finite()) {
        return Err(format!("its scale is {scale}"));
    }
    let (signed, zero_point) = match (args.bool("signed", false)?, args.int("zero_point", 0)?) {
        (false, 128) => (true, 0),
        other => other,
    };
    if let Some(values) = b.known_floats(&x) {
        let zero_point = i32::try_from(args.int("zero_point", 0)?).map_err(|_| "its zero point is no code")?;
        let is_signed = args.bool("signed", false)?;
        return Ok(vec![constant(b, &x, &values, (scale as f32, zero_point, is_signed))?]);
    }
    let element = if signed { ElementType::Int8 } else { ElementType::Uint8 };
    let zero_point = match (signed, i8::try_from(zero_point), u8::try_from(zero_point)) {
        (_, Ok(0), _) => None,
        (true, Ok(zero), _) => Some(zero.cast_unsigned()),
        (false, _, Ok(zero)) => Some(zero),
        _ => return Err(format!("its zero point {zero_point} is no code")),
    };
    // Each of the two has parameters of its own, as coremltools has it.
    let codes = written(b, "quantize", &x, (scale, zero_point), element)?;
    Ok(vec![written(b, "dequantize", &codes, (scale, zero_point), element)?])
}

/// A constant as codes, or where it is so short that it stands in the program, the values that these stand for.
fn constant(b: &mut Builder<'_>, x: &Value, values: &[f32], (scale, zero_point, is_signed): (f32, i32, bool)) -> One {
    let range = if is_signed { (-128, 127) } else { (0, 255) };
    let codes: Vec<i32> = values.iter().map(|value| per_tensor::code(*value, scale, zero_point, range)).collect();
    if (values.len() as u64) < MIN_ELEMENTS || x.rank() == 0 {
        let rounded = codes.iter().flat_map(|code| ((code - zero_point) as f32 * scale).to_le_bytes()).collect();
        return Ok(b.literal("rounded", ElementType::Fp32, &x.sizes()?, rounded));
    }
    // Zero in the middle is left out of newer operators, which have signed codes, as it is of what is computed. In the
    // older one codes are unsigned, as those of weights are.
    let zero = zero_point - range.0;
    let element = if b.set >= Opset::CoreML8 && zero == 128 { ElementType::Int8 } else { ElementType::Uint8 };
    let lowest = if element == ElementType::Int8 { 128 } else { 0 };
    let byte = |unsigned: i32| ((unsigned - lowest) & 0xff) as u8;
    let codes = codes.into_iter().map(|code| byte(code - range.0)).collect();
    let zero = Some(byte(zero)).filter(|zero| b.set < Opset::CoreML8 || *zero != 0);
    Ok(b.coded(x, (element, codes), (scale, zero)))
}

fn written(
    b: &mut Builder<'_>,
    kind: &'static str,
    input: &Value,
    (scale, zero_point): (f64, Option<u8>),
    element: ElementType,
) -> One {
    let zero_point = zero_point.map(|zero| b.literal("zero_point", element, &[], vec![zero]));
    let mut parameters = vec![("input", Param::Value(input))];
    parameters.extend(zero_point.as_ref().map(|zero_point| ("zero_point", Param::Value(zero_point))));
    parameters.push(("scale", Param::Float(scale)));
    if kind == "quantize" {
        let word = if element == ElementType::Int8 { "int8" } else { "uint8" };
        parameters.push(("output_dtype", Param::Text(word)));
    }
    b.op(kind, parameters)
}
