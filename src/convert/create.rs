//! Tensors that are made of numbers: written into the program as constants.

use super::args::{Args, Number};
use super::builder::{Builder, Param, Values, int32};
use super::table::{Entry, entry};
use crate::graph::ElementType;

const OPTIONS: [&str; 5] = ["dtype", "layout", "device", "pin_memory", "memory_format"];

/// The arguments of an operator with the options that all of these have.
macro_rules! with_options {
    ($($name:literal),*) => {
        &[$($name,)* OPTIONS[0], OPTIONS[1], OPTIONS[2], OPTIONS[3], OPTIONS[4]]
    };
}

pub(super) static OPERATORS: &[Entry] = &[
    entry("arange", with_options!("start", "end", "step"), arange),
    entry("full", with_options!("size", "fill_value"), |b, args| filled(b, args, None)),
    entry("full_like", with_options!("self", "fill_value"), |b, args| filled(b, args, None)),
    entry("new_full", with_options!("self", "size", "fill_value"), |b, args| filled(b, args, None)),
    entry("zeros", with_options!("size"), |b, args| filled(b, args, Some(0.0))),
    entry("zeros_like", with_options!("self"), |b, args| filled(b, args, Some(0.0))),
    entry("new_zeros", with_options!("self", "size"), |b, args| filled(b, args, Some(0.0))),
    entry("ones", with_options!("size"), |b, args| filled(b, args, Some(1.0))),
    entry("ones_like", with_options!("self"), |b, args| filled(b, args, Some(1.0))),
    entry("new_ones", with_options!("self", "size"), |b, args| filled(b, args, Some(1.0))),
    entry("empty", with_options!("size"), |b, args| filled(b, args, Some(0.0))),
    entry("empty_like", with_options!("self"), |b, args| filled(b, args, Some(0.0))),
    entry("new_empty", with_options!("self", "size"), |b, args| filled(b, args, Some(0.0))),
    entry("fill", &["self", "value"], |b, args| filled(b, args, None)),
    entry("zero", &["self"], |b, args| filled(b, args, Some(0.0))),
    entry("linspace", with_options!("start", "end", "steps"), linspace),
    entry("eye", with_options!("n", "m"), |b, args| {
        let [rows, columns] = shape(args)?[..] else { return Err("it gives no matrix".to_owned()) };
        let count = u64::try_from(rows.saturating_mul(columns)).unwrap_or(0);
        let mut values = (0..rows).flat_map(|row| (0..columns).map(move |column| f64::from(u8::from(row == column))));
        made(b, args, &mut values, count)
    }),
    entry("scalar_tensor", with_options!("s"), |b, args| {
        if let Some(dim) = args.open("s") {
            let size = b.extent(dim)?;
            let size = b.size_scalar(&size)?;
            return Ok(vec![b.cast(&size, args.output_element()?)?]);
        }
        let value = args.float("s", 0.0)?;
        made(b, args, &mut std::iter::once(value), 1)
    }),
];

/// The most elements of a tensor that is written down as it is.
const MAX_ELEMENTS: u64 = super::sizes::MAX_NUMBERS as u64;

/// From here on a tensor of one value is filled by the program.
const FILLED: u64 = 1 << 14;

/// The sizes of what comes out, all fixed.
fn shape(args: &Args<'_>) -> Result<Vec<i64>, String> {
    let sizes = args.output(0)?.sizes();
    let sizes = sizes.and_then(|sizes| sizes.into_iter().map(|size| i64::try_from(size).ok()).collect());
    sizes.ok_or_else(|| "it makes a tensor whose sizes are known only when the program runs".to_owned())
}

/// A constant of numbers in the type that the export declares.
fn made(b: &mut Builder<'_>, args: &Args<'_>, values: &mut dyn Iterator<Item = f64>, count: u64) -> Values {
    let shape = shape(args)?;
    let total = shape.iter().try_fold(1u64, |total, size| total.checked_mul(u64::try_from(*size).ok()?));
    if total != Some(count) || count > MAX_ELEMENTS {
        return Err("it makes a tensor of another size than the export declares, or one that is too large".to_owned());
    }
    let element = args.output_element()?;
    let mut bytes = Vec::new();
    for value in values {
        match element {
            ElementType::Fp32 => bytes.extend_from_slice(&(value as f32).to_le_bytes()),
            ElementType::Bool => bytes.push(u8::from(value != 0.0)),
            _ => bytes.extend_from_slice(&int32(value.trunc())?.to_le_bytes()),
        }
    }
    Ok(vec![b.literal("value", element, &shape, bytes)])
}

