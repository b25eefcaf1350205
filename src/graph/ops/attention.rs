//! Attention as one operator. CT:ops/defs/iOS18/transformers.py.

use crate::element::ElementType::*;
use crate::graph::function::Opset::*;

use super::call::Call;
use super::shape::{One, broadcast, expect_dim, one, open, rank_in};
use super::table::*;

pub(super) static OPERATORS: &[Operator] = &[operator(
    "scaled_dot_product_attention",
    &[since(
        CoreML8,
        &[
            live("query", t(FLOATS)),
            live("key", t(FLOATS)),
            live("value", t(FLOATS)),
            live_opt("attn_mask", Accepts::Group('M', &[Bool, Fp16, Fp32])),
        ],
        attention,
    )],
)];

/// `query` is [B…, L, E], `key` [B…, S, E], `value` [B…, S, V]; the mask is broadcast to [B…, L, S], its last dimension
/// too: there coremltools takes S only, though its description says that the whole shape is broadcast.
fn attention(call: &Call<'_>) -> One {
    let (query, key, value) = (call.tensor("query")?, call.tensor("key")?, call.tensor("value")?);
    let Some(rank) = rank_in("query", query, 3..=usize::MAX)? else { return open(query.element) };
    let ranked = (rank_in("key", key, rank..=rank)?, rank_in("value", value, rank..=rank)?);
    let (Some(_), Some(_)) = ranked else { return open(query.element) };
    for i in 0..rank - 2 {
        expect_dim("key", key, i, query.shape[i], "that of `query`")?;
        expect_dim("value", value, i, query.shape[i], "that of `query`")?;
    }
    expect_dim("key", key, rank - 1, query.shape[rank - 1], "that of `query`")?;
    expect_dim("value", value, rank - 2, key.shape[rank - 2], "that of `key`")?;
    if let Some(mask) = call.tensor_if("attn_mask")?
        && let (Some(_), [outer @ .., last]) = (mask.rank(), &mask.shape[..])
    {
        if *last != 1.into() {
            expect_dim("attn_mask", mask, mask.shape.len() - 1, key.shape[rank - 2], "the sequence length of `key`")?;
        }
        broadcast(&query.shape[..rank - 1], outer)?;
    }
    let mut shape = query.shape.clone();
    shape[rank - 1] = value.shape[rank - 1];
    one(query.element, shape)
}
