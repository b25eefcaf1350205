//! Attention as one operator.

use rayon::prelude::*;

use super::elementwise::joined;
use super::{Args, Kernel, One, misshapen};
use crate::exec::error::Fault;
use crate::exec::layout::View;
use crate::exec::math::softmax_row;
use crate::exec::matrix::{Layout, Threads, multiply_add};
use crate::exec::tensor::Data;

pub(super) const KERNELS: &[(&str, Kernel)] = &[("scaled_dot_product_attention", attention)];

/// `query` is [B…, L, E], `key` [B…, S, E], `value` [B…, S, V]: softmax(query · keyᵀ / √E + mask) · value.
fn attention(args: &mut Args<'_>) -> One {
    let shape = args.shape(0)?;
    let (query, key) = (args.tensor("query")?.shape().to_vec(), args.tensor("key")?.shape().to_vec());
    let ([.., length, width], [.., source, _]) = (&query[..], &key[..]) else {
        return Err(misshapen("needs matrices"));
    };
    let (length, width, source) = (*length, *width, *source);
    let last = shape.last().copied().unwrap_or(0);
    let heads = query[..query.len() - 2].iter().product::<usize>();
    let mask = mask(args, &[&query[..query.len() - 2], &[length, source]].concat())?;
    let (query, key, value) = (args.floats("query")?, args.floats("key")?, args.floats("value")?);
    let mut out = vec![0f32; shape.iter().product()];
    if out.is_empty() || source == 0 || heads == 0 {
        return args.one(out);
    }
    let scale = 1.0 / (width as f32).sqrt();
    // Few rows of the query at a time: scores of all of them could be larger than all that the program holds.
    let rows = (1usize << 18).div_ceil(source).min(length);
    let pieces = length.div_ceil(rows);
    let work: Vec<(usize, usize, &mut [f32])> = out
        .chunks_exact_mut(length * last)
        .enumerate()
        .flat_map(|(head, out)| out.chunks_mut(rows * last).enumerate().map(move |(piece, out)| (head, piece, out)))
        .collect();
    debug_assert_eq!(work.len(), heads * pieces);
    work.into_par_iter().for_each(|(head, piece, out)| {
        let first = piece * rows;
        let count = out.len() / last;
        let mut scores = vec![0f32; count * source];
        let query = (&query[(head * length + first) * width..], Layout::rows(width));
        let key = (&key[head * source * width..], Layout::columns(width));
        if width > 0 {
            multiply_add([count, width, source], query, key, (&mut scores, Layout::rows(source)), Threads::One);
        }
        for (row, scores) in scores.chunks_exact_mut(source).enumerate() {
            scores.iter_mut().for_each(|score| *score *= scale);
            if let Some(mask) = &mask {
                mask.add(head * length + first + row, scores);
            }
            softmax_row(scores);
        }
        let value = (&value[head * source * last..], Layout::rows(last));
        multiply_add(
            [count, source, last],
            (&scores, Layout::rows(source)),
            value,
            (out, Layout::rows(last)),
            Threads::One,
        );
    });
    args.one(out)
}

/// What is added to scores: rows of a mask that is repeated along dimensions of size 1.
struct Mask {
    values: Vec<f32>,
    /// Where the row of values for each row of scores begins.
    starts: Vec<usize>,
    /// Whether all scores of a row have one value.
    single: bool,
}

impl Mask {
    fn add(&self, row: usize, scores: &mut [f32]) {
        let start = self.starts.get(row).copied().unwrap_or(0);
        let values = self.values.get(start..).unwrap_or_default();
        match values {
            [value, ..] if self.single => scores.iter_mut().for_each(|score| *score += value),
            _ => scores.iter_mut().zip(values).for_each(|(score, value)| *score += value),
        }
    }
}

/// The mask for scores of this shape.
fn mask(args: &Args<'_>, shape: &[usize]) -> Result<Option<Mask>, Fault> {
    let Some(mask) = args.tensor_if("attn_mask") else { return Ok(None) };
    if joined(mask.shape(), shape)? != shape {
        return Err(misshapen(format!("has a mask of {mask} for scores of {shape:?}")));
    }
    let values = match mask.data() {
        Data::Floats(values) => values.to_vec(),
        Data::Bools(values) => values.iter().map(|keep| if *keep { 0.0 } else { f32::NEG_INFINITY }).collect(),
        Data::Ints(_) => return Err(misshapen("needs a mask of floats or truth values")),
    };
    let (outer, last) = match mask.shape() {
        [outer @ .., last] => (outer, *last),
        [] => (&[][..], 1),
    };
    let rows: Vec<usize> = (0..outer.iter().product()).map(|row: usize| row * last).collect();
    let starts = View::new(outer).broadcast(&shape[..shape.len() - 1]).copy(&rows);
    Ok(Some(Mask { values, starts, single: last == 1 }))
}