fn filled(b: &mut Builder<'_>, args: &Args<'_>, value: Option<f64>) -> Values {
    let name = if args.has("fill_value") { "fill_value" } else { "value" };
    let element = args.output_element()?;
    let declared = &args.output(0)?.shape;
    if let Some(id) = args.id(name).filter(|_| value.is_none()) {
        let value = b.value(id)?;
        let value = b.cast(&value, element)?;
        return Ok(vec![b.spread(&value, declared)?]);
    }
    let value = match value {
        Some(value) => value,
        None => args.number_if(name)?.map(Number::value).ok_or("what it fills with is missing")?,
    };
    let fixed = shape(args).ok();
    let count = fixed
        .and_then(|sizes| sizes.iter().try_fold(1u64, |count, size| count.checked_mul(u64::try_from(*size).ok()?)));
    let Some(count) = count.filter(|count| *count < FILLED) else {
        let sizes = b.extents(declared)?;
        let (sizes, value) = (b.vector(&sizes)?, b.scalar(value, element)?);
        let made = b.op("fill", vec![("shape", Param::Value(&sizes)), ("value", Param::Value(&value))])?;
        let dims = declared.iter().map(|dim| dim.known().into()).collect();
        return Ok(vec![b.refined(made, dims)]);
    };
    let mut values = std::iter::repeat_n(value, usize::try_from(count).unwrap_or(0));
    made(b, args, &mut values, count)
}

/// Numbers at even distances, counted from both ends, as PyTorch does.
fn linspace(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (start, end) = (args.float("start", 0.0)?, args.float("end", 0.0)?);
    let count = shape(args)?.first().copied().and_then(|count| u64::try_from(count).ok());
    let count = count.filter(|count| *count <= MAX_ELEMENTS).ok_or("it makes a tensor that is too large")?;
    let step = if count > 1 { (end - start) / (count - 1) as f64 } else { 0.0 };
    let value = |at: u64| {
        if at < count / 2 || count == 1 { start + step * at as f64 } else { end - step * (count - 1 - at) as f64 }
    };
    made(b, args, &mut (0..count).map(value), count)
}

fn arange(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let is_open = |name: &str| args.open(name).is_some_and(|dim| dim.known().is_none());
    if is_open("start") || is_open("end") || is_open("step") {
        return arange_open(b, args);
    }
    let (start, step) = (args.float("start", 0.0)?, args.float("step", 1.0)?);
    let count = shape(args)?.first().copied().and_then(|count| u64::try_from(count).ok());
    let count = count.filter(|count| *count <= MAX_ELEMENTS).ok_or("it makes a tensor that is too large")?;
    let end = args.float("end", 0.0)?;
    // The number of elements is the export's; the numbers only have to agree with it.
    if step == 0.0 || ((end - start) / step).ceil() != count as f64 {
        return Err("it makes another number of elements than the export declares".to_owned());
    }
    let mut values = (0..count).map(|at| start + step * at as f64);
    made(b, args, &mut values, count)
}

/// Numbers up to a size that is known only when the program runs.
fn arange_open(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let bound = |b: &mut Builder<'_>, name: &str, default: f64| match args.open(name) {
        Some(dim) => {
            let extent = b.extent(dim)?;
            b.size_scalar(&extent)
        }
        None => b.scalar(args.float(name, default)?, ElementType::Int32),
    };
    let (start, end, step) = (bound(b, "start", 0.0)?, bound(b, "end", 0.0)?, bound(b, "step", 1.0)?);
    let parameters = vec![("start", Param::Value(&start)), ("end", Param::Value(&end)), ("step", Param::Value(&step))];
    let numbers = b.op("range_1d", parameters)?;
    Ok(vec![b.cast(&numbers, args.output_element()?)?])
}
