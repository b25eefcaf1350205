//! Attention.

use super::args::Args;
use super::builder::{Builder, One, Param, Value, Values};
use super::elementwise::{arithmetic, scaled};
use super::linear::matmul;
use super::table::{Entry, entry};
use crate::graph::ElementType;
use crate::graph::function::Opset;

pub(super) static OPERATORS: &[Entry] = &[entry(
    "scaled_dot_product_attention",
    &["query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa"],
    attention,
)];

/// What stands for minus infinity before a softmax: its exponential is 0 in every precision, and a sum with it is finite
/// in fp16, so that no row becomes NaN. It is coremltools' number.
const LOW: f64 = -3e4;

/// A mask of more elements is made when the program runs.
const MAX_MASK: i64 = 1 << 22;

fn attention(b: &mut Builder<'_>, args: &Args<'_>) -> Values {
    let (query, key, value) = (b.tensor(args, "query")?, b.tensor(args, "key")?, b.tensor(args, "value")?);
    if args.float("dropout_p", 0.0)? != 0.0 {
        return Err("it drops values, which is for training".to_owned());
    }
    if query.rank() < 3 {
        return Err("it takes matrices without a batch dimension, which is not converted".to_owned());
    }
    let (key, value) = match args.bool("enable_gqa", false)? {
        true => (repeated(b, &key, &query)?, repeated(b, &value, &query)?),
        false => (key, value),
    };
    let depth = query.size(query.rank() - 1).ok_or("it needs the size of a head")?;
    let usual = 1.0 / (depth as f64).sqrt();
    let scale = args.float("scale", usual)?;
    let mask = match (b.tensor_if(args, "attn_mask")?, args.bool("is_causal", false)?) {
        (Some(_), true) => return Err("it has a mask and is causal, which is not converted".to_owned()),
        (Some(mask), false) => Some(mask),
        (None, true) => Some(causal(b, &query, &key)?),
        (None, false) => None,
    };
    if b.set >= Opset::CoreML8 {
        // The operator divides by the root of the depth itself.
        let query = scaled(b, &query, scale / usual)?;
        let mut parameters =
            vec![("query", Param::Value(&query)), ("key", Param::Value(&key)), ("value", Param::Value(&value))];
        parameters.extend(mask.as_ref().map(|mask| ("attn_mask", Param::Value(mask))));
        return Ok(vec![b.op("scaled_dot_product_attention", parameters)?]);
    }
    let query = scaled(b, &query, scale)?;
    let mut scores = matmul(b, &query, &key, (false, true))?;
    if let Some(mask) = mask {
        scores = masked(b, &scores, &mask)?;
    }
    let weights = b.op("softmax", vec![("x", Param::Value(&scores)), ("axis", Param::Int(-1))])?;
    Ok(vec![matmul(b, &weights, &value, (false, false))?])
}

/// Scores without those that a mask of truth values leaves out, or with what another mask adds.
fn masked(b: &mut Builder<'_>, scores: &Value, mask: &Value) -> One {
    if mask.element() != ElementType::Bool {
        return arithmetic(b, "add", scores, mask);
    }
    let low = b.scalar(LOW, ElementType::Fp32)?;
    b.op("select", vec![("cond", Param::Value(mask)), ("a", Param::Value(scores)), ("b", Param::Value(&low))])
}

/// Truth values of a mask in which each position sees those up to its own.
fn causal(b: &mut Builder<'_>, query: &Value, key: &Value) -> One {
    let length = |value: &Value| value.size(value.rank() - 2);
    let written = length(query).zip(length(key)).filter(|(rows, columns)| rows.saturating_mul(*columns) <= MAX_MASK);
    let Some((rows, columns)) = written else {
        let (rows, columns) = (positions(b, query)?, positions(b, key)?);
        let rows = b.wide(&rows, 1)?;
        return b.op("greater_equal", vec![("x", Param::Value(&rows)), ("y", Param::Value(&columns))]);
    };
    let bytes = (0..rows).flat_map(|row| (0..columns).map(move |column| u8::from(column <= row))).collect();
    Ok(b.literal("mask", ElementType::Bool, &[rows, columns], bytes))
}

/// Keys or values with as many heads as the queries, each repeated for the queries that share it.
fn repeated(b: &mut Builder<'_>, value: &Value, query: &Value) -> One {
    let axis = query.rank().checked_sub(3).ok_or("it has no heads")?;
    let heads = |value: &Value| value.size(axis).ok_or("it needs the number of heads");
    let (have, want) = (heads(value)?, heads(query)?);
    if have < 1 || want % have != 0 {
        return Err(format!("{have} heads cannot be shared by {want}"));
    }
    super::shape::repeated(b, value, axis, want / have)
}

/// The positions of a sequence whose length is known only when the program runs.
fn positions(b: &mut Builder<'_>, value: &Value) -> One {
    let length = b.length(value, value.rank() - 2)?;
    let (zero, one) = (b.scalar(0.0, ElementType::Int32)?, b.scalar(1.0, ElementType::Int32)?);
    let parameters = vec![("start", Param::Value(&zero)), ("end", Param::Value(&length)), ("step", Param::Value(&one))];
    b.op("range_1d", parameters)
}
